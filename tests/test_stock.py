"""No answer is drawn twice: what an address names, what a study takes over, and what it costs."""

import dataclasses
import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from modicum.ledger import Ledger
from modicum.method import PromptSolver
from modicum.methods.prompt_style import PromptStyle
from modicum.model import FromStock, Model, Stocked
from modicum.models.scripted import ScriptedModel
from modicum.runner import Silent, run
from modicum.shelves import shelf, siblings
from modicum.stock import Ask, Draw, Stock
from modicum.store import Outcome, Store
from modicum.study import Plan
from modicum.trials import run_trial
from modicum.types import Completion, Request, Sampling, Style
from modicum.whitebox import StockedWhiteBox, WhiteBox, need_whitebox
from modicum.workbench import Study, plan_for
from tests.support.tiny_models import tiny_local

OPTIONS = {"test": 12, "selection": 6, "samples": 8}
SAMPLED = Sampling(20, 1.0, stream="seed-0")
GREEDY = Sampling(20, 0.0, stream="seed-0")
ASKED = [Request(f"What is {a} + 30?", f"q{a}", 4) for a in (12, 13, 14)]


class Counted(ScriptedModel):
    """A scripted model that notes what it is asked."""

    def __init__(self) -> None:
        super().__init__("latent")
        self.asked: list[list[Request]] = []

    def generate(self, requests, sampling, ledger):
        self.asked.append(list(requests))
        return super().generate(requests, sampling, ledger)

    def branch(self, requests, sampling, ledger, *, k, min_probability):
        self.asked.append(list(requests))
        return super().branch(requests, sampling, ledger, k=k, min_probability=min_probability)


def _in_stock(stock: Stock, model: Model, requests=ASKED, sampling=SAMPLED, split="test"):
    ledger = Ledger()
    with stock.during(split):
        return model.stocked(stock).generate(requests, sampling, ledger), ledger


def _held(*draws: Draw):
    found = {draw.address: draw for draw in draws}
    return lambda addresses: {a: found[a] for a in addresses if a in found}


# What an address names


def _address(
    split="test", request=ASKED[0], sampling=SAMPLED, voice=("w", "n", "r"), branches=None
):
    return Ask(voice, sampling, branches).address(request, split)


@pytest.mark.parametrize(
    "other",
    [
        {"split": "shots"},
        {"voice": ("other", "n", "r")},
        {"voice": ("w", "other", "r")},
        {"voice": ("w", "n", "other")},
        {"branches": (10, 0.001)},
        {"request": dataclasses.replace(ASKED[0], prompt="What else?")},
        {"request": dataclasses.replace(ASKED[0], address="q99")},
        {"sampling": dataclasses.replace(SAMPLED, max_new_tokens=21)},
        {"sampling": dataclasses.replace(SAMPLED, temperature=0.7)},
        {"sampling": dataclasses.replace(SAMPLED, stop=("\n",))},
        {"sampling": dataclasses.replace(SAMPLED, stream="seed-1")},
        {"sampling": dataclasses.replace(SAMPLED, margins=True)},
    ],
)
def test_everything_that_decides_an_answer_is_in_its_address(other) -> None:
    assert _address(**other) != _address()


def test_number_of_samples_is_no_part_of_an_address() -> None:
    assert _address(request=dataclasses.replace(ASKED[0], n=64, first=3)) == _address()


def test_greedy_answers_lie_at_one_address_whatever_the_stream() -> None:
    other = dataclasses.replace(ASKED[0], address="q99")
    moved = dataclasses.replace(GREEDY, stream="selection")
    assert _address(sampling=GREEDY) == _address(sampling=moved, request=other)


def test_white_box_is_addressed_by_weights_nudge_and_tokenizer() -> None:
    one, two = tiny_local("llama"), tiny_local("llama")
    assert one.card.reading == two.card.reading
    two.tokenizer.add_tokens(["<new>"])
    two.module.config.rope_theta = 1.0
    assert one.card.reading != type(two)(two.module, two.tokenizer, name="x").card.reading


# Packing

FULL = Completion("a\ud800", 3, "eos", ("a", "\ud800", ""), (0.1, 0.25, 1 / 3), (0.5, 0.75, 1e-9))


@pytest.mark.parametrize("group", [(FULL, FULL), (Completion("", 1, "length"),), ()])
def test_draw_gives_its_completions_back(group) -> None:
    draw = Draw.of(b"a" * 16, group, 2.5)
    assert (draw.n, draw.unpack(), draw.is_whole) == (len(group), (2.5, group), True)


@pytest.mark.parametrize(
    "change", [{"texts": b"x"}, {"rest": b"x" * 40}, {"address": b"b" * 16}, {"rest": b""}]
)
def test_damaged_draw_is_not_whole(change) -> None:
    assert not dataclasses.replace(Draw.of(b"a" * 16, (FULL,), 0.0), **change).is_whole


# Taking from the stock


def test_known_answers_are_not_drawn_again() -> None:
    stock, model = Stock(), Counted()
    first, spent = _in_stock(stock, model)
    again, reused = _in_stock(Stock(_held(*stock.added)), model)
    assert (again, len(model.asked)) == (first, 1)
    assert (reused.flops, reused.completions_reused) == (0, 12)
    assert reused.flops_reused == pytest.approx(spent.flops)


