"""The package's own source files, as trees."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
PACKAGE = ROOT / "src" / "modicum"
"""The package's folder."""
CHECKED = ("src", "tests", "examples", "benchmarks")
"""Folders whose files are read."""


def files(*folders: str) -> list[Path]:
    """Return every Python file below folders of the repository, in order."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "build" not in path.relative_to(ROOT).parts)


def plugin_files(folder: str) -> list[Path]:
    """Return every file of a folder of plug-ins, those with an underscore included, in order."""
    return sorted((PACKAGE / folder).rglob("*.py"))


def method_files() -> list[Path]:
    """Return the methods, and the files of training that are handed a bench or a judge: they elicit too."""
    shared = [
        path
        for path in plugin_files("training")
        if {"modicum.bench", "modicum.marking.judge"} & _imported(path)
    ]
    return [*plugin_files("methods"), *shared]


def _imported(path: Path) -> set[str]:
    nodes = ast.walk(tree(path))
    return {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def short(path: Path) -> str:
    """Return a path relative to the repository, with slashes."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """Return the import path of a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    """Parse a file, once."""
    return ast.parse(path.read_text(encoding="utf-8"))


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    """Yield every function of a file with a name such as `src/x.py::Class.method`."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{short(path)}::{prefix}{child.name}", child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(tree(path), "")
