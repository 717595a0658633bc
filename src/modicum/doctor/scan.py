"""Finds, over a list of small tasks, those that a model half knows: sampling reaches, greedy misses."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from modicum.analysis.coding import coded
from modicum.analysis.evidence import Samples
from modicum.analysis.nulls import luck
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.marking.marks import Unmarked
from modicum.model import Model, render
from modicum.seeds import key
from modicum.stats import Bools, Figure, contrast, pass_at_k, proportion
from modicum.study.styles import closed_list
from modicum.task import Sheet, Task, resolve_task
from modicum.types import Completion, Grade, Mark, Problem, Request, Sampling, Split, Style

__all__ = ["GYM", "Scan", "ScanRow", "Tried", "row_of", "scan"]

GYM: tuple[str, ...] = (
    "gym:chain_sum?config=min_terms=2,max_terms=2,min_digits=1,max_digits=2",
    "gym:chain_sum?config=min_terms=2,max_terms=2,min_digits=2,max_digits=2",
    "gym:chain_sum?config=min_terms=3,max_terms=4,min_digits=1,max_digits=1",
    "gym:basic_arithmetic?config=min_terms=2,max_terms=3,min_digits=1,max_digits=1",
    "gym:basic_arithmetic?config=min_terms=2,max_terms=2,min_digits=1,max_digits=2",
    "gym:products?config=min_digits=1,max_digits=2",
    "gym:gcd?config=max_value=60",
    "gym:lcm?config=max_value=20",
    "gym:simple_equations?config=max_terms=2,max_value=10",
    "gym:fraction_simplification?config=max_value=20,max_factor=9",
    "gym:leg_counting?config=min_animals=1,max_animals=2,max_instances=9",
    "gym:letter_counting?config=min_words=2,max_words=5",
    "gym:count_primes?config=max_n=60",
    "gym:number_sequence?config=min_value=0,max_value=30,max_complexity=1",
    "gym:gsm_symbolic",
    "gym:spell_backward?config=min_word_len=3,max_word_len=5",
    "gym:word_sequence_reversal?config=min_words=3,max_words=4",
    "gym:needle_haystack?config=min_num_statements=4,max_num_statements=8",
    "gym:family_relationships?config=min_family_size=4,max_family_size=5",
    "gym:aiw",
)
"""Easy arithmetic, counting, letters, and logic with short answers: what a small model may half
know. Each has more than 200 distinct test problems, so that a study can be made of any of them;
yes/no tasks are left out, since guessing hides there what sampling reaches."""

SAMPLES, FINAL_SAMPLES = 4, 8
"""Samples a problem at temperature 1, in the first look and in the second: pass@4 is the widest that
ten problems can afford."""
FIRST, FINAL, FINALISTS = 10, 24, 4
"""Problems of each task; of each finalist, fresh ones, since the best of twenty noisy figures is
too good by chance; and how many finalists there are."""
GROUP = 4
"""Tasks asked at once: ten greedy answers alone would leave most of a block empty."""
LOWEST, HIGHEST = 0.2, 0.9
"""Pass@4 between these leaves a study something to find and something to miss."""


@dataclass(frozen=True)
class Tried:
    """What was drawn of one task, as plain numbers, one entry a problem."""

    task: str
    split: str
    style: str
    """Name of the style that greedy answers were best in."""
    greedy: tuple[bool, ...]
    """Whether the greedy answer is right, leniently."""
    hits: tuple[int, ...]
    """Right ones among the samples."""
    luck_k: tuple[float, ...]
    """The luck null of pass@k, with k the number of samples."""
    samples: int
    unreadable: float
    """Share of the samples in which no answer could be read."""
    cut: float
    """Share of the samples that the length limit cut off."""
    tokens: float
    """Mean tokens of a sample."""
    seconds: float


@dataclass(frozen=True)
class ScanRow:
    """One line of the table, each share with its interval."""

    task: str
    style: str
    greedy: Figure
    pass_1: Figure
    pass_k: Figure
    k: int
    """Samples that pass@k and its luck null stand for."""
    luck: Figure
    """The luck null of pass@k."""
    above_luck: Figure
    """Pass@k minus luck, paired by problem."""
    above_pass_1: Figure
    """Pass@k minus pass@1, paired by problem."""
    room: float
    """Pass@k minus luck minus greedy: the gap that a study would start from."""
    is_half_known: bool
    unreadable: float
    cut: float
    tokens: float
    split: str
    seconds: float


@dataclass(frozen=True)
class Scan:
    """The whole table and what it comes to."""

    model: str
    rows: tuple[ScanRow, ...]
    """Every task once, on its shots split; the half-known ones first, most room first."""
    finalists: tuple[ScanRow, ...]
    """The best of them again, on fresh problems of the selection split."""
    pick: str
    """The finalist to study; empty where none holds on fresh problems."""
    failed: tuple[str, ...] = ()
    """Tasks that gave an error, with it."""


def scan(
    model: Model,
    tasks: Sequence[str],
    folder: Path,
    *,
    max_new_tokens: int,
    tell: Callable[[str], None],
    ledger: Ledger,
) -> Scan:
    """Try every task on a few problems, and the best again on fresh ones.

    Each task's figures are written at once; a scan that was stopped goes on with the next task.

    Args:
        model: The loaded model.
        tasks: References; those of `GYM`, say.
        folder: Where figures are kept, one small file a task.
        max_new_tokens: Length limit of an answer.
        tell: Called with the tasks before they are tried.
        ledger: Counts the tokens; its observer shows progress.
    """
    rows, failed = [], []
    for start in range(0, len(tasks), GROUP):
        group = tasks[start : start + GROUP]
        tell(_names(group))
        try:
            tried = _kept(model, group, _Look("shots", FIRST, max_new_tokens), folder, ledger)
        except ConfigError as error:
            failed.append(f"{', '.join(group)}: {error.found}")
            continue
        rows += [row_of(one) for one in tried]
    ordered = sorted(rows, key=lambda row: (not row.is_half_known, -row.room))
    # ten problems rarely prove anything: finalists need only look right, and prove it on fresh ones
    likely = [row for row in ordered if LOWEST <= row.pass_k.value <= HIGHEST and row.room > 0]
    best = {row.task: row.style for row in likely[:FINALISTS]}
    if best:
        tell(f"{_names(list(best))} on fresh problems")
    look = _Look("selection", FINAL, max_new_tokens, FINAL_SAMPLES, best)
    again = _kept(model, list(best), look, folder, ledger)
    finalists = sorted(map(row_of, again), key=lambda row: (not row.is_half_known, -row.room))
    pick = finalists[0].task if finalists and finalists[0].is_half_known else ""
    name = model.card.name
    return Scan(name, tuple(ordered), tuple(finalists), pick, tuple(failed))


def row_of(tried: Tried) -> ScanRow:
    """Return the line of what was tried.

    *Half known*: pass@k lies between `LOWEST` and `HIGHEST`, above the luck null and above pass@1,
    both by the lower end of a paired interval.
    """
    n, hits = tried.samples, np.array(tried.hits)
    once, k = hits / n, pass_at_k(hits, n, n)
    null, greedy = np.array(tried.luck_k), np.array(tried.greedy, dtype=np.float64)
    over_luck, over_once = contrast(k - null), contrast(k - once)
    share = float(k.mean())
    is_within = LOWEST <= share <= HIGHEST
    return ScanRow(
        task=tried.task,
        style=tried.style,
        greedy=proportion(greedy),
        pass_1=proportion(once),
        pass_k=proportion(k),
        k=n,
        luck=proportion(null),
        above_luck=over_luck,
        above_pass_1=over_once,
        room=share - float(null.mean()) - float(greedy.mean()),
        is_half_known=is_within and over_luck.low > 0 and over_once.low > 0,
        unreadable=tried.unreadable,
        cut=tried.cut,
        tokens=tried.tokens,
        split=tried.split,
        seconds=tried.seconds,
    )


def _names(tasks: Sequence[str]) -> str:
    return ", ".join(task.removeprefix("gym:").partition("?")[0] for task in tasks)


@dataclass(frozen=True)
class _Look:
    """How closely tasks are looked at."""

    split: Split
    n: int
    """Problems of each."""
    max_new_tokens: int
    samples: int = SAMPLES
    styles: Mapping[str, str] = field(default_factory=dict)
    """Name of the style of a task where it was chosen before."""

    def name(self, weights: str, task: str) -> str:
        """Name the file of what was tried."""
        parts = (self.samples, self.split, self.n, self.max_new_tokens)
        style = (self.styles[task],) if task in self.styles else ()
        return f"{key('scan', weights, task, *parts, *style):016x}.json"


def _kept(
    model: Model, tasks: Sequence[str], look: _Look, folder: Path, ledger: Ledger
) -> list[Tried]:
    """Return what was tried before, try the rest together now, and keep it."""
    paths = {task: folder / look.name(model.card.weights, task) for task in tasks}
    left = [task for task in tasks if not paths[task].exists()]
    if left:
        for tried in _tried(model, [_ask(model, task, look) for task in left], ledger):
            path = paths[tried.task]
            partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
            partial.write_text(json.dumps(asdict(tried)), encoding="utf-8")
            partial.replace(path)
    return [_read(paths[task]) for task in tasks]


def _read(path: Path) -> Tried:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for name in ("greedy", "hits", "luck_k"):
        values[name] = tuple(values[name])
    return Tried(**values)


@dataclass(frozen=True)
class _Ask:
    """One task to try: its problems and the styles it may be asked in, the default first."""

    reference: str
    task: Task
    sheet: Sheet
    look: _Look
    problems: tuple[Problem, ...]
    styles: tuple[Style, ...]


def _ask(model: Model, reference: str, look: _Look) -> _Ask:
    task = resolve_task(reference)
    sheet = replace(task.sheet, max_new_tokens=look.max_new_tokens)
    styles, _ = closed_list(model, sheet, own=None, instruction=False)
    wanted = (styles[0], *(style for style in styles[1:] if style in sheet.triggers))
    if reference in look.styles:
        wanted = tuple(style for style in wanted if style.name == look.styles[reference])
    problems = task.problems(look.split, look.n)
    return _Ask(reference, task, sheet, look, problems, wanted)


def _tried(model: Model, asks: Sequence[_Ask], ledger: Ledger) -> list[Tried]:
    """Draws greedy answers in the default style and the task's own, samples in the better one."""
    start = time.perf_counter()
    both = [(ask, style) for ask in asks for style in ask.styles]
    greedy = _drawn(model, both, 1, ledger)
    chosen: dict[str, tuple[_Ask, Style, Bools]] = {}
    for (ask, style), drawn in zip(both, greedy, strict=True):
        right = _right(_marks(ask, style, drawn))
        known = chosen.get(ask.reference)
        if known is None or right.sum() > known[2].sum():
            chosen[ask.reference] = (ask, style, right)
    best = [(ask, style) for ask, style, _ in chosen.values()]
    sampled = _drawn(model, best, asks[0].look.samples, ledger)
    seconds = (time.perf_counter() - start) / max(1, len(asks))
    return [
        _counted(ask, style, right, drawn, seconds)
        for (ask, style, right), drawn in zip(chosen.values(), sampled, strict=True)
    ]


