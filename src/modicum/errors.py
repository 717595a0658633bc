"""Every error modicum raises, as one tree.

ModicumError
├── ConfigError            what the user gave cannot work; raised before weights load
│   ├── UnknownNameError   a name that no plug-in, field or file bears
│   ├── AccessError        a method needs more of the model than it offers
│   ├── CheckpointError    weights that are missing, unsafe or broken
│   ├── StoreVersionError  a study folder written by a newer modicum
│   ├── FolderBusyError    another run is at work in the study's folder
│   └── TrustError         a file asks for what only the user may switch on
├── StoreError             the study's database is damaged, or the disk cannot be written
└── TrialError             a trial failed; recorded in its outcome, the study goes on
    ├── BudgetError        a method asked for more than it may have
    ├── EndpointError      a server that does not answer, refuses, or says what cannot be
    └── JudgeError         an answer could not be marked (timed out twice)

A message has three parts: what was found, what was expected, what to do. Whatever it quotes, no
known secret stands in it.
"""

import difflib
from collections.abc import Callable, Iterable

from modicum.secrecy import clean

__all__ = [
    "AccessError",
    "BudgetError",
    "CheckpointError",
    "ConfigError",
    "EndpointError",
    "FolderBusyError",
    "JudgeError",
    "ModicumError",
    "StoreError",
    "StoreVersionError",
    "TrialError",
    "TrustError",
    "UnknownNameError",
    "nearest",
]


class ModicumError(Exception):
    """Base of every error that modicum raises on purpose; known secrets are cut out of its words."""

    def __init__(self, *said: object) -> None:
        """Take what is said, cleaned."""
        super().__init__(*(clean(part) if isinstance(part, str) else part for part in said))


class ConfigError(ModicumError):
    """What the user gave cannot work: found, expected, and what to do."""

    def __init__(self, found: str, expected: str, action: str) -> None:
        """Join the three parts into one message, one part a line."""
        super().__init__(f"found: {found}\nexpected: {expected}\nto do: {action}")
        self.found = clean(found)
        self.expected = clean(expected)
        self.action = clean(action)

    def reworded(self, words: Callable[[str], str]) -> "ConfigError":
        """Return the same error with each of its three parts in other words."""
        return _again(type(self), words(self.found), words(self.expected), words(self.action))

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Go from process to process as its three parts, of whichever kind it is."""
        return _again, (type(self), self.found, self.expected, self.action)


def _again(kind: type[ConfigError], found: str, expected: str, action: str) -> ConfigError:
    error = kind.__new__(kind)
    ConfigError.__init__(error, found, expected, action)
    return error


class UnknownNameError(ConfigError):
    """A name that nothing bears; offers the nearest one that exists."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Build the message from the names that would have been right."""
        names = sorted(known)
        close = nearest(name, names)
        hint = f"did you mean {close!r}?" if close else "choose one of those names"
        super().__init__(f"{kind} {name!r}", f"one of {', '.join(names) or '(none)'}", hint)


class AccessError(ConfigError):
    """A method needs more access to the model than the model offers."""


class CheckpointError(ConfigError):
    """Weights that are missing, in an unsafe format, or broken."""


class StoreVersionError(ConfigError):
    """A study folder written by a newer modicum than this one."""


class FolderBusyError(ConfigError):
    """Another run is at work in the study's folder."""


class TrustError(ConfigError):
    """A file asks for code, a server or a key, which only the user may switch on."""


class StoreError(ModicumError):
    """A study's database that is damaged, or a disk that cannot be written: found, and what to do."""

    def __init__(self, found: str, action: str) -> None:
        """Join both parts into one message, one part a line."""
        super().__init__(f"found: {found}\nto do: {action}")
        self.found = found
        self.action = action


class TrialError(ModicumError):
    """A trial failed; the runner records it and goes on."""


class BudgetError(TrialError):
    """A method asked for more shots, calls or problems than it may have."""


class EndpointError(TrialError):
    """A server that does not answer, refuses, or says what cannot be."""

    def __init__(
        self, message: str, *, status: int = 0, may_pass: bool = False, pause: float = 0.0
    ) -> None:
        """Keep what decides about another try.

        Args:
            message: What happened.
            status: The HTTP status; 0 where no answer came.
            may_pass: Whether the next try may succeed.
            pause: Seconds that the server asked for.
        """
        super().__init__(message)
        self.status = status
        self.may_pass = may_pass
        self.pause = pause


class JudgeError(TrialError):
    """An answer could not be marked, twice; never counted as incorrect."""

    def __init__(self, message: str, *, has_hung: bool = False) -> None:
        """Keep what decides about another try.

        Args:
            message: What happened.
            has_hung: Whether the marker took too long or died, as it would again.
        """
        super().__init__(message)
        self.has_hung = has_hung


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to a mistyped one, or None.

    >>> nearest("cot_decodin", ["cot_decoding", "fine_tune"])
    'cot_decoding'
    """
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None
