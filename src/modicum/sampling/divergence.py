"""Measures how far a steering moves a model's distribution, on fixed texts of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.ledger import Ledger
from modicum.nudge.attach import steered, text_columns
from modicum.nudge.dose import Slope, divergences, slope_of
from modicum.nudge.steering import Steering
from modicum.sampling.cache import PrefixCache
from modicum.sampling.fit import row_windows
from modicum.sampling.prefix import Tokens, forward_segments
from modicum.sampling.whole import whole_logits
from modicum.whitebox import WhiteBox

__all__ = ["Meter", "Spent"]

_MOST_FLOATS = 96_000_000
"""Scores (positions x vocabulary) that are kept of the plain model."""


@dataclass(frozen=True)
class Spent:
    """Divergence of the plain model's distribution from the steered one's, in nats."""

    token: float
    """Mean over all tokens of the answers."""
    high: float
    """95th percentile over tokens."""
    answer: float
    """Mean over answers of the sum over their tokens."""


@final
class Meter:
    """Keeps the plain model's scores of its own answers and compares steered ones with them."""

    def __init__(
        self,
        whitebox: WhiteBox,
        texts: Sequence[tuple[Sequence[int], Sequence[int]]],
        ledger: Ledger,
    ) -> None:
        """Run the plain model over prompts with their answers.

        Args:
            whitebox: The model.
            texts: Tokens of prompts and of the answers to them, at least one each. The first as
                many are taken as memory allows.
            ledger: Counts every pass as prompt tokens.
        """
        self._whitebox, self._ledger = whitebox, ledger
        self._windows = row_windows(whitebox.module)
        self._pasts: dict[Tokens, list[tuple[Tensor, Tensor]]] = {}
        """Keys and values of prompts without their last token, where no nudge of an answer acts."""
        self._texts: list[tuple[Sequence[int], Sequence[int]]] = []
        self._plain: list[Tensor] = []
        kept = 0
        for text in texts:
            if self._plain and kept + self._plain[-1].numel() > _MOST_FLOATS:
                break
            self._texts.append(text)
            self._plain.append(self._scores(text, None))
            kept += self._plain[-1].numel()

    @property
    def tokens(self) -> int:
        """Tokens of the answers, over which means are taken."""
        return sum(len(answer) for _, answer in self._texts)

    def spent(self, steering: Steering) -> Spent:
        """Return what a steering spends."""
        each = [
            divergences(plain, self._scores(text, steering))
            for text, plain in zip(self._texts, self._plain, strict=True)
        ]
        together = torch.cat(each)
        return Spent(
            float(together.mean()),
            float(together.quantile(0.95)),
            float(torch.stack([one.sum() for one in each]).mean()),
        )

    def likelihood(self, steering: Steering | None = None) -> float:
        """Return the mean log-probability (nats) of a token of the answers, steered or not."""
        total = 0.0
        for text, plain in zip(self._texts, self._plain, strict=True):
            scores = plain if steering is None else self._scores(text, steering)
            taken = torch.tensor(text[1])[:, None]
            total += float(scores.log_softmax(-1).gather(1, taken).double().sum())
        return total / self.tokens

    def slope(self, unit: Steering, step: float) -> Slope:
        """Return how the scores answer to a steering of length one.

        Args:
            unit: One direction of length one, at the positions where it is to act.
            step: Dose of the differences, small against the activations' length.
        """
        parts = [
            slope_of(
                self._scores(text, unit.scaled(-step)),
                plain,
                self._scores(text, unit.scaled(step)),
                step,
            )
            for text, plain in zip(self._texts, self._plain, strict=True)
        ]
        speed, curvature, fisher = torch.cat(parts).double().mean(0).tolist()
        return Slope(speed**0.5, curvature**0.5, fisher)

    def _scores(
        self, text: tuple[Sequence[int], Sequence[int]], steering: Steering | None
    ) -> Float[Tensor, "tokens vocab"]:
        """Return the logits of each token of an answer, on the processor."""
        prompt, answer = tuple(text[0]), tuple(text[1])
        is_whole = self._windows is None or (steering is not None and steering.where == "all")
        known = 0 if is_whole else len(prompt) - 1
        segment = (*prompt[known:], *answer)[:-1]
        columns = text_columns(steering, len(segment), [len(prompt) - 1 - known])
        if isinstance(columns, Tensor):
            columns = columns.to(self._whitebox.device)
        module, windows = self._whitebox.module, self._windows
        past = self._past(prompt[:known]) if known else None
        with self._running(segment), steered(module, steering, columns):
            if windows is None:
                logits = whole_logits(module, [segment])[:, -len(answer) :]
            else:
                cache = PrefixCache(windows, past)
                logits = forward_segments(module, [segment], cache, known=known, keep=len(answer))
        return logits[0].float().cpu()

    def _past(self, opening: Tokens) -> list[tuple[Tensor, Tensor]]:
        """Return keys and values of a prompt's opening, run once."""
        if opening not in self._pasts:
            cache = PrefixCache(self._windows or (), None)
            with self._running(opening):
                forward_segments(self._whitebox.module, [opening], cache, known=0, keep=1)
            self._pasts[opening] = cache.pairs()
        return self._pasts[opening]

    @contextmanager
    def _running(self, tokens: Tokens) -> Iterator[None]:
        """Count a pass over tokens; outside of autograd, on the model's threads."""
        self._ledger.ran(prompt=len(tokens), flops_per_token=self._whitebox.card.flops_per_token)
        with self._whitebox.threaded(), torch.inference_mode():
            yield
