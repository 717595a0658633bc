"""How much of a second study's base samples come from the first: other methods, other budgets.

python -m benchmarks.reuse [--json] [--model NAME] [--task NAME]

Two studies in one folder, the second beside the first, each a process of its own. Base samples
are the answers of floor, default, ceiling and forced form. The share reused has a goal; seconds
and tokens stand beside it. There is no peer.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import Figure, Report
from modicum.store.database import Store
from modicum.study.plan import MEASURES

SIZE = ("--force", "--test", "50", "--selection", "20", "--samples", "16", "--seeds", "1")
FIRST = ("--methods", "self_consistency", "--shots", "1")
SECOND = ("--methods", "cot_decoding,rejection_tuning", "--shots", "2")
BRIEF = ("fine_tune.steps=2", "rejection_tuning.steps=2", "rejection_tuning.samples=4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", default="organism")
    parser.add_argument("--task", default="line_moves")
    parser.add_argument("--max-new-tokens", default="0", help="0 takes the task's own")
    given = parser.parse_args()
    subject = ("--model", given.model, "--task", given.task)
    subject += ("--max-new-tokens", given.max_new_tokens)
    report = Report(threads=1)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        took = [
            seconds(*subject, *methods, "--out", runs / name)
            for name, methods in (("first", FIRST), ("second", SECOND))
        ]
        took.append(seconds(*subject, *SECOND, "--out", runs / "third", "--no-reuse"))
        counts = [base(runs / name) for name in ("first", "second", "third")]
    drawn, reused, _ = counts[1]
    report.figures += [
        Figure.of_value("base samples reused, share", reused / drawn, goal=0.95),
        Figure.of_value("base samples of the second study", float(drawn), goal=None),
        Figure.of_value("tokens spent on them", float(counts[1][2]), goal=None),
        Figure.of_value("the same without reuse", float(counts[2][2]), goal=None),
        Figure.of_value("seconds of the second study", took[1], goal=None),
        Figure.of_value("the same without reuse, seconds", took[2], goal=None),
    ]
    report.show(as_json=given.json)


def seconds(*arguments: object) -> float:
    """Return the wall-clock seconds of a run, the start of Python included."""
    brief = [part for setting in BRIEF for part in ("--set", setting)]
    command = [sys.executable, "-m", "modicum", "run", *map(str, arguments), *SIZE, *brief]
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return time.perf_counter() - start


def base(folder: Path) -> tuple[int, int, float]:
    """Return a study's base samples: how many, how many of them reused, tokens spent on them."""
    store = Store(folder)
    heads = [o for o in store.heads().values() if o.trial.method in MEASURES]
    drawn = sum(len(a.marks) for o in heads for a in store.answers(o.trial, texts=False))
    store.close()
    reused = sum(o.serving.get("completions_reused", 0) for o in heads)
    return drawn, int(reused), sum(o.serving.get("tokens_sampled", 0) for o in heads)


if __name__ == "__main__":
    main()
