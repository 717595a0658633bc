"""The scan finds what a model half knows, keeps what it has tried, and its tasks bear a study."""

import json
from collections import Counter
from pathlib import Path

import pytest

from modicum.doctor.scan import GYM, Scan, Tried, row_of, scan
from modicum.ledger import Ledger
from modicum.models.scripted import Scripted, ScriptedModel
from modicum.task import resolve_task

TASKS = ("sums", "sums?low=10&high=99", "sums?low=200&high=299")


def _scan(folder: Path, truth: str = "latent", tasks: tuple[str, ...] = TASKS) -> Scan:
    model = Scripted(truth).open()  # type: ignore[arg-type]
    return scan(model, tasks, folder, max_new_tokens=24, tell=lambda what: None, ledger=Ledger())


def _tried(hits: list[int], luck: float = 0.0, greedy: int = 0) -> Tried:
    n = len(hits)
    right = tuple(i < greedy for i in range(n))
    return Tried("sums", "shots", "raw", right, tuple(hits), (luck,) * n, 4, 0.0, 0.0, 9.0, 1.0)


def test_half_known_task_is_picked(tmp_path: Path) -> None:
    found = _scan(tmp_path)
    assert found.pick in TASKS
    assert {row.split for row in found.rows} == {"shots"}


@pytest.mark.parametrize("truth", ["absent", "shown", "sealed"])
def test_task_that_is_not_half_known_is_not_picked(truth: str, tmp_path: Path) -> None:
    assert _scan(tmp_path, truth).pick == ""


def test_pick_is_proved_on_fresh_problems_of_the_selection_split(tmp_path: Path) -> None:
    finalists = _scan(tmp_path).finalists
    assert {row.split for row in finalists} == {"selection"}
    assert finalists[0].is_half_known
    assert finalists[0].greedy.n > 10


def test_second_scan_draws_nothing_and_gives_the_same(tmp_path: Path, monkeypatch) -> None:
    first = _scan(tmp_path)
    monkeypatch.setattr(ScriptedModel, "draw", lambda *given: pytest.fail("drew again"))
    assert _scan(tmp_path) == first


def test_scan_that_was_stopped_keeps_what_it_had(tmp_path: Path) -> None:
    many = tuple(f"sums?low={low}&high=899" for low in range(100, 108))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    seen: list[str] = []

    def stop(what: str) -> None:
        seen.append(what)
        if len(seen) == 2:
            raise KeyboardInterrupt

    model = Scripted("latent").open()
    with pytest.raises(KeyboardInterrupt):
        scan(model, many, stopped, max_new_tokens=24, tell=stop, ledger=Ledger())
    assert len(list(stopped.glob("*.json"))) == 4
    assert [r.pass_k for r in _scan(stopped, tasks=many).rows] == [
        r.pass_k for r in _scan(whole, tasks=many).rows
    ]


def test_figures_on_disk_are_whole_json(tmp_path: Path) -> None:
    _scan(tmp_path)
    kept = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert {values["task"] for values in kept} == set(TASKS)


@pytest.mark.parametrize(
    ("hits", "luck", "is_half_known"),
    [
        ([1] * 12 + [0] * 12, 0.02, True),
        ([0] * 24, 0.02, False),  # never hit
        ([4] * 24, 0.02, False),  # solved: nothing above pass@1
        ([4] * 12 + [0] * 12, 0.02, False),  # knows some and not others: sampling adds nothing
        ([1] * 12 + [0] * 12, 0.5, False),  # no better than luck
    ],
)
def test_half_known_is_above_luck_and_above_pass_1(hits, luck, is_half_known) -> None:
    assert row_of(_tried(hits, luck)).is_half_known is is_half_known


def test_task_that_cannot_be_built_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = _scan(tmp_path, tasks=(*TASKS, "csv:no-such-file.csv", "smus"))
    assert found.failed


@pytest.mark.parametrize("task", GYM)
def test_listed_task_has_problems_for_a_study(task: str) -> None:
    gym = resolve_task(task)
    assert len(gym.problems("test", 200)) == 200
    assert len(gym.problems("selection", 40)) == 40
    assert len(gym.problems("shots", 64)) == 64


@pytest.mark.parametrize("task", GYM)
def test_gold_of_a_listed_task_is_accepted_as_its_prompt_asks(task: str) -> None:
    gym = resolve_task(task)
    problems = gym.problems("shots", 16)
    right = [gym.mark(p, f"Answer: {p.answer}").strict == 1 for p in problems]
    assert all(right)


@pytest.mark.parametrize("task", GYM)
def test_listed_task_cannot_be_guessed_by_one_answer(task: str) -> None:
    golds = Counter(p.answer for p in resolve_task(task).problems("shots", 64))
    assert golds.most_common(1)[0][1] <= 0.7 * 64
