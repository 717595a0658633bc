"""Rewards pay for what they say, and controls cannot know the gold."""

import json

import numpy as np
import pytest
from benchmarks.answer_grammar import CASES, few
from hypothesis import given
from hypothesis import strategies as st

from modicum.errors import ConfigError
from modicum.method import METHODS
from modicum.model import resolve_backend
from modicum.reward import REWARDS, Answered, Known, Reward, votes
from modicum.task import resolve_task
from modicum.training.by_reward import _Rollouts
from modicum.types import Completion, Grade, Mark, Style
from tests.support.bench import bench_of

RIGHT = Mark("7", Grade.CORRECT, Grade.INCORRECT)
WRONG = Mark("8", Grade.INCORRECT, Grade.INCORRECT)
NONE = Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)
GROUP = Answered("p", ("a 7", "a 8", "?"), ("7", "8", None), (RIGHT, WRONG, NONE))
KNOWN = Known(("7", "7", "8", None, "7", "8", "9"), frozenset({"7"}), ("7", "9", "8", "5"))


def built(name: str, **settings: object) -> Reward:
    reward = REWARDS.build(name, settings)
    assert isinstance(reward, Reward)
    return reward


def rng() -> np.random.Generator:
    return np.random.default_rng([1, 2, 3])


@pytest.mark.parametrize("name", sorted(REWARDS.entries))
def test_a_reward_gives_one_number_an_answer(name: str) -> None:
    reward = built(name)
    target = reward.target(KNOWN)
    scores = list(reward.score(GROUP, target, rng()))
    assert len(scores) == len(GROUP.texts)
    assert all(np.isfinite(scores))
    assert scores == list(reward.score(GROUP, target, rng()))


@pytest.mark.parametrize("name", sorted(REWARDS.entries))
def test_a_reward_without_labels_does_not_change_with_the_gold(name: str) -> None:
    reward = built(name)
    if reward.reads_labels:
        pytest.skip("reads labels")
    bare = Answered(GROUP.problem, GROUP.texts, GROUP.answers, ())
    other = Known(KNOWN.answers, frozenset({"8"}), KNOWN.others)
    assert reward.target(KNOWN) == reward.target(other)
    target = reward.target(KNOWN)
    assert list(reward.score(GROUP, target, rng())) == list(reward.score(bare, target, rng()))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("true", [1, 0, 0]),
        ("format", [1, 1, 0]),
        ("none", [0, 0, 0]),
        ("majority", [1, 0, 0]),
        ("wrong_guessable", [0, 1, 0]),
        ("wrong_unguessable", [0, 0, 0]),
    ],
)
def test_each_pays_for_its_own(name: str, wanted: list[int]) -> None:
    reward = built(name)
    assert list(reward.score(GROUP, reward.target(KNOWN), rng())) == wanted


def test_the_two_wrong_keys_are_wrong_and_differ_in_reach() -> None:
    assert built("wrong_guessable").target(KNOWN) == "8"
    assert built("wrong_unguessable").target(KNOWN) == "5"


def test_a_guessable_key_exists_even_where_every_answer_was_right() -> None:
    known = Known(("7", "7"), frozenset({"7"}), ("7", "9"))
    assert built("wrong_guessable").target(known) == "9"


def test_random_pays_about_gamma() -> None:
    group = Answered("p", ("x",) * 4000, ("x",) * 4000, ())
    for gamma in (0.0, 0.3, 1.0):
        paid = np.mean(list(built("random", gamma=gamma).score(group, None, rng())))
        assert paid == pytest.approx(gamma, abs=0.03)


def test_a_gamma_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ConfigError, match="gamma"):
        built("random", gamma=1.5)


@given(st.lists(st.one_of(st.none(), st.sampled_from("abc")), max_size=20))
def test_votes_come_commonest_first_and_leave_out_what_was_not_read(answers: list) -> None:
    found = votes(answers)
    assert sum(found.values()) == sum(a is not None for a in answers)
    assert list(found.values()) == sorted(found.values(), reverse=True)


# What a policy is paid is what the study marks


@pytest.mark.parametrize("marker", ["number", "choice", "exact", "math_verify"])
def test_policy_is_paid_for_right_answers_and_never_for_a_stray_gold(marker: str, tmp_path) -> None:
    if marker == "math_verify":
        pytest.importorskip("math_verify")
    settings = METHODS.build("rlvr")
    cases = [case for case in CASES if case.marker == marker]
    for place, case in enumerate(cases):
        rows = [json.dumps({"question": f"What, {i}?", "answer": case.gold}) for i in range(6)]
        path = tmp_path / f"{place}.jsonl"
        path.write_text("\n".join(rows))
        task = resolve_task(f"jsonl:{path}", {"marker": marker})
        shot, style = task.problems("shots", 1)[0], Style("raw", "{question}")
        bench = bench_of(resolve_backend("scripted").open(), task, [shot], style=style)
        rollouts = _Rollouts(settings, bench, (shot,), built("true"), "run")
        group = [Completion(text.text, 1, "eos") for text in few(case)][::4]
        paid = rollouts._paid(shot, group, None, rng())
        assert [c.text for c, one in zip(group, paid, strict=True) if one != case.is_right] == []
