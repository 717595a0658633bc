"""Asks an OpenAI-compatible server over HTTP: patiently, in parallel, believing nothing it says."""

import contextlib
import datetime
import email.utils
import http.client
import json
import queue
import re
import socket
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from modicum.errors import EndpointError
from modicum.secrecy import clean, learn
from modicum.serving.adapting import Habits, Json
from modicum.serving.address import Address, address_of, default_port
from modicum.serving.line import MOST_BYTES, Barred, GivenUp, Line, Surplus
from modicum.serving.proxy import Proxy
from modicum.serving.told import RefusedError, Told, has_failed, may_pass, refused, told_in

__all__ = ["ChatRequest", "Endpoint", "Json"]

_MAYBE_ABSENT = (500, 501, 505)
"""Statuses above 499 by which a server may say that it offers no such thing."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the first further try, doubled each time up to the longest."""
_EXCERPT, _LOOKED_AT = 300, 20_000
"""Most characters of a server's words that are quoted, and bytes that are cleaned for it."""
_MOST_TOLD = 1 << 20
"""Bytes of the longest failure that is read for more than its beginning."""
_ASKING = "modicum asks"
"""Name of the threads that wait for answers."""
_PIECE = 1 << 16
"""Bytes that are read at once."""


@dataclass(frozen=True)
class ChatRequest:
    """One request."""

    path: str
    """Below the base, such as `/completions`."""
    body: Json | None = None
    """Posted as JSON; None gets."""
    insists: bool = True
    """Try again where the server says that it failed; a look at what it offers does not."""
    is_plain: bool = False
    """Its answer may be words: nothing is read of it but that it came."""


