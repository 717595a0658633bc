"""What a Python file rests on: the files beside it that it imports, read and never run."""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from modicum.errors import ConfigError

__all__ = [
    "MOST_BYTES",
    "MOST_FILES",
    "folder_hash",
    "local_files",
    "local_hashes",
    "sources_stamp",
]

MOST_FILES = 2000
"""Files that one file may rest on, or a package may hold; more are refused, not left out."""
MOST_BYTES = 16 * 2**20
"""Bytes of the largest of them; code is a thousandth of that."""

_Stamp = tuple[str, int, int]


def local_files(path: Path) -> dict[str, Path]:
    """Return the file itself and every file beside and below it that its imports lead to.

    Found by the text alone: `import`, `from … import`, relative ones, and `import_module` and
    `__import__` of a plain name, anywhere in a file; packages with what their `__init__` imports.
    Names that are put together at run time are not found.

    Args:
        path: The file; where it is a link, what it points to counts, as it does when it runs.

    Returns:
        Files by their place below the file's folder, in order.

    Raises:
        ConfigError: more than `MOST_FILES`, or one of more than `MOST_BYTES`.
    """
    first = path.resolve()
    root = first.parent
    found: dict[str, Path] = {first.name: first}
    seen, waiting = {first}, [first]
    while waiting:
        file = waiting.pop()
        for place in _imported(file, root):
            real = place.resolve()
            if real in seen:
                continue
            seen.add(real)
            found[place.relative_to(root).as_posix()] = place
            waiting.append(place)
            if len(found) > MOST_FILES:
                raise ConfigError(
                    f"{path}: its imports lead to more than {MOST_FILES} files beside it",
                    "a file that rests on fewer",
                    "move it into a folder of its own, with what it needs",
                )
    return dict(sorted(found.items()))


def sources_stamp(path: Path) -> tuple[_Stamp, ...]:
    """Return what changes when the file, or one that it rests on, changes: names, times, sizes.

    Raises:
        ConfigError: as `local_files`.
    """
    return tuple((name, *_state(file)) for name, file in local_files(path).items())


def local_hashes(path: Path) -> dict[str, str]:
    """Return hashes of the files that a file rests on, without its own, by their places.

    Raises:
        ConfigError: as `local_files`.
    """
    own = path.resolve()
    files = {n: file for n, file in local_files(path).items() if file != own}
    return {name: hashlib.sha256(_read(file)).hexdigest() for name, file in files.items()}


def folder_hash(files: Iterable[Path], root: Path) -> str:
    """Return 16 hexadecimal digits for the texts of Python files and their places below a folder.

    Raises:
        ConfigError: more than `MOST_FILES`, or one of more than `MOST_BYTES`.
    """
    digest = hashlib.blake2b(digest_size=8)
    for number, file in enumerate(sorted(files)):
        if number >= MOST_FILES:
            raise ConfigError(
                f"more than {MOST_FILES} Python files in {root}", "fewer", "leave it out"
            )
        for part in (file.relative_to(root).as_posix().encode(), _read(file)):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _state(file: Path) -> tuple[int, int]:
    try:
        state = file.stat()
    except OSError:
        return 0, -1
    return state.st_mtime_ns, state.st_size


def _read(file: Path) -> bytes:
    """Read a file; nothing where there is none.

    Raises:
        ConfigError: it is larger than any code.
    """
    if _state(file)[1] > MOST_BYTES:
        raise ConfigError(
            f"{file}: larger than {MOST_BYTES >> 20} MB", "a file of code", "make it smaller"
        )
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _imported(file: Path, root: Path) -> Iterator[Path]:
    """Yield the files below a folder that a file's imports name."""
    for level, name in _names(file, _state(file)):
        base = root
        if level:
            if level > len(file.parents):
                continue
            base = file.parents[level - 1]
            if not base.is_relative_to(root):
                continue
        yield from _modules(base, [part for part in name.split(".") if part])


def _modules(base: Path, parts: list[str]) -> Iterator[Path]:
    """Yield the files that importing a dotted name below a folder would run, packages first."""
    folder = base
    if not parts and _is_code(folder / "__init__.py"):
        yield folder / "__init__.py"
    for part in parts:
        own, package = folder / f"{part}.py", folder / part / "__init__.py"
        yield from filter(_is_code, (package, own))
        folder = folder / part


def _is_code(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=4096)
def _names(file: Path, state: tuple[int, int]) -> tuple[tuple[int, str], ...]:
    """Return the imports of a file as (level, dotted name), once for each state of it."""
    del state  # a part of the key alone
    try:
        tree = ast.parse(_read(file))
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # it cannot run either
    found: dict[tuple[int, str], None] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(((0, alias.name), None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = f"{node.module}." if node.module else ""
            # what is named may be a module of the package, or something within it
            found.update(((node.level, f"{stem}{alias.name}"), None) for alias in node.names)
            found[node.level, node.module or ""] = None
        elif isinstance(node, ast.Call) and node.args and _is_importer(node.func):
            given = node.args[0]
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                level = len(given.value) - len(given.value.lstrip("."))
                found[level, given.value.lstrip(".")] = None
    return tuple(pair for pair in found if pair[0] or pair[1].split(".")[0] not in _BUILT_IN)


def _is_importer(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in ("import_module", "__import__", "run_path")


_BUILT_IN = frozenset(sys.builtin_module_names)
