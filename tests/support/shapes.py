"""Checks the shapes in signatures where tests run: an import hook for what names shapes, and no more.

jaxtyping's own hook wraps every function of a package, which doubled the seconds of the tests that
sample and train, nearly all of them for functions without a shape. Here a function is wrapped where
its signature names one, and a dataclass where one of its fields does.
"""

import ast
import importlib.machinery
import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import CodeType, ModuleType
from typing import Any

from beartype import BeartypeConf, beartype
from jaxtyping import jaxtyped

from tests.support.sources import Function, files, tree

_NAME = "__checked__"
_check = jaxtyped(typechecker=beartype(conf=BeartypeConf(is_pep484_tower=True)))
"""An int may stand for a float, as everywhere in typing."""


def checked(thing: Any) -> Any:
    """Return a function, a dataclass or a named tuple with its shapes checked."""
    if isinstance(thing, type) and issubclass(thing, tuple):
        # it takes its fields there, and has their annotations
        thing.__new__ = _check(thing.__new__)
        return thing
    return _check(thing)


def _named(node: ast.AST | None) -> set[str]:
    """Name in an expression."""
    if node is None:
        return set()
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def shape_names() -> frozenset[str]:
    """What shapes are written with: what files take from jaxtyping, and names made of that."""
    found: set[str] = set()
    modules = [tree(path) for path in files("src") if "jaxtyping" in path.read_text("utf-8")]
    for node in [node for module in modules for node in module.body]:
        if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping":
            found |= {alias.asname or alias.name for alias in node.names}
    for node in [node for module in modules for node in module.body]:
        if isinstance(node, ast.Assign) and _named(node.value) & found:
            found |= {name for target in node.targets for name in _named(target)}
    return frozenset(found)


def has_shape(node: Function | ast.ClassDef, names: frozenset[str]) -> bool:
    """Say whether a signature, or a field of a dataclass or named tuple, names a shape."""
    if isinstance(node, ast.ClassDef):
        kinds = set().union(*map(_named, [*node.decorator_list, *node.bases]))
        if not kinds & {"dataclass", "NamedTuple"}:
            return False
        fields = [part.annotation for part in node.body if isinstance(part, ast.AnnAssign)]
        return any(_named(field) & names for field in fields)
    given = node.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    annotations = [argument.annotation for argument in arguments if argument is not None]
    return any(_named(annotation) & names for annotation in (*annotations, node.returns))


class _Wrapping(ast.NodeTransformer):
    """Puts the check onto what names a shape."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node, Function | ast.ClassDef) and has_shape(node, self._names):
            check = ast.copy_location(ast.Name(_NAME, ast.Load()), node)
            # around `@dataclass`, but within `@staticmethod` and its like
            place = 0 if isinstance(node, ast.ClassDef) else len(node.decorator_list)
            node.decorator_list.insert(place, check)
        return node


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a file with its checks; nothing is cached, so that no one else finds them."""

    def __init__(self, fullname: str, path: str, names: frozenset[str]) -> None:
        super().__init__(fullname, path)
        self._names = names

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        module = _Wrapping(self._names).visit(ast.parse(self.get_data(path), path))
        return compile(ast.fix_missing_locations(module), path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[_NAME] = checked
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the package's files that may name a shape."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._any = re.compile(rf"\b({'|'.join(sorted(names))})\b".encode())

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("modicum."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        loader = spec.loader if spec is not None else None
        if spec is None or not isinstance(loader, importlib.machinery.SourceFileLoader):
            return spec
        if self._any.search(loader.get_data(loader.path)):
            spec.loader = _Loader(fullname, loader.path, self._names)
        return spec


def check_shapes() -> None:
    """Check the shapes of all that is imported from now on.

    Raises:
        RuntimeError: a part of the package is there already, and would go unchecked.
    """
    early = sorted(name for name in sys.modules if name.startswith("modicum."))
    if early:
        raise RuntimeError(f"imported before their shapes could be checked: {', '.join(early)}")
    sys.meta_path.insert(0, _Finder(shape_names()))
