"""What the 64 answers say: cut, running on, unreadable, all the same, too easy, without signal."""

import math
import re
from collections import Counter

from modicum.analysis.detect import chance_of_equal
from modicum.doctor.exam import Exam, of, only, share
from modicum.types import Completion, Finding, Grade

__all__ = [
    "constant_groups",
    "difficulty",
    "empty",
    "endless",
    "format_gap",
    "not_finite",
    "recommended_limit",
    "running_on",
    "same_answer",
    "thinking_cut",
    "truncated",
    "unmarked",
    "unreadable",
]

MOSTLY = 0.5
"""Half of the answers: where more than that is broken, figures describe the fault, not the model."""
WANTED_CUT = 0.01
"""Share of answers that a recommended limit may still cut off: well below any margin in use."""
MOST_GROWTH = 16
"""Times the present limit that a recommendation may reach; longer tails are guesswork."""
WEAK_SIGNAL = 1 / 8
"""Share of problems whose rewards differ, at which a usual batch of eight prompts holds one that
teaches anything."""
FORMAT = 0.1
"""Strict readings below lenient ones by more than this are a gain that format alone could bring."""
UNREAD = 0.2
"""Share of unreadable answers from which accuracy says more of the reading than of the answers;
the null that the study's own rules bear is as large."""
RUNS_ON = 0.1
"""Share of answers with another question behind them from which reading takes the wrong answer."""
SAME = 0.75
"""Share of the commonest answer that no varied task gives rise to (see `same_answer`)."""
LUCKY = 0.125
"""Share of right answers that says nothing yet: two of the sixteen greedy ones."""
EASY, HARD = 0.95, 0.0
"""Greedy accuracy without room above it, and without a single hit below it."""
FEWEST = 8
"""Problems below which shares are not judged."""

_RUN_ON = re.compile(
    r"\n\s*(?:#+\s*)?(?:question|problem|q|user|human|input|exercise)\s*\d*\s*[:.\n]"
    r"|<\|(?:im_start|user|endoftext)",
    re.IGNORECASE,
)
_LOOP = re.compile(r"(.{4,80}?)\1{3,}\s*\Z", re.DOTALL)


def truncated(exam: Exam) -> tuple[Finding, ...]:
    """Find answers cut by the length limit, and a limit that would cut one in a hundred."""
    drawn = exam.completions
    cut = [c for c in drawn if c.stop == "length"]
    rate = len(cut) / len(drawn) if drawn else 0.0
    if rate <= exam.margin:
        return ()
    limit = exam.sheet.max_new_tokens
    looping = sum(bool(_LOOP.search(c.text)) for c in cut)
    found = f"{of(len(cut), len(drawn), 'answers')} were cut off at the limit of {limit} tokens"
    if looping > len(cut) / 2:
        found += f"; {looping} of them repeat the same text"
        action = "a longer limit will not help: add a stop string or ask for short answers"
    elif _rambles(exam):
        right = sum(asked.greedy_mark.lenient == Grade.CORRECT for asked in exam.asked)
        found += (
            f"; the model rambles: {right} of {len(exam.asked)} greedy answers are right, and those "
            "that end by themselves are no better than chance"
        )
        action = (
            "a longer limit will not help: ask for short answers, add a stop string, or choose a "
            "stronger model"
        )
        return (Finding("truncated", "doubt", found, action),)
    else:
        action = f"set --max-new-tokens {recommended_limit(drawn, limit)}"
    return (Finding("truncated", "fault" if rate >= MOSTLY else "doubt", found, action),)


def _rambles(exam: Exam) -> bool:
    """Say whether answers that were not cut are at chance too: then the limit is not what is wrong.

    Where next to none ends by itself, nothing can be said; nor of a model that thinks aloud first.
    """
    chance = max(chance_of_equal([p.answer for p in exam.golds.problems]), LUCKY)
    greedy = [asked.greedy_mark.lenient == Grade.CORRECT for asked in exam.asked]
    pairs = zip(exam.completions, exam.marks, strict=True)
    ended = [mark.lenient == Grade.CORRECT for drawn, mark in pairs if drawn.stop != "length"]
    if exam.prompts.style.thinking is not None or min(len(greedy), len(ended)) < FEWEST:
        return False
    return share(greedy) <= chance and share(ended) <= chance


