"""A study's trainings: kept as they end, gone on with, measured further without training again."""

import json
from dataclasses import replace

import pytest

from modicum.errors import ConfigError, UnknownNameError
from modicum.ledger import Ledger
from modicum.nets.thinking import Thinking
from modicum.study.scale_cells import cell_path, read_cell
from modicum.study.scale_plan import ScalePlan, read_scale_plan
from modicum.training import text_nets
from modicum.training.scale_cells import ScaleStudy, finished, run_cell, seconds_an_update
from modicum.training.text_nets import text_net
from modicum.training.text_pretraining import TextPlan, TextSchedule, costs_of, learned_text
from tests.support.scale_cells import PonderingNet

NETS = ({"kind": "transformer", "width": 8, "layers": 1, "heads": 2}, {"kind": "pondering"})
PLAN = ScalePlan(
    "made:brackets?trees=1", NETS, (300, 150), ("0", "1"), steps=3, batch=2, length=12, windows=5
)


@pytest.fixture(autouse=True)
def _ponders(monkeypatch) -> None:
    monkeypatch.setattr(text_nets, "TEXT_NETS", {**text_nets.TEXT_NETS, "pondering": PonderingNet})


def run(study: ScaleStudy, cell, out, until: int = 99):
    def watch(ledger: Ledger) -> None:
        if ledger.updates > until:
            raise KeyboardInterrupt

    return run_cell(study, cell, out, "cpu", watch)


def test_all_is_crossed_little_text_first_and_ids_go_by_what_decides_a_training() -> None:
    study = ScaleStudy.of(PLAN)
    assert [(cell.tokens, cell.kind, cell.seed) for cell in study.cells] == [
        (tokens, kind, seed)
        for tokens in (150, 300)
        for kind in ("transformer", "pondering")
        for seed in ("0", "1")
    ]
    assert len({cell.id for cell in study.cells}) == 8
    again = ScaleStudy.of(replace(PLAN, windows=9, inner_steps=(0, 3), name="other"))
    assert [cell.id for cell in again.cells] == [cell.id for cell in study.cells]
    assert study.cells[0].id != ScaleStudy.of(replace(PLAN, rate=1e-3)).cells[0].id
    # a size that is said and is the default is the same net
    said = replace(PLAN, nets=(NETS[0], {"kind": "pondering", "width": 8}))
    assert ScaleStudy.of(said).cells[-1].id == study.cells[-1].id


def test_several_rates_are_trainings_of_their_own() -> None:
    study = ScaleStudy.of(replace(PLAN, rates=(1e-3, 3e-3)))
    assert len(study.cells) == 16
    assert {cell.id for cell in ScaleStudy.of(PLAN).cells} < {cell.id for cell in study.cells}
    for rates in ((0.0, 0.1), (0.1, 0.1)):
        with pytest.raises(ConfigError, match="rates"):
            replace(PLAN, rates=rates)


def test_updates_may_grow_with_the_text() -> None:
    plan = replace(PLAN, steps=0, passes=2.0)
    assert [plan.updates(tokens) for tokens in (10, 150, 300)] == [1, 12, 25]


def test_a_training_says_what_windows_cost_the_net_that_was_trained(tmp_path) -> None:
    study = ScaleStudy.of(PLAN)
    cell = study.cells[0]
    found = run(study, cell, tmp_path)
    assert finished(study, cell, tmp_path) == found == read_cell(tmp_path, cell)
    schedule = TextSchedule(3, 2, 12, 150, 3e-3, "0")
    plan = TextPlan(PLAN.corpus, text_net(cell.kind, cell.sizes), schedule)
    ledger = Ledger()
    learner, _ = learned_text(plan, study.corpus, "cpu", None, ledger)
    costs = costs_of(learner, study.corpus, "test", 2, (5, 12), Thinking())
    assert found.found(2).nats("whole").tolist() == costs.whole.tolist()
    assert found.training_flops == ledger.flops
    assert (found.parameters, found.thinks) == (learner.parameters, False)
    assert len(found.measures) == 4


