"""A server answers questions; it does not say where the next one goes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modicum.errors import ConfigError
from modicum.model import resolve_backend


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_no_key_along(status: int, monkeypatch) -> None:
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _answer  # noqa: N815 - names of the library

        def log_message(self, *_: object) -> None: ...

    monkeypatch.setenv("MY_TEST_KEY", "a-key-of-some-length")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        with pytest.raises(ConfigError):
            resolve_backend(f"openai:m?base_url={url}&api_key_env=MY_TEST_KEY&retries=0").open()
    finally:
        server.shutdown()
        server.server_close()
    assert seen
    assert all(path.startswith("/v1") for path, _ in seen)
    assert {key for _, key in seen} == {"Bearer a-key-of-some-length"}
