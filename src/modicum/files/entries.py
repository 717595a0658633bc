"""Which plug-ins there are: files and entry points, read and never run, whatever is wrong with them."""

import ast
import contextlib
import dataclasses
import functools
import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modicum.errors import ConfigError
from modicum.files.sources import folder_hash

__all__ = ["Entry", "foreign_in", "found_in", "left_out", "source_hash", "stated_in"]


@dataclass(frozen=True)
class Entry:
    """One plug-in, known without importing it."""

    name: str
    """File name without `.py`: what users type."""
    module: str
    """Import path of the module."""
    summary: str
    """First line of the module's docstring; what is wrong with it where something is."""
    stated: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """What the file's classes state of themselves: class variables that are plain constants, tables
    of them or calls with them, and members of an enum by their names."""
    package: str = ""
    """The package that adds it; empty where it is modicum's own."""
    release: str = ""
    """That package's version."""
    file: Path | None = None
    """The module's file; None where it cannot be found."""
    fault: str = ""
    """Why it cannot be used, with the file and the line; empty where it can."""


def found_in(kind: str) -> dict[str, Entry]:
    """Return every plug-in of a folder of modicum and its group of entry points by name.

    A broken one is among them with its fault: it breaks no other.

    Args:
        kind: Plural folder below the package, such as `methods` or `cli.verbs`.
    """
    return {**foreign_in(kind), **_own(kind)}


def foreign_in(kind: str) -> dict[str, Entry]:
    """Return the plug-ins of other packages by name; those with the name of an own one are none."""
    named: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for point in _points(kind, tuple(sys.path)):
        named.setdefault(point.name, []).append(point)
    own = _own_names(kind)
    return {n: _one_of(points) for n, points in sorted(named.items()) if n not in own}


def left_out(kind: str) -> list[str]:
    """Say which plug-ins of other packages are not used: those that bear the name of an own one."""
    own = _own_names(kind)
    return [
        f"{kind.removesuffix('s')} {point.name} of the package {_package(point)} is left out: "
        "modicum has one of that name"
        for point in _points(kind, tuple(sys.path))
        if point.name in own
    ]


def source_hash(entry: Entry) -> str:
    """Return a hash of the code behind another package's plug-in: all Python files of the package.

    16 hexadecimal digits; empty for own plug-ins, and where no file is found. Of a package of too
    many files the plug-in's own file alone counts.
    """
    if not entry.package or entry.file is None:
        return ""
    depth = len(entry.module.split(".")) - (entry.file.stem != "__init__")
    root = entry.file.parents[max(0, depth - 1)] if depth else entry.file.parent
    try:
        files = [entry.file] if not depth else [f for f in root.rglob("*.py") if f.is_file()]
        return folder_hash(files, root)
    except (ConfigError, OSError):
        return folder_hash([entry.file], root)


