"""What the command line prints keeps to the printed names and to plain English."""

import pytest

from modicum.catalog import KINDS
from tests.cli.test_help import PAGES
from tests.golden import record
from tests.support.commands import modicum
from tests.support.old_words import old_words


def test_an_old_word_is_found() -> None:
    assert old_words("its rung, by sight; damage") == {"rung", "by sight", "damage"}


@pytest.mark.parametrize("page", PAGES)
def test_help_uses_printed_names(page: str) -> None:
    assert old_words(modicum(*PAGES[page]).out) == set()


@pytest.mark.parametrize("kind", ["", *KINDS])
def test_list_uses_printed_names(kind: str) -> None:
    assert old_words(modicum("list", *filter(None, [kind])).out) == set()


def test_verdicts_use_printed_names() -> None:
    assert old_words((record.HERE / "terminal.txt").read_text(encoding="utf-8")) == set()


def test_check_and_run_use_printed_names(tmp_path) -> None:
    sizes = ("--test", 20, "--selection", 4)
    for words in (
        ("check", "scripted:latent", "sums"),
        ("run", "--model", "scripted:latent", "--task", "sums"),
    ):
        more = (
            ("--samples", 4, "--out", tmp_path / "s", "--workers", 1, "-v")
            if words[0] == "run"
            else ()
        )
        said = modicum(*words, *sizes, *more)
        assert old_words(said.out + said.err) == set()
