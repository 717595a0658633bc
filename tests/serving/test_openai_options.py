"""Servers behind proxies, versions, other headers and other names are reached where the user says so."""

import contextlib
import datetime
import email.utils
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from modicum.errors import ConfigError, EndpointError
from modicum.model import resolve_backend
from modicum.secrecy import clean
from modicum.serving import endpoint as _endpoint
from modicum.serving.address import address_of
from modicum.serving.endpoint import ChatRequest, Endpoint
from modicum.serving.proxy import Proxy, proxy_for
from modicum.study.powers import model_powers
from tests.support.fake_server import fake_server
from tests.support.served import ask, opened, reference

ASK = ChatRequest("/completions", {"prompt": "a"})
ANSWER = b'{"choices": [{"a": 1}]}'
DONE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
PASSWORD = "p4ss-of-a-proxy"
FAR = "http://models.example:8000/v1"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@contextlib.contextmanager
def talking(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the port of a server that sends one answer a request, and what it was sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    link, _ = server.accept()
                    with link:
                        link.settimeout(2)
                        for answer in answers:
                            with contextlib.suppress(TimeoutError):
                                heard.append(link.recv(65536))
                            link.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], heard


def test_a_version_stands_in_the_query_of_every_request() -> None:
    with fake_server(query="api-version=2024-10-21") as (url, manners):
        model = opened(url, api_version="2024-10-21")
        ask(model, 2)
        assert all("?api-version=2024-10-21" in body["_path"] for body in manners.asked)
        with pytest.raises(ConfigError, match=r"Resource not found|no such place"):
            opened(url)


@pytest.mark.parametrize("name", ["api-key", "X-API-Key"])
def test_the_key_goes_into_the_header_that_the_user_names_and_into_no_other(name, monkeypatch):
    monkeypatch.setenv("MY_TEST_KEY", "a-key-of-some-length")
    with fake_server(key="a-key-of-some-length", key_header=name) as (url, _):
        assert ask(opened(url, api_key_env="MY_TEST_KEY", key_header=name), 1)
        with pytest.raises(ConfigError, match="status 401"):
            opened(url, api_key_env="MY_TEST_KEY")
    with talking(DONE) as (port, heard), contextlib.suppress(EndpointError):
        Endpoint(f"http://127.0.0.1:{port}/v1", "a-key-of-some-length", key_header=name).answer(ASK)
    assert f"{name}: a-key-of-some-length\r\n".encode() in heard[0]
    assert b"Authorization" not in heard[0]
    assert b"Bearer" not in heard[0]


