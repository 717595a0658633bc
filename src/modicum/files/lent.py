"""Things of one Python process that a study works with: lent under a name, found by it while they last."""

from dataclasses import dataclass
from typing import Generic, TypeVar, final
from weakref import WeakValueDictionary

from modicum.errors import ConfigError

__all__ = ["Lender", "Loan"]

T = TypeVar("T")


@final
@dataclass(frozen=True, eq=False)
class Loan(Generic[T]):
    """One thing under its name: it can be found by the name as long as someone keeps this."""

    name: str
    thing: T


@final
class Lender(Generic[T]):
    """Finds what this process lent to its studies, and holds on to none of it."""

    def __init__(self, what: str, again: str) -> None:
        """Begin with nothing.

        Args:
            what: What is lent, for the message: `a loaded model`.
            again: How it is given once more, as Python code.
        """
        self._what, self._again = what, again
        self._loans: WeakValueDictionary[str, Loan[T]] = WeakValueDictionary()

    def lend(self, name: str, thing: T) -> Loan[T]:
        """Return the loan of a thing; where one of this name lasts, that one.

        Args:
            name: Says all that decides about figures, such as a hash: equal names, equal things.
            thing: What is lent.
        """
        known = self._loans.get(name)
        if known is None:
            known = self._loans[name] = Loan(name, thing)
        return known

    def find(self, name: str) -> T:
        """Return what was lent under a name.

        Raises:
            ConfigError: nothing of this process, or nobody keeps it any more.
        """
        loan = self._loans.get(name)
        if loan is None:
            raise ConfigError(
                f"{self._what} {name!r}, which is not in this process",
                "what the study was made with, given once more",
                f"give it again: {self._again}; without it the study is read, and draws nothing",
            )
        return loan.thing
