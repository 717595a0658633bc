"""Writes word problems of one small sum or difference, the same 240 on every machine; CC0.

Small real models answer many of them rightly and at very different lengths, which is what studies of
compression need. Run without an argument it checks the file that lies beside it; with `--write`
it writes that file anew.
"""

import json
import sys
from pathlib import Path

import numpy as np

from modicum.seeds import stream

PATH = Path(__file__).parent / "data" / "small_sums.jsonl"
N = 240
NAMES = ("Ada", "Bilal", "Chiara", "Edda", "Farid", "Greta", "Ivo", "Kofi", "Lena", "Milo")
THINGS = ("apples", "marbles", "stickers", "walnuts", "buttons", "pears", "pencils", "shells")
FORMS = (
    ("{name} has {a} {thing} and gets {b} more. How many {thing} does {name} have now?", 1),
    ("There are {a} {thing} on the table. {name} puts {b} more there. How many are there now?", 1),
    ("{name} has {a} {thing} and gives away {b} of them. How many {thing} are left?", -1),
    ("{name} finds {a} {thing} in the morning and {b} in the evening. How many in all?", 1),
)


def problem(rng: np.random.Generator) -> dict[str, str]:
    """Return one problem."""
    text, sign = FORMS[rng.integers(len(FORMS))]
    a, b = int(rng.integers(3, 13)), int(rng.integers(1, 10))
    if sign < 0:
        a += b
    question = text.format(
        name=NAMES[rng.integers(len(NAMES))], thing=THINGS[rng.integers(len(THINGS))], a=a, b=b
    )
    return {"question": question, "answer": str(a + sign * b)}


def lines() -> str:
    """Return the whole file."""
    rng, found = stream("small-sums"), dict[str, dict[str, str]]()
    while len(found) < N:
        row = problem(rng)
        found.setdefault(row["question"], row)
    return "".join(json.dumps(row) + "\n" for row in found.values())


def main() -> None:
    if sys.argv[1:] == ["--write"]:
        PATH.write_text(lines(), encoding="utf-8")
    if PATH.read_text(encoding="utf-8") != lines():
        sys.exit(f"{PATH} is not what this writes; run it with --write")
    print(f"{PATH.name}: {N} problems")


if __name__ == "__main__":
    main()
