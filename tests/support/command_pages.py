"""Writes a page for every command from its own help: `python -m tests.support.command_pages`."""

import os
from collections.abc import Iterator

from modicum.catalog import Catalog
from tests.support.commands import modicum
from tests.support.sources import ROOT

__all__ = ["FOLDER", "written"]

FOLDER = ROOT / "docs" / "commands"


def written() -> dict[str, str]:
    """Return every page by its file's name: one for each command, and the list of them."""
    width = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        entries = Catalog("cli.verbs").entries
        pages = {f"{name}.md": _page(name) for name in entries}
        lines = [f"- [`modicum {name}`]({name}.md): {entries[name].summary}" for name in entries]
        head = "# Commands\n\nEach page is what `modicum COMMAND --help` prints.\n\n"
        return {**pages, "README.md": head + "\n".join(lines) + "\n"}
    finally:
        os.environ.pop("COLUMNS") if width is None else os.environ.update(COLUMNS=width)


def _page(verb: str) -> str:
    return f"# modicum {verb}\n\n" + "\n".join(_helps(verb))


def _helps(verb: str) -> Iterator[str]:
    """Yield the help of a command and of those below it, each in a fence."""
    yield f"```text\n{modicum(verb, '--help').out.rstrip()}\n```\n"
    for name in getattr(Catalog("cli.verbs").module(verb).command, "commands", ()):
        said = modicum(verb, name, "--help").out.rstrip()
        yield f"## modicum {verb} {name}\n\n```text\n{said}\n```\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
