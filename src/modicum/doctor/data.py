"""What is wrong with problems: golds their marker rejects, leaks, duplicates, overlap, guessing."""

import re
from collections import Counter, defaultdict

from modicum.analysis.detect import chance_of_equal
from modicum.analysis.sampling import NULL_LIMIT
from modicum.doctor.exam import Exam, FindingLevel, of, only
from modicum.stats.written import count
from modicum.types import Finding, Problem, Split

__all__ = [
    "duplicates",
    "guessable",
    "leaked_in_prompt",
    "leaked_in_question",
    "loose_marker",
    "overlap",
    "plain",
    "rejected_golds",
]

MOSTLY = 0.5
FEWEST = 8
"""Problems below which shares are not judged."""
LEAKED = 0.3
"""Share of questions that state their gold as an answer. Chance states a short gold now and then,
so the same rate against other problems' golds is taken off first."""
BEARABLE = 0.01
"""Share of test problems that may stand in another split: what it adds to a score is below any
margin in use."""
_STATED = re.compile(
    r"(?:answer|solution|result|gold|label)\s*(?:is|:|=|\))?\s*:?\s*$|####\s*$", re.IGNORECASE
)
_ROW = re.compile(r"\.|\.[0-9.]+|[0-9]+\.\.[0-9.]*|[0-9]+\.[0-9]+\.[0-9.]*")
"""A row of a board with empty cells: dots before a digit, two in a row, or several within."""
_DROPPED = re.compile(
    r"""["'“”‘’`.,;:!?()\[\]{}…]+(?=\s|$)|(?:(?<=\s)|^)["'“”‘’`(\[{]+|(?<=\d),(?=\d{3})"""
)


def rejected_golds(exam: Exam) -> tuple[Finding, ...]:
    """Find golds that their own marker rejects: no answer can ever be right there."""
    golds = exam.golds
    if not golds.rejected:
        return ()
    first = golds.rejected[0]
    n, whole = len(golds.rejected), len(golds.problems)
    found = (
        f"the marker rejects the gold answer of {of(n, whole, 'problems')}, such as {first.answer[:60]!r} "
        f"of {first.id}"
    )
    # Where a few golds are odd, accuracy is too low by that share; beyond the margin it misleads.
    level: FindingLevel = "fault" if n > exam.margin * whole else "doubt"
    return (
        Finding(
            "gold_rejected", level, found, "correct those gold answers, or choose another marker"
        ),
    )


def loose_marker(exam: Exam) -> tuple[Finding, ...]:
    """Find a marker that accepts other problems' golds."""
    golds = exam.golds
    if golds.compared < FEWEST or golds.strangers <= exam.margin * golds.compared:
        return ()
    found = (
        f"the marker accepts another problem's gold answer for "
        f"{of(golds.strangers, golds.compared, 'problems')}"
    )
    level: FindingLevel = "fault" if golds.strangers >= MOSTLY * golds.compared else "doubt"
    return (Finding("loose_marker", level, found, "choose a stricter marker"),)


def leaked_in_question(exam: Exam) -> tuple[Finding, ...]:
    """Find golds, or whole worked solutions, that the question states as such.

    A gold that merely occurs in its question is no leak: choices and names must.
    """
    problems = exam.golds.problems
    shown = [p for p in problems if p.solution and _holds(p.question, p.solution)]
    own = [_states(p.question, p.answer) for p in problems]
    others = [
        _states(p.question, q.answer)
        for p, q in zip(problems, [*problems[1:], *problems[:1]], strict=True)
        if q.answer != p.answer
    ]
    chance = sum(others) / len(others) if others else 0.0
    rate = sum(own) / len(own) if own else 0.0
    if not shown and rate - chance < LEAKED:
        return ()
    n, what = max((len(shown), "worked solution"), (sum(own), "gold answer"))
    found = f"{of(n, len(problems), 'questions')} state their own {what}"
    return (Finding("leaked", "fault", found, "remove the answers from the questions"),)


def leaked_in_prompt(exam: Exam) -> tuple[Finding, ...]:
    """Find answers, or test questions, in what stands around every question."""
    style = exam.prompts.style
    around = style.template.replace("{question}", "\n") + "\n" + (style.system or "")
    golds = Counter(p.answer.strip() for p in exam.golds.problems if p.answer.strip())
    told = {gold: n for gold, n in golds.items() if _holds(around, gold)}
    n_told, whole = sum(told.values()), golds.total()
    text = plain(around)
    seen = [p for p in exam.splits.get("test", ()) if _is_long(p) and plain(p.question) in text]
    answer = question = None
    # One number in an instruction (`four digits`) may be the gold of a few; not of a third of all.
    if whole >= FEWEST and n_told >= LEAKED * whole:
        found = f"the prompt itself contains the gold answer of {of(n_told, whole, 'problems')}"
        answer = Finding("leaked_prompt", "fault", found, "remove the answers from the prompt")
    if seen:
        found = f"the prompt contains {count(len(seen), 'test question')}, such as {seen[0].question[:60]!r}"
        question = Finding("test_in_prompt", "fault", found, "use other problems in the prompt")
    return only(answer, question)


