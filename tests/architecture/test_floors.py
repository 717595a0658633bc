"""Imports go down only, as the contracts in pyproject.toml say."""

import os
import subprocess
import sys
import tomllib

import pytest

from tests.support.sources import PACKAGE, ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]
NAMES = [contract["name"] for contract in SETTINGS["contracts"]]
LINT = "from importlinter.cli import lint_imports_command as lint; lint()"


def _lint(*options: str) -> str:
    """What import-linter prints."""
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo", *options],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def said() -> str:
    return _lint()


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


def test_a_planted_import_breaks_its_contract(tmp_path) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    # the other way round, `errors` stands at the top: everything that raises breaks the floors
    planted = text.replace('"__main__",\n', '"errors",\n').replace(
        '    "errors",\n    "secrecy",', '"__main__",\n    "secrecy",'
    )
    path = tmp_path / "planted.toml"
    path.write_text(planted[planted.index("[tool.importlinter]") :], encoding="utf-8")
    assert f"{NAMES[0]} BROKEN" in _lint("--config", str(path))
