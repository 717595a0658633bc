"""Options put below their questions, and golds turned into the letters of their options."""

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence

from modicum.tables.cells import OddCellError, cell_golds
from modicum.tables.choosing import Scheme, best_share, decide
from modicum.tables.columns import NONE, Choices, Columns
from modicum.tables.drafts import Draft, answer_cell
from modicum.tables.listed import MOST, Listed, letters, listed_in, listed_of, mixed, with_options
from modicum.tables.records import Row, few

__all__ = ["Opted", "best_answer", "opted"]

_LOOKED_AT = 300
"""Rows by which a column of answers is told from another."""
_MOSTLY = 0.5
_FEWEST_FIXED, _FIXED = 5, 0.9
"""Rows from which, and their share from which, a right option that stands at one place is the data's
habit: a model could learn the place instead of the answer."""
_PLAIN = re.compile(r"[A-J]|(?i:options?|choices?|endings?|alternatives?)[\s_-]*\w+")
"""Names of columns that are options and nothing else."""
_NUMERIC = re.compile(r"[-−]?[0-9.,]+")


@dataclasses.dataclass(frozen=True)
class Opted:
    """Drafts with their options, and how that was done."""

    drafts: tuple[Draft, ...]
    choices: Choices
    why: str = ""
    """How golds name options, in words; empty where there are none."""
    odd: tuple[tuple[Draft, str], ...] = ()
    """Drafts that are not as the others, and what is odd."""


def best_answer(columns: Columns, rows: Sequence[Row]) -> Columns:
    """Choose among guessed columns the first one whose cells name options.

    Where none does and the options were guessed by small letters or by numbers in the names of
    columns, which may mean anything, these are no options.
    """
    if columns.choices.kind not in ("cell", "columns"):
        return columns
    looked = [row for row in rows if not row.fault][:_LOOKED_AT]
    for name in (columns.answer, *columns.candidates):
        tried = dataclasses.replace(columns, answer=name)
        pairs = [pair for row in looked if (pair := _pair(row, tried)) is not None]
        listed, golds = [a for a, _ in pairs], [b for _, b in pairs]
        by_place = not (_is_vague(columns.choices) and _are_numbers(listed))
        if best_share(listed, golds, by_place=by_place) >= _MOSTLY:
            others = tuple(n for n in (columns.answer, *columns.candidates) if n != name)
            return dataclasses.replace(tried, candidates=others)
    if _is_vague(columns.choices):
        return dataclasses.replace(columns, choices=Choices())
    return columns


def opted(drafts: Sequence[Draft], columns: Columns, gold_is: str, wanted: str) -> Opted:
    """Letter the options of a whole column in one way.

    Args:
        drafts: The records.
        columns: Their columns.
        gold_is: How the user says that golds name options, or empty.
        wanted: The columns of options that the user named, `none`, or empty.

    Raises:
        ConfigError: golds that name options in no one way, or in several that differ.
    """
    if not drafts:
        return Opted((), columns.choices)
    if columns.choices.kind:
        return _beside(drafts, columns, gold_is)
    if wanted == NONE:
        return Opted(tuple(drafts), columns.choices)
    return _in_text(drafts, columns, gold_is)


def _beside(drafts: Sequence[Draft], columns: Columns, gold_is: str) -> Opted:
    """Options from columns of their own."""
    kept, listed, odd = [], [], []
    for draft in drafts:
        try:
            listed.append(listed_of(draft.row, columns.choices, draft.golds[0]))
            kept.append(draft)
        except (OddCellError, RecursionError) as error:
            odd.append((draft, str(error)))
    why = ""
    if columns.choices.kind == "wrong" or _is_fixed(listed):
        listed = [mixed(one, d.question) for one, d in zip(listed, kept, strict=True)]
        why = "; options shuffled, the same way every time"
    if not kept:
        return Opted((), columns.choices, odd=tuple(odd))
    scheme = decide(listed, [d.golds for d in kept], [d.origin for d in kept], gold_is)
    shown = [
        dataclasses.replace(draft, question=with_options(draft.question, one))
        for draft, one in zip(kept, listed, strict=True)
    ]
    done, lost = _lettered(shown, listed, scheme)
    return Opted(done, columns.choices, scheme.why + why, (*odd, *lost))


def _in_text(drafts: Sequence[Draft], columns: Columns, gold_is: str) -> Opted:
    """Options that the questions list themselves, where nearly all do and the golds name them."""
    told = [listed_in(draft.question) for draft in drafts]
    found = [one if one is not None and len(one.texts) <= MOST else None for one in told]
    lettered = sum(one is not None and one.labels[0].isalpha() for one in found)
    misses = sum(one is None for one in found)
    plain = Opted(tuple(drafts), columns.choices)
    # lists that are numbered count only among lettered ones: alone they may be parts of a task
    if 2 * lettered <= len(drafts) or (misses and not few(misses, len(drafts))):
        return plain
    kept = [(d, one) for d, one in zip(drafts, found, strict=True) if one is not None]
    own, listed = [d for d, _ in kept], [one for _, one in kept]
    golds = [d.golds for d in own]
    lost = round((1 - best_share(listed, golds, by_place=True)) * len(own))
    if not gold_is and lost and not few(lost, len(own)):
        return plain
    scheme = decide(listed, golds, [d.origin for d in own], gold_is)
    shown = [
        d
        if one.labels[0].isalpha()
        else dataclasses.replace(d, question=with_options(d.question, one))
        for d, one in zip(own, listed, strict=True)
    ]
    done, strange = _lettered(shown, listed, scheme)
    without = [
        (d, "no options in its question")
        for d, one in zip(drafts, found, strict=True)
        if one is None
    ]
    return Opted(done, Choices("text", is_guessed=True), scheme.why, (*without, *strange))


def _lettered(
    drafts: Sequence[Draft], listed: Sequence[Listed], scheme: Scheme
) -> tuple[tuple[Draft, ...], list[tuple[Draft, str]]]:
    """Golds as the letters of their options, and the drafts whose gold is none of them."""
    done, odd = [], []
    for draft, one, place in zip(drafts, listed, scheme.places, strict=True):
        n = len(one.texts)
        if place is None:
            odd.append((draft, f"the gold {draft.golds[0][:60]!r} is not one of its options"))
        else:
            done.append(dataclasses.replace(draft, golds=(letters(n)[place],), n_options=n))
    return tuple(done), odd


def _is_fixed(listed: Sequence[Listed]) -> bool:
    """Whether the right option is known and stands at the same place in nearly every row."""
    places = Counter(one.right for one in listed)
    if len(listed) < _FEWEST_FIXED or None in places:
        return False
    return places.most_common(1)[0][1] >= _FIXED * len(listed)


def _is_vague(choices: Choices) -> bool:
    """Whether guessed columns may be something else than options: `a`, `b`, `c`, or `answer1`."""
    is_plain = all(_PLAIN.fullmatch(name.strip()) for name in choices.names)
    return choices.kind == "columns" and choices.is_guessed and not is_plain


def _are_numbers(listed: Sequence[Listed]) -> bool:
    """Whether most options are numbers, as the quantities of a sum are."""
    texts = [text for one in listed for text in one.texts]
    return 2 * sum(_NUMERIC.fullmatch(text) is not None for text in texts) > len(texts)


def _pair(row: Row, columns: Columns) -> tuple[Listed, tuple[str, ...]] | None:
    """Options and gold of a record, or None where one of them cannot be read."""
    try:
        golds = cell_golds(answer_cell(row, columns))
        return (listed_of(row, columns.choices, ""), golds) if golds else None
    except (OddCellError, RecursionError):
        return None
