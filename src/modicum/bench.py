"""What a method works at: a model, its shots, the door to the task, random numbers and a ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.model import Model, render
from modicum.nudge import NO_SHELF, Nudge, Shelf, Solver
from modicum.task import Sheet
from modicum.types import Completion, Grade, Problem, Sampling, Style

__all__ = ["Bench"]

ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)
OtherT = TypeVar("OtherT", bound=Model)


@dataclass(frozen=True)
class Bench(Generic[ModelT_co]):
    """All that a method works with."""

    method: str
    """Name of the method's plug-in, for what is said."""
    model: ModelT_co
    """The model; it stays as it is."""
    judge: Judge
    """Marks answers to the shots, and no others."""
    rng: np.random.Generator
    """The trial's random numbers."""
    budget: int = 0
    """The trial's n_shots; `shots` are more where the method is shown more (`Method.shown`)."""
    texts: tuple[Problem, ...] = ()
    """Questions without labels beside the shots, as many as the method asks for (`Method.texts`)."""
    prompts: tuple[Style, ...] = ()
    """Every plain prompt that the model can be asked in, the default first, also where one is fixed:
    what a method that is shown questions may compare; its nudge is asked in `style`."""
    decoys: tuple[str, ...] = ()
    """Golds of problems that are no shots, without their questions: what a wrong key is made of."""
    scratch: Path | None = None
    """The trial's own folder for checkpoints, from which a killed run goes on; None where none is kept."""
    shelf: Shelf = NO_SHELF
    """What the study's trials share, where it does not depend on them."""

    @property
    def shots(self) -> tuple[Problem, ...]:
        """The labelled problems that it is shown."""
        return tuple(self.judge.shots.values())

    @property
    def ledger(self) -> Ledger:
        """Count what making the nudge costs."""
        return self.judge.ledger

    @property
    def sheet(self) -> Sheet:
        """The task's form."""
        return self.judge.sheet

    @property
    def style(self) -> Style:
        """The style that problems are asked in."""
        return self.judge.style

    def on(self, need: Callable[[Model, str], OtherT]) -> "Bench[OtherT]":
        """Return the bench with its model as one that offers more: `bench.on(need_whitebox)`.

        Args:
            need: Returns the model as what is needed, for the method of a name.

        Raises:
            AccessError: the model is none.
        """
        return Bench(
            self.method,
            need(self.model, self.method),
            self.judge,
            self.rng,
            self.budget,
            self.texts,
            self.prompts,
            self.decoys,
            self.scratch,
            self.shelf,
        )

    def prompt(self, shot: Problem, words: str = "", *, style: Style | None = None) -> str:
        """Return the whole prompt of a shot, with words after its question where there are some."""
        asked = f"{shot.question} {words}" if words else shot.question
        return render(self.model, style or self.style, asked)

    def sampling(
        self, temperature: float = 0.0, stream: str = "", *, ids: bool = False
    ) -> Sampling:
        """Return how completions are drawn: to the task's length, ended by its stop strings."""
        ends = self.sheet.stop + self.style.stop
        return Sampling(self.sheet.max_new_tokens, temperature, ends, stream, ids=ids)

    def answers(
        self, model: Model, shots: Sequence[Problem], stream: str, style: Style | None = None
    ) -> list[Completion]:
        """Return a model's greedy answers to shots.

        Args:
            model: Plain or nudged.
            shots: What it answers.
            stream: Names what is drawn.
            style: The style that they are asked in; the bench's where None.
        """
        solver = Solver.of(model, Nudge(style or self.style), self.judge)
        hidden = [shot.hidden() for shot in shots]
        solved = solver.solve(hidden, stream=stream, ledger=self.ledger)
        return [given.completions[0] for given in solved]

    def is_right(self, shot: Problem, text: str, style: Style | None = None) -> bool:
        """Return whether an answer to a shot is correct (lenient); the judge counts the call."""
        judge = self.judge if style is None else self.judge.in_style(style)
        return judge.mark(shot.id, text).lenient == Grade.CORRECT

    def accuracy(
        self, model: Model, shots: Sequence[Problem], stream: str, style: Style | None = None
    ) -> float:
        """Return the share of shots that a model answers correctly (lenient, greedy), in [0, 1].

        Args:
            model: Plain or nudged.
            shots: At least one.
            stream: Names what is drawn.
            style: The style that they are asked in; what follows its thinking is marked.
        """
        given = self.answers(model, shots, stream, style)
        right = [self.is_right(s, a.text, style) for s, a in zip(shots, given, strict=True)]
        return sum(right) / len(right)
