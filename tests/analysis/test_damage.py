"""Damage in figures: paired by problem and passage, the worst first, in the same table as the gain."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from modicum.analysis.retention import TextChange, retention_of, text_before, text_change
from modicum.analysis.verdict import as_json
from modicum.cli.verdict_text import Look, verdict_text
from modicum.store.database import Answer, Outcome
from modicum.types import Grade, Mark, Trial
from tests.support import verdicts as built
from tests.support.verdicts import figure

CELL = Trial("m", "t", "fine_tune", 4, 0)


def _scored(right: list[bool]) -> Outcome:
    """An outcome whose answers are right as said."""
    marks = [Mark("1", Grade(int(r)), Grade(int(r))) for r in right]
    answers = tuple(Answer(f"p{i}", ("1",), (mark,)) for i, mark in enumerate(marks))
    return Outcome(CELL, answers)


def _found(
    retained: dict[str, list[bool]], text: tuple[float, ...] = (), n_text: int = 0
) -> SimpleNamespace:
    """What the analysis reads of a subject."""
    before = Outcome(CELL, text_loss=text) if text or n_text else None
    subject = SimpleNamespace(model="m", task="t")
    outcomes = {task: _scored(right) for task, right in retained.items()}
    return SimpleNamespace(retained=outcomes, text=before, subject=subject)


def _arm(*outcomes: Outcome) -> SimpleNamespace:
    return SimpleNamespace(outcomes=outcomes)


def _after(**given) -> Outcome:
    return Outcome(CELL, **given)


BEFORE = [True] * 80 + [False] * 20


def test_damage_is_after_minus_before_on_the_same_problems() -> None:
    lost = [False] * 10 + BEFORE[10:]
    [kept] = retention_of(_found({"a": BEFORE}), _arm(_after(retention={"a": tuple(lost)})))
    assert kept.task == "a"
    assert kept.before.value == pytest.approx(0.8)
    assert kept.after.value == pytest.approx(0.7)
    assert kept.damage.value == pytest.approx(-0.1)
    assert kept.damage.low < -0.1 < kept.damage.high < 0


def test_worst_task_stands_first() -> None:
    worse, better = [False] * 100, [True] * 100
    after = _after(retention={"a": tuple(better), "b": tuple(worse), "c": tuple(BEFORE)})
    found = _found({"a": BEFORE, "b": BEFORE, "c": BEFORE})
    kept = retention_of(found, _arm(after))
    assert [(k.task, round(k.damage.value, 6)) for k in kept] == [("b", -0.8), ("c", 0), ("a", 0.2)]


def test_paired_damage_is_known_better_than_two_levels() -> None:
    [kept] = retention_of(_found({"a": BEFORE}), _arm(_after(retention={"a": tuple(BEFORE)})))
    levels = kept.after.high - kept.after.low
    assert kept.damage.high - kept.damage.low < levels / 2


def test_seeds_that_disagree_widen_the_damage() -> None:
    same = [False] * 10 + BEFORE[10:]
    apart = [[True] * 100, [False] * 20 + BEFORE[20:]]
    found = _found({"a": BEFORE})
    one = retention_of(found, _arm(*[_after(retention={"a": tuple(same)})] * 2))[0].damage
    two = retention_of(found, _arm(*[_after(retention={"a": tuple(x)}) for x in apart]))[0].damage
    assert two.high - two.low > one.high - one.low


def test_task_that_was_scored_once_only_is_left_out() -> None:
    arm = _arm(_after(retention={"b": tuple(BEFORE)}))
    assert retention_of(_found({"a": BEFORE}), arm) == ()


LOSSES = tuple(np.linspace(1.0, 5.0, 120))


def test_perplexity_ratio_is_exp_of_the_mean_difference() -> None:
    worse = tuple(loss + (0.01 if i % 2 else 0.03) for i, loss in enumerate(LOSSES))
    change = text_change(_found({}, LOSSES), _arm(_after(text_loss=worse)))
    ratio = change.perplexity_ratio
    assert ratio.value == pytest.approx(math.exp(0.02))
    assert 1 < ratio.low < ratio.value < ratio.high < 1.03
    assert ratio.n == 120


def test_passages_are_paired_so_that_their_own_spread_is_no_noise() -> None:
    same = tuple(loss + 0.02 for loss in LOSSES)
    ratio = text_change(_found({}, LOSSES), _arm(_after(text_loss=same))).perplexity_ratio
    assert ratio.high - ratio.low < 1e-6


def test_text_loss_is_the_mean_over_passages() -> None:
    found = _found({}, LOSSES)
    before = text_before(found)
    after = text_change(found, _arm(_after(text_loss=tuple(2 * x for x in LOSSES)))).loss
    assert before.value == pytest.approx(3.0)
    assert after.value == pytest.approx(6.0)
    assert before.low < 3.0 < before.high


def test_seeds_of_the_text_are_averaged_and_their_spread_counts() -> None:
    arm = [_after(text_loss=tuple(x + d for x in LOSSES)) for d in (0.0, 0.1)]
    ratio = text_change(_found({}, LOSSES), _arm(*arm)).perplexity_ratio
    assert ratio.value == pytest.approx(math.exp(0.05))
    assert ratio.low < 1
    assert ratio.high > 1.1


@pytest.mark.parametrize("n_text", [0, 1])
def test_text_that_was_not_scored_has_no_figure(n_text: int) -> None:
    found = _found({}, n_text=n_text)
    assert text_before(found) is None
    assert text_change(found, _arm(_after(text_loss=LOSSES))) == TextChange()
    assert text_change(_found({}, LOSSES), _arm(_after())) == TextChange()


@pytest.fixture
def retained() -> built.Verdict:
    """A verdict whose tuned rungs have two retained tasks and a text."""
    verdict = built.latent()
    extra = {"text_perplexity_ratio": figure(1.02, 1.01, 1.04), "text_loss": figure(3.1)}
    rows = [
        dataclasses.replace(
            row,
            retention=(*built.kept(figure(-0.05, -0.09, -0.01), "gym:chain_sum"), *row.retention),
            **extra,
        )
        if row.retention
        else row
        for row in verdict.rungs
    ]
    return dataclasses.replace(verdict, rungs=tuple(rows))


def test_table_gives_each_task_a_line_and_the_text_the_last(retained) -> None:
    lines = verdict_text(retained, Look(verbose=True)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  fine_tune n=1"))
    said = [" ".join(line.split()) for line in lines[start + 1 :]]
    assert [line for line in said if line.startswith("on ")][:3] == [
        "on gym:chain_sum −5.0 [−9.0, −1.0]",
        "on line_moves −0.1 [−1.1, 0.0]",
        "on text ×1.02 [1.01, 1.04]",
    ]
    assert "−5.0" in lines[start]


def test_text_alone_stands_in_the_column_of_effects_elsewhere(retained) -> None:
    rows = tuple(dataclasses.replace(row, retention=()) for row in retained.rungs)
    text = verdict_text(dataclasses.replace(retained, rungs=rows))
    tuned = next(line for line in text.splitlines() if line.startswith("  fine_tune n=1"))
    assert "×1.02" in tuned


def test_json_of_a_row_lists_retention_the_worst_first(retained) -> None:
    found = as_json(retained.rungs[-1])
    assert [kept["task"] for kept in found["retention"]] == ["gym:chain_sum", "line_moves"]
    assert found["damage"]["value"] == -0.05
    assert found["text_perplexity_ratio"]["value"] == 1.02
