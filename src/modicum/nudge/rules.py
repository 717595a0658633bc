"""Ways to answer that ask more than once: a vote, branches, two stages."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, final

import numpy as np

from modicum.answers import span_of
from modicum.model import render
from modicum.nudge.answering import Answering, Asking, Decoding, Direct
from modicum.plain import JsonObject, JsonValue
from modicum.types import Branches, Completion, Problem, Request, Sampling, Solved

__all__ = ["Surest", "TwoStages", "Vote", "answer_margin"]


@final
@dataclass(frozen=True)
class Vote(Answering):
    """The answer that most of n samples give; ties go to the one drawn first.

    Source: Wang et al. 2022 (2203.11171).
    """

    n: int
    """Samples a problem, at least 2."""
    temperature: float = 1.0
    """Of the samples."""

    def solve(self, asking: Asking, problems: Sequence[Problem]) -> list[Solved]:
        """Draw the samples and let them vote."""
        drawn = Direct(self.n, self.temperature).solve(asking, problems)
        return [self._voted(asking, solved) for solved in drawn]

    @property
    def draws(self) -> int:
        """Sample a problem."""
        return self.n

    def stands(self, read: Iterable[str | None]) -> int:
        """Return the first answer that was read as most were."""
        return _winner(list(read))

    def kept(self) -> dict[str, JsonValue]:
        """Return the number of samples."""
        return {"n": self.n}

    def decoding(self) -> Decoding:
        """Return the vote as a function for `model.generate`."""
        return Decoding.sampled(self.n, self.temperature)

    @staticmethod
    def _voted(asking: Asking, solved: Solved) -> Solved:
        read = [asking.judge.read(c.text) for c in solved.completions]
        votes = Counter(answer for answer in read if answer is not None)
        if not votes:
            return solved
        scores = tuple(float(votes[a]) if a is not None else 0.0 for a in read)
        return replace(solved, chosen=_winner(read), scores=scores)


def _winner(read: Sequence[str | None]) -> int:
    """Return the place of the first answer that was read as most were; 0 where none was read."""
    votes = Counter(answer for answer in read if answer is not None)
    return read.index(votes.most_common(1)[0][0]) if votes else 0


@final
@dataclass(frozen=True)
class Surest(Answering):
    """The surest of several answers, one for each of the likeliest first tokens.

    How sure a branch is is the mean, over the tokens of its answer, of first minus second probability.

    Source: Wang and Zhou 2024 (2402.10200), section 2 and the aggregated variant.
    """

    k: int
    """Branches at the first token, at least 2."""
    min_probability: float
    """Least probability of a branch's first token, which the first need not have."""
    aggregate: Literal["sum", "max"]
    """Add the certainty of equal answers, or take the surest single branch."""

    def solve(self, asking: Asking, problems: Sequence[Problem]) -> list[Solved]:
        """Draw the branches and choose the surest answer."""
        branches = Branches(self.k, self.min_probability)
        sampling = replace(asking.sampling(margins=True), branches=branches)
        requests = [Request(asking.prompt(p.question), p.id, split=p.split) for p in problems]
        drawn = asking.model.generate(requests, sampling, asking.ledger)
        return [self._chosen(asking, group) for group in drawn]

    @property
    def draws(self) -> int:
        """Branches a problem, at most."""
        return self.k

    @property
    def first_tokens(self) -> int:
        """Likeliest first tokens that it branches at."""
        return self.k

    def kept(self) -> dict[str, JsonValue]:
        """Return the settings."""
        return {"settings": asdict(self)}

    def decoding(self) -> Decoding:
        """Return the choice as a function for `model.generate`."""
        return Decoding.branched(self.k, self.min_probability, adds=self.aggregate == "sum")

    def _chosen(self, asking: Asking, branches: tuple[Completion, ...]) -> Solved:
        read = [asking.judge.read(c.text) for c in branches]
        margins = [answer_margin(c, a) for c, a in zip(branches, read, strict=True)]
        totals: dict[str, float] = defaultdict(float)
        for answer, margin in zip(read, margins, strict=True):
            if answer is not None:
                best = max(totals[answer], margin)
                totals[answer] = totals[answer] + margin if self.aggregate == "sum" else best
        if not totals:
            return Solved(branches, 0, tuple(margins))
        winner = max(totals, key=lambda answer: totals[answer])
        chosen = max(
            (i for i, answer in enumerate(read) if answer == winner), key=lambda i: margins[i]
        )
        return Solved(branches, chosen, tuple(margins))


