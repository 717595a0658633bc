"""Every example in a docstring is run, by the same command as the tests."""

import doctest
import importlib
import re
import tomllib

import pytest

from tests.support.sources import CHECKED, PACKAGE, ROOT, files, module_name, short

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTEST = SETTINGS["tool"]["pytest"]["ini_options"]
PROMPT = re.compile(r"^\s*>>> ", re.MULTILINE)
SHOWN = {
    path: len(found)
    for path in files(*CHECKED)
    if (found := PROMPT.findall(path.read_text(encoding="utf-8")))
}
"""Files with examples, and how many lines of each begin one."""


def _recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    return found.group(1).strip().split("\n\t") if found else []


def test_the_suites_own_command_runs_doctests() -> None:
    assert "--doctest-modules" in PYTEST["addopts"].split()
    assert PYTEST["testpaths"] == ["tests", "src"]
    [command] = _recipe("test")
    # no path after the options: those of the settings
    assert command.endswith(" -m pytest -n 2 -q")


def test_examples_stand_where_they_are_collected() -> None:
    assert len(SHOWN) > 30
    assert not [short(path) for path in SHOWN if not path.is_relative_to(PACKAGE)]


@pytest.mark.parametrize("path", SHOWN, ids=short)
def test_every_example_of_a_file_is_found(path) -> None:
    module = importlib.import_module(module_name(path))
    found = [example for test in doctest.DocTestFinder().find(module) for example in test.examples]
    assert len(found) == SHOWN[path]


@pytest.mark.parametrize("path", SHOWN, ids=short)
def test_no_example_is_skipped(path) -> None:
    assert "+SKIP" not in path.read_text(encoding="utf-8")
