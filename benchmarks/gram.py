"""GRAM beside its deterministic twins on boards: one sample, votes and coverage; width against depth.

python -m benchmarks.gram [--case NAME] [--seeds N] [--nets FOLDER] [--steps N] [--boards N] [--json]

Each net learns by `modicum pretrain recursive`, one thread, and stays in the folder, so that a stopped
run goes on. Figures are means over test boards, then mean and standard deviation over seeds. `samples`:
supervision steps are chosen on selection boards by single samples and then looked at once on the test.
`depth`: the vote of 20 trajectories at d steps beside single samples of the same net at 20 d, and
beside deterministic nets at every depth up to 20 d, with the seconds that both take: of one board, and of
all of them at once. PTRM is the twin with noise at test, EqR starts at noise.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from modicum.ledger import Ledger
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import CONFIG, read_recursive_card, read_recursive_net
from modicum.nets.recursive_rollouts import Rolling, roll, varies
from modicum.puzzles.puzzle import Puzzle
from modicum.task import resolve_task
from modicum.training.board_learner import AnswersDrawn
from modicum.training.held_out_boards import HeldOut, judged
from modicum.training.pretraining import pretrain, solved_boards
from modicum.training.recursive_boards import Labelled, puzzle_of
from modicum.training.recursive_learner import RecursivePretraining

TASKS = {
    "several": "sudoku?unique=false",
    "unique": "sudoku?unique=true",
    "blank": "sudoku?clues=0",
    "six": "sudoku?size=6",
    "queens": "n_queens",
    "colouring": "graph_colouring",
}
DEPTHS = (4, 8, 16)
WIDTH = 20
NOISE = (0.1, 0.3, 0.5, 1.0)
"""Deviations that PTRM is tried at, on selection boards."""


@dataclass(frozen=True)
class Net:
    """A trained net with what its training took."""

    preset: str
    net: RecursiveNet
    puzzle: Puzzle
    seconds: float
    """Processor time of training and measuring."""


@dataclass(frozen=True)
class Row:
    """Figures of one net."""

    name: str
    seed: int
    figures: dict[str, float]


def trained(args: argparse.Namespace, preset: str, seed: int) -> Net:
    """Train a net, or read the one that lies there."""
    out = Path(args.nets) / f"{args.task_name}-{preset}-{seed}"
    plan = RecursivePretraining(args.task, preset=preset, steps=args.steps, seed=str(seed))
    took = out / "seconds.txt"
    if not (out / CONFIG).exists():
        begun, before = time.process_time(), float(took.read_text()) if took.exists() else 0.0
        out.mkdir(parents=True, exist_ok=True)

        def watch(_: Ledger) -> None:
            took.write_text(str(before + time.process_time() - begun))

        pretrain(plan, out, "cpu", watch, measured=20)
    net = read_recursive_net(out, read_recursive_card(out))
    return Net(preset, net.eval(), puzzle_of(args.task), float(took.read_text()))


def answers_of(one: Net, boards: Sequence[Labelled], how: Rolling) -> tuple[torch.Tensor, float]:
    """Return the answer after every supervision step, `[boards, width, depth, length]`, and its seconds."""
    questions = torch.tensor([board.question for board in boards])
    addresses = [" ".join(map(str, board.question)) for board in boards]
    begun = time.perf_counter()
    found = roll(one.net, questions, addresses, replace(how, is_traced=True)).traced
    assert found is not None
    return found, time.perf_counter() - begun


def at_depth(one: Net, boards: Sequence[Labelled], found: torch.Tensor, depth: int) -> HeldOut:
    """Judge the answers after some supervision steps."""
    answers = found[:, :, depth - 1].tolist()
    drawn = AnswersDrawn(answers, depth=depth)
    return judged(one.puzzle, boards, drawn, max(found.shape[1], 1))


def best_depth(one: Net, boards: Sequence[Labelled], noise: float = 0.0) -> tuple[int, float]:
    """Return the depth with most valid single samples on selection boards, and their share."""
    width = 4 if varies(one.net, Rolling(1, noise=noise)) else 1
    found, _ = answers_of(one, boards, Rolling(max(DEPTHS), width, noise=noise))
    shares = {d: at_depth(one, boards, found, d).one.value for d in DEPTHS}
    depth = max(DEPTHS, key=lambda d: (shares[d], -d))
    return depth, shares[depth]


def samples(args: argparse.Namespace) -> list[Row]:
    """Measure every net once, at the depth that selection boards chose."""
    rows: list[Row] = []
    task, puzzle = resolve_task(args.task), puzzle_of(args.task)
    chosen = solved_boards(task, puzzle, "selection", 200)
    boards = solved_boards(task, puzzle, "test", args.boards)
    for preset in args.presets:
        for seed in range(args.seeds):
            one, noise = trained(args, preset, seed), 0.0
            depth, share = best_depth(one, chosen)
            rows.append(Row(preset, seed, measured(one, boards, depth, noise)))
            if preset == "twin":
                found = {n: best_depth(one, chosen, n) for n in NOISE}
                noise = max(NOISE, key=lambda n: found[n][1])
                ptrm = measured(one, boards, found[noise][0], noise)
                rows.append(Row("twin with noise at test (PTRM)", seed, ptrm))
            print(f"# {preset} seed {seed}: {share:.3f} on selection, {rows[-1]}", flush=True)
    return rows


def measured(one: Net, boards: Sequence[Labelled], depth: int, noise: float) -> dict[str, float]:
    """Return one sample, the vote and coverage at a depth."""
    width = WIDTH if varies(one.net, Rolling(1, noise=noise)) else 1
    found, _ = answers_of(one, boards, Rolling(depth, width, noise=noise))
    read = at_depth(one, boards, found, depth)
    several = read.coverage.several if read.coverage.several.inputs else read.coverage.everywhere
    return {
        "depth": depth,
        "noise": noise,
        "one": read.one.value,
        "vote": read.vote.value,
        "any": read.reached.value,
        "coverage": several.found,
        "ceiling of one answer": several.deterministic,
        "ceiling of even draws": several.uniform,
        "cpu seconds": one.seconds,
    }


def depths(args: argparse.Namespace) -> list[Row]:
    """Measure width against depth."""
    rows: list[Row] = []
    task, puzzle = resolve_task(args.task), puzzle_of(args.task)
    boards = solved_boards(task, puzzle, "test", args.boards)
    for seed in range(args.seeds):
        gram = trained(args, "gram", seed)
        longest = WIDTH * max(args.depths)
        wide, _ = answers_of(gram, boards, Rolling(max(args.depths), WIDTH))
        deep, _ = answers_of(gram, boards, Rolling(longest, 1))
        others = {p: trained(args, p, seed) for p in args.presets if p != "gram"}
        twins = {p: answers_of(one, boards, Rolling(longest, 1))[0] for p, one in others.items()}
        for depth in args.depths:
            row: dict[str, float] = {}
            row["vote"] = at_depth(gram, boards, wide, depth).vote.value
            row["one, 20 times as deep"] = at_depth(gram, boards, deep, WIDTH * depth).one.value
            for name, found in twins.items():
                steps = [d for d in range(1, WIDTH * depth + 1) if d <= 40 or d % 10 == 0]
                every = [at_depth(others[name], boards, found, d).one.value for d in steps]
                row[f"{name}, its best depth"] = max(every)
            row |= latencies(gram, boards, depth)
            rows.append(Row(f"gram at depth {depth}", seed, row))
            print(f"# {row}", flush=True)
    return rows


def latencies(gram: Net, boards: Sequence[Labelled], depth: int) -> dict[str, float]:
    """Time 20 trajectories beside one that is 20 times as deep: of a board alone, and of all at once."""
    found: dict[str, float] = {}
    for name, asked in (("one board", boards[:1]), ("all boards", boards)):
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
        print(f"{name}, {len(own)} seeds")
        for figure in own[0].figures:
            numbers = [row.figures[figure] for row in own]
            spread = f" ± {statistics.stdev(numbers):.3f}" if len(own) > 1 else ""
            print(f"  {figure:<32} {statistics.mean(numbers):8.3f}{spread}")


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
    parser.add_argument("--nets", default="nets/gram")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.task, args.presets = TASKS[args.task_name], args.presets.split(",")
    args.depths = [int(depth) for depth in args.depths.split(",")]
    torch.set_num_threads(1)
    rows = samples(args) if args.case == "samples" else depths(args)
    print(json.dumps([asdict(row) for row in rows])) if args.json else told(rows)


if __name__ == "__main__":
    main()
