"""What the rules say of made worlds whose truth is known: words, intervals, and what is shipped.

python -m benchmarks.rules [--draws 300] [--sizes 0,1,2,3] [--only TEXT] [--out docs/results/rules.txt]

Every draw is a whole study: its own problems, samples, rungs, seeds and controls, fed through the very
analysis that reads real ones (`modicum.simulation`). There is no peer: the bar is the truth. One process;
300 draws a cell take about ten CPU-minutes.
"""

import argparse
import math
import time
from pathlib import Path

from modicum.simulation.rates import SIZES, Rates, rates
from modicum.simulation.worlds import WORLDS

HEAD = (
    "Shares of the draws: a wrong word; the word that the world asks for (any right one where it\n"
    "asks for none); a rung shipped that gains nothing, or that one with fewer labels beats by more\n"
    "than five points; what is right to ship, where the world asks for it; intervals that hold the\n"
    "truth: of the floor, of the tuned scores, of the ceiling, of the gains and of the gap recovered\n"
    "(of several the worst that was printed in half of the draws); the words, and what was shipped.\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--sizes", default="0,1,2,3")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sizes = [SIZES[int(place)] for place in given.sizes.split(",")]
    began, rows = time.process_time(), []
    for world in WORLDS:
        if given.only in world.name:
            rows += [rates(world, size, given.draws) for size in sizes]
            if given.out:
                print(world.name, flush=True)
    text = table(rows, time.process_time() - began)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    else:
        print(text)


def table(rows: list[Rates], seconds: float) -> str:
    """Give the page: what the columns are, the worst of each, and a line a world and size."""
    wrong = [row for row in rows if row.wrong > 0.05]
    bad = [row for row in rows if row.ships_wrong > 0.05]
    draws = rows[0].draws if rows else 0
    lines = [
        f"python -m benchmarks.rules --draws {draws} · {len({r.world for r in rows})} worlds · "
        f"{seconds:,.0f} s of processor time",
        "",
        HEAD,
        f"{len(rows)} cells: {len(wrong)} with a wrong word in more than 5 %, {len(bad)} that ship wrongly "
        "in more than 5 %",
        "",
        f"{'world':42s} {'size':9s} wrong right  bad  ship floor tuned  ceil  gain   gap  words · shipped",
    ]
    return "\n".join([*lines, *map(_line, rows)]) + "\n"


def _line(row: Rates) -> str:
    shares = [row.wrong, row.right, row.ships_wrong, row.ships_right]
    shares += [_least(row, kind) for kind in ("floor", "score", "ceiling", "gain", "gap")]
    numbers = " ".join("    –" if math.isnan(share) else f"{share:5.2f}" for share in shares)
    words = " ".join(f"{word} {share:.2f}" for word, share in row.words.items())
    ships = " ".join(f"{name} {share:.2f}," for name, share in list(row.ships.items())[:3])
    return f"{row.world:42s} {row.size!s:9s} {numbers}  {words} · {ships.rstrip(',')}"


def _least(row: Rates, kind: str) -> float:
    """Give the smallest coverage of a kind of figure among those that half of the draws printed."""
    found = [
        share
        for name, share in row.covers.items()
        if name.split()[0] == kind and row.read[name] >= row.draws / 2
    ]
    return min(found, default=math.nan)


if __name__ == "__main__":
    main()
