"""A task and a model that are well unless a fault is planted in them."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from modicum.ledger import Ledger
from modicum.model import Language, Model, ModelCard
from modicum.seeds import key
from modicum.task import Sheet, Task
from modicum.types import Completion, Grade, Mark, Problem, Request, Sampling, Split

_NUMBER = re.compile(r"-?\d+")
_SUM = re.compile(r"(\d+) and (\d+)")


def question(a: int, b: int) -> str:
    """Words of a sum, long enough to be parted in two."""
    return f"A farmer counts {a} and {b} sheep in two fields; how many of them are there together at noon?"


def problem(split: str, i: int) -> Problem:
    """The i-th problem of a split; splits do not meet."""
    a = 100 + 3 * i + ("shots", "selection", "test").index(split)
    b = 100 + key("patient", split, i) % 800
    worked = f"{a} + {b} = {a + b}. The answer is {a + b}."
    return Problem(f"{split}-{i}", question(a, b), str(a + b), worked)


@dataclass(frozen=True)
class PatientTask(Task):
    """Sums of two numbers; `plant` changes problems, `marker` replaces the marking."""

    plant: Callable[[Split, int, Problem], Problem] = lambda split, i, one: one
    marker: Callable[[Problem, str], Mark] | None = None
    form: Sheet = field(default_factory=lambda: Sheet("{question}\n", max_new_tokens=64))

    @property
    def sheet(self) -> Sheet:
        return self.form

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        return tuple(self.plant(split, i, problem(split, i)) for i in range(n))

    def read(self, text: str) -> str | None:
        found = _NUMBER.findall(text)
        return found[-1] if found else None

    def mark(self, problem: Problem, text: str) -> Mark:
        if self.marker is not None:
            return self.marker(problem, text)
        answer = self.read(text)
        if answer is None:
            return Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)
        grade = Grade(int(answer == problem.answer))
        is_strict = text.strip().endswith(f"The answer is {answer}.")
        return Mark(answer, grade, grade if is_strict else Grade.INCORRECT)


def told(prompt: str, luck: int) -> str:
    """What the model says when it is well: right three times in four."""
    found = _SUM.findall(prompt)
    if not found:
        return " fields of grass."
    a, b = map(int, found[-1])
    wrong = 0 if luck % 4 else 1 + luck % 90
    return f"The answer is {a + b + wrong}."


_WELL: dict[str, Any] = {
    "name": "patient",
    "ends": True,
    "template": None,
    "unknown": "",
    "score": -3.0,
    "tokenizer": None,
    "thinks": False,
    "takes_raw": True,
}
"""What a patient is like unless it is said to be sick."""


class Patient(Language, Model):
    """Answers as `says` has it; `sick` names what is wrong with it."""

    def __init__(self, says: Callable[[str, int], str] = told, **sick: Any) -> None:
        self._says, self._sick = says, {**_WELL, **sick}
        if self._sick["tokenizer"] is not None:
            self.tokenizer = self._sick["tokenizer"]

    @property
    def card(self) -> ModelCard:
        return ModelCard(self._sick["name"], "0" * 16, 1000, 2000.0)

    @property
    def thinking(self) -> tuple[str, str] | None:
        return ("<think>", "</think>") if self._sick["thinks"] else None

    @property
    def takes_raw(self) -> bool:
        return self._sick["takes_raw"]

    def draw(
        self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger
    ) -> list[tuple[Completion, ...]]:
        drawn = []
        for request in requests:
            lucks = [key(request.address, sampling.temperature, i) for i in range(request.n)]
            texts = [self._says(request.prompt, luck) for luck in lucks]
            drawn.append(tuple(self._cut(text, sampling.max_new_tokens) for text in texts))
        sampled = sum(c.n_tokens for group in drawn for c in group)
        ledger.ran(prompt=10 * len(requests), sampled=sampled, flops_per_token=2000.0)
        return drawn

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        return [self._sick["score"] for _ in prompts]

    def chat(self, system: str | None, user: str) -> str | None:
        return None if self._sick["template"] is None else self._sick["template"](system, user)

    def can_encode(self, text: str) -> bool:
        return not self._sick["unknown"] or self._sick["unknown"] not in text

    def _cut(self, text: str, limit: int) -> Completion:
        words = re.findall(r"\s*\S+", text)
        if len(words) >= limit or not self._sick["ends"]:
            return Completion("".join(words[:limit]), limit, "length")
        return Completion(text, len(words) + 1, "eos")


def good_chat(system: str | None, user: str) -> str:
    """A chat template that keeps what it is given."""
    head = f"<|system|>{system}" if system else ""
    return f"<s>{head}<|user|>{user}<|assistant|>"


def tokenizer(**fields: object) -> SimpleNamespace:
    """A tokenizer as far as the doctor looks at one."""
    return SimpleNamespace(**{"eos_token_id": 2, "bos_token_id": 1, "bos_token": "<s>", **fields})


class TwoStarts(Patient):
    """A model whose prompts get the beginning token twice."""

    def encode(self, text: str) -> list[int]:
        return [1, 1, *map(ord, text)]


def replaced(**changes: Callable[[Problem], str]) -> Callable[[Split, int, Problem], Problem]:
    """Plants changes of fields, each computed from the healthy problem."""
    return lambda split, i, one: dataclasses.replace(
        one, **{name: change(one) for name, change in changes.items()}
    )
