"""Files, functions and argument lists stay small."""

import pytest

from tests.support.sources import CHECKED, Function, files, functions, short

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_ARGUMENTS = 7

EXCEPTIONS: dict[str, tuple[int, str]] = {}
"""What may be larger: its size, and why. An entry may shrink or go, never grow."""


def _sizes() -> dict[str, tuple[int, int]]:
    """Every file and function with its size and limit."""
    found = {}
    for path in files(*CHECKED):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        found[short(path)] = (lines, MOST_LINES)
        for name, node in functions(path):
            found[name] = ((node.end_lineno or 0) - node.lineno + 1, MOST_FUNCTION_LINES)
            found[f"{name} (arguments)"] = (_n_arguments(node), MOST_ARGUMENTS)
    return found


def _n_arguments(node: Function) -> int:
    """Arguments that a caller writes: self and cls left out."""
    given = node.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


SIZES = _sizes()


@pytest.mark.parametrize("path", [short(path) for path in files(*CHECKED)])
def test_file_and_its_functions_stay_within_the_limits(path: str) -> None:
    own = {name: size for name, size in SIZES.items() if name.partition("::")[0] == path}
    large = {
        name: f"{size}, limit {limit}"
        for name, (size, limit) in own.items()
        if size > max(limit, EXCEPTIONS.get(name, (0, ""))[0])
    }
    assert not large


def test_exceptions_only_shrink() -> None:
    stale = {
        name: f"listed at {listed}, now {SIZES.get(name, (0, 0))[0]}"
        for name, (listed, _) in EXCEPTIONS.items()
        if name not in SIZES or SIZES[name][0] != listed or listed <= SIZES[name][1]
    }
    assert not stale


def test_each_exception_has_a_reason() -> None:
    assert all(reason.strip() for _, reason in EXCEPTIONS.values())
