"""What a style organism does: accuracy and tokens by default and under each instruction."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from modicum.ledger import Ledger
from modicum.organism.card import summarize
from modicum.organism.families import FAMILIES, Item, parse_answer
from modicum.organism.shipped import CARD_FILE, Families, KnownFigure
from modicum.organism.style import LONG, LONGEST, SHORT, STYLE_FAMILIES
from modicum.sampling.local import Local
from modicum.stats import Figure, proportion, t_interval
from modicum.types import Completion, Request, Sampling

__all__ = ["write_style_card"]

_ASKED = {"default": "", "long": f" {LONG}", "short": f" {SHORT}"}


def write_style_card(
    folder: Path, progress: Callable[[str], None], problems: int = 300
) -> Families:
    """Measure the style organism in this folder, writes its card there and gives it.

    Takes about half a CPU-minute at the usual size.

    Args:
        folder: Where the weights lie.
        progress: Called with a line a family.
        problems: Test problems of each family, at least 2.
    """
    module = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = Local(module, AutoTokenizer.from_pretrained(folder), name=folder.name, threads=1)
    families: Families = {}
    for name in STYLE_FAMILIES:
        items = [FAMILIES[name].problem(index, "test") for index in range(problems)]
        families[name] = {"truth": "shown", **_figures(model, items)}
        progress(f"{name}: {summarize(families[name])}")
    (folder / CARD_FILE).write_text(json.dumps(families, indent=1) + "\n")
    return families


def _figures(model: Local, items: Sequence[Item]) -> dict[str, KnownFigure]:
    """Return accuracy (share) and length (tokens, the end token included) under each instruction."""
    figures: dict[str, KnownFigure] = {}
    for name, asked in _ASKED.items():
        requests = [Request(f"{item.question}{asked}", str(i)) for i, item in enumerate(items)]
        drawn = [group[0] for group in model.generate(requests, Sampling(LONGEST, 0.0), Ledger())]
        right = [_is_right(item, given) for item, given in zip(items, drawn, strict=True)]
        lengths = np.array([given.n_tokens for given in drawn], dtype=np.float64)
        accuracy = proportion(np.array(right, dtype=np.float64))
        figures[name] = _known(accuracy)
        figures[f"{name}_tokens"] = _known(t_interval(lengths))
    return figures


def _known(figure: Figure) -> KnownFigure:
    return KnownFigure(value=figure.value, low=figure.low, high=figure.high, n=figure.n)


def _is_right(item: Item, given: Completion) -> bool:
    return parse_answer(given.text) == item.answer
