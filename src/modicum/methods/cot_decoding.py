"""CoT-decoding: branch at the first token, keep the answer the model is surest of; no labels."""

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from modicum.bench import Bench
from modicum.method import Control, Kind, Method, Needs, Quick
from modicum.model import Model
from modicum.nudge import Answering, Nudge, Surest
from modicum.types import Access

__all__ = ["CotDecoding"]


@final
@dataclass(frozen=True)
class CotDecoding(Method):
    """Continues greedily after each of the k likeliest first tokens and compares how sure they end.

    The score of a branch is the mean, over the tokens of its extracted answer, of top-1 minus
    top-2 probability; scores of branches that read the same answer are added.

    Source: Wang and Zhou 2024 (2402.10200), section 2 and the aggregated variant.
    Differs: branches whose first token has less than `min_probability` are dropped (the first
    never), for junk openers continue with false confidence.
    """

    kind: ClassVar[Kind] = "decoding"
    needs: ClassVar[Needs] = Needs(access=Access.LOGPROBS)
    controls: ClassVar[tuple[Control, ...]] = (Control("majority"),)
    is_usual: ClassVar[bool] = True
    quick: ClassVar[Quick] = Quick({"k": 3})

    k: int = 10
    """Branches at the first token, at least 2."""
    min_probability: float = 1e-3
    """Least probability of a branch's first token; 0 keeps all k."""
    aggregate: Literal["sum", "max"] = "sum"
    """Add the scores of equal answers, or take the surest single branch."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges."""
        if self.k < 2 or not 0 <= self.min_probability < 1:
            msg = f"k = {self.k}, min_probability = {self.min_probability}"
            raise ValueError(msg)

    @property
    def answering(self) -> Answering:
        """The branches."""
        return Surest(self.k, self.min_probability, self.aggregate)

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Return the branches in the floor's style."""
        return Nudge(bench.style, self.answering)
