"""The options of one question: as a cell, several columns or the question's own text lists them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from modicum.seeds import key
from modicum.tables.cells import OddCellError, cell_text, is_blank, literal
from modicum.tables.columns import RIGHTS, Choices
from modicum.tables.files import Cell
from modicum.tables.records import Row

__all__ = ["FEWEST", "MOST", "Listed", "letters", "listed_in", "listed_of", "mixed", "with_options"]

FEWEST, MOST = 2, 26
"""Options of a question: at least, and at most as many as there are letters."""
_LABEL = r"[A-Za-z]|[0-9]{1,2}"
_INDENT = 8
"""Most white space before a label that begins a line."""
_MARKS = re.compile(
    rf"(?<![\w(\[.])(?:\((?P<round>{_LABEL})\)|\[(?P<square>{_LABEL})\]"
    rf"|(?P<half>{_LABEL}) ?\)|(?P<dot>{_LABEL})[.:](?=\s))"
)
"""What stands before an option in a text: `(A)`, `[A]`, `A)`, `A.` or `A:`."""
_CARRIED = re.compile(rf"\s*(?:[(\[]({_LABEL})[)\]]|({_LABEL}) ?\)|([A-Za-z])[.:](?=\s))\s*(?=\S)")
"""The same at the beginning of an option that carries its own label."""
_TEXTS = ("text", "content", "value", "option", "choice", "answer")
_LABELS = ("label", "key", "id", "letter")


@dataclass(frozen=True)
class Listed:
    """The options of one question."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    """One a text; letters from A where the data name none."""
    is_labelled: bool = False
    """Whether the labels stand in the data."""
    right: int | None = None
    """Place of the right one, from 0, where the data say so beside the options."""
    span: tuple[int, int] = (0, 0)
    """Where they stand in the question's text."""


def letters(n: int) -> tuple[str, ...]:
    """Return the first n capital letters."""
    return tuple(chr(ord("A") + i) for i in range(n))


def listed_of(row: Row, choices: Choices, gold: object) -> Listed:
    """Return the options of a record.

    Args:
        row: The record.
        choices: Where they stand, not in the question's text.
        gold: The answer's cell; with the wrong ones it is the right one.

    Raises:
        OddCellError: fewer than two options, more than letters, or none that is right.
    """
    cells = [row.values.get(name) for name in choices.names]
    if choices.kind == "cell":
        found = _from_cell(cells[0])
    elif choices.kind == "scores":
        found = _scored(cells[0])
    elif choices.kind == "wrong":
        wrong = [w for cell in cells for w in (cell if isinstance(cell, list) else [cell])]
        texts = [t for t in map(cell_text, (gold, *wrong)) if t]
        found = Listed(tuple(texts), letters(len(texts)), right=0)
    else:
        while cells and is_blank(cells[-1]):
            cells.pop()
        labels = choices.labels[: len(cells)] or letters(len(cells))
        found = Listed(tuple(map(cell_text, cells)), labels, choices.is_labelled)
    if not FEWEST <= len(found.texts) <= MOST:
        raise OddCellError(f"{len(found.texts)} options; expected {FEWEST} to {MOST}")
    return _without_own_labels(found)


def listed_in(text: str) -> Listed | None:
    r"""Return the options that a text lists with consecutive labels from A, a or 1; None for none.

    >>> listed_in("Which?\nOptions:\n(A) Rome\n(B) Oslo").texts
    ('Rome', 'Oslo')
    """
    runs: dict[str, list[re.Match[str]]] = {}
    best: list[re.Match[str]] = []
    for match in _MARKS.finditer(text):
        style = str(match.lastgroup)
        label, run = match[style], runs.get(style, [])
        if run and label == _next(run[-1][style]):
            run.append(match)
        elif label in ("A", "a", "1"):
            run = runs[style] = [match]
        if len(run) >= len(best) and run and run[-1] is match and _is_list(run, text):
            best = run
    if not best:
        return None
    style = str(best[0].lastgroup)
    ends = [m.start() for m in best[1:]]
    texts = [text[m.end() : end] for m, end in zip(best, ends, strict=False)]
    start = best[-1].end()
    start += len(text[start:]) - len(text[start:].lstrip())
    end = len(text)
    if not any("\n" in t.strip() for t in texts):  # one a line: the last one ends with its own
        end = min(k for k in (text.find("\n", start), end) if k >= 0)
    labels = tuple(m[style] for m in best)
    shown = tuple(t.strip().rstrip(",;").strip() for t in (*texts, text[start:end]))
    return Listed(shown, labels, is_labelled=True, span=(best[0].start(), end))


def mixed(listed: Listed, question: str) -> Listed:
    """Return options in an order drawn by a keyed hash, for data whose right one always stands first."""
    order = sorted(
        range(len(listed.texts)), key=lambda i: key("options", question, i, listed.texts[i])
    )
    right = None if listed.right is None else order.index(listed.right)
    return replace(listed, texts=tuple(listed.texts[i] for i in order), right=right)


def with_options(question: str, listed: Listed) -> str:
    r"""Return a question with its options below it, lettered, unless it shows them already.

    Where it shows them under other labels or in another order, that list gives way.

    >>> with_options("Capital?", Listed(("Rome", "Oslo"), ("1", "2")))
    'Capital?\nA) Rome\nB) Oslo'
    """
    named = letters(len(listed.texts))
    listing = "\n".join(f"{a}) {text}" for a, text in zip(named, listed.texts, strict=True))
    shown = listed_in(question)
    if shown is not None and sorted(map(_plain, shown.texts)) == sorted(map(_plain, listed.texts)):
        is_same = list(map(_plain, shown.texts)) == list(map(_plain, listed.texts))
        if is_same and tuple(label.upper() for label in shown.labels) == named:
            return question
        start, end = shown.span
        before, after = question[:start].rstrip(), question[end:].strip()
        return "\n".join(filter(None, (before, listing, after)))
    return f"{question}\n{listing}"


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(" .,;").casefold()


