"""Flights side by side, a thread each: those with rows of their own never wait within a product."""

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event

import torch

__all__ = ["is_memory", "together"]


def together(work: Callable[[int], None], flights: int, threads: int, halt: Event) -> None:
    """Do `work(0)`, `work(1)`, … side by side and waits for all of them.

    Args:
        work: Draws what it takes from a desk.
        flights: How many there are; one works in this thread.
        threads: Threads within each one's operations.
        halt: Set when one failed or the caller stops, so that the others end soon.

    Raises:
        Exception: what the first one that failed has raised.
    """
    if flights == 1:
        work(0)
        return
    executor = ThreadPoolExecutor(flights, initializer=torch.set_num_threads, initargs=(threads,))
    halt.clear()
    try:
        futures = [executor.submit(work, flight) for flight in range(flights)]
        ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in ended:
            future.result()
    finally:
        halt.set()
        executor.shutdown(cancel_futures=True)
        halt.clear()


def is_memory(error: Exception) -> bool:
    """Say whether an error of torch or Python means that memory is short."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "allocate" in text or "out of memory" in text
