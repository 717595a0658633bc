"""What the command line prints keeps to the printed names and to plain English."""

import re

import pytest

from modicum.catalog import KINDS
from tests.cli.test_help import PAGES
from tests.golden import record
from tests.support.commands import modicum

OLD = (
    "anew", "by sight", "damage", "doctor", "for want of", "goes on", "half know", "is said", "lie or fail",
    "luck", "measuring labels", "near miss", "rung", "rungs", "so many", "subjects?",
    "taken over", "worth votes",
)  # fmt: skip
"""Names that print no longer uses, and turns of phrase that are no English."""
FOUND = re.compile(rf"\b(?:{'|'.join(OLD)})\b", re.IGNORECASE)
KEPT = re.compile(r"--rung\b|by_reward|fine_tune|half_known")
"""Names of options and code, which stay."""


def _old(text: str) -> set[str]:
    return {match.lower() for match in FOUND.findall(KEPT.sub("", text))}


def test_an_old_word_is_found() -> None:
    assert _old("its rung, by sight; damage") == {"rung", "by sight", "damage"}


@pytest.mark.parametrize("page", PAGES)
def test_help_uses_printed_names(page: str) -> None:
    assert _old(modicum(*PAGES[page]).out) == set()


@pytest.mark.parametrize("kind", ["", *KINDS])
def test_list_uses_printed_names(kind: str) -> None:
    assert _old(modicum("list", *filter(None, [kind])).out) == set()


def test_verdicts_use_printed_names() -> None:
    assert _old((record.HERE / "terminal.txt").read_text(encoding="utf-8")) == set()


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
        assert _old(said.out + said.err) == set()
