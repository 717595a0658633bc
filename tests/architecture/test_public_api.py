"""`__all__` is sorted, equals the public names, and each is documented."""

import ast
import importlib
import re

import pytest

from tests.support.sources import PACKAGE, files, module_name, short, tree

Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _exported(path) -> list[str] | None:
    """The names in a file's `__all__`, or None where there is none."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def _public(path) -> list[str]:
    """Classes and functions at the top of a file whose names begin without underscore."""
    return [
        node.name
        for node in tree(path).body
        if isinstance(node, Named) and not node.name.startswith("_")
    ]


def _order(name: str) -> tuple[int, list[object]]:
    """Sort as ruff's RUF022 does: CONSTANTS, Classes, then the rest."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


MODULES = [path for path in files("src") if path.stem not in {"__main__"}]


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_all_is_sorted(path) -> None:
    names = _exported(path) or []
    assert names == sorted(names, key=_order)


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_public_classes_and_functions_stand_in_all(path) -> None:
    assert set(_public(path)) <= set(_exported(path) or [])


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_public_names_are_documented(path) -> None:
    bare = [
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, Named)
        and node.name in (_exported(path) or [])
        and not ast.get_docstring(node)
    ]
    assert not bare


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_module_says_what_it_is_in_one_line(path) -> None:
    first = (ast.get_docstring(tree(path)) or "").partition("\n")[0]
    assert first
    assert len(first) <= 110


@pytest.mark.parametrize("name", importlib.import_module("modicum").__all__)
def test_name_of_the_package_is_there_and_documented(name: str) -> None:
    found = getattr(importlib.import_module("modicum"), name)
    assert isinstance(found, str) or found.__doc__


def test_unknown_name_of_the_package_is_an_attribute_error() -> None:
    modicum = importlib.import_module("modicum")
    with pytest.raises(AttributeError, match="no attribute 'Studdy'"):
        modicum.Studdy  # noqa: B018


def test_every_module_can_be_named() -> None:
    assert "modicum.store.database" in {module_name(path) for path in files("src")}
    assert (PACKAGE / "py.typed").exists()
