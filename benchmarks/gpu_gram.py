"""GRAM at its own size on 9 x 9 Sudoku, by the paper's recipe: trained in parts, then asked hard puzzles.

65,000 updates, a part of some minutes at a time: a checkpoint in the folder is what the next part goes
on from. After each part the moving average answers held-out boards and those of files, 20 trajectories
of 16 supervision steps each. Products are TF32 where the GPU has it, divergences float32.
Source: GRAM (2605.19376): AdamW, rate 1e-4 without decay of it, weight decay 1, batch 768, moving
average .9999, 1,000 puzzles under their symmetries.
Differs: every transition pays for its divergence, whose weight falls from 10 to 1, as modicum's recipe
has it (the paper's is .1; in miniature .3 already lets the posterior tell the answer); warm-up of 2,000
updates as in HRM and TRM (2506.21734, 2510.04871), which the paper does not state.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.gram_nets import Net, answers_of, at_depth, cells
from modicum.ledger import Ledger
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import RecursiveCard
from modicum.nets.recursive_rollouts import Rolling
from modicum.nets.recursive_shape import Size, sized
from modicum.nudge import write_shared
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.training.board_recipe import train_boards
from modicum.training.launch import Alone
from modicum.training.learned_net import LearnedNet
from modicum.training.pretraining import solved_boards, training_boards
from modicum.training.prior_looks import Boards
from modicum.training.recursive import RecursiveLesson, RecursiveRecipe
from modicum.training.recursive_boards import Labelled, checker_of, drawing, puzzle_of

__all__ = ["GramCase", "measure_gram"]

PUZZLES = 1000
WIDTH, DEPTH = 20, 16


@dataclass(frozen=True)
class GramCase:
    """What is trained, and how far."""

    preset: str = "gram"
    task: str = "sudoku?size=9"
    hard: tuple[str, ...] = ()
    """Files of puzzles that are asked as well."""
    minutes: float = 6.0
    """Of training in this part."""
    nets: Path = Path("nets/gpu_gram")
    size: Size = "full"
    updates: int = 65_000
    batch: int = 768
    boards: int = 100
    """Boards of each set that are asked; their noise is drawn on the processor."""


class _TimeIsUpError(Exception):
    """Ends a part."""


def measure_gram(case: GramCase, device: torch.device) -> dict[str, object]:
    """Train for a part and return speed, memory and what the moving average gets right."""
    torch.set_float32_matmul_precision("high")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    puzzle, task = puzzle_of(case.task), resolve_task(case.task)
    grid = puzzle.grid
    shape = sized(case.preset, case.size, grid.length, grid.vocabulary)
    net = RecursiveNet(shape, stream("gpu", "gram", case.preset)).to(device)
    recipe = RecursiveRecipe(
        steps=case.updates,
        batch=case.batch,
        learning_rate=1e-4,
        warm_up=min(2000, case.updates),
        cool_down=0.0,
        decay=1.0,
        average=0.9999,
        look_boards=min(8, case.batch),
    )
    learned_from = training_boards(task, puzzle, PUZZLES)
    name = f"gpu/{case.preset}/{case.task}/{case.size}/{case.updates}/{case.batch}"
    draw = drawing(puzzle, learned_from, case.batch, name)
    lesson = RecursiveLesson(net, Boards(draw, checker_of(puzzle), grid.answered), recipe, name)
    folder = case.nets / case.preset
    ledger, speed = _trained(lesson, net, recipe, name, folder / "checkpoint.safetensors", case)
    averaged = lesson.averaged.net.eval()
    card = RecursiveCard(shape, case.task, case.preset, {"updates": ledger.updates})
    write_shared(LearnedNet(averaged.cpu(), card).files(), folder / f"after-{ledger.updates}")
    found = Net(case.preset, averaged.to(device), puzzle, ledger.seconds)
    peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None
    return {
        "part": "gram",
        "preset": case.preset,
        "weights": shape.numbers,
        "updates": ledger.updates,
        "of": case.updates,
        "updates a second": round(speed, 2),
        "training TFLOP": round(ledger.flops / 1e12, 1),
        "peak GB": peak,
        **{set_: _judged(found, boards) for set_, boards in _sets(case).items()},
    }


def _trained(
    lesson: RecursiveLesson,
    net: RecursiveNet,
    recipe: RecursiveRecipe,
    name: str,
    kept: Path,
    case: GramCase,
) -> tuple[Ledger, float]:
    """Train until the minutes or the updates are over; return the ledger and updates a second."""
    begun: list[tuple[float, int]] = []

    def watch(ledger: Ledger) -> None:
        now = time.monotonic()
        if not begun or ledger.updates <= begun[0][1]:
            begun[:] = [(now, ledger.updates)]
        elif now - begun[0][0] > 60 * case.minutes:
            raise _TimeIsUpError

    ledger = Ledger(observer=watch)
    with contextlib.suppress(_TimeIsUpError):
        train_boards(lesson, net, recipe, name, ledger, (kept, Alone()))
    if not begun:
        return ledger, 0.0
    spent = time.monotonic() - begun[0][0]
    return ledger, (ledger.updates - begun[0][1]) / spent if spent else 0.0


def _sets(case: GramCase) -> dict[str, Sequence[Labelled]]:
    puzzle, joined = puzzle_of(case.task), "&" if "?" in case.task else "?"
    sets: dict[str, Sequence[Labelled]] = {}
    sets["held out"] = solved_boards(resolve_task(case.task), puzzle, "test", case.boards)
    for file in case.hard:
        read = resolve_task(f"{case.task}{joined}file={file}")
        sets[Path(file).stem] = solved_boards(read, puzzle, "test", case.boards)
    return sets


def _judged(found: Net, boards: Sequence[Labelled]) -> dict[str, float | None]:
    drawn, seconds = answers_of(found, boards, Rolling(DEPTH, WIDTH, rows=4096))
    read = at_depth(found, boards, drawn, DEPTH)
    return {
        "boards": len(boards),
        "one": read.one.value,
        "vote": read.vote.value,
        "any": read.reached.value,
        "open cells right": cells(boards, drawn, DEPTH),
        "seconds": round(seconds, 2),
    }
