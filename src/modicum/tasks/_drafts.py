"""What a record of a user's table says: question, answer and solution as texts, options lettered."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from modicum.answers import boxes
from modicum.errors import ConfigError
from modicum.tasks._columns import Columns, Row, cell_text, gsm8k_parts, options_of

__all__ = ["Draft", "read_draft"]


@dataclass(frozen=True)
class Draft:
    """One record on its way to a problem: texts as they stand in the file."""

    origin: str
    values: Mapping[str, object]
    question: str
    answer: str
    solution: str
    n_options: int = 0


def read_draft(row: Row, columns: Columns, name: str) -> Draft:
    """Reads a record's texts as the preset says.

    Raises:
        ConfigError: no question or no answer, with the line.
    """
    origin = f"line {row.line} of {name}"
    question = cell_text(row.values.get(columns.question))
    solution = cell_text(row.values.get(columns.solution)) if columns.solution else ""
    given = row.values.get(columns.answer) if columns.answer else None
    if isinstance(given, Mapping) or (isinstance(given, list) and len(given) != 1):
        raise ConfigError(
            f"{origin}: {columns.answer!r} is a {type(given).__name__}, not one answer",
            "one text or number",
            f"put the gold into a column of its own, or name {columns.answer}.KEY",
        )
    answer = cell_text(given)
    if columns.preset == "gsm8k":
        worked, answer = gsm8k_parts(answer)
        solution = solution or worked
    elif columns.preset == "math" and not columns.answer:
        answer = (boxes(solution) or [""])[-1].strip()
    needed = {"question": question, "answer": answer}
    if columns.solution:
        needed["solution"] = solution
    for what, text in needed.items():
        if not text:
            raise ConfigError(
                f"{origin}: no {what} (column {getattr(columns, what) or columns.solution!r})",
                f"a {what} in every line",
                "fill it in, or take the line out",
            )
    if not columns.choices:
        return Draft(origin, row.values, question, answer, solution)
    return _with_options(Draft(origin, row.values, question, answer, solution), columns.choices)


def _with_options(draft: Draft, column: str) -> Draft:
    """Puts lettered options below the question; the gold becomes its letter.

    Raises:
        ConfigError: too few options, or a gold that is none of them.
    """
    labels, texts = options_of(draft.values.get(column))
    letters = [chr(ord("A") + i) for i in range(len(texts))]
    gold = draft.answer
    places = [i for i, text in enumerate(texts) if text == gold]
    places += [i for i, label in enumerate(labels) if label == gold or label == gold.upper()]
    places += [int(gold)] if gold.isdecimal() and int(gold) < len(texts) else []
    if not 2 <= len(texts) <= 26 or not places:
        raise ConfigError(
            f"{draft.origin}: the gold {gold!r} among the options {texts}",
            "2 to 26 options, and a gold that is one of them, its letter or its place from 0",
            "correct the line, or name another --answer column",
        )
    listed = "\n".join(f"{a}) {text}" for a, text in zip(letters, texts, strict=True))
    return dataclasses.replace(
        draft,
        question=f"{draft.question}\n{listed}",
        answer=letters[places[0]],
        n_options=len(texts),
    )
