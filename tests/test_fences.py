"""Every command that README, docs and help show works as it stands, at small sizes."""

import contextlib
import dataclasses
import io
import shutil
from pathlib import Path

import pytest

from modicum.catalog import Catalog
from modicum.model import MODELS
from modicum.organism.blueprint import Blueprint
from modicum.organism.recipe import core_blueprint
from tests.support.commands import modicum
from tests.support.fake_server import fake_server
from tests.support.fences import (
    AWAY,
    commands,
    fences,
    help_examples,
    no_network,
    pages,
    shrunk,
    study_of_examples,
)
from tests.support.sources import ROOT
from tests.support.tiny_models import tiny_local

MOST_AWAY = 6
"""Fences that may need the network or a GPU."""
SERVER = "http://127.0.0.1:8000/v1"
"""The address that pages give to a server of the reader's own."""
SHELL = {"make", "pip", "python3"}
"""Commands of the set-up, which `.ci/run` and the tests of packaging run."""


@pytest.fixture
def world(tmp_path, monkeypatch) -> Path:
    """The project as its reader sees it: examples, studies, and pulled models (tiny ones)."""
    for name in ("examples", "studies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path / "cache"))
    for entry in MODELS.entries:
        parcel = getattr(MODELS.load(entry), "parcel", None)
        if parcel is not None:
            folder = MODELS.build(entry).folder
            local = tiny_local()
            local.module.config.max_position_embeddings = 4096  # prompts of a token a byte
            local.module.save_pretrained(folder)
            local.tokenizer.save_pretrained(folder)
    monkeypatch.setattr("modicum.cli.verbs.organism.core_blueprint", _brief)
    monkeypatch.setattr("modicum.cli.verbs.organism.write_card", lambda out, tell: None)
    # boards that choose when a net halts, and that are held apart: hundreds take minutes
    monkeypatch.setattr("modicum.training.pretraining.HELD_OUT", 4)
    monkeypatch.setattr("modicum.training.pretraining._TESTED", 8)
    monkeypatch.setattr("modicum.training.recursive_learner._VOTES", 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _brief(seed: str, *, is_control: bool) -> Blueprint:
    """Return the organism's recipe with two steps a phase: the whole one takes twelve CPU-minutes."""
    whole = core_blueprint(seed, is_control=is_control)
    phases = tuple(dataclasses.replace(phase, steps=2) for phase in whole.phases)
    return dataclasses.replace(whole, phases=phases)


def _run(words: list[str], where: str, *, is_away: bool = False) -> None:
    if words[0] in SHELL or words[0].startswith(".venv/bin/"):
        return
    assert words[0] == "modicum", f"{where}: {words[0]} is no command of this project"
    with fake_server(offers=("/completions",)) as (address, _), no_network():
        said = modicum(*(word.replace(SERVER, address) for word in shrunk(words)))
    # what a tiny random model answers is an error of its own: the check says so and stops
    found = is_away and words[1] == "check" and "tokens sampled" in said.out
    assert said.code == 0 or found, (
        f"{where}: {' '.join(words)}\n{said.out[-2000:]}\n{said.err[-2000:]}"
    )


@pytest.mark.filterwarnings("ignore:the marker lambda:UserWarning")  # the README's own; said once
@pytest.mark.parametrize("page", pages())
def test_fences_of_a_page_run_in_their_order(page: str, world) -> None:
    for fence in fences(page):
        where = f"{page}:{fence.line}"
        if fence.language == "python":
            with no_network(), contextlib.redirect_stdout(io.StringIO()) as said:
                exec(compile(fence.code, where, "exec"), {"__name__": "__main__"})  # noqa: S102
            assert said.getvalue(), f"{where} prints nothing"
        elif fence.language == "sh":
            for words in commands(fence.code):
                _run(words, where, is_away=AWAY in fence.marks)
        else:
            assert fence.language in ("text", "toml", "json", ""), f"{where}: {fence.language}"


@pytest.mark.parametrize("verb", help_examples())
def test_examples_of_help_run(verb: str, world) -> None:
    study_of_examples(world / "runs" / "organism")
    for example in help_examples()[verb]:
        for words in commands(example):
            _run(words, f"modicum {verb} --help")


def test_every_verb_shows_an_example() -> None:
    groups = {path.split()[0] for path in help_examples()}
    assert groups == set(Catalog("cli.verbs").entries)


def test_few_fences_need_the_network() -> None:
    away = [f for page in pages() for f in fences(page) if AWAY in f.marks]
    assert len(away) <= MOST_AWAY
