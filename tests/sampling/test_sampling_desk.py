"""Jobs are handed out in virtual time: who gets what does not depend on who is quicker."""

import random
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.ledger import Ledger
from modicum.sampling.local import Local
from modicum.sampling.work_queue import Desk
from modicum.types import Request, Sampling
from tests.support.tiny_models import byte_tokenizer, tiny_module


def shared_out(sizes: list[int], flights: int, rows: int, seed: int) -> list[list[int]]:
    """Play flights whose steps take random real time; gives the jobs of each, in order."""
    prompts = [i for i, size in enumerate(sizes) for _ in range(size)]
    desk = Desk(prompts, flights, rows, Event())
    lengths = [random.Random(job).randint(1, 9) for job in range(len(prompts))]
    taken: list[list[int]] = [[] for _ in range(flights)]

    def fly(number: int) -> None:
        pace, live, is_last = random.Random(f"{seed}-{number}"), list[int](), False
        while live or not is_last:
            if not is_last and len(live) < rows:
                jobs = desk.take(number, rows - len(live))
                is_last = jobs is None
                for job in jobs or ():
                    taken[number].append(job)
                    live.append(lengths[job])
                desk.spend(number, prompts=len(jobs or ()))
            desk.spend(number, rows=len(live))
            time.sleep(pace.random() * 2e-4)
            live = [left - 1 for left in live if left > 1]
        desk.leave(number)

    with ThreadPoolExecutor(flights) as executor:
        list(executor.map(fly, range(flights)))
    return taken


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    st.integers(1, 3),
    st.integers(1, 12),
)
def test_every_job_goes_once_and_to_the_same_flight_each_time(
    sizes: list[int], flights: int, rows: int
) -> None:
    first = shared_out(sizes, flights, rows, seed=1)
    assert sorted(job for jobs in first for job in jobs) == list(range(sum(sizes)))
    assert first == shared_out(sizes, flights, rows, seed=2)


def test_a_prompts_jobs_go_together_where_they_fit() -> None:
    desk = Desk("aaaabbbbcccc", 2, 16, Event())
    assert desk.take(0, 16) == range(12)
    desk = Desk("aaaabbbbcccc", 2, 16, Event())
    assert desk.take(0, 7) == range(4)
    desk.spend(0, rows=7)
    assert desk.take(1, 3) == range(4, 4)  # waits for room rather than prefilling `b` twice
    assert desk.take(1, 5) == range(4, 8)


def test_a_long_prompt_is_cut_and_a_flight_alone_takes_what_fits() -> None:
    assert Desk("a" * 9, 2, 8, Event()).take(0, 4) == range(4)
    assert Desk("aaaabbbb", 1, 64, Event()).take(0, 6) == range(6)


def test_who_waits_is_called_off() -> None:
    halt = Event()
    desk = Desk("aabb", 2, 4, halt)
    desk.spend(1, rows=4)
    halt.set()
    with pytest.raises(CancelledError):
        desk.take(1, 4)


def test_the_rest_goes_on_when_a_flight_leaves() -> None:
    desk = Desk("aabb", 2, 8, Event())
    desk.spend(1, rows=4)
    desk.leave(0)
    assert desk.take(1, 8) == range(4)
    assert desk.take(1, 8) is None


@pytest.mark.parametrize("threads", [2, 3])
def test_flights_repeat_to_the_bit_whatever_their_pace(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Local(tiny_module("llama"), byte_tokenizer(), name="tiny", threads=threads, rows=6)
    asked = [Request(f"{i} pears and {i * i} more", f"p{i}", 5) for i in range(12)]
    sampling = Sampling(20, 1.0, margins=True, stream="s")
    first = model.generate(asked, sampling, Ledger())
    spend = Desk.spend

    def slow(self: Desk, flight: int, **what: int) -> None:
        time.sleep(0.001 * flight)
        spend(self, flight, **what)

    monkeypatch.setattr(Desk, "spend", slow)
    assert model.generate(asked, sampling, Ledger()) == first
