"""Problems of reasoning-gym, by the name of the dataset: `gym:chain_sum`, say."""

import dataclasses
import inspect
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, ClassVar, final

from modicum.answers import FORMS, Form, Numbers, Reading, Stated, Texts
from modicum.errors import ConfigError, UnknownNameError
from modicum.seeds import key
from modicum.stats.written import count
from modicum.task import QUESTION_ANSWER, Sheet, Task
from modicum.task_names import gym_names
from modicum.types import Grade, Mark, Problem, Split

__all__ = ["Gym"]

_SPLITS: tuple[Split, ...] = ("shots", "selection", "test", "test")
"""Which split a question belongs to, by a hash of its text: splits cannot meet."""
_TRIES = 40
"""Draws a wanted problem may cost before its split counts as exhausted."""
_FULL_SCORE = 1.0
"""Exactly: sums of 1/n that stop just short of 1, or pass it, are prefixes, not answers."""
_NONSENSE = "no answer at all"
_LINE = FORMS["line"]
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

    version: ClassVar[int] = 3
    """3: answers are read as the markers `number` and `exact` read them."""
    problems_since: ClassVar[int | None] = 2

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
            template=f"{{question}}\n{_LINE.instruction}\n",
            max_new_tokens=self.max_new_tokens,
            triggers=(dataclasses.replace(QUESTION_ANSWER, name="question-answer"),),
        )

    def check(self) -> None:
        """Look whether the dataset exists and takes its settings.

        Raises:
            ConfigError: reasoning-gym is not installed, or a setting is wrong.
            UnknownNameError: no such dataset.
        """
        names = gym_names()
        if self.name not in names:
            raise UnknownNameError("reasoning-gym dataset", self.name, names)
        try:
            self._dataset  # noqa: B018 - building it is the check
        except (TypeError, ValueError, AssertionError) as error:
            raise ConfigError(
                f"gym:{self.name} with config {self.config!r}: {error}",
                "settings of this dataset, key=value",
                "see reasoning_gym.create_dataset",
            ) from error

    @property
    def notes(self) -> tuple[str, ...]:
        """Say where a dataset names no gold: many answers are right, and a scorer knows them."""
        if any(self._examples):
            return ()
        return (
            "its problems name no gold; its scrambled twin is no control, luck is not measured",
        )

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n distinct problems of a split; seeds are hashed, never in a row.

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
                f"{count(len(found), 'distinct problem')} of gym:{self.name} in split {split!r}",
                f"{n}",
                "ask for fewer, or widen the dataset with `config`",
            )
        return tuple(found.values())

    def read(self, text: str) -> str | None:
        r"""Read a number where every answer is one, else a text: where it is said, then anywhere.

        >>> Gym().read("So it is 7.\n**Answer: 1,234.**")
        '1234'
        """
        return self.reading.read(text, self._form)

    def mark(self, problem: Problem, text: str) -> Mark:
        """Judge a text; strictly, its last line must be `Answer: X`."""
        answer, strict = self.reading.both(text, self._form)
        grade = self._grade(problem, answer)
        return Mark(answer, grade, Grade.UNREADABLE if strict is None else grade)

    @property
    def rule(self) -> Stated:
        """The reading with the form."""
        return Stated(self.reading, self._form)

    @property
    def reading(self) -> Reading:
        """How answers are read: as numbers where every gold is one, else as texts."""
        return Numbers() if self._has_numbers else Texts()

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
        entries = [self._entry(key("gym form", i) % 2**31) for i in range(5)]
        return ["" if entry["answer"] is None else str(entry["answer"]) for entry in entries]

    @cached_property
    def _has_long_answers(self) -> bool:
        """Whether answers take several lines: grids, plans."""
        return any("\n" in gold for gold in self._examples)

    @property
    def _form(self) -> Form:
        return dataclasses.replace(_LINE, is_long=self._has_long_answers)

    @cached_property
    def _has_numbers(self) -> bool:
        """Whether every answer is a number."""
        return all(Numbers().whole(gold) for gold in self._examples)

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
        """Judge one reading of an answer."""
        if answer is None:
            return Grade.UNREADABLE
        if problem.id not in self._entries:
            seed = int(problem.id.rpartition("/")[2])
            self._problem(seed, self._entry(seed))
        entry = self._entries[problem.id]
        gold = "" if entry["answer"] is None else str(entry["answer"])
        if _equal(answer, problem.answer) or answer == self.reading.whole(problem.answer):
            return Grade.CORRECT
        # The scrambled twin has another gold; the dataset's scorer knows only the first.
        if problem.answer != gold or (self._is_evaluating and not _is_safe(answer)):
            return Grade.INCORRECT
        score = self._score(answer, entry)
        if score is None:
            return Grade.UNREADABLE
        # One scorer counts any text as `True`: where nonsense is right, only the gold counts.
        is_full = score == _FULL_SCORE and self._score(_NONSENSE, entry) != _FULL_SCORE
        return Grade.CORRECT if is_full else Grade.INCORRECT

    def _score(self, answer: str, entry: dict[str, Any]) -> float | None:
        """The dataset's own score; None where its scorer cannot parse the answer and raises."""
        try:
            return float(self._dataset.score_answer(answer, entry))
        except Exception:  # noqa: BLE001 - scorers raise whatever they like
            return None


def _equal(answer: str, gold: str) -> bool:
    """Say whether two answers are the same text or the same number."""
    if not gold:
        return False
    if answer == gold:
        return True
    try:
        return Decimal(answer) == Decimal(gold)
    except InvalidOperation:
        return False


def _is_safe(answer: str) -> bool:
    """Say whether an answer may go to a scorer that evaluates it: a formula or a list, no more.

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
