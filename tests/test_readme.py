"""What the README shows is there: its links, its commands, and no more than 120 lines."""

import re

import pytest

from modicum.catalog import Catalog
from tests.support.sources import ROOT

PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "PAPERS.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
VERB = re.compile(r"(?:^|/bin/)modicum (\w+)", re.MULTILINE)


def _page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _fences(language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(_page("README.md")) if kind == language]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    assert not [link for link in LINK.findall(_page(name)) if not (ROOT / link).exists()]


def test_commands_are_verbs_that_exist() -> None:
    named = {verb for code in _fences("sh") for verb in VERB.findall(code)}
    assert named
    assert named <= set(Catalog("cli.verbs").entries)


@pytest.mark.parametrize("target", ["study", "test"])
def test_make_knows_the_commands_of_the_table(target: str) -> None:
    assert f"`make {target}`" in _page("README.md")
    assert re.search(rf"^{target}:", _page("Makefile"), re.MULTILINE)


def test_readme_is_read_in_a_few_minutes() -> None:
    assert len(_page("README.md").splitlines()) < 120