def answer_margin(completion: Completion, answer: str | None) -> float:
    """Return the mean top-1 minus top-2 probability over the tokens of the answer, in [0, 1].

    The span is the last place in the text where the answer stands; tokens that overlap it count.
    Where the answer was read in another form than it was written (1,234 read as 1234) the span
    is that of the number with its value. No answer, no certainty: 0.

    Source: Wang and Zhou 2024 (2402.10200), equation 1.
    """
    if not answer or not completion.margins:
        return 0.0
    starts = np.cumsum([0, *map(len, completion.pieces)])
    # the kept text may begin later than the pieces do (leading space) but is a cut of them
    whole = "".join(completion.pieces)
    span = span_of(whole[: whole.find(completion.text) + len(completion.text)], answer)
    if span is None:
        return 0.0
    inside = (starts[1:] > span[0]) & (starts[:-1] < span[1])
    margins = np.asarray(completion.margins)[inside[: len(completion.margins)]]
    return float(margins.mean()) if margins.size else 0.0


@final
@dataclass(frozen=True)
class TwoStages(Answering):
    """Reasoning behind a trigger, then the answer alone behind another.

    Source: Kojima et al. 2022 (2205.11916), section 3: reasoning extraction, then answer
    extraction.
    Differs: models that take chat messages alone get the words at the end of the user's turn.
    """

    trigger: str
    """Begins the answer."""
    answer_trigger: str
    """Calls for the answer after the reasoning."""
    answer_tokens: int
    """Length limit of the extracted answer, at least 1."""
    answer_stop: str
    """Ends the extracted answer; empty where answers take several lines."""

    def solve(self, asking: Asking, problems: Sequence[Problem]) -> list[Solved]:
        """Ask for the reasoning, then once more for the answer."""
        sampling = asking.sampling()
        trigger = " " + self.trigger
        first = self._asked(asking, problems, [trigger] * len(problems), sampling)
        said = [f"{trigger}{reasoning.text.rstrip()}\n{self.answer_trigger}" for reasoning in first]
        ends = (*sampling.stop, self.answer_stop) if self.answer_stop else sampling.stop
        short = replace(sampling, max_new_tokens=self.answer_tokens, stop=ends)
        second = self._asked(asking, problems, said, short)
        return [Solved((_joined(*parts),)) for parts in zip(said, first, second, strict=True)]

    def kept(self) -> dict[str, JsonValue]:
        """Return the settings."""
        return {"settings": asdict(self)}

    def stages(self) -> JsonObject:
        """Return both triggers, and what ends the answer."""
        return asdict(self)

    def _asked(
        self, asking: Asking, problems: Sequence[Problem], said: Sequence[str], sampling: Sampling
    ) -> list[Completion]:
        """Continue each problem's answer, of which some is said already."""
        requests = [
            Request(self._prompt(asking, problem.question, begun), problem.id, split=problem.split)
            for problem, begun in zip(problems, said, strict=True)
        ]
        return [group[0] for group in asking.model.generate(requests, sampling, asking.ledger)]

    @staticmethod
    def _prompt(asking: Asking, question: str, begun: str) -> str:
        language = asking.model.language
        if language is None or language.takes_raw:
            prompt = asking.prompt(question)
            return prompt + (begun.lstrip() if prompt[-1:].isspace() else begun)
        user = replace(asking.style, template="{question}", chat=True)
        asked = f"{asking.style.fill(question)}\n{begun.lstrip()}"
        return render(asking.model, user, asked)


def _joined(said: str, reasoning: Completion, answer: Completion) -> Completion:
    """Return the whole answer as one text, with the tokens of both stages."""
    n_tokens = reasoning.n_tokens + answer.n_tokens
    return Completion(said + answer.text, n_tokens, answer.stop)
