"""Which column of a user's table is what, and what a cell says."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.answers import boxes
from modicum.errors import ConfigError, UnknownNameError

__all__ = [
    "Columns",
    "Row",
    "cell_text",
    "choose_columns",
    "described",
    "gsm8k_parts",
    "options_of",
]

GUESSES = {
    "question": ("question", "problem", "prompt", "input", "query"),
    "answer": ("answer", "target", "gold", "output", "label", "final_answer"),
    "solution": ("solution", "rationale", "reasoning"),
}
"""Names under which a column is looked for where the user gave none, in this order."""
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
_HASHES = "####"


@dataclass(frozen=True)
class Row:
    """One record of the user's file."""

    line: int
    """Its line in the file, from 1; its record where the file has no lines."""
    values: Mapping[str, object]
    """Cells by column; a table within a cell is there under `column.key` too."""


@dataclass(frozen=True)
class Columns:
    """The columns that were chosen; empty where there is none."""

    question: str
    answer: str
    solution: str = ""
    id: str = ""
    choices: str = ""
    cluster: str = ""
    difficulty: str = ""
    preset: str = ""
    """`gsm8k`, `math` or empty."""
    guessed: tuple[str, ...] = ()
    """What the user did not say, in words."""


def cell_text(value: object) -> str:
    """Gives a cell as text: empty for none; whole floats without a point; a chat's user turns.

    >>> cell_text(42.0), cell_text(None), cell_text(["x"]), cell_text(True)
    ('42', '', 'x', 'true')
    """
    if value is None or value != value:  # noqa: PLR0124 - how pandas says "missing"
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
        turns = [cell_text(v.get("content")) for v in value if v.get("role", "user") == "user"]
        return "\n".join(turns)
    if isinstance(value, list) and len(value) == 1:
        return cell_text(value[0])
    return str(value).strip()


def gsm8k_parts(text: str) -> tuple[str, str]:
    r"""Gives solution and answer of GSM8K's form: what stands before and after the last `####`.

    Calculator marks `<<3*4=12>>` are left out. The answer is empty where there are no hashes.

    >>> gsm8k_parts("3 * 4 = <<3*4=12>>12 pears.\n#### 12")
    ('3 * 4 = 12 pears.', '12')
    """
    before, found, after = text.rpartition(_HASHES)
    if not found:
        return text.strip(), ""
    return _CALCULATOR.sub("", before).strip(), after.strip()


def choose_columns(
    where: str, rows: Sequence[Row], wanted: Mapping[str, str], preset: str
) -> Columns:
    """Gives the columns the user named, and guesses the others among common names.

    Args:
        where: The file, for messages.
        rows: Its records, at least one.
        wanted: Columns by role, empty where not named; `none` for no solution.
        preset: `gsm8k`, `math` or empty.

    Raises:
        UnknownNameError: a named column that does not exist, with the nearest one.
        ConfigError: no column could be guessed.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    chosen, guessed = {}, []
    for role, name in wanted.items():
        if name and name not in names and not (role == "solution" and name == "none"):
            raise UnknownNameError(f"{role} column of {where}", name, names)
        chosen[role] = "" if name == "none" else name
    for role in GUESSES:
        if not wanted.get(role):
            chosen[role] = _guess(role, names, set(chosen.values()))
            guessed += [f"{role} = column {chosen[role]!r}"] if chosen[role] else []
    if not preset:
        preset = _guess_preset(rows, chosen)
        guessed += [f"preset {preset}"] if preset else []
    if preset == "math" and not wanted.get("answer"):
        guessed = [text for text in guessed if not text.startswith("answer")]
        chosen["answer"] = ""
    if preset == "gsm8k" and not wanted.get("solution"):
        guessed = [text for text in guessed if not text.startswith("solution")]
        chosen["solution"] = ""
    needed = ("question", "solution" if preset == "math" else "answer")
    for role in needed:
        if not chosen[role]:
            raise ConfigError(
                f"{where} with the columns {', '.join(names) or '(none)'}",
                f"a column for the {role}, such as {', '.join(GUESSES[role][:4])}",
                f"name it: --{role} COLUMN",
            )
    return Columns(**chosen, preset=preset, guessed=tuple(guessed))


def described(columns: Columns) -> str:
    """Gives what was guessed as one sentence; empty where nothing was."""
    return "guessed: " + ", ".join(columns.guessed) if columns.guessed else ""


def options_of(value: object) -> tuple[list[str], list[str]]:
    """Gives labels and texts of a choices cell: a list, a table, JSON, or texts parted by `|`.

    >>> options_of('["x", "y"]'), options_of({"label": ["1", "2"], "text": ["x", "y"]})[0]
    ((['A', 'B'], ['x', 'y']), ['1', '2'])
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = [part.strip() for part in str(value).split("|")]
    if isinstance(value, Mapping):
        texts = value.get("text", value.get("texts"))
        labels = value.get("label", value.get("labels"))
        if isinstance(texts, list):
            named = [cell_text(v) for v in labels] if isinstance(labels, list) else []
            return named or _letters(len(texts)), [cell_text(v) for v in texts]
        return [str(k) for k in value], [cell_text(v) for v in value.values()]
    texts = [cell_text(v) for v in value] if isinstance(value, list) else []
    return _letters(len(texts)), texts


def _letters(n: int) -> list[str]:
    return [chr(ord("A") + i) for i in range(n)]


def _guess(role: str, names: Sequence[str], taken: set[str]) -> str:
    """The first of the common names that a free column bears, whatever its case."""
    free = {name.lower(): name for name in reversed(names) if name not in taken}
    return next((free[name] for name in GUESSES[role] if name in free), "")


def _guess_preset(rows: Sequence[Row], chosen: Mapping[str, str]) -> str:
    """`gsm8k` where every answer holds `####`; `math` where solutions hold boxes and no answer."""
    answer, solution = chosen["answer"], chosen["solution"]
    if answer and all(_HASHES in cell_text(row.values.get(answer)) for row in rows):
        return "gsm8k"
    is_boxed = solution and all(boxes(cell_text(row.values.get(solution))) for row in rows)
    return "math" if is_boxed and not answer else ""
