"""A headless Chromium driven over a pipe by its DevTools protocol; standard library only."""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

__all__ = ["Chromium", "Tab", "chromium_or_skip"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
PATIENCE = 60.0
"""Seconds for one answer, on a machine that others share."""


def chromium_or_skip() -> str:
    """Return the browser's path; skips the test loudly where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        said = "NO CHROMIUM: the report was NOT opened in a browser; install Debian's `chromium`"
        print(f"\n{'!' * 20} {said} {'!' * 20}")
        pytest.skip(said)
    return found


class Chromium:
    """One browser process; each page gets a tab of its own."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        theirs_in, ours_out = _pipe()
        ours_in, theirs_out = _pipe()
        # the protocol speaks on descriptors 3 and 4, which bash puts in place (dash reads one digit only)
        line = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", line, "bash", program, *FLAGS, f"--user-data-dir={self._profile}"],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out = ours_in, ours_out
        self._numbers = itertools.count(1)
        self._buffer = b""
        self.events: list[dict[str, object]] = []

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            self.ask("Browser.close", patience=5.0)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def ask(
        self, method: str, *, session: str = "", patience: float = PATIENCE, **params: object
    ) -> dict[str, object]:
        """Send one command and gives its result; events that come before it are kept."""
        number = next(self._numbers)
        message: dict[str, object] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        end = time.monotonic() + patience
        while True:
            answer = self._next(end)
            if answer.get("id") != number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def _next(self, end: float) -> dict[str, object]:
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            got = os.read(self._in, 1 << 20)
            if not got:
                raise RuntimeError("the browser has ended")
            self._buffer += got
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    @contextlib.contextmanager
    def tab(
        self,
        path: Path,
        *,
        width: int = 1280,
        height: int = 900,
        scripts: bool = True,
        **media: str,
    ) -> "Iterator[Tab]":
        """Open a file in a new tab and waits until it has loaded.

        Args:
            path: The file.
            width: Of the window in CSS pixels.
            height: Of the window in CSS pixels.
            scripts: Whether the page's scripts run.
            media: `media="print"`, `prefers_color_scheme="dark"`.
        """
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        found = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        tab = Tab(self, str(found["sessionId"]))
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.ask(f"{domain}.enable")
        # a scroll that glides would move what a test points at
        wanted = {"prefers_reduced_motion": "reduce", **media}
        features = [
            {"name": name.replace("_", "-"), "value": value}
            for name, value in wanted.items()
            if name != "media"
        ]
        tab.ask("Emulation.setEmulatedMedia", media=media.get("media", ""), features=features)
        tab.size(width, height)
        tab.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
        tab.ask("Page.navigate", url=path.as_uri())
        tab.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        try:
            yield tab
        finally:
            self.ask("Target.closeTarget", targetId=target)


class Tab:
    """One open page."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session

    def ask(self, method: str, **params: object) -> dict[str, object]:
        """Send one command to this page."""
        return self._browser.ask(method, session=self._session, **params)

    def size(self, width: int, height: int) -> None:
        """Return the window another size."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def run(self, script: str) -> object:
        """Return the value of an expression in the page; promises are awaited."""
        found = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, script: str, patience: float = PATIENCE) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + patience
        while not self.run(f"Boolean({script})"):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press and releases a key, such as `ArrowDown`, `/` or `Enter`."""
        codes = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "End": 35, "Home": 36,
                 "PageDown": 34, "Tab": 9}  # fmt: skip
        given: dict[str, object] = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        if key not in codes:
            given["text"] = key
        self.ask("Input.dispatchKeyEvent", type="keyDown", **given)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **given)

    def type(self, text: str) -> None:
        """Types a text where the focus is."""
        self.ask("Input.insertText", text=text)

    def point(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the pointer, and click there if wanted."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def complaints(self) -> list[str]:
        """Return what the console and the log say of this page: errors, warnings, refusals."""
        said = []
        for event in self._mine():
            params = event["params"]
            if event["method"] == "Log.entryAdded":
                said.append(params["entry"]["text"])
            elif event["method"] == "Runtime.exceptionThrown":
                said.append(json.dumps(params["exceptionDetails"])[:400])
            elif event["method"] == "Runtime.consoleAPICalled":
                said.append(json.dumps(params["args"])[:400])
        return said

    def requests(self) -> list[str]:
        """Return the addresses that this page asked for, data and blobs of its own left out."""
        urls = [
            str(event["params"]["request"]["url"])
            for event in self._mine()
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]

    def shot(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of the window, or of the whole page."""
        found = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(str(found["data"])))

    def _mine(self) -> list[dict[str, object]]:
        return [e for e in self._browser.events if e.get("sessionId") == self._session]


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends lie above the numbers that the protocol takes."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