def test_fewer_samples_are_the_first_of_the_known_ones() -> None:
    stock, model = Stock(), Counted()
    first, _ = _in_stock(stock, model)
    fewer, _ = _in_stock(stock, model, [dataclasses.replace(r, n=2) for r in ASKED])
    assert fewer == [group[:2] for group in first]
    assert len(model.asked) == 1


def test_only_the_further_samples_are_drawn() -> None:
    stock, model = Stock(), Counted()
    _in_stock(stock, model)
    more, ledger = _in_stock(stock, model, [dataclasses.replace(r, n=6) for r in ASKED])
    assert more == _in_stock(Stock(), Counted(), [dataclasses.replace(r, n=6) for r in ASKED])[0]
    assert [(r.first, r.n) for r in model.asked[1]] == [(4, 2)] * 3
    assert ledger.tokens_sampled == sum(c.n_tokens for group in more for c in group[4:])
    assert [draw.n for draw in stock.added] == [6, 6, 6]


def test_what_is_missing_is_drawn_in_its_order_in_one_call() -> None:
    stock, model = Stock(), Counted()
    _in_stock(stock, model, ASKED[1:2])
    _in_stock(stock, model)
    assert model.asked[1] == [ASKED[0], ASKED[2]]


def test_equal_addresses_of_one_call_are_drawn_once() -> None:
    model = Counted()
    same = [Request("What is 1 + 2?", name) for name in "abc"]
    drawn, ledger = _in_stock(Stock(), model, same, GREEDY)
    assert [r.address for r in model.asked[0]] == ["a"]
    assert drawn[0] == drawn[1] == drawn[2]
    assert ledger.completions_reused == 2


def test_branches_are_taken_again_with_their_margins() -> None:
    stock, model = Stock(), Counted()
    with stock.during("test"):
        first, again = (
            model.stocked(stock).branch(ASKED, GREEDY, Ledger(), k=5, min_probability=0.01)
            for _ in range(2)
        )
    assert first == again
    assert len(model.asked) == 1
    assert first[0][0].margins


def test_answers_with_token_ids_pass_by() -> None:
    stock, model = Stock(), tiny_local("llama")
    with_ids = dataclasses.replace(SAMPLED, ids=True)
    drawn, _ = _in_stock(stock, model, sampling=with_ids)
    assert drawn[0][0].ids
    assert not stock.added


def test_closed_stock_gives_and_keeps_nothing() -> None:
    stock, model = Stock(), Counted()
    for _ in range(2):
        model.stocked(stock).generate(ASKED, SAMPLED, Ledger())
    assert (len(model.asked), stock.added) == (2, ())


def test_damaged_draw_is_drawn_again() -> None:
    stock, model = Stock(), Counted()
    first, _ = _in_stock(stock, model)
    bad = [dataclasses.replace(draw, rest=draw.rest[:-1] + b"?") for draw in stock.added]
    assert _in_stock(Stock(_held(*bad)), model)[0] == first
    assert len(model.asked) == 2


def test_what_the_study_keeps_already_is_not_added_again() -> None:
    stock, model = Stock(), Counted()
    _in_stock(stock, model)
    own, other = Stock(_held(*stock.added)), Stock(None, _held(*stock.added))
    _in_stock(own, model)
    _in_stock(other, model)
    assert (own.added, other.added) == ((), stock.added)


# The wrapped model


def test_stocked_white_box_is_a_white_box() -> None:
    model = tiny_local("llama")
    stocked = model.stocked(Stock())
    assert isinstance(stocked, WhiteBox)
    assert need_whitebox(stocked, "x").module is model.module
    assert stocked.card == model.card


def test_tuned_copy_takes_nothing_from_the_stock() -> None:
    model = tiny_local("llama")
    assert not isinstance(model.stocked(Stock()).with_module(model.module), FromStock)


@pytest.mark.parametrize("wrapper", [Stocked, StockedWhiteBox])
def test_wrapped_model_passes_every_question_on(wrapper) -> None:
    """A default of the contract must not answer in the inner model's place."""
    asked = {name for name in vars(Model) if not name.startswith("_")} - {"stocked"}
    answered = {name for cls in wrapper.__mro__ if cls is not Model for name in vars(cls)}
    derived = {"opens_thinking"}  # from `thinking` and nothing else
    assert asked - derived <= answered


# A choice can never read what was drawn for the test problems


def test_elicitation_reads_no_address_of_the_test_problems(tmp_path) -> None:
    plan = plan_for("scripted:latent", "sums", ["self_consistency"], **OPTIONS)
    floor = plan.subjects()[0].floor()
    looked: dict[str, list[bytes]] = {"elicit": [], "solve": []}
    phase = ["elicit"]

    class Spy(Stock):
        def during(self, split):
            phase[0] = "solve" if split == "test" else "elicit"
            return super().during(split)

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

    def peeking(self, model, shots, judge, rng, ledger):
        before = ledger.flops
        problems = [p.hidden() for p in judge._task.problems("test", 12)]
        PromptSolver(model, test, judge.sheet).solve(problems, stream="seed-0", ledger=ledger)
        seen.append(ledger.flops > before and ledger.flops_reused == 0)
        return PromptSolver(model, judge.styles[0], judge.sheet)

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
    run(plan, store, Silent(), reuse=reuse, workers=workers)
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
    return {name: (o.answers, o.notes.get("style")) for name, o in done.items()}


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
    monkeypatch.setattr("modicum.trials._keep", lambda *given: {}["planted"])
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
    """Bar 3 of step 3: other methods, other budgets, at least 95 % of the base samples."""
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
