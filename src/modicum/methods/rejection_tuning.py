"""Rejection tuning: sample, keep what is right, tune on it; needs answers only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.bench import Bench
from modicum.errors import BudgetError
from modicum.method import Control, Kind, Method, Needs, Quick
from modicum.model import Model
from modicum.nudge import Change, Nudge
from modicum.training.adapters import Parameters
from modicum.training.changes import Adapter, Weights
from modicum.training.imitate import imitated
from modicum.types import Access, Problem, Request, Supervision
from modicum.whitebox import need_whitebox

__all__ = ["RejectionTuning"]


@final
@dataclass(frozen=True)
class RejectionTuning(Method):
    """Draws samples for each shot, keeps a few that the judge marks correct, imitates them.

    Where no sample is right the model stays as it is: nothing was found to reinforce.

    Source: STaR, Zelikman et al. 2022 (2203.14465), one round and without rationalisation;
    rejection sampling fine-tuning, Yuan et al. 2023 (2308.01825).
    """

    needs: ClassVar[Needs] = Needs(access=Access.WEIGHTS, supervision=Supervision.ANSWER)
    controls: ClassVar[tuple[Control, ...]] = (Control("shuffled"), Control("format"))
    is_usual: ClassVar[bool] = True
    proposals: ClassVar[Mapping[str, str]] = {
        "latent": "fine_tune or rejection_tuning at 1, 4 and 8 shots: a nudge that is cheaper to serve",
        "sealed": "fine_tune or rejection_tuning at 1, 4 and 8 shots: a nudge that is cheaper to serve",
    }
    quick: ClassVar[Quick] = Quick(
        {"steps": 3, "batch": 2, "rank": 2, "samples": 8, "learning_rate": 1e-2}
    )
    kind: ClassVar[Kind] = "tuning"
    changes: ClassVar[tuple[type[Change], ...]] = (Adapter, Weights)

    samples: int = 32
    """Completions drawn a shot, at temperature 1."""
    keep: int = 4
    """Most correct completions kept a shot, distinct ones, the first drawn."""
    parameters: Parameters = "lora"
    """What is trained."""
    rank: int = 8
    """LoRA rank, at least 1."""
    learning_rate: float = 0.0
    """Peak AdamW rate; 0 takes the default of the parameters and the model's size."""
    steps: int = 40
    """Updates, at least 1; more where the shots are many."""
    passes: int = 5
    """Times each example is seen at least."""
    batch: int = 8
    """Examples an update, at least 1."""

    def draws(self, n_shots: int) -> int:
        """Return the samples of all shots."""
        return n_shots * self.samples

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Tune a copy of the model on its own correct answers to the shots.

        Raises:
            BudgetError: no shots.
            AccessError: the model's weights cannot be reached.
        """
        white, shots = bench.on(need_whitebox), bench.shots
        if not shots:
            msg = "rejection_tuning needs at least one labelled shot"
            raise BudgetError(msg)
        prompts = [bench.prompt(shot) for shot in shots]
        sampling = bench.sampling(1.0, f"rejection-{bench.rng.integers(2**62)}")
        requests = [
            Request(prompt, shot.id, self.samples, split=shot.split)
            for prompt, shot in zip(prompts, shots, strict=True)
        ]
        drawn = bench.model.generate(requests, sampling, bench.ledger)
        texts = [
            (prompt, text)
            for prompt, shot, group in zip(prompts, shots, drawn, strict=True)
            for text in self._correct(bench, shot, [c.text for c in group])
        ]
        return imitated(self, white, texts) if texts else Nudge(bench.style)

    def _correct(self, bench: Bench[Model], shot: Problem, texts: Sequence[str]) -> list[str]:
        kept: list[str] = []
        for text in dict.fromkeys(texts):
            if len(kept) == self.keep:
                break
            if bench.is_right(shot, text):
                kept.append(text)
        return kept
