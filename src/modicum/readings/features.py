"""What the features of a sparse autoencoder are that steer the model: how each was found, what refutes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from modicum.analysis.feature import feature_facts
from modicum.analysis.section import Listing, Section
from modicum.reading import Material, Reading

__all__ = ["Features"]


@final
@dataclass(frozen=True)
class Features(Reading):
    """A list a trial that found one."""

    def read(self, found: Material) -> Section | None:
        """Return what each trial says of its feature; None where none found any."""
        lists = tuple(_lists(found))
        if not lists:
            return None
        return Section("What the feature is", lists=lists, is_core=True)


def _lists(found: Material) -> Iterator[Listing]:
    for arm in found.gathered.arms:
        for outcome in arm.outcomes:
            facts = feature_facts(outcome.made)
            if facts:
                said = tuple(f"{label}: {text}" for label, text in facts.items())
                yield Listing(arm.name, said, (str(outcome.trial.id),))
