"""Walls inside every Python process that inherits this folder on its path: what must not happen is
written down, line by line, and what would leave the machine is refused.

An audit hook cannot be taken off by the code it watches. Nothing here imports modicum.
"""

import _thread
import json
import os
import sys

LOG = "MODICUM_FUZZ_LOG"
"""Variable that names the file of breaches."""
STRANGERS = "MODICUM_FUZZ_STRANGERS"
"""Variable that names the folder in which every file is a stranger's."""
MAY_WRITE = "MODICUM_FUZZ_MAY_WRITE"
"""Variable with the folders, joined by colons, in which files may be made or changed."""
STATE: dict[str, object] = {"is_on": False, "log": "", "strangers": "", "may_write": ()}
HERE = _thread._local()
"""Whether this thread is inside of the hook already."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PLACES = {
    "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.link": (1,),
    "os.symlink": (1,), "os.truncate": (0,), "os.chmod": (0,), "shutil.rmtree": (0,),
    "shutil.move": (0, 1),
}  # fmt: skip
_PROGRAMS = ("python", "cc", "gcc", "clang")


def note(kind: str, what: object) -> None:
    """Add a line to the file of breaches."""
    file = os.open(STATE["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, json.dumps([kind, str(what)[:400]]).encode() + b"\n")
    finally:
        os.close(file)


def _is_outside(path: object) -> bool:
    """Whether a path lies where nothing may be made or changed."""
    if isinstance(path, int) or path is None:
        return False
    whole = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
    places = ("/dev/", "/proc/self/", *STATE["may_write"])  # type: ignore[misc]
    return not f"{whole}/".startswith(places)


def _socket(event: str, args: tuple[object, ...]) -> None:
    address = args[1] if event in ("socket.connect", "socket.sendto") else args[0]
    if isinstance(address, str | bytes) and event in ("socket.connect", "socket.sendto"):
        return  # a socket of this machine's file system
    note("network", f"{event} {address!r}")
    raise ConnectionRefusedError(111, "refused by the wall")


def _open(args: tuple[object, ...]) -> None:
    path, mode, flags = args
    is_writing = any(c in mode for c in "wxa+") if isinstance(mode, str) else False
    if (is_writing or (isinstance(flags, int) and flags & _WRITING)) and _is_outside(path):
        note("outside", f"writes {path!r}")


def _exec(code: object) -> None:
    name = getattr(code, "co_filename", "")
    if (
        STATE["strangers"]
        and name
        and name[0] != "<"
        and os.path.realpath(name).startswith(STATE["strangers"])
    ):
        note("code", f"runs {name.rpartition('/')[2]}")


def _program(event: str, args: tuple[object, ...]) -> None:
    if event == "subprocess.Popen":
        name = os.fsdecode(args[0] or "").rpartition("/")[2]  # type: ignore[arg-type]
        if name.startswith(_PROGRAMS):
            return
    note("code", f"{event} {args[:2]!r}")


def _watch(event: str, args: tuple[object, ...]) -> None:
    """The hook: cheap for what is of no interest."""
    if not STATE["is_on"] or getattr(HERE, "is_busy", False):
        return
    HERE.is_busy = True
    try:
        if event == "open":
            _open(args)
        elif event == "exec":
            _exec(args[0])
        elif event in ("socket.connect", "socket.getaddrinfo", "socket.sendto",
                       "socket.gethostbyname", "socket.gethostbyaddr"):  # fmt: skip
            _socket(event, args)
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
                       "os.startfile", "webbrowser.open"):  # fmt: skip
            _program(event, args)
        elif event in _PLACES:
            for place in _PLACES[event]:
                if place < len(args) and _is_outside(args[place]):
                    note("outside", f"{event} {args[place]!r}")
    finally:
        HERE.is_busy = False


def arm(log: str, strangers: str, may_write: str) -> None:
    """Put the walls up, or moves them."""
    if "hook" not in STATE:
        STATE["hook"] = True
        sys.addaudithook(_watch)
    STATE["log"], STATE["strangers"] = log, os.path.realpath(strangers) + os.sep
    STATE["may_write"] = tuple(os.path.realpath(p) + os.sep for p in may_write.split(":") if p)
    STATE["is_on"] = True


def disarm() -> None:
    """Take the walls down: a hook itself cannot be removed."""
    STATE["is_on"] = False


if LOG in os.environ and __name__ == "sitecustomize":
    arm(os.environ[LOG], os.environ.get(STRANGERS, "/nowhere"), os.environ.get(MAY_WRITE, ""))
