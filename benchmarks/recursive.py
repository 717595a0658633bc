"""The recursive nets beside the public TRM code and beside a naive loop over trajectories.

python -m benchmarks.recursive [--json] [--quick] [--case step|rollout] [--width 512|64] [--dtype NAME]
    [--batch N] [--threads N] [--rounds N] [--net FILE]

`step`: one supervision step with its update - three cycles of six, two layers, 81 cells and 16 empty
places, vocabulary 11, loss, gradient, AdamW, moving average - of our TRM preset and of the public
code (`benchmarks.trm_peer` says where it is looked for and which parts run), in turn. No slot ends
early on either side; ours looks at no rollouts, which the public step does not know. Without the
public code the naive loop is our own net by torch's operations, and stderr says so. Medians of
wall-clock and of processor seconds. `--dtype` is the public code's format; ours is float32.

`rollout`: 20 trajectories of at most 16 steps of 4 x 4 boards with several solutions, folded, halting
and compacted, beside a loop over the trajectories, each of which takes all boards 16 steps deep. The
threshold of halting is chosen on validation boards: the lowest that loses at most half a point of a
single sample's validity there. The net is trained first, then its heads alone (four minutes on one
core), and kept.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import Figure, Report
from benchmarks.recursive_rollout import compare_rollouts
from benchmarks.trm_peer import RUN, TrmPeer, fetched
from modicum.loading.checkpoint_cache import cache_root
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_shape import RecursiveShape, preset
from modicum.seeds import stream
from modicum.training.board_recipe import optimiser_of
from modicum.training.fit import Descent
from modicum.training.prior_looks import Boards
from modicum.training.recursive import RecursiveLesson, RecursiveRecipe

LENGTH, VOCABULARY = 81, 11
GOALS = {512: 1.1, 64: 2.0}
BATCHES = {512: 4, 64: 8}
HEADS = {512: 8, 64: 4}
INNER = {512: 1536, 64: 256}
"""Hidden width of the SwiGLU, by the public code's rounding."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, fewer boards")
    parser.add_argument("--case", choices=["step", "rollout"])
    parser.add_argument("--width", type=int, choices=sorted(GOALS))
    parser.add_argument("--dtype", default="float32", help="of the public code; ours is float32")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--net", type=Path, help="in the cache if not given")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    report = Report(threads=given.threads)
    if given.case in (None, "step"):
        for width in (512, 64) if given.width is None else (given.width,):
            compare_steps(width, given, report)
    if given.case in (None, "rollout"):
        name = "recursive_2_quick.pt" if given.quick else "recursive_2.pt"  # by the second recipe
        compare_rollouts(given.net or cache_root() / "peers" / name, report, quick=given.quick)
    report.show(as_json=given.json)


def compare_steps(width: int, given: argparse.Namespace, report: Report) -> None:
    """Time both sides in turn and add their figures."""
    batch, folder = given.batch or BATCHES[width], fetched()
    boards = drawn(batch)
    shape = shaped(width)
    ours, n_ours = our_step(shape, boards)
    if folder is None:
        words = "no public TRM code here (MODICUM_TRM): beside our own net by torch's operations"
        theirs, n_theirs = naive_step(shape, boards)
    else:
        peer = TrmPeer(folder, width, HEADS[width], boards, given.dtype)
        theirs, n_theirs, words = peer.step, peer.parameters, RUN
    print(f"width {width}: {words}", file=sys.stderr)
    assert abs(n_ours / n_theirs - 1) < 0.02, (n_ours, n_theirs)
    flops = [counted(step) for step in (naive_step(shape, boards)[0], theirs)]
    assert abs(flops[0] / flops[1] - 1) < 0.02, flops
    note = (
        f"{n_ours} and {n_theirs} parameters; products of {flops[0] / 1e9:.2f} and "
        f"{flops[1] / 1e9:.2f} GFLOP; batch {batch}"
    )
    rounds = given.rounds or (3 if given.quick else {512: 7, 64: 25}[width])
    wall, work = timed(ours, theirs, rounds)
    dtype = "" if given.dtype == "float32" else f", public code in {given.dtype}"
    bar = GOALS[width] if given.dtype == "float32" else None  # other formats are no equal work
    for kind, speeds, goal in (("", wall, bar), (", processor time", work, None)):
        name = f"TRM steps/s, width {width}{dtype}{kind}"
        report.figures.append(Figure.of_rounds(name, *speeds, goal=goal, note=note))


def shaped(width: int) -> RecursiveShape:
    """Return our preset at a width."""
    sizes = {"width": width, "heads": HEADS[width], "inner": INNER[width]}
    return replace(preset("trm", LENGTH, VOCABULARY), **sizes)


def drawn(batch: int) -> tuple[Tensor, Tensor]:
    """Return digits: what they say changes no time."""
    rng = stream("bench", "recursive")
    return tuple(torch.from_numpy(rng.integers(2, VOCABULARY, (batch, LENGTH))) for _ in range(2))


def our_step(
    shape: RecursiveShape, boards: tuple[Tensor, Tensor]
) -> tuple[Callable[[], None], int]:
    """Return a step of the lesson that nets are trained with, and its parameters."""
    net = RecursiveNet(shape, stream("bench", "net"))
    with torch.no_grad():  # nothing halts before its last step, for equal work
        net.judging_first.fill_(-50.0)
    net.judging_first.requires_grad_(False)
    net.judging.requires_grad_(False)
    recipe = RecursiveRecipe(
        steps=10**6,
        batch=len(boards[0]),
        learning_rate=1e-4,
        average=0.999,
        warm_up=1,
        look_every=10**9,
    )
    lesson = RecursiveLesson(net, Boards(lambda _: boards), recipe, "bench")
    descent = Descent(optimiser_of(net, recipe), list(net.parameters()), recipe.clip)
    done = iter(range(recipe.steps))

    def step() -> None:
        lesson.step(next(done), [], descent)

    return step, sum(p.numel() for p in net.parameters())


def naive_step(
    shape: RecursiveShape, boards: tuple[Tensor, Tensor]
) -> tuple[Callable[[], None], int]:
    """Return our step by torch's operations alone."""
    step, parameters = our_step(shape, boards)

    def plain() -> None:
        with patch("modicum.nets.recursive_blocks.native_stacks", lambda *_: None):
            step()

    return plain, parameters


def counted(step: Callable[[], None]) -> int:
    """Return the FLOPs of a step's matrix products, as torch counts them; attention is left out."""
    step()
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def timed(
    ours: Callable[[], None], theirs: Callable[[], None], rounds: int
) -> tuple[tuple[list[float], list[float]], tuple[list[float], list[float]]]:
    """Return steps a second of both sides, taken in turn: by the clock, and by processor seconds."""
    wall: tuple[list[float], list[float]] = [], []
    work: tuple[list[float], list[float]] = [], []
    for number in range(rounds + 2):
        for side, step in enumerate((ours, theirs)):
            start, before = time.perf_counter(), time.process_time()
            step()
            if number >= 2:
                wall[side].append(1 / (time.perf_counter() - start))
                work[side].append(1 / (time.process_time() - before))
    return wall, work


if __name__ == "__main__":
    main()