@pytest.mark.parametrize(
    "setting",
    [
        "key_header=Host", "key_header=content-length", "key_header=a%0d%0ab", "key_header=a:b",
        "key_header=sk-abc123456789", "api_version=a%26b", "api_version=2024%20x", "proxy=yes",
        "proxy=http://p:1",
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused_without_asking_anybody(setting) -> None:
    with pytest.raises(ConfigError):
        resolve_backend(f"openai:m?{setting}")


def test_a_server_that_answers_under_another_name_is_taken_where_the_user_says_so() -> None:
    with fake_server(names="other-7B") as (url, manners):
        with pytest.raises(ConfigError, match="answers as model 'other-7B'") as raised:
            opened(url)
        assert "?answers_as=other-7B" in raised.value.action
        model = opened(url, answers_as="other-7B")
        assert len(ask(model, 2)) == 2
        assert [n for n in model.card.notes if "other-7B" in n] == [
            "its answers name the model 'other-7B', as answers_as says"
        ]
        manners.names = "third-1B"
        with pytest.raises(EndpointError, match="third-1B"):
            ask(model, 1)
    with fake_server(listed=("other-7B",), names="other-7B") as (url, _):
        assert opened(url, answers_as="other-7B")


def test_a_tag_of_the_latest_is_the_same_model() -> None:
    with fake_server(listed=("tiny-1B:latest",)) as (url, _):
        assert opened(url)
    with fake_server(listed=("tiny-1B:8b",)) as (url, _), pytest.raises(ConfigError, match="list"):
        opened(url)


def test_a_proxy_is_asked_for_http_with_the_whole_address(monkeypatch) -> None:
    with talking(DONE) as (port, heard):
        monkeypatch.setenv("http_proxy", f"http://me:{PASSWORD}@127.0.0.1:{port}")
        endpoint = resolve_backend(f"openai:m?base_url={FAR}&proxy=environment")._endpoint()
        assert endpoint.answer(ASK)["choices"]
        assert PASSWORD not in repr(endpoint)
    head = heard[0].decode()
    assert head.startswith("POST http://models.example:8000/v1/completions HTTP/1.1\r\n")
    assert "\r\nHost: models.example:8000\r\n" in head
    assert "\r\nProxy-Authorization: Basic bWU6cDRzcy1vZi1hLXByb3h5\r\n" in head
    assert PASSWORD not in clean(f"{PASSWORD} and bWU6cDRzcy1vZi1hLXByb3h5")
    assert "bWU6cDRz" not in clean("bWU6cDRzcy1vZi1hLXByb3h5")


def test_a_tunnel_leads_to_https_and_the_key_goes_through_it_alone(monkeypatch) -> None:
    with talking(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", b"") as (port, heard):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@127.0.0.1:{port}")
        monkeypatch.setenv("MY_TEST_KEY", "a-key-of-some-length")
        far = "openai:m?base_url=https://models.example/v1&proxy=environment"
        backend = resolve_backend(f"{far}&api_key_env=MY_TEST_KEY&retries=0")
        with pytest.raises(EndpointError, match=r"no connection to https://models\.example/v1"):
            backend._endpoint().answer(ASK)
    head, hello = heard
    assert head.startswith(b"CONNECT models.example:443 HTTP/1.1\r\nHost: models.example:443\r\n")
    assert b"Proxy-Authorization: Basic bWU6cDRzcy1vZi1hLXByb3h5\r\n" in head
    assert b"a-key-of-some-length" not in head
    assert hello[:1] == b"\x16"  # a handshake, with the server and not with the proxy
    assert b"models.example" in hello


@pytest.mark.parametrize(
    ("said", "words", "tries"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy .* answers 407", 1),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "answers 403", 1),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answers 502.*tried 2 times", 2),
        (b"SSH-2.0-x\r\n\r\n", "answers no HTTP", 1),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 20000, "the proxy ended the connection", 2),
        (b"", "no connection|ended", 2),
    ],
)
def test_a_proxy_that_leads_no_further_is_told(said, words, tries, monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)
    with talking(said) as (port, heard):
        proxy = Proxy("127.0.0.1", port, "Basic c2VjcmV0LXNlY3JldA==")
        endpoint = Endpoint("https://models.example/v1", timeout=5, retries=1, proxy=proxy)
        with pytest.raises(EndpointError, match=words) as raised:
            endpoint.answer(ASK)
        assert len(heard) == tries
    assert "c2VjcmV0" not in str(raised.value)


def test_a_proxy_that_hangs_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = Proxy("127.0.0.1", server.getsockname()[1])
        endpoint = Endpoint("https://models.example/v1", timeout=0.3, retries=0, proxy=proxy)
        start = time.monotonic()
        with pytest.raises(EndpointError, match=r"no answer within 0\.3 s"):
            endpoint.answer(ASK)
        assert time.monotonic() - start < 1.5


