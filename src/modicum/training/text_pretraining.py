"""A net learns a corpus from nothing, and is measured on text that it did not learn from."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from modicum.corpora.corpus import Corpus, Measured, Shift
from modicum.corpora.naming import resolve_corpus
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.nets.thinking import Thinking
from modicum.nudge import write_shared
from modicum.plain import JsonValue, table_of
from modicum.seeds import stream
from modicum.stats import Figure, Floats, t_interval
from modicum.training.fit import Curve
from modicum.training.net_place import CHECKPOINT, need_place
from modicum.training.one_thread import one_thread
from modicum.training.recursive_curves import thinned
from modicum.training.text_learner import TextBatches, TextLearner, TextNet, TextRecipe
from modicum.training.transformer_learner import TEXT_CARD

__all__ = [
    "TextCosts",
    "TextPlan",
    "TextSchedule",
    "TextScore",
    "costs_of",
    "learned_text",
    "pretrain_text",
    "scores",
]

_ROWS = 32
"""Windows that are measured at once."""


@dataclass(frozen=True)
class TextSchedule:
    """How long it is trained, and on how much."""

    steps: int = 1000
    """Updates, at least 1."""
    batch: int = 16
    """Windows an update, at least 1."""
    length: int = 128
    """Characters that are predicted in each window, at least 1."""
    tokens: int = 200_000
    """Different characters that are learned from, more than `length`."""
    learning_rate: float = 3e-3
    """Peak rate, above 0."""
    seed: str = "0"
    """Names the first weights and the windows."""

    def __post_init__(self) -> None:
        """Refuse what trains nothing.

        Raises:
            ConfigError: found such.
        """
        least = min(self.steps, self.batch, self.length, self.tokens)
        if least < 1 or self.length > 2**16 or not 0 < self.learning_rate < 1:
            raise ConfigError(
                f"steps {self.steps}, batch {self.batch}, length {self.length}, tokens {self.tokens}, "
                f"learning rate {self.learning_rate}",
                "at least 1 of each, a length to 65,536, and a rate between 0 and 1",
                "leave them out",
            )

    @property
    def recipe(self) -> TextRecipe:
        """How a net is trained."""
        rate = self.learning_rate
        return TextRecipe(self.steps, self.batch, learning_rate=rate, warm_up=min(100, self.steps))


@dataclass(frozen=True)
class TextPlan:
    """What is trained, on what, and how long."""

    corpus: str
    """Reference of a corpus."""
    net: TextNet
    schedule: TextSchedule

    @property
    def settings(self) -> dict[str, JsonValue]:
        """All of it as plain values."""
        net: dict[str, JsonValue] = {"kind": self.net.kind, **table_of(self.net)}
        return {"corpus": self.corpus, "net": net, **table_of(self.schedule)}


@dataclass(frozen=True, eq=False)
class TextCosts:
    """What each window costs a net on average over its characters, in nats, `[windows]`."""

    whole: Floats
    """Over all of them."""
    asked: Floats
    """Over those that hang on what stands further back (`Corpus.asked`); NaN where a window has none."""


@dataclass(frozen=True)
class TextScore:
    """How a net does at one shift."""

    split: Measured
    shift: Shift
    whole: Figure
    """Nats a character, with its interval over windows."""
    asked: Figure | None
    """The same over the characters that are asked; None of a text of which that is not known."""


def learned_text(
    plan: TextPlan, corpus: Corpus, device: str, kept: Path | None, ledger: Ledger
) -> tuple[TextLearner, tuple[Curve, ...]]:
    """Train a net; return what answers, and the figures of each update.

    Nets of other kinds with the same corpus, seed, batch and length see the same windows in the same order.

    Args:
        plan: What is trained.
        corpus: The plan's.
        device: Where.
        kept: File that a killed run goes on from, and that holds a finished one; none where None.
        ledger: Counts; the characters are texts without labels.

    Raises:
        ConfigError: more characters than the corpus has, or no window in them.
        TrialError: a loss that is not finite.
    """
    asked = plan.schedule
    text = torch.from_numpy(corpus.train(asked.tokens))
    ledger.read_unlabelled(-(-asked.tokens // asked.length), asked.tokens)
    batches = TextBatches(text, asked.batch, asked.length, f"{corpus.name}/{asked.seed}")
    first = stream("text net", plan.net.kind, asked.seed)
    net = plan.net.drawn(corpus.alphabet, asked.length, first, device)
    return net.learned(batches, asked.recipe, _name(plan, corpus), ledger, kept)


def costs_of(
    learner: TextLearner,
    corpus: Corpus,
    split: Measured,
    distance: int,
    size: tuple[int, int],
    thinking: Thinking,
) -> TextCosts:
    """Measure a net on windows of a split and a shift.

    Args:
        learner: The net.
        corpus: Whose windows they are.
        split: Of the corpus.
        distance: Of the shift.
        size: How many windows, and characters that are predicted in each.
        thinking: How long it thinks.

    Raises:
        ConfigError: the corpus has no such windows, or the net does not think so.
    """
    ids = corpus.windows(split, distance, *size)
    rows = torch.from_numpy(ids).split(_ROWS)
    found = torch.cat([learner.nats(part, thinking).double().cpu() for part in rows]).numpy()
    asked = corpus.asked(ids)
    n = asked.sum(1)
    means = np.divide((found * asked).sum(1), n, out=np.full(len(ids), np.nan), where=n > 0)
    return TextCosts(found.mean(1), means)


def scores(
    learner: TextLearner, corpus: Corpus, size: tuple[int, int], thinking: Thinking
) -> list[TextScore]:
    """Measure a net on the selection split, and on the test split at each shift.

    Args:
        learner: The net.
        corpus: What it learned from.
        size: How many windows of each, and characters that are predicted in each.
        thinking: How long it thinks.
    """
    parts: list[tuple[Measured, Shift]] = [("selection", corpus.shifts[0])]
    parts += [("test", shift) for shift in corpus.shifts]
    found = []
    for split, shift in parts:
        costs = costs_of(learner, corpus, split, shift.distance, size, thinking)
        asked = costs.asked[~np.isnan(costs.asked)]
        known = t_interval(asked) if len(asked) else None
        found.append(TextScore(split, shift, t_interval(costs.whole), known))
    return found


def pretrain_text(
    plan: TextPlan, out: Path, device: str, windows: int, watch: Callable[[Ledger], None]
) -> tuple[list[TextScore], Mapping[str, JsonValue]]:
    """Train a net of text, measure it, and write it; return its figures and how it was trained.

    A run that was stopped goes on from its checkpoint in the folder, to the same bits on one processor.

    Args:
        plan: What is trained.
        out: The net's folder; made if missing.
        device: Where it is trained; on the processor with one thread.
        windows: Windows that it is measured on at each shift, at least 1.
        watch: Called after each update with the ledger, whose line says how it stands.

    Raises:
        ConfigError: a folder that holds a net already, or a stopped run with other settings; a corpus
            that cannot be read.
        TrialError: a loss that is not finite.
    """
    corpus = resolve_corpus(plan.corpus)
    need_place(out, _name(plan, corpus), (TEXT_CARD, "config.json"))
    ledger = Ledger(observer=watch)
    with one_thread(device):
        learner, curves = learned_text(plan, corpus, device, out / CHECKPOINT, ledger)
        ledger.says("measuring")
        found = scores(learner, corpus, (windows, plan.schedule.length), Thinking())
    told: dict[str, JsonValue] = {
        **plan.settings,
        "corpus": corpus.name,
        "parameters": learner.parameters,
        "unlabelled": {"texts": ledger.texts, "tokens": ledger.tokens_texts},
        "labels": ledger.labels,
        "flops": ledger.flops,
        "updates": ledger.updates,
        "tokens_trained": ledger.tokens_trained,
        "scores": [table_of(score) for score in found],
    }
    files = learner.files({**told, "curves": thinned(curves)})
    # last what says that there is a net, so that a folder that says so is whole
    write_shared({one: files[one] for one in sorted(files, key=TEXT_CARD.__eq__)}, out)
    (out / CHECKPOINT).unlink(missing_ok=True)
    return found, told


def _name(plan: TextPlan, corpus: Corpus) -> str:
    """Return what names a training and its checkpoint: all of its settings, and the text itself."""
    return f"text/{json.dumps({**plan.settings, 'corpus': corpus.name}, sort_keys=True)}"
