"""Any model with a prompt that travels with it: everything else is the inner one's."""

from collections.abc import Sequence
from dataclasses import replace
from typing import final

from modicum.ledger import Ledger
from modicum.model import Model, ModelCard
from modicum.types import Completion, Request, Sampling, Style

__all__ = ["Carried"]


@final
class Carried(Model):
    """A model whose weights are out of reach, with an exported prompt."""

    style: Style | None = None
    """The exported prompt."""

    def __init__(self, inner: Model, name: str, style: Style) -> None:
        """Wraps a model.

        Args:
            inner: What answers.
            name: Name as the user gave it.
            style: The prompt.
        """
        self._inner, self._name, self.style = inner, name, style

    @property
    def card(self) -> ModelCard:
        """The inner model's, under this name."""
        return replace(self._inner.card, name=self._name)

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger
    ) -> list[tuple[Completion, ...]]:
        """Answers each request `n` times; see `Model.generate`."""
        return self._inner.generate(requests, sampling, ledger)

    def branch(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        ledger: Ledger,
        *,
        k: int,
        min_probability: float,
    ) -> list[tuple[Completion, ...]]:
        """Continues greedily after each of the k likeliest first tokens; see `Model.branch`."""
        return self._inner.branch(requests, sampling, ledger, k=k, min_probability=min_probability)

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Gives the sum of log-probabilities (nats) of each continuation after its prompt."""
        return self._inner.logprob(prompts, continuations)

    def chat(self, system: str | None, user: str) -> str | None:
        """Gives the prompt of the chat template, or None where the model has none."""
        return self._inner.chat(system, user)

    def can_encode(self, text: str) -> bool:
        """Says whether the tokenizer keeps the text (no unknown tokens)."""
        return self._inner.can_encode(text)

    def tuned(self, rows: int = 0) -> Model:
        """Settles the inner model's completions in flight."""
        self._inner = self._inner.tuned(rows)
        return self

    @property
    def takes_raw(self) -> bool:
        """Whether it continues any text."""
        return self._inner.takes_raw

    @property
    def thinking(self) -> tuple[str, str] | None:
        """What opens and what closes its thinking, or None where it does not think aloud."""
        return self._inner.thinking

    def opens_thinking(self, prompt: str) -> bool:
        """Says whether a prompt ends inside the thinking."""
        return self._inner.opens_thinking(prompt)
