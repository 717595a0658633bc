"""Imports inside functions are for heavy libraries; our own modules stand at the top."""

import ast

import pytest

from tests.support.sources import PACKAGE, files, functions, short


def _imported(node: ast.AST) -> list[str]:
    """Modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or "."] if isinstance(node, ast.ImportFrom) else []


def _inner(path) -> list[str]:
    """Every import inside a function of a file, as `function: module`."""
    return [
        f"{name}: {module}"
        for name, function in functions(path)
        for node in ast.walk(function)
        for module in _imported(node)
    ]


@pytest.mark.parametrize("path", files("src"), ids=short)
def test_inner_imports_name_third_parties_only(path) -> None:
    own = [line for line in _inner(path) if line.rpartition(": ")[2].startswith(("modicum", "."))]
    assert not own


def test_the_reader_of_inner_imports_sees_one() -> None:
    assert any("reasoning_gym" in line for line in _inner(PACKAGE / "tasks" / "gym.py"))
