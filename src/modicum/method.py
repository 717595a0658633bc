"""The contract of a method: a recipe that turns a model and shots into a solver."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, final

import numpy as np

from modicum.catalog import Catalog
from modicum.errors import BudgetError, CheckpointError, JudgeError
from modicum.foreign import read_table
from modicum.ledger import Ledger
from modicum.marking import mark_or_unread, mark_safely, read_or_none
from modicum.model import Model, render
from modicum.task import Sheet, Task
from modicum.types import (
    Access,
    Mark,
    Problem,
    Request,
    Sampling,
    Solved,
    Style,
    Supervision,
)

__all__ = ["METHODS", "Judge", "Kind", "Method", "PromptSolver", "Solver", "mark_safely"]

METHODS = Catalog("methods")

Kind = Literal["measure", "prompt", "decoding", "steering", "tuning"]

_MOST_LOST = 10
"""Texts on which a marker may fail while a nudge is made, however few calls there are."""
_CHANGING = frozenset({"tuning", "steering"})
"""Kinds that change weights or activations."""


@dataclass(frozen=True)
class Judge:
    """The metered door to the task for a method: it marks the shots' answers and no others.

    A method may call `mark`, `read`, `stated`, `golds` and `in_style`, and read the task's `sheet`,
    the `style` that prompts are written in, the closed list of `styles`, the trial's `budget`,
    `decoys`, and the folders `scratch` and `shared`. Nothing else: shots and ledger are handed to
    it beside the judge.
    """

    _task: Task
    sheet: Sheet
    shots: Mapping[str, Problem]
    style: Style
    styles: tuple[Style, ...]
    ledger: Ledger
    budget: int = 0
    """The trial's n_shots; `shots` are more where the method is shown more (`Method.shown`)."""
    decoys: tuple[str, ...] = ()
    """Golds of problems that are no shots, without their questions: what a wrong key is made of."""
    scratch: Path | None = None
    """The trial's own folder for checkpoints, from which a killed run goes on; None where none is kept."""
    shared: Path | None = None
    """Folder of the study in which its trials share what does not depend on them; None without a study."""
    is_form_only: bool = False
    """Control `format`: right is what any answer states in the exact format, whatever it says."""
    _lost: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Texts on which the marker failed, and why; shared by the doors made from this one."""

    def mark(self, problem_id: str, text: str) -> Mark:
        """Marks one answer to one of the shots, and counts the call.

        A text on which the marker fails is unreadable: it earns nothing, and ends no training.

        Raises:
            BudgetError: the id is not a shot's, or too many calls.
            JudgeError: the marker failed on more than a few texts, and on one call in a hundred.
        """
        if problem_id not in self.shots:
            msg = f"problem {problem_id!r} is not among the {len(self.shots)} shots"
            raise BudgetError(msg)
        self.ledger.judged()
        shot = self.shots[problem_id]
        mark = self._marked(shot, text)
        if not self.is_form_only or mark.answer is None:
            return mark
        # its own answer taken for gold, only the format can be wrong
        own = self._marked(replace(shot, answer=mark.answer), text)
        return replace(own, lenient=own.strict)

    def _marked(self, shot: Problem, text: str) -> Mark:
        mark, why = mark_or_unread(self._task, shot, text, self.style)
        if why:
            self._lost.setdefault(text, why)
            n, calls = len(self._lost), self.ledger.judge_calls
            if n > _MOST_LOST and 100 * n >= calls:
                raise JudgeError(f"the marker failed on {n} texts in {calls} calls, last: {why}")
        return mark

    @property
    def lost(self) -> int:
        """Different texts on which the marker failed so far."""
        return len(self._lost)

    def stated(self, problem_id: str) -> str:
        """Gives a shot's bare answer in the task's exact format.

        Raises:
            BudgetError: the id is not a shot's.
        """
        if problem_id not in self.shots:
            msg = f"problem {problem_id!r} is not among the {len(self.shots)} shots"
            raise BudgetError(msg)
        return self._task.stated(replace(self.shots[problem_id], solution=None))

    @final
    def golds(self, problem_id: str) -> frozenset[str]:
        """Return every text that counts as a shot's gold.

        Raises:
            BudgetError: the id is not a shot's.
        """
        if problem_id not in self.shots:
            msg = f"problem {problem_id!r} is not among the {len(self.shots)} shots"
            raise BudgetError(msg)
        return frozenset(self._task.golds(self.shots[problem_id]))

    @final
    def in_style(self, style: Style) -> "Judge":
        """The same door for answers in another style: what follows its thinking is marked."""
        return replace(self, style=style)

    def read(self, text: str) -> str | None:
        """Reads the answer from any text; knows no gold, so it is free."""
        answer = self.style.answer(text)
        return None if answer is None else read_or_none(self._task, answer)


class Solver(ABC):
    """The elicited system."""

    model: Model
    """The model with its nudge; the plain one where only prompt or decoding changed."""
    notes: Mapping[str, object] = MappingProxyType({})
    """What the record keeps of how it was made: curves, what was chosen; plain values."""

    @abstractmethod
    def solve(self, problems: Sequence[Problem], *, stream: str, ledger: Ledger) -> list[Solved]:
        """Answers problems (golds are hidden); `stream` names the random streams."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the nudge into an existing empty folder, without pickle."""


