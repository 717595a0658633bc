"""`modicum compare` tells two methods or studies apart, and refuses what cannot be compared."""

import csv
import io
import json
from dataclasses import replace

import pytest

from modicum.cli.told_comparison import compare as modicum_compare
from tests.support.commands import Said, modicum

SIZES = ("--test", 40, "--selection", 4, "--samples", 8, "--workers", 1, "--no-reuse", "--no-check")


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Two studies of the same sums: a model that has the ability, and one that lacks it."""
    root = tmp_path_factory.mktemp("compared")
    for model in ("latent", "absent"):
        sizes = (*SIZES, "--methods", "cot_decoding,self_consistency")
        said = modicum(
            "run", "--model", f"scripted:{model}", "--task", "sums", *sizes, "--out", root / model
        )
        assert said.code == 0, said.err
    return root


def _compare(*arguments: object) -> Said:
    return modicum("compare", *arguments)


def test_methods_of_one_study_are_compared_in_pairs(studies) -> None:
    said = _compare(f"{studies}/latent:floor", f"{studies}/latent:cot_decoding")
    assert said.code == 0, said.err
    assert "40 problems that both answered" in said.out
    assert "B − A: +100.0 points [+9" in said.out
    assert "B (cot_decoding) is better" in said.out
    assert "40 right only with B:" in said.out


def test_studies_are_compared_by_their_floors_and_by_their_picks(studies) -> None:
    said = _compare(f"{studies}/latent", f"{studies}/absent", "--json")
    found = json.loads(said.out)["comparisons"]
    assert [one["names"] for one in found] == [["floor", "floor"], ["cot_decoding", "floor"]]
    assert found[1]["difference"]["value"] == -1


def test_changed_problems_are_listed_up_to_the_limit(studies) -> None:
    said = _compare(f"{studies}/latent:floor", f"{studies}/latent:pick", "--limit", 3)
    assert said.out.count("  What is ") + said.out.count(" What is ") >= 3
    assert "… and 37 more" in said.out


def test_text_in_python_names_the_questions_of_changed_problems_as_the_command_does(
    studies,
) -> None:
    both = (f"{studies}/latent:floor", f"{studies}/latent:pick")
    found = modicum_compare(*both)
    assert str(found) == _compare(*both).out.rstrip("\n").replace(" (--limit)", "")
    assert str(found).count(" What is ") == 5
    [first, *_] = found.gained
    hidden = replace(first, question="What \u202eis\n" + "very long " * 40)
    text = str(replace(found, gained=(hidden,)))
    assert "\u202e" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_csv_and_markdown_hold_the_same_figures(studies) -> None:
    both = (f"{studies}/latent:floor", f"{studies}/latent:pick")
    (row,) = csv.DictReader(io.StringIO(_compare(*both, "--format", "csv").out))
    assert (row["difference"], row["right_only_b"]) == ("1.0000", "40")
    table = _compare(*both, "--format", "md").out.splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert "+100.0 points" in table[-1]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(studies, monkeypatch, width) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    said = _compare(f"{studies}/latent", f"{studies}/absent")
    assert max(map(len, said.out.splitlines())) <= width


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("latent", "latent", "are the same"),
        ("latent:flor", "absent", "did you mean 'floor'"),
        ("nowhere", "absent", "no study in"),
        ("latent:floor+pick", "absent", "one method"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(studies, first, second, words) -> None:
    said = _compare(f"{studies}/{first}", f"{studies}/{second}")
    assert said.code == 2
    assert words in said.err


def test_hidden_characters_of_names_are_spelled_out(studies) -> None:
    said = _compare(f"{studies}/latent:fl\u202eoor", f"{studies}/absent")
    assert "\u202e" not in said.err + said.out