@dataclass(frozen=True)
class Endpoint:
    """A server and how patiently it is asked."""

    base_url: str
    """Such as `http://127.0.0.1:8000/v1`."""
    key: str = field(default="", repr=False)
    """Sent as bearer token; never written anywhere."""
    timeout: float = 120.0
    """Seconds in which the whole answer must have come: connecting, status, headers and all of it."""
    retries: int = 5
    """Further tries after the first."""
    key_header: str = ""
    """Header that carries the key; `Authorization: Bearer` where empty."""
    query: str = ""
    """What follows the question mark of every request."""
    proxy: Proxy | None = None
    """What leads to the server."""
    habits: Habits = field(default_factory=Habits, repr=False, compare=False)
    """What is learnt of the server while it is asked."""

    def __post_init__(self) -> None:
        """Refuse an address that holds more than an address; a key is a known secret from here on.

        Raises:
            ConfigError: a password, a question mark or the like in `base_url`.
        """
        address_of(self.base_url)
        learn(self.key)

    def answer(self, ask: ChatRequest, given_up: threading.Event | None = None) -> Json:
        """Return the server's answer, trying again with growing pauses.

        What the server refuses of a request is learnt once, and said (see `Habits`).

        Args:
            ask: What to ask.
            given_up: Ends the waiting once it is set.

        Raises:
            RefusedError: a refusal of what stands in the request, which nothing mends.
            EndpointError: no connection, no answer in time, another refusal, or no JSON object.
        """
        for tried in range(self.retries + 1):
            try:
                return self._fitted(ask, given_up)
            except RefusedError:
                raise
            except EndpointError as error:
                is_last = tried == self.retries or (given_up is not None and given_up.is_set())
                is_look = not ask.insists and (ask.is_plain or error.status in _MAYBE_ABSENT)
                if is_last or not error.may_pass or (error.status and is_look):
                    raise self._finally(error, tried + 1) from error
                pause = min(_LONGEST_PAUSE, max(error.pause, _FIRST_PAUSE * 2.0**tried))
                _pause(pause, given_up)
        raise AssertionError  # the last try returned or raised

    def answers(
        self, asks: Sequence[ChatRequest], concurrency: int
    ) -> Generator[tuple[int, Json], None, None]:
        """Ask many in parallel and gives each answer with its place, as they come.

        Closing the generator gives up what is still waiting.

        Raises:
            EndpointError: one failed for good; what waits is not asked any more.
        """
        given_up = threading.Event()
        left: queue.SimpleQueue[int] = queue.SimpleQueue()
        came: queue.SimpleQueue[tuple[int, Json | BaseException]] = queue.SimpleQueue()
        for place in range(len(asks)):
            left.put(place)

        def work() -> None:
            with contextlib.suppress(queue.Empty):
                while not given_up.is_set():
                    place = left.get_nowait()
                    came.put((place, self._tried(asks[place], given_up)))

        # the interpreter waits for no thread of these when it ends
        for _ in range(max(1, min(concurrency, len(asks)))):
            threading.Thread(target=work, name=_ASKING, daemon=True).start()
        try:
            for _ in asks:
                place, found = came.get()
                if isinstance(found, BaseException):
                    raise found
                yield place, found
        finally:
            given_up.set()

    def _tried(self, ask: ChatRequest, given_up: threading.Event) -> Json | BaseException:
        """Return an answer, or what became of it: another thread raises it."""
        try:
            return self.answer(ask, given_up)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            return error

    @property
    def address(self) -> Address:
        """Where it stands."""
        return address_of(self.base_url)

    def _place(self, ask: ChatRequest) -> str:
        return f"{self.base_url.rstrip('/')}{ask.path}"

    def _fitted(self, ask: ChatRequest, given_up: threading.Event | None) -> Json:
        """Ask in the form that the server takes; each refusal is learnt, so that this ends."""
        if ask.body is None or ask.is_plain:
            return self._once(ask, given_up)
        while True:
            body = self.habits.fit(ask.path, ask.body)
            try:
                return self._once(replace(ask, body=body), given_up)
            except RefusedError as error:
                self.habits.learn(error.told, body, error.status)
                if self.habits.fit(ask.path, ask.body) == body:
                    raise

    def _once(self, ask: ChatRequest, given_up: threading.Event | None) -> Json:
        """Ask once. What failed is raised outside of its handler: its words are the server's."""
        found = self._exchange(ask, given_up)
        if isinstance(found, EndpointError):
            raise found
        place = self._place(ask)
        if found.status != http.HTTPStatus.OK:
            words = f"status {found.status} from {place}: {_excerpt(found.raw)}"
            told = told_in(_read(found.raw)) if len(found.raw) <= _MOST_TOLD else None
            raise _failed(words, told, ask, found)
        if ask.is_plain:
            return {}
        answer = _object(found.raw, place, lists=ask.body is None)
        wanted = "data" if ask.body is None else "choices"
        told = told_in(answer) if has_failed(answer, wanted) else None
        if told is None:
            return answer
        code = f" {told.code}" if told.code else ""
        words = f"status 200 with an error{code} from {place}: {_quoted(told.words)}"
        raise _failed(words, told, ask, found)

    def _exchange(
        self, ask: ChatRequest, given_up: threading.Event | None
    ) -> "_Said | EndpointError":
        """Send a request and gives what came back, or why nothing did."""
        place, line = self._place(ask), None
        try:
            line = Line(self.address, self.timeout, given_up, self.proxy)
            response = self._sent(line, ask)
            return _Said(response.status, _whole(response), _asked_pause(response))
        except TimeoutError:
            came = f", only {line.received:,} bytes" if line is not None and line.received else ""
            said = f"no answer within {self.timeout:g} s from {place}{came}"
            return EndpointError(said, may_pass=True)
        except Surplus:
            said = f"more than {MOST_BYTES >> 20} MB from {place}, and no end of the answer"
            return EndpointError(said)
        except GivenUp:
            return EndpointError(f"no answer from {place}: the waiting was ended")
        except Barred as error:
            said = f"no connection to {self.base_url}: {error}"
            return EndpointError(said, may_pass=may_pass(error.status))
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = (
                f"connection to {self.base_url}" if line is None else f"whole answer from {place}"
            )
            return EndpointError(f"no {what}: {_plain(error)}", may_pass=True)
        finally:
            if line is not None:
                line.hang_up()

    def _sent(self, line: Line, ask: ChatRequest) -> http.client.HTTPResponse:
        """Send a request over a line and reads the head of the answer."""
        where = self.address
        link = http.client.HTTPConnection(where.host, where.port)
        link.default_port = default_port(where.scheme)
        link.sock = line
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.key:
            is_bearer = not self.key_header
            headers[self.key_header or "Authorization"] = "Bearer " * is_bearer + self.key
        body = None if ask.body is None else json.dumps(ask.body).encode()
        method = "GET" if body is None else "POST"
        target = where.path + ask.path + (f"?{self.query}" if self.query else "")
        if self.proxy is not None and where.scheme == "http":
            target = f"http://{where.netloc}:{where.port}{target}"
            if self.proxy.authorization:
                headers["Proxy-Authorization"] = self.proxy.authorization
        link.request(method, target, body=body, headers=headers)
        response = http.client.HTTPResponse(cast(socket.socket, line), method=method)
        response.begin()
        return response

    def _finally(self, error: EndpointError, tries: int) -> EndpointError:
        tried = f"; tried {tries} times" if tries > 1 else ""
        return EndpointError(f"{error}{tried}", status=error.status)


