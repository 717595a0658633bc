"""Shapes in signatures are checked whenever tests run, and nowhere else."""

import ast
import dataclasses
import importlib
import inspect

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from modicum.nets.sparse import keep_largest
from modicum.nudge.dose import divergences
from modicum.nudge.steering import Direction
from modicum.sampling.draw import branches
from modicum.training.policy import advantages
from modicum.training.scoring import Scores
from tests.support.shapes import check_shapes, checked, has_shape, shape_names
from tests.support.sources import files, module_name, short, tree

NAMES = shape_names()
KINDS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _with_shapes(module: ast.Module) -> list[str]:
    """Functions and classes at the top of a file that name shapes, and methods `Class.name`."""
    top = [node for node in module.body if isinstance(node, KINDS)]
    inner = [
        (f"{owner.name}.", node)
        for owner in top
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, KINDS)
    ]
    both = [*(("", node) for node in top), *inner]
    return [f"{owner}{node.name}" for owner, node in both if has_shape(node, NAMES)]


SHAPED = {path: names for path in files("src") if (names := _with_shapes(tree(path)))}


def _is_checked(module, name: str) -> bool:
    """Say whether a function, a method or a dataclass's `__init__` is wrapped."""
    found = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    if inspect.isclass(found):
        found = found.__init__ if dataclasses.is_dataclass(found) else found.__new__
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__func__", found)
    return inspect.unwrap(found) is not found


def test_shapes_stand_in_all_that_computes() -> None:
    packages = {short(path).split("/")[2] for path in SHAPED}
    assert packages >= {"nets", "sampling", "nudge", "training", "methods"}
    assert {"Float", "Int", "Bool", "Columns", "Logits"} <= NAMES


@pytest.mark.parametrize("path", SHAPED, ids=short)
def test_every_signature_with_a_shape_is_checked(path) -> None:
    module = importlib.import_module(module_name(path))
    assert not [name for name in SHAPED[path] if not _is_checked(module, name)]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: keep_largest(torch.zeros(3), 1),
        lambda: divergences(torch.zeros(2, 3), torch.zeros(2, 4)),
        lambda: advantages(torch.zeros(2, 3, dtype=torch.long)),
        lambda: branches(torch.zeros(2, 3, 4), torch.zeros(2).long().numpy(), 2),
        lambda: Direction(0, torch.zeros(2, 2)),
        lambda: Scores(torch.zeros(2, 3), torch.zeros(3, 2)),
    ],
    ids=["rank", "sizes that differ", "kind of number", "beside others", "a field", "two fields"],
)
def test_a_wrong_shape_is_caught(wrong) -> None:
    with pytest.raises(TypeCheckError):
        wrong()


def test_a_wrong_shape_that_is_given_back_is_caught() -> None:
    @checked
    def halved(rows: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        return rows[:, ::2]

    with pytest.raises(TypeCheckError):
        halved(torch.zeros(2, 4))


def test_the_hook_refuses_to_come_too_late() -> None:
    with pytest.raises(RuntimeError, match=r"modicum\.nudge\.dose"):
        check_shapes()


@pytest.mark.parametrize("path", files("src", "benchmarks", "examples"), ids=short)
def test_nothing_outside_the_tests_pays_for_checks(path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [word for word in ("beartype", "jaxtyped", "install_import_hook") if word in text]
