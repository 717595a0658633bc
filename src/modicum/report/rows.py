"""Every answer of the store as rows for the page's browser, within what a page may weigh."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from modicum.analysis.printed import control_name, printed
from modicum.analysis.verdict import Verdict
from modicum.plain import JsonValue
from modicum.report.evidence import trials_of
from modicum.report.packed import as_line, compressed, size_in_page
from modicum.report.questions import Questions
from modicum.report.untrusted import cut
from modicum.store.database import Answer, Outcome, Store
from modicum.study.editions import TaskVersions
from modicum.study.grid import MEASURES

__all__ = ["CAPS", "LONG", "SHORT", "ArmAnswers", "Cap", "Rows", "arms_of", "read_rows"]

LONG, SHORT = 20_000, 2_000
"""Most characters of one answer: where the study is small, and where it is not."""
WEIGHT = 16_000_000
"""Stored bytes of answers that are held in memory at most, about."""
MEASURED = {
    "default": printed("default"),
    "samples": "plain samples",
    "forced": printed("forced"),
}
"""What the page calls the measures of a task on a model."""
_SAMPLES = (64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
_STOPS = ("", "eos", "stop", "length")
_Text: TypeAlias = str | tuple[str, int, str]
_Entry: TypeAlias = tuple[_Text, _Text | None, str, int, int]
_Tasks: TypeAlias = "dict[str, dict[tuple[str, bool], _Group]]"
"""Groups by task, then by problem and whether it is the scrambled twin's."""


@dataclass(frozen=True)
class Cap:
    """What of each trial goes into the page."""

    samples: int | None = None
    """Most samples of one problem, the one that stands always among them; None for all."""
    problems: int | None = None
    """Most problems of one trial; None for all."""
    text: int = LONG
    """Most characters of one answer."""


CAPS = (
    Cap(),
    Cap(text=SHORT),
    *(Cap(n, text=SHORT) for n in _SAMPLES),
    *(Cap(1, n, SHORT) for n in (400, 200, 100, 50, 25, 12, 6, 3, 1, 0)),
)
"""From everything to nothing; the first that fits is taken."""


@dataclass(frozen=True)
class ArmAnswers:
    """One trial as the browser names it."""

    trial: str
    task: str
    model: str
    name: str
    """The measure, or the rung with its budget."""
    control: str
    seed: int


@dataclass(frozen=True)
class Rows:
    """What the browser holds."""

    data: bytes
    """Lines of JSON, compressed."""
    kept: int
    """Answers in the page."""
    stored: int
    """Answers in the trials that were read; at least `kept`."""
    cap: Cap
    arms: tuple[ArmAnswers, ...]


@dataclass
class _Group:
    """The answers to one problem of one task, equal ones held once."""

    entries: dict[_Entry, int] = field(default_factory=dict)
    rows: list[list[int]] = field(default_factory=list)
    """Arm, samples drawn, place of the one that stands, then the entry of each kept sample."""


def arms_of(
    verdicts: Sequence[Verdict],
    heads: Mapping[str, Outcome],
    versions: TaskVersions | None = None,
) -> tuple[ArmAnswers, ...]:
    """Return the trials that have answers: those of the verdicts in their order, then the rest.

    Args:
        verdicts: What is told.
        heads: Outcomes by trial, without their answers.
        versions: Gives a trial's task with its version.
    """
    measures = {trial: name for v in verdicts for name, trial in v.trials.items()}
    ids = [i for i in trials_of(verdicts) if i in heads]
    found = []
    for trial in dict.fromkeys([*ids, *heads]):
        if heads[trial].error:
            continue
        known = heads[trial].trial
        if known.is_twin and known.method in MEASURES:
            continue  # the texts of the measure itself, which are shown with it
        name = f"{known.method} n={known.n_shots}" if known.n_shots else known.method
        if known.method == "plain":
            name = "first words alone" if known.scope.cut else "before, as given"
        name = measures.get(trial, "floor" if known.is_floor else name)
        control = known.control or ("scrambled" if known.is_twin else "")
        task = known.subject if versions is None else versions.named(known)
        found.append(ArmAnswers(trial, task, known.model, name, control, known.seed))
    return tuple(found)


def read_rows(
    store: Store,
    arms: Sequence[ArmAnswers],
    heads: Mapping[str, Outcome],
    asked: Questions,
    room: int,
) -> Rows:
    """Read the store once and give as many answers as fit.

    Args:
        store: Where answers lie; read trial by trial.
        arms: The trials in order.
        heads: Their outcomes without answers.
        asked: The problems that the tasks still give.
        room: Characters that the rows may take in the page.

    Cost: about 4 s for 200,000 short answers.
    """
    weights = store.weights()
    first = _first_cap(sum(weights.get(arm.trial, 0) for arm in arms))
    tasks, stored = _gathered(store, arms, heads, CAPS[first])

    def written(at: int) -> Rows:
        data, kept = _written(tasks, asked, arms, CAPS[at])
        return Rows(data, kept, stored, CAPS[at], tuple(arms))

    found = written(first)
    if size_in_page(found.data) <= room:
        return found
    # sizes fall along the caps: the first that fits is found by halving, the last one is empty
    low, high = first, len(CAPS) - 1
    found = written(high)
    while low + 1 < high:
        middle = (low + high) // 2
        tried = written(middle)
        if size_in_page(tried.data) <= room:
            high, found = middle, tried
        else:
            low = middle
    return found


