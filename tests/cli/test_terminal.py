"""Colour, links and width follow the terminal and the variables that users set."""

import io

import pytest

from modicum.cli.terminal import link, paint_for, sign, terminal_width


class _Terminal(io.StringIO):
    encoding = "ascii"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "stream", "is_on"),
    [
        ({}, io.StringIO(), False),
        ({}, _Terminal(), True),
        ({"NO_COLOR": "1"}, _Terminal(), False),
        ({"FORCE_COLOR": "1"}, io.StringIO(), True),
        ({"FORCE_COLOR": "0"}, io.StringIO(), False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, _Terminal(), False),
        ({"TERM": "dumb"}, _Terminal(), False),
    ],
)
def test_colour_follows_terminal_and_variables(variables, stream, is_on, monkeypatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert paint_for(stream).is_on is is_on


@pytest.mark.parametrize(("columns", "width"), [("20", 60), ("80", 80), ("400", 120)])
def test_width_is_the_terminals_within_what_can_be_read(columns, width, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width() == width


def test_a_path_is_a_link_on_a_terminal_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert link(tmp_path, io.StringIO()) == str(tmp_path)
    assert link(tmp_path, _Terminal()).startswith(f"\x1b]8;;file://{tmp_path}")


def test_a_sign_that_the_encoding_lacks_is_plain() -> None:
    assert sign("▸", ">", _Terminal()) == ">"
