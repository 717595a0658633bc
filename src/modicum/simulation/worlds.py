"""The worlds that the rules are held against: those that misled them, the project's own, and others."""

from modicum.simulation.world import Part, Tail, World
from modicum.types import PROMPT

__all__ = ["WORLDS"]

_OPEN = (0.6, 0.93, 0.97)
_TUNED = frozenset({"fine_tune n=4", "fine_tune n=8"})
_PROMPT = frozenset({PROMPT})
_LATENT, _ABSENT = frozenset({"latent"}), frozenset({"absent"})
_LABELS = (0.45, 0.25, 0.12, 0.08, 0.06, 0.04)
_ZIPF = tuple(1 / rank for rank in range(1, 1001))
_NOTHING = Part(1.0)


def _nothing(share: float) -> Part:
    return Part(share)


WORLDS: tuple[World, ...] = (
    World(
        "latent",
        (Part(1.0, 0.03, 0.0, 0.9, _OPEN),),
        _LATENT,
        named="latent",
        ships=_TUNED,
    ),
    World(
        "latent on 30 %",
        (Part(0.3, 0.08, 0.0, 0.9, _OPEN), _nothing(0.7)),
        _LATENT,
        named="latent",
        ships=_TUNED,
    ),
    World(
        "latent on 30 %, tuned only",
        (Part(0.3, 0.08, 0.0, 0.0, _OPEN), _nothing(0.7)),
        _LATENT,
        named="latent",
        ships=_TUNED,
    ),
    World(
        "latent on 15 %, tuned only",
        (Part(0.15, 0.08, 0.0, 0.0, _OPEN), _nothing(0.85)),
        _LATENT,
    ),
    World(
        "latent on 8 %, tuned only",
        (Part(0.08, 0.08, 0.0, 0.0, _OPEN), _nothing(0.92)),
        _LATENT,
    ),
    World(
        "heavy tail",
        (Part(1.0, tail=Tail(0.05, 1.0, 0.5, 0.1, (0.2, 0.05, 0.02))),),
        _LATENT,
    ),
    World(
        "heavier tail, free rung everywhere",
        (Part(1.0, tail=Tail(0.2, 2.0, 0.5, 0.02, (0.1, 0.02, 0.01))),),
        _LATENT,
    ),
    World(
        "six labels, latent",
        (Part(1.0, 0.3, 0.0, 0.9, (0.6, 0.9, 0.95)),),
        _LATENT,
        named="latent",
        golds=_LABELS,
        has_mode=True,
        ships=_TUNED,
    ),
    World("six labels, absent", (_NOTHING,), _ABSENT, golds=_LABELS, has_mode=True, ships=_PROMPT),
    World("yes/no 60:40, absent", (_NOTHING,), _ABSENT, golds=(0.6, 0.4), has_mode=True),
    World(
        "yes/no 70:30, absent",
        (_NOTHING,),
        _ABSENT,
        golds=(0.7, 0.3),
        has_mode=True,
        ships=_PROMPT,
    ),
    World("yes/no 80:20, absent", (_NOTHING,), _ABSENT, golds=(0.8, 0.2), has_mode=True),
    World(
        "four choices, one frequent, absent",
        (_NOTHING,),
        _ABSENT,
        golds=(0.4, 0.2, 0.2, 0.2),
        has_mode=True,
    ),
    World("Zipf over 1,000, absent", (_NOTHING,), _ABSENT, golds=_ZIPF, has_mode=True),
    World("absent", (_NOTHING,), _ABSENT, named="absent", ships=_PROMPT),
    World(
        "floor above zero",
        (
            Part(0.3, 0.85, 0.97, 0.97, (0.97, 0.97, 0.97)),
            Part(0.4, 0.06, 0.0, 0.85, (0.5, 0.9, 0.95)),
            _nothing(0.3),
        ),
        _LATENT,
        named="latent",
        ships=_TUNED,
    ),
    World(
        "format that cannot be read",
        (Part(1.0, 0.9, 0.9, 0.9, (0.9, 0.92, 0.93)),),
        frozenset({"shown"}),
        unreadable=(0.6, 0.0),
    ),
    World(
        "tiny gain",
        (
            Part(0.3, 0.85, 0.97, 0.97, (0.97, 0.97, 0.97)),
            Part(0.5, 0.08, 0.0, 0.0, (0.04, 0.04, 0.04)),
            _nothing(0.2),
        ),
        _LATENT,
        ships=_PROMPT,
    ),
    World(
        "tiny gain, nothing latent",
        (Part(0.3, 0.85, 0.97, 0.97, (0.97, 0.97, 0.97)), Part(0.7, 0.0, 0.0, 0.0, (0.03,) * 3)),
        frozenset({"shown", "absent"}),
        ships=_PROMPT,
    ),
    World(
        "harm",
        (Part(0.4, 0.85, 0.97, 0.97, (0.7, 0.7, 0.7)), _nothing(0.6)),
        frozenset({"shown", "absent"}),
        ships=_PROMPT,
    ),
    World(
        "shown",
        (Part(1.0, 0.9, 0.92, 0.92, (0.92, 0.92, 0.92)),),
        frozenset({"shown"}),
        named="shown",
        ships=_PROMPT,
    ),
    World(
        "yes/no, shown",
        (Part(1.0, 0.9, 0.92, 0.92, (0.92, 0.92, 0.92)),),
        frozenset({"shown"}),
        named="shown",
        golds=(0.5, 0.5),
        ships=_PROMPT,
    ),
    World(
        "yes/no 70:30, shown",
        (Part(1.0, 0.9, 0.92, 0.92, (0.92, 0.92, 0.92)),),
        frozenset({"shown"}),
        golds=(0.7, 0.3),
        ships=_PROMPT,
    ),
    World(
        "one seed of three works",
        (Part(1.0, 0.05, 0.0, 0.0, (0.95, 0.95, 0.95)),),
        _LATENT,
        seeds_that_work=1 / 3,
    ),
    World(
        "one seed of three works, nothing sampled",
        (Part(1.0, 0.0, 0.0, 0.0, (0.95, 0.95, 0.95)),),
        frozenset({"sealed", "taught", "learned"}),
        seeds_that_work=1 / 3,
    ),
    World(
        "yes/no, latent, tuned only",
        (Part(1.0, 0.3, 0.0, 0.0, (0.6, 0.9, 0.95)),),
        _LATENT,
        golds=(0.5, 0.5),
        ships=_TUNED,
    ),
    World(
        "yes/no, hardly sampled, tuned only",
        (Part(1.0, 0.05, 0.0, 0.0, (0.6, 0.9, 0.95)),),
        _LATENT,
        golds=(0.5, 0.5),
        ships=_TUNED,
    ),
    World(
        "yes/no, latent",
        (Part(1.0, 0.3, 0.0, 0.9, (0.6, 0.9, 0.95)),),
        _LATENT,
        named="latent",
        golds=(0.5, 0.5),
        ships=_TUNED,
    ),
    World(
        "four choices, latent",
        (Part(1.0, 0.2, 0.0, 0.9, (0.6, 0.9, 0.95)),),
        _LATENT,
        named="latent",
        golds=(0.25,) * 4,
        ships=_TUNED,
    ),
    World(
        "clusters of ten, declared",
        (Part(0.5, 0.08, 0.05, 0.9, (0.6, 0.9, 0.95)), _nothing(0.5)),
        _LATENT,
        clusters=10,
        ships=_TUNED,
    ),
    World(
        "clusters of ten, not declared",
        (Part(0.5, 0.08, 0.05, 0.9, (0.6, 0.9, 0.95)), _nothing(0.5)),
        _LATENT,
        clusters=10,
        is_declared=False,
        ships=_TUNED,
    ),
    World(
        "sealed",
        (Part(1.0, 0.0, 0.0, 0.0, _OPEN),),
        frozenset({"sealed"}),
        named="sealed",
        twin={8: 0.0, 128: 0.5},
        ships=_TUNED,
    ),
    World(
        "taught",
        (Part(1.0, 0.0, 0.0, 0.0, (0.0, 0.4, 0.9)),),
        frozenset({"taught"}),
        named="taught",
        twin={8: 0.9, 128: 0.95},
        ships=frozenset({"fine_tune n=8"}),
    ),
    World(
        "sealed on 30 %",
        (Part(0.3, 0.0, 0.0, 0.0, _OPEN), _nothing(0.7)),
        frozenset({"sealed"}),
        twin={8: 0.0, 128: 0.15},
        ships=_TUNED,
    ),
    World(
        "learned, no twin",
        (Part(1.0, 0.0, 0.0, 0.0, _OPEN),),
        frozenset({"learned", "sealed", "taught"}),
        named="learned",
        ships=_TUNED,
    ),
    World(
        "ten rungs that do nothing",
        (Part(1.0, 0.05, 0.0, 0.0, (0.0, 0.0, 0.0)),),
        _LATENT,
        extra=8,
        ships=_PROMPT,
    ),
    World(
        "ten rungs that do nothing, absent",
        (_NOTHING,),
        _ABSENT,
        extra=8,
        ships=_PROMPT,
    ),
    World(
        "half unlocked",
        (Part(0.5, 0.08, 0.0, 0.9, (0.9, 0.95, 0.95)), Part(0.5, 0.08, 0.0, 0.0, (0.0,) * 3)),
        _LATENT,
        named="latent",
        ships=frozenset({"fine_tune n=1", "fine_tune n=4"}),
    ),
    World(
        "latent, one shot is enough",
        (Part(1.0, 0.1, 0.0, 0.0, (0.95, 0.96, 0.96)),),
        _LATENT,
        named="latent",
        ships=frozenset({"fine_tune n=1"}),
    ),
    World(
        "latent, label-free alone",
        (Part(1.0, 0.1, 0.0, 0.9, (0.0, 0.0, 0.0)),),
        _LATENT,
        named="latent",
        ships=frozenset({"free"}),
    ),
    World(
        "forced form at the border",
        (Part(1.0, 0.0, 0.0, 0.0, (0.3, 0.7, 0.9), forced=0.99),),
        frozenset({"learned", "sealed", "taught"}),
        twin={8: 0.0, 128: 0.3},
    ),
    World(
        "rare: one sample in a hundred",
        (Part(1.0, 0.01, 0.0, 0.9, _OPEN),),
        _LATENT,
        ships=_TUNED,
    ),
)
"""All worlds; each name once."""
