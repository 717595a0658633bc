"""Runs `modicum ARGUMENTS` and kills itself at a write: `python -m tests.support.killed N WHERE …`.

N is the write at which SIGKILL comes, counted from 1; WHERE is `before`, `inside` or `after` the
transaction. Nothing in the package knows of it.
"""

import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

from modicum.store.database import Answer, Outcome, Store

COUNT = {"writes": 0}


def _kill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _dying(answers: tuple[Answer, ...]) -> Iterator[Answer]:
    """Yield half of the answers and kills: the transaction is open then."""
    yield from answers[: len(answers) // 2]
    _kill()


def _plant(number: int, where: str) -> None:
    """Put the kill into `Store.write`."""
    write = Store.write

    def planted(self: Store, outcome: Outcome) -> None:
        COUNT["writes"] += 1
        if COUNT["writes"] != number:
            write(self, outcome)
            return
        if where == "before":
            _kill()
        if where == "inside":
            object.__setattr__(outcome, "answers", _dying(outcome.answers))
        write(self, outcome)
        _kill()

    Store.write = planted  # type: ignore[method-assign]


if __name__ == "__main__":
    from modicum.cli.main import main

    _plant(int(sys.argv[1]), sys.argv[2])
    main(sys.argv[3:])
