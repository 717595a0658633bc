"""One vector from own answers makes them shorter and no less right; the budget that it takes is measured."""

import dataclasses
import json

import numpy as np
import pytest

from modicum.analysis.gather import gather
from modicum.analysis.verdict import as_json
from modicum.cli.verdict_text import verdict_text
from modicum.errors import BudgetError, ConfigError, TrialError
from modicum.ledger import Ledger
from modicum.method import METHODS
from modicum.methods.compression import _chosen, _Reading, _Step
from modicum.model import resolve_backend
from modicum.nudge import Nudge, Solver, write_folder
from modicum.nudge.steering import load_steering
from modicum.readings.lengths import lengths_section
from modicum.report.axes import Palette
from modicum.report.length_chart import length_chart
from modicum.report.sections import core
from modicum.sampling.divergence import Spent
from modicum.seeds import stream
from modicum.store.database import Store
from modicum.task import resolve_task
from modicum.training.lengths import answered, headings_at_parting, own_forms, read_concise
from modicum.types import Grade
from modicum.workbench import Study
from tests.support.bench import bench_of, judge_of, solver_of

TASK, OTHER = "word_sums?asks=length", "row_pushes?asks=length"
QUICK = {"budgets": [0.003, 0.02], "selection": 16, "calibration": 4}


@pytest.fixture(scope="module")
def organism():
    return resolve_backend("organism-style-64").open()


def found(model, n: int = 24, seed: int = 0, **own: object) -> tuple[Solver, Ledger]:
    bench = bench_of(model, TASK, n, rng=stream("length", seed))
    return solver_of("compression", bench, **{**QUICK, **own}), bench.ledger


def plain_solver(model, task_name: str = TASK) -> Solver:
    judge = judge_of(model, task_name)
    return Solver.of(model, Nudge(judge.style), judge)


def read(solver: Solver, task_name: str = TASK, n: int = 60) -> tuple[float, float]:
    """Accuracy and mean tokens on the selection split."""
    task = resolve_task(task_name)
    problems = task.problems("selection", n)
    solved = solver.solve([p.hidden() for p in problems], stream="s", ledger=Ledger())
    right = [
        task.mark(p, s.text).lenient == Grade.CORRECT for p, s in zip(problems, solved, strict=True)
    ]
    return float(np.mean(right)), float(np.mean([s.completions[0].n_tokens for s in solved]))


@pytest.fixture(scope="module")
def plain(organism) -> tuple[float, float]:
    return read(plain_solver(organism))


@pytest.fixture(scope="module")
def own(organism) -> tuple[Solver, Ledger]:
    return found(organism)


def test_own_answers_suffice_to_remove_two_thirds_of_the_tokens_and_no_accuracy(
    own, plain, organism
) -> None:
    accuracy, tokens = read(own[0])
    problems = resolve_task(TASK).problems("selection", 60)
    terse = answered(bench_of(organism, TASK, 1), organism, problems, "Short .")
    short = np.mean([given.n_tokens for given in terse])
    assert tokens <= 0.33 * plain[1]
    assert plain[1] - tokens >= 0.9 * (plain[1] - short)
    assert accuracy >= plain[0] - 0.02
    assert not own[0].nudge.facts["sign_test"]["flipped"]


def test_the_vector_shortens_a_family_that_it_was_not_made_from(own, organism) -> None:
    before = read(plain_solver(organism, OTHER), OTHER)
    other = dataclasses.replace(own[0], judge=judge_of(organism, OTHER))
    accuracy, tokens = read(other, OTHER)
    assert tokens < 0.5 * before[1]
    assert accuracy >= before[0] - 0.02


@pytest.mark.parametrize(
    "settings",
    [
        {"pairs": "instructions"},
        {"pairs": "instructions", "at": "every"},
        {"pairs": "solutions"},
        {"at": "every"},
    ],
    ids=lambda s: "-".join(s.values()),
)
def test_other_pairs_and_a_small_dose_at_every_step_do_as_well(organism, plain, settings) -> None:
    solver, _ = found(organism, layers=[2], **settings)
    accuracy, tokens = read(solver)
    assert tokens <= 0.33 * plain[1]
    assert accuracy >= plain[0] - 0.02


