"""Damaged stores, full disks, closed pipes and odd encodings end in a sentence and a named exit code."""

import fcntl
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from modicum.cli.interrupt import INTERRUPTED
from modicum.cli.main import BROKEN, FAILED, FAULT, WRONG_USE
from modicum.seeds import stream
from tests.support.commands import SMALL, modicum
from tests.support.sources import ROOT


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A finished small study, never changed."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    assert modicum("run", *SMALL, "--out", folder).code == 0
    return folder


@pytest.fixture
def study(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "study"))


def _shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell in which `M` is the command."""
    return subprocess.run(
        ["bash", "-c", line.replace("M ", f"{sys.executable} -m modicum ")],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


# Damaged stores


def _forget(folder: Path) -> None:
    """Drop what was computed, so that everything stored is read again."""
    db = sqlite3.connect(folder / "study.sqlite")
    db.execute("DELETE FROM meta WHERE key LIKE 'kept %'")
    db.commit()
    db.close()


def _zero_page(folder: Path, number: int) -> None:
    path = folder / "study.sqlite"
    held = bytearray(path.read_bytes())
    held[number * 4096 : (number + 1) * 4096] = bytes(4096)
    path.write_bytes(held)


def _execute(folder: Path, statement: str) -> None:
    db = sqlite3.connect(folder / "study.sqlite")
    db.execute(statement)
    db.commit()
    db.close()


DAMAGES = {
    "a page of zeros": lambda folder: _zero_page(folder, 1),
    "marks that unpack to nothing": lambda f: _execute(f, "UPDATE marks SET packed = x'00'"),
    "a summary that is a list": lambda f: _execute(f, "UPDATE trials SET summary = '[]'"),
    "a summary cut short": lambda f: _execute(f, "UPDATE trials SET summary = '{\"note'"),
    "an identity of another kind": lambda f: _execute(
        f, "UPDATE trials SET identity = '{\"a\": 1}'"
    ),
    "an identity of bytes": lambda f: _execute(f, "UPDATE trials SET identity = x'ff00'"),
    "a plan that is a list": lambda f: _execute(f, "UPDATE meta SET value='[]' WHERE key='plan'"),
    "a plan nested without end": lambda f: _execute(
        f, f"UPDATE meta SET value='{'[' * 100_000}' WHERE key='plan'"
    ),
    "a count that is a word": lambda f: _execute(f, "UPDATE meta SET value='x' WHERE key='writes'"),
    "no table of marks": lambda f: _execute(f, "DROP TABLE marks"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_study_is_told_in_words(name: str, study) -> None:
    _forget(study)
    DAMAGES[name](study)
    page = (study / "report.html").read_bytes()
    said = modicum("report", study)
    assert said.code == BROKEN, said
    assert "damaged" in said.err or "malformed" in said.err or "no such table" in said.err
    assert "new folder" in said.err
    assert "Traceback" not in said.err
    assert (study / "report.html").read_bytes() == page


def test_flipped_bytes_are_told_or_change_nothing(whole, tmp_path) -> None:
    _check_flips(whole, tmp_path, 5)


@pytest.mark.slow
def test_many_flipped_bytes_are_told_or_change_nothing(whole, tmp_path) -> None:
    _check_flips(whole, tmp_path, 300)


def _check_flips(whole: Path, place: Path, n: int) -> None:
    verdict = modicum("report", whole, "--json").out
    rng = stream("test", "flips", n)
    for _ in range(n):
        folder = Path(shutil.copytree(whole, place / "flipped"))
        _forget(folder)
        held = bytearray((folder / "study.sqlite").read_bytes())
        held[int(rng.integers(len(held)))] ^= 1 << int(rng.integers(8))
        (folder / "study.sqlite").write_bytes(held)
        said = modicum("report", folder, "--json", "--out", place / "page.html")
        assert said.code in (0, BROKEN, WRONG_USE), said
        assert "Traceback" not in said.err
        if said.code == 0:
            assert said.out == verdict
        shutil.rmtree(folder)


@pytest.mark.parametrize("size", [0, 1, 100])
def test_database_cut_beside_its_report_is_not_begun_anew(size: int, study) -> None:
    os.truncate(study / "study.sqlite", size)
    said = modicum("run", *SMALL, "--out", study)
    assert said.code == BROKEN
    assert f"cut to {size} bytes" in said.err


def test_empty_database_of_a_run_killed_at_its_start_is_begun(tmp_path) -> None:
    (tmp_path / "study.sqlite").touch()
    assert modicum("run", *SMALL, "--out", tmp_path).code == 0


def test_database_of_something_else_is_refused(tmp_path) -> None:
    db = sqlite3.connect(tmp_path / "study.sqlite")
    db.execute("CREATE TABLE meta (name TEXT)")
    db.execute("CREATE TABLE bookmarks (place TEXT)")
    db.close()
    said = modicum("show", tmp_path)
    assert said.code == WRONG_USE
    assert "bookmarks" in said.err


# A read-only disk


@pytest.fixture
def frozen(study):
    """The study on a read-only file system; skipped where none can be mounted."""
    mount = ["mount", "--bind", "-o", "ro", str(study), str(study)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("no read-only file system can be mounted here")
    yield study
    subprocess.run(["umount", str(study)], check=True)


@pytest.mark.parametrize("verb", ["show", "report"])
def test_finished_study_is_read_from_a_read_only_disk(verb: str, frozen) -> None:
    said = modicum(verb, frozen)
    assert said.code == 0, said
    assert said.out


def test_question_is_answered_from_a_read_only_disk(frozen) -> None:
    said = modicum("ask", frozen, "What is 2 + 3?")
    assert said.code == 0, said


def test_report_of_a_read_only_disk_goes_where_it_is_told(frozen, tmp_path) -> None:
    assert modicum("report", frozen, "--out", tmp_path / "page.html").code == 0
    assert (tmp_path / "page.html").read_bytes()[:9] == b"<!doctype"


@pytest.mark.parametrize("verb", ["show", "ask"])
def test_reading_changes_nothing_in_the_folder(verb: str, study) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    assert modicum(verb, study, *(["What is 2 + 3?"] if verb == "ask" else [])).code == 0
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


def test_study_of_an_older_version_is_read_without_being_changed(study) -> None:
    _execute(study, "PRAGMA user_version=3")
    held = (study / "study.sqlite").read_bytes()
    assert modicum("show", study).code == 0
    assert (study / "study.sqlite").read_bytes() == held


# The report's file


def test_half_a_report_is_written_again(study) -> None:
    os.truncate(study / "report.html", 1000)
    assert modicum("run", *SMALL, "--out", study).code == 0
    assert (study / "report.html").read_bytes().endswith(b"</html>\n")


def test_full_disk_leaves_the_old_report(study, monkeypatch) -> None:
    from modicum.cli import report_file as paper

    (study / "report.html").write_text("of an earlier run")
    page = (study / "report.html").read_bytes()

    def full(verdicts, store, plan, path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paper, "write_report", full)
    said = modicum("report", study)
    assert said.code == 0
    assert "is as it was (No space left on device)" in said.err
    assert (study / "report.html").read_bytes() == page
    assert not list(study.glob(".report*"))


def test_full_disk_while_writing_a_trial_is_told(tmp_path, monkeypatch) -> None:
    from modicum.store.database import Store

    def full(self, outcome) -> None:
        from modicum.store.opening import damage_told

        with damage_told(self.folder, is_writing=True):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error

    monkeypatch.setattr(Store, "write", full)
    said = modicum("run", *SMALL, "--out", tmp_path)
    assert said.code == BROKEN
    assert "database or disk is full" in said.err
    assert "free or repair the disk" in said.err


# Pipes and encodings


def test_reader_that_goes_early_is_no_error(whole) -> None:
    said = _shell(f"set -o pipefail; M show {whole} --all --limit 900 2>&1 | head -1")
    assert said.returncode == 0
    assert said.stderr == b""


def test_reader_of_both_outputs_of_a_run_may_go(tmp_path) -> None:
    options = " ".join(map(str, SMALL))
    said = _shell(f"set -o pipefail; M run {options} --out {tmp_path}/s 2>&1 | head -1")
    assert said.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_output_is_told(whole) -> None:
    said = _shell(f"M show {whole} > /dev/full")
    assert said.returncode == BROKEN
    assert b"No space left on device" in said.stderr
    assert b"Traceback" not in said.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "cp037"])
def test_any_encoding_prints(encoding: str, whole) -> None:
    options = " ".join(map(str, SMALL))
    said = _shell(f"M run {options} --out {whole}", PYTHONIOENCODING=encoding)
    assert said.returncode == 0, said.stderr
    assert "Report".encode(encoding) in said.stdout


@pytest.mark.parametrize("line", ["M list >&-", "M list <&-", "M report nowhere 2>&-"])
def test_closed_streams_are_no_fault(line: str) -> None:
    said = _shell(line)
    assert said.returncode in (0, WRONG_USE)
    assert b"Traceback" not in said.stderr


# Our own faults


def test_unexpected_error_is_a_sentence(monkeypatch, tmp_path) -> None:
    from modicum.cli import main

    def fails(arguments) -> int:
        raise KeyError("what")

    monkeypatch.setattr(main, "_command", fails)
    said = modicum("list")
    assert said.code == FAULT
    assert "an unexpected KeyError: 'what'" in said.err
    assert "Traceback" not in said.err
    monkeypatch.setenv(main.TRACEBACK, "1")
    assert "Traceback" in modicum("list").err


def test_docs_name_the_exit_codes() -> None:
    text = (ROOT / "docs" / "exit_codes.md").read_text(encoding="utf-8")
    named = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert named == {0, FAILED, WRONG_USE, BROKEN, FAULT, INTERRUPTED}


# One driver a folder


def test_second_run_says_who_is_there_and_leaves(study) -> None:
    held = os.open(study, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    said = modicum("run", *SMALL, "--out", study, "--no-wait")
    os.close(held)
    assert said.code == WRONG_USE
    assert f"another run at work in {study} (process " in said.err


def test_second_run_waits_and_finds_everything_done(study) -> None:
    held = os.open(study, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Thread(target=lambda: (time.sleep(0.6), os.close(held))).start()
    said = modicum("run", *SMALL, "--out", study)
    assert said.code == 0
    assert "waiting until it has ended" in said.err
    assert "10 trials, 10 done" in said.err


def test_lock_goes_with_its_process(study) -> None:
    assert modicum("run", *SMALL, "--out", study).code == 0
    assert modicum("run", *SMALL, "--out", study, "--no-wait").code == 0


def test_finished_run_leaves_no_log_and_no_lock(study) -> None:
    assert modicum("run", *SMALL, "--out", study).code == 0
    assert {path.name for path in study.iterdir()} == {"study.sqlite", "report.html", "artefacts"}