def _first_cap(weight: int) -> int:
    """Return the first cap worth trying: one under which the answers fit into memory."""
    if weight <= WEIGHT:
        return 0
    if weight <= 2 * WEIGHT:
        return 1
    most = max(1, _SAMPLES[0] * 2 * WEIGHT // weight)
    return next(i for i, cap in enumerate(CAPS) if cap.samples is not None and cap.samples <= most)


def _gathered(
    store: Store, arms: Sequence[ArmAnswers], heads: Mapping[str, Outcome], cap: Cap
) -> tuple[_Tasks, int]:
    """Read all answers once, trial by trial, and give them by task and problem."""
    tasks: _Tasks = {}
    stored = 0
    for at, arm in enumerate(arms):
        groups = tasks.setdefault(arm.task, {})
        trial = heads[arm.trial].trial
        is_scrambled = trial.is_twin
        for place, answer in enumerate(store.answers(trial)):
            stored += len(answer.texts)
            if cap.problems is not None and place >= cap.problems:
                continue
            group = groups.setdefault((answer.problem, is_scrambled), _Group())
            row = [at, len(answer.texts), answer.chosen]
            for i in _kept(len(answer.texts), answer.chosen, cap.samples):
                entry = _entry(answer, i, cap.text)
                row.append(group.entries.setdefault(entry, len(group.entries)))
            group.rows.append(row)
    return tasks, stored


def _entry(answer: Answer, i: int, limit: int) -> _Entry:
    """Return one completion with its mark, as a key under which equal ones are held once."""
    mark = answer.marks[i]
    stop = answer.stops[i] if i < len(answer.stops) else ""
    return (
        _shown(answer.texts[i], limit),
        None if mark.answer is None else _shown(mark.answer, SHORT),
        f"{int(mark.lenient) + 1}{int(mark.strict) + 1}",
        answer.tokens[i] if i < len(answer.tokens) else 0,
        _STOPS.index(stop) if stop in _STOPS else 0,
    )


def _shown(text: str, limit: int) -> _Text:
    """Return a text, or where it is too long its head, how much is left out, and its tail."""
    parts = cut(text, limit)
    return parts if parts[1] else text


def _shorter(text: _Text, limit: int) -> _Text:
    """Cut what was perhaps cut before."""
    if isinstance(text, str):
        return _shown(text, limit)
    head, left_out, tail = cut(text[0] + text[2], limit)
    return (head, left_out + text[1], tail) if left_out else text


def _kept(drawn: int, chosen: int, most: int | None) -> list[int]:
    """Return which samples are kept: the first ones in the order of drawing, and the chosen."""
    if most is None or most >= drawn:
        return list(range(drawn))
    first = list(range(most))
    return first if chosen < most else [*first[:-1], chosen]


def _written(
    tasks: _Tasks, asked: Questions, arms: Sequence[ArmAnswers], cap: Cap
) -> tuple[bytes, int]:
    """Write a head line and a line a problem, and count the answers in them."""
    kept = 0

    def lines() -> Iterator[str]:
        nonlocal kept
        subjects = list(dict.fromkeys((arm.task, arm.model) for arm in arms))
        yield as_line({
            "subjects": subjects,
            "arms": [
                [a.trial, subjects.index((a.task, a.model)), a.name, a.control, a.seed]
                for a in arms
            ],
            "names": _names(arms),
        })  # fmt: skip
        for task, groups in tasks.items():
            places = {p: i for i, p in enumerate(dict.fromkeys(name for name, _ in groups))}
            # the scrambled twin of a problem stands beside it, where it compresses best
            for name, is_scrambled in sorted(groups, key=lambda g: (places[g[0]], g[1])):
                if cap.problems is not None and places[name] >= cap.problems:
                    continue
                twin = f"scrambled:{task}" if is_scrambled else task
                problem = asked.of(twin, len(places)).get(name)
                question, gold = (problem.question, problem.answer) if problem else ("", "")
                line, n = _line(groups[name, is_scrambled], cap)
                kept += n
                head = [name, _shown(question, SHORT), _shown(gold, SHORT)]
                yield as_line({"q": head, **line})

    data = compressed(lines())
    return data, kept


def _names(arms: Sequence[ArmAnswers]) -> dict[str, JsonValue]:
    """Return what the page calls measures and controls, where their names in the data are others."""
    said = {arm.name: MEASURED.get(arm.name, arm.name) for arm in arms}
    said |= {arm.control: control_name(arm.control) for arm in arms}
    return {name: words for name, words in said.items() if words != name}


def _line(group: _Group, cap: Cap) -> tuple[dict[str, JsonValue], int]:
    """Return the columns of one problem's answers, and how many rows refer to them."""
    entries = list(group.entries)
    numbers: dict[int, int] = {}
    rows = []
    for at, drawn, chosen, *refs in group.rows:
        # what was gathered is itself the head of what was drawn, with the chosen one in it
        places = _kept(len(refs), min(chosen, len(refs) - 1), cap.samples)
        rows.append(
            [at, drawn, chosen, *(numbers.setdefault(refs[i], len(numbers)) for i in places)]
        )
    used = [entries[i] for i in numbers]
    columns: dict[str, JsonValue] = {
        "x": [_shorter(e[0], cap.text) for e in used],
        "a": [e[1] for e in used],
        "m": [e[2] for e in used],
        "n": [e[3] for e in used],
        "o": [e[4] for e in used],
        "r": rows,
    }
    return columns, sum(len(row) - 3 for row in rows)
