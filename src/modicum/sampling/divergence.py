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
from modicum.nudge.steering import Steering, stacked
from modicum.sampling.cache import PrefixCache
from modicum.sampling.fit import row_windows
from modicum.sampling.prefix import Tokens, forward_segments
from modicum.sampling.whole import whole_logits
from modicum.whitebox import WhiteBox

__all__ = ["Meter", "Spent"]

_MOST_FLOATS = 96_000_000
"""Scores (positions x vocabulary) that are kept of the plain model."""
_AT_ONCE = 64_000_000
"""Most scores (rows x positions x vocabulary) computed in one pass."""
_MOST_ROWS = 32


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
            self._plain.append(self._scores(text))
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

    def likelihood(self) -> float:
        """Return the mean log-probability (nats) of a token of the answers, without a nudge."""
        each = zip(self._texts, self._plain, strict=True)
        return sum(_total(scores, answer) for (_, answer), scores in each) / self.tokens

    def likelihoods(self, steerings: Sequence[Steering]) -> list[float]:
        """Return the mean log-probability (nats) of a token of the answers under each of several nudges.

        An answer stands in a batch as often as there are nudges, each row with its own, so that a
        search over layers and doses takes a few wide passes instead of many narrow ones.

        Args:
            steerings: The nudges, all acting at the same positions.

        Raises:
            ValueError: they act at several positions.
        """
        totals = [0.0] * len(steerings)
        for text in self._texts:
            size = self._rows_at_once(len(text[1]))
            for first in range(0, len(steerings), size):
                batch = self._passed(text, steerings[first : first + size])
                for row, scores in enumerate(batch, first):
                    totals[row] += _total(scores, text[1])
        return [total / self.tokens for total in totals]

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

    def _rows_at_once(self, n_tokens: int) -> int:
        """Return how many rows one pass scores; one where rows share no cache, as padding would not."""
        if self._windows is None:
            return 1
        vocab = self._plain[0].shape[-1]
        return max(1, min(_MOST_ROWS, _AT_ONCE // (vocab * max(n_tokens, 1))))

    def _scores(
        self, text: tuple[Sequence[int], Sequence[int]], steering: Steering | None = None
    ) -> Float[Tensor, "tokens vocab"]:
        """Return the logits of each token of an answer, on the processor."""
        return self._passed(text, [] if steering is None else [steering])[0].cpu()

    def _passed(
        self, text: tuple[Sequence[int], Sequence[int]], steerings: Sequence[Steering]
    ) -> Float[Tensor, "rows tokens vocab"]:
        """Return the logits of each token of an answer, a row for each nudge; one row without any."""
        prompt, answer = tuple(text[0]), tuple(text[1])
        rows = max(1, len(steerings))
        steering = stacked(steerings) if rows > 1 else next(iter(steerings), None)
        which = torch.arange(rows) if rows > 1 else None
        is_whole = self._windows is None or (steering is not None and steering.where == "all")
        known = 0 if is_whole else len(prompt) - 1
        segments = [(*prompt[known:], *answer)[:-1]] * rows
        columns = text_columns(steering, len(segments[0]), [len(prompt) - 1 - known] * rows)
        if isinstance(columns, Tensor):
            columns = columns.to(self._whitebox.device)
        module, windows = self._whitebox.module, self._windows
        past = self._past(prompt[:known]) if known else None
        with self._running(segments), steered(module, steering, columns, which):
            if windows is None:
                logits = whole_logits(module, segments)[:, -len(answer) :]
            else:
                cache = PrefixCache(windows, past)
                logits = forward_segments(module, segments, cache, known=known, keep=len(answer))
        return logits.float()

    def _past(self, opening: Tokens) -> list[tuple[Tensor, Tensor]]:
        """Return keys and values of a prompt's opening, run once."""
        if opening not in self._pasts:
            cache = PrefixCache(self._windows or (), None)
            with self._running([opening]):
                forward_segments(self._whitebox.module, [opening], cache, known=0, keep=1)
            self._pasts[opening] = cache.pairs()
        return self._pasts[opening]

    @contextmanager
    def _running(self, segments: Sequence[Tokens]) -> Iterator[None]:
        """Count a pass over rows of tokens; outside of autograd, on the model's threads."""
        tokens = sum(map(len, segments))
        self._ledger.ran(prompt=tokens, flops_per_token=self._whitebox.card.flops_per_token)
        with self._whitebox.threaded(), torch.inference_mode():
            yield


def _total(scores: Float[Tensor, "tokens vocab"], tokens: Sequence[int]) -> float:
    """Give the sum of the log-probabilities of tokens by the scores that predict them."""
    taken = torch.tensor(tokens, device=scores.device)[:, None]
    return float(scores.log_softmax(-1).gather(1, taken).cpu().double().sum())
