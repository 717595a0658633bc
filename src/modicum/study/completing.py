"""Whether a model knows test questions by heart: the rest of each, completed from its first words.

The first words stand alone, without chat template, style or instruction. The same is asked of each question
with other numbers, which nobody can have seen: what is completed there too is the way such questions are
written, and no memory of one.

Source: Wu et al. 2025 (2507.10532), completion of questions from their first 60 % by exact match and
    ROUGE-L; Carlini et al. 2023 (2202.07646), extraction by prefix; Lin 2004 (ROUGE, W04-1013), the
    overlap.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from modicum.ledger import Ledger
from modicum.marking.marks import Unmarked
from modicum.model import MODELS, Language, Model, plugin_of
from modicum.nudge import Solver
from modicum.outcome import Agreement, CompletedQuestion
from modicum.seeds import stream
from modicum.study.problem_sets import problems_of
from modicum.task import Task
from modicum.types import Grade, Problem, Request, Sampling, Trial

__all__ = [
    "CUT",
    "FEWEST",
    "LIMITS",
    "QUESTIONS",
    "Parted",
    "agreement",
    "common_length",
    "completed",
    "completed_and_answered",
    "completing",
    "cut_questions",
    "overlap",
    "parted",
    "with_other_numbers",
]

CUT = 0.6
"""Share of a question's words that is given."""
QUESTIONS = 40
"""Test questions, the first ones."""
FEWEST = 8
"""Words and signs that a rest must have: fewer may agree by chance."""
LIMITS = (16, 32, 64, 128)
"""Tokens at which a completion ends: the least that the rest fits into, so that few lengths make few
batches."""
CHARACTERS = 2.5
"""Characters a token, low on purpose: numbers and formulas have short ones."""
LONGEST = int(LIMITS[-1] * CHARACTERS)
"""Characters of a rest that are compared."""

_UNIT = re.compile(r"\w+|[^\s\w]")
_WORD = re.compile(r"\w+")
_NUMERAL = re.compile(r"(?<!\w)\d+")


@dataclass(frozen=True)
class Parted:
    """A question's first words and the rest of it."""

    head: str
    tail: str
    """With the space that it begins with, and no more of it than is compared."""


def completing(trial: Trial) -> Trial | None:
    """Return the trial that completes test questions; None of a model that no outside text has taught.

    Args:
        trial: The greedy trial of a subject in its default style.
    """
    stated = MODELS.entry(plugin_of(trial.model)[0]).stated
    if not stated.get("pretrained", False):
        return None
    first = min(QUESTIONS, trial.scope.size("test"))
    return replace(trial, scope=replace(trial.scope, first=first, cut=CUT))


def parted(question: str, share: float = CUT) -> Parted | None:
    """Part a question after a share of its words; None where its rest is too short.

    >>> parted("one two three")
    """
    ends = [word.end() for word in re.finditer(r"\S+", question)]
    place = ends[math.ceil(share * len(ends)) - 1] if ends else 0
    tail = question[place:]
    if len(tail) > LONGEST:
        tail = tail[:LONGEST].rpartition(" ")[0]
    return Parted(question[:place], tail) if len(_UNIT.findall(tail)) >= FEWEST else None


def with_other_numbers(question: str, pool: Sequence[str], *names: str) -> str:
    """Return a question with each of its numerals exchanged for one of as many digits.

    Equal numerals stay equal and different ones different as far as there are enough; nothing else moves.

    Args:
        question: What is altered.
        pool: Numerals to take, as other questions have them, so that they look alike.
        names: Names of the random stream.
    """
    rng, taken = stream("other numbers", *names), dict[str, str]()
    for numeral in dict.fromkeys(_NUMERAL.findall(question)):
        used = {*taken.values(), numeral}
        free = [n for n in pool if _is_alike(n, numeral) and n not in used]
        if not free:
            least = 10 ** (len(numeral) - 1) if len(numeral) > 1 else 0
            made = (str(rng.integers(least, 10 ** min(len(numeral), 18))) for _ in range(64))
            free = [n for n in made if len(n) == len(numeral) and n not in used][:1] or [numeral]
        taken[numeral] = free[int(rng.integers(len(free)))]
    return _NUMERAL.sub(lambda found: taken[found[0]], question)


