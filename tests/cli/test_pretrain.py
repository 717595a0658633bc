"""`modicum pretrain` trains, goes on, says how far it is, and what it wrote."""

import json
import re

import pytest

from modicum.cli.verbs.pretrain import command
from modicum.nets.recursive_folder import CONFIG
from modicum.training.pretraining import pretrain
from modicum.training.recursive_learner import RecursivePretraining
from tests.support.commands import modicum

SMALL = ("--steps", 4, "--batch", 4, "--boards", 6, "--held-out", 4)
PLAN = RecursivePretraining("sudoku", steps=4, batch=4, boards=6)


@pytest.fixture(autouse=True)
def _few_are_tested(monkeypatch) -> None:
    assert command.name == "pretrain"  # read before, so that its help keeps the true number
    monkeypatch.setattr("modicum.training.pretraining.HELD_OUT", 4)
    monkeypatch.setattr("modicum.training.pretraining._TESTED", 8)
    monkeypatch.setattr("modicum.training.recursive_learner._VOTES", 2)


def test_a_stopped_training_says_where_it_goes_on_and_what_it_wrote(tmp_path, monkeypatch) -> None:
    def stop(ledger) -> None:
        if ledger.updates == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("modicum.cli.progress.BEAT_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        pretrain(PLAN, tmp_path / "net", "cpu", stop)
    said = modicum("pretrain", "recursive", "--task", "sudoku", *SMALL, "--out", tmp_path / "net")
    assert said.code == 0, said.err
    assert re.search(r"going on after update [12] of 4 …", said.err)
    assert re.search(r"3/4 updates .* training, loss \d", said.err)
    for under_way in ("training the halting head", "measuring on held-out boards"):
        assert under_way in said.err
    assert said.out.startswith("gram on sudoku: 4 held-out boards, 20 samples of depth 4 each\n")
    assert re.search(r"\n  (halts at \.\d+ +after|never halts) .* 4 boards", said.out)
    assert said.out.endswith(f"use it with --model recursive:{tmp_path / 'net'}\n")


def test_its_json_holds_the_settings_and_the_figures(tmp_path) -> None:
    line = ("pretrain", "recursive", "--task", "sudoku", "--preset", "twin", *SMALL)
    told = json.loads(modicum(*line, "--out", tmp_path / "net", "--json").out)
    assert (told["schema"], told["preset"], told["steps"]) == (1, "twin", 4)
    assert told["held_out"]["boards"] == 4
    halting = told["held_out"]["halting"]
    assert (halting["depth"], halting["boards"], halting["samples"]) == (16, 4, 1)
    assert halting == json.loads((tmp_path / "net" / CONFIG).read_text())["halting"]


def test_a_transformer_is_trained_and_told_of_by_the_same_table(tmp_path) -> None:
    line = ("pretrain", "autoregressive", "--task", "sudoku", *SMALL, "--out", tmp_path / "net")
    said = modicum(*line)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == "autoregressive on sudoku: 4 held-out boards, 20 samples each"
    assert [one.split()[0] for one in lines[1:6]] == [
        "greedy",
        "one",
        "majority",
        "any",
        "coverage",
    ]
    assert lines[-1].endswith(f"use it with --model autoregressive:{tmp_path / 'net'}")


@pytest.mark.parametrize("kind", ["recursive", "autoregressive"])
def test_a_net_is_measured_as_its_training_measured_it(tmp_path, kind: str) -> None:
    line = ("pretrain", kind, "--task", "sudoku", *SMALL, "--out", tmp_path / "net", "--json")
    trained = json.loads(modicum(*line).out)["held_out"]
    net = f"{kind}:{tmp_path / 'net'}"
    told = json.loads(modicum("pretrain", "measure", net, "--held-out", 4, "--json").out)
    assert (told["model"], told["task"]) == (net, "sudoku")
    found = told["held_out"]
    assert (found["boards"], found["samples"], found["depth"]) == (4, 20, trained["depth"])
    # samples of other addresses, of the same net on the same boards
    assert found["coverage"]["several"]["deterministic"] == pytest.approx(
        trained["coverage"]["several"]["deterministic"]
    )


def test_grids_drawn_from_nothing_are_counted_between_their_ceilings(tmp_path) -> None:
    new, blank = "recursive:new?task=sudoku&depth=1", "sudoku?clues=0"
    line = ("pretrain", "measure", new, "--task", blank, "--samples", 288)
    said = modicum(*line)
    assert said.code == 0, said.err
    assert said.out.startswith(f"{new} on {blank}: 1 held-out board, 288 samples of depth 1 each\n")
    assert (
        "of the solutions of 1 board with several (one fixed answer .00, even draws .63)"
        in said.out
    )


def test_a_study_of_the_blank_board_says_what_to_do_instead(tmp_path) -> None:
    line = ("run", "--model", "recursive:new?task=sudoku", "--task", "sudoku?clues=0", "--yes")
    said = modicum(*line, "--out", tmp_path / "study")
    assert said.code != 0
    assert "modicum pretrain measure recursive:FOLDER --task 'sudoku?clues=0'" in said.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("organism",), "which reads no boards"),
        (("recursive:new?task=sudoku", "--task", "n_queens"), "a task of the same boards"),
    ],
)
def test_what_cannot_be_measured_is_said_in_words(line, said: str) -> None:
    told = modicum("pretrain", "measure", *line)
    assert told.code != 0
    assert said in told.err


def test_what_cannot_be_trained_is_said_in_words(tmp_path) -> None:
    said = modicum("pretrain", "recursive", "--task", "sums", "--out", tmp_path)
    assert said.code != 0
    assert "task 'sums', which has no boards" in said.err


@pytest.mark.parametrize("given", [[], ["--task", "sudoku", "--corpus", "made:brackets"]])
@pytest.mark.parametrize("kind", ["energy", "transformer"])
def test_boards_or_text_are_asked_for_and_not_both(kind, given) -> None:
    done = modicum("pretrain", kind, *given)
    assert done.code == 2
    assert "one of --task (boards) and --corpus (text)" in done.err


@pytest.mark.parametrize(
    ("given", "own", "other"),
    [("--task", "--boards", "--windows"), ("--corpus", "--windows", "--boards")],
)
def test_help_shows_the_options_of_what_is_learned(given, own, other) -> None:
    both = modicum("pretrain", "energy", "--help").out
    assert own in both
    assert other in both
    alone = modicum("pretrain", "energy", given, "x", "--help").out
    assert own in alone
    assert other not in alone
