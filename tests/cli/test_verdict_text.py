"""The verdict as text: the answer first, within the terminal's width, coloured where asked for."""

import dataclasses
import re
from pathlib import Path

import pytest

from modicum.analysis.remarks import of_most_studies
from modicum.cli.columns import WIDTH
from modicum.cli.printing import print_verdicts
from modicum.cli.terminal import Paint
from modicum.cli.verdict_text import Look, overview_text, verdict_text
from modicum.stats import Figure
from tests.support import verdicts as built

LATENT = """\
LATENT  word-sums on organism
Latent, unlocked by cot_decoding with 0 labels.

  Least data  none (cot_decoding); fine_tune: 4 [3, 6] labels for 90 % of the
              gap
  Ship        fine_tune n=4: 91 % [88, 94] correct, 1.1× cost per answer;
              cheapest to serve within .05 of the best; cot_decoding pays below
              1,200 queries

  method            labels  correct          gap  controls   cost  elsewhere
  asked plainly          0  10 % [7, 13]     2 %       1 %   1.0×  –
  self_consistency       0  16 % [13, 19]    7 %       1 %  10.0×  –
  cot_decoding           0  95 % [92, 98]   98 %       1 %  10.9×  –
  fine_tune n=1          1  46 % [43, 49]   41 %       6 %   1.1×  −0.1 [−2, 0]
> fine_tune n=4          4  91 % [88, 94]   93 %       6 %   1.1×  −0.5 [−2, 0]
  fine_tune n=8          8  96 % [93, 99]  101 %       6 %   1.1×  −1.2 ±1.2
  ceiling                   97 % [95, 98]
  ceiling at k = 64; chance 1 % to 2 %; 400 test problems

  ! gains under .04 cannot be seen with 400 problems
  11 min · 3 seeds · 40 labels spent on measuring · 3,100,000 tokens"""

OVERVIEW = """\
task        model             ability  floor  ceiling  least data  ship
word-sums   organism          LATENT    10 %     97 %           0  fine_tune n=4
never-seen  organism-control  ABSENT     1 %     none           –  nothing"""


def test_latent_verdict_is_laid_out_as_the_design_says() -> None:
    assert verdict_text(built.latent()) == LATENT


