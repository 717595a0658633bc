"""Trains a net on all the data of a task, or on a text, for studies to open."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, get_args

import click

from modicum.cli.by_data import ByData
from modicum.cli.help_layout import HelpGroup
from modicum.cli.pretrain_text import energy, looped, transformer
from modicum.cli.progress import Steps
from modicum.ledger import Ledger
from modicum.loading.device import Device, choose_place
from modicum.loading.telling import tell
from modicum.model import resolve_backend
from modicum.nets.halting import Halting
from modicum.nets.recursive_shape import PRESETS, Size
from modicum.plain import table_of, thawed
from modicum.stats.written import count, figure, share
from modicum.training.autoregressive_learner import AutoregressivePretraining
from modicum.training.energy_learner import EnergyPretraining
from modicum.training.held_out_boards import HeldOut
from modicum.training.measured_net import measured_net, need_net
from modicum.training.pretraining import HELD_OUT, Pretraining, pretrain
from modicum.training.recursive_learner import RecursivePretraining

__all__ = ["command"]


@click.group("pretrain", cls=HelpGroup)
def command() -> None:
    """Trains a net on all the data of a task, or on a text, for studies to open.

    Example: modicum pretrain recursive --task sudoku
    """


_OptionedT = TypeVar("_OptionedT", bound=Callable[..., None])

_TASK = click.option(
    "--task", required=True, metavar="TASK", help="A task of boards, such as sudoku."
)
_INNER = click.option(
    "--inner-steps",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Steps of thinking in an update. [the preset's]",
)
_JSON = click.option("--json", "wants_json", is_flag=True, help="Print JSON.")


def _options(
    size: str, out: str, kind: type[Pretraining] = RecursivePretraining
) -> Callable[[_OptionedT], _OptionedT]:
    """Add what every kind of net takes.

    Args:
        size: Help of `--size`; nets of one size have none.
        out: Help of `--out`.
        kind: Whose defaults are said.
    """
    usual = kind("")
    sized = click.option("--size", type=click.Choice(get_args(Size)), default="mini", help=size)
    options = (
        *([sized] if size else []),
        _number("--steps", usual.steps, "Updates."),
        _number("--batch", usual.batch, "Boards an update."),
        _number(
            "--boards",
            usual.boards,
            "Training boards at most; their symmetric forms come on top.",
        ),
        click.option(
            "--rate",
            "learning_rate",
            type=float,
            default=usual.learning_rate,
            metavar="RATE",
            help=f"Peak learning rate. [{usual.learning_rate:g}]",
        ),
        click.option(
            "--held-out",
            "measured",
            type=click.IntRange(min=1),
            default=HELD_OUT,
            metavar="N",
            help=f"Held-out boards that it is measured on at most. [{HELD_OUT}]",
        ),
        click.option("--seed", default="0", metavar="NAME", help="Random seed by name. [0]"),
        click.option(
            "--device",
            type=click.Choice(get_args(Device)),
            default="cpu",
            help="Where it is trained. [cpu]",
        ),
        click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help=out),
        _JSON,
    )

    def add(wrapped: _OptionedT) -> _OptionedT:
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return add


def _number(name: str, usual: int, said: str) -> Callable[[_OptionedT], _OptionedT]:
    """Return an option that takes a whole number."""
    return click.option(name, type=int, default=usual, metavar="N", help=f"{said} [{usual}]")


@command.command("recursive")
@_TASK
@click.option(
    "--preset",
    type=click.Choice(sorted(PRESETS)),
    default="gram",
    help="What kind of net; twin is gram without noise. [gram]",
)
@_options(
    "Mini learns within minutes on one core; full is the papers' own. [mini]",
    "Folder of the net. [nets/TASK-PRESET]",
)
def _recursive(
    out: Path | None, device: Device, measured: int, *, wants_json: bool, **options: object
) -> None:
    """Trains a recursive net (GRAM, TRM, ...) to fill in boards, and measures it on held-out ones.

    All training boards and all of their solutions are used, test boards never. A run that was stopped
    goes on; on one processor the same seed gives the same bits.

    Example: modicum pretrain recursive --task sudoku --steps 1800
    """
    plan = thawed(RecursivePretraining, options)
    found, folder = _train(plan, out, device, measured)
    _tell(plan, found, ("recursive", folder), wants_json=wants_json)


@command.command("autoregressive")
@_TASK
@_options(
    "Mini learns within minutes on one core; full is as large as GRAM's own. [mini]",
    "Folder of the net. [nets/TASK-autoregressive]",
    AutoregressivePretraining,
)
def _autoregressive(
    out: Path | None, device: Device, measured: int, *, wants_json: bool, **options: object
) -> None:
    """Trains a transformer to write boards cell by cell, and measures it on held-out ones.

    It has about as many weights as GRAM of that size, and learns from the same boards. A run that was
    stopped goes on; on one processor the same seed gives the same bits.

    Example: modicum pretrain autoregressive --task sudoku --steps 1800
    """
    plan = thawed(AutoregressivePretraining, options)
    found, folder = _train(plan, out, device, measured)
    _tell(plan, found, ("autoregressive", folder), wants_json=wants_json)


_ENERGY = """Trains an energy net to fill in boards by minimising its energy, and measures it on others.

