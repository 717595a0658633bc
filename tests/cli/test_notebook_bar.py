"""A notebook shows one bar, drawn again in its place; a terminal and a log show what they always do."""

import math
import sys
import types

import pytest

import modicum
from modicum.cli.advance import Advance
from modicum.cli.notebook_bar import NotebookBar, fitting_watcher
from modicum.cli.progress import Heartbeat
from modicum.outcome import Outcome
from modicum.running.spending import TrialShare
from modicum.types import Trial


@pytest.fixture
def drawn(monkeypatch) -> list[str]:
    """What a notebook was given to draw; `+` before what was drawn anew."""
    shown: list[str] = []
    handle = types.SimpleNamespace(update=shown.append)

    def display(thing, *, display_id):
        shown.append(f"+{thing}")
        return handle

    module = types.ModuleType("IPython.display")
    module.HTML, module.display = str, display
    for name, one in {"IPython": types.ModuleType("IPython"), "IPython.display": module}.items():
        monkeypatch.setitem(sys.modules, name, one)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr("modicum.cli.notebook_bar.BEAT_S", 0.0)
    return shown


def test_a_run_draws_one_bar_and_moves_it(drawn, tmp_path) -> None:
    modicum.Study(
        "scripted:latent", "sums", ["cot_decoding"], out=tmp_path, check=False,
        test=10, selection=5, samples=4,
    ).run()  # fmt: skip
    assert [text.startswith("+") for text in drawn] == [True, *[False] * (len(drawn) - 1)]
    assert 'value="0"' in drawn[0]
    assert 'max="1" value="1"' in drawn[-1]
    assert " answers · " in drawn[-1]


def test_the_bar_says_the_time_that_is_left_of_the_forecast_and_of_the_budget(drawn) -> None:
    shares = {"a": TrialShare(10, 100.0, 50.0), "b": TrialShare(10, 100.0, 50.0)}
    for most_s, left in ((math.inf, "10 min"), (120.0, "2 min")):
        with NotebookBar(Advance(shares, 600.0, lambda most_s=most_s: most_s)) as bar:
            bar.started(2, 0)
        assert f"about {left} left" in drawn[-1]
        assert "0/20 answers" in drawn[-1]


def test_a_failed_trial_stays_below_the_cell_and_what_it_says_is_escaped(drawn, capsys) -> None:
    with NotebookBar() as bar:
        bar.started(3, 1)
        bar.learns("<b>loss</b>")
        bar.finished(Outcome(Trial("m", "t", "fine_tune", 4, 0), error="Boom: <i>\nmore"))
    assert capsys.readouterr().err == "failed: fine_tune n=4: Boom: <i>\n"
    assert any("&lt;b&gt;loss" in text for text in drawn)
    assert not any("<b>" in text for text in drawn)


def test_without_a_notebook_the_usual_watcher_is_taken(monkeypatch, capsys) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert isinstance(fitting_watcher(), Heartbeat)


def test_progress_can_be_silenced(drawn, tmp_path, capsys) -> None:
    modicum.Study(
        "scripted:latent", "sums", ["cot_decoding"], out=tmp_path, progress=False,
        test=10, selection=5, samples=4,
    ).run()  # fmt: skip
    assert drawn == []
    assert capsys.readouterr() == ("", "")
