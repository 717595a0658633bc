"""What a server says where it fails: its words, whether they may pass, what of a request it refuses."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from modicum.errors import EndpointError
from modicum.plain import JsonObject

__all__ = ["RefusedError", "Told", "has_failed", "may_pass", "refused", "told_in"]

_BUSY = (408, 409, 425, 429)
"""Statuses below 500 that pass by themselves."""
_REFUSING = (400, 422)
_MESSAGES = ("message", "detail", "msg", "error_message", "errorMessage", "reason")
"""Fields that hold the words of a failure."""
_MOST_WORDS = 4000
"""Characters of a server's words that are looked at."""
_PASSING = re.compile(
    r"overload|exhausted|slow down|queue|(?:error|status|code|http)\D{0,9}(?:5\d\d|429|408)\b"
    r"|time[d ]*-?_?out|rate.?limit|too many requests|temporar|(?:try|retry) again|try later"
    r"|unavailable|busy|at capacity|internal.(?:server.)?error|server.error|bad gateway|upstream"
    r"|connection (?:reset|refused|error)|loading",
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
    r"\bmust\b|\bonly\b|invalid|out of range|too (?:large|small|long|many)|at most|up to"
    r"|less than|greater than|between|expected|cannot (?:both )?be|limit",
    re.IGNORECASE,
)
"""Words that refuse a value."""
_ROOM = re.compile(r"context|too large|too many tokens|must be|at most|less than", re.IGNORECASE)
_LOCATED = re.compile(r"""['"]body['"]\s?,\s?['"](\w{1,64})['"]\s?,?\s?[)\]]""")
"""A field as pydantic locates it: `('body', 'seed')`."""
_HEADED = re.compile(r"^[ \t]*(?:body\.)?(\w+)[ \t]*\n[ \t]+\S", re.MULTILINE)
"""A field as pydantic prints it: its name in a line, the complaint indented below."""
_QUOTED = re.compile(r"""['"`](?:body\.)?(\w{1,64})(?:['"`]|\s?=)""")
_LISTED = re.compile(
    r"(?:support|permit|allow|accept|unknown|unrecogni|unexpected|invalid)[^:.]{0,60}:"
    r"""((?:\s?[\['"`]{0,2}\w{1,64}[\]'"`]{0,2}(?:\s?(?:,|and))?){1,16})""",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\A\s{0,9}(?:body\.)?(\w{1,64}):\s")
_OFFERED = re.compile(
    r"expected one of|did you mean|please use|\buse\b"
    r"|(?<![a-z])(?:supported|allowed|valid|available|accepted|known) "
    r"(?:parameter|param|field|option|argument|key|propert(?:y|ie))s?\s?(?:are|is|include|:)",
    re.IGNORECASE,
)
"""Words behind which stands what a server takes instead."""
_AFTER = re.compile(
    r"(?:parameter|param|field|argument|option|key|propert(?:y|ie))(?:s|\(s\))?(?: supplied)?\s?[:=]?"
    r"\s?(\w{1,64}(?:\s?(?:,|and)\s?\w{1,64}){0,16})",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(\w{1,64})[ ](?:parameter |field |argument |option )?(?:(?:is|are) (?:currently |being )?)?"
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
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        failed = isinstance(choice, Mapping) and (choice.get("error"), choice.get("finish_reason"))
        if failed and (failed[0] or failed[1] == "error"):
            return told_in({"error": failed[0] or "a text that failed, with an error for its end"})
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
    numbers = [int(c[:3]) for c in map(str, codes) if re.fullmatch(r"[1-5][0-9]{2}(?:\.0)?", c)]
    kinds = dict.fromkeys(code for code in codes if isinstance(code, str) and not code.isdigit())
    param = source.get("param")
    return Told(
        words,
        next((n for n in numbers if n >= 400), 0),
        " ".join(kinds),
        param if isinstance(param, str) else "",
    )


def has_failed(answer: JsonObject, wanted: str) -> bool:
    """Say whether an answer of status 200 tells of a failure rather than holding what was wanted.

    Args:
        answer: What came.
        wanted: The field that holds what was asked for, a list.
    """
    came = answer.get(wanted)
    if not came or answer.get("error"):
        return True
    return isinstance(came, list) and any(
        isinstance(one, Mapping) and (one.get("error") or one.get("finish_reason") == "error")
        for one in came
    )


def refused(told: Told, sent: JsonObject, status: int) -> tuple[str, ...]:
    """Name the fields of a request that a server refuses, in the order in which they were sent.

    A name counts where the server states it as the cause, in a form of its own or in words that
    refuse. A limit of the context's length refuses no field.

    >>> sent = {"prompt": "seed", "seed": 1, "top_p": 1.0}
    >>> refused(Told("Unknown field: seed"), sent, 400)
    ('seed',)
    """
    words = told.words[:_MOST_WORDS]
    if status not in _REFUSING and "unexpected keyword argument" not in words:
        return ()
    is_strict = _STRICT.search(f"{told.kind} {words}") is not None
    is_room = not is_strict or (_ROOM.search(words) is not None and "_parameter" not in told.kind)
    found = _stated(told.param, words)
    if not found & set(sent) and (is_strict or _LOOSE.search(words)):
        found = _complained(words)
    return tuple(
        name
        for name in sent
        if name in found
        and name not in ("model", "prompt", "messages")
        and not (name.startswith("max_") and is_room)
    )


def _stated(param: str, words: str) -> set[str]:
    """Return the names that a server states in a form made for it."""
    found = {param.removeprefix("body.").partition("[")[0]}
    return found | {*_LOCATED.findall(words), *_HEADED.findall(words)}


def _complained(words: str) -> set[str]:
    """Return the names that a complaint in words is about, not those that it offers instead."""
    complaint = _OFFERED.split(words, maxsplit=1)[0]
    found = {
        *_QUOTED.findall(complaint),
        *_BEFORE.findall(complaint),
        *_FIRST.findall(complaint),
    }
    for names in (*_AFTER.findall(complaint), *_LISTED.findall(complaint)):
        found.update(re.findall(r"\w+", names))
    if re.search(r"stop[ _](?:sequence|string|word)s?", complaint, re.IGNORECASE):
        found.add("stop")
    if re.search(
        r"(?:only one|multiple|number of) (?:completion|choice)s?", complaint, re.IGNORECASE
    ):
        found.add("n")
    return found


def _words(source: JsonObject) -> str:
    """Read the message of a failure, with what stands behind it where it only passes one on."""
    said = next((_plain(source[name]) for name in _MESSAGES if source.get(name)), "")
    behind = source.get("metadata")
    raw = behind.get("raw") if isinstance(behind, Mapping) else None
    return f"{said}: {_plain(raw)}" if said and raw else said


def _plain(value: object) -> str:
    """Write a value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
