"""Every causal architecture of the installed transformers, at tiny size, on all rungs: a table.

python -m benchmarks.architectures [KIND …] [--out docs/results/architectures.txt] [--json]

Configurations are shrunk by rule (`tests/support/architectures.py`), weights are random with a fixed
seed, the tokenizer is one of bytes. What each column asks stands in `tests/support/walk.py`. One
process, one thread; about ten minutes. There is no peer: the peer is transformers' own `generate`
and its plain forward pass, within each column.
"""

import argparse
import json
import platform
import time
import warnings
from collections import Counter
from pathlib import Path

import peft
import torch
import transformers
from tests.support.architectures import model_types
from tests.support.families import COLUMNS, REASONS, Family
from tests.support.walk import walk

_SIGNS = {"ok": "·", "FAULT": "!"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    began = time.process_time()
    families = []
    for kind in given.kinds or model_types():
        families.append(walk(kind))
        if not given.json:
            print(_line(families[-1]), flush=True)
    text = table(families, time.process_time() - began)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    if given.json:
        print(json.dumps([vars(family) for family in families]))
    elif not given.out:
        print(text)


def table(families: list[Family], seconds: float) -> str:
    """Give the whole page: reasons, counts, a line a family, and what was raised."""
    told = Counter(
        "fault"
        if f.n_faults
        else "full"
        if not f.n_open
        else "one n/a"
        if f.n_open == 1
        else "more"
        for f in families
    )
    reasons = Counter(v for f in families for v in set(f.columns.values()) if v in REASONS)
    versions = f"torch {torch.__version__}, peft {peft.__version__}, {platform.machine()}"
    own = sum(any("slower" in note for note in f.notes) for f in families)
    lines = [
        f"Causal architectures of transformers {transformers.__version__} at tiny size ({versions})",
        f"python -m benchmarks.architectures · one thread, {seconds:.0f} s of processor time",
        "",
        f"{len(families)} families: {told['full']} on all columns, {told['one n/a']} with one n/a, "
        f"{told['more']} with more, {told['fault']} with a fault; {own} run with the module's own cache",
        "",
        "· holds   ! fault   a letter: not applicable, because",
        *(
            f"  {letter}  {reason} ({reasons[letter]} families)"
            for letter, reason in REASONS.items()
        ),
        "",
        "columns: " + ", ".join(COLUMNS) + "; o: the module's own cache",
        "",
        *(_line(family) for family in families),
        "",
        "What was said where a column does not hold:",
        *(
            f"  {f.kind}: {note}"
            for f in families
            for note in f.notes
            if (f.n_faults or f.n_open) and "slower" not in note
        ),
    ]
    return "\n".join(line.rstrip() for line in lines)


def _line(family: Family) -> str:
    signs = " ".join(_SIGNS.get(value, value) for value in family.columns.values())
    own = "o" if any("slower" in note for note in family.notes) else " "
    return f"{family.kind:<28} {signs}  {own}"


if __name__ == "__main__":
    main()
