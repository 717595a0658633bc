"""What `make check` and CI run, and in what order."""

import os
import re
import stat
import subprocess

import pytest

from tests.support.sources import CHECKED, ROOT

CI = ROOT / ".ci" / "run"


def _commands(target: str) -> list[str]:
    """What make would run for a target, its set-up done, whoever runs this test."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-n", "-o", ".venv/.ready", target],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_check_runs_form_lint_types_and_floors_over_all_code() -> None:
    form, lint, types, floors = [line.removeprefix(".venv/bin/") for line in _commands("check")]
    assert form.startswith("ruff format --check ")
    assert lint.startswith("ruff check ")
    for line in (form, lint):
        assert set(CHECKED) <= set(line.split())
    assert (types, floors) == ("mypy", "lint-imports")


def test_ci_checks_first_and_closes_with_the_tests() -> None:
    lines = [
        line.partition(" #")[0].strip() for line in CI.read_text(encoding="utf-8").splitlines()
    ]
    commands = [line for line in lines if line.startswith("make ")]
    assert commands == ["make check", "make test"]
    assert [line for line in lines if line][-1] == "make test"
    assert "set -euo pipefail" in lines
    assert CI.stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("broken", ["check", "test"])
def test_ci_fails_where_a_part_fails(broken: str, tmp_path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"make": f'[ "$1" != {broken} ]', "chromium": ":"}.items():
        (folder / name).write_text(f"#!/bin/sh\necho {name} $1\n{text}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [CI], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert re.findall("make .*", done.stdout)[-1] == f"make {broken}"
