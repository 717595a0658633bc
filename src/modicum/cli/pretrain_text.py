"""The kinds of `modicum pretrain` that learn text: their options, how they get on, what is printed."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, get_args

import click

from modicum.cli.columns import columns
from modicum.cli.progress import Steps
from modicum.ledger import Ledger
from modicum.loading.device import Device, choose_place
from modicum.loading.telling import tell
from modicum.plain import JsonValue, fields_in, thawed
from modicum.stats.written import MISSING, count, figure, flops, nats
from modicum.training.text_nets import text_net
from modicum.training.text_pretraining import TextPlan, TextSchedule, TextScore, pretrain_text

__all__ = ["energy", "looped", "text_options", "train_text", "transformer"]

_Adds: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]

_WINDOWS = 128


def _numbered(name: str, default: int, said: str) -> _Adds:
    return click.option(
        f"--{name}", type=int, default=default, metavar="N", help=f"{said} [{default}]"
    )


@dataclass(frozen=True)
class _Asked:
    """What is asked beside the net and its schedule."""

    out: Path | None
    device: Device
    windows: int


_BEFORE: tuple[_Adds, ...] = (
    click.option(
        "--corpus",
        required=True,
        metavar="FILE|made:NAME",
        help="A UTF-8 text, made:brackets or made:ledgers.",
    ),
    _numbered("steps", 1000, "Updates."),
    _numbered("batch", 16, "Windows an update."),
    _numbered("length", 128, "Characters that are predicted in each window."),
    _numbered("tokens", 200_000, "Different characters that are learned from."),
    click.option(
        "--rate",
        "learning_rate",
        type=float,
        default=3e-3,
        metavar="RATE",
        help="Peak learning rate. [0.003]",
    ),
)
_AFTER: tuple[_Adds, ...] = (
    click.option(
        "--windows",
        type=click.IntRange(min=2),
        default=_WINDOWS,
        metavar="N",
        help=f"Windows that it is measured on at each shift. [{_WINDOWS}]",
    ),
    click.option("--seed", default="0", metavar="NAME", help="Random seed by name. [0]"),
    click.option(
        "--device",
        type=click.Choice(get_args(Device)),
        default="cpu",
        help="Where it is trained. [cpu]",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Folder of the net. [nets/CORPUS-KIND]",
    ),
    click.option("--json", "wants_json", is_flag=True, help="Print JSON."),
)
_SIZES: tuple[_Adds, ...] = (
    _numbered("width", 64, "Numbers a position, a multiple of twice the heads."),
    _numbered("layers", 4, "Layers."),
    _numbered("heads", 4, "Heads."),
)


def text_options(*sizes: _Adds) -> _Adds:
    """Add what every kind of text net takes.

    Args:
        sizes: Options of the kind's own.
    """

    def add(wrapped: Callable[..., None]) -> Callable[..., None]:
        for option in reversed((*_BEFORE, *sizes, *_AFTER)):
            wrapped = option(wrapped)
        return wrapped

    return add


@click.command("transformer")
@text_options(*_SIZES)
def transformer(
    corpus: str, width: int, layers: int, heads: int, *, wants_json: bool, **options: object
) -> None:
    """Trains a transformer to write text character by character, and measures it at each shift.

    The text counts as unlabelled. What is measured is never learned from. A run that was stopped goes on;
    on one processor the same seed gives the same bits. Transformers opens the folder, as does --model.

    Example: modicum pretrain transformer --corpus made:brackets --steps 1000
    """
    sizes = {"width": width, "layers": layers, "heads": heads}
    train_text(corpus, ("transformer", sizes), options, wants_json=wants_json)


@click.command("energy")
@text_options(
    *_SIZES,
    click.option(
        "--preset",
        type=click.Choice(["paper_s1", "paper_s2"]),
        default="paper_s1",
        help="S1 for scaling, S2 for thinking. [paper_s1]",
    ),
    _numbered("replays", 0, "Sequences whose last states later updates begin from."),
)
def energy(corpus: str, *, wants_json: bool, **options: object) -> None:
    """Trains an energy net to write text character by character, and measures it at each shift.

    It says how ill a distribution over the next character fits those so far, and predicts by going down
    that. The text counts as unlabelled. A run that was stopped goes on; on one processor the same seed
    gives the same bits.

    Example: modicum pretrain energy --corpus made:brackets --preset paper_s2
    """
    names = ("width", "layers", "heads", "preset", "replays")
    sizes = {name: options.pop(name) for name in names}
    train_text(corpus, ("energy", sizes), options, wants_json=wants_json)


@click.command("looped")
@text_options(*_SIZES, _numbered("inner-steps", 2, "Loops of an update."))
def looped(corpus: str, *, wants_json: bool, **options: object) -> None:
    """Trains a looped transformer to write text character by character, and measures it at each shift.

    Its layers run several times and read what they said last. It learns to answer after every loop, so
    that fewer or more can be asked of it. The text counts as unlabelled. A run that was stopped goes on;
    on one processor the same seed gives the same bits.

    Example: modicum pretrain looped --corpus made:brackets --inner-steps 3
    """
    names = ("width", "layers", "heads", "inner_steps")
    sizes = {name: options.pop(name) for name in names}
    train_text(corpus, ("looped", sizes), options, wants_json=wants_json)


def train_text(
    corpus: str,
    net: tuple[str, Mapping[str, object]],
    options: Mapping[str, object],
    *,
    wants_json: bool,
) -> None:
    """Train a net of text while a bar says how it stands, and print its figures.

    Args:
        corpus: Reference of a corpus.
        net: Kind and sizes.
        options: The values of `text_options` beside those.
        wants_json: Whether JSON is printed.

    Raises:
        ConfigError: a corpus, a size or a folder that cannot be taken.
    """
    own = {field.name for field in fields_in(_Asked)}
    asked = thawed(_Asked, {name: options[name] for name in own})
    given = {name: value for name, value in options.items() if name not in own}
    plan = TextPlan(corpus, text_net(*net), thawed(TextSchedule, given))
    folder = asked.out or Path("nets") / f"{_plain(corpus)}-{net[0]}"
    with Steps(plan.schedule.steps, "updates") as steps:

        def watch(ledger: Ledger) -> None:
            if steps.done <= 0 and ledger.updates > 1:
                done = min(ledger.updates - (not ledger.said), plan.schedule.steps)
                tell(f"going on after update {done} of {plan.schedule.steps}")
            said = re.sub(r"^step \S+\s*", "training, ", ledger.said)
            steps.at(ledger.updates, said or "training")
            steps.beat(ledger.tokens_trained)

        steps.at(0, "reading the corpus")
        place = choose_place(asked.device, "float32", 0).device
        found, told = pretrain_text(plan, folder, place, asked.windows, watch)
    if wants_json:
        click.echo(json.dumps({"schema": 1, "folder": str(folder), **told}, indent=1))
        return
    click.echo(_head(net[0], corpus, told))
    click.echo("\n".join(columns(_rows(found), right=[], elastic=[])))
    opened = folder if net[0] == "transformer" else f"text_net:{folder}"
    used = f"; use it with --model {opened}"
    click.echo(f"\nwritten to {folder}{used}")


def _head(kind: str, corpus: str, told: Mapping[str, JsonValue]) -> str:
    """Say what learned what, and what it took.

    >>> print(_head("transformer", "a.txt", {"parameters": 1200, "tokens": 5000, "flops": 2e9, "updates": 9}))
    transformer on a.txt: 1,200 parameters, 5,000 unlabelled characters, 9 updates, 2 GFLOP
    """
    parameters, tokens, updates = (
        count(float(str(told[n]))) for n in ("parameters", "tokens", "updates")
    )
    spent = flops(float(str(told["flops"])))
    return (
        f"{kind} on {corpus}: {parameters} parameters, {tokens} unlabelled characters, {updates} updates, "
        f"{spent}"
    )


def _rows(found: list[TextScore]) -> list[tuple[str, ...]]:
    """Return the table: nats a character by split and shift beside the entropy of the source."""
    head = ("  split", "shift", "nats a character", "source", "of those asked")
    return [
        head,
        *(
            (
                f"  {score.split}",
                score.shift.name,
                figure(score.whole, nats),
                MISSING if score.shift.entropy is None else nats(score.shift.entropy),
                figure(score.asked, nats),
            )
            for score in found
        ),
    ]


def _plain(corpus: str) -> str:
    """Return a corpus's name as part of a folder's.

    >>> _plain("made:brackets?depth=4"), _plain("books/one.txt")
    ('made-brackets-depth-4', 'one')
    """
    name = corpus if corpus.startswith("made:") else Path(corpus).stem
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")
