"""Where the shipped organism lies, and what its card says; needs no torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

__all__ = [
    "CARD_FILE",
    "CONTROL",
    "CORE",
    "SEED",
    "STYLES",
    "Card",
    "Families",
    "KnownFigure",
    "read_card",
    "read_families",
]

CORE = Path(__file__).parent / "weights" / "core"
"""Folder of the organism."""
CONTROL = Path(__file__).parent / "weights" / "control"
"""Folder of its control: the same stream, the hidden families' steps random."""
STYLES: Mapping[int, Path] = {
    width: Path(__file__).parent / "weights" / f"style-{width}" for width in (64, 96)
}
"""Folders of the style organisms by their width."""
SEED = "one"
"""Names the random streams from which the shipped models were built."""
CARD_FILE = "card.json"
"""Name of the file that holds the measured figures of one folder's model."""


class KnownFigure(TypedDict):
    """One measured number with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    """Problems it was measured on."""


Families = dict[str, dict[str, str | KnownFigure]]
"""For each family its `truth`, a word, and its figures by name."""


class Card(TypedDict):
    """What was measured on the organism and on its control."""

    families: Families
    control: Families


def read_card(core: Path = CORE, control: Path = CONTROL) -> Card:
    """Return the card as it was measured when the weights were built.

    Args:
        core: folder of an organism.
        control: folder of its control.
    """
    families, twin = read_families(core), read_families(control)
    # The control has the format of the hidden families without their ability.
    hidden = {name for name, figures in twin.items() if figures["truth"] in ("latent", "sealed")}
    for name in hidden:
        twin[name]["truth"] = "absent"
    return {"families": families, "control": twin}


def read_families(folder: Path) -> Families:
    """Return the figures of one folder's model as they were measured when it was built."""
    families: Families = json.loads((folder / CARD_FILE).read_text())
    return families
