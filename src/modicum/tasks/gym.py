"""Problems of reasoning-gym, by the name of the dataset: `gym:chain_sum`, say."""

import inspect
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, final

from modicum.errors import ConfigError, UnknownNameError
from modicum.seeds import key
from modicum.task import Sheet, Task
from modicum.types import Grade, Mark, Problem, Split, Style

__all__ = ["Gym"]

_SPLITS: tuple[Split, ...] = ("shots", "selection", "test", "test")
"""Which split a question belongs to, by a hash of its text: splits cannot meet."""
_TRIES = 40
"""Draws a wanted problem may cost before its split counts as exhausted."""
_TAGS = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_LINE = re.compile(r"answer\s*(?:is|:)\s*:?([^\n]*\S)", re.IGNORECASE)
_STRICT = re.compile(r"(?:^|\n)Answer: (.+?)\s*$")
_TAIL = re.compile(r".*answer\s*:\s*(.*\S)", re.IGNORECASE | re.DOTALL)
_STRICT_TAIL = re.compile(r"(?:^|\n)Answer: (.+?)\s*$", re.DOTALL)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_FULL_SCORE = 1.0
"""Exactly: sums of 1/n that stop just short of 1, or pass it, are prefixes, not answers."""

_EVALUATES = re.compile(r"\b(?:eval|exec|parse_expr|sympify)\(")
_QUOTED = re.compile(r"'[^'\"]*'|\"[^'\"]*\"")
_WORDS = re.compile(r"[A-Za-z_]\w*")
_FUNCTIONS = frozenset({"sin", "cos", "tan", "exp", "log", "sqrt", "pi"})
_HARMLESS = re.compile(r"[\w\s+\-*/^().,=\[\]]*")
_HEAVY = re.compile(r"\*\*.*\*\*|\*\*\s*\(?\s*-?\d{3}|\d{40}|__|[)\]]\s*\(")
_MOST_EVALUATED = 300


