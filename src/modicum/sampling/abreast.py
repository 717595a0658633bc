"""Runs blocks side by side, a thread each: threads with rows of their own never wait for one another."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import torch

from modicum.sampling.blocks import Job, Raw

__all__ = ["in_order", "is_memory"]


def in_order(
    work: Callable[[list[Job]], list[Raw | None]],
    blocks: Sequence[list[Job]],
    *,
    abreast: int,
    threads: int,
    halt: Event,
) -> Iterator[tuple[list[Job], list[Raw | None]]]:
    """Gives each block with its completions, in order, some blocks running side by side.

    Args:
        work: Draws one block.
        blocks: The blocks.
        abreast: How many run at once.
        threads: Threads within each one's operations.
        halt: Set when one failed or the caller stops, so that the others end soon.
    """
    if abreast == 1:
        yield from ((jobs, work(jobs)) for jobs in blocks)
        return
    executor = ThreadPoolExecutor(abreast, initializer=torch.set_num_threads, initargs=(threads,))
    halt.clear()
    try:
        futures = [executor.submit(work, jobs) for jobs in blocks]
        for jobs, future in zip(blocks, futures, strict=True):
            yield jobs, future.result()
    finally:
        halt.set()
        executor.shutdown(cancel_futures=True)
        halt.clear()


def is_memory(error: Exception) -> bool:
    """Says whether an error of torch or Python means that memory is short."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "allocate" in text or "out of memory" in text
