"""`modicum report` writes what is not there yet, and leaves alone what stands."""

import webbrowser
from pathlib import Path

import pytest

from modicum.workbench import load
from tests.support.commands import SMALL, modicum


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("told") / "study"
    assert modicum("run", *SMALL, "--test", 20, "--no-check", "--out", place).code == 0
    return place


def test_report_that_stands_is_not_written_again_and_still_linked_and_opened(
    folder, monkeypatch
) -> None:
    page, shown = folder / "report.html", []
    monkeypatch.setattr(webbrowser, "open", lambda url: shown.append(url) or True)
    monkeypatch.setattr(
        "modicum.cli.report_file.write_report", lambda *given: pytest.fail("written again")
    )
    before = page.stat().st_mtime_ns
    said = modicum("report", folder, "--open")
    assert said.code == 0
    assert f"Report      {page}" in said.out
    assert load(folder).report(open=True) == page
    assert shown == [page.resolve().as_uri()] * 2
    assert page.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["edited", "gone", "another place"])
def test_report_that_does_not_stand_is_written(change, folder, tmp_path) -> None:
    page = folder / "report.html"
    whole = page.read_text()
    if change == "edited":
        page.write_text(whole + "more")
    if change == "gone":
        page.unlink()
    more = ("--out", tmp_path / "page.html") if change == "another place" else ()
    assert modicum("report", folder, *more).code == 0
    assert "every answer" in (tmp_path / "page.html" if more else page).read_text().lower()
    assert page.read_text() == whole
