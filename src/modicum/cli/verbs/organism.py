"""Shows what the built-in toy model can do, measures it, or builds it again."""

import json
from pathlib import Path

import click

from modicum.cli.help_layout import HelpGroup
from modicum.errors import ConfigError
from modicum.organism.build import Progress, build
from modicum.organism.card import write_card
from modicum.organism.recipe import core_blueprint
from modicum.organism.shipped import (
    CONTROL,
    CORE,
    SEED,
    STYLES,
    Families,
    read_card,
    read_families,
)
from modicum.organism.style import style_blueprint
from modicum.organism.style_card import write_style_card

__all__ = ["command"]

_COLUMNS = (
    "greedy",
    "pass1",
    "pass64",
    "luck64",
    "near_miss64",
    "majority64",
    "forced",
    "instructed",
    "demonstrated",
    "opener_probability",
    "default",
    "long",
    "short",
    "default_tokens",
    "long_tokens",
    "short_tokens",
)


@click.group("organism", cls=HelpGroup)
def command() -> None:
    """Shows, measures or builds the organism: a tiny transformer whose abilities are known exactly.

    Example: modicum organism card
    """


@command.command("card")
@click.option(
    "--measure", is_flag=True, help="Measure it now; takes about ten minutes of one processor."
)
@click.option(
    "--core",
    type=click.Path(path_type=Path),
    default=CORE,
    metavar="FOLDER",
    help="Folder of an organism. [the built-in one]",
)
@click.option(
    "--control",
    type=click.Path(path_type=Path),
    default=CONTROL,
    metavar="FOLDER",
    help="Folder of its control. [the built-in one]",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def _card(core: Path, control: Path, *, measure: bool, wants_json: bool) -> None:
    """Prints the truth about each family, as measured on held-out problems."""
    if measure:
        for folder in (core, control):
            write_card(folder, _tell)
        for folder in STYLES.values():
            write_style_card(folder, _tell)
    card = read_card(core, control)
    styles = {f"style_{width}": read_families(folder) for width, folder in STYLES.items()}
    if wants_json:
        click.echo(json.dumps({**card, **styles}, indent=1))
        return
    _table("organism", card["families"])
    _table("control", card["control"])
    for width, folder in STYLES.items():
        _table(f"style organism, width {width}", read_families(folder))


@command.command("build")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--control", is_flag=True, help="Build the control instead, which lacks the hidden abilities."
)
@click.option(
    "--style",
    type=click.Choice([str(w) for w in STYLES]),
    help="Build the organism for answer styles, of this width, instead.",
)
@click.option("--seed", default=SEED, metavar="NAME", help=f"Random seed by name. [{SEED}]")
def _build(out: Path, seed: str, style: str | None, *, control: bool) -> None:
    """Trains an organism from its recipe at one thread and measures its card.

    Takes about ten CPU-minutes; a run that was stopped goes on. The same seed gives the same bits
    at one thread on one type of processor.

    Example: modicum organism build my-organism --seed mine
    """
    if style and control:
        raise ConfigError("--style with --control", "one of them", "leave one out")
    out.mkdir(parents=True, exist_ok=True)
    if style:
        build(style_blueprint(seed, int(style)), out, _say)
        write_style_card(out, _tell)
    else:
        build(core_blueprint(seed, is_control=control), out, _say)
        write_card(out, _tell)
    click.echo(f"built in {out}; use it with --model {out}")


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _say(state: Progress) -> None:
    if state.step % 50 == 0 or state.step == state.n_steps:
        click.echo(f"step {state.step} of {state.n_steps}, loss {state.loss:.3f}", err=True)


def _table(title: str, families: Families) -> None:
    """Print one line a family: each figure with its 95 % interval."""
    click.echo(title)
    for family, figures in families.items():
        click.echo(f"  {family}: {figures['truth']}")
        for name in (*_COLUMNS, *(n for n in figures if n not in _COLUMNS)):
            figure = figures.get(name)
            if isinstance(figure, dict):
                click.echo(
                    f"    {name:<20} {figure['value']:.4g} "
                    f"[{figure['low']:.3g}, {figure['high']:.3g}], n = {figure['n']}"
                )
