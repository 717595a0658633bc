"""Chain of thought: a trigger begins the answer, a second prompt extracts it; no labels."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.bench import Bench
from modicum.errors import TrialError
from modicum.method import Kind, Method, Needs
from modicum.model import Model
from modicum.nudge import Answering, Nudge, TwoStages

__all__ = ["ChainOfThought"]


@final
@dataclass(frozen=True)
class ChainOfThought(Method):
    """Lets the model reason behind a trigger, then asks once more for the answer alone.

    Differs from the triggers among the floor's styles in two ways: those stand in the question and
    the answer is read from what follows; here the trigger is the beginning of the model's own answer,
    and the reasoning goes back to the model with words that call for the answer.

    Source: Kojima et al. 2022 (2205.11916), section 3: reasoning extraction, then answer
    extraction.
    Differs: models that take chat messages alone get the words at the end of the user's turn.
    """

    kind: ClassVar[Kind] = "prompt"
    needs: ClassVar[Needs] = Needs(language=True)
    is_usual: ClassVar[bool] = True

    trigger: str = "Let's think step by step."
    """Begins the answer."""
    answer_trigger: str = "Therefore, the answer is"
    """Calls for the answer after the reasoning."""
    answer_tokens: int = 32
    """Length limit of the extracted answer, at least 1."""
    answer_stop: str = "\n"
    """Ends the extracted answer; empty where answers take several lines."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges."""
        if self.answer_tokens < 1 or not self.trigger.strip():
            msg = f"trigger = {self.trigger!r}, answer_tokens = {self.answer_tokens}"
            raise ValueError(msg)

    @property
    def answering(self) -> Answering:
        """Reasoning, then the answer."""
        return TwoStages(self.trigger, self.answer_trigger, self.answer_tokens, self.answer_stop)

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Return the two stages in the floor's style.

        Raises:
            TrialError: the model's tokenizer cannot encode the words.
        """
        words = f"{self.trigger} {self.answer_trigger}"
        language = bench.model.language
        if language is not None and not language.can_encode(words):
            msg = f"the tokenizer of {bench.model.card.name} cannot encode {words!r}"
            raise TrialError(msg)
        return Nudge(bench.style, self.answering)
