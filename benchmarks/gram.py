"""GRAM beside its deterministic twins on boards: one sample, votes and coverage; width against depth.

python -m benchmarks.gram [--case NAME] [--task NAME] [--presets A,B] [--seeds N] [--nets FOLDER] [--json]

Each net learns by `modicum pretrain`, one thread, and stays in the folder, so that a stopped run goes
on. Figures are means over test boards, then mean and standard deviation over seeds. `samples`:
supervision steps are chosen on selection boards by single samples and then looked at once on the test,
which `--hard FILE,FILE` extends to puzzles of files. `depth`: the vote of 20 trajectories at d steps
beside single samples of the same net at 20 d, beside deterministic nets at the best of all depths up to
20 d (their best on the test boards themselves), and beside votes that cost as many FLOPs: of the twin
with noise at test (PTRM), of EqR and of an autoregressive net's samples; with the seconds that width and
depth take: of one board, and of 100 at once.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.gram_nets import (
    AUTOREGRESSIVE,
    Net,
    Recipe,
    Writer,
    answers_of,
    at_depth,
    cells,
    writer,
)
from modicum.nets.recursive_rollouts import Rolling, varies
from modicum.task import resolve_task
from modicum.training.held_out_boards import HeldOut
from modicum.training.pretraining import solved_boards
from modicum.training.recursive_boards import Labelled, puzzle_of

TASKS = {
    "several": "sudoku?unique=false",
    "unique": "sudoku?unique=true",
    "blank": "sudoku?clues=0",
    "six": "sudoku?size=6",
    "nine": "sudoku?size=9",
    "queens": "n_queens",
    "colouring": "graph_colouring",
}
DEPTHS = (4, 8, 16)
WIDTH = 20
NOISE = (0.1, 0.3, 0.5, 1.0)
"""Deviations that PTRM is tried at, on selection boards."""
TIMED = 100
"""Boards whose answers are timed."""
PTRM = "twin with noise at test (PTRM)"


@dataclass(frozen=True)
class Row:
    """Figures of one net."""

    name: str
    seed: int
    figures: dict[str, float]

    def told(self) -> None:
        """Print it as it is found, so that a stopped run has said what it knew."""
        print(f"# {self.name}, seed {self.seed}: {json.dumps(self.figures)}", flush=True)


@dataclass(frozen=True)
class Sets:
    """Boards that nets are chosen on, and those that they are measured on, by name."""

    chosen: Sequence[Labelled]
    tested: dict[str, Sequence[Labelled]]

    @classmethod
    def of(cls, task: str, boards: int, hard: Sequence[str]) -> "Sets":
        """Draw them, and read those of files."""
        puzzle, drawn = puzzle_of(task), resolve_task(task)
        tested = {"": solved_boards(drawn, puzzle, "test", boards)}
        for file in hard:
            read = resolve_task(f"{task}{'&' if '?' in task else '?'}file={file}")
            tested[f" on {Path(file).stem}"] = solved_boards(read, puzzle, "test", boards)
        return cls(solved_boards(drawn, puzzle, "selection", 200), tested)


def best_depth(one: Net, boards: Sequence[Labelled], noise: float = 0.0) -> tuple[int, float]:
    """Return the depth with most valid single samples on selection boards, and their share."""
    found, _ = answers_of(one, boards, Rolling(max(DEPTHS), 4, noise=noise))
    shares = {d: at_depth(one, boards, found, d).one.value for d in DEPTHS}
    depth = max(DEPTHS, key=lambda d: (shares[d], -d))
    return depth, shares[depth]


def best_noise(one: Net, boards: Sequence[Labelled]) -> tuple[int, float]:
    """Return depth and deviation with most valid single samples on selection boards."""
    found = {noise: best_depth(one, boards, noise) for noise in NOISE}
    noise = max(NOISE, key=lambda n: found[n][1])
    return found[noise][0], noise


def samples(recipe: Recipe, sets: Sets, presets: Sequence[str], seeds: range) -> list[Row]:
    """Measure every net once, at the depth that selection boards chose."""
    rows: list[Row] = []
    for preset in presets:
        for seed in seeds:
            found: dict[str, dict[str, dict[str, float]]] = {}
            if preset == AUTOREGRESSIVE:
                own = writer(recipe, seed)
                found[preset] = {
                    name: {**figures(own.judged(boards, WIDTH)), "cpu seconds": own.seconds}
                    for name, boards in sets.tested.items()
                }
            else:
                one = recipe.recursive(preset, seed)
                depth, _ = best_depth(one, sets.chosen)
                found[preset] = measured(one, sets, depth, 0.0)
                if preset == "twin":
                    found[PTRM] = measured(one, sets, *best_noise(one, sets.chosen))
            new = [
                Row(f"{net}{name}", seed, row)
                for net, tested in found.items()
                for name, row in tested.items()
            ]
            for row in new:
                row.told()
            rows += new
    return rows


def measured(one: Net, sets: Sets, depth: int, noise: float) -> dict[str, dict[str, float]]:
    """Return one sample, the vote and coverage at a depth, on each set."""
    found = {}
    for name, boards in sets.tested.items():
        drawn, _ = answers_of(one, boards, Rolling(depth, WIDTH, noise=noise))
        right = cells(boards, drawn, depth)
        found[name] = {
            "depth": depth,
            "noise": noise,
            **figures(at_depth(one, boards, drawn, depth)),
            **({} if right is None else {"open cells right": right}),
            "cpu seconds": one.seconds,
        }
    return found


def figures(read: HeldOut) -> dict[str, float]:
    """Return what is printed of judged boards."""
    several = read.coverage.several if read.coverage.several.inputs else read.coverage.everywhere
    greedy = {"greedy": read.greedy.value} if read.greedy else {}
    return {
        **greedy,
        "one": read.one.value,
        "vote": read.vote.value,
        "any": read.reached.value,
        "coverage": several.found,
        "ceiling of one answer": several.deterministic,
        "ceiling of even draws": several.uniform,
    }


@dataclass(frozen=True)
class Beside:
    """What stands beside GRAM's width at one seed."""

    twins: dict[str, tuple[Net, torch.Tensor]]
    """Deterministic nets with their answers at every depth."""
    noisy: dict[str, tuple[Net, float]]
    """Nets whose trajectories vary, with the noise at test."""
    writer: Writer | None

    @classmethod
    def of(
        cls, recipe: Recipe, sets: Sets, presets: Sequence[str], seed: int, longest: int
    ) -> "Beside":
        """Train or read them, and roll the deterministic ones out."""
        twins, noisy, own = {}, {}, None
        for preset in presets:
            if preset == AUTOREGRESSIVE:
                own = writer(recipe, seed)
            elif preset != "gram":
                one = recipe.recursive(preset, seed)
                if varies(one.net, Rolling(1)):
                    noisy[preset] = one, 0.0
                else:
                    twins[preset] = one, answers_of(one, sets.tested[""], Rolling(longest))[0]
                if preset == "twin":
                    noisy[PTRM] = one, best_noise(one, sets.chosen)[1]
        return cls(twins, noisy, own)