def test_overview_gives_one_line_a_subject() -> None:
    verdicts = [built.latent(), built.absent(model="organism-control")]
    assert overview_text(verdicts) == OVERVIEW


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("verdict", built.study(), ids=lambda v: f"{v.task}-{v.model}")
def test_no_line_is_wider_than_the_terminal(verdict: built.Verdict, width: int) -> None:
    for verbose in (False, True):
        lines = verdict_text(verdict, Look(width, verbose=verbose)).splitlines()
        assert max(map(len, lines)) <= width
    assert max(map(len, overview_text([verdict] * 2, Look(width)).splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_figure_is_broken(width: int) -> None:
    text = verdict_text(built.latent(), Look(width))
    assert "91 % [88, 94]" in text
    assert not re.search(r"\[[^]]*$", text.splitlines()[-1])
    assert all(line.count("[") == line.count("]") for line in text.splitlines())


def test_colour_marks_the_word_the_pick_and_warnings_alone() -> None:
    coloured = verdict_text(built.latent(), Look(paint=Paint(is_on=True)))
    marked = [line for line in coloured.splitlines() if "\x1b[" in line]
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == LATENT
    assert len(marked) == 2 + sum(not of_most_studies(d) for d in built.latent().doubts)
    assert "LATENT" in marked[0]
    assert "> fine_tune n=4" in marked[1]


def test_long_names_give_way_and_figures_stay_whole() -> None:
    verdict = built.latent("a-task-with-a-name-" * 4, "models/" + "deep/" * 30)
    rows = tuple(
        dataclasses.replace(row, method=f"a_method_with_a_very_long_name_{row.method}")
        for row in verdict.rungs
    )
    text = verdict_text(dataclasses.replace(verdict, rungs=rows))
    lines = [*text.splitlines(), *overview_text([verdict]).splitlines()]
    assert max(map(len, lines)) <= WIDTH
    assert "96 % [93, 99]" in text


def test_without_a_gap_scores_stand_in_the_table() -> None:
    text = verdict_text(built.absent())
    assert "Absent up to 8 labels." in text
    assert "none above the floor" in text
    assert re.search(r"fine_tune n=8 +8 +1 % \[0, 4\] +–", text)
    assert "1 trial failed" in " ".join(text.split())
    assert "fine_tune: more than 8 labels, if any number works" in text


def test_a_ceiling_that_does_not_come_from_sampling_names_its_source() -> None:
    text = verdict_text(built.seal())
    assert re.search(r"ceiling +98 % \[95, 100\]", text)
    assert "ceiling from the worked form given" in text


def test_unbounded_intervals_are_open() -> None:
    row = dataclasses.replace(built.latent().least_data[0], n90=Figure(7.0, 4.0, float("inf"), 400))
    verdict = dataclasses.replace(built.latent(), least_data=(row,))
    assert "fine_tune: 7 [4, ∞) labels for 90 % of the" in verdict_text(verdict)


def test_text_of_others_cannot_steer_the_terminal() -> None:
    verdict = dataclasses.replace(built.latent(), doubts=("\x1b[2J\u202eevil\r\nfake line",))
    text = verdict_text(verdict)
    assert "\\x1b[2J\\u202eevil\\x0d fake line" in text
    assert not [c for c in text if c != "\n" and (ord(c) < 32 or c == "\u202e")]


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
        re.split(r"\s{2,}", line.strip())
        for line in verdict_text(_best_is_ceiling(), Look(verbose=True)).splitlines()
    ]
    assert ["fine_tune n=8", "8", "96 % [93, 99]", "top"] in [line[:4] for line in lines]
    assert ["gain over floor", "86.0 [83.0, 89.0] points"] in lines
    assert ["unreadable", "60 % → 5 %"] in lines


def test_a_gain_in_format_is_called_so() -> None:
    verdict = _best_is_ceiling()
    *others, last = verdict.rungs
    last = dataclasses.replace(last, is_ceiling=False, gain_kind="format")
    text = verdict_text(dataclasses.replace(verdict, rungs=(*others, last)))
    assert re.search(r"gain in format +86\.0 \[83\.0, 89\.0\] points", text)


def test_few_seeds_that_disagree_are_printed_as_their_points() -> None:
    verdict = built.latent()
    *others, last = verdict.rungs
    lost = dataclasses.replace(
        last.retention[0], damage=Figure(-0.22, -0.9, 0.05, 400), seeds=(-0.02, -0.05, -0.6)
    )
    last = dataclasses.replace(last, seed_scores=(0.05, 0.03, 0.92), retention=(lost,))
    last = dataclasses.replace(last, score=Figure(0.33, 0.0, 1.0, 400))
    lines = verdict_text(
        dataclasses.replace(verdict, rungs=(*others, last)), Look(verbose=True)
    ).splitlines()
    fields = [re.split(r"\s{2,}", line.strip()) for line in lines]
    assert ["fine_tune n=8", "8", "33 %"] in [line[:3] for line in fields]
    assert ["each seed", "5 %, 3 %, 92 %"] in fields
    assert ["on line_moves", "−22.0 (seeds −2.0, −5.0, −60.0)"] in fields


@pytest.mark.parametrize(("width", "said"), [(80, "−0.1 [−2, 0]"), (100, "−0.1 [−1.1, 0.0]")])
def test_an_interval_of_unlike_sides_shows_both_ends(width: int, said: str) -> None:
    text = verdict_text(built.latent(), Look(width))
    assert re.search(rf"fine_tune n=1 .* {re.escape(said)}$", text, re.MULTILINE)


def test_what_holds_for_nearly_every_study_is_no_warning_but_a_note() -> None:
    doubts = (
        "one style of question only",
        "3 seeds: intervals over seeds are wide",
        "a trial failed",
    )
    verdict = dataclasses.replace(built.latent(), doubts=doubts)
    short, whole = (
        verdict_text(verdict),
        " ".join(verdict_text(verdict, Look(verbose=True)).split()),
    )
    assert [line for line in short.splitlines() if line.startswith("  !")] == ["  ! a trial failed"]
    assert f"Notes {doubts[0]}; {doubts[1]}; " in whole
    assert doubts[0] not in short


def test_a_command_too_long_for_the_line_stands_whole_on_its_own(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    folder = Path("runs/a-folder-with-a-long-name")
    print_verdicts([built.latent(), built.absent()], "text", folder)
    said = capsys.readouterr().out.splitlines()
    at = said.index("One in full")
    assert said[at + 1] == f"  modicum report {folder} --task word-sums"