@pytest.mark.parametrize(
    ("url", "environment", "port"),
    [
        ("http://far/v1", {"HTTP_PROXY": "http://p:1"}, 1),
        ("http://far/v1", {"HTTP_PROXY": "http://p:1", "http_proxy": "http://p:2"}, 2),
        ("http://far/v1", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://far/v1", {"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://p:2"}, 1),
        ("https://far/v1", {"all_proxy": "p:2"}, 2),
        ("http://far/v1", {"ALL_PROXY": "http://p"}, 80),
        ("http://far/v1", {"HTTP_PROXY": " "}, None),
        ("http://far/v1", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ("http://far/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("http://a.far.org/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "x, far.org"}, None),
        ("http://a.far.org/v1", {"HTTP_PROXY": "http://p:1", "no_proxy": ".far.org"}, None),
        ("http://afar.org/v1", {"HTTP_PROXY": "http://p:1", "no_proxy": "far.org"}, 1),
        ("http://far:8/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "far:9"}, 1),
        ("http://far:8/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "FAR:8"}, None),
        ("http://10.1.2.3/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, 1),
        ("http://[fd00::1]/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "fd00::/8"}, None),
        ("http://far/v1", {"HTTP_PROXY": "http://p:1", "NO_PROXY": " , ,"}, 1),
        ("http://127.0.0.1:8000/v1", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://localhost/v1", {"ALL_PROXY": "http://p:1"}, None),
        ("http://[::1]/v1", {"ALL_PROXY": "http://p:1"}, None),
        ("http://127.9.9.9/v1", {"ALL_PROXY": "http://p:1"}, None),
    ],
)  # fmt: skip
def test_the_environment_names_a_proxy_as_other_clients_read_it(url, environment, port) -> None:
    found = proxy_for(address_of(url), environment)
    assert (found.port if found else None) == port


def test_this_machine_is_asked_through_a_proxy_only_where_the_user_says_always(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://p:1")
    local = "openai:m?base_url=http://127.0.0.1:8000/v1"
    assert resolve_backend(local)._endpoint().proxy is None
    assert resolve_backend(f"{local}&proxy=environment")._endpoint().proxy is None
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,models.example")
    assert resolve_backend(f"{local}&proxy=always")._endpoint().proxy == Proxy("p", 1)
    far = resolve_backend(f"openai:m?base_url={FAR}&proxy=always")
    assert far._endpoint().proxy is None


def test_without_a_word_of_the_user_no_proxy_is_read(monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://whatever that is")
    assert resolve_backend(f"openai:m?base_url={FAR}")._endpoint().proxy is None


@pytest.mark.parametrize(
    "proxy", ["socks5://p:1", "https://p:1", "http://p:99999", "http://p:1/path", "http://a b:1"]
)
def test_a_proxy_of_another_kind_is_refused_by_the_name_of_its_variable(proxy, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.replace("://", f"://me:{PASSWORD}@"))
    with pytest.raises(ConfigError, match="a proxy in HTTP_PROXY") as raised:
        resolve_backend(f"openai:m?base_url={FAR}&proxy=environment")._endpoint()
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("value", ["environment", "always"])
def test_a_proxy_is_a_power_that_no_file_switches_on(value) -> None:
    kinds = [power.kind for power in model_powers(f"openai:m?base_url={FAR}&proxy={value}")]
    assert kinds == ["server", "environment"]
    off = model_powers(f"openai:m?base_url={FAR}&proxy=none")
    assert [power.kind for power in off] == ["server"]


def paused(monkeypatch, *headers: str) -> float:
    """Return the seconds that are waited before the second try."""
    waited: list[float] = []
    monkeypatch.setattr(_endpoint, "_pause", lambda seconds, _: waited.append(seconds))
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)
    head = "".join(f"{header}\r\n" for header in headers)
    raw = f"HTTP/1.1 429 Busy\r\n{head}Content-Length: 0\r\n\r\n".encode()
    with talking(raw) as (port, _), pytest.raises(EndpointError):
        Endpoint(f"http://127.0.0.1:{port}/v1", timeout=5, retries=1).answer(ASK)
    [seconds] = waited
    return seconds


def test_a_server_is_waited_for_as_long_as_it_asks(monkeypatch) -> None:
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=9)
    date = email.utils.format_datetime(then, usegmt=True)
    assert paused(monkeypatch, f"Retry-After: {date}") == pytest.approx(9, abs=2)
    assert paused(monkeypatch, "Retry-After: 1.5") == 1.5
    assert paused(monkeypatch, "retry-after-ms: 250") == 0.25
    assert paused(monkeypatch, "Retry-After: 7", "retry-after-ms: 6500.5") == 6.5005
    assert paused(monkeypatch, "Retry-After: 7", "retry-after-ms: soon") == 7
    assert paused(monkeypatch, "Retry-After: 9999") == 30


def test_settings_of_a_server_are_documented() -> None:
    said = reference("http://h/v1", leave_out="seed", rename="max_tokens:max_completion_tokens")
    assert resolve_backend(said)
