"""Corpora: the entropy that they state is theirs, no measured text is learned from, and files are bounded."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from modicum.corpora import text_file
from modicum.corpora.brackets import Brackets
from modicum.corpora.corpus import split_of
from modicum.corpora.ledgers import Ledgers
from modicum.corpora.naming import MADE, resolve_corpus
from modicum.errors import ConfigError, UnknownNameError
from modicum.seeds import stream

CLOSES = {")": "(", "]": "[", "}": "{", ">": "<"}
SMALL = {"brackets": Brackets(kinds=2, depth=2, letters=2, gap=1, trees=1), "ledgers": Ledgers()}


def drawn(corpus, distance: int, n: int) -> list[str]:
    return [corpus.document(distance, stream("test", distance, i)) for i in range(n)]


def nats_of_brackets(corpus: Brackets, text: str, distance: int) -> float:
    """Read a document choice by choice: what each one of them was drawn with."""
    nats, depth, gap = 0.0, 0, 0
    for character in text[:-1]:
        if character not in "()[]{}<>":
            gap += 1
            continue
        nats += math.log(corpus.gap + 1) + gap * math.log(corpus.letters)
        gap = 0
        if 0 < depth < corpus.deepest(distance):
            nats += math.log(2)
        opens = character in CLOSES.values()
        nats += math.log(corpus.kinds) if opens else 0.0
        depth += 1 if opens else -1
    return nats


@pytest.mark.parametrize("distance", [0, 1, 2])
def test_brackets_have_the_entropy_and_the_length_that_they_state(distance: int) -> None:
    corpus = Brackets()
    texts = drawn(corpus, distance, 300)
    nats = np.array([nats_of_brackets(corpus, text, distance) for text in texts])
    lengths = np.array([len(text) for text in texts])
    stated = corpus.source(distance)
    for found, expected in ((nats, stated.nats), (lengths, stated.characters)):
        assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(texts))
    # three hundred texts tell a depth from the next one
    assert abs(nats.mean() - corpus.source(distance + 1).nats) > 4 * nats.std() / math.sqrt(300)


@pytest.mark.parametrize("distance", [0, 1, 2])
def test_brackets_close_what_was_opened_last_and_reach_the_stated_depth(distance: int) -> None:
    corpus, deepest = Brackets(), 0
    for text in drawn(corpus, distance, 150):
        waiting: list[str] = []
        for character in text[:-1]:
            if character in CLOSES:
                assert waiting.pop() == CLOSES[character]
            elif character in CLOSES.values():
                waiting.append(character)
                deepest = max(deepest, len(waiting))
        assert waiting == []
        assert text.endswith("\n")
    assert deepest == corpus.deepest(distance)


@pytest.mark.parametrize("distance", [0, 1, 2])
def test_ledgers_add_up_and_have_the_postings_that_they_state(distance: int) -> None:
    corpus, postings = Ledgers(people=3), set()
    for text in drawn(corpus, distance, 200):
        first, *steps = text.split(" = ")[0].split("; ")
        words = first.split()
        has = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        for step in steps:
            who, change = step.rstrip(";").split()
            has[who] = (has[who] + int(change)) % 10
        assert text.split(" = ")[1] == " ".join(f"{n} {v}" for n, v in has.items()) + ".\n"
        postings.add(len(steps))
    assert postings == set(range(corpus.least(distance), corpus.least(distance) + 4))


def test_ledgers_have_the_entropy_of_their_even_choices() -> None:
    """A source so small that all of its documents are drawn: they are even, so their number is e^nats."""
    corpus = Ledgers(people=1, steps=1, largest=2)
    texts = drawn(corpus, 0, 3_000)
    assert len(set(texts)) == round(math.exp(corpus.source(0).nats)) == 8 * 10 * 4
    assert {len(text) for text in texts} == {round(corpus.source(0).characters)}


@pytest.mark.parametrize("name", MADE)
def test_no_measured_document_is_learned_from_even_where_there_are_few(name: str) -> None:
    corpus = SMALL[name]
    learned = "".join(corpus.alphabet[i] for i in corpus.train(8_000)).split("\n")[:-1]
    for split in ("selection", "test"):
        windows = corpus.windows(split, 0, 50, 60)
        measured = "".join("".join(corpus.alphabet[i] for i in row) + "\n" for row in windows)
        whole = [t for t in measured.split("\n") if t and split_of(t + "\n") == split]
        assert len(whole) > 20
        assert not set(whole) & set(learned)


@pytest.mark.parametrize("name", MADE)
def test_more_begins_with_fewer_and_seeds_differ(name: str) -> None:
    corpus = SMALL[name]
    assert (corpus.train(900)[:300] == corpus.train(300)).all()
    assert (corpus.windows("test", 1, 9, 20)[:4] == corpus.windows("test", 1, 4, 20)).all()
    other = replace(corpus, seed="1")
    assert not (other.train(300) == corpus.train(300)).all()
    assert len(corpus.alphabet) == len(set(corpus.alphabet)) <= 96


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("made:nothing", UnknownNameError),
        ("made:brackets?colour=2", UnknownNameError),
        ("made:brackets?depth=0", ConfigError),
        ("made:ledgers?people=9", ConfigError),
        ("no/such/file.txt", ConfigError),
    ],
)
def test_what_cannot_be_meant_is_refused(reference: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        resolve_corpus(reference)


def test_a_corpus_without_enough_different_documents_says_so() -> None:
    corpus = Brackets(kinds=1, depth=1, letters=1, gap=0, trees=1)
    with pytest.raises(ConfigError, match="too few different documents"):
        [corpus.windows(split, 0, 1, 5) for split in ("selection", "test")]


def test_a_file_is_parted_and_no_paragraph_stands_in_two_splits(tmp_path) -> None:
    path = tmp_path / "text.txt"
    said = [f"Line {i % 90} of it – é.\nAnd more.\n\n" for i in range(270)]
    path.write_text("".join(said), encoding="utf-8")
    corpus = resolve_corpus(str(path))
    parts = {split: set(text.split("\n\n")) - {""} for split, text in corpus.parted.items()}
    assert sum(map(len, parts.values())) == 90
    assert all(parts.values())
    text = "".join(corpus.alphabet[i] for i in corpus.train(100))
    assert text == corpus.parted["train"][:100]
    assert corpus.windows("test", 0, 3, 20).shape == (3, 21)
    with pytest.raises(ConfigError, match="at most"):
        corpus.windows("test", 0, 10_000, 20)
    with pytest.raises(ConfigError, match="distance 1"):
        corpus.windows("test", 1, 1, 20)


@pytest.mark.parametrize("held", [b"", b"\xff\xfe\x00", b"one line alone"])
def test_a_file_that_is_no_text_to_part_is_refused(held: bytes, tmp_path) -> None:
    (tmp_path / "text.txt").write_bytes(held)
    with pytest.raises(ConfigError):
        resolve_corpus(str(tmp_path / "text.txt"))


def test_a_file_too_large_or_with_too_many_characters_is_refused(tmp_path, monkeypatch) -> None:
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{chr(200 + i)}\n" for i in range(500)), encoding="utf-8")
    assert len(resolve_corpus(str(path)).alphabet) == 501
    monkeypatch.setattr(text_file, "MOST_ALPHABET", 400)
    with pytest.raises(ConfigError, match="different characters"):
        resolve_corpus(str(path))
    monkeypatch.setattr(text_file, "MOST_BYTES", 100)
    with pytest.raises(ConfigError, match="bytes"):
        resolve_corpus(str(path))


@pytest.mark.parametrize("name", MADE)
def test_what_is_asked_is_closings_and_the_amounts_of_the_last_clause(name: str) -> None:
    corpus = SMALL[name]
    ids = corpus.windows("test", 2, 6, 120)
    for row, asked in zip(ids, corpus.asked(ids), strict=True):
        text = "".join(corpus.alphabet[i] for i in row)
        found = {i + 1 for i in np.flatnonzero(asked)}
        if name == "brackets":
            assert found == {i for i, c in enumerate(text) if c in CLOSES}
        else:
            clauses = [m.span() for m in re.finditer(r"=[^.]*", text)]
            inside = {i for a, b in clauses for i in range(a, b)}
            assert found == {i for i in inside if text[i].isdigit()}
        assert found


def test_nothing_is_asked_of_a_file(tmp_path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("".join(f"({i})\n" for i in range(99)), encoding="utf-8")
    corpus = resolve_corpus(str(path))
    assert not corpus.asked(corpus.windows("test", 0, 1, 9)).any()
