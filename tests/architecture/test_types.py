"""What mypy is told to overlook: a list with reasons that may only shrink."""

import re
import tomllib
from collections.abc import Iterable

import pytest

from modicum.catalog import KINDS
from tests.support.sources import ROOT, files, short

MYPY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]

BAG = "values of a table by name go in as keyword arguments; a type of their own is to replace it"
APPLY = "torch leaves `Function.apply` untyped, and a subclass of ours is no part of torch to mypy"
IGNORES: dict[str, tuple[int, str]] = {
    "src/modicum/cli/verbs/export.py": (1, BAG),
    "src/modicum/cli/plan_options.py": (4, BAG),
    "src/modicum/sampling/cache.py": (
        1,
        "transformers leaves the cache layer's constructor untyped",
    ),
    "src/modicum/sampling/linear.py": (1, APPLY),
    "src/modicum/training/adapters.py": (1, "PEFT says int of a number that it only divides"),
    "src/modicum/training/policy.py": (1, APPLY),
}
"""Lines that mypy overlooks, by file, and why. A number may fall and an entry go; neither may rise."""
UNTYPED = {
    "accelerate": "no py.typed",
    "datasets": "no py.typed",
    "math_verify": "no py.typed",
    "pandas": "no py.typed; its stubs are a package of their own",
    "pyarrow": "no py.typed",
    "reasoning_gym": "no py.typed",
    "scipy": "no py.typed; its stubs are a package of their own",
    "tqdm": "no py.typed; its stubs are a package of their own",
}
"""Libraries whose types mypy does not ask for."""
UNTYPED_CALLS = {
    "torch": "`Tensor.backward`, `Tensor.norm`, `torch.cuda.Stream` and others have no annotations",
    "transformers": "`GenerationConfig`, `Module.eval` and the switches of its logs have none",
}
"""Libraries with types whose untyped functions may be called."""
SETTINGS = {"strict", "files", "python_version", "untyped_calls_exclude", "overrides"}
"""All that is said to mypy; no switch of `strict` is turned off."""

LIMITS: dict[str, tuple[re.Pattern[str], int]] = {
    "Mapping[str, object]": (re.compile(r"Mapping\[str, object\]"), 15),
    "dict[str, object]": (re.compile(r"\bdict\[str, object\]"), 30),
    "cast(": (re.compile(r"\bcast\("), 20),
    "type: ignore": (re.compile(r"type:\s*ignore"), 9),
}
"""Lines of the sources that may say a word of no type, at most; a limit may only be lowered. Of a table
of plain values say `JsonObject`, of a plug-in's settings `Settings`, of a table's cells `Cell`."""

IGNORED = re.compile(r"#\s*type:\s*ignore\b(\[[\w-]+(?:,\s*[\w-]+)*\])?")
UNUSED = re.compile(r"#\s*noqa:[^#]*\bARG\d*")
WHOLE = re.compile(r"#\s*mypy:|\bno_type_check\b")


def ignored(text: str) -> list[str]:
    """The codes of the lines that a file has mypy overlook; empty for one without a code."""
    return [found.group(1) or "" for found in IGNORED.finditer(text)]


def _text(path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", files("src"), ids=short)
def test_only_listed_lines_are_overlooked(path) -> None:
    codes = ignored(_text(path))
    listed = IGNORES.get(short(path), (0, ""))[0]
    assert len(codes) <= listed, "give it a type; the list may only shrink"
    assert len(codes) >= listed, "there are fewer now: lower the entry, or take it out"
    assert all(codes), "name the error's code"
    assert not WHOLE.search(_text(path)), "no file is overlooked whole"


def test_listed_files_exist() -> None:
    assert set(IGNORES) <= {short(path) for path in files("src")}


def test_nothing_is_switched_off() -> None:
    assert set(MYPY) == SETTINGS
    assert MYPY["strict"] is True
    assert MYPY["files"] == ["src"]


def test_only_listed_libraries_go_untyped() -> None:
    [override] = MYPY["overrides"]
    assert set(override) == {"module", "ignore_missing_imports"}
    assert set(override["module"]) == {f"{name}.*" for name in UNTYPED}
    assert set(MYPY["untyped_calls_exclude"]) == set(UNTYPED_CALLS)


def test_each_exception_has_a_reason() -> None:
    reasons = [reason for _, reason in IGNORES.values()]
    assert all([*reasons, *UNTYPED.values(), *UNTYPED_CALLS.values()])


def counted(pattern: re.Pattern[str], texts: Iterable[str]) -> int:
    """How many lines of some files a pattern is found in, docstrings and comments too."""
    return sum(pattern.search(line) is not None for text in texts for line in text.splitlines())


@pytest.mark.parametrize("name", LIMITS)
def test_words_of_no_type_only_get_fewer(name: str) -> None:
    pattern, most = LIMITS[name]
    found = counted(pattern, map(_text, files("src")))
    assert found <= most, f"{found} lines with {name}: give it a type"


@pytest.mark.parametrize("kind", KINDS)
def test_no_plug_in_keeps_an_argument_that_it_does_not_use(kind: str) -> None:
    inside = [path for path in files("src") if path.parent == ROOT / "src" / "modicum" / kind]
    assert inside
    assert counted(UNUSED, map(_text, inside)) == 0, "say `del name`, as the others do"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("def f(x: Mapping[str, object]) -> None:", "Mapping[str, object]"),
        ("y: MutableMapping[str, object] = {}", "Mapping[str, object]"),
        ("z: dict[str, object] = {}", "dict[str, object]"),
        ("a = typing.cast(T, b)", "cast("),
        ("b = cast(Any, c)", "cast("),
        ("c = f()  # type: ignore[misc]", "type: ignore"),
    ],
)
def test_a_planted_word_of_no_type_is_counted(line: str, name: str) -> None:
    assert counted(LIMITS[name][0], [f"x = 1\n{line}\nforecast(x)\n"]) == 1


def test_a_planted_unused_argument_is_counted() -> None:
    assert (
        counted(UNUSED, ["def f(x):  # noqa: ARG001\n", "def f(x):  # noqa: N802, ARG002\n"]) == 2
    )


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("x = f()  # type: ignore[arg-type]", ["[arg-type]"]),
        ("x = f()  #type:ignore", [""]),
        ("x = f()  # noqa: E501  # type: ignore[a-b, c]  # why", ["[a-b, c]"]),
        ("x = 'type: ignore'", []),
    ],
)
def test_a_planted_line_is_seen(line: str, codes: list[str]) -> None:
    assert ignored(line) == codes
