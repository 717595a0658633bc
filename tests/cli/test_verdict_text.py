"""The verdict as plain text: what it prints, within a hundred columns, without colour."""

import dataclasses
import re

import pytest

from modicum.cli.verdict_text import WIDTH, highlighted, overview_text, verdict_text
from modicum.stats import Figure
from tests.support import verdicts as built

LATENT = """\
word-sums on organism · 400 test problems · 3 seeds · 11 min

LATENT, unlocked by cot_decoding with 0 labels.
default .08 [.05, .11]  →  floor .10 [.07, .13]  ……  ceiling .97 [.95, .98] at k = 64
(style "raw", 40 measuring labels; luck .01 [.00, .02], near miss .02 [.01, .04])
(read strictly: default .08 [.05, .11], floor .09 [.06, .12])

rung              labels  gap recovered     its control                 damage  serving
prompt                 0  .02 [.00, .05]    scrambled .02 [−.01, .05]        –     1.0×
self_consistency       0  .07 [.03, .11]    scrambled .02 [−.01, .05]        –    10.0×
cot_decoding           0  .98 [.96, .99]    scrambled .02 [−.01, .05]        –    10.9×
fine_tune n=1          1  .41 [.22, .63]    scrambled .02 [−.01, .05]      −.1     1.1×
                                            shuffled .07 [.01, .14]
  on line_moves                                                 −.1 [−1.1, .0]
fine_tune n=4          4  .93 [.90, .96]    scrambled .02 [−.01, .05]      −.5     1.1×
                                            shuffled .07 [.01, .14]
  on line_moves                                                 −.5 [−1.5, .0]
fine_tune n=8          8  1.01 [.97, 1.04]  scrambled .02 [−.01, .05]     −1.2     1.1×
                                            shuffled .07 [.01, .14]
                                            twin n=8 .01 [−.03, .05]
                                            twin n=128 .03 [−.02, .07]
  on line_moves                                                −1.2 [−2.2, .0]

Least data   none (cot_decoding); n90 = 4 [3, 6] for fine_tune
Ship         fine_tune n=4: cheapest to serve within .05 of the best; cot_decoding pays below 1,200
             queries
Costs        40 measuring labels; 3,100,000 tokens sampled or trained in 11 min; dearest rung
             fine_tune n=8: 256 GFLOP, 40 updates, 0 judge calls, 19 s
Doubts       one style of question only; gains under .04 cannot be seen with 400 problems
Next         steering_vector (≈ 2 min) could reach the same without touching weights
Notes        two threads; style chat skipped: the model has no template"""

OVERVIEW = """\
task        model             ability  default  floor  ceiling  least data  ship
word-sums   organism          LATENT       .08    .10      .97  0 labels    fine_tune n=4
never-seen  organism-control  ABSENT       .00    .01     none  –           nothing"""


def test_latent_verdict_is_laid_out_as_the_design_says() -> None:
    assert verdict_text(built.latent()) == LATENT


def test_overview_gives_one_line_a_subject() -> None:
    verdicts = [built.latent(), built.absent(model="organism-control")]
    assert overview_text(verdicts) == OVERVIEW


@pytest.mark.parametrize("verdict", built.study(), ids=lambda v: f"{v.task}-{v.model}")
def test_no_line_is_wider_than_the_terminal(verdict: built.Verdict) -> None:
    assert max(map(len, verdict_text(verdict).splitlines())) <= WIDTH


def test_long_names_give_way_and_figures_stay_whole() -> None:
    verdict = built.latent("a-task-with-a-name-" * 4, "models/" + "deep/" * 30)
    rows = tuple(
        dataclasses.replace(row, method=f"a_method_with_a_very_long_name_{row.method}")
        for row in verdict.rungs
    )
    text = verdict_text(dataclasses.replace(verdict, rungs=rows))
    lines = [*text.splitlines(), *overview_text([verdict]).splitlines()]
    assert max(map(len, lines)) <= WIDTH
    assert "1.01 [.97, 1.04]" in text
    assert "twin n=128 .03 [−.02, .07]" in text


