"""The table of an outcome: what is no such table is damage, what other versions add is none."""

import json
import math

import pytest

from modicum.errors import StoreError
from modicum.model import ModelCard
from modicum.outcome import Outcome
from modicum.store.database import Store
from modicum.types import Trial

ALL = {"exact": True, "overlap": 1.0}
TRIAL = Trial("scripted", "sums", "plain", 0, 0)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "study")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "notes",
    [
        {"style": "abc"},
        {"style": [1, "a", None]},
        {"style": {"name": "x", "template": "{question}", "is_opened": "yes"}},
        {"model": "abc"},
        {"model": {}},
        {"model": {"name": "m", "weights": 3}},
        {"model": {"name": "m", "parameters": "many"}},
        {"model": {"name": "m", "notes": "abc"}},
        {"model": {"name": "m", "notes": [1]}},
        {"model": {"name": "m", "flops_per_token": math.inf}},
        {"sampled": {"n": 2}},
        {"selected": {"right": "all", "n": 2}},
        {"thinking": [1, 2, 3]},
        {"styles": "raw"},
        {"unmarked": {"answers": 1.5}},
        {"renewed": {"from": "a", "right": [1]}},
        {"sources": {"task odd": 3}},
        {"nudge": [1]},
        {"completed": [{"problem": "p"}]},
        {"completed": [{"problem": "p", "own": ALL, "other": {"exact": False, "overlap": 2.0}}]},
        {
            "completed": [
                {"problem": "p", "own": ALL, "other": {"exact": False, "overlap": math.nan}}
            ]
        },
    ],
    ids=str,
)
def test_notes_of_another_kind_are_damage(notes: dict[str, object], store) -> None:
    store.write(Outcome(TRIAL))
    summary = {"elicitation": {}, "serving": {}, "retention": {}, "artefact": "", "notes": notes}
    store._db.execute("UPDATE trials SET summary=?", (json.dumps(summary),))
    for read in (lambda: store.read(TRIAL), store.heads):
        with pytest.raises(StoreError, match="damaged"):
            read()


def test_a_figure_that_was_changed_in_a_summary_is_damage(store) -> None:
    store.write(Outcome(TRIAL, elicitation={"seconds": 7104.0}))
    assert store.read(TRIAL).elicitation == {"seconds": 7104.0}
    store._db.execute("UPDATE trials SET summary=replace(summary, '7104', '4384')")
    with pytest.raises(StoreError, match="table that was changed"):
        store.read(TRIAL)


def test_what_other_versions_say_of_a_model_or_beside_it_is_no_damage(store) -> None:
    store.write(Outcome(TRIAL))
    notes = {"model": {"name": "m", "weights": "w", "more": [1]}, "unknown": 3}
    summary = {"elicitation": {}, "serving": {}, "retention": {}, "artefact": "", "notes": notes}
    store._db.execute("UPDATE trials SET summary=?", (json.dumps(summary),))
    assert store.read(TRIAL).card == ModelCard("m", "w", 0, 0.0)
