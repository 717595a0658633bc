"""Shows what the built-in organism can do, measures it, or builds it anew."""

import json
from pathlib import Path

import click

from modicum.organism.build import Progress, build
from modicum.organism.card import write_card
from modicum.organism.recipe import core_blueprint
from modicum.organism.shipped import CONTROL, CORE, SEED, Card, Families, read_card

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
)


@click.group("organism")
def command() -> None:
    """The small transformer whose abilities are known by construction.

    Example: modicum organism card
    """


@command.command("card")
@click.option("--measure", is_flag=True, help="Measure now (some ten CPU-minutes).")
@click.option("--core", type=click.Path(path_type=Path), default=CORE, help="An organism's folder.")
@click.option("--control", type=click.Path(path_type=Path), default=CONTROL, help="Its control's.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def _card(core: Path, control: Path, *, measure: bool, wants_json: bool) -> None:
    """Prints the truth about each family, as measured on held-out problems."""
    if measure:
        for folder in (core, control):
            write_card(folder, lambda line: click.echo(line, err=True))
    card: Card = read_card(core, control)
    if wants_json:
        click.echo(json.dumps(card, indent=1))
        return
    _table("organism", card["families"])
    _table("control", card["control"])


@command.command("build")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--control", is_flag=True, help="Build the control: random steps in hidden families.")
@click.option("--seed", default=SEED, show_default=True, help="Name of the random stream.")
def _build(out: Path, seed: str, *, control: bool) -> None:
    """Trains an organism from its recipe at one thread and measures its card.

    Takes about ten CPU-minutes; a run that was stopped goes on. The same seed gives the same bits
    at one thread on one type of processor.

    Example: modicum organism build my-organism --seed mine
    """
    out.mkdir(parents=True, exist_ok=True)
    build(core_blueprint(seed, is_control=control), out, _say)
    write_card(out, lambda line: click.echo(line, err=True))
    click.echo(f"built in {out}; use it with --model {out}")


def _say(state: Progress) -> None:
    if state.step % 50 == 0 or state.step == state.n_steps:
        click.echo(f"step {state.step} of {state.n_steps}, loss {state.loss:.3f}", err=True)


def _table(title: str, families: Families) -> None:
    """Prints one line a family: each figure with its 95 % interval."""
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
