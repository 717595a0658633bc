"""What a cell of a user's table says: texts, numbers, chats, lists and tables within it."""

import ast
import json
import re
from collections.abc import Mapping, Sequence

from modicum.tables.files import Cell
from modicum.tables.records import Row, few

__all__ = [
    "OddCellError",
    "cell_golds",
    "cell_text",
    "is_blank",
    "literal",
    "opened",
    "passage",
    "transcript",
    "turns",
]

_LONGEST_LITERAL = 200_000
"""Characters of a cell that is read as a list or a table."""
_DEEPEST = 6
"""Levels of lists and tables within a cell that are looked into."""
_TELLING = 50
"""Rows from which the columns are known that may hold tables as texts."""
_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "developer": "system",
}
"""Other names of who speaks, and the usual ones."""
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ARRAY = re.compile(
    rf"(?P<kept>{_QUOTED})|array\((?=\[)|(?P<end>\])(?:,\s*dtype=[\w.'<>]+)?\s*\)", re.DOTALL
)
"""The words that numpy puts around a list; quoted texts are stepped over."""
_SPACED = re.compile(rf"\[\s*(?:{_QUOTED})(?:\s+(?:{_QUOTED}))+\s*\]", re.DOTALL)
_GOLD_KEYS = ("value", "text", "spans", "answer", "target", "ground_truth", "gold", "number")
"""Keys of a table under which a gold stands, in this order."""
_ALIASES, _NORMALIZED = "aliases", ("normalized_value", "normalized_aliases")
"""Keys of a table with other texts that count as the gold (TriviaQA), and with the same ones without
case and punctuation."""


class OddCellError(ValueError):
    """A cell that cannot be read as the others of its column; its text says why."""


def cell_text(value: object) -> str:
    """Return a cell as text: empty for none; whole floats without a point; a chat's user turns.

    >>> cell_text(42.0), cell_text(None), cell_text(["x"]), cell_text(True), cell_text(b"5")
    ('42', '', 'x', 'true', '5')
    """
    if value is None or value != value:  # noqa: PLR0124 - how pandas says "missing"
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return _list_text(value) if isinstance(value, list) else str(value).strip()


def _list_text(values: list[object]) -> str:
    """Return a chat's user turns, the one value of a list of one, or the list as Python writes it."""
    if values and all(isinstance(value, Mapping) for value in values):
        return "\n".join(text for role, text in turns(values) or () if role == "user")
    return cell_text(values[0]) if len(values) == 1 else str(values).strip()


def is_blank(value: object, levels: int = _DEEPEST) -> bool:
    """Whether a cell holds nothing, looking so many levels deep."""
    if value is None or isinstance(value, str | bytes):
        return not (value and value.strip())
    if isinstance(value, list | Mapping):
        held = value.values() if isinstance(value, Mapping) else value
        return not value or (levels > 0 and all(is_blank(v, levels - 1) for v in held))
    return cell_text(value) == ""


def turns(value: object) -> list[tuple[str, str]] | None:
    """Return a chat as (who, text), or None where a cell is no chat.

    >>> turns([{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}])
    [('user', '2 + 2?'), ('assistant', '4')]

    Raises:
        OddCellError: a part of a turn that is no text, such as an image.
    """
    if not isinstance(value, list) or not value:
        return None
    found = []
    for turn in value:
        if not isinstance(turn, Mapping) or not ({"content", "value"} & turn.keys()):
            return None
        who = str(turn.get("role", turn.get("from", "user"))).lower()
        said = turn.get("content") if "content" in turn else turn.get("value")
        found.append((_ROLES.get(who, who), _parts(said)))
    return found


def transcript(said: Sequence[tuple[str, str]]) -> str:
    r"""Return turns of a chat as one text; nothing is added where only the user speaks.

    A system turn stands first; where the assistant has spoken before, each turn is named.

    >>> transcript([("user", "2 + 2?")])
    '2 + 2?'
    >>> transcript([("user", "2 + 2?"), ("assistant", "4"), ("user", "and 3 + 3?")])
    'User: 2 + 2?\n\nAssistant: 4\n\nUser: and 3 + 3?'
    """
    if all(who == "user" for who, _ in said):
        return "\n".join(text for _, text in said).strip()
    first = "\n\n".join(text for who, text in said if who == "system" and text)
    rest = [(who, text) for who, text in said if who != "system" and text]
    if all(who == "user" for who, _ in rest):
        spoken = "\n".join(text for _, text in rest)
    else:
        spoken = "\n\n".join(f"{who.capitalize()}: {text}" for who, text in rest)
    return "\n\n".join(filter(None, (first, spoken))).strip()


def passage(value: object, levels: int = _DEEPEST) -> str:
    """Return all texts of a cell, those of lists and tables on lines of their own.

    Raises:
        OddCellError: as `turns`, or more levels of lists and tables than said.
    """
    if levels < 0:
        raise OddCellError("lists within lists within lists")
    said = turns(value)
    if said is not None:
        return transcript(said)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, (passage(v, levels - 1) for v in value)))
    return cell_text(value)


