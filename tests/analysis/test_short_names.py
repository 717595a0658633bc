"""Headings call long references by short names that tell them apart; short ones stay."""

import dataclasses

import pytest

from modicum.analysis.short_names import (
    heading,
    model_title,
    references,
    short_names,
    with_short_names,
)
from modicum.analysis.verdict import as_json
from modicum.cli.verdict_tables import verdicts_csv, verdicts_markdown
from modicum.cli.verdict_text import Look, overview_text, verdict_text
from tests.support.verdicts import latent

LONG = "jsonl:data/multiarith.jsonl?question=input&answer=target"
MODEL = "recursive:nets/gram?width=20&selector=majority"


@pytest.mark.parametrize(
    "name",
    [
        "word_sums",
        "sudoku?unique=false",
        "jsonl:problems.jsonl",
        "qwen2.5-coder-0.5b",
        "./my-model?device=cuda",
    ],
)
def test_a_short_reference_is_its_own_name(name: str) -> None:
    assert short_names([name, LONG])[name] == name


@pytest.mark.parametrize(
    ("whole", "name"),
    [
        (LONG, "multiarith"),
        ("csv:/home/someone/data sets/two words.csv?marker=exact", "two words"),
        ("hub:openai/gsm8k?config=main&solution=answer", "gsm8k"),
        ("gym:chain_sum?min_terms=3&max_terms=4", "gym:chain_sum"),
        ("sudoku?size=6&clues=12..14&unique=false", "sudoku"),
        (f"scrambled:{LONG}", "scrambled:multiarith"),
        (f"varied:order.reversed:{LONG}", "varied:order.reversed:multiarith"),
        (MODEL, "gram"),
        ("recursive:new?task=sudoku?size=6%26clues=12", "recursive:new"),
        ("openai:tiny-1B?base_url=http://127.0.0.1:8000/v1", "openai:tiny-1B"),
        ("/home/someone/models/version-1.5-of-mine/", "version-1.5-of-mine"),
        ("jsonl:" + "a" * 60, "jsonl:" + "a" * 60),
        ("?" * 40, "?" * 40),
    ],
)
def test_a_long_one_is_called_by_its_stem(whole: str, name: str) -> None:
    assert short_names([whole, "word_sums"])[whole] == name


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (
            LONG,
            LONG.replace("target", "value"),
            ("multiarith?answer=target", "multiarith?answer=value"),
        ),
        (LONG, LONG + "&marker=exact", ("multiarith", "multiarith?marker=exact")),
        (
            LONG,
            LONG.replace("data/", "other/"),
            (LONG.partition("?")[0], "jsonl:other/multiarith.jsonl"),
        ),
        (LONG, LONG.replace("jsonl", "csv"), ("multiarith.jsonl", "multiarith.csv")),
        (LONG, "multiarith", ("multiarith?question=input&answer=target", "multiarith")),
    ],
)
def test_names_tell_references_apart(first: str, second: str, names: tuple[str, str]) -> None:
    found = short_names([first, second])
    assert len(set(found.values())) == 2
    assert (found[first], found[second]) == names


def test_a_study_prints_short_names_and_says_the_whole_references_once() -> None:
    (found,) = with_short_names(
        [dataclasses.replace(latent(), task=LONG, model=MODEL, variant="test=40")]
    )
    assert heading(found) == "multiarith (test=40) on gram"
    assert model_title(found) == "gram"
    assert found.brief.endswith(": multiarith (test=40) on gram")
    assert references(found) == f"task {LONG}, model {MODEL}"
    look = Look(width=200)
    for said in (
        verdict_text(found, look).partition("\n")[0],
        overview_text([found], look),
        verdicts_markdown([found]),
    ):
        assert "multiarith (test=40)" in said
        assert LONG not in said
    assert verdict_text(found, Look(width=200, verbose=True)).count(f"{LONG}, model {MODEL}") == 1


def test_machines_read_the_whole_references_alone() -> None:
    plain = dataclasses.replace(latent(), task=LONG, model=MODEL)
    (found,) = with_short_names([plain])
    assert as_json(found) == as_json(plain)
    assert LONG in verdicts_csv([found])


def test_nothing_is_said_twice_of_references_that_are_short() -> None:
    (found,) = with_short_names([latent()])
    assert references(found) == ""
    assert verdict_text(found, Look(verbose=True)) == verdict_text(latent(), Look(verbose=True))
