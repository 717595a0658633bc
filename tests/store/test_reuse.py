"""No answer is drawn twice: what a study takes over, what that costs, and what it never reads."""

import dataclasses
import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from modicum.methods.prompt_style import PromptStyle
from modicum.nudge import Nudge, Solver
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.stock import Draw, Stock
from modicum.store.database import Outcome, Store
from modicum.store.siblings import shelf, siblings
from modicum.study import trial as trials
from modicum.study.plan import Plan
from modicum.study.trial import run_trial
from modicum.types import Style
from modicum.workbench import Study
from tests.support.executors import executor_of

OPTIONS = {"test": 12, "selection": 6, "samples": 8}


def _held(*draws: Draw):
    found = {draw.address: draw for draw in draws}
    return lambda addresses: {a: found[a] for a in addresses if a in found}


# A choice can never read what was drawn for the test problems


def test_elicitation_reads_no_address_of_the_test_problems(tmp_path, monkeypatch) -> None:
    plan = plan_for("scripted:latent", "sums", ["self_consistency"], **OPTIONS)
    floor = plan.subjects()[0].floor()
    looked: dict[str, list[bytes]] = {"elicit": [], "solve": []}
    phase = ["elicit"]

    solve = trials._solve

    def solving(*given, split=None):
        phase[0] = "solve"
        return solve(*given, split=split)

    monkeypatch.setattr(trials, "_solve", solving)

    class Spy(Stock):
        def _look(self, names):
            looked[phase[0]] += names
            return super()._look(names)

    whole = run_trial(plan, floor, None, tmp_path / "1", stock=Spy())
    assert looked["elicit"]
    assert looked["solve"]
    assert not set(looked["elicit"]) & set(looked["solve"])
    # even the very same prompts, asked while eliciting, lie elsewhere
    assert {draw.address for draw in whole.draws} == {*looked["elicit"], *looked["solve"]}
    tested = [draw for draw in whole.draws if draw.address in looked["solve"]]
    test = Style("raw", "{question}")
    seen: list[bool] = []

    def peeking(self, bench):
        ledger, judge = bench.ledger, bench.judge
        before = ledger.flops
        problems = [p.hidden() for p in judge._task.problems("test", 12)]
        solver = Solver.of(bench.model, Nudge(test), judge)
        solver.solve(problems, stream="seed-0", ledger=ledger)
        seen.append(ledger.flops > before and ledger.flops_reused == 0)
        return Nudge(judge.styles[0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PromptStyle, "elicit", peeking)
        run_trial(plan, floor, None, tmp_path / "2", stock=Stock(_held(*tested)))
    assert seen == [True]


# Studies


def _plan(*methods: str, model: str = "scripted:latent", task: str = "sums", **more) -> Plan:
    votes = {"self_consistency": {"n": 4}}
    return plan_for(model, task, methods, **{"settings": votes, **OPTIONS, **more})


def _done(plan: Plan, folder: Path, reuse=(), workers: int = 1) -> dict[str, Outcome]:
    store = Store(folder)
    run(plan, store, Silent(), reuse=reuse, executor=executor_of(workers))
    found = {t.id: store.read(t) for t in plan.trials()}
    store.close()
    assert not any(outcome.error for outcome in found.values())
    return found


def _sum(outcomes, name: str) -> float:
    return sum(o.elicitation.get(name, 0) + o.serving.get(name, 0) for o in outcomes)


def test_votes_take_their_samples_from_the_ceilings(tmp_path) -> None:
    plan = _plan("self_consistency")
    for workers in (1, 2):
        done = _done(plan, tmp_path / str(workers), workers=workers)
        vote = next(o for o in done.values() if o.trial.method == "self_consistency")
        assert vote.serving["completions_reused"] == 4 * 12
        assert vote.serving["flops"] == 0
        assert vote.serving["flops_reused"] > 0


def _answered(done: dict[str, Outcome]) -> dict[str, object]:
    return {name: (o.answers, o.asked_in) for name, o in done.items()}


def test_second_study_draws_nothing_twice_and_answers_the_same(tmp_path) -> None:
    _done(_plan("cot_decoding"), tmp_path / "a")
    plan = _plan("cot_decoding", "self_consistency")
    fresh = _done(plan, tmp_path / "b")
    reused = _done(plan, tmp_path / "c", reuse=[tmp_path / "a"])
    assert _answered(reused) == _answered(fresh)
    assert _sum(reused.values(), "flops") == 0


def test_cost_of_a_nudge_is_the_same_however_much_is_reused(tmp_path) -> None:
    plan = _plan("cot_decoding", "self_consistency")
    verdicts = [
        Study("scripted:latent", "sums", plan.grids[0].methods, out=out, options=OPTIONS).run()
        for out in (tmp_path / "one" / "a", tmp_path / "two" / "a", tmp_path / "one" / "b")
    ]
    spent, again, reused = verdicts
    assert spent.tokens == again.tokens > reused.tokens == 0
    assert reused.tokens_reused > spent.tokens_reused
    costs = [[(r.elicitation_flops, r.serving_flops) for r in v.rungs] for v in verdicts]
    assert costs[2] == [(pytest.approx(e), pytest.approx(s)) for e, s in costs[0]]
    assert spent.ship.name == reused.ship.name


def test_more_samples_take_over_the_fewer(tmp_path) -> None:
    _done(_plan("self_consistency"), tmp_path / "a")
    plan = _plan("self_consistency", samples=16)
    done = _done(plan, tmp_path / "b", reuse=[tmp_path / "a"])
    samples = done[plan.subjects()[0].samples().id]
    assert samples.serving["completions_reused"] == 8 * 12
    assert _answered(done) == _answered(_done(plan, tmp_path / "c"))


def test_taken_over_answers_are_copied_in(tmp_path) -> None:
    plan = _plan("cot_decoding")
    _done(plan, tmp_path / "a")
    _done(plan, tmp_path / "b", reuse=[tmp_path / "a"])
    done = _done(plan, tmp_path / "c", reuse=[tmp_path / "b"])
    assert _sum(done.values(), "flops") == 0


def test_failed_trial_keeps_what_it_drew(tmp_path, monkeypatch) -> None:
    plan = _plan("self_consistency")
    monkeypatch.setattr("modicum.study.trial._check_unchanged", lambda *given: {}["planted"])
    trial = plan.subjects()[0].floor()
    failed = run_trial(plan, trial, None, tmp_path / "x")
    assert failed.error
    assert failed.draws


def _snapshot(folder: Path) -> dict[str, object]:
    return {
        p.name: (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in folder.iterdir()
        if p.is_file()
    }


WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA wal_autocheckpoint=0")
db.execute("INSERT OR REPLACE INTO meta VALUES ('x', 'y')")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["closed", "written", "killed"])
def test_sibling_is_read_and_never_changed(state: str, tmp_path) -> None:
    plan = _plan("cot_decoding")
    _done(plan, tmp_path / "a")
    command = [sys.executable, "-c", WRITER, str(tmp_path / "a" / "study.sqlite")]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    writer.stdout.readline()
    if state == "closed":
        writer.communicate(b"")
    elif state == "killed":
        writer.kill()
        writer.wait()
    before = _snapshot(tmp_path / "a")
    assert ("study.sqlite-wal" in before) == (state != "closed")
    done = _done(plan, tmp_path / "b", reuse=[tmp_path / "a"])
    after = _snapshot(tmp_path / "a")
    writer.kill()
    writer.communicate()
    assert after == before
    assert _sum(done.values(), "flops") == 0


@pytest.mark.parametrize("kind", ["older", "newer", "broken", "nothing"])
def test_folder_that_cannot_be_read_is_skipped(kind: str, tmp_path) -> None:
    plan = _plan("cot_decoding")
    _done(plan, tmp_path / "a")
    path = tmp_path / "a" / "study.sqlite"
    if kind == "broken":
        path.write_bytes(path.read_bytes()[:5000] + b"?" * 5000)
    elif kind == "nothing":
        path.unlink()
    else:
        db = sqlite3.connect(path)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute(f"PRAGMA user_version={version + (1 if kind == 'newer' else -1)}")
        db.close()
    done = _done(plan, tmp_path / "b", reuse=[tmp_path / "a"])
    assert _sum(done.values(), "flops") > 0


def test_siblings_are_the_study_folders_beside_one(tmp_path) -> None:
    for name in "abc":
        Store(tmp_path / name).close()
    (tmp_path / "no study").mkdir()
    assert {p.name for p in siblings(tmp_path / "b")} == {"a", "c"}


def test_equal_texts_are_stored_once(tmp_path) -> None:
    plan = _plan("cot_decoding")
    _done(plan, tmp_path)
    db = sqlite3.connect(tmp_path / "study.sqlite")

    def count(what: str) -> int:
        return db.execute(f"SELECT count({what})").fetchone()[0]

    rung, twin = (
        {name for (name,) in db.execute("SELECT texts FROM answers WHERE trial=?", (t.id,))}
        for t in plan.trials()
        if t.method == "cot_decoding"
    )
    assert rung == twin
    assert count("*) FROM draws WHERE texts IN (SELECT texts FROM answers") >= 3 * 12
    assert count("*) FROM draws WHERE texts NOT IN (SELECT name FROM texts") == 0
    db.close()


def test_two_hundred_siblings_are_looked_through_in_a_second(tmp_path) -> None:
    import time

    for number in range(200):
        Store(tmp_path / f"s{number}").close()
    folders = siblings(tmp_path / "mine")
    start = time.perf_counter()
    assert shelf(folders)([bytes([i]) * 16 for i in range(200)]) == {}
    assert time.perf_counter() - start < 1.0


@pytest.fixture(scope="module")
def organism(tmp_path_factory) -> dict[str, object]:
    """The same study on the organism: fresh, fresh again, after one of the same, of another."""
    runs = tmp_path_factory.mktemp("organism")
    size = {"model": "organism", "task": "line_moves", "test": 40}
    plan = _plan("self_consistency", "cot_decoding", **size)
    other = _plan("cot_decoding", **size, samples=2)
    return {
        "fresh": _done(plan, runs / "a"),
        "same": _done(plan, runs / "b", reuse=[runs / "a"]),
        "other": (_done(other, runs / "c"), _done(plan, runs / "d", reuse=[runs / "c"]))[1],
    }


def test_organism_answers_the_same_bits_where_all_is_reused(organism) -> None:
    assert _answered(organism["same"]) == _answered(organism["fresh"])
    assert _sum(organism["same"].values(), "flops") == 0


def test_organism_in_other_blocks_answers_all_but_the_same(organism) -> None:
    fresh, other = (
        [t for o in organism[name].values() for a in o.answers for t in a.texts]
        for name in ("fresh", "other")
    )
    assert len(fresh) == len(other) > 800
    assert sum(a == b for a, b in zip(fresh, other, strict=True)) >= 0.999 * len(fresh)
    assert 0 < _sum(organism["other"].values(), "flops") < _sum(organism["fresh"].values(), "flops")


def test_second_study_on_the_organism_reuses_the_base_samples(tmp_path) -> None:
    """Other methods, other budgets: at least 95 % of the base samples are taken over."""
    settings = {"fine_tune": {"steps": 1}, "rejection_tuning": {"steps": 1, "samples": 4}}
    first = _plan("fine_tune", model="organism", task="line_moves", shots=(1,), seeds=1)
    second = _plan(
        "self_consistency", "rejection_tuning", model="organism", task="line_moves", seeds=1
    )
    first, second = (dataclasses.replace(p, settings=settings) for p in (first, second))
    _done(first, tmp_path / "a")
    done = _done(second, tmp_path / "b", reuse=[tmp_path / "a"])
    base = [o for o in done.values() if o.trial.method in ("plain", "prompt_style")]
    drawn = sum(len(a.texts) for o in base for a in o.answers)
    assert _sum(base, "completions_reused") / drawn >= 0.95
    assert json.dumps(_sum(base, "tokens_sampled")) == "0"


def test_doctors_answers_serve_the_floor_and_the_next_doctor(tmp_path) -> None:
    from modicum.doctor.visit import visit

    plan = _plan("cot_decoding")
    ledgers = []
    for name, reuse in (("a", ()), ("b", (tmp_path / "a",))):
        store = Store(tmp_path / name)
        ledgers.append(visit(plan.subjects()[0], store, reuse=reuse).ledger)
        store.close()
    assert ledgers[0].flops > 0
    assert (ledgers[1].flops, ledgers[1].flops_reused) == (0, pytest.approx(ledgers[0].flops))
    floor = _done(plan, tmp_path / "a")[plan.subjects()[0].floor().id]
    assert floor.elicitation["completions_reused"] > 0


def test_run_takes_over_what_lies_beside_it_unless_told_not_to(tmp_path) -> None:
    from tests.support.commands import modicum

    size = ("--model", "scripted:latent", "--task", "sums", "--test", 8, "--samples", 4)
    size = (*size, "--selection", 4, "--methods", "cot_decoding", "--workers", 1, "--json")
    spent = []
    for name, more in (("a", ()), ("b", ()), ("c", ("--no-reuse",)), ("d", ("--reuse", tmp_path))):
        said = modicum("run", *size, "--out", tmp_path / name, *more)
        if name == "d":
            assert said.code == 2
            assert "study folder" in said.err
            continue
        spent.append(json.loads(said.out)["verdicts"][0]["tokens"])
    assert spent[1] == 0
    assert spent[0] == spent[2] > 0