def cell_golds(value: object) -> tuple[str, ...]:
    """Return the answers that a cell accepts, each once, the first one first.

    >>> cell_golds(["four", "4"]), cell_golds({"value": "Rome", "aliases": ["Roma", "Rome"]})
    (('four', '4'), ('Rome', 'Roma'))

    Raises:
        OddCellError: a table of which no key says that the answer stands there.
    """
    said = turns(value)
    if said is not None:
        spoken = [text for who, text in said if who == "assistant"] or [text for _, text in said]
        return (spoken[-1],) if spoken[-1] else ()
    if isinstance(value, Mapping):
        return _once(_table_golds(value))
    if isinstance(value, list):
        if any(isinstance(v, list) for v in value):
            raise OddCellError("a list of lists, not one answer")
        return _once([text for v in value for text in _member_golds(v)])
    text = cell_text(value)
    return (text,) if text else ()


def literal(text: str) -> Cell:
    """Return the list or table that a text writes, as JSON, Python or numpy do; None for none.

    >>> literal("['a' 'b']"), literal("{'text': array(['x', 'y'], dtype=object)}")
    (['a', 'b'], {'text': ['x', 'y']})
    """
    text = text.strip()
    if len(text) > _LONGEST_LITERAL or text[:1] not in ("[", "{"):
        return None
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        plain = (
            _ARRAY.sub(lambda m: m["kept"] or m["end"] or "", text) if "array(" in text else text
        )
        plain = _SPACED.sub(_with_commas, plain)
        try:
            held = ast.literal_eval(plain)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return None
    return held if isinstance(held, list | dict) else None


def opened(rows: Sequence[Row]) -> list[Row]:
    """Return rows in which the columns that write tables or chats as text hold them as such.

    A column is opened where nearly every cell of it is such a text. Lists of plain values stay
    texts: they may be the answer.
    """
    names = {name: None for row in rows[:_TELLING] for name in row.values}
    found: dict[str, list[Cell]] = {}
    for name in names:
        cells = [row.values.get(name) for row in rows]
        written = [v for v in cells if not is_blank(v)]
        if not written or not _is_table(written[0]):
            continue
        held = [literal(v) if isinstance(v, str) and _is_table(v) else None for v in cells]
        misses = len(written) - sum(v is not None for v in held)
        if misses == 0 or few(misses, len(written)):
            found[name] = [
                new if new is not None else old for new, old in zip(held, cells, strict=True)
            ]
    if not found:
        return list(rows)
    return [
        _with_cells(row, {n: cells[i] for n, cells in found.items()}) for i, row in enumerate(rows)
    ]


def _with_cells(row: Row, cells: Mapping[str, Cell]) -> Row:
    if row.fault:
        return row
    inner = {
        f"{name}.{key}": v
        for name, cell in cells.items()
        if isinstance(cell, Mapping)
        for key, v in cell.items()
    }
    return Row(row.line, {**row.values, **cells, **inner}, row.unit)


def _is_table(value: object) -> bool:
    return isinstance(value, str) and re.match(r"\s*(?:\{|\[\s*\{)", value) is not None


def _with_commas(match: re.Match[str]) -> str:
    return "[" + ", ".join(re.findall(_QUOTED, match.group(), re.DOTALL)) + "]"


def _parts(said: object) -> str:
    """The text of a turn whose content may come in parts.

    Raises:
        OddCellError: a part that is no text.
    """
    if not isinstance(said, list):
        return cell_text(said)
    texts: list[str] = []
    for part in said:
        if isinstance(part, Mapping):
            kind = str(part.get("type", "text"))
            if "text" not in part:
                raise OddCellError(f"a part of type {kind!r}, which is not text")
            texts.append(cell_text(part["text"]))
        else:
            texts.append(cell_text(part))
    return "\n".join(filter(None, texts))


def _table_golds(value: Mapping[str, Cell]) -> list[str]:
    """Answers of a table, as TriviaQA, SQuAD and DROP write them."""
    key = next((k for k in _GOLD_KEYS if k in value and not is_blank(value[k])), None)
    if key is None:
        date = value.get("date")
        if isinstance(date, Mapping) and not is_blank(date):
            return [
                " ".join(filter(None, (cell_text(date.get(k)) for k in ("day", "month", "year"))))
            ]
        raise OddCellError("a table, not one answer")
    if key == "spans" and ({"number", "date"} & value.keys()):  # DROP: all of them together
        spans = value["spans"]
        return [", ".join(map(cell_text, spans)) if isinstance(spans, list) else cell_text(spans)]
    found = [text for k in (key, _ALIASES) if k in value for text in cell_golds(value[k])]
    known = {text.casefold() for text in found}
    more = [text for k in _NORMALIZED if k in value for text in cell_golds(value[k])]
    return [*found, *(text for text in more if text.casefold() not in known)]


def _member_golds(value: object) -> list[str]:
    """Answers of a member of a list."""
    return _table_golds(value) if isinstance(value, Mapping) else [cell_text(value)]


def _once(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, texts)))
