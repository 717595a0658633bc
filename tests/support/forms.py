"""A file in one form of the field's data sets, and what its rows are made of: our own words."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ASKED",
    "CITIES",
    "FOURS",
    "LETTERS",
    "NUMBERS",
    "PLACES",
    "STORIES",
    "Form",
    "N",
    "array",
    "cells",
    "each",
    "four",
    "lettered",
    "lines",
]

N = 10
CITIES = ("Bern", "Oslo", "Rome", "Lima", "Kyiv", "Riga", "Doha", "Suva", "Bonn", "Cork")


@dataclass(frozen=True)
class Form:
    """A file in one form, and what its problems must be."""

    name: str
    file: str
    """Name of the file; its suffix names the task."""
    content: bytes
    golds: tuple[str | tuple[str, ...], ...]
    """Gold of each row in the order of the file; several where several count."""
    marker: str
    options: tuple[tuple[str, ...], ...] = ()
    """Options of each row, as they are lettered."""
    holds: tuple[tuple[str, ...], ...] = ()
    """Texts that each question must hold once."""
    unused: tuple[str, ...] = ()

    def written(self, folder: Path) -> Path:
        """Write the file into a folder and gives its path."""
        path = folder / self.file
        path.write_bytes(self.content)
        return path


def lines(rows: Sequence[object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def array(rows: Sequence[object]) -> bytes:
    return json.dumps(rows, indent=1).encode()


def cells(rows: Sequence[Sequence[object]], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode()


def each(make: Callable[[int], object]) -> list[object]:
    return [make(i) for i in range(N)]


def four(i: int) -> list[str]:
    """Four different options of row i."""
    return [CITIES[(i + 3 * k) % N] for k in range(4)]


def lettered(i: int, mark: str) -> list[str]:
    """Options of row i behind their letters; `mark` is a form such as `({})`."""
    return [f"{mark.format(a)} {text}" for a, text in zip("ABCD", four(i), strict=True)]


PLACES = tuple(i % 4 for i in range(N))
LETTERS = tuple("ABCD"[place] for place in PLACES)
FOURS = tuple(tuple(four(i)) for i in range(N))
ASKED = tuple(f"Which town has the {i + 2} bridges?" for i in range(N))
STORIES = tuple((f"The {i + 2} bridges of a town burnt down.",) for i in range(N))
NUMBERS = tuple(str(3 * i + 1) for i in range(N))
