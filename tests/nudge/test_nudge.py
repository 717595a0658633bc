"""A nudge is a value: composed, applied, written, read, and exported where a form can carry it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from modicum.errors import CheckpointError, ConfigError
from modicum.export import EXPORTS, Parcel
from modicum.ledger import Ledger
from modicum.nudge import (
    GREEDY,
    Direct,
    Nudge,
    Shelf,
    Solver,
    TwoStages,
    Vote,
    read_nudge,
    weight_bytes,
    write_folder,
    write_shared,
)
from modicum.nudge.steering import Direction, Steering
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.store.database import Store
from modicum.task import Sheet
from modicum.training.adapters import AdapterShape
from modicum.training.changes import Adapter, Vectors, Weights
from modicum.training.loop import Example, Schedule, tune
from modicum.types import Problem, Style, Trial
from tests.support.bench import judge_of
from tests.support.tiny_models import tiny_local

STYLE = Style("raw", "{question}")
QUESTIONS = ("What is 1 + 2?", "Why?", "How many are there?")
CHANGES = (Adapter, Weights, Vectors)


@pytest.fixture(scope="module")
def model():
    return tiny_local("llama")


@pytest.fixture(scope="module")
def adapter(model) -> Nudge:
    text = tuple(model.encode("What is 1 + 2?")), tuple(model.encode_completion(" 42 and more"))
    shape, schedule = AdapterShape("lora", 4, 8.0), Schedule(2e-2, 12, 1, 1)
    rng = np.random.Generator(np.random.Philox(key=1))
    tuned = tune(model, [Example(*text)], shape, schedule, rng, Ledger())
    return Nudge(STYLE, changes=(tuned.change,), facts={"tuned": 1})


@pytest.fixture(scope="module")
def vector() -> Nudge:
    values = torch.from_numpy(np.random.default_rng(3).normal(0, 0.5, 32).astype(np.float32))
    return Nudge(STYLE, changes=(Vectors(Steering((Direction(1, values),), "all")),))


def answers(model, nudge: Nudge) -> list[tuple[str, ...]]:
    sheet = Sheet(max_new_tokens=8)
    solver = Solver.of(model, nudge, judge_of(model, "sums", style=STYLE, sheet=sheet))
    problems = [Problem(f"q{i}", question) for i, question in enumerate(QUESTIONS)]
    solved = solver.solve(problems, stream="s", ledger=Ledger())
    return [(given.text, *(c.text for c in given.completions)) for given in solved]


def written(nudge: Nudge, folder: Path) -> Path:
    write_folder(nudge.files(), folder)
    return folder


def test_a_vector_on_an_adapter_is_neither_alone(model, adapter, vector) -> None:
    both = adapter.then(vector)
    told = [answers(model, nudge) for nudge in (Nudge(STYLE), adapter, vector, both)]
    assert all(one != other for i, one in enumerate(told) for other in told[:i])
    assert both.facts == {"tuned": 1}


def test_the_order_of_composing_changes_nothing(model, adapter, vector) -> None:
    assert answers(model, vector.then(adapter)) == answers(model, adapter.then(vector))


@pytest.mark.parametrize("voting", [False, True], ids=["greedy", "vote"])
def test_composed_nudge_answers_alike_once_it_was_written_and_read(
    model, adapter, vector, voting: bool, tmp_path
) -> None:
    answering = Vote(3) if voting else GREEDY
    both = adapter.then(vector).then(Nudge(STYLE, answering))
    again = read_nudge(written(both, tmp_path / "both"), answering, CHANGES)
    assert {type(change) for change in again.changes} == {Adapter, Vectors}
    assert again.files() == both.files()
    assert answers(tiny_local("llama"), again) == answers(model, both)
    assert weight_bytes(both.files()) == sum(weight_bytes(n.files()) for n in (adapter, vector))


def test_two_changes_of_a_kind_are_refused(adapter, vector) -> None:
    with pytest.raises(ConfigError, match="two changes of the kind Vectors"):
        adapter.then(vector).then(vector)


def test_applying_leaves_the_model_as_it_was(model, adapter, vector) -> None:
    before = model.card.weights
    adapter.then(vector).applied(model)
    assert model.with_module(model.module).card.weights == before
    assert not model.card.nudge


def test_half_a_folder_is_never_left_under_the_name(vector, tmp_path) -> None:
    folder = written(vector, tmp_path / "nudge")
    (tmp_path / "nudge" / "former.txt").write_text("former")
    written(Nudge(STYLE), folder)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["solver.json"]


def test_a_folder_without_its_style_is_refused(tmp_path) -> None:
    with pytest.raises(CheckpointError, match=r"solver\.json"):
        read_nudge(tmp_path)


@pytest.fixture(scope="module")
def based(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    model.module.save_pretrained(folder)
    model.tokenizer.save_pretrained(str(folder))
    return folder


def parcel_of(nudge: Nudge, based: Path) -> Parcel:
    return Parcel(
        trial=Trial("tiny", "sums", "composed", 4, 0),
        nudge=nudge,
        style=STYLE,
        sheet=Sheet(max_new_tokens=6),
        questions=QUESTIONS,
        origin=str(based),
        base="tiny",
    )


def test_a_vector_on_an_adapter_is_baked_into_one_model_and_loaded_back(
    model, adapter, vector, based, tmp_path
) -> None:
    both = adapter.then(vector)
    parcel, form = parcel_of(both, based), EXPORTS.build("baked")
    judge = judge_of(model, "sums", style=STYLE, sheet=parcel.sheet)
    solver = Solver.of(model, both, judge)
    form.check(parcel)
    form.write(parcel, solver, tmp_path)
    assert form.load_back(parcel, solver, tmp_path).holds
    less = dataclasses.replace(parcel, nudge=vector)
    assert not form.load_back(less, Solver.of(model, vector, judge), tmp_path).holds


@pytest.mark.parametrize("form", ["peft", "merged", "vector", "gguf", "prompt", "generation"])
def test_a_form_that_would_leave_a_part_behind_refuses_in_words(
    form: str, adapter, vector, based
) -> None:
    built = EXPORTS.build(form)
    with pytest.raises(ConfigError):
        built.check(parcel_of(adapter.then(vector), based))
    voted = [nudge.then(Nudge(STYLE, Vote(3))) for nudge in (adapter, vector)]
    for nudge in voted:
        with pytest.raises(ConfigError):
            built.check(parcel_of(nudge, based))


def test_refusal_names_the_part(adapter, vector, based) -> None:
    with pytest.raises(ConfigError, match="more than this form carries: Vectors"):
        EXPORTS.build("merged").check(parcel_of(adapter.then(vector), based))
    with pytest.raises(ConfigError, match="more than this form carries: Vote"):
        EXPORTS.build("peft").check(parcel_of(adapter.then(Nudge(STYLE, Vote(3))), based))
    with pytest.raises(ConfigError, match="changes the model beside its decoding rule"):
        EXPORTS.build("generation").check(parcel_of(vector.then(Nudge(STYLE, Vote(3))), based))


@pytest.mark.parametrize(
    ("answering", "kept"),
    [
        (Direct(forced="Think"), {"forced": "Think"}),
        (Vote(4, 0.7), {"n": 4}),
        (TwoStages("A", "B", 5, ""), {"settings": {"trigger": "A", "answer_trigger": "B",
                                                   "answer_tokens": 5, "answer_stop": ""}}),
    ],
)  # fmt: skip
def test_folders_keep_the_form_that_earlier_versions_wrote(answering, kept) -> None:
    assert answering.kept() == kept
    assert answering.recalled(kept) == answering


def test_a_nudge_that_the_driver_cannot_write_is_the_trials_error(tmp_path) -> None:
    plan = plan_for(
        "scripted:latent", "sums", ["self_consistency"], test=4, selection=2, samples=2,
        ceiling_test=4, controls=False, settings={"self_consistency": {"n": 2}},
    )  # fmt: skip
    store = Store(tmp_path)
    (tmp_path / "artefacts").write_text("no folder")
    run(plan, store, Silent())
    errors = store.failed()
    assert set(errors) == {t.id for t in plan.trials() if t.method in ("prompt_style", "self_consistency")
                           and not t.is_twin}  # fmt: skip
    assert all(error.startswith("OSError") for error in errors.values())
    store.close()


def test_what_trials_share_waits_in_the_trials_own_folder_for_the_driver(tmp_path) -> None:
    study, own = tmp_path / "artefacts", tmp_path / "trial.unfinished" / "shared"
    shelf = Shelf(study, own)
    shelf.put({"sparse/a.json": b"1", "sparse/net/weights": b"2", "sparse/net/made.json": b"3"})
    assert not study.exists()
    assert Shelf(study, own).find("sparse/a.json") == own / "sparse" / "a.json"  # a killed try's
    assert Shelf(study).find("sparse/net") is None
    write_shared(shelf.added(), study)
    assert Shelf(study).find("sparse/net") == study / "sparse" / "net"
    assert {p.name for p in study.rglob("*") if p.is_file()} == {"a.json", "weights", "made.json"}