def test_a_killed_training_goes_on_to_the_same_figures(tmp_path) -> None:
    study = ScaleStudy.of(PLAN)
    cell = study.cells[-1]
    whole = run(study, cell, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(study, cell, tmp_path / "killed", until=1)
    assert finished(study, cell, tmp_path / "killed") is None
    assert run(study, cell, tmp_path / "killed").measures == whole.measures


def test_further_ways_to_think_are_measured_without_training_again(tmp_path) -> None:
    study = ScaleStudy.of(PLAN)
    cell = study.cells[-1]
    before = run(study, cell, tmp_path)
    more = ScaleStudy.of(replace(PLAN, inner_steps=(4,), candidates=(1, 3)))
    assert finished(more, cell, tmp_path) is None
    found = run(more, cell, tmp_path, until=3)  # an update more would stop it
    assert found.measures[:4] == before.measures
    ways = {(one.steps, one.candidates) for one in found.measures}
    assert ways == {(0, 1), (1, 1), (2, 1), (4, 1), (4, 3)}
    assert found.found(0, (2, 1)).whole == found.found(0).whole
    assert found.found(0, (1, 1)).flops * 12 == found.found(0, (4, 3)).flops
    # the other net answers at once, and is asked nothing more
    assert (
        run(more, study.cells[0], tmp_path).measures
        == run(study, study.cells[0], tmp_path).measures
    )


def test_another_number_of_windows_is_measured_anew(tmp_path) -> None:
    study, cell = ScaleStudy.of(PLAN), ScaleStudy.of(PLAN).cells[0]
    before = run(study, cell, tmp_path)
    wide = ScaleStudy.of(replace(PLAN, windows=7))
    assert finished(wide, cell, tmp_path) is None
    found = run(wide, cell, tmp_path)
    assert found.found(0).whole[:5] == before.found(0).whole
    assert {len(one.whole) for one in found.measures} == {7}


@pytest.mark.parametrize("held", ["", "{}", '{"schema": 2}', '{"schema": 1, "cell": 3}'])
def test_a_broken_file_is_refused_with_its_place(held: str, tmp_path) -> None:
    study = ScaleStudy.of(PLAN)
    path = cell_path(tmp_path, study.cells[0])
    path.parent.mkdir(parents=True)
    path.write_text(held)
    with pytest.raises(ConfigError, match=path.name):
        finished(study, study.cells[0], tmp_path)


def test_a_file_under_the_name_of_another_training_is_refused(tmp_path) -> None:
    study = ScaleStudy.of(PLAN)
    run(study, study.cells[0], tmp_path)
    path = cell_path(tmp_path, study.cells[0])
    path.rename(cell_path(tmp_path, study.cells[1]))
    with pytest.raises(ConfigError, match="another training"):
        finished(study, study.cells[1], tmp_path)


def test_an_update_is_timed_and_nothing_of_it_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = ScaleStudy.of(PLAN)
    assert 0 < seconds_an_update(study, study.cells[0], "cpu") < 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"steps": 0}, ConfigError),
        ({"passes": 2.0}, ConfigError),
        ({"data": [5, 5]}, ConfigError),
        ({"data": []}, ConfigError),
        ({"data": [10**12]}, ConfigError),
        ({"data": [5]}, ConfigError),
        ({"windows": 1}, ConfigError),
        ({"candidates": [0]}, ConfigError),
        ({"colour": 1}, UnknownNameError),
        ({"net": [{"kind": "wavenet"}]}, UnknownNameError),
        ({"net": [{"width": 3}]}, ConfigError),
        ({"net": [{"kind": "transformer", "depth": 3}]}, UnknownNameError),
        ({"corpus": "made:nothing"}, UnknownNameError),
        ({"offset": "some"}, ConfigError),
    ],
)
def test_plans_that_cannot_be_meant_are_refused_before_anything_is_trained(
    change, error, tmp_path
) -> None:
    told = {
        "corpus": PLAN.corpus,
        "data": [300],
        "steps": 3,
        "length": 12,
        "net": [{"kind": "transformer", "width": 8, "heads": 2}],
        **change,
    }
    nets = "".join(
        "[[net]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in net.items())
        for net in told.pop("net")
    )
    path = tmp_path / "plan.toml"
    path.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in told.items()) + nets)
    with pytest.raises(error):
        ScaleStudy.of(read_scale_plan(path))


@pytest.mark.parametrize("held", [b"corpus = [", b"\xff", b"corpus = 'a'\n"])
def test_a_file_that_is_no_plan_is_refused(held: bytes, tmp_path) -> None:
    (tmp_path / "plan.toml").write_bytes(held)
    with pytest.raises(ConfigError):
        read_scale_plan(tmp_path / "plan.toml")
    with pytest.raises(ConfigError, match="check the path"):
        read_scale_plan(tmp_path / "none.toml")