def recommended_limit(drawn: tuple[Completion, ...], limit: int) -> int:
    """Return a limit that should cut `WANTED_CUT` of the answers, from the quantiles of lengths.

    Lengths beyond the limit are not seen. Their tail is taken as exponential between the median
    and the limit; where half or more is cut, four times the limit is asked for and looked at again.

    >>> drawn = tuple(Completion("", n, "eos") for n in range(10, 100))
    >>> recommended_limit(drawn, 100)
    128
    """
    lengths = sorted(c.n_tokens for c in drawn)
    cut = sum(c.stop == "length" for c in drawn) / len(lengths)
    median = lengths[len(lengths) // 2]
    if cut >= MOSTLY or median >= limit:
        wanted = 4.0 * limit
    elif cut <= WANTED_CUT:
        wanted = 1.25 * lengths[int((1 - WANTED_CUT) * (len(lengths) - 1))]
    else:
        rate = math.log(MOSTLY / cut) / (limit - median)
        wanted = min(limit + math.log(cut / WANTED_CUT) / rate, float(MOST_GROWTH * limit))
    return 16 * math.ceil(wanted / 16)


def constant_groups(exam: Exam) -> tuple[Finding, ...]:
    """Find problems whose samples are all right or all wrong: they teach rewards nothing."""
    groups = [asked for asked in exam.asked if asked.marks]
    varied = sum(0 < asked.hits < len(asked.marks) for asked in groups)
    if len(groups) < FEWEST or varied > WEAK_SIGNAL * len(groups):
        return ()
    right = sum(asked.hits == len(asked.marks) for asked in groups)
    n = len(groups[0].marks)
    users = sorted({rung.name for rung in exam.rungs if rung.learns_from_rewards})
    found = (
        f"{_equal(right, len(groups) - varied - right, len(groups), n)}, so methods that learn from "
        "rewards have almost nothing to learn from"
    )
    if not users:
        return (Finding("constant_rewards", "fact", found),)
    action = (
        f"{', '.join(users)} may learn nothing: draw more samples per problem, choose easier or "
        "harder problems, or use a method that learns from worked solutions"
    )
    return (Finding("constant_rewards", "doubt", found, action),)


def _equal(right: int, wrong: int, whole: int, n: int) -> str:
    """Say on how many problems all samples are wrong, or right."""
    said = [f"on {wrong} of {whole} problems all {n} samples are wrong"] * (wrong > 0)
    said += [f"on {right}{'' if wrong else f' of {whole} problems'} all {n} are right"] * (
        right > 0
    )
    return " and ".join(said)


def format_gap(exam: Exam) -> tuple[Finding, ...]:
    """Find answers that are right leniently and not strictly: gains in format come cheap."""
    marks = exam.marks
    lenient = sum(mark.lenient == Grade.CORRECT for mark in marks)
    strict = sum(mark.strict == Grade.CORRECT for mark in marks)
    if not marks or lenient - strict <= FORMAT * len(marks):
        return ()
    found = (
        f"{of(lenient, len(marks), 'answers')} are right by the lenient reading, only {strict} by the "
        "strict one: the model misses the exact format"
    )
    action = "rely on lenient accuracy; a gain in strict accuracy alone is a gain in format"
    return (Finding("format_gap", "doubt", found, action),)


def unreadable(exam: Exam) -> tuple[Finding, ...]:
    """Find answers from which nothing can be read."""
    lost = [
        completion
        for completion, mark in zip(exam.completions, exam.marks, strict=True)
        if mark.lenient == Grade.UNREADABLE
    ]
    rate = len(lost) / len(exam.marks) if exam.marks else 0.0
    if rate <= UNREAD:
        return ()
    example = lost[0].text.strip()[:60]
    found = f"{of(len(lost), len(exam.marks), 'answers')} cannot be read, such as {example!r}"
    action = "tell the model in the prompt how to write its answer, or choose another marker"
    return (Finding("unreadable", "fault" if rate >= MOSTLY else "doubt", found, action),)


def unmarked(exam: Exam) -> tuple[Finding, ...]:
    """Find texts on which the marker hung, died or failed, though few."""
    n, first = exam.unmarked
    if not n:
        return ()
    found = f"the marker failed on {n} of the answers, which count as unreadable: {first}"
    return (Finding("unmarked", "doubt", found, "fix the marker so that it handles such texts"),)


def running_on(exam: Exam) -> tuple[Finding, ...]:
    """Find answers that go on with a question of their own: their last answer is not the one asked."""
    head = exam.prompts.style.template.partition("{question}")[0].strip()

    def goes_on(text: str) -> bool:
        if _RUN_ON.search("\n" + text.lstrip("\n")) is not None:
            return True
        return len(head) > 3 and f"\n{head}" in text

    count = sum(goes_on(c.text) for c in exam.completions)
    if count <= RUNS_ON * len(exam.completions):
        return ()
    found = (
        f"{of(count, len(exam.completions), 'answers')} continue with a new question: "
        "the lenient reading may take the answer to that one"
    )
    action = 'add a stop string to the style, such as "\\nQuestion:"'
    return (Finding("runs_on", "doubt", found, action),)


def endless(exam: Exam) -> tuple[Finding, ...]:
    """Find a model that never ends by itself, or a tokenizer without an end token."""
    if exam.prompts.lacks_end:
        found = "the tokenizer has no end token, so no answer can end by itself"
        action = "define the end token in the tokenizer's files, or give a stop string"
        return (Finding("no_end_token", "fault", found, action),)
    drawn = exam.completions
    if not drawn or any(c.stop in ("eos", "stop") for c in drawn):
        return ()
    found = f"none of {len(drawn)} answers ended by itself: the model never produces its end token"
    action = "use the model's chat template, give a stop string, or check the end token"
    return (Finding("never_ends", "fault", found, action),)


def thinking_cut(exam: Exam) -> tuple[Finding, ...]:
    """Find thinking that the limit cut off before its closing delimiter: nothing was answered."""
    style, drawn = exam.prompts.style, exam.completions
    lost = sum(c.stop == "length" and style.answer(c.text) is None for c in drawn)
    rate = lost / len(drawn) if drawn else 0.0
    if rate <= exam.margin:
        return ()
    limit = exam.sheet.max_new_tokens
    found = f"the limit of {limit} tokens cut off the thinking in {of(lost, len(drawn), 'answers')}"
    action = f"set --max-new-tokens {recommended_limit(drawn, limit)}"
    return (Finding("thinking_cut", "fault" if rate >= MOSTLY else "doubt", found, action),)


def empty(exam: Exam) -> tuple[Finding, ...]:
    """Find a model that says nothing."""
    silent = sum(not c.text.strip() for c in exam.completions)
    if silent <= UNREAD * len(exam.completions):
        return ()
    found = f"{of(silent, len(exam.completions), 'answers')} are empty"
    action = "check the chat template and the stop strings: the model may stop immediately"
    return (Finding("empty", "fault", found, action),)


def not_finite(exam: Exam) -> tuple[Finding, ...]:
    """Find log-probabilities that are no numbers: broken weights or an overflow."""
    broken = sum(not math.isfinite(score) for score in exam.scores)
    if not broken:
        return ()
    found = f"{broken} of {len(exam.scores)} log-probabilities of the model's own answers are not finite"
    action = "check the weights and the number format (float32 instead of float16)"
    return (Finding("not_finite", "fault", found, action),)


def same_answer(exam: Exam) -> tuple[Finding, ...]:
    """Find a model that says the same whatever is asked.

    Looked at only where the golds vary: a task whose own golds are mostly equal may well be
    answered so.
    """
    golds = Counter(asked.problem.answer for asked in exam.asked)
    answers = Counter(mark.answer for mark in exam.marks if mark.answer is not None)
    if len(exam.asked) < FEWEST or not answers:
        return ()
    text, count = answers.most_common(1)[0]
    is_varied = golds.most_common(1)[0][1] <= MOSTLY * len(exam.asked)
    if not is_varied or count < SAME * answers.total():
        return ()
    found = f"{of(count, answers.total(), 'answers')} are {text[:40]!r}, whatever the question"
    action = "check that the question reaches the model and that answers are read correctly"
    return (Finding("same_answer", "doubt", found, action),)


def difficulty(exam: Exam) -> tuple[Finding, ...]:
    """Say where there may be nothing to find: solved already, or never hit."""
    right = [asked.greedy_mark.lenient == Grade.CORRECT for asked in exam.asked]
    if len(right) < FEWEST:
        return ()
    n_right = sum(right)
    if share(right) >= EASY:
        found = f"too easy: {of(n_right, len(right), 'greedy answers')} are already right"
        return only(Finding("too_easy", "fact", found))
    hits = sum(asked.hits for asked in exam.asked)
    if hits == 0 and share(right) == HARD:
        drawn = len(exam.completions)
        found = (
            f"too hard as asked: none of {drawn} answers is right; only the worked form, worked "
            "solutions or many more samples could show an ability"
        )
        return only(Finding("too_hard", "fact", found))
    found = f"{n_right} of {len(right)} greedy answers and {hits} of {len(exam.samples)} samples are right"
    return only(Finding("accuracy", "fact", found))