@dataclass(frozen=True)
class _Said:
    """What came back."""

    status: int
    raw: bytes
    pause: float
    """Seconds that the server asked to wait."""


def _failed(words: str, told: Told | None, ask: ChatRequest, found: _Said) -> EndpointError:
    """Return the error of an answer that is none: a refusal of what was sent, or what may pass."""
    is_inside = found.status == http.HTTPStatus.OK
    status = (told.code if told is not None else 0) if is_inside else found.status
    names = refused(told, ask.body or {}, status or 400) if told is not None else ()
    if told is not None and names:
        if "temperature" in names:
            words += "; to measure otherwise, add ?least_temperature=0.01 or ?leave_out=temperature"
        return RefusedError(words, told, names, status=status or 400)
    is_lasting = told is not None and "insufficient_quota" in told.kind
    passes = told is not None and told.may_pass if is_inside else may_pass(status)
    return EndpointError(
        words,
        status=status or found.status,
        may_pass=passes and not is_lasting,
        pause=found.pause,
    )


def _whole(response: http.client.HTTPResponse) -> bytes:
    """Read an answer to its end, piece by piece: its own length is no reason to believe it.

    Raises:
        Surplus: it says that it is longer than any answer.
        OSError: the connection ended before it did.
    """
    if (response.length or 0) > MOST_BYTES:
        raise Surplus
    pieces = list(iter(lambda: response.read(_PIECE), b""))
    if response.length:
        raise OSError(f"the answer ended {response.length:,} bytes early")
    return b"".join(pieces)


def _object(raw: bytes, place: str, *, lists: bool) -> Json:
    """Read a JSON object, or a bare list as one of `data`; anything else is no answer."""
    found = _read(raw)
    if lists and isinstance(found, list):
        return {"data": found}
    if isinstance(found, _Unread):
        said = f"no JSON from {place}: {_excerpt(raw)}"
        raise EndpointError(said, status=http.HTTPStatus.OK, may_pass=True)
    if not isinstance(found, Mapping):
        said = f"JSON without an object from {place}: {_excerpt(raw)}"
        raise EndpointError(said, status=http.HTTPStatus.OK)
    return dict(found)


class _Unread:
    """What is no JSON."""


def _read(raw: bytes) -> object:
    """Read JSON; its own errors, which hold the text, end here."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return _Unread()


def _excerpt(raw: bytes) -> str:
    """Quote the beginning of a server's words, without secrets."""
    return _quoted(raw[:_LOOKED_AT].replace(b"\0", b"").decode("utf-8", "replace").strip())


def _quoted(words: str) -> str:
    return repr(clean(words[:_LOOKED_AT])[:_EXCERPT])


def _plain(error: Exception) -> str:
    return clean(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _asked_pause(response: http.client.HTTPResponse) -> float:
    """Return the seconds that a server asks to wait, by the finer of its headers."""
    return _seconds(response.getheader("Retry-After-Ms")) / 1000 or _seconds(
        response.getheader("Retry-After")
    )


def _seconds(text: str | None) -> float:
    """Read `Retry-After`, seconds or a date; 0 where it is neither, or has passed."""
    said = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", said):
        return float(said)
    try:
        date = email.utils.parsedate_to_datetime(said)
        if date.tzinfo is None:
            date = date.replace(tzinfo=datetime.UTC)
        return max(0.0, date.timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


def _pause(seconds: float, given_up: threading.Event | None) -> None:
    if given_up is None:
        time.sleep(seconds)
    else:
        given_up.wait(seconds)
