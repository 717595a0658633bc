"""What a record says: question, golds and solution as texts, decided by column and read by row."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from modicum.answers import KEPT
from modicum.errors import ConfigError
from modicum.tables.cells import (
    OddCellError,
    cell_golds,
    cell_text,
    is_blank,
    literal,
    passage,
    transcript,
    turns,
)
from modicum.tables.columns import GUESSES, TURN, Columns, plain_name, shown_names
from modicum.tables.golds import HASHES, gsm8k_parts, has_box, last_box, unboxed
from modicum.tables.records import Row, few

__all__ = ["MOST_CHARACTERS", "Draft", "answer_cell", "read_draft", "settled"]

_PLURALS = ("answers", "golden_answers", "possible_answers", "correct_answers", "targets", "golds")
_VERDICTS = ("label", "is_correct", "iscorrect", "correct")
MOST_CHARACTERS = 1_000_000
"""Characters of a question; no model reads more at once."""


@dataclass(frozen=True)
class Draft:
    """One record on its way to a problem: texts as they stand in the file."""

    row: Row
    origin: str
    """The record's place, in words."""
    question: str
    golds: tuple[str, ...]
    """The gold first, then what counts as well; empty where the options say which is right."""
    solution: str = ""
    n_options: int = 0
    is_apart: bool = False
    """Whether it stands in the file of its own for the test."""


def answer_cell(row: Row, columns: Columns) -> object:
    """Return the cell of a record's answer: of its column, or the last turn of its chat.

    Raises:
        OddCellError: a turn that is no text.
    """
    if columns.answer != TURN:
        cell = row.values.get(columns.answer) if columns.answer else None
        # a list that is written out is one answer, unless the column's name says that it is several
        is_written = isinstance(cell, str) and plain_name(columns.answer) in _PLURALS
        return (literal(str(cell)) or cell) if is_written else cell
    said = turns(row.values.get(columns.question))
    return said[-1][1] if said and said[-1][0] == "assistant" else None


def settled(
    columns: Columns, rows: Sequence[Row], wanted: Mapping[str, str], where: str
) -> Columns:
    """Decide for whole columns what the golds are: after `####`, in boxes, in lists, or plain.

    Args:
        columns: The columns, answer and solution guessed by name.
        rows: The records.
        wanted: What the user named, `preset` among it.
        where: The file, for messages.

    Raises:
        ConfigError: no column for the answer.
    """
    whole = [row for row in rows if not row.fault]
    columns = _with_filled_answer(columns, whole)
    preset = wanted.get("preset", "")
    is_free = bool(columns.answer) and not columns.choices.kind
    texts = [text for row in whole if (text := _answer_text(row, columns))]
    if not preset and columns.answer and _holds(texts, lambda t: HASHES in t):
        preset = "gsm8k"
    if not preset and is_free and _holds(texts, lambda t: unboxed(t) == t and has_box(t)):
        columns = dataclasses.replace(columns, solution=columns.answer, answer="")
        preset = "math"
    if not preset and not columns.answer and columns.solution:
        worked = [t for row in whole if (t := cell_text(row.values.get(columns.solution)))]
        if _holds(worked, has_box):
            preset = "math"
        else:
            columns = dataclasses.replace(columns, answer=columns.solution, solution="")
    if preset == "math" and not wanted.get("answer"):
        own = columns.solution or columns.answer
        columns = dataclasses.replace(columns, solution=own, answer="")
    if preset == "gsm8k" and not wanted.get("solution"):
        columns = dataclasses.replace(columns, solution="")
    role = "solution" if preset == "math" else "answer"
    marked = columns.choices.kind == "scores"
    if not marked and not (columns.answer or (preset == "math" and columns.solution)):
        names = dict.fromkeys(name for row in whole for name in row.values)
        raise ConfigError(
            f"{where} with the columns {shown_names(names)}",
            f"a column for the {role}, such as {', '.join(GUESSES[role][:4])}",
            f"name it: --{role} COLUMN",
        )
    columns = dataclasses.replace(
        columns,
        preset=preset,
        has_lists=_has_lists(whole, columns),
        verdict=_verdict(whole, columns),
    )
    return columns if wanted.get("solution") else _with_whole_solutions(columns, whole)


def read_draft(row: Row, columns: Columns, name: str, *, is_apart: bool = False) -> Draft:
    """Read a record's texts in the way that was settled for its columns.

    Raises:
        OddCellError: no question, no answer, or one that is not as the others of its column.
    """
    if row.fault:
        raise OddCellError(row.fault)
    try:
        question = _question(row, columns)
        solution = _text(row, columns.solution, columns) if columns.solution else ""
        golds, worked = _golds(row, columns, solution)
    except RecursionError:
        raise OddCellError("lists within lists within lists") from None
    solution = solution or worked
    if not question:
        raise OddCellError(f"no question (column {columns.question!r})")
    if not golds:
        raise OddCellError(f"no answer (column {columns.answer or columns.solution!r})")
    if columns.solution and not solution:
        raise OddCellError(f"no solution (column {columns.solution!r})")
    for what, text, most in (("question", question, MOST_CHARACTERS), ("gold", golds[0], KEPT)):
        if len(text) > most:
            raise OddCellError(
                f"a {what} of {len(text):,} characters; at most {most:,} are allowed"
            )
    origin = f"{row.unit} {row.line} of {name}"
    return Draft(row, origin, question, golds, solution, is_apart=is_apart)


