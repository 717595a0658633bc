"""What probes of nets of boards share: the settings of a net's reference, and what its trials scored."""

from collections.abc import Mapping
from typing import TypeVar

from modicum.analysis.material import Material
from modicum.analysis.recursion_pictures import ScoredTrial
from modicum.errors import AccessError
from modicum.model import plugin_of
from modicum.types import Setting, Trial

__all__ = ["net_settings", "scored_trials"]

Key = TypeVar("Key")


def net_settings(reference: str, plugin: str, probe: str) -> Mapping[str, Setting]:
    """Return the settings of a reference to a net of some kind, its folder as `name`.

    Args:
        reference: Of a model.
        plugin: The kind: `recursive`, `energy`.
        probe: Who asks.

    Raises:
        AccessError: it is another model.
    """
    found, settings = plugin_of(reference)
    if found != plugin or "name" not in settings:
        article = "an" if plugin[0] in "aeiou" else "a"
        raise AccessError(
            f"probe {probe} on model {reference!r:.200}, which is no {plugin} net",
            f"{article} {plugin} net, as `modicum pretrain {plugin}` makes one",
            f"give --model {plugin}:FOLDER, or leave the probe out",
        )
    return settings


def scored_trials(found: Material, wanted: Mapping[Key, Trial]) -> dict[Key, ScoredTrial]:
    """Return what trials scored; nothing where one of them has not run."""
    outcomes = {name: found.outcome(trial) for name, trial in wanted.items()}
    scored = {name: ScoredTrial.of(one) for name, one in outcomes.items() if one is not None}
    return scored if len(scored) == len(wanted) else {}
