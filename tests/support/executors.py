"""Executors by their number of workers."""

from modicum.executor import Executor, resolve_executor

__all__ = ["executor_of"]


def executor_of(workers: int) -> Executor:
    """Return this process for one worker, several processes for more."""
    return resolve_executor("here" if workers == 1 else f"processes?workers={workers}")
