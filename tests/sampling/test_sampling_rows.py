"""Rows are tuned once by a short timing, and then frozen in the study."""

import pytest

from modicum.executor import Job
from modicum.ledger import Ledger
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.sampling import local as local_module
from modicum.sampling.local import Local
from modicum.sampling.tune_rows import quickest
from modicum.store.database import Store
from modicum.study import trial as trial_module
from modicum.types import Request, Sampling
from tests.support.tiny_models import tiny_local


class _Machine:
    """A clock that a draw moves on: so many seconds a step, at each number of rows."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.now, self.seconds, self.tried = 0.0, seconds, list[int]()

    def draw(self, rows: int) -> int:
        self.tried.append(rows)
        self.now += self.seconds.get(rows, 0.0)
        return rows

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({32: 1.0, 64: 1.2, 128: 1.5, 256: 2.0}, 256),
        ({32: 1.0, 64: 1.2, 128: 1.5, 256: 2.95}, 128),  # 2 % more is not worth twice the memory
        ({32: 1.0, 64: 2.0, 128: 4.0, 256: 8.0}, 32),
    ],
)
def test_the_fewest_rows_near_the_best_rate_win(seconds: dict[int, float], best: int) -> None:
    machine = _Machine(seconds)
    assert quickest(machine.draw, 10_000, clock=machine.clock) == best


def test_rows_that_do_not_fit_are_never_tried() -> None:
    machine = _Machine({32: 1.0, 64: 1.1})
    assert quickest(machine.draw, 100, clock=machine.clock) == 64
    assert machine.tried == [1, 32, 64]
    assert quickest(machine.draw, 7, clock=machine.clock) == 7


def test_a_slow_model_is_not_timed_at_many_rows() -> None:
    machine = _Machine({32: 9.0, 64: 9.1, 128: 9.2})
    assert quickest(machine.draw, 1000, clock=machine.clock) == 32
    assert machine.tried == [1, 32]


def test_memory_that_runs_out_ends_the_timing() -> None:
    machine = _Machine({32: 1.0, 64: 1.1})

    def draw(rows: int) -> int:
        if rows > 64:
            raise MemoryError
        return machine.draw(rows)

    assert quickest(draw, 1000, clock=machine.clock) == 64


def test_a_large_model_is_tuned_once_and_a_frozen_number_is_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_module, "_SMALL", 1)
    timed: list[int] = []

    def timing(draw, most: int) -> int:
        assert draw(3) > 0
        timed.append(most)
        return 48

    monkeypatch.setattr(local_module, "quickest", timing)
    model: Local = tiny_local("llama")
    assert (model.card.rows, model.rows_for(60)) == (0, 128)
    assert (model.tuned().card.rows, model.tuned().rows_for(60)) == (48, 48)
    assert len(timed) == 1
    assert model.with_module(model.module).rows_for(60) == 48
    frozen: Local = tiny_local("llama").tuned(64)
    assert (frozen.card.rows, len(timed)) == (64, 1)
    assert tiny_local("llama", rows=5).tuned(64).rows_for(60) == 5  # the user's word stands
    [[answer]] = frozen.generate([Request("a", "x", 1)], Sampling(2, 1.0), Ledger())
    assert answer.n_tokens > 0


def test_a_study_freezes_the_rows_of_its_first_floor(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "_SMALL", 1)
    timings: list[int] = []
    monkeypatch.setattr(
        local_module, "quickest", lambda _draw, _most: timings.append(1) or 16 + len(timings)
    )
    sizes = {"test": 4, "selection": 4, "samples": 4, "seeds": 1, "retain": ()}
    plan = plan_for("organism", "word_sums", ["self_consistency"], (), **sizes)
    taken: dict[str, int] = {}
    original = Job.run

    def spy(self: Job, observer):
        taken[self.trial.method] = self.way.rows
        return original(self, observer)

    monkeypatch.setattr(Job, "run", spy)
    store = Store(tmp_path)
    store.freeze(plan.as_dict())
    trial_module._opened.cache_clear()
    run(plan, store, Silent())
    assert taken.pop("prompt_style", 0) == 0
    assert set(taken.values()) == {17}
    outcome = store.read(plan.subjects()[0].samples())
    assert outcome is not None
    assert outcome.card.rows == 17
    assert len(timings) == 1
    store.close()
    trial_module._opened.cache_clear()
