"""How a nudged model answers: the contract, and the plain way of one prompt."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import final

from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.model import Model, render
from modicum.plain import JsonObject, JsonValue
from modicum.task import Sheet
from modicum.types import Problem, Request, Sampling, Solved, Style

__all__ = ["GREEDY", "Answering", "Asking", "Choose", "Decoding", "Direct"]

Choose = Callable[[Sequence[str | None], Sequence[float]], int]
"""Returns the place of the answer that stands, of how each is read and how sure each is."""


@dataclass(frozen=True)
class Asking:
    """What an answering works with."""

    model: Model
    """The model with its nudge."""
    judge: Judge
    """Reads answers; its style is the nudge's."""
    stream: str
    """Names the random streams."""
    ledger: Ledger
    """Counts what it costs."""

    @property
    def style(self) -> Style:
        """The style that problems are asked in."""
        return self.judge.style

    @property
    def sheet(self) -> Sheet:
        """The task's form."""
        return self.judge.sheet

    def prompt(self, question: str) -> str:
        """Return the whole prompt of a question."""
        return render(self.model, self.style, question)

    def sampling(self, temperature: float = 0.0, *, margins: bool = False) -> Sampling:
        """Return how completions are drawn: to the task's length, ended by its stop strings."""
        return Sampling(
            max_new_tokens=self.sheet.max_new_tokens,
            temperature=temperature,
            stop=self.sheet.stop + self.style.stop,
            stream=self.stream,
            margins=margins,
        )


@dataclass(frozen=True)
class Decoding:
    """An answering as the function that `model.generate` runs in another process.

    The function is `exporting/custom_generate.py` with its constants filled in. A rule of another
    package brings its choice along as a function of its own, whose source travels: it must stand
    alone, at the top of a file, with what it needs imported inside.
    """

    constants: JsonObject
    """Constants of that file, by name."""
    is_sampled: bool
    """Whether answers are drawn at random: then the choice alone is compared with ours."""
    choose: Choose | None = None
    """Chooses between answers; the file's own choice where None."""

    @staticmethod
    def sampled(n: int, temperature: float, choose: Choose | None = None) -> "Decoding":
        """Return a rule that draws n answers and chooses one, the commonest where no choice is given."""
        constants: dict[str, JsonValue] = {
            "RULE": "self_consistency",
            "COUNT": n,
            "TEMPERATURE": temperature,
        }
        return Decoding(constants, is_sampled=True, choose=choose)

    @staticmethod
    def branched(k: int, least: float, *, adds: bool, choose: Choose | None = None) -> "Decoding":
        """Return a rule that continues after the k likeliest first tokens and chooses the surest."""
        constants: dict[str, JsonValue] = {
            "RULE": "cot_decoding",
            "COUNT": k,
            "LEAST": least,
            "ADDS": adds,
        }
        return Decoding(constants, is_sampled=False, choose=choose)


class Answering(ABC):
    """How a nudged model answers. Final subclasses are frozen dataclasses of plain values."""

    @abstractmethod
    def solve(self, asking: Asking, problems: Sequence[Problem]) -> list[Solved]:
        """Return the answer to each problem; golds are hidden."""

    @property
    def draws(self) -> int:
        """Answers drawn a problem, at least 1."""
        return 1

    @property
    def first_tokens(self) -> int:
        """Likeliest first tokens that it branches at; 0 where it does not."""
        return 0

    def stands(self, read: Iterable[str | None]) -> int | None:
        """Return which of a problem's answers stands where that follows from how they are read alone.

        Asked where stored answers are marked again; None where more decided, or the first stands.

        Args:
            read: Each answer as it is read, in the order drawn; None where nothing was read. It is read
                as it is asked for, so that who votes on nothing reads nothing.
        """
        del read
        return None

    def kept(self) -> dict[str, JsonValue]:
        """Return what `solver.json` keeps of it beside the style: plain values."""
        return {}

    def recalled(self, kept: JsonObject) -> "Answering":
        """Return it as `solver.json` says; itself where nothing was found out while it was made.

        Args:
            kept: What the file holds; a stranger may have written it.
        """
        del kept
        return self

    def stages(self) -> JsonObject | None:
        """Return what a prompt that asks in turn needs to be asked elsewhere.

        Empty where one prompt says all; None where words alone cannot say it.
        """
        return None

    def decoding(self) -> Decoding | None:
        """Return it as a function for `model.generate`; None where there is none."""
        return None


@final
@dataclass(frozen=True)
class Direct(Answering):
    """One prompt: greedy, or n samples of which the first stands."""

    n: int = 1
    """Answers a problem."""
    temperature: float = 0.0
    """Of the samples."""
    forced: str = ""
    """Words put after the prompt; part of the answer's text."""

    def solve(self, asking: Asking, problems: Sequence[Problem]) -> list[Solved]:
        """Answer each problem; with `forced` the forced words stand before the text."""
        tail = asking.sheet.joiner + self.forced if self.forced else ""
        requests = [
            Request(asking.prompt(p.question) + tail, p.id, self.n, split=p.split) for p in problems
        ]
        drawn = asking.model.generate(requests, asking.sampling(self.temperature), asking.ledger)
        if tail:
            drawn = [tuple(replace(c, text=tail + c.text) for c in group) for group in drawn]
        return [Solved(group) for group in drawn]

    @property
    def draws(self) -> int:
        """Answers drawn a problem."""
        return self.n

    def kept(self) -> dict[str, JsonValue]:
        """Return the forced words."""
        return {"forced": self.forced}

    def stages(self) -> JsonObject:
        """Return nothing: one prompt says all."""
        return {}


GREEDY = Direct()
"""The likeliest answer to one prompt."""
