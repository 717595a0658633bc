"""Reads what several verbs take: lists with commas, prompt files."""

from pathlib import Path

import click

from modicum.errors import ConfigError

__all__ = ["counts", "file_text", "names"]


def names(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Read names with commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if value else ()


def counts(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Read numbers with commas.

    Raises:
        ConfigError: something that is no number.
    """
    try:
        return tuple(int(part) for part in value.split(",")) if value else ()
    except ValueError:
        raise ConfigError(
            f"--shots {value}", "numbers with commas", "write --shots 1,4,8"
        ) from None


def file_text(path: object) -> str:
    """Read a prompt file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return Path(str(path)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", "a readable text file", "check the path") from error
