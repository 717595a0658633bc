"""Which option a gold means: decided once for a whole column, refused where that is ambiguous."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from modicum.errors import ConfigError
from modicum.tables.listed import Listed
from modicum.tables.records import few

__all__ = ["SCHEMES", "Scheme", "best_share", "decide"]

SCHEMES = ("label", "text", "from_0", "from_1")
"""Ways in which a gold may name an option."""
_WORDS = {
    "label": "the label of an option",
    "text": "the text of an option",
    "from_0": "the position of an option, counted from 0",
    "from_1": "the position of an option, counted from 1",
}
_SAID = re.compile(r"(?:the )?(?:correct )?(?:option|choice|answer)\b(?: is)?[\s:]*", re.IGNORECASE)
"""Words before a label."""
_NAMED = 3
"""Rows that a message names."""


@dataclass(frozen=True)
class Scheme:
    """How the golds of a column name options."""

    name: str
    """One of `SCHEMES`."""
    places: tuple[int | None, ...]
    """Place of the option that each row's gold means; None where it means none."""
    why: str
    """In words."""


def decide(
    listed: Sequence[Listed], golds: Sequence[Sequence[str]], origins: Sequence[str], wanted: str
) -> Scheme:
    """Decide how a column's golds name options, by what fits all rows.

    Labels that stand in the data say themselves what a gold means. Else every way that fits all
    rows must mean the same option in each of them.

    Args:
        listed: Options of each row.
        golds: Gold of each row; several must mean one option.
        origins: Each row's place, for messages.
        wanted: What the user says, one of `SCHEMES`, or empty.

    Raises:
        ConfigError: no way fits, or two that fit mean different options; with rows and option.
    """
    named = [wanted] if wanted else list(SCHEMES)
    found = {name: _places(name, listed, golds) for name in named}
    # rows that no way can read say nothing about the ways
    lost = {i for i in range(len(listed)) if all(p[i] is None for p in found.values())}
    misses = {
        n: sum(p is None for i, p in enumerate(ps) if i not in lost) for n, ps in found.items()
    }
    fits = [name for name in named if misses[name] == 0]
    told = sum(one.is_labelled for one in listed)
    if lost and not few(len(lost), len(listed)):
        fits = []
    elif "label" in fits and 2 * told > len(listed):
        fits = ["label"]
    elif not fits:
        least = min(misses.values())
        fits = [n for n in named if misses[n] == least and few(least + len(lost), len(listed))]
    if not fits:
        raise _unfit(found, golds, origins, wanted)
    differ = [
        i for i in range(len(listed)) if len({found[name][i] for name in fits if i not in lost}) > 1
    ]
    if differ:
        raise _ambiguous(fits, differ, found, listed, golds, origins)
    if all(one.right is not None for one in listed):
        return Scheme("label", found[named[0]], "the data mark the right option")
    said = "as --gold-is says" if wanted else "which fits every row"
    if misses[fits[0]] or lost:
        said = f"which fits all but {misses[fits[0]] + len(lost)} of {len(listed)} rows"
    return Scheme(fits[0], found[fits[0]], f"each gold answer is {_WORDS[fits[0]]}, {said}")


def best_share(
    listed: Sequence[Listed], golds: Sequence[Sequence[str]], *, by_place: bool
) -> float:
    """Return the largest share of rows that one way can read.

    Args:
        listed: Options of each row.
        golds: Gold of each row.
        by_place: Whether places count among the ways.
    """
    ways = SCHEMES if by_place else SCHEMES[:2]
    hits = [sum(p is not None for p in _places(name, listed, golds)) for name in ways]
    return max(hits) / len(listed) if listed else 0.0


def _places(
    name: str, listed: Sequence[Listed], golds: Sequence[Sequence[str]]
) -> tuple[int | None, ...]:
    places: list[int | None] = []
    for one, texts in zip(listed, golds, strict=True):
        if one.right is not None:
            places.append(one.right)
            continue
        meant = {_place(name, one, text) for text in texts}
        places.append(meant.pop() if len(meant) == 1 else None)
    return tuple(places)


def _place(name: str, listed: Listed, gold: str) -> int | None:
    """The place of the option that a gold means in one way, or None."""
    if name == "label":
        return _by_label(listed, gold)
    if name == "text":
        return _by_text(listed, gold)
    digits = gold.removesuffix(".0")  # as a column with gaps is written
    if not (digits.isdecimal() and digits.isascii() and len(digits) < 4):
        return None
    place = int(digits) - (name == "from_1")
    return place if 0 <= place < len(listed.texts) else None


def _by_label(listed: Listed, gold: str) -> int | None:
    """The option of a label, alone, in brackets, or before the option's own text."""
    labels = [label.strip("()[]. :").casefold() for label in listed.labels]
    gold = _SAID.sub("", gold.strip())
    bare = gold.strip("()[].: ").casefold()
    if bare in labels:
        return labels.index(bare)
    head, _, rest = gold.lstrip("([").replace(")", " ", 1).partition(" ")
    label = head.strip(".:])").casefold()
    if label not in labels:
        return None
    place = labels.index(label)
    return place if _flat(rest) == _flat(listed.texts[place]) else None


def _by_text(listed: Listed, gold: str) -> int | None:
    if gold in listed.texts:
        return listed.texts.index(gold)
    flat = [_flat(text) for text in listed.texts]
    return flat.index(_flat(gold)) if _flat(gold) in flat else None


def _flat(text: str) -> str:
    return " ".join(text.split()).casefold()


def _unfit(
    found: dict[str, tuple[int | None, ...]],
    golds: Sequence[Sequence[str]],
    origins: Sequence[str],
    wanted: str,
) -> ConfigError:
    """The error of golds that are none of their options."""
    best = max(found, key=lambda name: sum(p is not None for p in found[name]))
    lost = [i for i, place in enumerate(found[best]) if place is None]
    named = "; ".join(f"{origins[i]}: {', '.join(golds[i])[:60]!r}" for i in lost[:_NAMED])
    return ConfigError(
        f"the gold answers of {len(lost)} of {len(origins)} rows are not "
        f"{_WORDS[best] if wanted else 'among their options in any consistent way'}: {named}",
        "gold answers that all name an option in the same way: by label, text, or position from 0 or 1",
        "correct them, name another --answer column, use --gold-is, or turn choices off: --choices none",
    )


def _ambiguous(
    fits: Sequence[str],
    differ: Sequence[int],
    found: dict[str, tuple[int | None, ...]],
    listed: Sequence[Listed],
    golds: Sequence[Sequence[str]],
    origins: Sequence[str],
) -> ConfigError:
    """The error of golds that mean different options in two ways that both fit all rows."""
    words = [
        f"{origins[i]}: {golds[i][0][:40]!r} is "
        + " or ".join(
            f"{listed[i].texts[place][:40]!r} ({name})"
            for name in fits
            if (place := found[name][i]) is not None
        )
        for i in differ[:_NAMED]
    ]
    return ConfigError(
        f"gold answers that mean different options in {len(differ)} rows, read as {' or as '.join(fits)}: "
        + "; ".join(words),
        "gold answers that all name an option in the same way",
        "choose one: " + " or ".join(f"--gold-is {name}" for name in fits),
    )