def _next(label: str) -> str:
    return str(int(label) + 1) if label.isdecimal() else chr(ord(label) + 1)


def _is_list(run: Sequence[re.Match[str]], text: str) -> bool:
    """Whether marks are a list: two on lines of their own or in brackets, else three."""
    fewest = 2
    if run[0].lastgroup == "dot":
        start = run[0].start()
        before = text[max(start - _INDENT, 0) : start].rpartition("\n")[2]
        fewest = 2 if not before.strip() else 3
    return len(run) >= fewest


def _from_cell(value: object) -> Listed:
    """Options of a list, a table, or a text that writes one.

    Raises:
        OddCellError: something else.
    """
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, Mapping):
        texts = next(
            (value[k] for k in ("text", "texts", "choices", "options") if k in value), None
        )
        if isinstance(texts, list):
            named = next((value[k] for k in ("label", "labels") if k in value), None)
            labels = tuple(map(cell_text, named)) if isinstance(named, list) else ()
            return _labelled(tuple(map(cell_text, texts)), labels)
        # a table from Parquet has every key of the column; those that a row lacks are empty
        there = {k: v for k, v in value.items() if v is not None}
        return _labelled(tuple(map(cell_text, there.values())), tuple(map(str, there)))
    if not isinstance(value, list):
        raise OddCellError("no list of options")
    if value and all(isinstance(v, Mapping) for v in value):
        return _from_tables(value)
    texts = tuple(map(cell_text, value))
    return Listed(texts, letters(len(texts)))


def _from_text(value: str) -> Listed:
    """Options of a text: a written list or table, labelled ones, or parted by bars or lines."""
    held = literal(value)
    if held is not None:
        return _from_cell(held)
    labelled = listed_in(value)
    if labelled is not None and labelled.span[0] <= len(value) - len(value.lstrip()):
        return replace(labelled, span=(0, 0))
    parts = value.split("|") if "|" in value else value.splitlines()
    texts = tuple(part.strip() for part in parts if part.strip())
    return Listed(texts, letters(len(texts)))


def _from_tables(value: Sequence[Mapping[str, Cell]]) -> Listed:
    """Options of which each is a table with its text and its label."""
    text_key = next((k for k in _TEXTS if k in value[0]), None)
    label_key = next((k for k in _LABELS if k in value[0]), None)
    if text_key is None:
        raise OddCellError(f"options that are tables with {', '.join(map(str, value[0]))}")
    texts = tuple(cell_text(v.get(text_key)) for v in value)
    labels = tuple(cell_text(v.get(label_key)) for v in value) if label_key else ()
    found = _labelled(texts, labels)
    flags = next(([bool(v.get(k)) for v in value] for k in RIGHTS if k in value[0]), [])
    return replace(found, right=flags.index(True)) if sum(flags) == 1 else found


def _labelled(texts: tuple[str, ...], labels: tuple[str, ...]) -> Listed:
    """Options with the labels of the data, where there is a different one for each.

    Raises:
        OddCellError: not one label for each, or two alike.
    """
    if not labels:
        return Listed(texts, letters(len(texts)))
    if len(labels) != len(texts) or len(set(labels)) != len(labels):
        raise OddCellError(f"{len(set(labels))} labels for {len(texts)} options")
    return Listed(texts, labels, is_labelled=True)


def _scored(value: object) -> Listed:
    """Options with scores, of which one is highest, or of which each says whether it is right.

    Raises:
        OddCellError: no scores, or not one of them the highest.
    """
    if isinstance(value, list):
        found = _from_cell(value)
        if found.right is None:
            raise OddCellError("options of which none is marked as right")
        return found
    if not isinstance(value, Mapping):
        raise OddCellError("no table of scores")
    texts, scores = value.get("choices"), value.get("labels")
    if not (isinstance(texts, list) and isinstance(scores, list)):
        texts, scores = list(value), list(value.values())
    numbers = [float(s) if isinstance(s, int | float) else -1.0 for s in scores]
    # a table from Parquet has every key of the column; those of other rows are empty
    there = [i for i, s in enumerate(scores) if s is not None]
    texts, numbers = [texts[i] for i in there], [numbers[i] for i in there]
    if len(texts) != len(numbers) or numbers.count(max(numbers, default=0.0)) != 1:
        raise OddCellError("scores without a single highest one")
    shown = tuple(map(cell_text, texts))
    return Listed(shown, letters(len(shown)), right=numbers.index(max(numbers)))


def _without_own_labels(listed: Listed) -> Listed:
    """Options without the labels that each carries itself, where these follow one another."""
    found = [_CARRIED.match(text) for text in listed.texts]
    own = [next(filter(None, m.groups())) for m in found if m]
    if len(own) != len(found) or own[0] not in ("A", "a", "1"):
        return listed
    if any(_next(one) != other for one, other in pairwise(own)):
        return listed
    texts = tuple(text[m.end() :].strip() for text, m in zip(listed.texts, found, strict=True) if m)
    labels = listed.labels if listed.is_labelled else tuple(own)
    return replace(listed, texts=texts, labels=labels, is_labelled=True)