class Method(ABC):
    """A recipe for a nudge. Final subclasses are frozen dataclasses, one a file in `methods/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("methods",)
    version: ClassVar[int] = 1
    access: ClassVar[Access] = Access.TEXT
    """The least access it needs."""
    supervision: ClassVar[Supervision] = Supervision.QUESTION
    """The least that its shots must reveal."""
    reads_solutions: ClassVar[bool] = False
    """Whether it reads worked solutions where shots reveal them, though answers suffice."""
    kind: ClassVar[Kind] = "prompt"
    """What it changes: the prompt, the decoding, or weights (`measure`: nothing)."""
    controls: ClassVar[tuple[str, ...]] = ()
    """Tell-tale controls: `shuffled` (other problems' solutions and answers on the shots, a trial
    of its own), `format` (right in form, empty in content: another problem's bare answer on the
    shots, and a judge that looks at the format alone), `majority` (the vote of as many samples as
    the method draws, from the ceiling's)."""

    control_settings: ClassVar[Mapping[str, Mapping[str, object]]] = MappingProxyType({})
    """Controls that are the method itself with other settings, by name."""
    veto_controls: ClassVar[tuple[str, ...]] = ()
    """Those of `controls` that should do nothing: where they gain as much, the claim falls."""
    shortens: ClassVar[bool] = False
    """Whether it is to make answers shorter and not more often right: no control of another ability."""
    file_setting: ClassVar[str] = ""
    """The setting that names a file or folder, which counts by what it holds; read from the class
    without importing it."""
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""
    control_draws: ClassVar[int] = 1
    """Seeds of each control that the method draws itself."""
    is_spread: ClassVar[bool] = False
    """Whether the processes of a launch (`modicum.ranks`) share its training."""

    @final
    @property
    def changes_model(self) -> bool:
        """Whether weights or activations are others afterwards, so that retention is scored."""
        return self.kind in _CHANGING

    def check(self) -> None:  # noqa: B027 - most methods have nothing to refuse
        """Raises a `ConfigError` for what can be known wrong before weights load; cheap.

        Called once before a run, never to read what is stored.
        """

    @property
    def first_tokens(self) -> int:
        """Likeliest first tokens that it branches at; 0 where it does not."""
        return 0

    def shown(self, n_shots: int) -> int:
        """Gives the labelled problems it sees at a budget: more where it picks its shots from them.

        Those that it reads count in its labels (`Method.reads`).
        """
        return n_shots

    def reads(self, n_shown: int) -> int:
        """Gives of how many of the problems that it is shown it uses the labels."""
        return n_shown if self.supervision > Supervision.QUESTION else 0

    @abstractmethod
    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],
        judge: Judge,
        rng: np.random.Generator,
        ledger: Ledger,
    ) -> Solver:
        """Makes the solver; the model itself stays as it was."""

    def stands(self, read: Iterable[str | None]) -> int | None:
        """Give which of a problem's answers stands where that follows from how they are read alone.

        Asked where stored answers are marked again; None where more decided, or the first stands.

        Args:
            read: Each answer as it is read, in the order drawn; None where nothing was read. It is read
                as it is asked for, so that who votes on nothing reads nothing.
        """
        del read
        return None

    @abstractmethod
    def restore(self, model: Model, judge: Judge, folder: Path) -> Solver:
        """Rebuilds a solver from what `Solver.save` wrote."""


@final
@dataclass(frozen=True)
class PromptSolver(Solver):
    """Answers with a plain prompt: greedy, or n samples of which the first stands."""

    model: Model
    style: Style
    sheet: Sheet
    n: int = 1
    temperature: float = 0.0
    forced: str = ""
    """Words put after the prompt; part of the answer's text."""
    source: Path | None = None
    """Folder with the weights' nudge, copied by `save`."""
    notes: Mapping[str, object] = field(default_factory=dict)

    def solve(self, problems: Sequence[Problem], *, stream: str, ledger: Ledger) -> list[Solved]:
        """Answers each problem; with `forced` the forced words stand before the text."""
        sampling = Sampling(
            max_new_tokens=self.sheet.max_new_tokens,
            temperature=self.temperature,
            stop=self.sheet.stop + self.style.stop,
            stream=stream,
        )
        tail = self.sheet.joiner + self.forced if self.forced else ""
        requests = [
            Request(render(self.model, self.style, p.question) + tail, p.id, self.n, split=p.split)
            for p in problems
        ]
        drawn = self.model.generate(requests, sampling, ledger)
        if tail:
            drawn = [tuple(replace(c, text=tail + c.text) for c in group) for group in drawn]
        return [Solved(group) for group in drawn]

    def save(self, folder: Path) -> None:
        """Writes the style as `solver.json`, and the adapter beside it where there is one."""
        state = {"style": asdict(self.style), "forced": self.forced}
        (folder / "solver.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
        if self.source is not None:
            for path in self.source.iterdir():
                (folder / path.name).write_bytes(path.read_bytes())

    @staticmethod
    def saved_style(folder: Path) -> Style:
        """Reads the style back from `solver.json`.

        Raises:
            CheckpointError: missing or broken.
        """
        try:
            style = read_table(folder / "solver.json")["style"]
            if not isinstance(style, dict):
                raise TypeError(f"a style that is {type(style).__name__}")
            return Style.thawed(style)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"solver.json in {str(folder)!r} cannot be read: {error}",
                "the style that the study wrote",
                "put the study's own folder back, or run the study again in a new folder",
            ) from error
