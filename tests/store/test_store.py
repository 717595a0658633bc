"""The store gives back what was written, in one transaction, and refuses what it cannot read."""

import contextlib
import dataclasses
import json
import math
import sqlite3
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.errors import ConfigError, StoreError, StoreVersionError
from modicum.files.packing import inflated
from modicum.model import ModelCard
from modicum.outcome import Lost, MarkedAgain, Sampled, Selected, Styles, ThinkingEnds
from modicum.scope import Scope
from modicum.store.database import SCHEMA, Answer, Outcome, Store, StoredAnswer
from modicum.store.facts import FindingsKey
from modicum.types import Completion, Finding, Grade, Mark, Solved, Style, Trial
from tests.support.texts import anything, completed_questions

TRIAL = Trial("scripted", "sums", "plain", 0, 0, {"samples": 4}, scope=Scope(test=2))

grades = st.sampled_from(Grade)
marks = st.builds(Mark, st.none() | anything, grades, grades)


@st.composite
def answers(draw) -> Answer:
    """An answer with one to four completions."""
    n = draw(st.integers(1, 4))
    return Answer(
        problem=draw(anything),
        texts=tuple(draw(st.lists(anything, min_size=n, max_size=n))),
        marks=tuple(draw(st.lists(marks, min_size=n, max_size=n))),
        chosen=draw(st.integers(0, n - 1)),
        tokens=tuple(draw(st.lists(st.integers(0, 10**6), min_size=n, max_size=n))),
        stops=tuple(
            draw(st.lists(st.sampled_from(["eos", "stop", "length"]), min_size=n, max_size=n))
        ),
    )


whole = st.integers(0, 2**40)
several = st.lists(anything, max_size=2).map(tuple)
numbers = st.dictionaries(anything, st.floats() | st.integers(-(2**60), 2**60), max_size=3)
outcomes = st.builds(
    Outcome,
    trial=st.builds(
        Trial,
        model=anything,
        task=anything,
        method=anything,
        n_shots=st.integers(0, 512),
        seed=st.integers(0, 9),
        settings=st.dictionaries(anything, anything | st.integers() | st.none(), max_size=3),
        control=anything,
        scope=st.dictionaries(anything, anything | st.booleans(), max_size=3).map(Scope.thawed),
    ),
    answers=st.lists(answers(), max_size=3).map(tuple),
    elicitation=numbers,
    serving=numbers,
    retention=st.dictionaries(anything, st.lists(st.booleans()).map(tuple), max_size=2),
    text_loss=st.lists(st.floats()).map(tuple),
    completed=st.lists(completed_questions, max_size=2).map(tuple),
    card=st.none() | st.builds(ModelCard, anything, anything, whole, st.floats(0, 1e12), anything),
    asked_in=st.none() | st.builds(Style, anything, anything, st.none() | anything, st.booleans()),
    styles=st.none() | st.builds(Styles, several, several),
    sampled=st.none() | st.builds(Sampled, whole, st.lists(whole, max_size=2).map(tuple)),
    selected=st.none() | st.builds(Selected, whole, whole),
    thinking=st.none() | st.builds(ThinkingEnds, whole, whole, whole),
    lost=st.none() | st.builds(Lost, whole, whole, whole, anything),
    marked_again=st.none() | st.builds(MarkedAgain, anything, whole, whole, st.booleans()),
    sources=st.dictionaries(anything, anything, max_size=2),
    made=st.dictionaries(anything, st.lists(anything, max_size=2), max_size=2),
    artefact=anything,
    error=anything,
)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "study")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def long_store(tmp_path_factory):
    opened = Store(tmp_path_factory.mktemp("long"))
    yield opened
    opened.close()


def _plain(outcome: Outcome) -> str:
    """A text in which NaN equals itself."""
    return json.dumps(dataclasses.asdict(outcome), sort_keys=True)


def _outcome(error: str = "", text: str = "Answer 3") -> Outcome:
    given = (Completion(text, 3, "eos"),)
    mark = Mark("3", Grade.CORRECT, Grade.CORRECT)
    return Outcome(TRIAL, (Answer.of("p1", Solved(given), (mark,)),), error=error)


@settings(max_examples=40)
@given(outcomes)
def test_outcome_is_read_back_as_it_was_written(long_store, outcome: Outcome) -> None:
    long_store.write(outcome)
    assert _plain(long_store.read(outcome.trial)) == _plain(outcome)


@settings(max_examples=40)
@given(outcomes)
def test_outcome_is_found_by_its_id(long_store, outcome: Outcome) -> None:
    long_store.write(outcome)
    assert _plain(long_store.by_id(outcome.trial.id)) == _plain(outcome)


def test_trial_survives_reopening(tmp_path) -> None:
    first = Store(tmp_path)
    first.write(_outcome())
    first.close()
    second = Store(tmp_path)
    assert second.read(TRIAL) == _outcome()
    second.close()