def stated_in(tree: ast.Module) -> dict[str, object]:
    """Read `light: ClassVar[bool] = True`, `needs: ClassVar[Needs] = Needs(access=Access.TEXT)`.

    Fields of the type `File` stand under `files`.
    """
    found: dict[str, object] = {}
    files: list[str] = []
    for statement in (s for node in tree.body if isinstance(node, ast.ClassDef) for s in node.body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if "ClassVar" not in ast.unparse(statement.annotation):
            files += [statement.target.id] * (ast.unparse(statement.annotation) == "File")
            continue
        if isinstance(statement.value, ast.Constant):
            found[statement.target.id] = statement.value.value
        elif isinstance(statement.value, ast.Attribute):
            found[statement.target.id] = statement.value.attr
        elif isinstance(statement.value, ast.Dict):
            with contextlib.suppress(ValueError):  # a table of more than constants
                found[statement.target.id] = ast.literal_eval(statement.value)
        elif isinstance(statement.value, ast.Call):
            found[statement.target.id] = _called_with(statement.value)
    return {**found, "files": tuple(files)} if files else found


def _called_with(call: ast.Call) -> dict[str, object]:
    """Return the constants that a call names, and members of an enum by their names."""
    return {
        word.arg: word.value.value if isinstance(word.value, ast.Constant) else word.value.attr
        for word in call.keywords
        if word.arg and isinstance(word.value, ast.Constant | ast.Attribute)
    }


def _own(kind: str) -> dict[str, Entry]:
    return {
        name: _read(Entry(name, f"modicum.{kind}.{name}", "", file=path))
        for name, path in _own_names(kind).items()
    }


def _own_names(kind: str) -> dict[str, Path]:
    folder = Path(__file__).parent.parent.joinpath(*kind.split("."))
    return {path.stem: path for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"}


@functools.lru_cache(maxsize=64)
def _points(kind: str, path: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Return the entry points of a kind; packages whose own record is broken are passed over."""
    del path  # a part of the key alone: where packages are looked for
    group = f"modicum.{kind}"
    try:
        return tuple(importlib.metadata.entry_points(group=group))
    except Exception:  # noqa: BLE001 - one broken record must not hide the others
        return tuple(p for one in importlib.metadata.distributions() for p in _of(one, group))


def _of(one: importlib.metadata.Distribution, group: str) -> list[importlib.metadata.EntryPoint]:
    try:
        return [point for point in one.entry_points if point.group == group]
    except Exception:  # noqa: BLE001 - this is the broken one
        return []


def _one_of(points: list[importlib.metadata.EntryPoint]) -> Entry:
    """Return the entry of a name, which two packages must not share."""
    entry = _foreign(points[0])
    packages = sorted(set(map(_package, points)))
    if len(points) == 1:
        return entry
    return _faulty(entry, f"{' and '.join(packages)} both add a plug-in of this name; keep one")


def _foreign(point: importlib.metadata.EntryPoint) -> Entry:
    """Return the entry of another package's plug-in."""
    bare = Entry(point.name, "", "", package=_package(point), release=_release(point))
    try:
        module = point.module
        file = _file(module)
    except Exception as error:  # noqa: BLE001 - a record may say anything, and so may a finder
        return _faulty(bare, f"entry point {point.value!r} of {bare.package}: {error}")
    bare = dataclasses.replace(bare, module=module, file=file)
    if file is None:
        return _faulty(bare, f"{bare.package} names the module {module}, which cannot be found")
    return _read(bare)


def _read(bare: Entry) -> Entry:
    """Complete an entry with what its file says, or with what is wrong with it."""
    try:
        tree = ast.parse((bare.file or Path()).read_bytes())
        summary = (ast.get_docstring(tree) or "").partition("\n")[0]
        return dataclasses.replace(bare, summary=summary, stated=stated_in(tree))
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        return _faulty(bare, f"{bare.file}{line}: {error.msg}")
    except OSError as error:
        return _faulty(bare, f"{bare.file}: {error.strerror}")
    except (ValueError, RecursionError, MemoryError) as error:
        return _faulty(bare, f"{bare.file}: {error or type(error).__name__}")


def _faulty(entry: Entry, fault: str) -> Entry:
    return dataclasses.replace(entry, summary=f"(broken: {fault})", fault=fault)


def _package(point: importlib.metadata.EntryPoint) -> str:
    """Name the package that an entry point comes from."""
    try:
        return str(point.dist.name) if point.dist is not None else point.value.partition(".")[0]
    except Exception:  # noqa: BLE001 - a record without a name
        return point.value.partition(".")[0]


def _release(point: importlib.metadata.EntryPoint) -> str:
    try:
        return str(point.dist.version) if point.dist is not None else ""
    except Exception:  # noqa: BLE001 - a record without a version
        return ""


def _file(module: str) -> Path | None:
    """Find the file of a module without running its package."""
    top, *below = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not below:
        path = Path(spec.origin) if spec.origin else None
        return path if path is not None and path.is_file() else None
    for folder in spec.submodule_search_locations or ():
        place = Path(folder).joinpath(*below)
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return None