def test_random_vectors_as_long_shorten_nothing(organism, plain) -> None:
    brief = {"budgets": [0.003], "selection": 4, "calibration": 1, "layers": [2]}
    for seed in range(3):
        solver, _ = found(organism, seed=seed, direction="random", **brief)
        assert read(solver)[1] >= 0.85 * plain[1]


def test_the_record_holds_what_was_spent_and_what_each_budget_bought(own) -> None:
    notes, ledger = own[0].nudge.facts, own[1]
    steps = notes["frontier"]
    assert [step["budget"] for step in steps] == sorted(QUICK["budgets"])[: len(steps)]
    assert notes["chosen"] in steps
    for step in steps:
        if step["met"]:
            assert step["kl"] == pytest.approx(step["budget"], rel=0.05)
        assert step["bound_dose"] <= step["fisher_dose"] * 1.01
        assert step["kl"] <= step["kl_high"] or step["kl_high"] < step["kl"] * 24
    assert notes["where"] == "first"
    assert notes["offset"] == 1
    assert 0 < notes["pairs"] <= notes["shots"] == 24
    assert notes["seconds"]["plain"] > notes["seconds"]["nudged"] > 0
    assert ledger.judge_calls > 0
    assert ledger.tokens_sampled > 24 * QUICK["calibration"]
    json.dumps(dict(notes))  # plain values alone


def test_own_pairs_are_right_and_their_parting_is_where_the_forms_part(organism) -> None:
    forms = own_forms(bench_of(organism, TASK, 8), (8, 1.0), 1.2)
    assert forms
    for pair in forms:
        assert len(pair.long) >= 1.2 * len(pair.short)
        assert pair.short[0] == pair.long[0] != pair.short[1] != pair.long[1]
    headings, shared, n = headings_at_parting(organism, forms, [0, 2], Ledger())
    assert (shared, n) == (1, len(forms))
    assert [float(h.unit.norm()) for h in headings] == pytest.approx([1, 1])


def test_a_model_that_knows_one_length_has_nothing_to_compress_by() -> None:
    core = resolve_backend("organism").open()
    with pytest.raises(TrialError, match="none of 4 shots has two right answers"):
        solver_of("compression", bench_of(core, "line_moves", 4), **QUICK)


def test_a_file_of_short_answers_takes_the_place_of_own_ones(organism, tmp_path, plain) -> None:
    path = tmp_path / "concise.jsonl"
    shots = resolve_task(TASK).problems("shots", 24)
    rows = [{"question": s.question, "answer": s.solution} for s in shots[:12]]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    solver, _ = found(organism, layers=[2], pairs="file", file=str(path))
    assert solver.nudge.facts["pairs"] <= 12
    assert read(solver)[1] <= 0.33 * plain[1]


def test_a_broken_file_is_refused_with_its_line(tmp_path) -> None:
    path = tmp_path / "concise.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n{"question": "a"}\n')
    with pytest.raises(ConfigError, match="line 2"):
        read_concise(path)
    with pytest.raises(ConfigError, match="JSON lines"):
        read_concise(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="line 2"):  # before weights load
        METHODS.build("compression", {"pairs": "file", "file": str(path)}).check()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budgets": [0.0]}, "budgets above 0"),
        ({"ratio": 1.0}, "ratio above 1"),
        ({"samples": 1}, "at least 2 samples"),
        ({"pairs": "file"}, "file = your JSON lines"),
        ({"taken": "end"}, "at = every"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said) -> None:
    with pytest.raises(ConfigError, match=said):
        METHODS.build("compression", settings)


def test_solutions_that_are_not_shown_are_a_budget_error(organism) -> None:
    shots = resolve_task(TASK).problems("shots", 2)
    bare = [dataclasses.replace(s, solution=None) for s in shots]
    with pytest.raises(BudgetError, match="worked solutions"):
        solver_of("compression", bench_of(organism, TASK, bare), pairs="solutions")


