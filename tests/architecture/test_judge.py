"""A method reaches the task through the judge's door, and no folder but those of its bench."""

import ast
import dataclasses
import re

import pytest

from modicum.marking.judge import Judge
from tests.support.sources import PACKAGE, method_files, plugin_files, short, tree

DOOR = {
    *("mark", "read", "stated", "golds", "in_style"),  # calls, counted where they mark
    *("sheet", "style", "styles"),  # what may be known
}
"""What may be used of a judge, as `Judge` says."""
FOLDERS = {"scratch", "folder", "own"}
"""Folders of a bench and its shelf, which end at themselves: nothing above them is the method's."""
OUT = {"parent", "parents", "parts", "resolve", "absolute"}
"""Attributes of a path that lead out of it."""
WHOLE = {"getattr", "vars", "asdict", "replace", "dir", "attrgetter", "setattr", "astuple"}
"""What takes a judge apart, or makes another one, without naming an attribute."""


def _named(node: ast.AST) -> str:
    """The last name of an expression: `judge` of `self.judge`."""
    return getattr(node, "id", "") or getattr(node, "attr", "") or getattr(node, "arg", "")


def _standing_for(kind: str, module: ast.Module) -> set[str]:
    """Names of a judge or a bench in a file: by name, by annotation, by assignment from one."""
    found = {kind.lower()}
    for node in ast.walk(module):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            target = node if isinstance(node, ast.arg) else node.target
            if re.search(rf"\b{kind}\b", ast.unparse(node.annotation)):
                found.add(_named(target))
    while True:
        more = {
            _named(target)
            for node in ast.walk(module)
            if isinstance(node, ast.Assign) and _named(node.value) in found
            for target in node.targets
        }
        if more <= found:
            return found
        found |= more


def _holds_folder(node: ast.AST) -> bool:
    """Say whether an expression is a bench's folder, or made of one."""
    return any(isinstance(n, ast.Attribute) and n.attr in FOLDERS for n in ast.walk(node))


def uses(module: ast.Module) -> set[str]:
    """What a file uses of its judge: names of attributes, `name()` for what takes it whole.

    Whatever names `_task` counts, whoever it is asked of, as an attribute or as a text.
    """
    judges, found = _standing_for("Judge", module), set()
    whole = judges | _standing_for("Bench", module)
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            if _named(node.value) in judges or node.attr == "_task":
                found.add(node.attr)
            if node.attr in OUT and _holds_folder(node.value):
                found.add(f"folder.{node.attr}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {"_task"} & set(node.value.split("."))
        elif isinstance(node, ast.Call) and _named(node.func) in WHOLE:
            given = [*node.args, *(word.value for word in node.keywords)]
            if any(_named(value) in whole for value in given):
                found.add(f"{_named(node.func)}()")
    return found


METHODS = method_files()
BENCH = PACKAGE / "bench.py"

PLANTED = {
    "reads the task": ("judge._task.problems('test', 9)", "_task"),
    "reads it as a field's": ("self.judge._task", "_task"),
    "under another name": ("door = judge\nhidden = door\nhidden._task", "_task"),
    "by an annotation": ("def f(door: Judge): return door.ledger", "ledger"),
    "by a field's annotation": ("class Run:\n    court: 'Judge'\nself.court.shots", "shots"),
    "by a text": ("getattr(run.court, '_task')", "_task"),
    "as a dictionary": ("judge.__dict__['x']", "__dict__"),
    "taken apart": ("vars(judge)", "vars()"),
    "made anew": ("replace(judge, shots=more)", "replace()"),
    "makes another bench": ("replace(bench, judge=more)", "replace()"),
    "takes a bench apart": ("def f(place: Bench[Model]): return vars(place)", "vars()"),
    "climbs": ("(bench.scratch / 'x').parent", "folder.parent"),
    "climbs from what is shared": ("self.bench.shelf.folder.parents[1]", "folder.parents"),
}


@pytest.mark.parametrize("path", METHODS, ids=short)
def test_method_uses_the_door_only(path) -> None:
    assert uses(tree(path)) <= DOOR


def test_files_that_methods_share_are_looked_at() -> None:
    assert PACKAGE / "training" / "dictionary.py" in METHODS
    assert {path for path in METHODS if path.parent.name == "methods"} == set(
        plugin_files("methods")
    )


def test_the_bench_adds_shots_and_ledger_alone() -> None:
    assert uses(tree(BENCH)) - DOOR == {"shots", "ledger"}


def test_the_door_is_what_the_judge_has_and_says() -> None:
    fields = {field.name for field in dataclasses.fields(Judge)}
    assert {name for name in fields | set(vars(Judge)) if not name.startswith("_")} >= DOOR
    said = Judge.__doc__ or ""
    assert not [name for name in DOOR if f"`{name}`" not in said]


def test_every_part_of_the_door_is_used() -> None:
    assert set().union(*(uses(tree(path)) for path in [*METHODS, BENCH])) >= DOOR


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_way_past_the_door_is_seen(name: str) -> None:
    text, wanted = PLANTED[name]
    assert wanted in uses(ast.parse(text)) - DOOR
