"""Sections of readings: printed, drawn and written as JSON from one definition, and escaped in each."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from modicum.analysis.board_strip import BoardCell, BoardStrip, Still
from modicum.analysis.section import (
    Column,
    Listing,
    Plot,
    Point,
    Section,
    SectionRow,
    SectionTable,
    Series,
    written,
)
from modicum.analysis.verdict import Verdict, as_json
from modicum.cli.section_text import section_text
from modicum.cli.verdict_text import verdict_text
from modicum.report.axes import Palette
from modicum.report.page import write_report
from modicum.report.plots import section_charts
from modicum.stats import Figure
from tests.report.test_report import OURS, Page
from tests.support import verdicts as built

HALF = Figure(0.5, 0.4, 0.6, 100)


def section(text: str, **more: object) -> Section:
    """Return a section in which a text stands wherever a text may stand."""
    columns = (Column(text), Column("score", "share"), Column("trials", "trials"))
    rows = (
        SectionRow((text, HALF, ("0123456789abcdef",))),
        SectionRow((text, None, ()), is_below=True),
    )
    points = (Point(text, 0.5, 0.4, 0.6), Point("b", 0.25), Point("c", float("nan")))
    chart = Plot(text, text, text, text, text, (Series(text, points), Series("other", points)))
    table = SectionTable(text, columns, rows, text, text)
    bound = Series(text, points[:2], dash=(2, 2), is_bound=True)
    chart = dataclasses.replace(chart, series=(*chart.series, bound))
    cells = (BoardCell(text, is_given=True), BoardCell(text, is_wrong=True))
    return dataclasses.replace(
        Section(
            text,
            (text,),
            lists=(Listing(text, (text,)), Listing(text, (text, text), is_folded=True)),
            tables=(table,),
            charts=(chart,),
            note=text,
            values={"half": HALF, "text": text},
            strips=(BoardStrip(text, 2, (Still(text, cells),)),),
        ),
        **more,
    )


def verdict(found: Section) -> Verdict:
    return dataclasses.replace(built.latent(), sections={"foreign": found})


@pytest.fixture
def write(tmp_path: Path):
    """Write the report of one verdict and gives its source."""

    def written_report(one: Verdict) -> str:
        store = built.stored(tmp_path / "study", [one])
        write_report([one], store, built.plan(), tmp_path / "report.html")
        store.close()
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return written_report


def test_terminal_prints_title_sentences_and_table() -> None:
    lines = verdict_text(verdict(section("plain words"))).splitlines()
    at = lines.index("plain words")
    assert lines[at + 1] == "plain words"
    assert lines[at + 2 : at + 5] == ["plain words: plain words", "plain words: 2", "plain words"]
    assert lines[at + 5].split() == ["plain", "words", "score"]
    assert lines[at + 6].split() == ["plain", "words", "50", "%", "[40,", "60]"]
    assert lines[at + 7] == "  plain words  –"


def test_report_draws_table_and_chart(write) -> None:
    source = write(verdict(section("plain words")))
    page = Page(source)
    assert "plain words" in page.text
    assert "50 % [40, 60]" in page.text
    assert any(name.endswith("-foreign-plain-words") for name in page.ids)
    assert "#trial-0123456789abcdef" in page.links


def test_json_holds_the_section_and_nothing_where_there_is_none() -> None:
    said = json.loads(json.dumps(as_json(verdict(section("plain words"))), allow_nan=False))
    own = said["sections"]["foreign"]
    assert own["values"]["half"]["value"] == 0.5
    assert own["tables"][0]["rows"][0]["cells"][1]["low"] == 0.4
    assert own["charts"][0]["series"][0]["points"][2]["y"] is None
    assert "sections" not in as_json(built.latent())


def test_json_does_not_repeat_the_verdicts_own_sections() -> None:
    assert "sections" not in as_json(verdict(section("plain words", is_core=True)))


@pytest.mark.parametrize("text", built.HOSTILE)
def test_hostile_text_stays_text(write, text: str) -> None:
    source = write(verdict(section(text)))
    page = Page(source)
    assert not page.open
    assert [name for name in page.names if name in ("script", "iframe", "img")] == OURS
    assert not page.handlers
    assert page.requests == ["data:,"]
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ud800-\udfff]", source
    )


@pytest.mark.parametrize("text", built.HOSTILE)
def test_hostile_text_moves_no_cursor(text: str) -> None:
    printed = section_text(section(text))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ud800-\udfff]", printed
    )


def test_policy_of_the_page_is_what_it_was(write) -> None:
    with_section, without = write(verdict(section("plain words"))), write(built.latent())
    policy = re.compile(r'Content-Security-Policy" content="([^"]*)"')
    assert policy.findall(with_section) == policy.findall(without) != []


@pytest.mark.parametrize("mark", ["points", "line", "bars", "curve", "rows"])
@pytest.mark.parametrize("places", [("a", "b"), (1.0, 2.0)], ids=["names", "numbers"])
def test_every_mark_is_drawn_over_names_and_numbers(write, mark: str, places: tuple) -> None:
    points = tuple(Point(x, 0.5, 0.4, 0.6) for x in places)
    chart = Plot("c", "A chart.", "It.", "x", "y", (Series("s", points),), mark)  # type: ignore[arg-type]
    source = write(verdict(Section("t", charts=(chart,))))
    figure = source[source.index('-foreign-c"') :]
    assert "<svg" in figure[: figure.index("</figure>")]


def test_series_of_a_method_has_its_hue_and_shape() -> None:
    points = (Point("a", 0.5),)
    chart = Plot("c", "", "", "x", "y", (Series("s", points, of="fine_tune", shift=1),))
    one = verdict(Section("t", charts=(chart,)))
    palette = Palette.of([one])
    (drawn,) = section_charts(one, palette)
    at = palette.methods.index("fine_tune") + 1
    assert drawn.keys[0].color == f"var(--m{at})"
    assert drawn.keys[0].shape == palette.shape("fine_tune")


def test_table_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a cell a column"):
        SectionTable("t", (Column("a"),), (SectionRow(("x", "y")),))
    with pytest.raises(ValueError, match="brief"):
        SectionTable("t", (Column("a"),), (), brief={"b": Column("b")})


def test_plot_over_names_and_numbers_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one kind"):
        Plot("c", "", "", "x", "y", (Series("s", (Point("a", 1.0), Point(2.0, 1.0))),))


@pytest.mark.parametrize(
    ("cell", "kind", "said"),
    [
        (HALF, "points", "50.0 [40.0, 60.0]"),
        (HALF, "point", "50.0"),
        (HALF, "effect", "helps"),
        (0.25, "share", "25 %"),
        (1200, "count", "1,200"),
        (("0123456789", "abcdef"), "trials", "0123 abcd"),
        ("as it is", "share", "as it is"),
    ],
)
def test_cells_are_written_as_their_column_says(cell, kind, said: str) -> None:
    assert written(cell, kind) == said


BOARD = BoardStrip(
    "A board.",
    2,
    tuple(
        Still(f"depth {depth}", (BoardCell("1", is_given=True), *cells))
        for depth, cells in (
            (1, (BoardCell("2", is_wrong=True), BoardCell("2"), BoardCell("3", is_wrong=True))),
            (2, (BoardCell("2"), BoardCell("2"), BoardCell("1"))),
        )
    ),
    (1, 1),
)


def test_a_strip_is_read_without_colour_on_the_page(write) -> None:
    source = write(verdict(Section("t", strips=(BOARD,))))
    figure = source[source.index('class="board-strip"') :]
    figure = figure[: figure.index("</figure>")]
    assert figure.count("<svg") == 2
    assert figure.count("<rect") == 2  # a frame each around the wrong cells
    assert figure.count('font-weight="700"') == 2
    assert "depth 1: 2 wrong" in figure
    assert "[1] 2 wrong; 2 3 wrong" in figure


def test_a_strip_is_printed_side_by_side_and_wraps() -> None:
    said = section_text(Section("t", strips=(BOARD,)))
    assert said.splitlines()[2:] == [
        "depth 1   depth 2",
        "[1] 2*    [1] 2",
        " 2  3*     2  1",
    ]
    narrow = section_text(Section("t", strips=(BOARD,)), width=10).splitlines()
    assert narrow[-6:] == ["depth 1", "[1] 2*", " 2  3*", "depth 2", "[1] 2", " 2  1"]


def test_boards_are_whole_rows() -> None:
    with pytest.raises(ValueError, match="whole rows"):
        BoardStrip("A board.", 3, BOARD.stills)


def test_json_says_nothing_of_strips_and_bounds_where_there_are_none() -> None:
    chart = Plot("c", "", "", "x", "y", (Series("s", (Point("a", 0.5),)),))
    said = as_json(Section("t", charts=(chart,)))
    assert not {"strips", "are_shares", "is_bound"} & {*said, *said["charts"][0]}
    assert "is_bound" not in said["charts"][0]["series"][0]
    drawn = as_json(Section("t", charts=(dataclasses.replace(chart, are_shares=True),)))
    assert drawn["charts"][0]["are_shares"] is True


def test_a_bound_has_its_name_at_its_end_and_no_marks(write) -> None:
    points = (Point(1.0, 0.5, 0.4, 0.6), Point(2.0, 0.6, 0.5, 0.7))
    bound = Series("the ceiling", points[:2], dash=(2, 2), is_bound=True)
    chart = Plot("c", "A.", "It.", "x", "y", (Series("s", points), bound), "line", are_shares=True)
    source = write(verdict(Section("t", charts=(chart,))))
    figure = source[source.index('-foreign-c"') :]
    figure = figure[figure.index("<svg") : figure.index("</figure>")]
    picture = figure[figure.rindex('<svg role="img"') :]
    assert "the ceiling</text>" in picture
    assert "100 %</text>" in picture
    assert picture.count('stroke-dasharray="2,2"') == 1
