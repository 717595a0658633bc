"""Runs commands behind walls, one line of JSON in and one out: `python -m tests.fuzz.worker`."""

import json
import os
import resource
import sys
from pathlib import Path

from tests.fuzz import walls

ROOM_MB = 6000
"""Memory beyond what the libraries take: less than the machine has, more than may be taken."""

FILE_MB = 1000
"""Largest file that may be written: a stranger's trigger must not fill the disk."""


def serve() -> None:
    """Answers until its input closes."""
    walls.wall.disarm()
    import modicum.cli.main  # noqa: F401 - what every command needs, so that no case pays for it

    for name in ("torch", "transformers", "peft", "gguf"):
        __import__(name)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # not the address space: what draws the charts reserves much more of that than it ever takes
    most = _held_bytes() + (ROOM_MB << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MB << 20, FILE_MB << 20))
    for line in sys.stdin:
        asked = json.loads(line)
        place = walls.Walls(
            Path(asked["folder"]),
            Path(asked["strangers"]),
            tuple(asked["also"]),
            Path(asked["log"]),
            asked["stops"],
        )
        replies.write(place.run(asked["command"]).as_json() + "\n")
        replies.flush()


def _held_bytes() -> int:
    """Return what this process may write to, as the limit counts it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData"):
            return int(line.split()[1]) << 10
    raise OSError


if __name__ == "__main__":
    serve()
