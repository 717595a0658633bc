"""What a word means for a decision: figures, labels and methods are named; nothing useless is shipped."""

import dataclasses

import pytest

from modicum.analysis.ability import Word
from modicum.analysis.case import UNTRAINED
from modicum.analysis.meaning import (
    DECISIONS,
    decided,
    decision_table,
    do_of,
    has_pick,
    means_of,
    ship_text,
    shipped_name,
)
from modicum.analysis.verdict import Ship, Verdict
from tests.support import verdicts as built


def _of(word: Word) -> Verdict:
    """Return a verdict of a word, with the rows that it rests on."""
    verdict = built.absent() if word in ("absent", "undecided") else built.latent()
    if word in ("sealed", "learned", "taught"):
        verdict = dataclasses.replace(verdict, unlocked_by="fine_tune", unlocked_labels=4)
    return dataclasses.replace(verdict, ability=word)


def _plain(word: Word, why: str = "") -> Verdict:
    """Return a verdict that picks the plain prompt for want of anything better."""
    return dataclasses.replace(_of(word), ship=Ship("prompt", why, "serve", 0.05))


@pytest.mark.parametrize("word", DECISIONS)
def test_every_word_says_what_it_means_and_what_to_do_with_a_figure(word: Word) -> None:
    verdict = _of(word)
    assert " %" in means_of(verdict)
    for said in (means_of(verdict), do_of(verdict)):
        assert said.endswith(".")
        assert said[0].isupper()
        assert "  " not in said


def test_the_words_of_the_rule_are_those_with_a_meaning() -> None:
    assert set(DECISIONS) == set(Word.__args__)  # type: ignore[attr-defined]
    assert [row[0] for row in decision_table()] == list(DECISIONS)


def test_latent_names_the_method_its_labels_and_both_accuracies() -> None:
    verdict = built.latent()
    assert means_of(verdict) == (
        "The model can already do this: asked plainly it gets 10 % right, and cot_decoding with no "
        "labels brings it to 95 %."
    )
    assert do_of(verdict) == (
        "Do not buy data: 4 labels are enough. Export fine_tune n=4 (91 % correct)."
    )


def test_one_label_is_not_labels() -> None:
    ship = dataclasses.replace(built.latent().ship, name="fine_tune n=1")
    said = do_of(dataclasses.replace(built.latent(), ship=ship))
    assert "1 label is enough" in said


def test_a_part_is_not_called_the_whole() -> None:
    verdict = dataclasses.replace(built.latent(), unlocked_by="self_consistency")
    assert means_of(verdict).startswith("Part of the ability")
    assert "more methods" in do_of(verdict)


def test_what_nothing_unlocks_is_reached_by_sampling() -> None:
    verdict = dataclasses.replace(built.latent(), unlocked_by=None, unlocked_labels=None)
    assert "one of 64 samples is right on 97 %" in means_of(verdict)
    assert "try more methods" in do_of(verdict)


@pytest.mark.parametrize("word", ["absent", "undecided"])
def test_nothing_that_scores_zero_is_shipped(word: Word) -> None:
    verdict = _plain(word, "no rung is better")
    assert ship_text(verdict) == "nothing – no method works (best 1 %)"
    assert shipped_name(verdict) == "nothing"
    assert not has_pick(verdict)
    assert decided(verdict).pick is None
    assert decided(verdict).ship.name == "prompt"


def test_a_plain_prompt_that_works_and_is_not_beaten_says_how_good_it_is() -> None:
    verdict = _plain("latent")
    assert ship_text(verdict) == ("nothing – no method is shown to beat asking plainly (10 %)")


def test_what_is_shown_is_shipped_as_it_is() -> None:
    verdict = _plain("shown")
    assert ship_text(verdict) == "as it is – 8 % correct when asked plainly"
    assert (shipped_name(verdict), has_pick(verdict)) == ("as it is", True)
    assert decided(verdict).pick is verdict.rungs[0]


def test_a_method_that_works_is_shipped_by_its_name() -> None:
    assert ship_text(built.latent()) == "fine_tune n=4"
    assert decided(built.latent()).ship.works


def test_a_net_that_had_learned_nothing_is_told_what_to_label_not_to_decide_nothing() -> None:
    verdict = dataclasses.replace(built.latent(), ability="undecided", sentence=UNTRAINED)
    named = [row for row in verdict.rungs if row.name == verdict.ship.name]
    assert "had learned nothing" in means_of(verdict)
    assert named[0].name in do_of(verdict)
    bare = dataclasses.replace(_plain("undecided"), sentence=UNTRAINED)
    assert "no number of labels tried is enough" in means_of(bare)
    assert do_of(bare) == "Label more, or train for longer."
