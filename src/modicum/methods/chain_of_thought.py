"""Chain of thought: a trigger begins the answer, a second prompt extracts it; no labels."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver, Solver
from modicum.model import Model, render
from modicum.task import Sheet
from modicum.types import Completion, Problem, Request, Sampling, Solved, Style

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

    trigger: str = "Let's think step by step."
    """Begins the answer."""
    answer_trigger: str = "Therefore, the answer is"
    """Calls for the answer after the reasoning."""
    answer_tokens: int = 32
    """Length limit of the extracted answer, at least 1."""
    answer_stop: str = "\n"
    """Ends the extracted answer; empty where answers take several lines."""

    def __post_init__(self) -> None:
        """Refuses settings outside their ranges."""
        if self.answer_tokens < 1 or not self.trigger.strip():
            msg = f"trigger = {self.trigger!r}, answer_tokens = {self.answer_tokens}"
            raise ValueError(msg)

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],  # noqa: ARG002 - part of the contract
        judge: Judge,
        rng: np.random.Generator,  # noqa: ARG002
        ledger: Ledger,  # noqa: ARG002
    ) -> Solver:
        """Gives the two-stage solver in the floor's style.

        Raises:
            TrialError: the model's tokenizer cannot encode the words.
        """
        words = f"{self.trigger} {self.answer_trigger}"
        if model.language is not None and not model.language.can_encode(words):
            msg = f"the tokenizer of {model.card.name} cannot encode {words!r}"
            raise TrialError(msg)
        return _Reasoned(model, self, judge.sheet, judge.style)

    def restore(self, model: Model, judge: Judge, folder: Path) -> Solver:
        """Gives the two-stage solver with the saved style."""
        return _Reasoned(model, self, judge.sheet, PromptSolver.saved_style(folder))


@final
@dataclass(frozen=True)
class _Reasoned(Solver):
    model: Model
    method: ChainOfThought
    sheet: Sheet
    style: Style

    def solve(self, problems: Sequence[Problem], *, stream: str, ledger: Ledger) -> list[Solved]:
        stops = self.sheet.stop + self.style.stop
        sampling = Sampling(self.sheet.max_new_tokens, 0.0, stops, stream)
        trigger = " " + self.method.trigger
        first = self._asked(problems, [trigger] * len(problems), sampling, ledger)
        said = [
            f"{trigger}{reasoning.text.rstrip()}\n{self.method.answer_trigger}"
            for reasoning in first
        ]
        ends = (*stops, self.method.answer_stop) if self.method.answer_stop else stops
        short = replace(sampling, max_new_tokens=self.method.answer_tokens, stop=ends)
        second = self._asked(problems, said, short, ledger)
        return [Solved((_joined(*parts),)) for parts in zip(said, first, second, strict=True)]

    def _asked(
        self,
        problems: Sequence[Problem],
        said: Sequence[str],
        sampling: Sampling,
        ledger: Ledger,
    ) -> list[Completion]:
        """Continues each problem's answer, of which some is said already."""
        requests = [
            Request(self._prompt(problem.question, begun), problem.id, split=problem.split)
            for problem, begun in zip(problems, said, strict=True)
        ]
        return [group[0] for group in self.model.generate(requests, sampling, ledger)]

    def _prompt(self, question: str, begun: str) -> str:
        if self.model.language is None or self.model.language.takes_raw:
            prompt = render(self.model, self.style, question)
            return prompt + (begun.lstrip() if prompt[-1:].isspace() else begun)
        user = replace(self.style, template="{question}", chat=True)
        return render(self.model, user, f"{self.style.fill(question)}\n{begun.lstrip()}")

    def save(self, folder: Path) -> None:
        state = {"style": asdict(self.style), "settings": asdict(self.method)}
        (folder / "solver.json").write_text(json.dumps(state, indent=1), encoding="utf-8")


def _joined(said: str, reasoning: Completion, answer: Completion) -> Completion:
    """Gives the whole answer as one text, with the tokens of both stages."""
    n_tokens = reasoning.n_tokens + answer.n_tokens
    return Completion(said + answer.text, n_tokens, answer.stop)