def duplicates(exam: Exam) -> tuple[Finding, ...]:
    """Find questions that stand twice in a split, apart from case, spaces and punctuation."""
    found = []
    for split, problems in exam.splits.items():
        groups: dict[str, list[Problem]] = defaultdict(list)
        for problem in problems:
            groups[plain(problem.question)].append(problem)
        again = [group for group in groups.values() if len(group) > 1]
        extra = sum(len(group) - 1 for group in again)
        torn = sum(len({p.answer for p in group}) > 1 for group in again)
        if not again:
            continue
        text = (
            f"{of(extra, len(problems), f'{split} problems')} repeat another one (ignoring case, "
            f"spaces and punctuation), such as {again[0][0].question[:60]!r}"
        )
        if torn:
            text += f"; {torn} of them with different gold answers"
        level: FindingLevel = "doubt" if extra > BEARABLE * len(problems) or torn else "fact"
        action = "keep one of each: repeats make the intervals too narrow"
        found.append(Finding("duplicates", level, text, action if level == "doubt" else ""))
    return tuple(found)


def overlap(exam: Exam) -> tuple[Finding, ...]:
    """Find test questions that stand in the shots or the selection split as well."""
    test = {plain(p.question) for p in exam.splits.get("test", ())}
    found = []
    others: tuple[Split, ...] = ("shots", "selection")
    for split in others:
        both = [p for p in exam.splits.get(split, ()) if plain(p.question) in test]
        distinct = len({plain(p.question) for p in both})
        if not distinct:
            continue
        text = (
            f"{of(distinct, len(test), 'test questions')} are in the {split} split as well, such as "
            f"{both[0].question[:60]!r}"
        )
        level: FindingLevel = "fault" if distinct > BEARABLE * len(test) else "doubt"
        found.append(Finding("overlap", level, text, "split by question, not by row"))
    return tuple(found)


def guessable(exam: Exam) -> tuple[Finding, ...]:
    """Find golds so few that guessing hits them: pass@k then says nothing.

    The chance that two problems share a gold, unbiased, is what a blind guess reaches. Above the
    null's limit of the study's own rules the ceiling cannot come from sampling.
    """
    chance = chance_of_equal([p.answer for p in exam.golds.problems])
    if chance <= NULL_LIMIT:
        return ()
    golds = {p.answer.strip() for p in exam.golds.problems}
    found = (
        f"{len(exam.golds.problems)} problems have only {count(len(golds), 'distinct gold answer')}: a "
        f"blind guess is right {100 * chance:.0f} % of the time, so drawing many samples shows nothing"
    )
    action = "ask for open answers if you can; otherwise rely on majority, worked form and methods"
    return (Finding("guessable", "doubt", found, action),)


def plain(question: str) -> str:
    """Return a question without case, punctuation at word ends, and extra spaces.

    Signs between numbers stay: they are the question. So do the dots of a board's row, which are its
    empty cells.

    >>> plain("What is  3 - 2?") == plain("what is 3 - 2"), plain("3 - 2") == plain("3 + 2")
    (True, False)
    >>> plain("Fill in: .2.. 3..."), plain("It is 2.")
    ('fill in .2.. 3...', 'it is 2')
    """
    words = question.casefold().split()
    if not any(map(_ROW.fullmatch, words)):
        return " ".join(_DROPPED.sub("", question.casefold()).split())
    kept = (word if _ROW.fullmatch(word) else _DROPPED.sub("", word) for word in words)
    return " ".join(filter(None, kept))


def _is_long(problem: Problem) -> bool:
    """Say whether a question is long enough not to occur by chance."""
    return len(problem.question) >= 16


def _states(question: str, gold: str) -> bool:
    """Say whether the gold stands at the end of the question behind a word such as `answer`."""
    gold = gold.strip()
    if not gold:
        return False
    places = (m.start() for m in re.finditer(rf"(?<!\w){re.escape(gold)}(?!\w)", question))
    return any(_STATED.search(question[:place].rstrip(" \"'*([{")) for place in places)


def _holds(text: str, part: str) -> bool:
    """Say whether a text holds a part as whole words."""
    part = " ".join(part.split())
    flat = " ".join(text.split())
    return bool(part) and re.search(rf"(?<!\w){re.escape(part)}(?!\w)", flat) is not None
