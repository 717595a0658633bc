"""A method reaches the task through the judge's door and nowhere else."""

import ast

import pytest

from tests.support.sources import PACKAGE, tree

DOOR = {"mark", "read", "critique", "sheet", "stated", "style", "styles"}
"""What a method may use of its judge."""


def _is_judge(node: ast.expr) -> bool:
    """Says whether an expression is `judge` or `self.judge`."""
    name = getattr(node, "id", None) or getattr(node, "attr", None)
    return name == "judge"


def _used(path) -> set[str]:
    """Attributes of the judge that a file uses."""
    return {
        node.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and _is_judge(node.value)
    }


METHODS = sorted((PACKAGE / "methods").glob("[!_]*.py"))


@pytest.mark.parametrize("path", METHODS, ids=lambda p: p.stem)
def test_method_uses_the_door_only(path) -> None:
    assert _used(path) <= DOOR


def test_the_reader_of_methods_sees_the_door_used() -> None:
    assert {"sheet", "style"} <= set().union(*map(_used, METHODS))
