"""Asks an OpenAI-compatible server over HTTP: patiently, in parallel, believing nothing it says."""

import http.client
import json
import os
import threading
import time
import urllib.parse
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from modicum.errors import ConfigError, EndpointError

__all__ = ["Ask", "Endpoint", "Json", "read_key"]

Json = dict[str, object]

_BUSY = (408, 409, 425, 429)
"""Statuses below 500 that pass by themselves."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the first further try, doubled each time up to the longest."""
_EXCERPT = 300
"""Most characters of a server's words that are quoted."""


@dataclass(frozen=True)
class Ask:
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
    """Seconds to wait for an answer."""
    retries: int = 5
    """Further tries after the first."""

    def answer(self, ask: Ask, given_up: threading.Event | None = None) -> Json:
        """Gives the server's answer, trying again with growing pauses.

        Args:
            ask: What to ask.
            given_up: Ends the waiting once it is set.

        Raises:
            EndpointError: no connection, no answer in time, a refusal, or no JSON object.
        """
        for tried in range(self.retries + 1):
            try:
                return self._once(ask)
            except EndpointError as error:
                is_last = tried == self.retries or (given_up is not None and given_up.is_set())
                if is_last or not error.may_pass or (error.status and not ask.insists):
                    raise self._finally(error, tried + 1) from error
                pause = min(_LONGEST_PAUSE, max(error.pause, _FIRST_PAUSE * 2.0**tried))
                _pause(pause, given_up)
        raise AssertionError  # the last try returned or raised

    def answers(
        self, asks: Sequence[Ask], concurrency: int
    ) -> Generator[tuple[int, Json], None, None]:
        """Asks many in parallel and gives each answer with its place, as they come.

        Closing the generator gives up what is still waiting.

        Raises:
            EndpointError: one failed for good; what waits is not asked any more.
        """
        given_up = threading.Event()
        pool = ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(asks))))
        try:
            places = {pool.submit(self.answer, ask, given_up): i for i, ask in enumerate(asks)}
            for done in as_completed(places):
                yield places[done], done.result()
        finally:
            given_up.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _once(self, ask: Ask) -> Json:
        url = urllib.parse.urlsplit(self.base_url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        link = kind(url.hostname or "", url.port, timeout=self.timeout)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        body = None if ask.body is None else json.dumps(ask.body).encode()
        method, path = "GET" if body is None else "POST", url.path.rstrip("/") + ask.path
        try:
            link.request(method, path, body=body, headers=headers)
            response = link.getresponse()
            raw, status = response.read(), response.status
            pause = _seconds(response.getheader("Retry-After"))
        except TimeoutError as error:
            said = f"no answer within {self.timeout:g} s from {self.base_url}{ask.path}"
            raise EndpointError(said, may_pass=True) from error
        except (OSError, http.client.HTTPException) as error:
            said = f"no connection to {self.base_url}: {_plain(error)}"
            raise EndpointError(said, may_pass=True) from error
        finally:
            link.close()
        if status != http.HTTPStatus.OK:
            said = f"status {status} from {self.base_url}{ask.path}: {_excerpt(raw)}"
            may_pass = status >= 500 or status in _BUSY
            raise EndpointError(said, status=status, may_pass=may_pass, pause=pause)
        return {} if ask.is_plain else _object(raw, f"{self.base_url}{ask.path}")

    def _finally(self, error: EndpointError, tries: int) -> EndpointError:
        tried = f"; tried {tries} times" if tries > 1 else ""
        return EndpointError(f"{error}{tried}", status=error.status)


def read_key(name: str) -> str:
    """Gives the key in the environment variable of this name; none where the name is empty.

    Raises:
        ConfigError: the variable is not set.
    """
    if not name:
        return ""
    key = os.environ.get(name, "")
    if not key:
        raise ConfigError(
            f"no environment variable {name}", "the server's key in it", f"export {name}=…"
        )
    return key


def _object(raw: bytes, place: str) -> Json:
    """Reads a JSON object; anything else is no answer."""
    try:
        found = json.loads(raw)
    except ValueError as error:
        said = f"no JSON from {place}: {_excerpt(raw)}"
        raise EndpointError(said, may_pass=True) from error
    if not isinstance(found, Mapping):
        said = f"JSON without an object from {place}: {_excerpt(raw)}"
        raise EndpointError(said)
    return dict(found)


def _excerpt(raw: bytes) -> str:
    return repr(raw.decode("utf-8", "replace").strip()[:_EXCERPT])


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else 0.0


def _pause(seconds: float, given_up: threading.Event | None) -> None:
    if given_up is None:
        time.sleep(seconds)
    else:
        given_up.wait(seconds)
