"""Fine-tuning on the worked solutions of n shots: LoRA, biases or all weights."""

from collections.abc import Mapping
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
from modicum.types import Access, Supervision
from modicum.whitebox import need_whitebox

__all__ = ["FineTune"]


@final
@dataclass(frozen=True)
class FineTune(Method):
    """Imitates the shots' worked solutions for a fixed number of steps; answers greedily.

    No label is spent on choosing a checkpoint: the last one stands.

    Source: N-shot tuning as in Raghavendra et al. 2024 (2410.03717); LoRA, Hu et al. 2021.
    Differs: the number of steps is a fixed function of n, so that no label chooses it.
    """

    needs: ClassVar[Needs] = Needs(access=Access.WEIGHTS, supervision=Supervision.SOLUTION)
    controls: ClassVar[tuple[Control, ...]] = (Control("shuffled"), Control("format"))
    is_usual: ClassVar[bool] = True
    proposals: ClassVar[Mapping[str, str]] = {
        "latent": "fine_tune or rejection_tuning at 1, 4 and 8 shots: a nudge that is cheaper to serve",
        "sealed": "fine_tune or rejection_tuning at 1, 4 and 8 shots: a nudge that is cheaper to serve",
    }
    quick: ClassVar[Quick] = Quick({"steps": 3, "batch": 2, "rank": 2, "learning_rate": 1e-2})
    kind: ClassVar[Kind] = "tuning"
    changes: ClassVar[tuple[type[Change], ...]] = (Adapter, Weights)

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

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Tune a copy of the model on prompt -> worked solution.

        Raises:
            BudgetError: no shots, or a shot without a solution.
            AccessError: the model's weights cannot be reached.
        """
        white = bench.on(need_whitebox)
        if not bench.shots or any(shot.solution is None for shot in bench.shots):
            msg = "fine_tune needs shots with worked solutions; rejection_tuning needs answers only"
            raise BudgetError(msg)
        texts = [
            (bench.prompt(shot), bench.sheet.joiner + (shot.solution or "")) for shot in bench.shots
        ]
        return imitated(self, white, texts)
