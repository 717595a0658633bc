"""A finished study is read from its own copies: no file, no marker and no model of its plan is opened."""

import json
import sqlite3
from pathlib import Path

import pytest

from modicum.errors import ConfigError, JudgeError
from modicum.store.database import Store
from modicum.store.kept_tasks import KeptTask, TaskRecord, record_of
from modicum.study.plan import Plan
from modicum.task import held, resolve_task
from tests.support.commands import modicum

MARKER = """
from pathlib import Path
def mark(text, answer):
    with Path(__file__).with_name("ran").open("a") as log:
        log.write("x")
    return answer in text
"""


def _file(folder: Path) -> Path:
    path = folder / "q.jsonl"
    lines = [{"question": f"What is {a} + {a % 7}?", "answer": str(a + a % 7)} for a in range(60)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def _run(task: str, folder: Path):
    return modicum(
        "run", "--model", "scripted:latent", "--task", task, "--test", 20, "--selection", 6,
        "--samples", 8, "--methods", "self_consistency,few_shot", "--shots", 1, "--seeds", 1,
        "--no-reuse", "--workers", 1, "--no-check", "--out", folder, "--json",
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study whose marker is a file of code that notes when it runs."""
    place = tmp_path_factory.mktemp("stranger")
    (place / "mk.py").write_text(MARKER)
    said = _run(f"{_file(place)}?marker=python:{place / 'mk.py'}:mark", place / "study")
    assert said.code == 0, said.err
    (place / "ran").unlink()
    return place


@pytest.mark.parametrize("verb", ["report", "show"])
def test_reading_starts_no_marker(verb: str, study) -> None:
    _forget_verdicts(study / "study")
    said = modicum(verb, study / "study", "--json")
    assert said.code == 0, said.err
    assert not (study / "ran").exists()


def test_verdict_read_from_the_copies_is_the_one_that_was_run(study) -> None:
    assert modicum("report", study / "study").code == 0
    store = Store(study / "study")
    before = json.loads(store.kept("verdicts", None))
    store.close()
    _forget_verdicts(study / "study")
    said = modicum("report", study / "study", "--json")
    assert said.code == 0, said.err
    store = Store(study / "study")
    assert json.loads(store.kept("verdicts", None)) == before
    store.close()


def _forget_verdicts(folder: Path) -> None:
    db = sqlite3.connect(folder / "study.sqlite")
    db.execute("DELETE FROM meta WHERE key LIKE 'kept %'")
    db.commit()
    db.close()


@pytest.fixture
def plain(tmp_path) -> tuple[Path, Path]:
    """A finished study of a plain file, and the file."""
    path = _file(tmp_path)
    assert _run(str(path), tmp_path / "study").code == 0
    return tmp_path / "study", path


def test_report_of_a_changed_file_is_of_what_it_held_and_says_so(plain) -> None:
    folder, path = plain
    whole = modicum("report", folder, "--json").out
    path.write_text(path.read_text().replace('"answer": "4"', '"answer": "5"'))
    said = modicum("report", folder, "--json")
    assert (said.code, said.out) == (0, whole)
    assert f"{path} has changed since" in said.err
    assert "self_consistency" in (folder / "report.html").read_text()


def test_finished_study_is_reported_without_its_file(plain, monkeypatch, tmp_path) -> None:
    folder, path = plain
    whole = modicum("report", folder, "--json").out
    path.unlink()
    monkeypatch.chdir(tmp_path)
    _forget_verdicts(folder)
    said = modicum("report", folder, "--json")
    assert (said.code, said.out) == (0, whole)
    assert "What is 13 + 6?" in modicum("show", folder, "--all", "--limit", 999).out


def test_report_that_finds_no_verdict_leaves_the_page_alone(plain) -> None:
    folder, _ = plain
    page = (folder / "report.html").read_bytes()
    db = sqlite3.connect(folder / "study.sqlite")
    db.execute("DELETE FROM trials WHERE identity LIKE '%\"prompt_style\"%'")
    db.execute("UPDATE meta SET value = value + 1 WHERE key='writes'")
    db.execute("DELETE FROM meta WHERE key='kept verdicts'")
    db.commit()
    db.close()
    said = modicum("report", folder)
    assert said.code == 2
    assert "no verdict" in said.err
    assert (folder / "report.html").read_bytes() == page


def test_study_of_an_earlier_version_is_read_from_its_file(plain) -> None:
    folder, _ = plain
    whole = modicum("report", folder, "--json").out
    db = sqlite3.connect(folder / "study.sqlite")
    db.execute("DELETE FROM meta WHERE key LIKE '[\"task\"%' OR key LIKE 'kept %'")
    db.commit()
    db.close()
    assert modicum("report", folder, "--json").out == whole


# The copy itself


@pytest.mark.parametrize("reference", ["sums", "word_sums", "gym:chain_sum"])
def test_copy_has_the_problems_and_golds_of_its_task(reference: str) -> None:
    task = resolve_task(reference)
    problems = task.problems("test", 30)
    record = TaskRecord.from_text(record_of(task, problems).as_text())
    copy = KeptTask(reference, record)
    assert copy.problems("test", 30) == problems
    assert (copy.sheet, copy.fingerprint, copy.version) == (
        task.sheet,
        task.fingerprint,
        task.version,
    )
    for problem in problems:
        assert copy.stated(problem) == task.stated(problem)
        assert copy.read(copy.stated(problem)) == task.read(task.stated(problem))
        assert copy.origin(problem) == task.origin(problem)


def test_scrambled_twin_of_a_copy_is_that_of_its_task() -> None:
    task = resolve_task("sums")
    record = record_of(task, task.problems("test", 30))
    with held({"sums": KeptTask("sums", record)}):
        moved = resolve_task("scrambled:sums")
        found = moved.problems("test", 30), [moved.stated(p) for p in moved.problems("test", 30)]
    twin = resolve_task("scrambled:sums")
    assert found == (twin.problems("test", 30), [twin.stated(p) for p in twin.problems("test", 30)])


def test_copy_marks_and_reads_nothing_new() -> None:
    task = resolve_task("sums")
    copy = KeptTask("sums", record_of(task, task.problems("test", 2)))
    with pytest.raises(ConfigError, match="starts no marker"):
        copy.mark(task.problems("test", 1)[0], "Answer: 5")
    with pytest.raises(ConfigError, match="starts no marker"):
        copy.read("Answer: another")


@pytest.mark.parametrize(("split", "n"), [("test", 3), ("shots", 1), ("selection", 1)])
def test_copy_refuses_problems_that_were_not_kept(split: str, n: int) -> None:
    task = resolve_task("sums")
    copy = KeptTask("sums", record_of(task, task.problems("test", 2)))
    with pytest.raises(ConfigError, match="the study's copy of sums"):
        copy.problems(split, n)


def test_other_tasks_are_refused_while_copies_are_held() -> None:
    task = resolve_task("sums")
    copy = KeptTask("sums", record_of(task, task.problems("test", 2)))
    with held({"sums": copy}), pytest.raises(ConfigError, match="has no copy"):
        resolve_task("word_sums")
    assert resolve_task("word_sums").sheet


def test_reader_that_fails_on_a_gold_leaves_it_unread() -> None:
    class Hanging(type(resolve_task("sums"))):
        def read(self, text):
            raise JudgeError("hung")

    task = Hanging()
    record = record_of(task, task.problems("test", 2))
    assert {said.read for said in record.said} == {None}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', "null", "not json"])
def test_text_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"record|Expecting"):
        TaskRecord.from_text(text)


def test_plan_of_a_study_opens_with_the_store_alone(plain) -> None:
    store = Store(plain[0], read_only=True)
    assert Plan.thawed(store.plan).test == 20
    store.close()