def test_numbers_that_are_not_finite_survive(store) -> None:
    store.write(Outcome(TRIAL, elicitation={"a": math.nan, "b": math.inf, "c": -math.inf}))
    found = store.read(TRIAL).elicitation
    assert math.isnan(found["a"])
    assert (found["b"], found["c"]) == (math.inf, -math.inf)


def test_lone_surrogates_survive_in_every_text(store) -> None:
    odd = "a\ud800\x00b"
    mark = Mark(odd, Grade.UNREADABLE, Grade.UNREADABLE)
    written = Outcome(TRIAL, (Answer(odd, (odd,), (mark,)),), error=odd, made={odd: odd})
    store.write(written)
    assert store.read(TRIAL) == written


def test_marks_come_back_as_grades(store) -> None:
    store.write(_outcome())
    [answer] = store.read(TRIAL).answers
    assert isinstance(answer.mark.lenient, Grade)


def test_trial_that_never_ran_is_none(store) -> None:
    assert store.read(TRIAL) is None


def test_unknown_id_is_none(store) -> None:
    assert store.by_id("0" * 16) is None


def test_finished_trial_is_done(store) -> None:
    store.write(_outcome())
    assert store.done() == {TRIAL.id}


def test_failed_trial_is_not_done(store) -> None:
    store.write(_outcome(error="KeyError: x"))
    assert (store.done(), store.failed()) == (set(), {TRIAL.id: "KeyError: x"})


def test_later_success_replaces_a_failure(store) -> None:
    store.write(_outcome(error="KeyError: x", text="old"))
    store.write(_outcome())
    assert (store.read(TRIAL), store.failed()) == (_outcome(), {})


def test_heads_hold_everything_but_the_answers(store) -> None:
    store.write(_outcome())
    assert store.heads() == {TRIAL.id: dataclasses.replace(_outcome(), answers=())}


def test_trial_is_written_in_one_transaction(store, tmp_path) -> None:
    class KillError(Exception):
        pass

    def answers():
        yield _outcome().answers[0]
        raise KillError

    broken = _outcome()
    object.__setattr__(broken, "answers", answers())
    with pytest.raises(KillError):
        store.write(broken)
    other = Store(tmp_path / "study")
    found = other.read(TRIAL)
    other.close()
    assert found is None


def test_failed_write_keeps_the_earlier_outcome(store) -> None:
    store.write(_outcome(error="first"))
    broken = _outcome()
    object.__setattr__(broken, "answers", (object(),))
    with pytest.raises(AttributeError):
        store.write(broken)
    assert store.read(TRIAL) == _outcome(error="first")


def test_frozen_plan_is_read_back(store) -> None:
    assert store.plan is None
    store.freeze({"name": "x", "grids": [{"models": ["a"]}]})
    assert store.plan == {"name": "x", "grids": [{"models": ["a"]}]}


def test_newer_version_is_refused(tmp_path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "study.sqlite")
    db.execute(f"PRAGMA user_version={SCHEMA + 1}")
    db.close()
    with pytest.raises(StoreVersionError, match=f"store version {SCHEMA + 1}"):
        Store(tmp_path)


def test_file_that_is_no_database_is_refused(tmp_path) -> None:
    (tmp_path / "study.sqlite").write_bytes(b"not a database, but long enough to be read" * 40)
    with pytest.raises(ConfigError, match="a study's database"):
        Store(tmp_path)


def test_folder_below_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot be written"):
        Store(tmp_path / "file" / "study")


def test_opening_leaves_no_probe_behind(store) -> None:
    assert not list(store.folder.glob(".write-*"))


def test_artefacts_have_a_folder_for_each_trial(store) -> None:
    other = dataclasses.replace(TRIAL, seed=1)
    assert store.artefacts(TRIAL) != store.artefacts(other)


def test_findings_of_a_subject_come_back_and_are_replaced(tmp_path) -> None:
    store = Store(tmp_path)
    assert store.findings(FindingsKey("m", "t")) is None
    store.keep_findings(
        FindingsKey("m", "t"), [Finding("truncated", "doubt", "half", "raise the limit")]
    )
    kept = [Finding("memory", "fact", "1 GB")]
    store.keep_findings(FindingsKey("m", "t"), kept)
    store.keep_findings(FindingsKey("m", "other"), [])
    assert store.findings(FindingsKey("m", "t")) == tuple(kept)
    assert store.findings(FindingsKey("m", "other")) == ()


def test_findings_of_two_sizes_stand_beside_each_other(tmp_path) -> None:
    store = Store(tmp_path)
    small, large, old = (FindingsKey("m", "t", scope) for scope in ("20", "400", ""))
    store.keep_findings(old, [Finding("memory", "fact", "1 GB")])
    assert store.findings(small) == store.findings(old)
    assert store.findings(small, exact=True) is None
    store.keep_findings(large, [])
    store.freeze({"test": 20})
    store.freeze({"test": 400})
    assert store.findings(large) == ()
    assert store.findings(small) is None


def _two_answers() -> Outcome:
    marks = (
        Mark("3", Grade.CORRECT, Grade.INCORRECT),
        Mark(None, Grade.UNREADABLE, Grade.UNREADABLE),
    )
    first = Answer("p1", ("Answer 3", "er"), marks, 0, (3, 1), ("eos", "length"))
    second = Answer("p\ud800", ("x",), marks[:1])
    return Outcome(TRIAL, (first, second))


