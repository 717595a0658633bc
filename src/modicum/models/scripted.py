"""A scripted model of known truth, without weights: it adds numbers, and needs no torch."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from modicum.ledger import Ledger
from modicum.model import Backend, Extra, Language, Model, ModelCard
from modicum.seeds import key
from modicum.stock import Group
from modicum.types import Access, Branches, Completion, Request, Sampling, Stop

__all__ = ["Scripted", "ScriptedModel"]

Truth = Literal["latent", "absent", "shown", "sealed", "adder"]

_OPENERS: dict[Truth, float] = {
    "latent": 0.12,
    "absent": 0.12,
    "shown": 0.97,
    "sealed": 1e-6,
    "adder": 0.12,
}
"""Probability that a sampled answer takes the worked form."""
_SKILL: dict[Truth, float] = {
    "latent": 0.98,
    "absent": 0.0,
    "shown": 0.98,
    "sealed": 0.98,
    "adder": 0.98,
}
"""Probability that the worked form holds the right sum."""
_JUNK = (" The", " It", " So", " I", " 1", " We", " A", " Hmm")
_JUNK_PROBABILITY = 0.0005
_QUESTION = re.compile(r"What is (\d+) \+ (\d+)\?")
_NUMBER = re.compile(r"\d{1,9}")
_MOST_NUMBERS = 12
"""Numbers of a question that the adder adds up."""
_CHOICES = re.compile(r"^\s*\(?A[).:]", re.MULTILINE)
_PIECE = re.compile(r"\s*\S+")


@final
@dataclass(frozen=True)
class Scripted(Backend):
    """Opens the scripted model."""

    access: ClassVar[Access] = Access.LOGPROBS

    name: Truth = "latent"
    """The truth about its ability to add."""

    def check(self) -> None:
        """Find nothing wrong: the name was checked when it was filled in."""

    def open(self) -> "ScriptedModel":
        """Return the model at once."""
        return ScriptedModel(self.name)


@dataclass(frozen=True)
class _Line:
    """One answer before it is cut: what it says and how sure each word is."""

    pieces: tuple[str, ...]
    margins: tuple[float, ...]
    probabilities: tuple[float, ...]


@final
class ScriptedModel(Language, Model):
    """Answers `What is A + B?` by a script.

    Left alone it says `Answer N` with a wrong N, or takes the worked form
    `Think A + B = C Answer C` as often as its truth allows. Behind the opener `Think`, or after a
    worked demonstration (not where the truth is *sealed*), it takes the worked form for sure.

    The *adder* does the same with any question: it adds up whatever numbers stand in it, of choices
    it names the first, and without numbers it says 0.
    """

    offers: frozenset[Extra] = frozenset({"branches", "scores"})

    def __init__(self, truth: Truth) -> None:
        """Take the truth to be played."""
        self._truth: Truth = truth
        self._is_adder = truth == "adder"
        self._answer = " Answer:" if self._is_adder else " Answer"

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        weights = f"{key('scripted', self._truth):016x}"
        notes = ("scripted: no weights",)
        return ModelCard(f"scripted:{self._truth}", weights, 1000, 2000.0, "Apache-2.0", notes)

    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Draw each request's samples, or its branches; see `Model.draw`."""
        of_one = self._samples if sampling.branches is None else self._branches
        drawn = [of_one(request, sampling) for request in requests]
        self._count(requests, drawn, ledger)
        return drawn

    def _samples(self, request: Request, sampling: Sampling) -> Group:
        group = []
        for sample in range(request.first, request.first + request.n):
            name = (sampling.stream, request.address, sample)
            luck = ("greedy",) if sampling.temperature == 0 else name
            line = self._line(request.prompt, self._takes_work(request.prompt, luck), luck)
            group.append(_complete(line, sampling, margins=sampling.margins))
        return tuple(group)

    def _branches(self, request: Request, sampling: Sampling) -> Group:
        """Continue greedily after each of the likeliest openers."""
        wanted = sampling.branches or Branches(1)
        group: list[Completion] = []
        for opener, chance in self._first(request.prompt)[: wanted.k]:
            if group and chance < wanted.min_probability:
                continue
            line = self._opened(request.prompt, opener, chance)
            group.append(_complete(line, sampling, margins=True))
        return tuple(group)

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Return plausible log-probabilities: what the script would say is likely."""
        sums = []
        for prompt, more in zip(prompts, continuations, strict=True):
            said = {
                "".join(self._line(prompt, work, ("greedy",)).pieces): chance
                for work, chance in self._forms(prompt)
            }
            chance = next((c for text, c in said.items() if text.strip() == more.strip()), 0.0)
            words = max(1, len(_PIECE.findall(more)))
            sums.append(math.log(chance) if chance > 0 else -3.0 * words)
        return sums

    def can_encode(self, text: str) -> bool:
        """Say yes to ASCII."""
        return text.isascii()

    def _work_rate(self, prompt: str) -> float:
        """Return the probability of the worked form after this prompt."""
        asked = self._asked(prompt)
        if asked is None:
            return 0.0
        before, _, after = asked
        if after.rstrip().endswith("Think"):
            return 1.0
        shown = "Think" in before or "Show steps" in after
        if shown and self._truth != "sealed":
            return 0.99
        return _OPENERS[self._truth]

    def _asked(self, prompt: str) -> tuple[str, tuple[int, ...], str] | None:
        """Return what stands before the last question, its numbers, and what follows; None of none."""
        if self._is_adder:
            before, _, block = prompt.rstrip().rpartition("\n\n")
            found = () if _CHOICES.search(block) else _NUMBER.findall(block)[:_MOST_NUMBERS]
            return (before, tuple(map(int, found)), block) if found else None
        asked = list(_QUESTION.finditer(prompt))
        if not asked:
            return None
        numbers = tuple(map(int, asked[-1].groups()))
        return prompt[: asked[-1].start()], numbers, prompt[asked[-1].end() :]

    def _takes_work(self, prompt: str, luck: tuple[object, ...]) -> bool:
        rate = self._work_rate(prompt)
        return rate > 0.5 if luck == ("greedy",) else self._unit("form", prompt, *luck) < rate

    def _forms(self, prompt: str) -> list[tuple[bool, float]]:
        rate = self._work_rate(prompt)
        return [(True, rate), (False, 1.0 - rate)]

    def _line(self, prompt: str, work: bool, luck: tuple[object, ...]) -> _Line:
        """Return the answer in one of its two forms."""
        asked = self._asked(prompt)
        if asked is None:
            return self._lost(prompt)
        numbers = asked[1]
        if not work:
            return _surely((self._answer, f" {self._guess(numbers, luck)}"), 0.3)
        is_right = self._unit("skill", *numbers, *luck) < _SKILL[self._truth]
        total = sum(numbers) if is_right else self._guess(numbers, luck)
        sure = 0.95 if _SKILL[self._truth] else 0.3
        text = f" {' + '.join(map(str, numbers))} = {total}{self._answer} {total}"
        is_forced = prompt.rstrip().endswith("Think")
        return _surely(_PIECE.findall(text if is_forced else " Think" + text), sure)

    def _lost(self, prompt: str) -> _Line:
        """Return what it says where nothing is to be added."""
        if not self._is_adder:
            return _surely((" I", " do", " not", " know"), 0.5)
        says = " A" if _CHOICES.search(prompt.rpartition("\n\n")[2]) else " 0"
        return _surely((self._answer, says), 0.5)

    def _opened(self, prompt: str, opener: str, chance: float) -> _Line:
        """Return the greedy answer after a first word."""
        work = opener not in (*_JUNK, self._answer)
        line = self._line(prompt, work, ("greedy",) if work else ("branch", opener))
        pieces = line.pieces if not work and opener == self._answer else (opener, *line.pieces)
        if work:
            pieces = line.pieces
        sure = (0.76, *[line.margins[-1]] * (len(pieces) - 1))
        return _Line(pieces, sure, (chance, *[(1 + m) / 2 for m in sure[1:]]))

    def _first(self, prompt: str) -> list[tuple[str, float]]:
        """Return first words with their probabilities, likeliest first."""
        rate = self._work_rate(prompt)
        if self._asked(prompt) is None:
            says = self._lost(prompt).pieces[0]
            return [(says, 0.9), *((word, _JUNK_PROBABILITY) for word in _JUNK if word != says)]
        left = 1.0 - _JUNK_PROBABILITY * len(_JUNK)
        words = [(self._line(prompt, True, ("greedy",)).pieces[0], rate * left)]
        if rate < 1:
            words.append((self._answer, (1 - rate) * left))
        words += [(word, _JUNK_PROBABILITY) for word in _JUNK]
        return sorted(words, key=lambda pair: -pair[1])

    def _guess(self, numbers: tuple[int, ...], luck: tuple[object, ...]) -> int:
        """Return a wrong direct answer: an addend, or a number of about the right size."""
        if self._unit("copy", *numbers, *luck) < 0.5:
            return max(numbers)
        unit = self._unit("guess", *numbers, *luck)
        return int((2 * sum(numbers) + 8) * unit) if self._is_adder else 200 + int(1600 * unit)

    def _unit(self, *names: object) -> float:
        """Return a number in [0, 1) for these names."""
        return key("scripted", self._truth, *names) / 2.0**64

    def _count(self, requests: Sequence[Request], drawn: list[Group], ledger: Ledger) -> None:
        prompts = {request.prompt for request in requests}
        ledger.drawn += sum(map(len, drawn))
        ledger.ran(
            prompt=sum(len(_PIECE.findall(prompt)) for prompt in prompts),
            sampled=sum(c.n_tokens for group in drawn for c in group),
            flops_per_token=self.card.flops_per_token,
        )


def _surely(pieces: Sequence[str], margin: float) -> _Line:
    """Return a line of equally sure words."""
    n = len(pieces)
    return _Line(tuple(pieces), (margin,) * n, ((1 + margin) / 2,) * n)


def _complete(line: _Line, sampling: Sampling, *, margins: bool) -> Completion:
    """Return the completion of a line: its end token, cut at the length limit and stop strings."""
    pieces, sure, chances = (*line.pieces, ""), (*line.margins, 0.99), (*line.probabilities, 0.99)
    limit = sampling.max_new_tokens
    stop: Stop = "eos" if len(pieces) <= limit else "length"
    pieces, sure, chances = pieces[:limit], sure[:limit], chances[:limit]
    text = "".join(pieces)
    found = [place for s in sampling.stop if s and (place := text.find(s)) >= 0]
    if found:
        text, stop = text[: min(found)], "stop"
    logprobs = tuple(math.log(chance) for chance in chances) if sampling.scores else ()
    if not margins:
        return Completion(text, len(pieces), stop, logprobs=logprobs)
    return Completion(text, len(pieces), stop, pieces, sure, chances, logprobs=logprobs)
