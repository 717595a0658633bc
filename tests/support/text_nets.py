"""Folders of nets of text that think, with first weights of some size and nothing learned."""

from pathlib import Path

import torch

from modicum.corpora.naming import resolve_corpus
from modicum.seeds import stream
from modicum.training.energy_text_learner import EnergyTextKind
from modicum.training.looped_text_learner import LoopedTextKind

__all__ = ["TEXT_FOLDERS", "text_folder"]

_KINDS = {
    "energy": EnergyTextKind(width=16, layers=2, heads=2),
    "looped": LoopedTextKind(width=16, layers=2, heads=2),
}
TEXT_FOLDERS = tuple(_KINDS)


def text_folder(kind: str, out: Path) -> Path:
    """Write a net of a kind that sees 24 characters of brackets."""
    alphabet = resolve_corpus("made:brackets?trees=1").alphabet
    learner = _KINDS[kind].drawn(alphabet, 24, stream("tests", "text folder", kind), "cpu")
    with torch.no_grad():
        for part in learner.net.parameters():
            part.mul_(1.5)  # so that characters differ in how likely they are
    out.mkdir(parents=True)
    for name, said in learner.files({}).items():
        (out / name).write_bytes(said)
    return out
