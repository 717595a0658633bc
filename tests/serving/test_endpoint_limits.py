"""A server is waited for so long and read so far and no further, whatever it sends and however."""

import contextlib
import datetime
import email.utils
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from modicum.errors import ConfigError, EndpointError
from modicum.serving import endpoint as _endpoint
from modicum.serving import line as _line
from modicum.serving.endpoint import ChatRequest, Endpoint, _seconds

ASK = ChatRequest("/completions", {"prompt": "a"})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Answer each connection with a function; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        links: list[socket.socket] = []

        def one(link: socket.socket) -> None:
            with contextlib.suppress(OSError):
                answer(link)
                link.close()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    link, _ = server.accept()
                    links.append(link)
                    threading.Thread(target=one, args=(link,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        for link in links:
            link.close()


def drip(head: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """Send a head at once, and then a piece again and again, slowly."""

    def answer(link: socket.socket) -> None:
        link.recv(65536)
        link.sendall(head)
        while True:
            link.sendall(piece)
            time.sleep(0.02)

    return answer


def flood(head: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """Send a head and then pieces without end, as quickly as they are taken."""

    def answer(link: socket.socket) -> None:
        link.recv(65536)
        link.sendall(head)
        while True:
            link.sendall(piece)

    return answer


def say(raw: bytes) -> Callable[[socket.socket], None]:
    """Send some bytes and ends; what the client still sends is read, lest it is cut off."""

    def answer(link: socket.socket) -> None:
        link.recv(65536)
        link.sendall(raw)
        link.shutdown(socket.SHUT_WR)
        hang(link)

    return answer


def hang(link: socket.socket) -> None:
    """Take what is sent and never answers."""
    while link.recv(65536):
        pass


def told(url: str, **settings: object) -> str:
    """Return the error of one request."""
    with pytest.raises(EndpointError) as raised:
        Endpoint(url, **{"timeout": 0.3, "retries": 0, **settings}).answer(ASK)
    return str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        hang,
        drip(HEAD + b"\r\n", b" "),
        drip(HEAD, b"X"),
        drip(HEAD, b"X-A: b\r\n"),
        drip(b"", b"H"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2", b"0"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
        drip(HEAD + b"Content-Length: 1000\r\n\r\n", b" "),
        drip(b"HTTP/1.1 500 No\r\n\r\n", b"sorry "),
    ],
)
def test_a_slow_answer_is_given_up_in_time_wherever_it_is_slow(answer) -> None:
    with serving(answer) as url:
        start = time.monotonic()
        said = told(url)
        took = time.monotonic() - start
    assert took < 1.5
    assert said.startswith(f"no answer within 0.3 s from {url}/completions") or "headers" in said


def test_a_slow_handshake_is_given_up_in_time() -> None:
    with serving(hang) as url:
        start = time.monotonic()
        said = told(url.replace("http:", "https:"))
        assert time.monotonic() - start < 1.5
    assert "no answer within 0.3 s" in said


def test_a_connection_that_does_not_come_about_is_given_up_in_time() -> None:
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # fills what waits to be accepted
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        start = time.monotonic()
        said = told(f"http://127.0.0.1:{full.getsockname()[1]}/v1")
        assert time.monotonic() - start < 1.5
    assert "no answer within 0.3 s" in said


def test_a_name_that_is_looked_up_for_ever_is_given_up_in_time(monkeypatch) -> None:
    real = socket.getaddrinfo

    def slow(host, *given, **named):
        if named.get("flags", 0) & socket.AI_NUMERICHOST:
            return real(host, *given, **named)
        time.sleep(3)
        raise OSError("late")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    start = time.monotonic()
    assert "no answer within 0.3 s" in told("http://slow.example/v1")
    assert time.monotonic() - start < 1.5


def test_a_name_that_does_not_exist_is_said() -> None:
    assert "no connection to http://nowhere.invalid/v1" in told(
        "http://nowhere.invalid/v1", timeout=20
    )


@pytest.mark.parametrize(
    "answer",
    [
        flood(HEAD + b"\r\n", b" " * 65536),
        flood(b"HTTP/1.1 500 No\r\n\r\n", b" " * 65536),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 1000),
        say(HEAD + b"Content-Length: 999999999999\r\n\r\n{}"),
    ],
)
def test_an_answer_without_end_is_ended_at_a_size_that_is_told(answer, monkeypatch) -> None:
    monkeypatch.setattr(_line, "MOST_BYTES", 2**20)
    monkeypatch.setattr(_endpoint, "MOST_BYTES", 2**20)
    with serving(answer) as url:
        assert told(url, timeout=20).startswith(f"more than 1 MB from {url}/completions")


def test_the_size_is_64_megabytes() -> None:
    assert _line.MOST_BYTES == _endpoint.MOST_BYTES == 64 * 2**20


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (HEAD + b"X: " + b"y" * 70000 + b"\r\n\r\n{}", "no whole answer"),
        (HEAD + b"X: y\r\n" * 200 + b"\r\n{}", "no whole answer.*headers"),
        (HEAD + b"Content-Length: 10\r\n\r\n{}", "8 bytes early"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}", "IncompleteRead"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", "no JSON|IncompleteRead"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}", "no whole answer"),
        (HEAD + b"Content-Length: -3\r\n\r\n[]", "JSON without an object"),
        (HEAD + b"Content-Length: x\r\n\r\n[]", "JSON without an object"),
        (b"", "no whole answer"),
        (b"\x00\xff\x00\xff\r\n\r\n", "no whole answer"),
        (b"HTTP/1.1 abc\r\n\r\n", "no whole answer"),
        (b"HTTP/9.9 200 OK\r\n\r\n{}", "no whole answer"),
        (b"HTTP/1.1 103 Early\r\n\r\n", "status 103"),
        (b"HTTP/1.1 302 Go\r\nLocation: http://evil/\r\n\r\n", "status 302"),
        (HEAD + b"\r\n" + b"[" * 200_000, "no JSON"),
        (HEAD + b"\r\n" + b'{"a": ' * 100_000, "no JSON"),
        (HEAD + b"\r\n" + b"9" * 10_000, "no JSON"),
        (HEAD + b"\r\n\xff\xfe\x00", "no JSON"),
    ],
)
def test_what_is_no_answer_is_an_error_in_words(raw, words) -> None:
    with serving(say(raw)) as url, pytest.raises(EndpointError, match=words):
        Endpoint(url, timeout=10, retries=0).answer(ASK)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 12 ", 12.0),
        ("²", 0.0),
        ("١٢", 0.0),
        ("-3", 0.0),
        ("1.5", 1.5),
        ("0.25", 0.25),
        ("1.", 0.0),
        ("1e9", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("9" * 5000, 0.0),
        ("", 0.0),
        (None, 0.0),
        ("soon", 0.0),
        ("Wed, 99 Foo 2020 99:99:99 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 -2359", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_else_ignored(text, seconds) -> None:
    assert _seconds(text) == seconds


@pytest.mark.parametrize("zone", [datetime.UTC, datetime.timezone(datetime.timedelta(hours=-5))])
def test_retry_after_may_be_a_date_to_come(zone) -> None:
    then = datetime.datetime.now(zone) + datetime.timedelta(seconds=20)
    assert _seconds(email.utils.format_datetime(then)) == pytest.approx(20, abs=2)
    if zone is datetime.UTC:
        assert _seconds(then.strftime("%a, %d %b %Y %H:%M:%S GMT")) == pytest.approx(20, abs=2)


@pytest.mark.parametrize("said", ["99999999", "²", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_pause_is_never_longer_than_the_longest(said, monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_endpoint, "_LONGEST_PAUSE", 0.02)
    raw = f"HTTP/1.1 429 Busy\r\nRetry-After: {said}\r\n\r\n".encode("latin-1")
    with serving(say(raw)) as url:
        start = time.monotonic()
        assert "tried 3 times" in told(url, retries=2, timeout=5)
    assert time.monotonic() - start < 1


def test_closing_the_answers_ends_those_that_wait_and_their_connections() -> None:
    open_links: list[socket.socket] = []
    ended = threading.Semaphore(0)

    def answer(link: socket.socket) -> None:
        asked = b""
        while not asked.endswith(b"}"):  # head and body may come apart
            piece = link.recv(65536)
            if not piece:
                return
            asked += piece
        if b'"first"' in asked:
            link.sendall(HEAD + b"\r\n{}")
            return
        open_links.append(link)
        while link.recv(65536):
            pass
        ended.release()

    with serving(answer) as url:
        asks = [ChatRequest("/x", {"prompt": name}) for name in ("a", "b", "c", "first")]
        answers = Endpoint(url, timeout=60, retries=5).answers(asks, 4)
        assert next(answers)[0] == 3
        answers.close()
        assert all(ended.acquire(timeout=2) for _ in range(3))  # the server sees them go
        end = time.monotonic() + 2
        while (left := _asking()) and time.monotonic() < end:
            time.sleep(0.02)
        assert not left
    assert len(open_links) == 3


def _asking() -> list[str]:
    """Names of the threads that still wait for an answer."""
    return [t.name for t in threading.enumerate() if t.name == _endpoint._ASKING]


SCRIPT = """
import sys
from modicum.ledger import Ledger
from modicum.serving.endpoint import Endpoint
from modicum.serving.served import Served
from modicum.serving.service import Service
from modicum.types import Request, Sampling

model = Served(Service("m", Endpoint(sys.argv[1], timeout=120)))
try:
    model.generate([Request("a", str(i)) for i in range(8)], Sampling(4), Ledger())
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interrupt_ends_a_process_with_eight_waiting_requests_within_two_seconds() -> None:
    came = threading.Semaphore(0)

    def answer(link: socket.socket) -> None:
        link.recv(65536)
        came.release()
        hang(link)

    with serving(answer) as url:
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, url], stderr=subprocess.PIPE)
        try:
            assert all(came.acquire(timeout=30) for _ in range(8))
            start = time.monotonic()
            os.kill(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
        assert time.monotonic() - start < 2
    assert (process.returncode, err) == (130, b"")


def test_an_address_is_read_as_it_stands() -> None:
    with serving(say(HEAD + b'\r\n{"a": 1}')) as url:
        assert Endpoint(f"{url}/", timeout=5).answer(ASK) == {"a": 1}
        assert Endpoint(url.upper().replace("V1", "v1"), timeout=5).answer(ASK) == {"a": 1}
        assert Endpoint(url.replace("127.0.0.1", "localhost"), timeout=5).answer(ASK) == {"a": 1}
    for wrong in ("http://h:99999/v1", "http://h:0x/v1", "//h/v1", "http:///v1", "h:80", ""):
        with pytest.raises(ConfigError, match="base_url"):
            Endpoint(wrong)


def test_a_certificate_that_nobody_knows_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert context.verify_mode == ssl.CERT_NONE  # a server's own; ours asks for one
    assert _line._context().verify_mode == ssl.CERT_REQUIRED
    assert _line._context().check_hostname
