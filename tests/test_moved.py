"""Floor and default against moved golds: trials of their own, marked by the driver, read by the verdict."""

import json

import pytest

from modicum.analysis.gather import correctness, gather
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, missing, run
from modicum.store.database import Store
from modicum.study.plan import Plan
from modicum.study.trial import open_model
from modicum.task import Scrambled


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_for(
        "scripted:shown", "sums", ("cot_decoding",), test=12, selection=4, samples=4,
        retain=("none",),
    )  # fmt: skip


@pytest.fixture
def done(plan, tmp_path) -> Store:
    store = Store(tmp_path / "study")
    store.freeze(plan.as_dict())
    run(plan, store, Silent())
    yield store
    store.close()


def _as_version_3(store: Store, plan: Plan) -> None:
    """Leave the folder as version 3 did: no twin of a measure, and its marks beside the measure."""
    [subject] = plan.subjects()
    db = store._db
    for measure, twin in zip(
        (subject.floor(), subject.default()), subject.scrambled(), strict=True
    ):
        right = correctness(store.read(twin).answers)
        [summary] = db.execute("SELECT summary FROM trials WHERE id=?", (measure.id,)).fetchone()
        values = json.loads(summary)
        values.pop("check")
        values["notes"]["scrambled"] = [int(one) for one in right]
        db.execute("UPDATE trials SET summary=? WHERE id=?", (json.dumps(values), measure.id))
        db.execute("DELETE FROM trials WHERE id=?", (twin.id,))
        for table in ("answers", "marks"):
            db.execute(f"DELETE FROM {table} WHERE trial=?", (twin.id,))
    db.execute("PRAGMA user_version=3")


def test_every_subject_has_both_and_their_answers_are_those_of_the_measures(done, plan) -> None:
    [subject] = plan.subjects()
    assert {t.id for t in subject.scrambled()} <= {t.id for t in plan.trials()}
    for measure, twin in zip(
        (subject.floor(), subject.default()), subject.scrambled(), strict=True
    ):
        own, moved = done.read(measure), done.read(twin)
        assert [a.texts for a in moved.answers] == [a.texts for a in own.answers]
        assert moved.serving["tokens_sampled"] == 0
        assert (moved.style, moved.artefact) == (own.style, "")
        assert correctness(moved.answers).mean() < correctness(own.answers).mean()


def test_a_folder_of_version_3_is_given_its_twins_and_says_the_same(done, plan) -> None:
    [subject] = plan.subjects()
    before = {t.id: done.read(t) for t in subject.scrambled()}
    _as_version_3(done, plan)
    assert [done.read(twin) for twin in subject.scrambled()] == [None, None]
    for read_only in (True, False):
        opened = Store(done.folder, read_only=read_only)
        for twin in subject.scrambled():
            again, was = opened.read(twin), before[twin.id]
            assert [a.mark.lenient for a in again.answers] == [a.mark.lenient for a in was.answers]
            assert [a.texts for a in again.answers] == [a.texts for a in was.answers]
            assert again.serving == was.serving
        assert missing(plan, opened) == []
        opened.close()


def test_a_verdict_starts_no_marker(done, plan, monkeypatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a marker was asked")

    monkeypatch.setattr(Scrambled, "mark", refused)
    [subject] = plan.subjects()
    found = gather(subject, done)
    [floor, default] = (done.read(twin) for twin in subject.scrambled())
    [veto] = next(r for r in found.evidence.rungs if r.is_prompt).vetoes
    assert veto.scores.tolist() == [correctness(floor.answers).tolist()]
    assert found.evidence.default_moved.tolist() == correctness(default.answers).tolist()


def test_without_the_twins_there_is_no_verdict_and_the_next_run_marks_them(
    done, plan, monkeypatch
) -> None:
    [subject] = plan.subjects()
    done._db.execute("DELETE FROM trials WHERE id=?", (subject.scrambled()[0].id,))
    assert gather(subject, done) is None
    monkeypatch.setattr(type(open_model("scripted:shown")), "generate", None)
    run(plan, done, Silent())
    assert gather(subject, done) is not None


def test_a_damaged_row_is_left_for_its_reader(done, plan) -> None:
    [subject] = plan.subjects()
    _as_version_3(done, plan)
    done._db.execute(
        "UPDATE trials SET summary=replace(summary, '\"scrambled\": [', '\"scrambled\": [7, ')"
        " WHERE id=?",
        (subject.floor().id,),
    )
    opened = Store(done.folder)
    assert [opened.read(twin) is None for twin in subject.scrambled()] == [True, False]
    opened.close()