def _is_alike(one: str, other: str) -> bool:
    return len(one) == len(other) and (one[0] == "0") == (other[0] == "0")


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence of two lists of words.

    Cost: a step a word of the second list, on whole numbers of as many bits as the first has words.

    >>> common_length("police killed the gunman".split(), "police kill the gunman".split())
    3
    """
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    whole = (1 << len(one)) - 1
    row = whole  # a bit that has fallen to 0 is a word more in common
    for word in other:
        same = row & places.get(word, 0)
        row = ((row + same) | (row - same)) & whole
    return len(one) - row.bit_count()


def overlap(said: Sequence[str], rest: Sequence[str]) -> float:
    """Return ROUGE-L: the harmonic mean of the common subsequence's share of either list of words.

    >>> overlap("police killed the gunman".split(), "police kill the gunman".split())
    0.75
    """
    words = len(said) + len(rest)
    return 2 * common_length(said, rest) / words if words else 0.0


def agreement(said: str, rest: str) -> Agreement:
    """Return how far a completion agrees with a rest; what it says beyond that length does not count."""
    one, other = _units(said), _units(rest)
    words = _words(rest)
    return Agreement(one[: len(other)] == other, overlap(_words(said)[: len(words)], words))


def completed(
    model: Model, problems: Sequence[Problem], ledger: Ledger, share: float = CUT
) -> tuple[CompletedQuestion, ...]:
    """Let a model complete questions greedily; nothing where it takes no raw text, or all are too short.

    Args:
        model: Its completions are kept as answers to test questions are.
        problems: Test problems; golds are not read.
        ledger: Counts what is drawn.
        share: Of a question's words that is given, in (0, 1).
    """
    language = model.language
    if language is None or not language.takes_raw:
        return ()
    parts = _parts(problems, share)
    own = {name: part for name, part in parts.items() if language.can_encode(part.head)}
    changed = _altered(problems, own, language)
    said = _continued(model, [*own.values(), *changed.values()], ledger)
    texts = dict(zip(own, said, strict=False))
    others = dict(zip(changed, said[len(own) :], strict=True))
    return tuple(
        CompletedQuestion(
            name,
            agreement(texts[name], part.tail),
            _best([agreement(texts[name], p.tail) for p in own.values() if p.head != part.head]),
            agreement(others[name], changed[name].tail) if name in changed else None,
        )
        for name, part in own.items()
    )


def completed_and_answered(
    solver: Solver, task: Task, trial: Trial, ledger: Ledger, unmarked: Unmarked
) -> tuple[CompletedQuestion, ...]:
    """Let the model complete test questions, and answer them from their first words alone.

    Args:
        solver: The model in its default style.
        task: Marks the answers.
        trial: One of `completing`; of any other nothing is drawn.
        ledger: Counts what is drawn.
        unmarked: Counts what the marker failed on.
    """
    share = trial.scope.cut
    if not share:
        return ()
    problems = problems_of(task, "test", trial.scope)
    ledger.says(f"completing {len(problems)} questions")
    with ledger.timed():
        found = completed(solver.model, problems, ledger, share)
        names = {one.problem for one in found}
        whole = [problem for problem in problems if problem.id in names]
        asked = [replace(p.hidden(), split="test") for p in cut_questions(whole, share)]
        solved = solver.solve(asked, stream="completing", ledger=ledger)
        answers = unmarked.answered(task, whole, solved, solver.nudge.style)
    right = {answer.problem: answer.mark.lenient == Grade.CORRECT for answer in answers}
    return tuple(replace(one, is_right=right[one.problem]) for one in found)


def cut_questions(problems: Sequence[Problem], share: float = CUT) -> tuple[Problem, ...]:
    """Return those problems that can be parted, each asked with its first words alone."""
    parts = _parts(problems, share)
    return tuple(replace(p, question=parts[p.id].head) for p in problems if p.id in parts)


def _parts(problems: Sequence[Problem], share: float) -> dict[str, Parted]:
    found = {problem.id: parted(problem.question, share) for problem in problems}
    return {name: part for name, part in found.items() if part is not None}


def _altered(
    problems: Sequence[Problem], own: Mapping[str, Parted], language: Language
) -> dict[str, Parted]:
    """Return the parts of questions with other numbers, of those whose first words have any."""
    pool = sorted({n for problem in problems for n in _NUMERAL.findall(problem.question)})
    found = {}
    for problem in problems:
        if problem.id not in own:
            continue
        part, other = own[problem.id], with_other_numbers(problem.question, pool, problem.id)
        end = len(part.head)  # a numeral keeps its length, and every other character its place
        if other[:end] != part.head and language.can_encode(other[:end]):
            found[problem.id] = Parted(other[:end], other[end : end + len(part.tail)])
    return found


def _continued(model: Model, parts: Sequence[Parted], ledger: Ledger) -> list[str]:
    """Return what follows each question's first words, as many tokens as its rest may have."""
    said = [""] * len(parts)
    for limit in LIMITS:
        places = [i for i, part in enumerate(parts) if _limit(part.tail) == limit]
        requests = [Request(parts[i].head, f"completing-{i}", split="test") for i in places]
        sampling = Sampling(limit, temperature=0.0, stream="completing")
        drawn = model.generate(requests, sampling, ledger) if requests else []
        for i, group in zip(places, drawn, strict=True):
            said[i] = group[0].text
    return said


def _limit(tail: str) -> int:
    return next((n for n in LIMITS if n * CHARACTERS >= len(tail)), LIMITS[-1])


def _best(found: Sequence[Agreement]) -> Agreement:
    """Return the highest of either figure."""
    return Agreement(
        any(one.exact for one in found), max((one.overlap for one in found), default=0.0)
    )


def _units(text: str) -> list[str]:
    return [unit.casefold() for unit in _UNIT.findall(text)]


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
