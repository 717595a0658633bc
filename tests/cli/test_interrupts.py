"""An interrupt ends a run and all of its processes within two seconds, with one sentence."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modicum.cli.interrupt import STOPPED
from tests.support.sources import ROOT

MOST_S = 2.0
"""Seconds from the interrupt to the end of the last process."""
OPTIONS = (
    "run", "--model", "scripted:latent", "--task", "sums", "--test", "3000", "--samples", "1024",
    "--methods", "self_consistency", "--no-reuse", "--no-check",
)  # fmt: skip


def _started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "modicum", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def _members(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its = place.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its) == group and state != "Z":
            found.append(int(place.parent.name))
    return found


def _ended_within(process: subprocess.Popen[str], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None and not _members(process.pid):
            return True
        time.sleep(0.02)
    return False


def _until(process: subprocess.Popen[str], met) -> None:
    end = time.monotonic() + 60
    while not met() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are counted in /proc")
@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_an_interrupt_ends_a_run_with_its_workers(again: bool, tmp_path) -> None:
    process = _started(*OPTIONS, "--workers", "2", "--out", str(tmp_path / "study"))
    _until(process, lambda: len(_members(process.pid)) >= 4)  # driver, tracker and two workers
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: every process hears it
    if again:
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
    assert _ended_within(process, MOST_S)
    assert process.returncode == 130
    _, said = process.communicate()
    assert said.count(STOPPED) == 1
    assert "Traceback" not in said


STUCK = """
import ctypes, threading
from modicum.cli import main as command
def stuck(arguments):
    threading.Thread(target=threading.Event().wait).start()  # a thread that nobody ends
    print("stuck", flush=True)
    ctypes.CDLL(None).sleep(30)
    return 0
command._command = stuck
command.main(["list"])
"""


def test_an_interrupt_ends_a_command_that_is_stuck_in_a_call() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=MOST_S)
    assert process.returncode == 130
    assert said.count(STOPPED) == 1
