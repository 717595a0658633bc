"""A connection that ends: one deadline and one limit of bytes for the whole of an answer."""

import functools
import io
import os
import queue
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, final

from modicum.serving.address import Address
from modicum.serving.proxy import Proxy

__all__ = ["MOST_BYTES", "Barred", "GivenUp", "Line", "Surplus"]

MOST_BYTES = 64 * 2**20
"""Bytes of the longest answer, status and headers included; thousands of tokens of 64 samples with
their log-probabilities take a few million."""
_MOST_HEAD = 1 << 14
"""Bytes of the longest answer of a proxy before the server's own."""
_LOOK = 0.05
"""Seconds between two looks whether the answer is still wanted."""

T = TypeVar("T")
_Found = Sequence[tuple[Any, ...]]


class Surplus(OSError):  # noqa: N818 - what came, not what failed
    """More bytes came than an answer may have."""


class GivenUp(OSError):  # noqa: N818 - nobody waits for the answer any more
    """The waiting was ended from outside."""


class Barred(OSError):  # noqa: N818 - what a proxy does
    """A proxy leads no further."""

    def __init__(self, message: str, status: int) -> None:
        """Keep the status that the proxy gave."""
        super().__init__(message)
        self.status = status


@final
class Line:
    """One connection to a server; what `http.client` takes for its socket.

    Everything counts against one deadline: looking up the name, connecting, the handshake, sending,
    and each byte that comes, in whatever pieces.
    """

    def __init__(
        self,
        address: Address,
        seconds: float,
        given_up: threading.Event | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        """Connects.

        Args:
            address: The server.
            seconds: Until the whole answer must have come.
            given_up: Ends the waiting once it is set.
            proxy: What leads there: a tunnel for https, else a server that passes requests on.

        Raises:
            TimeoutError: the deadline has passed.
            Barred: the proxy leads no further.
            OSError: no connection.
        """
        self._end = time.monotonic() + seconds
        self._given_up = given_up
        self._socket: socket.socket | None = None
        self.received = 0
        """Bytes so far."""
        try:
            self._connect(address, proxy)
        except BaseException:
            self.hang_up()
            raise

    def sendall(self, data: Any) -> None:  # noqa: ANN401 - any buffer, as of a socket
        """Send all of it.

        Raises:
            TimeoutError: the deadline has passed.
        """
        left = memoryview(data)
        while left:
            sent = self._patiently(self._open.send, left, select.POLLOUT)
            left = left[sent:]

    def makefile(self, mode: str = "rb") -> io.BufferedReader:  # noqa: ARG002 - as of a socket
        """Return what reads the answer."""
        return io.BufferedReader(_Stream(self))

    def receive(self, room: Any) -> int:  # noqa: ANN401 - any writable buffer
        """Fill a buffer with what has come; gives how many bytes, 0 at the end.

        Raises:
            TimeoutError: the deadline has passed.
            Surplus: more than `MOST_BYTES` came.
        """
        n = self._patiently(self._open.recv_into, room, select.POLLIN)
        self.received += n
        if self.received > MOST_BYTES:
            raise Surplus
        return n

    def close(self) -> None:
        """Do nothing: `http.client` closes while the answer is still to be read."""

    def hang_up(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()

    @property
    def _open(self) -> socket.socket:
        if self._socket is None:
            raise OSError("not connected")
        return self._socket

    def _connect(self, address: Address, proxy: Proxy | None) -> None:
        failure: OSError = OSError("the name has no address")
        for family, kind, protocol, _, place in self._places(proxy or address):
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            try:
                self._reach(place)
                break
            except (TimeoutError, GivenUp):
                raise
            except OSError as error:  # the next of its addresses may answer
                self.hang_up()
                failure = error
        else:
            raise failure
        if address.scheme == "https":
            if proxy is not None:
                self._tunnel(address, proxy)
            secure = _context().wrap_socket(
                self._open, server_hostname=address.host, do_handshake_on_connect=False
            )
            self._socket = secure
            self._patiently(lambda _: secure.do_handshake(), None, select.POLLIN)

    def _tunnel(self, address: Address, proxy: Proxy) -> None:
        """Ask a proxy for a tunnel; what the server says comes through it."""
        where = f"{address.netloc}:{address.port}"
        key = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        self.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{key}\r\n".encode("ascii"))
        said, room = bytearray(), bytearray(1)  # one by one: what follows is the server's
        while not said.endswith(b"\r\n\r\n"):
            if len(said) >= _MOST_HEAD or not self.receive(room):
                raise OSError("the proxy ended the connection")
            said += room
        self.received = 0
        found = re.match(rb"HTTP/1\.[01] ([0-9]{3})\b", said)
        status = int(found[1]) if found else 0
        if not 200 <= status < 300:
            raise Barred(
                f"the proxy {proxy.host}:{proxy.port} answers {status or 'no HTTP'}", status
            )

    def _reach(self, place: Any) -> None:  # noqa: ANN401 - an address of any family
        try:
            self._open.connect(place)
        except BlockingIOError:
            self._wait(select.POLLOUT)
            code = self._open.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code)) from None

    def _places(self, address: Address | Proxy) -> _Found:
        """Look the name up; elsewhere, for nothing ends the system's own waiting for it."""
        ask = functools.partial(
            socket.getaddrinfo, address.host, address.port, type=socket.SOCK_STREAM
        )
        try:
            return ask(flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        answers: queue.SimpleQueue[_Found | OSError] = queue.SimpleQueue()

        def look() -> None:
            try:
                answers.put(ask())
            except (OSError, UnicodeError) as error:
                answers.put(OSError(str(error)))

        threading.Thread(target=look, daemon=True).start()
        while True:
            self._check()
            try:
                found = answers.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if isinstance(found, OSError):
                raise found
            return found

    def _patiently(self, act: Callable[[Any], T], given: Any, event: int) -> T:  # noqa: ANN401
        """Do what would block as soon as the connection is ready for it."""
        while True:
            self._check()
            try:
                return act(given)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)
            except BlockingIOError:
                self._wait(event)

    def _wait(self, event: int) -> None:
        poll = select.poll()
        poll.register(self._open, event)
        while not poll.poll(1000 * min(_LOOK, max(0.0, self._end - time.monotonic()))):
            self._check()

    def _check(self) -> None:
        """Raise where nobody waits any more."""
        if self._given_up is not None and self._given_up.is_set():
            raise GivenUp
        if time.monotonic() >= self._end:
            raise TimeoutError


class _Stream(io.RawIOBase):
    """Reads a line as a file."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:  # noqa: ANN401 - as RawIOBase has it
        return self._line.receive(room)


@functools.cache
def _context() -> ssl.SSLContext:
    """Return the system's certificates, read once."""
    return ssl.create_default_context()
