"""Every method names its source, and each source has an entry in PAPERS.md."""

import ast
import re

import pytest

from tests.support.sources import PACKAGE, ROOT, files, method_files, plugin_files, short, tree

PAPERS = (ROOT / "PAPERS.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", PAPERS, re.MULTILINE | re.DOTALL)
IDENTIFIER = re.compile(r"\b\d{4}\.\d{4,5}\b")
CODE = re.compile(r"`((?:src|tests)/[^`]+)`")
METHODS = [path for path in method_files() if path.stem != "__init__"]
"""The plug-ins, and what they share: a recipe may stand in either."""
NETS = [path for path in plugin_files("nets") if path.stem != "__init__"]
NO_SOURCE = {
    PACKAGE
    / "training"
    / "imitate.py": "puts texts before the loop; what it computes is training.fit",
    PACKAGE / "training" / "searching.py": "asks under many nudges at once; computes nothing",
    PACKAGE / "nets" / "saelens.py": "reads and writes folders; what it computes is nets.sparse",
    PACKAGE / "nets" / "native_stacks.py": "the same figures as nets.recursive_blocks, faster",
    PACKAGE / "nets" / "grid.py": "says what stands at which position; computes nothing",
    PACKAGE / "nets" / "thinking.py": "holds two numbers; computes nothing",
    PACKAGE / "nets" / "text_writer.py": "a contract; computes nothing",
    PACKAGE / "nets" / "halting.py": "holds a threshold and its figures; computes nothing",
    PACKAGE / "nets" / "net_folder.py": "reads and writes folders; computes nothing",
    PACKAGE / "nets" / "recursive_folder.py": "reads and writes folders; computes nothing",
    PACKAGE / "nets" / "autoregressive_folder.py": "reads and writes folders; computes nothing",
    PACKAGE / "nets" / "energy_folder.py": "reads and writes folders; computes nothing",
    PACKAGE / "nets" / "energy_text_folder.py": "reads and writes folders; computes nothing",
    PACKAGE / "nets" / "stopping.py": "holds a tolerance and its figures; computes nothing",
    PACKAGE / "nets" / "board_tokens.py": "says which word is which id; computes nothing",
}
"""Files that hold no recipe, and why."""


def _sources(path) -> list[str]:
    """Every `Source:` paragraph in the docstrings of a file."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    docs = [ast.get_docstring(n) or "" for n in ast.walk(tree(path)) if isinstance(n, kinds)]
    return [found for doc in docs for found in re.findall(r"Source: ((?:.+\n?)+)", doc)]


@pytest.mark.parametrize("path", METHODS + NETS, ids=short)
def test_method_or_net_names_its_source(path) -> None:
    assert bool(_sources(path)) != (path in NO_SOURCE)


@pytest.mark.parametrize("path", METHODS + NETS, ids=short)
def test_method_or_net_is_the_place_of_an_entry(path) -> None:
    named = any(short(path) in body for _, body in ENTRIES)
    assert named or path in NO_SOURCE


def test_files_that_methods_share_are_looked_at() -> None:
    assert PACKAGE / "training" / "dictionary.py" in METHODS


@pytest.mark.parametrize("path", files("src"), ids=short)
def test_each_source_of_the_code_has_an_entry(path) -> None:
    named = {found for source in _sources(path) for found in IDENTIFIER.findall(source)}
    assert not {identifier for identifier in named if identifier not in PAPERS}


@pytest.mark.parametrize(("title", "body"), ENTRIES, ids=[title[:40] for title, _ in ENTRIES])
def test_entry_says_what_where_and_how_ours_differs(title: str, body: str) -> None:
    assert all(f"- **{part}**: " in body for part in ("We use", "Where", "Differs"))


@pytest.mark.parametrize(("title", "body"), ENTRIES, ids=[title[:40] for title, _ in ENTRIES])
def test_entry_points_to_files_that_exist(title: str, body: str) -> None:
    assert not [name for name in CODE.findall(body) if not (ROOT / name).exists()]


def test_paper_is_entered_once() -> None:
    identifiers = [found for title, _ in ENTRIES for found in IDENTIFIER.findall(title)]
    assert len(identifiers) == len(set(identifiers))