def _question(row: Row, columns: Columns) -> str:
    """The question with all that belongs around it; nothing stands there twice."""
    value = row.values.get(columns.question)
    said = turns(value)
    if said is None:
        asked = passage(value)
    else:
        # what the assistant says last is the answer and no part of the question
        is_answered = len(said) > 1 and said[-1][0] == "assistant"
        asked = transcript(said[:-1] if is_answered else said)
    text = asked
    for name in reversed(columns.before):
        above = passage(row.values.get(name))
        if above and above not in asked:
            text = f"{above}{_between(name)}{text}" if text else above
    for name in columns.after:
        below = passage(row.values.get(name))
        text = f"{text}\n\n{below}" if below and text else text
    return text if asked else ""


def _between(name: str) -> str:
    """What parts a text above from what follows: SVAMP's body and question are one paragraph."""
    return "\n" if plain_name(name) == "body" else "\n\n"


def _text(row: Row, name: str, columns: Columns) -> str:
    """The text of an answer or solution, a chat's last turn where it is one."""
    if name == TURN:
        return cell_text(answer_cell(row, dataclasses.replace(columns, answer=TURN)))
    value = row.values.get(name)
    said = turns(value)
    return said[-1][1] if said else cell_text(value)


def _golds(row: Row, columns: Columns, solution: str) -> tuple[tuple[str, ...], str]:
    """The golds of a record, and the worked solution that stands before them."""
    if columns.choices.kind == "scores":
        return ("",), ""
    if columns.preset == "math" and not columns.answer:
        gold = last_box(solution)
        if solution and not gold:
            raise OddCellError(f"no box in its solution (column {columns.solution!r})")
        return ((gold,) if gold else ()), ""
    if columns.verdict and _truth(row.values.get(columns.verdict)) is False:
        raise OddCellError(f"an answer that column {columns.verdict!r} marks as wrong")
    cell = answer_cell(row, columns)
    if columns.preset == "gsm8k":
        text = _text(row, columns.answer, columns)
        worked, gold = gsm8k_parts(text)
        if text and not gold:
            raise OddCellError(f"no answer behind {HASHES} (column {columns.answer!r})")
        return ((gold,) if gold else ()), worked
    is_several = isinstance(cell, list) and len(cell) > 1 and turns(cell) is None
    if is_several and not columns.has_lists:
        raise OddCellError(f"{columns.answer!r} is a list, not one answer")
    try:
        return tuple(map(unboxed, cell_golds(cell))), ""
    except OddCellError as error:
        named = f"; name {columns.answer}.KEY" if isinstance(cell, Mapping) else ""
        raise OddCellError(f"{columns.answer!r} is {error}{named}") from None


def _answer_text(row: Row, columns: Columns) -> str:
    """The one text of an answer, or empty."""
    try:
        cell = answer_cell(row, columns)
        golds = () if isinstance(cell, Mapping) else cell_golds(cell)
    except (OddCellError, RecursionError):
        return ""
    return golds[0] if len(golds) == 1 else ""


def _holds(texts: Sequence[str], is_so: Callable[[str], bool]) -> bool:
    """Whether something is true of all texts, or of all but a few odd ones."""
    misses = sum(not is_so(text) for text in texts)
    return bool(texts) and (misses == 0 or few(misses, len(texts)))


def _with_filled_answer(columns: Columns, rows: Sequence[Row]) -> Columns:
    """Pass over a guessed column in which most answers are missing, where another one has them."""
    if not columns.candidates or columns.answer == TURN:
        return columns
    for name in (columns.answer, *columns.candidates):
        if 2 * sum(is_blank(row.values.get(name)) for row in rows) < len(rows):
            others = tuple(n for n in (columns.answer, *columns.candidates) if n != name)
            return dataclasses.replace(columns, answer=name, candidates=others)
    return columns


def _has_lists(rows: Sequence[Row], columns: Columns) -> bool:
    """Whether lists of golds are the column's form, and no odd ones out."""
    if not columns.answer or columns.answer == TURN:
        return False
    cells = [answer_cell(row, columns) for row in rows]
    lists = sum(isinstance(cell, list) and len(cell) > 1 for cell in cells)
    return bool(lists) and not few(lists, len(cells))


def _verdict(rows: Sequence[Row], columns: Columns) -> str:
    """The column that says whether an answer is right: true and false, or both 1 and 0 for a question."""
    names = {plain_name(name): name for row in rows[:1] for name in row.values}
    for name in (names[n] for n in _VERDICTS if n in names and names[n] != columns.answer):
        said = [row.values.get(name) for row in rows]
        if any(_truth(one) is None for one in said):
            continue
        if columns.answer == "completion" and all(isinstance(one, bool) for one in said):
            return name
        pairs = {(str(r.values.get(columns.question)), _truth(r.values.get(name))) for r in rows}
        questions = Counter(question for question, _ in pairs)
        both = sum(n > 1 for n in questions.values())
        if 2 * both > len(questions):
            return name
    return ""


def _truth(value: object) -> bool | None:
    """The truth value that a cell is, or None."""
    return {"1": True, "true": True, "0": False, "false": False}.get(cell_text(value).casefold())


def _with_whole_solutions(columns: Columns, rows: Sequence[Row]) -> Columns:
    """Leave a guessed column of solutions out where many are missing."""
    if columns.preset or not columns.solution:
        return columns
    blank = sum(is_blank(row.values.get(columns.solution)) for row in rows)
    if blank and not few(blank, len(rows)):
        return dataclasses.replace(columns, solution="")
    return columns
