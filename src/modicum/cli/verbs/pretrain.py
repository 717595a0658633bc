"""Trains a net on all the data of a task, for studies to open."""

import json
import re
from pathlib import Path
from typing import get_args

import click

from modicum.cli.help_layout import HelpGroup
from modicum.cli.progress import Steps
from modicum.ledger import Ledger
from modicum.loading.device import Device, choose_place
from modicum.loading.telling import tell
from modicum.nets.recursive_shape import PRESETS, Size
from modicum.plain import table_of, thawed
from modicum.stats.written import figure, share
from modicum.training.held_out_boards import HeldOut
from modicum.training.pretrain_recursive import HELD_OUT, Pretraining, pretrain

__all__ = ["command"]


@click.group("pretrain", cls=HelpGroup)
def command() -> None:
    """Trains a net on all the data of a task, for studies to open.

    Example: modicum pretrain recursive --task sudoku
    """


@command.command("recursive")
@click.option("--task", required=True, metavar="TASK", help="A task of boards, such as sudoku.")
@click.option(
    "--preset",
    type=click.Choice(sorted(PRESETS)),
    default="gram",
    help="What kind of net; twin is gram without noise. [gram]",
)
@click.option(
    "--size",
    type=click.Choice(get_args(Size)),
    default="mini",
    help="Mini learns within minutes on one core; full is the papers' own. [mini]",
)
@click.option("--steps", type=int, default=1800, metavar="N", help="Updates. [1800]")
@click.option("--batch", type=int, default=128, metavar="N", help="Boards an update. [128]")
@click.option(
    "--boards",
    type=int,
    default=4096,
    metavar="N",
    help="Training boards at most; their symmetric forms come on top. [4096]",
)
@click.option(
    "--rate",
    "learning_rate",
    type=float,
    default=1.5e-3,
    metavar="RATE",
    help="Peak learning rate. [0.0015]",
)
@click.option(
    "--held-out",
    "measured",
    type=click.IntRange(min=1),
    default=HELD_OUT,
    metavar="N",
    help=f"Held-out boards that it is measured on at most. [{HELD_OUT}]",
)
@click.option("--seed", default="0", metavar="NAME", help="Random seed by name. [0]")
@click.option(
    "--device",
    type=click.Choice(get_args(Device)),
    default="cpu",
    help="Where it is trained. [cpu]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder of the net. [nets/TASK-PRESET]",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def _recursive(
    out: Path | None, device: Device, measured: int, *, wants_json: bool, **options: object
) -> None:
    """Trains a recursive net (GRAM, TRM, ...) to fill in boards, and measures it on held-out ones.

    All training boards and all of their solutions are used, test boards never. A run that was stopped
    goes on; on one processor the same seed gives the same bits.

    Example: modicum pretrain recursive --task sudoku --steps 1800
    """
    plan = thawed(Pretraining, options)
    folder = out or Path("nets") / f"{_plain(plan.task)}-{plan.preset}"
    with Steps(plan.steps, "updates") as steps:

        def watch(ledger: Ledger) -> None:
            if steps.done <= 0 and ledger.updates > 1:
                tell(f"going on after update {ledger.updates - 1} of {plan.steps}")
            steps.at(ledger.updates, _under_way(ledger.said))
            steps.beat(ledger.tokens_trained)

        steps.at(0, "making boards")
        place = choose_place(device, "float32", 0).device
        found = pretrain(plan, folder, place, watch, measured)
    if wants_json:
        said = {"schema": 1, "folder": str(folder), **table_of(plan), "held_out": found.plain()}
        click.echo(json.dumps(said, indent=1))
        return
    for line in _lines(plan, found):
        click.echo(line)
    click.echo(f"\nwritten to {folder}; use it with --model recursive:{folder}")


def _under_way(said: str) -> str:
    """Return what the bar says beside the updates, which it counts itself.

    >>> _under_way("step 2/20  loss 1.250"), _under_way(""), _under_way("measuring")
    ('training, loss 1.250', 'training', 'measuring')
    """
    return re.sub(r"^step \S+\s*", "training, ", said) or "training"


def _plain(task: str) -> str:
    """Return a task's name as part of a folder's.

    >>> _plain("sudoku?size=6&clues=10..14")
    'sudoku-size-6-clues-10-14'
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", task).strip("-")


def _lines(plan: Pretraining, found: HeldOut) -> list[str]:
    """Return the table of what was measured, each figure with its interval."""
    n, several = found.samples, found.coverage.several
    lines = [
        f"{plan.preset} on {plan.task}: {found.boards} held-out boards, {n} samples of depth "
        f"{found.depth} each",
        f"  one sample       {figure(found.one)} valid",
        f"  majority of {n:<4} {figure(found.vote)} valid",
        f"  any of {n:<9} {figure(found.reached)} valid",
    ]
    if several.inputs:
        lines.append(
            f"  coverage at {n:<4} {share(several.found)} of the solutions of {several.inputs} boards with "
            f"several (one fixed answer {share(several.deterministic)}, even draws {share(several.uniform)})"
        )
    return lines
