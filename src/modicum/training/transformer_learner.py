"""A transformer that learns text: what other kinds of text nets are held against."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM

from modicum.ledger import Ledger
from modicum.nets.text_transformer import TransformerShape, text_transformer, transformer_files
from modicum.nets.thinking import Thinking, need_no_thinking
from modicum.nudge.parts import method_of
from modicum.plain import JsonObject, table_of
from modicum.training.board_recipe import train_boards
from modicum.training.fit import Curve
from modicum.training.launch import Alone, Ranks
from modicum.training.text_learner import TextBatches, TextLearner, TextNet, TextRecipe
from modicum.training.text_lesson import TextLesson
from modicum.whitebox import flops_per_token

__all__ = ["TEXT_CARD", "TransformerLearner", "TransformerNet"]

TEXT_CARD = "text_net.json"
"""File of a folder that says what net of text it holds and how it was trained."""


@final
class _TransformerLesson(TextLesson[LlamaForCausalLM]):
    """Maximum likelihood of each character given those before it.

    Source: Bengio et al. 2003.
    """

    def losses(
        self, ids: Int[Tensor, "rows places"], number: int, first: int
    ) -> Mapping[str, Tensor]:
        """Return the mean nats of all characters."""
        del number, first
        return {"loss": _nats(self.net, ids).mean()}


@final
@dataclass(frozen=True, eq=False)
class TransformerLearner(TextLearner):
    """It answers at once: one step, one candidate."""

    net: LlamaForCausalLM = field(repr=False)
    shape: TransformerShape

    @property
    def parameters(self) -> int:
        """Numbers that are trained."""
        return self.shape.llama.numbers

    @property
    def training_flops(self) -> float:
        """Forward and backward: three times the forward pass."""
        return 3 * flops_per_token(self.net)

    def flops(self, thinking: Thinking) -> float:
        """Return 2 operations for each weight beside the table."""
        need_no_thinking(thinking, "a transformer")
        return flops_per_token(self.net)

    def learned(
        self,
        batches: TextBatches,
        recipe: TextRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
        joined: Ranks | None = None,
    ) -> tuple[Self, tuple[Curve, ...]]:
        """Train the net on all characters of its windows."""
        self.net.train()
        joined = joined or Alone()
        lesson = _TransformerLesson(self.net, batches, recipe, joined)
        lesson.flops = flops_per_token(self.net)
        curves = train_boards(lesson, self.net, recipe, name, ledger, (kept, joined))
        return replace(self, net=lesson.averaged.net), curves

    @torch.no_grad()
    def nats(
        self, ids: Int[Tensor, "rows places"], thinking: Thinking
    ) -> Float[Tensor, "rows length"]:
        """Return what each character costs."""
        need_no_thinking(thinking, "a transformer")
        self.net.eval()
        return _nats(self.net, ids.to(self.net.device))

    def files(self, trained: JsonObject) -> Mapping[str, bytes]:
        """Return a folder that transformers and `--model FOLDER` open."""
        card = {"format": 1, "kind": TransformerNet.kind, "shape": table_of(self.shape)}
        said = json.dumps({**card, "trained": trained}, indent=1, ensure_ascii=False) + "\n"
        return {**transformer_files(self.shape, self.net), TEXT_CARD: said.encode()}


@final
@dataclass(frozen=True)
class TransformerNet(TextNet):
    """A transformer's sizes."""

    kind: ClassVar[str] = "transformer"

    width: int = 64
    """Numbers a position, a multiple of twice the heads."""
    layers: int = 4
    heads: int = 4
    inner: int = 0
    """Hidden width of every SwiGLU; as wide as the net where 0, as in the papers it is compared in."""

    def drawn(
        self, alphabet: str, places: int, rng: np.random.Generator, device: str
    ) -> TransformerLearner:
        """Return a net with its first weights."""
        inner = self.inner or self.width
        shape = TransformerShape(alphabet, places, self.width, self.heads, inner, self.layers)
        net = text_transformer(shape, rng)
        method_of(net, "to")(device)
        return TransformerLearner(net, shape)


def _nats(net: LlamaForCausalLM, ids: Int[Tensor, "rows places"]) -> Float[Tensor, "rows length"]:
    """Return minus the log-probability of every id but the first of each row."""
    logits = net(ids[:, :-1], use_cache=False).logits.float()
    return functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