@final
@dataclass(frozen=True)
class Gym(Task):
    """One dataset of reasoning-gym; an answer is right where the dataset's own score is full."""

    name: str = "chain_sum"
    """Name of the dataset."""
    config: str = ""
    """Settings of the dataset, `key=value` with whole numbers, parted by commas."""
    max_new_tokens: int = 256
    """Length limit of an answer."""

    @property
    def sheet(self) -> Sheet:
        """The form of the task."""
        return Sheet(
            template='{question}\nEnd with a line of the form "Answer: X".\n',
            max_new_tokens=self.max_new_tokens,
            triggers=(
                Style("question-answer", "Question: {question}\nAnswer:", stop=("\nQuestion:",)),
            ),
        )

    def check(self) -> None:
        """Looks whether the dataset exists and takes its settings.

        Raises:
            ConfigError: reasoning-gym is not installed, or a setting is wrong.
            UnknownNameError: no such dataset.
        """
        try:
            from reasoning_gym.factory import DATASETS  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError(
                "no package reasoning-gym", "it", "pip install 'modicum[gym]'"
            ) from error
        if self.name not in DATASETS:
            raise UnknownNameError("reasoning-gym dataset", self.name, DATASETS)
        try:
            self._dataset  # noqa: B018 - building it is the check
        except (TypeError, ValueError, AssertionError) as error:
            raise ConfigError(
                f"gym:{self.name} with config {self.config!r}: {error}",
                "settings of this dataset, key=value",
                "see reasoning_gym.create_dataset",
            ) from error

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Gives the first n distinct problems of a split; seeds are hashed, never in a row.

        Raises:
            ConfigError: the split has fewer than n.
        """
        found: dict[str, Problem] = {}
        for draw in range(_TRIES * (n + 10)):
            if len(found) == n:
                break
            # Neighbouring seeds share all but one problem: spacing them by a hash is the remedy.
            seed = key("gym", self.name, self.config, split, draw) % 2**31
            entry = self._entry(seed)
            question = str(entry["question"])
            if _SPLITS[key("gym split", question) % len(_SPLITS)] == split:
                found.setdefault(question, self._problem(seed, entry))
        if len(found) < n:
            raise ConfigError(
                f"{len(found)} distinct problems of gym:{self.name} in split {split!r}",
                f"{n}",
                "ask for fewer, or widen the dataset with `config`",
            )
        return tuple(found.values())

    def read(self, text: str) -> str | None:
        r"""Reads the answer: tags, box, the line that says `answer`, last number, last line.

        >>> Gym().read("So it is 7.\n**Answer: 1,234.**")
        '1234'
        """
        line = _TAIL if self._has_long_answers else _LINE
        for pattern in (_TAGS, _BOXED, line):
            found = pattern.findall(text)
            answer = self._narrow(found[-1]) if found else ""
            if answer:
                return answer
        numbers = _NUMBER.findall(text)
        if numbers:
            return _plain(numbers[-1])
        lines = [line for line in text.splitlines() if line.strip()]
        return (_plain(lines[-1]) or None) if lines else None

    def mark(self, problem: Problem, text: str) -> Mark:
        """Judges a text; strictly, its last line must be `Answer: X`."""
        answer = self.read(text)
        exact = (_STRICT_TAIL if self._has_long_answers else _STRICT).search(text)
        strict = exact.group(1) if exact else None
        return Mark(answer, self._grade(problem, answer), self._grade(problem, strict))

    @cached_property
    def _dataset(self) -> Any:  # noqa: ANN401 - reasoning-gym is untyped
        """The dataset; its item i comes from seed i."""
        dataset = self._build(0)
        # Some datasets refuse an index beyond their size; ours are hashed seeds.
        dataset.size = 2**31
        return dataset

    def _build(self, seed: int) -> Any:  # noqa: ANN401 - reasoning-gym is untyped
        import reasoning_gym  # noqa: PLC0415 - an extra

        pairs = [part.partition("=") for part in self.config.split(",") if part.strip()]
        settings = {name.strip(): int(value) for name, _, value in pairs}
        return reasoning_gym.create_dataset(self.name, size=1, seed=seed, **settings)

    @cached_property
    def _entries(self) -> dict[str, dict[str, Any]]:
        """Entries by problem id, so that marking need not draw them again."""
        return {}

    @cached_property
    def _examples(self) -> list[str]:
        """A few golds, from which the form of answers is seen."""
        return [str(self._entry(key("gym form", i) % 2**31)["answer"]) for i in range(5)]

    @property
    def _has_long_answers(self) -> bool:
        """Whether answers take several lines: grids, plans."""
        return any("\n" in gold for gold in self._examples)

    def _narrow(self, found: str) -> str:
        """Gives the answer in what was found: where answers are numbers, its last number."""
        if all(_NUMBER.fullmatch(gold) for gold in self._examples):
            numbers = _NUMBER.findall(found)
            return _plain(numbers[-1]) if numbers else ""
        return _plain(found)

    @cached_property
    def _is_evaluating(self) -> bool:
        """Whether the dataset's scorer evaluates answers as code."""
        source = inspect.getsource(type(self._dataset).score_answer)
        return _EVALUATES.search(source) is not None

    def _entry(self, seed: int) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = self._dataset[seed]
        except IndexError:  # a few datasets draw all items at first: one dataset a seed
            entry = self._build(seed)[0]
        return entry

    def _problem(self, seed: int, entry: dict[str, Any]) -> Problem:
        answer = entry["answer"]
        problem = Problem(
            id=f"gym/{self.name}/{seed}",
            question=str(entry["question"]),
            answer="" if answer is None else str(answer),
        )
        self._entries[problem.id] = entry
        return problem

    def _grade(self, problem: Problem, answer: str | None) -> Grade:
        """Judges one reading of an answer."""
        if answer is None:
            return Grade.UNREADABLE
        if problem.id not in self._entries:
            seed = int(problem.id.rpartition("/")[2])
            self._problem(seed, self._entry(seed))
        entry = self._entries[problem.id]
        gold = "" if entry["answer"] is None else str(entry["answer"])
        if _equal(answer, problem.answer) or answer == _plain(problem.answer):
            return Grade.CORRECT
        # The scrambled twin has another gold; the dataset's scorer knows only the first.
        if problem.answer != gold or (self._is_evaluating and not _is_safe(answer)):
            return Grade.INCORRECT
        try:
            score = float(self._dataset.score_answer(answer, entry))
        except Exception:  # noqa: BLE001 - scorers raise on answers that they cannot parse
            return Grade.UNREADABLE
        return Grade.CORRECT if score == _FULL_SCORE else Grade.INCORRECT


def _plain(text: str) -> str:
    """Gives an answer without decoration; numbers without commas."""
    text = text.strip().strip("*$`").strip()
    text = text.removesuffix(".").strip().strip('*$`"').strip()
    return text.replace(",", "") if _NUMBER.fullmatch(text) else text


def _equal(answer: str, gold: str) -> bool:
    """Says whether two answers are the same text or the same number."""
    if not gold:
        return False
    if answer == gold:
        return True
    try:
        return Decimal(answer) == Decimal(gold)
    except InvalidOperation:
        return False


def _is_safe(answer: str) -> bool:
    """Says whether an answer may go to a scorer that evaluates it: a formula or a list, no more.

    >>> _is_safe("3*(4 + 5)"), _is_safe("exec('x')"), _is_safe("9**9**9")
    (True, False, False)
    """
    bare = _QUOTED.sub("", answer)
    words = _WORDS.findall(bare)
    return (
        len(answer) <= _MOST_EVALUATED
        and _HARMLESS.fullmatch(bare) is not None
        and _HEAVY.search(bare) is None
        and all(len(word) == 1 or word in _FUNCTIONS for word in words)
    )
