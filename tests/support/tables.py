"""The word problems of `examples/data` as a table of each kind, and small tables by hand."""

import csv
import importlib.util
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from modicum.marker import text_hash
from tests.support.sources import ROOT

__all__ = ["SMALL_SUMS", "WORD_PROBLEMS", "numbers", "word_problems", "write_jsonl"]

WORD_PROBLEMS = ROOT / "examples" / "data" / "word_problems.jsonl"
SMALL_SUMS = WORD_PROBLEMS.with_name("small_sums.jsonl")


@cache
def word_problems(kind: str) -> Path:
    """Return the word problems as `jsonl`, `json`, `csv`, `tsv`, `parquet` or a folder for `hub`.

    The place follows from what is written, so that other processes find the same one.
    """
    if kind == "jsonl":
        return WORD_PROBLEMS
    text = WORD_PROBLEMS.read_text(encoding="utf-8")
    folder = Path(tempfile.gettempdir()) / f"modicum-{os.getuid()}-{text_hash(text)}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # what `datasets` prepares stays out of the user's cache
    os.environ.setdefault("HF_DATASETS_CACHE", str(folder / "cache"))
    rows = [json.loads(line) for line in text.splitlines()]
    suffix = "parquet" if kind == "hub" else kind
    path = folder / kind / f"words.{suffix}"
    if not path.exists() and (suffix != "parquet" or importlib.util.find_spec("pyarrow")):
        path.parent.mkdir(exist_ok=True)
        partial = folder / f"{kind}-{os.getpid()}.{suffix}"
        _WRITE[suffix](partial, rows)
        partial.rename(path)
    return path.parent if kind == "hub" else path


def _write_json(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text(json.dumps({"examples": rows}), encoding="utf-8")


def _write_cells(path: Path, rows: list[dict[str, str]]) -> None:
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, rows: list[dict[str, str]]) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


_WRITE = {
    "json": _write_json,
    "csv": _write_cells,
    "tsv": _write_cells,
    "parquet": _write_parquet,
}


def numbers(n: int, first: int = 0) -> list[dict[str, object]]:
    """Return n different records whose golds are numbers."""
    return [{"question": f"What is {i} and {i}?", "answer": 2 * i} for i in range(first, first + n)]


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write records, one a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