def test_marks_are_read_without_texts(store) -> None:
    store.write(_two_answers())
    plain = [dataclasses.replace(answer, texts=()) for answer in _two_answers().answers]
    assert list(store.read(TRIAL, texts=False).answers) == plain
    assert list(store.by_id(TRIAL.id, texts=False).answers) == plain


def test_rows_give_every_completion_with_its_mark(store) -> None:
    store.write(_two_answers())
    one, two = _two_answers().answers
    assert list(store.rows([TRIAL])) == [
        StoredAnswer(TRIAL.id, "p1", 0, "Answer 3", one.marks[0], 3, "eos", stands=True),
        StoredAnswer(TRIAL.id, "p1", 1, "er", one.marks[1], 1, "length", stands=False),
        StoredAnswer(TRIAL.id, two.problem, 0, "x", two.marks[0], 0, "", stands=True),
    ]


def test_rows_give_those_that_stand_alone_when_asked(store) -> None:
    store.write(_two_answers())
    assert [(r.problem, r.sample) for r in store.rows([TRIAL], standing=True)] == [
        ("p1", 0),
        ("p\ud800", 0),
    ]


def _version_1(folder, outcome: Outcome) -> None:
    """Write a study as version 1 of the store did: texts and marks in one block a problem."""
    db = sqlite3.connect(folder / "study.sqlite", isolation_level=None)
    db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    db.execute(
        "CREATE TABLE trials (id TEXT PRIMARY KEY, identity TEXT NOT NULL,"
        " summary TEXT NOT NULL, error TEXT NOT NULL)"
    )
    db.execute(
        "CREATE TABLE answers (trial TEXT NOT NULL, place INTEGER NOT NULL, problem TEXT NOT NULL,"
        " packed BLOB NOT NULL, PRIMARY KEY (trial, place)) WITHOUT ROWID"
    )
    empty = {"elicitation": {}, "serving": {}, "retention": {}, "notes": {}, "artefact": ""}
    identity = outcome.trial.identity
    db.execute(
        "INSERT INTO trials VALUES (?,?,?,'')", (outcome.trial.id, identity, json.dumps(empty))
    )
    for place, answer in enumerate(outcome.answers):
        values = {
            "texts": answer.texts,
            "answers": [m.answer for m in answer.marks],
            "lenient": [int(m.lenient) for m in answer.marks],
            "strict": [int(m.strict) for m in answer.marks],
            "chosen": answer.chosen,
            "tokens": answer.tokens,
            "stops": answer.stops,
        }
        name = answer.problem.encode("utf-8", "surrogatepass")
        packed = zlib.compress(json.dumps(values).encode())
        db.execute("INSERT INTO answers VALUES (?,?,?,?)", (outcome.trial.id, place, name, packed))
    db.execute("PRAGMA user_version=1")
    db.close()


def test_store_of_version_1_is_migrated_and_reads_the_same(tmp_path) -> None:
    _version_1(tmp_path, _two_answers())
    for _ in range(2):
        opened = Store(tmp_path)
        assert opened.read(TRIAL) == _two_answers()
        opened.close()


def test_writes_count_trials_and_findings_but_no_kept_values(store) -> None:
    counts = [store.writes]
    store.write(_outcome())
    counts.append(store.writes)
    store.write(_outcome())
    counts.append(store.writes)
    store.keep_findings(FindingsKey("m", "t"), [])
    counts.append(store.writes)
    store.keep("verdicts", "stamp", "x")
    counts.append(store.writes)
    assert counts == [0, 1, 2, 3, 3]


def test_kept_value_is_found_under_its_stamp_only(store) -> None:
    store.keep("verdicts", "one", "value")
    assert (store.kept("verdicts", "one"), store.kept("verdicts", "two")) == ("value", None)
    assert store.kept("report", "one") is None


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER x AFTER INSERT ON meta BEGIN DELETE FROM trials; END",
        "CREATE VIRTUAL TABLE more USING fts5(words)",
        "CREATE TABLE more (a, b GENERATED ALWAYS AS (a * 2))",
        "CREATE TABLE more (a, b AS (a * 2))",
        "CREATE TABLE more (a CHECK (a > 1))",
        "CREATE INDEX more ON trials (length(summary))",
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_database_that_computes_is_refused(statement: str, read_only: bool, tmp_path) -> None:
    Store(tmp_path / "study").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "study" / "study.sqlite")) as db, db:
        db.execute(statement)
    with pytest.raises(StoreError, match="which no study has"):
        Store(tmp_path / "study", read_only=read_only)


def test_packed_values_unpack_within_a_limit() -> None:
    packed = zlib.compress(b"0" * 1000)
    assert inflated(packed, 1000) == b"0" * 1000
    with pytest.raises(ValueError, match="more than 999 bytes"):
        inflated(packed, 999)
    with pytest.raises(zlib.error):
        inflated(packed[:-3])