def test_without_a_gap_scores_stand_in_the_table() -> None:
    text = verdict_text(built.absent())
    assert "ABSENT up to 8 labels." in text
    assert "no ceiling above the floor" in text
    assert "rung             labels  score" in text
    assert "1 trial failed" in text
    assert "more than 8 for fine_tune, if any" in text


def test_a_ceiling_that_does_not_come_from_sampling_names_its_source() -> None:
    assert "ceiling .98 [.95, 1.00] from the forced form" in verdict_text(built.seal())


def test_unbounded_intervals_are_open() -> None:
    row = dataclasses.replace(built.latent().least_data[0], n90=Figure(7.0, 4.0, float("inf"), 400))
    verdict = dataclasses.replace(built.latent(), least_data=(row,))
    assert "n90 = 7 [4, ∞) for fine_tune" in verdict_text(verdict)


def test_text_of_others_cannot_steer_the_terminal() -> None:
    verdict = dataclasses.replace(built.latent(), doubts=("\x1b[2J\u202eevil\r\nfake line",))
    text = verdict_text(verdict)
    assert "\\x1b[2J\\u202eevil\\x0d fake line" in text
    assert not [c for c in text if c != "\n" and (ord(c) < 32 or c == "\u202e")]


def test_highlighting_changes_no_text_and_marks_the_ability() -> None:
    styled = highlighted(LATENT)
    assert styled.plain == LATENT
    marked = [LATENT[span.start : span.end] for span in styled.spans]
    assert marked == ["LATENT, unlocked by cot_decoding with 0 labels."]


def _best_is_ceiling() -> built.Verdict:
    """Return the latent verdict with its last rung as the ceiling, six in ten of the floor unreadable."""
    verdict = built.latent()
    *others, last = verdict.rungs
    last = dataclasses.replace(
        last,
        gap_recovered=None,
        is_ceiling=True,
        gain=Figure(0.86, 0.83, 0.89, 400),
        unreadable=(0.6, 0.05),
    )
    return dataclasses.replace(verdict, rungs=(*others, last))


def test_the_rung_that_is_the_ceiling_says_so_with_its_gain() -> None:
    lines = [
        re.split(r"\s{2,}", line.strip()) for line in verdict_text(_best_is_ceiling()).splitlines()
    ]
    assert ["fine_tune n=8", "8", "is the ceiling"] in [line[:3] for line in lines]
    assert ["gain over floor", ".86 [.83, .89]"] in lines
    assert ["unreadable", ".60 → .05"] in lines


def test_a_gain_in_format_is_called_so() -> None:
    verdict = _best_is_ceiling()
    *others, last = verdict.rungs
    last = dataclasses.replace(last, is_ceiling=False, gain_kind="format")
    text = verdict_text(dataclasses.replace(verdict, rungs=(*others, last)))
    assert ".86 [.83, .89], in format" in text


def test_few_seeds_that_disagree_are_printed_as_their_points() -> None:
    verdict = built.latent()
    *others, last = verdict.rungs
    lost = dataclasses.replace(
        last.retention[0], damage=Figure(-0.22, -0.9, 0.05, 400), seeds=(-0.02, -0.05, -0.6)
    )
    last = dataclasses.replace(last, seed_scores=(0.05, 0.03, 0.92), retention=(lost,))
    last = dataclasses.replace(last, score=Figure(0.33, 0.0, 1.0, 400))
    lines = verdict_text(dataclasses.replace(verdict, rungs=(*others, last))).splitlines()
    fields = [re.split(r"\s{2,}", line.strip()) for line in lines]
    assert ["fine_tune n=8", "8", "1.01, seeds disagree"] in [line[:3] for line in fields]
    assert ["score", ".33 (seeds .05 .03 .92)"] in fields
    assert ["on line_moves", "−22.0 (seeds −2.0 −5.0 −60.0)"] in fields
