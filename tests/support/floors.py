"""The floors of ARCHITECTURE.md, from the contract: `python -m tests.support.floors` writes them."""

import re
import tomllib
from pathlib import Path

from tests.support.sources import ROOT

__all__ = ["PAGE", "floors", "written"]

PAGE = ROOT / "ARCHITECTURE.md"
_BLOCK = re.compile(r"(<!-- floors -->\n).*?(<!-- end of floors -->)", re.DOTALL)


def floors(root: Path = ROOT) -> str:
    """Return the layers of the contract, the highest first, as a fenced block."""
    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = table["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    lines = ["  ".join(part.strip() for part in layer.split("|")) for layer in layers]
    return "```\n" + "\n".join(lines) + "\n```\n"


def written(page: str) -> str:
    """Return a page with its block of floors as the contract has them."""
    return _BLOCK.sub(lambda found: found[1] + floors() + found[2], page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
