"""What a server says where it fails: its words, whether they may pass, what of a request it refuses."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from modicum.errors import EndpointError

__all__ = ["RefusedError", "Told", "may_pass", "refused", "told_in"]

_BUSY = (408, 409, 425, 429)
"""Statuses below 500 that pass by themselves."""
_REFUSING = (400, 422)
_MOST_WORDS = 20_000
"""Characters of a server's words that are looked at."""
_PASSING = re.compile(
    r"overload|time[d ]*-?_?out|rate.?limit|too many requests|temporar|(?:try|retry) again|try later"
    r"|unavailable|busy|at capacity|internal.(?:server.)?error|server.error|bad gateway|upstream"
    r"|connection (?:reset|refused|error)|still loading|is loading|loading model",
    re.IGNORECASE,
)
"""Words of failures that pass by themselves, where no code says so."""
_LASTING = re.compile(
    r"insufficient_quota|invalid_request|invalid_api_key|not_found", re.IGNORECASE
)

_STRICT = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|not (?:permitted|allowed|accepted)"
    r"|extra[_ ](?:input|field|forbidden)|forbidden|no longer|deprecated|not (?:valid|implemented)"
    r"|does not (?:support|take|accept|exist)|doesn't support|isn't supported|not available",
    re.IGNORECASE,
)
"""Words that refuse a parameter, whatever its value."""
_LOOSE = re.compile(
    r"must be|invalid|out of range|too (?:large|small|long|many)|at most|up to|less than|greater than"
    r"|between|expected|only one|cannot (?:both )?be|limit",
    re.IGNORECASE,
)
"""Words that refuse a value."""
_ROOM = re.compile(r"context|too large|too many tokens|must be|at most|less than", re.IGNORECASE)
_LOCATED = re.compile(r"""['"]body['"]\s*,\s*['"](\w+)['"]\s*,?\s*[)\]]""")
"""A field as pydantic locates it: `('body', 'seed')`."""
_HEADED = re.compile(r"^[ \t]*(?:body\.)?(\w+)[ \t]*\n[ \t]+\S", re.MULTILINE)
"""A field as pydantic prints it: its name in a line, the complaint indented below."""
_QUOTED = re.compile(r"""['"`](?:body\.)?(\w+)['"`]""")
_AFTER = re.compile(
    r"(?:parameter|param|field|argument|option|key|propert(?:y|ie))(?:s|\(s\))?(?: supplied)?\s*[:=]?\s*"
    r"((?:\w+)(?:\s*(?:,|and)\s*\w+)*)",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(\w+)[ ]+(?:parameter |field |argument |option )?(?:(?:is|are) (?:currently |being )?)?"
    r"(?:not|un|must|cannot|too|only|>|<|!=|greater|deprecated|supports)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Told:
    """What a server says of a failure."""

    words: str
    """Its message; not cleaned."""
    code: int = 0
    """Its code where that is an HTTP status; 0 where it is none."""
    kind: str = ""
    """Its code and type where they are words."""
    param: str = ""
    """The parameter that it names as the cause."""

    @property
    def may_pass(self) -> bool:
        """Whether the next try may succeed: by its code, or by its words where there is none."""
        if _LASTING.search(self.kind):
            return False
        if self.code:
            return may_pass(self.code)
        return _PASSING.search(f"{self.kind} {self.words[:_MOST_WORDS]}") is not None


class RefusedError(EndpointError):
    """A server that refuses a request for what stands in it."""

    def __init__(self, message: str, told: Told, names: tuple[str, ...], *, status: int) -> None:
        """Keep what was refused.

        Args:
            message: What happened.
            told: What the server said.
            names: Fields of the request that it names.
            status: The HTTP status.
        """
        super().__init__(message, status=status)
        self.told = told
        self.names = names


def may_pass(status: int) -> bool:
    """Say whether a status passes by itself.

    >>> may_pass(502), may_pass(429), may_pass(404)
    (True, True, False)
    """
    return status >= 500 or status in _BUSY


def told_in(answer: object) -> Told | None:
    """Read what an answer says of a failure, in the forms that servers use; None where it says nothing.

    >>> told_in({"error": {"message": "no", "code": 502}})
    Told(words='no', code=502, kind='', param='')
    >>> told_in({"error": "text"}).words, told_in({"detail": "Not Found"}).words
    ('text', 'Not Found')
    >>> told_in({"error": None, "choices": []}) is None
    True
    """
    if not isinstance(answer, Mapping):
        return None
    error = answer.get("error") or answer.get("errors")
    if isinstance(error, list) and len(error) == 1:
        error = error[0]
    source = error if isinstance(error, Mapping) else answer
    words = error if isinstance(error, str) else _words(source)
    if not words and isinstance(error, Mapping | list):
        words = _plain(error)
    if not words:
        return None
    codes = [source.get(name) for name in ("code", "status", "status_code", "http_code", "type")]
    codes += [answer.get(name) for name in ("code", "status", "status_code", "error_type")]
    numbers = [int(str(code)) for code in codes if re.fullmatch(r"[1-5][0-9]{2}", str(code))]
    kinds = dict.fromkeys(code for code in codes if isinstance(code, str) and not code.isdigit())
    param = source.get("param")
    return Told(
        words,
        next((n for n in numbers if n >= 400), 0),
        " ".join(kinds),
        param if isinstance(param, str) else "",
    )


def refused(told: Told, sent: Mapping[str, object], status: int) -> tuple[str, ...]:
    """Name the fields of a request that a server refuses, in the order in which they were sent.

    A name counts where the server states it as the cause, in a form of its own or in words that
    refuse. A limit of the context's length refuses no field.

    >>> sent = {"prompt": "seed", "seed": 1, "top_p": 1.0}
    >>> refused(Told("Unknown field: seed"), sent, 400)
    ('seed',)
    """
    words = told.words[:_MOST_WORDS]
    is_strict = _STRICT.search(f"{told.kind} {words}") is not None
    if status not in _REFUSING and "unexpected keyword argument" not in words:
        return ()
    found = {told.param.removeprefix("body.").partition("[")[0]}
    found.update(_LOCATED.findall(words))
    found.update(_HEADED.findall(words))
    if is_strict or _LOOSE.search(words):
        found.update(_QUOTED.findall(words))
        for names in _AFTER.findall(words):
            found.update(re.findall(r"\w+", names))
        found.update(_BEFORE.findall(words))
    if re.search(r"only one (?:completion|choice)|multiple (?:completions|choices)", words, re.I):
        found.add("n")
    is_room = not is_strict or (_ROOM.search(words) is not None and "_parameter" not in told.kind)
    return tuple(
        name
        for name in sent
        if name in found
        and name not in ("model", "prompt", "messages")
        and not (name.startswith("max_") and is_room)
    )


def _words(source: Mapping[str, object]) -> str:
    """Read the message of a failure, with what stands behind it where it only passes one on."""
    said = next((_plain(source[n]) for n in ("message", "detail", "msg") if source.get(n)), "")
    behind = source.get("metadata")
    raw = behind.get("raw") if isinstance(behind, Mapping) else None
    return f"{said}: {_plain(raw)}" if said and raw else said


def _plain(value: object) -> str:
    """Write a value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
