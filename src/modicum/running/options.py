"""The options of a study as Python spells them: keywords, each with its type."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from modicum.errors import UnknownNameError, nearest
from modicum.study.plan import Plan

__all__ = ["PLANNED", "Options", "refuse_unknown"]


@dataclass(repr=False)
class Options:
    """Everything that decides a study's figures, beside its models and tasks; None for the usual."""

    _: KW_ONLY
    test: int | None = None
    """Test problems, each with a gold; 400, or as many as the task has."""
    selection: int | None = None
    """Labelled problems that choose the floor's style; 40, or as many as the task has."""
    samples: int | None = None
    """Samples a test problem for the ceiling; 64."""
    ceiling_test: int | None = None
    """The first so many test problems are sampled and branched on; all."""
    sampled: int | None = None
    """Samples a test problem of each nudged model; none."""
    stream: str | None = None
    """Names an independent draw: other problems, shots and samples."""
    styles: Literal["default", "all", "own"] | None = None
    """`all` lets the task's own instruction into the floor's list; `own` fixes your own prompt: the
    floor and every method are asked in it."""
    twin: str | None = None
    """Control model of equal learnability without the ability."""
    reference: str | None = None
    """A second model as yardstick, scored on the same test problems."""
    retain: Sequence[str] | None = None
    """Tasks scored before and after each nudge that changes the model, `text` or `none`."""
    retain_test: int | None = None
    """Problems of each of them; 200."""
    controls: bool | None = None
    """Run the controls; True."""
    prefer: Literal["serve", "labels", "train"] | None = None
    """What to ship is the cheapest in this; `serve`."""
    max_labels: int | None = None
    """Most labels that what is shipped may have used; any number."""
    margin: float | None = None
    """Share of accuracy within which a method counts as not worse than the best; .05."""
    max_new_tokens: int | None = None
    """Length limit of an answer; the task's own."""
    system: str | None = None
    """Your production system prompt (text)."""
    template: str | None = None
    """Your production prompt with one `{question}` (text)."""
    settings: Mapping[str, Mapping[str, object]] | None = None
    """Settings of methods, by name: `{"fine_tune": {"rank": 4}}`."""
    probes: Sequence[str] | None = None
    """References of probes."""
    name: str | None = None
    """Names the folder below `runs`."""

    def said(self) -> dict[str, object]:
        """Return those that were given, by the names that a plan has for them."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(Options)}
        return {
            name: tuple(value) if name in ("retain", "probes") else value
            for name, value in values.items()
            if value is not None
        }


def refuse_unknown(given: Iterable[str], known: Iterable[str], of: str) -> None:
    """Refuse the first name that nothing bears, with the nearest one that something does.

    Raises:
        UnknownNameError: there is one.
    """
    names = set(known)
    for name in given:
        if name not in names:
            close = nearest(name.replace("-", "_"), names)
            raise UnknownNameError(of, name, [close] if close else names)


PLANNED = frozenset(field.name for field in dataclasses.fields(Plan)) - {"grids"}
"""Names that `Study(options={...})` may hold, beside `twin`."""
