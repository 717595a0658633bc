"""GGUF files piece by piece: counts, lengths, types, names, values, shapes, offsets."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.fuzz.bench import Input
from tests.fuzz.formats import RUN, Case, signed
from tests.fuzz.hostile import Cut, Flip, Splice, flipped
from tests.fuzz.pantry import Pantry

__all__ = ["Headers"]

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
NUMBERS = (
    0,
    1,
    2,
    7,
    255,
    2**16,
    2**20,
    2**24,
    2**28,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**40,
    2**60,
    2**63,
    2**64 - 1,
)
TEXTS = (
    b"",
    b"a",
    b"\0",
    b"\xff\xfe",
    b"\x1b]0;owned\x07",
    b"../../x",
    b"x" * 100_000,
    b"llama",
    b"clip",
    b"general.architecture",
    b"{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    b"{{ 'x' * 5000000000 }}",
    b"{{ ''.__class__.__mro__ }}",
    "a\u202eb".encode(),
)
KEYS = (
    "general.alignment",
    "general.file_type",
    "llama.block_count",
    "llama.embedding_length",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.context_length",
    "llama.feed_forward_length",
    "llama.rope.dimension_count",
    "llama.attention.layer_norm_rms_epsilon",
    "llama.vocab_size",
    "llama.attention.key_length",
    "llama.rope.freq_base",
    "llama.expert_count",
    "general.architecture",
    "tokenizer.ggml.model",
    "tokenizer.chat_template",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.padding_token_id",
    "split.count",
    "general.name",
    "controlvector.layer_count",
)


@dataclass(frozen=True)
class Piece:
    """Some bytes of a file and what they are."""

    kind: str
    """magic, version, count, length, type, text, number, dims, data."""
    data: bytes
    name: str = ""
    """Of the entry or tensor that it belongs to."""


@dataclass(frozen=True)
class Number:
    """Writes a number over a piece that is one."""

    place: int
    value: int


@dataclass(frozen=True)
class Text:
    """Writes a text over a piece that is one, with its length unless it lies."""

    place: int
    text: int
    lies: bool = False


@dataclass(frozen=True)
class Gone:
    """Leaves a piece out."""

    place: int


@dataclass(frozen=True)
class Again:
    """Writes a piece twice."""

    place: int


@dataclass(frozen=True)
class Entry:
    """Adds an entry, or gives one of that name another type and value."""

    key: str
    type: int
    value: int


Change = Number | Text | Gone | Again | Entry | Flip | Cut | Splice


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.pieces = data, 0, list[Piece]()

    def take(self, kind: str, n: int, name: str = "") -> int:
        if self.at + n > len(self.data):
            raise IndexError(kind)
        part = self.data[self.at : self.at + n]
        self.at += n
        self.pieces.append(Piece(kind, part, name))
        return int.from_bytes(part, "little") if n <= 8 else 0

    def text(self, name: str = "") -> str:
        length = self.take("length", 8, name)
        self.take("text", length, name)
        return self.pieces[-1].data.decode("utf-8", "replace")

    def value(self, kind: int, name: str) -> None:
        if kind == STRING:
            self.text(name)
        elif kind == ARRAY:
            inner, length = self.take("type", 4, name), self.take("count", 8, name)
            if inner == STRING:
                start = self.at
                for _ in range(length):
                    (size,) = struct.unpack_from("<Q", self.data, self.at)
                    self.at += 8 + size
                self.pieces.append(Piece("data", self.data[start : self.at], name))
            else:
                self.take("data", length * _SIZES[inner], name)
        else:
            self.take("number", _SIZES[kind], name)


def pieces_of(data: bytes) -> list[Piece]:
    """Take a GGUF file apart."""
    reader = _Reader(data)
    reader.take("magic", 4)
    reader.take("version", 4)
    tensors, entries = reader.take("count", 8), reader.take("count", 8)
    for _ in range(entries):
        key = reader.text("key")
        reader.value(reader.take("type", 4, key), key)
    for _ in range(tensors):
        name = reader.text("tensor")
        dims = reader.take("dims", 4, name)
        for _ in range(dims):
            reader.take("number", 8, name)
        reader.take("type", 4, name)
        reader.take("number", 8, name)
    reader.pieces.append(Piece("rest", data[reader.at :]))
    return reader.pieces


def _written(pieces: list[Piece], change: Change) -> list[Piece]:
    """Return the pieces after a change."""
    pieces = list(pieces)
    numbers = [
        i
        for i, p in enumerate(pieces)
        if p.kind in ("magic", "version", "count", "length", "type", "number", "dims")
    ]
    texts = [i for i, p in enumerate(pieces) if p.kind == "text"]
    if isinstance(change, Number):
        at = numbers[change.place % len(numbers)]
        size = len(pieces[at].data)
        value = (change.value % 2 ** (8 * size)).to_bytes(size, "little")
        pieces[at] = replace(pieces[at], data=value)
    elif isinstance(change, Text):
        at = texts[change.place % len(texts)]
        said = TEXTS[change.text % len(TEXTS)]
        pieces[at] = replace(pieces[at], data=said)
        if not change.lies:
            pieces[at - 1] = replace(pieces[at - 1], data=struct.pack("<Q", len(said)))
    elif isinstance(change, Gone):
        del pieces[change.place % len(pieces)]
    elif isinstance(change, Again):
        at = change.place % len(pieces)
        pieces.insert(at, pieces[at])
    elif isinstance(change, Entry):
        pieces = _entered(pieces, change)
    return pieces


def _entered(pieces: list[Piece], change: Entry) -> list[Piece]:
    """Put an entry first, in the place of the one that bears its name."""
    at = [i for i, p in enumerate(pieces) if p.name == change.key]
    kept = (
        pieces
        if not at
        else [p for i, p in enumerate(pieces) if i not in range(at[0] - 2, at[-1] + 1)]
    )
    key = change.key.encode()
    value = NUMBERS[change.value % len(NUMBERS)]
    new = [
        Piece("length", struct.pack("<Q", len(key))),
        Piece("text", key),
        Piece("type", struct.pack("<I", change.type)),
    ]
    if change.type == STRING:
        said = TEXTS[change.value % len(TEXTS)]
        new.append(Piece("data", struct.pack("<Q", len(said)) + said))
    elif change.type == ARRAY:
        new.append(Piece("data", struct.pack("<IQ", change.value % 13, value)))
    else:
        size = _SIZES.get(change.type, 4)
        new.append(Piece("number", (value % 2 ** (8 * size)).to_bytes(size, "little")))
    if not at:
        (count,) = struct.unpack("<Q", kept[3].data)
        kept = [*kept[:3], Piece("count", struct.pack("<Q", count + 1)), *kept[4:]]
    return [*kept[:4], *new, *kept[4:]]


class Headers:
    """The format of GGUF files: whole models and control vectors."""

    seeds: Mapping[str, tuple[str, str]] = {
        "model": ("gguf", "tiny.gguf"),
        "vector": ("exports/gguf/gguf", "control_vector.gguf"),
    }
    commands: Mapping[str, tuple[str, ...]] = {
        "check": ("check", "@CASE@/@", "word_sums"),
        "run": ("run", "--model", "@CASE@/@", "--task", "word_sums", "--no-check", *RUN),
        "looked at": ("run", "--model", "@CASE@/@", "--task", "word_sums", *RUN),
    }

    def cases(self) -> st.SearchStrategy[Case]:
        """Return cases of one to three changes."""
        place, shares = st.integers(0, 150), st.integers(0, 999)
        change: st.SearchStrategy[Change] = st.one_of(
            st.builds(Number, place, st.sampled_from(NUMBERS)),
            st.builds(Number, st.integers(0, 12), st.sampled_from(NUMBERS)),
            st.builds(Text, place, st.integers(0, len(TEXTS) - 1), st.booleans()),
            st.builds(Gone, place),
            st.builds(Again, place),
            st.builds(Entry, st.sampled_from(KEYS), st.integers(0, 14), st.integers(0, 16)),
            st.builds(Flip, shares, st.integers(0, 15), st.integers(1, 255)),
            st.builds(Cut, shares),
            st.builds(Splice, shares, st.sampled_from([b"\0", b"\xff" * 8])),
        )
        changes = st.lists(change.map(lambda c: ("", c)), min_size=1, max_size=3).map(tuple)
        return st.builds(
            Case, st.sampled_from(list(self.seeds)), changes, st.sampled_from(list(self.commands))
        )

    def listed(self) -> list[Case]:
        """Return a case for each of the first numbers and some values, and for each entry and type."""
        found: list[Case] = []
        commands, seeds = list(self.commands), list(self.seeds)
        changes: list[Change] = [
            Number(place, value) for place in range(12) for value in NUMBERS[::3]
        ]
        changes += [Entry(key, kind, n) for n, key in enumerate(KEYS) for kind in (4, 6, 8, 9)]
        changes += [Entry("tokenizer.chat_template", STRING, n) for n in range(len(TEXTS))]
        changes += [Text(place, text) for place in range(6) for text in range(0, len(TEXTS), 2)]
        for n, change in enumerate(changes):
            found.append(
                Case(seeds[0 if n % 4 else 1], (("", change),), commands[n % len(commands)])
            )
        return found

    def unchanged(self, pantry: Pantry) -> list[Input]:
        """Return both seeds with the command that runs them."""
        bare = [Case(seed, (), "run") for seed in self.seeds]
        return [self.input_of(case, pantry) for case in bare]

    def input_of(self, case: Case, pantry: Pantry) -> Input:
        """Return the file and the command."""
        laid, name = self.seeds[case.seed]
        start = pantry.folder / laid
        data = (start / name).read_bytes()
        for _, change in case.changes:
            data = _damaged(data, change)
        where = laid.rpartition("/")[2]
        files = {name: data} if case.seed == "model" else signed({name: data}, start)
        command = tuple(part.replace("/@", f"/{where}") for part in self.commands[case.command])
        return Input({f"{where}/{path}": text for path, text in files.items()}, (laid,), (command,))


def _damaged(data: bytes, change: Change) -> bytes:
    if isinstance(change, Flip):
        return flipped(data, change)
    if isinstance(change, Cut):
        return data[: len(data) * change.share // 1000]
    if isinstance(change, Splice):
        at = len(data) * change.share // 1000
        return data[:at] + change.what + data[at:]
    try:
        pieces = pieces_of(data)
    except (struct.error, KeyError, IndexError, MemoryError, OverflowError):
        return data  # no GGUF any more
    return b"".join(piece.data for piece in _written(pieces, change))
