"""Help texts are what the snapshot says; `MODICUM_SNAPSHOTS=write pytest tests/cli` renews them."""

import os
from pathlib import Path

import pytest

from modicum.catalog import Catalog
from tests.support.commands import modicum

SNAPSHOTS = Path(__file__).parent / "snapshots"
VERBS = sorted(Catalog("cli.verbs").entries)
PAGES = {
    "modicum": ["--help"],
    **{verb: [verb, "--help"] for verb in VERBS},
    "models_add": ["models", "add", "--help"],
    "models_pull": ["models", "pull", "--help"],
}


WIDTHS = (60, 80, 120)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_help_is_the_snapshot(name: str, width: int, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    path = SNAPSHOTS / str(width) / f"help_{name}.txt"
    found = modicum(*PAGES[name]).out
    if os.environ.get("MODICUM_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(found, encoding="utf-8")
    assert path.exists(), f"no snapshot; MODICUM_SNAPSHOTS=write pytest {__file__}"
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_help_fits_its_width_and_breaks_no_word(name: str, width: int, monkeypatch) -> None:
    pages = {}
    for each in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(each))
        pages[each] = modicum(*PAGES[name]).out
    lines = pages[width].splitlines()
    elsewhere = {word for each in WIDTHS if each != width for word in pages[each].split()}
    assert max(map(len, lines)) <= width
    assert {word for line in lines for word in line.split()} <= elsewhere


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_has_an_example(verb: str) -> None:
    assert f"Example: modicum {verb}" in modicum(verb, "--help").out


@pytest.mark.parametrize("verb", VERBS)
def test_verb_is_listed_with_its_first_line(verb: str) -> None:
    assert Catalog("cli.verbs").entry(verb).summary.split()[0] in modicum("--help").out


def test_snapshots_are_of_pages_that_exist() -> None:
    assert {(p.parent.name, p.stem) for p in SNAPSHOTS.rglob("help_*.txt")} == {
        (str(width), f"help_{name}") for name in PAGES for width in WIDTHS
    }


def test_version_is_printed() -> None:
    from modicum import __version__

    assert __version__ in modicum("--version").out


@pytest.mark.parametrize("kind", ["markers", "methods", "models", "tasks"])
def test_list_names_every_plugin(kind: str) -> None:
    said = modicum("list", kind).out
    assert all(name in said for name in Catalog(kind).entries)


def test_list_json_holds_names_and_summaries() -> None:
    import json

    found = json.loads(modicum("list", "methods", "--json").out)
    assert found["methods"] == {e.name: e.summary for e in Catalog("methods").entries.values()}
