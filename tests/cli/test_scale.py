"""`modicum scale` forecasts, trains what is missing, and writes table, JSON and page."""

import json
import re

import pytest

from modicum.training import text_nets
from tests.support.commands import modicum
from tests.support.scale_cells import PonderingNet

PLAN = """
corpus = "made:brackets?trees=1"
data = [150, 300, 600]
steps = 3
batch = 2
length = 12
windows = 6
inner_steps = [1, 3]
offset = "none"
[[net]]
kind = "transformer"
width = 8
heads = 2
layers = 1
[[net]]
kind = "pondering"
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setattr(text_nets, "TEXT_NETS", {**text_nets.TEXT_NETS, "pondering": PonderingNet})
    path = tmp_path / "tiny.toml"
    path.write_text(PLAN)
    return path


def test_a_dry_run_trains_nothing(plan, tmp_path) -> None:
    said = modicum("scale", plan, "--out", tmp_path / "out", "--dry-run")
    assert said.code == 0, said.err
    assert re.match(r"12 trainings, 0 finished; the others take 36 updates, about ", said.out)
    assert not (tmp_path / "out").exists()
    told = json.loads(modicum("scale", plan, "--out", tmp_path / "out", "--dry-run", "--json").out)
    assert (told["trainings"], told["updates"]) == (12, 36)
    assert told["seconds"] > 0


def test_what_ended_is_kept_and_the_table_the_page_and_the_json_agree(plan, tmp_path) -> None:
    out = tmp_path / "out"
    said = modicum("scale", plan, "--out", out)
    assert said.code == 0, said.err
    assert "12 of 12 trainings finished" in said.out.replace("\n", " ")
    kept = {path.name: path.read_bytes() for path in (out / "cells").iterdir()}
    assert len(kept) == 12
    told = json.loads(modicum("scale", plan, "--out", out, "--json").out)
    assert {path.name: path.read_bytes() for path in (out / "cells").iterdir()} == kept
    page = (out / "scale.html").read_text()
    assert page.count("<svg role") == 3
    assert "<script" not in page
    assert "http" not in re.sub(r"http-equiv|http://www.w3.org/\S+", "", page)
    assert len(told["nets"]) == 6
    for net in told["nets"]:
        loss = f"{net['losses']['0']['value']:.3f}"
        assert loss in page
        assert loss in said.out
    assert {one["over"] for one in told["gains"]} == {"one step", "fewest trained"}
    assert "gain" in page


def test_a_plan_that_is_none_is_refused_in_words(tmp_path) -> None:
    said = modicum("scale", tmp_path / "none.toml")
    assert said.code == 2
    assert "a study of scale as TOML" in said.err
