"""`modicum runs`: the studies of a folder at one look, from what they have kept."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import modicum

SIZES = (
    "--test", 8, "--selection", 4, "--samples", 4, "--methods", "self_consistency", "--no-check",
    "--task", "sums", "--workers", 1,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two studies, one of which holds two sizes, beside a file that is none."""
    root = tmp_path_factory.mktemp("runs")
    for name, more in (
        ("a", ("--model", "scripted:shown")),
        ("b", ("--model", "scripted:latent")),
        ("b", ("--model", "scripted:latent", "--test", 6)),
    ):
        assert modicum("run", *SIZES, *more, "--out", root / name).code == 0
    (root / "c").mkdir()
    (root / "c" / "study.sqlite").write_bytes(b"no database, but long enough to be one" * 40)
    return root


def _studies(folder: Path) -> dict[str, dict]:
    said = modicum("runs", folder, "--json")
    assert said.code == 0
    return {Path(study["folder"]).name: study for study in json.loads(said.out)["studies"]}


def test_each_study_is_listed_with_its_verdicts(folder) -> None:
    found = _studies(folder)
    assert sorted(found) == ["a", "b", "c"]
    [shown] = found["a"]["subjects"]
    assert (shown["task"], shown["model"], shown["ability"]) == ("sums", "scripted:shown", "shown")
    assert 0 <= shown["floor"] <= shown["best"] <= 1
    for name in ("floor", "best"):
        low, high = shown[f"{name}_interval"]
        assert low <= shown[name] <= high
    assert [one["variant"] for one in found["b"]["subjects"]] == ["test=6", "test=8"]
    assert found["b"]["trials"] == 16
    assert [found[name]["missing"] for name in "ab"] == [0, 0]
    assert "not a database" in found["c"]["error"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_list_fits_the_terminal(folder, monkeypatch, width) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("COLUMNS", str(width))
    text = modicum("runs", folder.name).out
    assert max(map(len, text.splitlines())) <= width
    assert "SHOWN" in text
    figures = [line for line in text.splitlines() if "%" in line and "95 %]" not in line]
    assert len(figures) == 3
    assert all(re.search(r"\d % \[\d+, \d+\]", line) for line in figures)
    assert not any(re.search(r"\d %(?! \[)", line) for line in figures)
    assert text.count("complete") == 2


def test_study_that_was_cut_short_says_how_much_is_missing(folder, tmp_path) -> None:
    shutil.copytree(folder / "a", tmp_path / "a")
    with sqlite3.connect(tmp_path / "a" / "study.sqlite") as db:
        db.execute("DELETE FROM trials WHERE rowid > 3")
        db.execute("DELETE FROM meta WHERE key='kept verdicts'")
    study = _studies(tmp_path)["a"]
    assert (study["trials"], study["missing"]) == (8, 5)
    assert study["subjects"][0]["ability"] == ""
    text = modicum("runs", tmp_path).out
    assert "3 of 8 trials" in text
    assert "no verdict" in text


def test_single_study_and_an_empty_folder_are_listed_too(folder, tmp_path) -> None:
    assert list(_studies(folder / "a")) == ["a"]
    assert modicum("runs", tmp_path).out == f"no study in {tmp_path}\n"
    said = modicum("runs", tmp_path / "none")
    assert said.code == 2
    assert "no folder" in said.err


def test_listing_loads_no_torch(folder) -> None:
    code = (
        "import sys\nfrom modicum.cli.main import main\n"
        f"try:\n    main(['runs', {str(folder)!r}])\nexcept SystemExit:\n    pass\n"
        "print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"


def test_list_changes_nothing(folder) -> None:
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}
    modicum("runs", folder)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")} == before