def step(layer: int, budget: float, accuracy: float, tokens: float) -> _Step:
    spent = Spent(budget, budget, budget)
    return _Step(layer, budget, 1.0, spent, True, 1.0, 1.0, 1.0, _Reading(accuracy, tokens))


def test_the_least_budget_among_the_shortest_that_lose_nothing_is_chosen() -> None:
    tried = [
        step(0, 0.01, 0.90, 30.0),  # shorter, and wrong too often
        step(0, 0.001, 1.00, 90.0),
        step(1, 0.01, 0.99, 40.0),
        step(2, 0.01, 0.99, 40.2),
        step(2, 0.03, 1.00, 39.9),
    ]
    best = _chosen(tried, _Reading(1.0, 100.0), 0.02)
    assert (best.layer, best.budget) == (2, 0.01)
    worst = [step(0, 0.01, 0.5, 30.0), step(1, 0.001, 0.7, 60.0)]
    assert _chosen(worst, _Reading(1.0, 100.0), 0.02) is worst[1]


def test_solver_acts_where_the_forms_part(own, tmp_path) -> None:
    write_folder(own[0].nudge.files(), tmp_path / "nudge")
    saved = load_steering(tmp_path / "nudge" / "vector.safetensors")
    assert (saved.where, saved.offset) == ("first", 1)
    chosen = own[0].nudge.facts["chosen"]
    assert float(saved.directions[0].values.norm()) == pytest.approx(chosen["dose"], rel=1e-4)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    study = Study(
        model="organism-style-64",
        task=TASK,
        methods=["compression"],
        shots=[16],
        seeds=1,
        out=tmp_path_factory.mktemp("study"),
        options={
            "test": 60,
            "ceiling_test": 8,
            "selection": 4,
            "samples": 2,
            "retain_test": 8,
            "settings": {"compression": {**QUICK, "layers": [2], "selection": 8}},
        },
        check=False,
        reuse=[],
    )
    return study, study.run()


def test_a_verdict_says_what_became_of_the_length(studied) -> None:
    verdict = studied[1]
    assert verdict.ability == "shown"
    [row] = [row for row in verdict.rungs if row.method == "compression"]
    done = row.lengths
    assert done is not None
    assert done.after.value < 0.33 * done.before.value
    assert done.saved.low > 0.6
    assert done.saved.value == pytest.approx(1 - done.after.value / done.before.value)
    assert done.seconds is not None
    assert done.seconds[0] > done.seconds[1]
    assert done.controls["random"].value > 2 * done.after.value
    assert not done.is_equal  # 60 problems cannot show equality within two points
    assert "scrambled" not in row.controls
    text = verdict_text(verdict)
    assert f"{done.before.value:.0f} → {done.after.value:.0f} tokens an answer" in " ".join(
        text.split()
    )
    assert "not shown to be equal within ±2.0 (equivalence test)" in " ".join(text.split())
    assert as_json(verdict)["rungs"][-1]["lengths"]["frontier"]


def test_a_rung_for_length_is_no_evidence_that_an_ability_cannot_be_taught(studied) -> None:
    study, _ = studied
    subject = study.plan.subjects()[0]
    store = Store(study.folder)
    found = gather(subject, store)
    store.close()
    assert [rung.is_tuned for rung in found.evidence.rungs if rung.method == "compression"] == [
        False
    ]
    assert not [trial for trial in subject.rungs() if trial.is_twin]


def test_the_frontier_is_drawn_with_the_plain_model_and_every_budget(studied) -> None:
    verdict = studied[1]
    chart = length_chart(verdict, Palette.of([verdict]))
    [row] = [row for row in verdict.rungs if row.lengths is not None]
    drawn = json.dumps(chart.spec)
    assert drawn.count("nats a token") == 1 + len(row.lengths.frontier)
    assert "◂" in core(verdict, "lengths")


def test_a_verdict_without_such_a_rung_has_no_such_chart(studied) -> None:
    verdict = studied[1]
    rungs = tuple(dataclasses.replace(r, lengths=None) for r in verdict.rungs)
    bare = dataclasses.replace(verdict, rungs=rungs)
    assert length_chart(bare, Palette.of([bare])) is None
    assert lengths_section(bare) is None
