"""One thread of the processor, for equal bits."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread"]


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """Let the processor work with one thread, which gives equal bits, while the context lasts.

    Args:
        device: Where a net is; only `cpu` is touched.
    """
    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
