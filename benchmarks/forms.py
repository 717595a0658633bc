"""Public data files read as `modicum run` reads them: golds that differ from the source's.

python -m benchmarks.forms FOLDER [--json]

FOLDER holds the files by the names below (`bbh/*.json`, `gsm8k_*.jsonl`, `svamp.jsonl`,
`math500.jsonl`, `one_shot_rlvr.jsonl`; what is missing is left out). The source's gold is read here
in a few lines of its own, by what its authors say of the file; the figure of a file is the number of
golds that differ from it. The last figures are seconds of
processor time for 1,500 lines of the dearest form, made up.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from benchmarks import Figure, Report
from modicum.tables.table import Table
from modicum.task import resolve_task

LINES = 1500
"""Lines of the made-up file that is timed."""
ROUNDS = 5
MOST_SECONDS = 0.5
"""What reading such a file may take."""


@dataclass(frozen=True)
class Count:
    """What was read of one file."""

    rows: int
    problems: int
    odd: int
    differ: int
    marker: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report = Report(threads=1)
    found = {path: count(path, read) for path, read in sources(given.folder).items()}
    for path, one in found.items():
        note = f"{one.rows} rows, {one.problems} problems, {one.odd} odd, marker {one.marker}"
        name = str(path.relative_to(given.folder))
        report.figures.append(Figure.of_value(name, float(one.differ), goal=0.0, note=note))
    total = sum(one.differ for one in found.values())
    note = f"{len(found)} files, {sum(one.problems for one in found.values())} problems"
    report.figures.append(
        Figure.of_value(
            "golds that differ from the source's, all", float(total), goal=0.0, note=note
        )
    )
    took = seconds()
    middle = statistics.median(took)
    report.figures.append(
        Figure(
            f"seconds to read {LINES} lines of multiple choice",
            round(middle, 3),
            0.0,
            (round(min(took), 3), round(middle, 3), round(max(took), 3)),
            MOST_SECONDS,
            "at most; processor time",
        )
    )
    report.show(as_json=given.json)


def sources(folder: Path) -> dict[Path, Callable[[], dict[int, str]]]:
    """Return the known files of a folder, and for each what reads its golds by row."""

    def lines(path: Path, gold: Callable[[Mapping[str, str]], str]) -> Callable[[], dict[int, str]]:
        return lambda: {
            i: gold(json.loads(line))
            for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        }

    def examples(path: Path) -> Callable[[], dict[int, str]]:
        return lambda: {
            i: one["target"]
            for i, one in enumerate(
                json.loads(path.read_text(encoding="utf-8"))["examples"], start=1
            )
        }

    found = {path: examples(path) for path in sorted(folder.glob("bbh/*.json"))}
    for name in ("gsm8k_test", "gsm8k_train_2000"):
        path = folder / f"{name}.jsonl"
        found[path] = lines(path, lambda row: row["answer"].rpartition("####")[2])
    for name in ("svamp", "math500", "one_shot_rlvr"):
        path = folder / f"{name}.jsonl"
        found[path] = lines(path, lambda row: row["answer"])
    return {path: read for path, read in found.items() if path.exists()}


def count(path: Path, read: Callable[[], dict[int, str]]) -> Count:
    """Compare every gold of a file with the source's."""
    task = resolve_task(f"{path}?odd=leave_out")
    if not isinstance(task, Table):
        raise TypeError(path)
    golds = read()
    problems = task.in_order()
    differ = 0
    for problem in problems:
        row = int(task.origin(problem).split()[1])
        differ += not is_same(problem.answer, golds[row])
    reading = task.reading
    return Count(len(golds), len(problems), len(reading.odd), differ, reading.marker)


def is_same(gold: str, source: str) -> bool:
    """Whether a gold is the source's: the same number, or the same text within its brackets."""
    source = source.strip()
    if source in (gold, f"({gold})"):
        return True
    try:
        return Fraction(gold) == Fraction(source.replace(",", "").strip("$"))
    except (ValueError, ZeroDivisionError):
        return False


def seconds() -> list[float]:
    """Time the reading of a made-up file of long multiple-choice questions."""
    rows = [
        {
            "id": f"r{i}",
            "question": "word " * 60 + str(i),
            "choices": {"text": [f"{k} of {i}" for k in "wxyz"], "label": list("ABCD")},
            "answerKey": "ABCD"[i % 4],
        }
        for i in range(LINES)
    ]
    took = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(ROUNDS):
            path = Path(folder) / f"{i}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            start = time.process_time()
            resolve_task(str(path))
            took.append(time.process_time() - start)
    return took


if __name__ == "__main__":
    main()
