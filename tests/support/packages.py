"""Other packages with plug-ins, written into a folder on the path: nothing is installed."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

from modicum.marker import MARKERS
from modicum.method import METHODS
from modicum.model import MODELS
from modicum.reading import READINGS
from modicum.reward import REWARDS
from modicum.task import PROBES, TASKS

METHOD = '''"""Answers as a plain prompt does; a method of another package."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.method import Method, Needs
from modicum.nudge import Nudge
from modicum.types import Access, Supervision
{imports}


@final
@dataclass(frozen=True)
class Foreign(Method):
    """A plain prompt."""

    kind = "prompt"
    needs: ClassVar[Needs] = Needs(access=Access.TEXT, supervision=Supervision.QUESTION)

    def elicit(self, bench):
        return Nudge(bench.style)
'''
"""A method's file."""


def write_package(
    folder: Path, name: str, files: Mapping[str, str | bytes], points: str, version: str = "1.0"
) -> Path:
    """Write a package with its record; gives the folder that must stand on the path.

    Args:
        folder: Where it is written.
        name: Of the package's record.
        files: Texts of its files by their places.
        points: Its entry points, as their file has them.
        version: Of the package.
    """
    record = folder / f"{name}-{version}.dist-info"
    record.mkdir(parents=True, exist_ok=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (record / "entry_points.txt").write_text(points)
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def forget(*modules: str) -> None:
    """Let catalogues and the interpreter look anew, as another process would."""
    importlib.invalidate_caches()
    for catalog in (MARKERS, METHODS, MODELS, PROBES, READINGS, REWARDS, TASKS):
        catalog.__dict__.pop("entries", None)
    for name in [n for n in sys.modules if n.partition(".")[0] in modules]:
        del sys.modules[name]
