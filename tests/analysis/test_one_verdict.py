"""Decoding, vectors, adapters and reward learning stand in one verdict, recomputed from the ledgers."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modicum.analysis.verdict import Verdict
from modicum.running.kept_verdicts import verdicts_of
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.stats import paired_difference
from modicum.store.database import Outcome, Store
from modicum.study.plan import Plan
from modicum.types import Grade

METHODS = ("cot_decoding", "steering_vector", "fine_tune", "rl_steering", "rlvr")
PREFERENCES = ("serve", "labels", "train")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store]:
    """One organism, five kinds of rungs, one label; controls left to their own tests."""
    plan = plan_for(
        "organism", "word_sums", METHODS, (1,), seeds=1, test=100, selection=8, samples=8,
        retain=("line_moves",), retain_test=8, controls=False,
        settings={"rlvr": {"steps": 14}, "rl_steering": {"steps": 14}},
    )  # fmt: skip
    store = Store(Path(tmp_path_factory.mktemp("one")))
    store.freeze(plan.as_dict())
    run(plan, store, Silent())
    return plan, store


class Recomputed:
    """The second answer from stored outcomes alone, in plain Python."""

    def __init__(self, plan: Plan, store: Store) -> None:
        groups: dict[str, list[Outcome]] = defaultdict(list)
        for trial in plan.trials():
            outcome = store.read(trial)
            assert outcome is not None
            assert not outcome.error
            if trial.method == "prompt_style" and not trial.is_twin:
                groups["prompt"].append(replace(outcome, elicitation={}))
            elif trial.method in METHODS and not trial.control and not trial.is_twin:
                groups[f"{trial.method} n={trial.n_shots}".removesuffix(" n=0")].append(outcome)
        self.margin = plan.margin
        self.scores = {name: np.stack([_right(o) for o in group]) for name, group in groups.items()}
        self.costs = {
            name: (
                _mean(o.elicitation.get("labels", 0) for o in group),
                _mean(_flops(o.elicitation) for o in group),
                _mean(_flops(o.serving) / len(o.answers) for o in group),
            )
            for name, group in groups.items()
        }

    def front(self) -> set[str]:
        """Names of the good ones that no good one undercuts."""
        best = max(self.scores, key=lambda name: self.scores[name].mean())
        good = [
            name
            for name, scores in self.scores.items()
            if name == best or paired_difference(scores, self.scores[best]).low > -self.margin
        ]
        return {
            name
            for name in good
            if not any(
                self.costs[other] != self.costs[name]
                and all(o <= c for o, c in zip(self.costs[other], self.costs[name], strict=True))
                for other in good
            )
        }

    def pick(self, prefer: str) -> str:
        """The cheapest of the front; within five hundredths costs count as the same."""
        place = {"labels": 0, "train": 1, "serve": 2}[prefer]
        front = self.front()
        least = min(self.costs[name][place] for name in front)
        near = [name for name in front if self.costs[name][place] <= 1.05 * least]
        return min(near, key=lambda name: [self.costs[name][i] for i in (0, 2, 1)])

    def queries(self, pick: str, other: str) -> float:
        """Where E + q S is the same for both."""
        _, made, served = self.costs[pick]
        _, other_made, other_served = self.costs[other]
        return (made - other_made) / (other_served - served)


def _right(outcome: Outcome) -> np.ndarray:
    return np.array([float(a.mark.lenient == Grade.CORRECT) for a in outcome.answers])


def _flops(ledger) -> float:
    return ledger.get("flops", 0.0) + ledger.get("flops_reused", 0.0)


def _mean(values) -> float:
    found = list(values)
    return sum(found) / len(found)


def _verdict(plan: Plan, store: Store, prefer: str) -> Verdict:
    [verdict] = verdicts_of(replace(plan, prefer=prefer), store)
    return verdict


def test_every_rung_unlocks_the_latent_family(study) -> None:
    rows = {row.method: row for row in _verdict(*study, "serve").rungs}
    assert set(METHODS) <= set(rows)
    for method in ("cot_decoding", "steering_vector", "rl_steering", "rlvr"):
        assert rows[method].score.value >= 0.9, method


@pytest.mark.parametrize("prefer", PREFERENCES)
def test_pick_and_front_are_those_of_the_ledgers(study, prefer: str) -> None:
    plan, store = study
    verdict, own = _verdict(plan, store, prefer), Recomputed(plan, store)
    assert verdict.ship.name == own.pick(prefer)
    assert {point.name for point in verdict.ship.front} == own.front()
    for point in verdict.ship.front:
        costs = (point.labels, point.elicitation_flops, point.serving_flops)
        assert costs == pytest.approx(own.costs[point.name], rel=1e-9)


@pytest.mark.parametrize("prefer", PREFERENCES)
def test_break_even_queries_are_those_of_the_ledgers(study, prefer: str) -> None:
    plan, store = study
    verdict, own = _verdict(plan, store, prefer), Recomputed(plan, store)
    others = [point for point in verdict.ship.front if point.name != verdict.ship.name]
    assert others
    for point in others:
        queries = own.queries(own.pick(prefer), point.name)
        assert point.breakeven_queries == pytest.approx(
            queries if queries > 0 else float("inf"), rel=1e-9
        )


def test_who_pays_by_the_query_and_who_pays_by_the_label_pick_differently(study) -> None:
    picks = {prefer: _verdict(*study, prefer).ship.name for prefer in PREFERENCES}
    assert picks["labels"] == "cot_decoding"
    assert picks["serve"] != picks["labels"]
