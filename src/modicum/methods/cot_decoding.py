"""CoT-decoding: branch at the first token, keep the answer the model is surest of; no labels."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np

from modicum.answers import span_of
from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver, Solver
from modicum.model import Model, render
from modicum.types import Access, Branches, Completion, Problem, Request, Sampling, Solved, Style

__all__ = ["CotDecoding", "answer_margin"]


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
    access: ClassVar[Access] = Access.LOGPROBS
    controls: ClassVar[tuple[str, ...]] = ("majority",)

    k: int = 10
    """Branches at the first token, at least 2."""
    min_probability: float = 1e-3
    """Least probability of a branch's first token; 0 keeps all k."""
    aggregate: Literal["sum", "max"] = "sum"
    """Add the scores of equal answers, or take the surest single branch."""

    def __post_init__(self) -> None:
        """Refuses settings outside their ranges."""
        if self.k < 2 or not 0 <= self.min_probability < 1:
            msg = f"k = {self.k}, min_probability = {self.min_probability}"
            raise ValueError(msg)

    @property
    def first_tokens(self) -> int:
        """Likeliest first tokens that it branches at."""
        return self.k

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],  # noqa: ARG002 - part of the contract
        judge: Judge,
        rng: np.random.Generator,  # noqa: ARG002
        ledger: Ledger,  # noqa: ARG002
    ) -> Solver:
        """Gives the branching solver in the floor's style."""
        return _Branches(model, self, judge, judge.style)

    def restore(self, model: Model, judge: Judge, folder: Path) -> Solver:
        """Gives the branching solver with the saved style."""
        return _Branches(model, self, judge, PromptSolver.saved_style(folder))


@final
@dataclass(frozen=True)
class _Branches(Solver):
    model: Model
    method: CotDecoding
    judge: Judge
    style: Style

    def solve(self, problems: Sequence[Problem], *, stream: str, ledger: Ledger) -> list[Solved]:
        sheet = self.judge.sheet
        sampling = Sampling(
            sheet.max_new_tokens,
            temperature=0.0,
            stop=sheet.stop + self.style.stop,
            stream=stream,
            margins=True,
            branches=Branches(self.method.k, self.method.min_probability),
        )
        requests = [
            Request(render(self.model, self.style, p.question), p.id, split=p.split)
            for p in problems
        ]
        drawn = self.model.generate(requests, sampling, ledger)
        return [self._choose(group) for group in drawn]

    def _choose(self, branches: tuple[Completion, ...]) -> Solved:
        read = [self.judge.read(c.text) for c in branches]
        margins = [answer_margin(c, a) for c, a in zip(branches, read, strict=True)]
        totals: dict[str, float] = defaultdict(float)
        for answer, margin in zip(read, margins, strict=True):
            if answer is not None:
                best = max(totals[answer], margin)
                totals[answer] = totals[answer] + margin if self._adds else best
        if not totals:
            return Solved(branches, 0, tuple(margins))
        winner = max(totals, key=lambda answer: totals[answer])
        chosen = max(
            (i for i, answer in enumerate(read) if answer == winner), key=lambda i: margins[i]
        )
        return Solved(branches, chosen, tuple(margins))

    @property
    def _adds(self) -> bool:
        return self.method.aggregate == "sum"

    def save(self, folder: Path) -> None:
        state = {"style": asdict(self.style), "settings": asdict(self.method)}
        (folder / "solver.json").write_text(json.dumps(state, indent=1), encoding="utf-8")


def answer_margin(completion: Completion, answer: str | None) -> float:
    """Gives the mean top-1 minus top-2 probability over the tokens of the answer, in [0, 1].

    The span is the last place in the text where the answer stands; tokens that overlap it count.
    Where the answer was read in another form than it was written (1,234 read as 1234) the span
    is that of the number with its value. No answer, no certainty: 0.

    Source: Wang and Zhou 2024, equation 1.
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
