"""Sampling and branching on the first test problems only, and studies drawn independently."""

import dataclasses
import itertools

import numpy as np
import pytest

from modicum.analysis.ability import ability_from
from modicum.analysis.evidence import Evidence
from modicum.analysis.gap import GapTop, gap_recovered
from modicum.analysis.judgement import verdict_of
from modicum.analysis.pairing import level_of, over_problems, paired, shared
from modicum.analysis.ship import Candidate, ship
from modicum.errors import ConfigError
from modicum.running.runner import Silent, run
from modicum.scope import Scope
from modicum.stats import resample
from modicum.store.database import Store
from modicum.study.plan import Grid, Plan
from modicum.study.problem_sets import problems_of, shots_of
from modicum.task import resolve_task
from modicum.types import Trial
from tests.simulation.truths import TRUTHS, Design, draw_evidence, is_wrong

METHODS = ("self_consistency", "cot_decoding", "fine_tune")


def _plan(**options) -> Plan:
    grid = Grid(
        ("scripted:latent",),
        ("sums",),
        options.pop("methods", METHODS),
        (1, 4),
        twin="scripted:absent",
        aside=("cot_decoding.k=3",),
    )
    return Plan((grid,), **options)


def test_trials_of_plans_without_the_two_fields_keep_their_ids() -> None:
    """An identity is a hash of the scope: what is not in it leaves stored studies valid."""
    assert all(not {"first", "stream"} & t.scope.plain().keys() for t in _plan().trials())


def test_sampling_and_branching_alone_are_cut() -> None:
    cut = {
        (t.method, t.settings.get("samples", 1)) for t in _plan(ceiling_test=100).trials()
        if t.scope.first
    }  # fmt: skip
    assert cut == {("plain", 64), ("self_consistency", 1), ("cot_decoding", 1)}


def test_greedy_trials_are_those_of_the_whole_study() -> None:
    whole = {t.id for t in _plan().trials()}
    part = _plan(ceiling_test=100).trials()
    assert {t.id for t in part if not t.scope.first} < whole
    assert not {t.id for t in part if t.scope.first} & whole


def test_as_many_as_there_are_is_all_of_them() -> None:
    assert _plan(ceiling_test=400).trials() == _plan().trials()


@pytest.mark.parametrize("n", [-1, 401])
def test_more_than_there_are_is_refused(n: int) -> None:
    with pytest.raises(ConfigError, match="ceiling_test"):
        _plan(ceiling_test=n)


def _both(folder) -> tuple:
    """A study on 24 problems, and the same with 10 of them sampled and branched on."""
    options = {"test": 24, "selection": 6, "samples": 8}
    found = []
    for name, more in (("whole", {}), ("part", {"ceiling_test": 10})):
        plan = _plan(methods=METHODS[:2], **options, **more)
        store = Store(folder / name)
        run(plan, store, Silent())
        subject = plan.subjects()[0]
        outcomes = {t.id: (t, store.read(t)) for t in plan.trials()}
        found.append((plan, verdict_of(subject, store), outcomes))
        store.close()
    return tuple(found)


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple:
    return _both(tmp_path_factory.mktemp("first"))


def test_cut_trials_answer_the_first_problems_as_the_whole_ones_do(both) -> None:
    (_, _, whole), (_, _, part) = both
    kinds = {(t.model, t.task, t.method, str(t.settings)): o.answers for t, o in whole.values()}
    for trial, outcome in part.values():
        same = kinds[trial.model, trial.task, trial.method, str(trial.settings)]
        n = 10 if trial.scope.first else 24
        assert outcome.answers == same[:n], trial


def test_every_figure_says_how_many_problems_it_covers(both) -> None:
    verdict = both[1][1]
    rows = {row.method: row for row in verdict.rungs}
    assert (verdict.default.n, verdict.floor.n, rows["prompt"].score.n) == (24, 24, 24)
    assert (verdict.luck.n, verdict.majority.n, rows["cot_decoding"].score.n) == (10, 10, 10)
    assert rows["cot_decoding"].gap_recovered.n == 10
    assert rows["prompt"].controls["scrambled"].n == 24
    assert verdict.asides[0].score.n == 10


def test_verdict_says_so_in_words(both) -> None:
    assert any("first 10 of 24" in note for note in both[1][1].notes)
    assert not any("first" in note for note in both[0][1].notes)


def test_scores_pair_on_the_problems_that_both_cover() -> None:
    one, other = np.array([1.0, 1, 0, 1]), np.array([0.0, 1])
    assert [s.tolist() for s in shared(one, other)] == [[1, 1], [0, 1]]
    clusters = np.array([0, 1, 2, 2])
    assert paired(one, other, clusters=clusters).value == 0.5
    assert paired(one, other, clusters=clusters) == paired(one[:2], other)
    assert over_problems(other, parts=(one[None],), clusters=clusters).n == 2
    assert level_of(np.ones((2, 3)), clusters).n == 3


