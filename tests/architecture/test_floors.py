"""Imports go down only, as the contracts in pyproject.toml say."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.floors import PAGE, floors, written
from tests.support.sources import PACKAGE, ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]
NAMES = [contract["name"] for contract in SETTINGS["contracts"]]
LINT = "from importlinter.cli import lint_imports_command as lint; lint()"


PLANTED = {
    "Floors: imports go down only": ("modicum.exporting.handoff", "modicum.cli.columns"),
    "A plug-in never imports another plug-in": (
        "modicum.methods.plain",
        "modicum.methods.few_shot",
    ),
    "No cycles": ("modicum.exporting.handoff", "modicum.cli.columns"),
    "Torch stays below: results are read on any laptop": ("modicum.stats.figure", "torch"),
    "The command line names no torch itself": ("modicum.cli.columns", "torch"),
    "Only the command line reaches the report": ("modicum.doctor.costs", "modicum.report.words"),
    "A method never sees the task": ("modicum.methods.rlvr", "modicum.tasks.sums"),
}
"""An import that breaks each contract: where it is planted, and what it names."""


def _lint(root: Path) -> str:
    """What import-linter prints of a repository: its own `pyproject.toml` and `src`."""
    path = os.pathsep.join([str(root / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def said() -> str:
    return _lint(ROOT)


@pytest.mark.parametrize("name", NAMES)
def test_contract_is_kept(name: str, said: str) -> None:
    # what is broken, with file and line, stands in the assertion's message
    assert f"{name} KEPT" in said, said.partition("Broken contracts")[2] or said


def test_every_module_has_chosen_its_floor() -> None:
    floors = SETTINGS["contracts"][0]["layers"]
    named = {name.strip() for floor in floors for name in floor.split("|")}
    exist = {p.stem for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    exist |= {p.stem for p in PACKAGE.glob("*.py") if p.stem != "__init__"}
    assert exist == named


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the package with its contracts, into which imports are planted."""
    root = tmp_path_factory.mktemp("planted")
    kept = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(PACKAGE, root / "src" / "modicum", ignore=kept)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_import_breaks_its_contract(name: str, copy: Path) -> None:
    importer, imported = PLANTED[name]
    path = copy.joinpath("src", *importer.split(".")).with_suffix(".py")
    plain = path.read_text(encoding="utf-8")
    path.write_text(f"{plain}\nimport {imported}\n", encoding="utf-8")
    said = _lint(copy)
    path.write_text(plain, encoding="utf-8")
    assert f"{name} BROKEN" in said
    assert imported.removeprefix("modicum.") in said.partition("Broken contracts")[2]


def test_the_page_names_the_floors_of_the_contract() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "run python -m tests.support.floors"
    assert floors() in page


def test_the_page_stays_short() -> None:
    text = PAGE.read_text(encoding="utf-8").replace(floors(), "")
    prose = text.partition("## Dependencies")[0]
    assert len(re.findall(r"\w+", prose)) < 1100
