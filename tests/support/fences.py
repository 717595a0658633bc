"""The commands that pages and help show, found in their fences, and the folder that they are run in."""

import contextlib
import functools
import re
import shlex
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from modicum.catalog import Catalog
from tests.support.commands import modicum
from tests.support.sources import ROOT

__all__ = [
    "AWAY",
    "SMALL",
    "Fence",
    "commands",
    "fences",
    "help_examples",
    "no_network",
    "pages",
    "shrunk",
    "study_of_examples",
]

AWAY = "network"
"""A fence that needs the network or a GPU says so after its language; fakes stand in for both."""
SMALL: Mapping[str, Sequence[str]] = {
    "run": (
        "--test", "16", "--selection", "4", "--samples", "4", "--shots", "1", "--seeds", "1",
        "--max-new-tokens", "24", "--workers", "1", "--no-reuse", "--no-check", "--retain", "none",
    ),
    "check": ("--test", "16", "--max-new-tokens", "24"),
    "pretrain": ("--steps", "2", "--batch", "4", "--boards", "8", "--held-out", "4"),
    "measure": ("--held-out", "4", "--samples", "4"),
    "text": ("--steps", "2", "--batch", "2", "--length", "16", "--tokens", "2000", "--windows", "4"),
    "scale": ("--dry-run",),
}  # fmt: skip
"""Options that stand behind those of every shown command of a verb; of two the last one counts."""
STUDY = (
    "--model",
    "organism",
    "--task",
    "word_sums",
    "--methods",
    "cot_decoding,rlvr,fine_tune",
    "--set",
    "rlvr.steps=1",
    "--set",
    "fine_tune.steps=2",
)
"""What the study of the examples holds."""
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(
    r"^\s*(?:Examples?: )?(modicum .*(?:\n(?=\S)(?!Example|modicum).*)*)", re.MULTILINE
)


@dataclass(frozen=True)
class Fence:
    """A block of code in a page."""

    page: str
    """Path below the project, with slashes."""
    line: int
    """Of its first line, from 1."""
    language: str
    marks: frozenset[str]
    """Words after the language, such as `network`."""
    code: str


def pages() -> list[str]:
    """Return the paths of all pages with fences: the README, CONTRIBUTING and `docs`."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    found += (ROOT / "docs").rglob("*.md")
    return sorted(
        path.relative_to(ROOT).as_posix() for path in found if "```" in path.read_text("utf-8")
    )


def fences(page: str) -> list[Fence]:
    """Return a page's fences in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *marks = match[1].split() or [""]
        line = text[: match.start()].count("\n") + 2
        found.append(Fence(page, line, language, frozenset(marks), match[2]))
    return found


def commands(code: str) -> list[list[str]]:
    """Return the commands of a shell fence as a shell would split them; comments are left out."""
    joined = code.replace("\\\n", " ")
    split = (shlex.split(line, comments=True) for line in joined.splitlines())
    return [words for words in split if words]


def help_examples() -> dict[str, list[str]]:
    """Return the commands that the help of each verb shows, by `verb` or `verb subverb`."""
    found = {}
    for name in Catalog("cli.verbs").entries:
        for path, command in _below(name, Catalog("cli.verbs").module(name).command):
            shown = "\n".join(filter(None, (command.help, command.epilog)))
            examples = [" ".join(match.split()) for match in _EXAMPLE.findall(shown)]
            if examples:
                found[path] = examples
    return found


def _below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _below(f"{path} {name}", child)


def shrunk(words: Sequence[str]) -> list[str]:
    """Return a command `modicum VERB …` at sizes that end within a second or two."""
    verb = next((word for word in words[1:] if not word.startswith("-")), "")
    if verb == "pretrain":
        verb = "measure" if "measure" in words else "text" if "--corpus" in words else verb
    more = SMALL.get(verb, ())
    if verb == "run" and "--methods" not in words:
        more = (*more, "--methods", "self_consistency")
    if "fine_tune" in " ".join(words) and verb == "run":
        more = (*more, "--set", "fine_tune.steps=2")
    if "from_scratch" in words:
        more = (*more, "--set", "from_scratch.steps=2", "--set", "from_scratch.batch=4")
    return [*words[1:], *more]


@contextlib.contextmanager
def no_network() -> Iterator[None]:
    """Refuse every connection but those to this machine."""
    whole = socket.socket.connect

    def near(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if host not in ("", "127.0.0.1", "::1", "localhost"):
            msg = f"a shown command asks {host}: mark its fence `{AWAY}`"
            raise AssertionError(msg)
        whole(self, address)

    socket.socket.connect = near
    try:
        yield
    finally:
        socket.socket.connect = whole


def study_of_examples(folder: Path) -> None:
    """Put the study that examples of help speak of into a folder: the organism's word sums."""
    shutil.copytree(_study(), folder)


@functools.cache
def _study() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fences-")) / "organism"
    said = modicum(*shrunk(["modicum", "run", *STUDY, "--out", str(folder)]))
    assert said.code == 0, said.err
    return folder