def _counted(
    ask: _Ask, style: Style, greedy: Bools, drawn: Sequence[Sequence[Completion]], seconds: float
) -> Tried:
    marks = _marks(ask, style, drawn)
    codes = _codes(ask, marks)
    completions = [completion for group in drawn for completion in group]
    flat = [mark for row in marks for mark in row]
    return Tried(
        task=ask.reference,
        split=ask.look.split,
        style=style.name,
        greedy=tuple(bool(right) for right in greedy[:, 0]),
        hits=tuple(int(h) for h in codes.hits),
        luck_k=tuple(float(x) for x in luck(codes, (ask.look.samples,))[:, 0]),
        samples=ask.look.samples,
        unreadable=float(np.mean([mark.lenient == Grade.UNREADABLE for mark in flat])),
        cut=float(np.mean([c.stop == "length" for c in completions])),
        tokens=float(np.mean([c.n_tokens for c in completions])),
        seconds=seconds,
    )


def _drawn(
    model: Model, asked: Sequence[tuple[_Ask, Style]], n: int, ledger: Ledger
) -> list[list[tuple[Completion, ...]]]:
    """Answer every problem of every (task, style) n times; those that end alike go together."""
    drawn: list[list[tuple[Completion, ...]]] = [[] for _ in asked]
    groups: dict[Sampling, list[int]] = {}
    for place, (ask, style) in enumerate(asked):
        stop = ask.sheet.stop + style.stop
        limit, heat = ask.sheet.max_new_tokens, 1.0 if n > 1 else 0.0
        groups.setdefault(Sampling(limit, heat, stop, stream="scan"), []).append(place)
    for sampling, places in groups.items():
        requests = [
            Request(render(model, style, p.question), f"{ask.reference}/{p.id}", n)
            for ask, style in (asked[place] for place in places)
            for p in ask.problems
        ]
        answers = iter(model.generate(requests, sampling, ledger))
        for place in places:
            drawn[place] = [next(answers) for _ in asked[place][0].problems]
    return drawn


def _marks(
    ask: _Ask, style: Style, drawn: Sequence[Sequence[Completion]]
) -> list[tuple[Mark, ...]]:
    pairs = zip(ask.problems, drawn, strict=True)
    asked = [(problem, [c.text for c in group]) for problem, group in pairs]
    return Unmarked().marks(ask.task, asked, style)


def _right(marks: Sequence[Sequence[Mark]]) -> Bools:
    return np.array([[mark.lenient == Grade.CORRECT for mark in row] for row in marks])


def _codes(ask: _Ask, marks: Sequence[Sequence[Mark]]) -> Samples:
    """Return answers as codes; a right one has its gold's code, however it is spelled.

    One stratum: ten problems are too few to compare only those of equal answer length.
    """
    golds = [ask.task.read(p.answer) or p.answer for p in ask.problems]
    right = [ask.task.right_answers(p) for p in ask.problems]
    return coded(marks, golds, right, [""] * len(golds))
