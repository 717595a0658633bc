"""What `check` says of the truths that a study of given sizes would meet."""

import json

import pytest

from modicum.simulation.draw import Size
from modicum.simulation.outlook import outlook, outlook_text, prior_of
from tests.support.commands import modicum


def test_more_problems_name_more_truths() -> None:
    small, large = outlook(Size(50, 8), seconds=0), outlook(Size(400, 64), seconds=0)
    assert small.right["absent"] == 0.0  # fifty problems cannot show equality within five points
    assert large.right["absent"] >= 0.8
    assert all(large.right[name] >= 0.8 for name in large.right)
    assert max(small.wrong, large.wrong) <= 0.05


def test_few_answers_hide_what_is_absent() -> None:
    found = outlook(Size(400, 64), (0.7, 0.3), seconds=0)
    assert found.right["absent"] == 0.0
    assert found.wrong <= 0.05


@pytest.mark.parametrize(
    ("golds", "prior"),
    [(["a", "b", "a", "a"], (0.75, 0.25)), (["1", "2", "3", "3"], ()), ([], ())],
)
def test_golds_that_mostly_differ_are_wide(golds: list[str], prior: tuple[float, ...]) -> None:
    assert prior_of(golds) == prior


def test_the_line_names_sizes_and_every_truth() -> None:
    said = outlook_text(outlook(Size(100, 16, 2), seconds=0))
    assert "100 problems, 16 samples, 2 seeds" in said
    for name in ("latent", "sealed or taught", "absent", "shown"):
        assert name in said


def test_check_says_it_in_words_and_in_json() -> None:
    flags = ("check", "scripted:latent", "sums", "--test", "60")
    assert "with your sizes (60 problems" in " ".join(modicum(*flags).out.split())
    found = json.loads(modicum(*flags, "--json").out)["outlook"]
    assert set(found) == {"right", "wrong", "draws"}
    assert found["right"]["absent"] == 0.0
