"""What is done to a JSON text with hostile values: one node, key or byte at a time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.values import TEXTS, VALUES, Raw

__all__ = [
    "Add",
    "Cut",
    "Drop",
    "Edit",
    "Flip",
    "Notation",
    "Put",
    "Set",
    "Splice",
    "Swap",
    "Twice",
    "Whole",
    "applied",
    "edits",
    "filled_in",
    "flipped",
]


@dataclass(frozen=True)
class Put:
    """Replaces a node, counted through the file, by a value."""

    node: int
    value: str


@dataclass(frozen=True)
class Add:
    """Adds an entry to a table, counted among the tables."""

    table: int
    key: str
    value: str


@dataclass(frozen=True)
class Set:
    """Sets every entry of this name, wherever it stands; adds it to the whole where there is none."""

    key: str
    value: str


@dataclass(frozen=True)
class Drop:
    """Leaves a node out."""

    node: int


@dataclass(frozen=True)
class Swap:
    """Puts a copy of one node into the place of another."""

    node: int
    other: int


@dataclass(frozen=True)
class Twice:
    """Writes the key of a node twice, first with a value."""

    node: int
    value: str


@dataclass(frozen=True)
class Cut:
    """Keeps this share of the bytes, in thousandths."""

    share: int


@dataclass(frozen=True)
class Flip:
    """Turns bits of one byte over, at a place in thousandths and some bytes on."""

    share: int
    more: int
    bits: int


@dataclass(frozen=True)
class Splice:
    """Puts bytes between others."""

    share: int
    what: bytes


@dataclass(frozen=True)
class Whole:
    """Replaces everything."""

    text: str


Edit = Put | Add | Set | Drop | Swap | Twice | Cut | Flip | Splice | Whole


def edits(keys: Mapping[str, tuple[str, ...]]) -> st.SearchStrategy[Edit]:
    """Return edits of a JSON file.

    Args:
        keys: Entries that the file may have, each with the names of values that suit it.
    """
    values = st.sampled_from(list(VALUES))
    nodes, shares = st.integers(0, 120), st.integers(0, 999)
    suited = st.sampled_from([(key, value) for key, names in keys.items() for value in names])
    sets = st.builds(lambda kv: Set(*kv), suited)
    bits = [b"\0", b"\xff", b"{", b"]", b'"', b",", b"\\u"]
    return st.one_of(
        sets,
        sets,
        st.builds(Put, nodes, values),
        st.builds(Put, nodes, values),
        st.builds(Set, st.sampled_from(list(keys)), values),
        st.builds(Add, st.integers(0, 8), st.sampled_from(list(keys)), values),
        st.builds(Drop, nodes),
        st.builds(Swap, nodes, nodes),
        st.builds(Twice, nodes, values),
        st.builds(Whole, st.sampled_from(list(TEXTS))),
        st.builds(Flip, shares, st.integers(0, 15), st.integers(1, 255)),
        st.builds(Cut, shares),
        st.builds(Splice, shares, st.sampled_from(bits)),
    )


@dataclass(frozen=True)
class Notation:
    """How a text is read into tables and lists, and written back."""

    read: Callable[[bytes, list[str]], Any]
    write: Callable[[Any, list[str]], bytes]


def applied(text: bytes, changes: tuple[Edit, ...], notation: "Notation | None" = None) -> bytes:
    """Return a file after edits, JSON unless said; those of nodes need a text that can be read."""
    for change in changes:
        if isinstance(change, Whole):
            text = TEXTS[change.text]
        elif isinstance(change, Cut):
            text = text[: len(text) * change.share // 1000]
        elif isinstance(change, Flip):
            text = flipped(text, change)
        elif isinstance(change, Splice):
            at = len(text) * change.share // 1000
            text = text[:at] + change.what + text[at:]
        else:
            text = _edited(text, change, notation or JSON)
    return text


def flipped(text: bytes, change: Flip) -> bytes:
    """Turns bits of one byte over."""
    if not text:
        return text
    at = (len(text) * change.share // 1000 + change.more) % len(text)
    return text[:at] + bytes([text[at] ^ change.bits]) + text[at + 1 :]


def _edited(text: bytes, change: Edit, notation: Notation) -> bytes:
    """Change one node of a text that can still be read."""
    held: list[str] = []
    try:
        whole = [notation.read(text, held)]
    except (ValueError, RecursionError):
        return text
    nodes = list(_nodes(whole, whole, 0))
    if isinstance(change, Add):
        tables = [v for _, _, v in nodes if isinstance(v, dict)]
        if tables:
            tables[change.table % len(tables)][change.key] = _plain(VALUES[change.value], held)
    elif isinstance(change, Set):
        named = [owner for owner, key, _ in nodes if key == change.key]
        for owner in named or [v for _, _, v in nodes[:1] if isinstance(v, dict)]:
            owner[change.key] = _plain(VALUES[change.value], held)
    else:
        owner, key, _ = nodes[change.node % len(nodes)]
        if isinstance(change, Put):
            owner[key] = _plain(VALUES[change.value], held)
        elif isinstance(change, Drop) and owner is not whole:
            del owner[key]
        elif isinstance(change, Swap):
            owner[key] = json.loads(json.dumps(nodes[change.other % len(nodes)][2]))
        elif isinstance(change, Twice) and isinstance(owner, dict):
            twin = _hold(held, f"@KEY@{key}")
            owner[twin] = owner[key]
            owner[key] = _plain(VALUES[change.value], held)
    return notation.write(whole[0], held)


def _nodes(owner: Any, inner: Any, _depth: int) -> Any:
    """Yield every node with its owner and key, outermost first."""
    items = inner.items() if isinstance(inner, dict) else enumerate(inner)
    for key, value in list(items):
        yield inner, key, value
        if isinstance(value, dict | list) and _depth < 40:
            yield from _nodes(owner, value, _depth + 1)


def _hold(held: list[str], text: str) -> str:
    """Return a stand-in for text that JSON's writer would not write."""
    held.append(text)
    return f"@HELD{len(held) - 1}@"


def _plain(value: Any, held: list[str]) -> Any:
    return _hold(held, value.text) if isinstance(value, Raw) else value


def _read_json(text: bytes, held: list[str]) -> Any:
    return json.loads(text, parse_constant=lambda name: _hold(held, name))


def _write_json(whole: Any, held: list[str]) -> bytes:
    return filled_in(json.dumps(whole), held)


def filled_in(text: str, held: list[str]) -> bytes:
    """Put the raw texts that were held back into the place of their stand-ins."""
    for number, raw in enumerate(held):
        name = f'"@HELD{number}@"'
        if raw.startswith("@KEY@"):
            text = text.replace(name, json.dumps(raw.removeprefix("@KEY@")))
        else:
            text = text.replace(name, raw)
    return text.encode("utf-8", "surrogatepass")


JSON = Notation(_read_json, _write_json)
