"""The threat model names a test in every line, and each of them is there."""

import ast
import re
from functools import lru_cache

import pytest

from tests.support.sources import ROOT

PAGE = ROOT / "docs" / "threat_model.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
SECTIONS = ("model", "export", "task", "study file", "folder", "server", "texts", "marker")


def _rows() -> list[tuple[str, str]]:
    """Every line of the tables below its heading, without heads and rules."""
    found, heading = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        heading = line if line.startswith("## ") else heading
        is_row = line.startswith("|") and "held by" not in line
        if is_row and not re.fullmatch(r"[|-]+", line):
            found.append((heading, line))
    return found


@lru_cache
def _tests(path: str) -> frozenset[str]:
    """The tests that a file defines."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


@pytest.mark.parametrize(("heading", "line"), _rows(), ids=lambda text: text[:60])
def test_line_says_what_may_be_and_names_tests_that_exist(heading: str, line: str) -> None:
    _, kind, what, tests, _ = (cell.strip() for cell in line.split("|"))
    assert kind in ("may", "may not")
    assert what
    named = NAMED.findall(tests)
    assert named
    assert NAMED.sub("", tests).strip(", ") == ""
    assert not [f"{path}::{name}" for path, name in named if name not in _tests(path)]


def test_every_kind_of_stranger_has_its_lines() -> None:
    headings = [heading.lower() for heading, _ in _rows()]
    for section in SECTIONS:
        assert sum(section in heading for heading in headings) >= 4, section


def test_no_line_stands_twice() -> None:
    said = [(heading, line.split("|")[2]) for heading, line in _rows()]
    assert len(said) == len(set(said))
