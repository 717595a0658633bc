"""What the README shows works: its first fence offline, its links, its commands."""

import os
import re
import subprocess
import sys

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


def test_first_fence_runs_offline(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _fences("python")[0]],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


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
