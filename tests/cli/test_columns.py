"""Columns: where there is no room names go on below, heads are wrapped, and figures stay whole."""

import pytest

from modicum.cli.columns import MOST_LINES, columns

HEAD = ("method", "labels", "correct")
NAMES = ("steering_vector n=2", "steering_vector n=16", "fine_tune n=4")
ROWS = [HEAD, *((name, "16", "100 % [94, 100]") for name in NAMES)]


def _set(width: int) -> list[str]:
    return columns(ROWS, right=(1,), elastic=(0,), width=width)


def test_with_room_every_row_is_one_line() -> None:
    assert not any("\n" in row for row in _set(80))


@pytest.mark.parametrize("width", [36, 40, 44])
def test_names_that_do_not_fit_go_on_below_with_nothing_lost(width: int) -> None:
    for name, row in zip(NAMES, _set(width)[1:], strict=True):
        first, *others = row.split("\n")
        assert max(map(len, (first, *others))) <= width
        assert first.endswith("100 % [94, 100]")
        start = first[: first.index(" 16  100 %")].strip()
        said = "".join([start, *(line.strip() for line in others)])
        assert said.replace(" ", "") == name.replace(" ", "")


def test_a_name_without_end_loses_its_middle_and_keeps_both_ends() -> None:
    rows = [HEAD, ("models/" + "deep/" * 60 + "n=2", "1", "0 % [0, 6]")]
    lines = columns(rows, right=(1,), elastic=(0,), width=40)[1].split("\n")
    assert len(lines) <= MOST_LINES + 2
    assert lines[0].startswith("models/")
    assert lines[-1].endswith("n=2")
    assert any("…" in line for line in lines)


def test_heads_of_several_words_are_wrapped_before_a_name_is_broken() -> None:
    rows = [("task", "least data"), ("word_sums", "0")]
    head, row = columns(rows, right=(1,), elastic=(0,), width=16)
    assert head.split("\n") == ["task       least", "            data"]
    assert row == "word_sums      0"
