"""What a user's own function says of an answer, read as a mark; and how it is called and known."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from modicum.answers import Form, last_line, places, plain, tail
from modicum.errors import ConfigError, JudgeError
from modicum.files.lent import Lender, Loan
from modicum.marker import grade_of
from modicum.marking.code_identity import code_hash
from modicum.types import Mark, Problem

__all__ = ["LENDER", "OwnFunction", "lend_function", "read_answer", "said_mark"]

_TAKES = "a function of (text, answer) or (text, answer, question)"


@final
@dataclass(frozen=True)
class OwnFunction:
    """A function of this process that says whether an answer is right."""

    function: Callable[..., object]
    by_name: bool
    """Whether it has parameters of the names `text` and `answer`; else they are given by position."""
    takes_question: bool

    def ask(self, text: str, problem: Problem) -> object:
        """Return what it says of a text.

        Raises:
            JudgeError: it raises anything.
        """
        given = {"text": tail(text), "answer": problem.answer}
        if self.takes_question:
            given["question"] = problem.question
        try:
            return self.function(**given) if self.by_name else self.function(*given.values())
        except Exception as error:
            raise JudgeError(f"your marker failed: {_words(error)}") from error


LENDER: Lender[OwnFunction] = Lender("a function that marks", "Study(..., marker=function)")


def lend_function(function: Callable[..., object], name: str = "") -> Loan[OwnFunction]:
    """Lend a function that marks answers to studies of this process.

    Without a name its identity is its code, as far as `code_hash` sees it; a name of the user's own says
    where that is not what counts.

    Args:
        function: Gives True, False, None where it finds no answer, a number (right from 1.0), or a
            table as `python:FILE.py:FUNCTION` does.
        name: Letters, digits, points, hyphens and underscores.

    Raises:
        ConfigError: it takes something else, or has no code to know it by and no name.
    """
    own = OwnFunction(function, *_called(function))
    if name:
        if not re.fullmatch(r"[\w.-]{1,60}", name):
            raise ConfigError(
                f"marker_name={name!r:.80}",
                "letters, digits, points, hyphens and underscores",
                "choose another",
            )
        return LENDER.lend(name, own)
    called = re.sub(r"\W+", "", getattr(function, "__name__", "")) or "function"
    return LENDER.lend(f"{called[:40]}-{code_hash(function)}", own)


def said_mark(said: object, text: str, form: Form) -> Mark:
    """Return the mark of what a function said of a text.

    Raises:
        JudgeError: it is no truth value, number, None or table of those.
    """
    table = said if isinstance(said, Mapping) else {"correct": said}
    lenient, strict = (_truth(table.get(k, table.get("correct"))) for k in ("correct", "strict"))
    own = table.get("answer")
    answer = read_answer(text, form) if own is None else str(own)
    if lenient is None:
        return Mark(None, grade_of(is_right=None), grade_of(is_right=None))
    # a marked answer has a text, whatever it is: votes are counted by it
    return Mark(answer or "", grade_of(is_right=lenient), grade_of(is_right=strict))


def read_answer(text: str, form: Form) -> str | None:
    """Read as `exact` does: what is said to be the answer, else the last line."""
    text = tail(text)
    for place in places(text, form):
        if plain(place):
            return plain(place)
    return plain(last_line(text)) or None


def _truth(value: object) -> bool | None:
    """Read what a user's function says of an answer."""
    plain_value = getattr(value, "item", lambda: value)()  # numpy has truth values of its own
    if plain_value is None or isinstance(plain_value, bool):
        return plain_value
    if isinstance(plain_value, int | float):
        return plain_value >= 1.0
    raise JudgeError(f"your marker gave {value!r:.80}; expected True, False, None or a number")


def _called(function: Callable[..., object]) -> tuple[bool, bool]:
    """Say whether a function is called by names, and whether it takes the question.

    Raises:
        ConfigError: it cannot be called with text and answer.
    """
    if not callable(function):
        raise ConfigError(f"a marker of type {type(function).__name__}", _TAKES, "give one")
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False, False  # written in C: two texts by position
    kinds = inspect.Parameter
    placed = [
        p
        for p in parameters.values()
        if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    by_name = {"text", "answer"} <= {
        p.name
        for p in parameters.values()
        if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    }
    third = placed[2:3]
    asked = "question" in parameters if by_name else bool(third and third[0].default is kinds.empty)
    given = {"text": "", "answer": "", **({"question": ""} if asked else {})}
    try:
        bind = inspect.signature(function).bind
        bind(**given) if by_name else bind(*given.values())
    except TypeError as error:
        named = ", ".join(parameters) or "nothing"
        raise ConfigError(f"a marker that takes ({named}): {error}", _TAKES, "change it") from error
    return by_name, asked


def _words(error: Exception) -> str:
    """Say what was raised, and in which line of the function's own file."""
    trace, where = error.__traceback__, ""
    while trace is not None:
        where = f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}"[:400] + where