It takes 20 steps where it learned with two. A run that was stopped goes on; on one processor the
same seed gives the same bits.

Example: modicum pretrain energy --task 'sudoku?size=6&clues=18..26'
"""
_LOOPED = """Trains a looped network, which reads its own answer again, to stand beside an energy net.

It has the same layers and as many weights, but for the head. It is opened as an energy net.

Example: modicum pretrain looped --task 'sudoku?size=6&clues=18..26'
"""
_PLAIN = """Trains a plain transformer, which answers at once, to stand beside an energy net.

It has the same layers and as many weights, but for the head. It is opened as an energy net.

Example: modicum pretrain transformer --task 'sudoku?size=6&clues=18..26'
"""
_RECIPE = click.option(
    "--preset",
    type=click.Choice(["boards", "paper_s1", "paper_s2"]),
    default="boards",
    help="How it learns: as suits boards, or by the paper's recipe S1 or S2. [boards]",
)


def _of_boards(
    name: str, said: str, *own: Callable[[_OptionedT], _OptionedT], preset: str = ""
) -> click.Command:
    """Return the command that trains an energy net, or a net that stands beside it, on boards.

    Args:
        name: Of the command.
        said: Its help.
        own: Options of its own.
        preset: What is trained; an option of its own says it where empty.
    """

    def trained(
        out: Path | None, device: Device, measured: int, *, wants_json: bool, **options: object
    ) -> None:
        fixed = {"preset": preset} if preset else {}
        inner = options.pop("inner_steps", None)
        plan = thawed(EnergyPretraining, {**options, **fixed, "inner_steps": inner or 0})
        found, folder = _train(plan, out, device, measured)
        _tell(plan, found, ("energy", folder), wants_json=wants_json)

    taken = trained
    for option in (
        _options("", f"Folder of the net. [nets/TASK-{name}]", EnergyPretraining),
        *reversed(own),
        _TASK,
    ):
        taken = option(taken)
    return click.command(name, help=said)(taken)


command.add_command(
    ByData(
        _of_boards("energy", _ENERGY, _RECIPE, _INNER),
        energy,
        """Trains an energy net on boards or text; it answers by minimising its energy.

        Example: modicum pretrain energy --task 'sudoku?size=6&clues=18..26'
        """,
    )
)
command.add_command(
    ByData(
        _of_boards("looped", _LOOPED, _INNER, preset="looped"),
        looped,
        """Trains a looped network on boards or text: it reads its own answer again.

        It stands beside an energy net, with the same layers and about as many weights.

        Example: modicum pretrain looped --task 'sudoku?size=6&clues=18..26'
        """,
    )
)
command.add_command(
    ByData(
        _of_boards("transformer", _PLAIN, preset="plain"),
        transformer,
        """Trains a transformer on boards or text, to stand beside an energy net.

        Example: modicum pretrain transformer --corpus made:brackets
        """,
    )
)


@command.command("measure")
@click.argument("model", metavar="NET")
@click.option("--task", default="", metavar="TASK", help="Boards to ask. [those it learned from]")
@click.option(
    "--held-out",
    "measured",
    type=click.IntRange(min=1),
    default=HELD_OUT,
    metavar="N",
    help=f"Held-out boards at most. [{HELD_OUT}]",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=20,
    metavar="N",
    help="Answers to each board. [20]",
)
@_JSON
def _measure(model: str, task: str, measured: int, samples: int, *, wants_json: bool) -> None:
    r"""Measures a net again, with other settings, boards or more samples: how much it covers.

    On the blank board that is generation from nothing: of 288 full grids of 4 x 4, how many it draws.

    \b
    Examples:
    modicum pretrain recursive --task sudoku --out nets/gram
    modicum pretrain measure recursive:nets/gram --task 'sudoku?clues=0'
    """
    net = need_net(resolve_backend(model).open())
    asked = task or net.made.task
    found = measured_net(net, asked, measured, samples)
    if wants_json:
        said = {"schema": 1, "model": model, "task": asked, "held_out": found.plain()}
        click.echo(json.dumps(said, indent=1))
        return
    for line in _lines(model, asked, found):
        click.echo(line)


def _train(
    plan: Pretraining, out: Path | None, device: Device, measured: int
) -> tuple[HeldOut, Path]:
    """Train a net while a bar says how it stands; return its figures and its folder."""
    folder = out or Path("nets") / f"{_plain(plan.task)}-{plan.label}"
    with Steps(plan.steps, "updates") as steps:

        def watch(ledger: Ledger) -> None:
            if steps.done <= 0 and ledger.updates > 1:
                done = ledger.updates - (not ledger.said)  # silent, it has just taken one more
                done = min(done, plan.steps)
                tell(f"going on after update {done} of {plan.steps}")
            steps.at(ledger.updates, _under_way(ledger.said))
            steps.beat(ledger.tokens_trained)

        steps.at(0, "making boards")
        place = choose_place(device, "float32", 0).device
        return pretrain(plan, folder, place, watch, measured), folder


def _tell(plan: Pretraining, found: HeldOut, where: tuple[str, Path], *, wants_json: bool) -> None:
    """Print the figures, and the reference (plug-in and folder) that opens the net."""
    plugin, folder = where
    if wants_json:
        said = {"schema": 1, "folder": str(folder), **table_of(plan), "held_out": found.plain()}
        click.echo(json.dumps(said, indent=1))
        return
    for line in _lines(plan.label, plan.task, found):
        click.echo(line)
    click.echo(f"\nwritten to {folder}; use it with --model {plugin}:{folder}")


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


def _lines(name: str, task: str, found: HeldOut) -> list[str]:
    """Return the table of what was measured, each figure with its interval."""
    n, several = found.samples, found.coverage.several
    deep = f" of depth {found.depth}" if found.depth else ""
    lines = [
        f"{name} on {task}: {count(found.boards, 'held-out board')}, {count(n, 'sample')}{deep} each",
        *([f"  greedy           {figure(found.greedy)} valid"] if found.greedy else []),
        f"  one sample       {figure(found.one)} valid",
        f"  majority of {n:<4} {figure(found.vote)} valid",
        f"  any of {n:<9} {figure(found.reached)} valid",
    ]
    if several.inputs:
        boards = count(several.inputs, "board")
        lines.append(
            f"  coverage at {n:<4} {share(several.found)} of the solutions of {boards} with "
            f"several (one fixed answer {share(several.deterministic)}, even draws {share(several.uniform)})"
        )
    return [*lines, *([_halting(found.halting)] if found.halting else [])]


def _halting(found: Halting) -> str:
    """Return the line on when trajectories end, with what that costs.

    >>> _halting(Halting(0.9, 16, 200, 1, 0.9, 0.904, 0.9, 0.904, 3.25))
    '  halts at .9      after 3.2 of 16 steps: 90.4 → 90.0 % valid on the 200 boards that chose it'
    """
    if found.sure == 1:
        return (
            f"  never halts      every threshold lost too much of what {found.depth} steps reach on "
            f"{found.boards} boards"
        )
    kinds = [("", found.one_at_full_depth, found.one)]
    if found.samples > 1:
        many = ("votes ", found.vote_at_full_depth, found.vote)
        kinds = [("single samples ", *kinds[0][1:]), many]
    kept = ", ".join(f"{who}{100 * full:.1f} → {100 * own:.1f} %" for who, full, own in kinds)
    return (
        f"  halts at {_short(found.sure):<8}after {found.steps:.1f} of {found.depth} steps: {kept} valid "
        f"on the {found.boards} boards that chose it"
    )


def _short(number: float) -> str:
    return f"{number:g}".removeprefix("0")
