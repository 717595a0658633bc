"""Rooms: few modules at the root, few folders, plug-in folders with plug-ins alone, no public class twice."""

import ast
from collections import defaultdict

from modicum.catalog import KINDS
from tests.support.sources import PACKAGE, files, tree

MOST_AT_ROOT = 26
MOST_FOLDERS = (
    33  # with `puzzles`, whose rules both tasks and nets stand on, and `corpora`, of text nets
)
TWICE = {"Reading": "an answer's reading travels with exports, whose files must stay as they are"}
"""Public classes of one name, and why; none may come."""


def test_the_root_holds_few_modules() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_AT_ROOT


def test_there_are_few_folders_of_code() -> None:
    assert len(list(PACKAGE.rglob("*/__init__.py"))) <= MOST_FOLDERS


def test_no_module_has_a_shy_name() -> None:
    shy = [path.name for path in files("src") if path.name[0] == "_" and path.name[1] != "_"]
    assert shy == []


def test_plugin_folders_hold_plugins_alone() -> None:
    """Each file of such a folder defines a class; what they share stands elsewhere."""
    for kind in KINDS:
        for path in (PACKAGE / kind).glob("*.py"):
            classes = [node for node in tree(path).body if isinstance(node, ast.ClassDef)]
            assert path.stem == "__init__" or classes, path


def test_no_public_class_has_the_name_of_another() -> None:
    found = defaultdict(set)
    for path in files("src"):
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(path)
    assert {name for name, places in found.items() if len(places) > 1} == set(TWICE)