def depths(
    recipe: Recipe, sets: Sets, presets: Sequence[str], seeds: range, asked: Sequence[int]
) -> list[Row]:
    """Measure width against depth."""
    rows: list[Row] = []
    boards, longest = sets.tested[""], WIDTH * max(asked)
    for seed in seeds:
        gram = recipe.recursive("gram", seed)
        wide, _ = answers_of(gram, boards, Rolling(max(asked), WIDTH))
        deep, _ = answers_of(gram, boards, Rolling(longest, 1))
        beside = Beside.of(recipe, sets, presets, seed, longest)
        for depth in asked:
            row = {
                "vote": at_depth(gram, boards, wide, depth).vote.value,
                "one, 20 times as deep": at_depth(gram, boards, deep, WIDTH * depth).one.value,
                **compared(beside, boards, gram.step_flops * WIDTH * depth, depth),
                **latencies(gram, boards[:TIMED], depth),
            }
            rows.append(Row(f"gram at depth {depth}", seed, row))
            rows[-1].told()
    return rows


def compared(
    beside: Beside, boards: Sequence[Labelled], flops: float, depth: int
) -> dict[str, float]:
    """Return deterministic nets at their best depth, and votes of other nets at equal FLOPs."""
    row: dict[str, float] = {}
    for name, (one, found) in beside.twins.items():
        steps = [d for d in range(1, WIDTH * depth + 1) if d <= 40 or d % 10 == 0]
        row[f"{name}, best depth"] = max(at_depth(one, boards, found, d).one.value for d in steps)
    for name, (one, noise) in beside.noisy.items():
        width = max(1, round(flops / (one.step_flops * depth)))
        found, _ = answers_of(one, boards, Rolling(depth, width, noise=noise))
        row[f"{name}, vote, equal FLOPs"] = at_depth(one, boards, found, depth).vote.value
    if beside.writer is not None:
        n = beside.writer.samples_for(flops)
        row["autoregressive, its samples"] = n
        row["autoregressive, vote, equal FLOPs"] = beside.writer.judged(boards, n).vote.value
    return row


def latencies(gram: Net, boards: Sequence[Labelled], depth: int) -> dict[str, float]:
    """Time 20 trajectories beside one that is 20 times as deep: of a board alone, and of all at once."""
    found: dict[str, float] = {}
    for name, asked in (("one board", boards[:1]), (f"{len(boards)} boards", boards)):
        rounds = []
        for _ in range(3):
            _, wide = answers_of(gram, asked, Rolling(depth, WIDTH))
            _, deep = answers_of(gram, asked, Rolling(WIDTH * depth, 1))
            rounds.append((wide, deep))
        wide, deep = (statistics.median(part) for part in zip(*rounds, strict=True))
        found[f"ms wide, {name}"] = round(1000 * wide / len(asked), 3)
        found[f"times as long deep, {name}"] = round(deep / wide, 2)
    return found


def told(rows: Sequence[Row]) -> None:
    """Print mean and standard deviation over seeds of every figure."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    for name, own in groups.items():
        print(f"{name}, {len(own)} seed{'s' * (len(own) > 1)}")
        for figure in own[0].figures:
            numbers = [row.figures[figure] for row in own if figure in row.figures]
            spread = f" ± {statistics.stdev(numbers):.3f}" if len(numbers) > 1 else ""
            print(f"  {figure:<36} {statistics.mean(numbers):8.3f}{spread}")


def main() -> None:
    """Train what is missing, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=("samples", "depth"), default="samples")
    parser.add_argument("--task", dest="task_name", choices=tuple(TASKS), default="several")
    parser.add_argument("--presets", default="twin,gram")
    parser.add_argument("--depths", default="1,2,4")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--boards", type=int, default=400)
    parser.add_argument("--hard", default="", help="files of puzzles, with commas between")
    parser.add_argument("--nets", type=Path, default=Path("nets/gram"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(args.task_name, TASKS[args.task_name], args.steps, args.nets)
    sets = Sets.of(recipe.task, args.boards, [one for one in args.hard.split(",") if one])
    presets, seeds = args.presets.split(","), range(args.seeds)
    if args.case == "samples":
        rows = samples(recipe, sets, presets, seeds)
    else:
        rows = depths(recipe, sets, presets, seeds, [int(d) for d in args.depths.split(",")])
    print(json.dumps([asdict(row) for row in rows])) if args.json else told(rows)


if __name__ == "__main__":
    main()