def test_gap_is_read_on_the_problems_of_the_ceiling() -> None:
    rng = np.random.default_rng(3)
    floor, rung = (rng.random(200) < 0.2).astype(float), (rng.random((2, 200)) < 0.7).astype(float)
    rung[:, 100:] = 0.0  # what happens beyond the sampled problems must not enter
    top = GapTop("sampling", 8, np.full(100, 0.9), np.zeros(100))
    draws = resample(np.random.default_rng(1), 100, n_resamples=200)
    cut = gap_recovered(rung, floor, top, np.zeros(100), draws)
    assert cut == gap_recovered(rung[:, :100], floor[:100], top, np.zeros(100), draws)
    assert cut.value == pytest.approx(
        (rung[:, :100].mean() - floor[:100].mean()) / (0.9 - floor[:100].mean())
    )


def test_what_to_ship_is_compared_on_common_problems() -> None:
    def candidate(name: str, scores: np.ndarray, serving: float) -> Candidate:
        return Candidate(
            name=name, scores=scores, labels=0, elicitation_flops=0.0, serving_flops=serving
        )

    hard_end = np.concatenate([np.ones(100), np.zeros(100)])
    branches, tuned = candidate("branches", hard_end[:100], 9.0), candidate("tuned", hard_end, 1.0)
    found = ship((branches, tuned))
    assert found.behind_best["tuned"].value == 0.0
    assert found.pick is tuned


def _cut(evidence: Evidence, n: int) -> Evidence:
    """Cut what samples and branches to the first n problems."""
    samples = evidence.samples
    fewer = dataclasses.replace(
        samples,
        answers=samples.answers[:n],
        gold=samples.gold[:n],
        correct=samples.correct[:n],
        strata=samples.strata[:n],
    )
    rungs = tuple(
        r
        if r.is_tuned
        else dataclasses.replace(
            r,
            scores=r.scores[..., :n],
            vetoes=tuple(dataclasses.replace(c, scores=c.scores[..., :n]) for c in r.vetoes),
        )
        for r in evidence.rungs
    )
    return dataclasses.replace(evidence, samples=fewer, rungs=rungs)


@pytest.mark.parametrize("name", ["latent", "sealed", "absent", "shown"])
def test_word_is_the_same_when_half_of_the_problems_are_sampled(name: str) -> None:
    rng = np.random.default_rng(5)
    draws = resample(np.random.default_rng(1), 200, n_resamples=300)
    cases = [_cut(draw_evidence(TRUTHS[name], Design(), rng), 200) for _ in range(20)]
    answers = [ability_from(case, draws) for case in cases]
    assert not any(map(is_wrong, [TRUTHS[name]] * 20, answers, cases))
    assert sum(answer.word == "undecided" for answer in answers) <= 5


TRIAL = Trial("m", "sums", "fine_tune", 8, 0, scope=Scope(test=30, selection=10))


def _with(**scope) -> Trial:
    return dataclasses.replace(TRIAL, scope=dataclasses.replace(TRIAL.scope, **scope))


@pytest.mark.parametrize("split", ["test", "selection"])
def test_streams_take_other_problems(split) -> None:
    task = resolve_task("sums")
    drawn = [
        {p.id for p in problems_of(task, split, _with(**scope).scope)}
        for scope in ({}, {"stream": "a"}, {"stream": "b"})
    ]
    n = TRIAL.scope.size(split)
    assert [len(ids) for ids in drawn] == [n, n, n]
    assert all(0 < len(one & other) < n for one, other in itertools.pairwise(drawn))


def test_streams_draw_other_shots() -> None:
    task = resolve_task("sums")
    one, two = ({p.id for p in shots_of(_with(stream=s), task)} for s in ("a", "b"))
    assert len(one & two) < 8


def test_scrambled_twin_of_a_stream_asks_the_same_and_has_another_answer() -> None:
    scope = _with(stream="a", first=12).scope
    plain, twin = (
        problems_of(resolve_task(name), "test", scope) for name in ("sums", "scrambled:sums")
    )
    assert [p.question for p in plain] == [p.question for p in twin]
    assert len(plain) == 12
    assert sum(p.answer != t.answer for p, t in zip(plain, twin, strict=True)) >= 10


def test_streams_draw_other_samples(tmp_path) -> None:
    texts = []
    for name in ("a", "b"):
        plan = _plan(methods=(), test=40, selection=6, samples=4, stream=name)
        store = Store(tmp_path / name)
        run(plan, store, Silent())
        answers = store.read(plan.subjects()[0].samples()).answers
        texts.append({a.problem: a.texts for a in answers})
        store.close()
    both = texts[0].keys() & texts[1].keys()
    assert len(both) >= 10
    assert any(texts[0][p] != texts[1][p] for p in both)
