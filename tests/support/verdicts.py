"""Hand-built verdicts and the small stores behind them, for tests of what prints and draws."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from modicum.analysis.verdict import (
    Ceiling,
    Curve,
    FrontPoint,
    LeastData,
    Retention,
    RungRow,
    Ship,
    Verdict,
)
from modicum.readings.arms import arms_of
from modicum.readings.learning import learning_section
from modicum.readings.lengths import lengths_section
from modicum.readings.reference import reference_section
from modicum.readings.retention import retention_section
from modicum.readings.worth import worth_of
from modicum.stats import Figure
from modicum.store.database import Answer, Outcome, Store
from modicum.study.plan import Grid, Plan
from modicum.types import Grade, Mark, Problem, Trial

__all__ = [
    "HOSTILE",
    "HUGE",
    "absent",
    "latent",
    "plan",
    "problems",
    "seal",
    "shown",
    "stored",
    "study",
    "with_sections",
]

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "</pre></style><iframe src='https://evil.example/'></iframe>",
    "nul \x00 bell \x07 escape \x1b[31m delete \x7f next line \x85 end",
    "right to left \u202e drowssap \u2066 isolate \u200f mark \u200b zero width",
    "lone \ud800 surrogate \udfff pair \U000e0041 tag",
    "&lt;b&gt; &amp;amp; $title ${style} {question} %s",
)
"""What a model may write."""
HUGE = "x" * 10_000_000
"""What a model may write without end: the floor and a rung give it for the problem `p7`."""


_WHY = "cheapest to serve within .05 of the best; cot_decoding pays below 1,200 queries"


def figure(value: float, low: float | None = None, high: float | None = None) -> Figure:
    """Return a figure over 400 problems."""
    return Figure(
        value,
        max(0.0, value - 0.03) if low is None else low,
        min(1.0, value + 0.03) if high is None else high,
        400,
    )


def trial(task: str, method: str, n_shots: int = 0, seed: int = 0, control: str = "") -> Trial:
    """Return the identity of a trial on the organism."""
    return Trial("organism", task, method, n_shots, seed, {}, control)


def rung(
    task: str,
    method: str,
    n_shots: int,
    *,
    gap: Figure | None,
    score: float,
    retention: Figure | None = None,
    serving: float = 2.1e7,
) -> RungRow:
    """Return a row with a scrambled twin; tuned ones have three seeds, shuffling and a twin."""
    is_tuned = n_shots > 0
    seeds = 3 if is_tuned else 1
    controls = {"scrambled": figure(0.01)}
    gaps = {} if gap is None else {"scrambled": figure(0.02, -0.01, 0.05)}
    ids = {"scrambled": (trial(f"scrambled:{task}", method, n_shots).id,)}
    if is_tuned:
        controls |= {"shuffled": figure(0.06), "twin n=8": figure(0.02), "twin n=128": figure(0.04)}
        if gap is not None:
            gaps |= {
                "shuffled": figure(0.07, 0.01, 0.14),
                "twin n=8": figure(0.01, -0.03, 0.05),
                "twin n=128": figure(0.03, -0.02, 0.07),
            }
        ids |= {"shuffled": (trial(task, method, n_shots, 0, "shuffled").id,)}
    return RungRow(
        method=method,
        n_shots=n_shots,
        labels=n_shots,
        score=figure(score),
        strict=figure(score),
        seed_scores=tuple(score + 0.01 * (i - 1) for i in range(seeds)) if is_tuned else (score,),
        gap_recovered=gap,
        controls=controls,
        control_gaps=gaps,
        retention=kept(retention),
        elicitation_flops=3.2e10 * n_shots,
        serving_flops=serving,
        costs={"judge_calls": 0, "tokens_trained": 820.0 * n_shots, "updates": 40.0 * is_tuned,
               "seconds": 2.4 * n_shots, "nudge_bytes": 48_000.0 * is_tuned},
        seeds=seeds,
        trials=tuple(trial(task, method, n_shots, seed).id for seed in range(seeds)),
        control_trials=ids,
    )  # fmt: skip


def kept(damage: Figure | None, task: str = "line_moves") -> tuple[Retention, ...]:
    """Return the retention of one task that stood at .95; none where there is no figure."""
    return () if damage is None else (Retention(task, figure(0.95), figure(0.95), damage),)


def latent(task: str = "word-sums", model: str = "organism") -> Verdict:
    """Return a verdict that a decoding rule and eight labels unlock."""
    free = rung(task, "cot_decoding", 0, gap=figure(0.98, 0.96, 0.99), score=0.95, serving=2.18e8)
    vote = rung(task, "self_consistency", 0, gap=figure(0.07, 0.03, 0.11), score=0.16, serving=2e8)
    prompt = dataclasses.replace(
        rung(task, "prompt", 0, gap=figure(0.02, 0.0, 0.05), score=0.10, serving=2.0e7),
        trials=(_measures(task)["floor"],),
        control_trials={},
        costs={},
        note="style 'raw', chosen with measuring labels",
    )
    tuned = [
        rung(task, "fine_tune", n, gap=gap, score=score, retention=figure(-lost, -lost - 0.01, 0.0))
        for n, gap, score, lost in (
            (1, figure(0.41, 0.22, 0.63), 0.46, 0.001),
            (4, figure(0.93, 0.90, 0.96), 0.91, 0.005),
            (8, figure(1.01, 0.97, 1.04), 0.96, 0.012),
        )
    ]
    front = (
        FrontPoint("cot_decoding", 0, 0.0, 2.18e8, 0.95, 1200.0),
        FrontPoint("fine_tune n=4", 4, 1.28e11, 2.1e7, 0.91, None),
    )
    ks = (1, 2, 4, 8, 16, 32, 64)
    return Verdict(
        task=task,
        model=model,
        ability="latent",
        sentence="latent, unlocked by cot_decoding with 0 labels",
        unlocked_by="cot_decoding",
        unlocked_labels=0,
        share=figure(0.98, 0.96, 0.99),
        default=figure(0.08),
        default_strict=figure(0.08),
        default_style="default",
        floor=figure(0.10),
        floor_strict=figure(0.09),
        floor_style="raw",
        luck=figure(0.01, 0.0, 0.02),
        near_miss=figure(0.02, 0.01, 0.04),
        forced=figure(0.98),
        majority=figure(0.13),
        ceiling=Ceiling(figure(0.97, 0.95, 0.98), 64, "sampling"),
        curve=Curve(
            ks, (0.12, 0.22, 0.39, 0.6, 0.81, 0.93, 0.97),
            (0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01), (0.001, 0.002, 0.004, 0.008, 0.013, 0.02),
        ),
        rungs=(prompt, vote, free, *tuned),
        least_data=(LeastData("fine_tune", figure(1.4, 1.0, 2.2), figure(4.0, 3.0, 6.0), 8),),
        ship=Ship("fine_tune n=4", _WHY, "serve", 0.05, front),
        doubts=("one style of question only", "gains under .04 cannot be seen with 400 problems"),
        next=("steering_vector (≈ 2 min) could reach the same without touching weights",),
        test=400,
        seeds=3,
        measuring_labels=40,
        trials=_measures(task),
        seconds=660.0,
        tokens=3.1e6,
        notes=("two threads", "style chat skipped: the model has no template"),
    )  # fmt: skip


def absent(task: str = "never-seen", model: str = "organism") -> Verdict:
    """Return a verdict without a gap, with a failed trial."""
    row = rung(task, "fine_tune", 8, gap=None, score=0.01, retention=figure(-0.03, -0.05, -0.01))
    free = rung(task, "cot_decoding", 0, gap=None, score=0.0, serving=2.2e8)
    infinite = LeastData("fine_tune", None, Figure(float("inf"), 8.0, float("inf"), 400), 8)
    return dataclasses.replace(
        latent(task, model),
        ability="absent",
        sentence="absent up to 8 labels",
        unlocked_by=None,
        unlocked_labels=None,
        share=figure(0.0, -0.02, 0.02),
        default=figure(0.0),
        floor=figure(0.01),
        forced=None,
        majority=None,
        ceiling=None,
        curve=Curve((1, 2, 4), (0.0, 0.001, 0.004), (0.001, 0.002, 0.004), (0.0, 0.002)),
        rungs=(free, row),
        least_data=(infinite,),
        ship=Ship(None, "nothing is better than the floor", "serve", 0.05),
        failed=1,
        trials={k: v for k, v in _measures(task).items() if k != "forced"},
        notes=(),
    )


def shown(task: str = "visible", model: str = "organism") -> Verdict:
    """Return a verdict with nothing to unlock and no rungs."""
    return dataclasses.replace(
        latent(task, model),
        ability="shown",
        sentence="shown: nothing to unlock",
        unlocked_by=None,
        unlocked_labels=None,
        share=figure(0.99, 0.97, 1.0),
        default=figure(0.98),
        floor=figure(0.98),
        rungs=(),
        least_data=(),
        ship=Ship(None, "the default shows the ability", "serve", 0.05),
        doubts=(),
        next=(),
        trials=_measures(task),
    )


def seal(task: str = "sealed", model: str = "organism") -> Verdict:
    """Return a sealed verdict whose ceiling is the forced form."""
    row = rung(task, "fine_tune", 8, gap=figure(0.97, 0.93, 1.0), score=0.94,
               retention=figure(-0.02, -0.04, 0.0))  # fmt: skip
    return dataclasses.replace(
        latent(task, model),
        ability="sealed",
        sentence="sealed: opened by fine_tune with 8 labels",
        unlocked_by="fine_tune",
        unlocked_labels=8,
        share=row.gap_recovered,
        ceiling=Ceiling(figure(0.98), 1, "forced"),
        rungs=(rung(task, "cot_decoding", 0, gap=figure(-0.01, -0.04, 0.02), score=0.0), row),
        ship=Ship("fine_tune n=8", "alone within .05 of the best", "serve", 0.05,
                  (FrontPoint("fine_tune n=8", 8, 2.6e11, 2.1e7, 0.94, None),)),
        trials=_measures(task),
    )  # fmt: skip


def study() -> list[Verdict]:
    """Return nine verdicts, as many as the default study has."""
    return [
        latent("word-sums"),
        latent("letter-shift"),
        seal("sealed"),
        dataclasses.replace(shown("mixed"), rungs=latent("mixed").rungs[:3]),
        shown("visible"),
        absent("never-seen"),
        absent("word-sums", "organism-control"),
        absent("letter-shift", "organism-control"),
        absent("sealed", "organism-control"),
    ]


def with_sections(verdict: Verdict) -> Verdict:
    """Return a verdict with what the readings of its own figures say, where it has none yet."""
    read = {
        "retention": retention_section(verdict),
        "learning": learning_section(verdict),
        "lengths": lengths_section(verdict),
        "worth": worth_of(verdict),
        "arms": arms_of(verdict),
        "reference": reference_section(verdict),
    }
    said = {name: section for name, section in read.items() if section is not None}
    return dataclasses.replace(verdict, sections={**said, **verdict.sections})


def plan() -> Plan:
    """Return the plan that the verdicts speak of."""
    return Plan(grids=(Grid(models=("organism",), tasks=("word-sums",)),), name="test study")


def problems(n: int = 24, question: str = "How many apples are left?") -> tuple[Problem, ...]:
    """Return problems with the ids that `stored` answers."""
    return tuple(Problem(f"p{i}", f"{question} ({i})", str(100 + i)) for i in range(n))


def stored(
    folder: Path, verdicts: Sequence[Verdict], texts: Sequence[str] = (), n: int = 24
) -> Store:
    """Return a store with the trials that verdicts rest on; some answers are those texts.

    One trial of a shuffled control has failed, the twins' are missing.
    """
    store = Store(folder)
    for verdict in verdicts:
        task, known = verdict.task, set(verdict.trials.values())
        cells = [_measure_trial(task, name) for name in verdict.trials]
        for row in verdict.rungs:
            cells += [trial(task, row.method, row.n_shots, seed) for seed in range(row.seeds)]
            cells.append(trial(f"scrambled:{task}", row.method, row.n_shots))
        for cell in cells:
            is_right = cell.id not in known and cell.method != "self_consistency"
            store.write(_outcome(cell, texts, n, is_right=is_right))
        for row in verdict.rungs:
            if "shuffled" in row.control_trials:
                cell = trial(task, row.method, row.n_shots, 0, "shuffled")
                store.write(Outcome(cell, error="TrialError: <b>burst</b>\nTraceback …"))
    return store


def _outcome(cell: Trial, texts: Sequence[str], n: int, *, is_right: bool) -> Outcome:
    answers = []
    for i in range(n):
        good = is_right if i % 5 else not is_right if i % 3 == 0 else is_right
        answer = str(100 + i) if good else str(90 + i)
        text = f"We have {i} and 100 more, so\nthe answer is {answer}." if is_right else answer
        if texts:
            is_huge = (
                i == 7 and cell.method in ("prompt_style", "cot_decoding") and not cell.control
            )
            text = HUGE if is_huge else texts[i % len(texts)]
        mark = Mark(answer, Grade(int(good)), Grade(int(good)))
        answers.append(Answer(f"p{i}", (text,), (mark,), 0, (len(text) // 4,), ("eos",)))
    nudge = f"artefacts/{cell.id}" if cell.method == "fine_tune" else ""
    spent: Mapping[str, float] = {"seconds": 1.5, "flops": 2.0e7 * n}
    return Outcome(cell, tuple(answers), {"seconds": 3.0}, spent, artefact=nudge)


def _measures(task: str) -> dict[str, str]:
    names = ("floor", "default", "samples", "forced")
    return {name: _measure_trial(task, name).id for name in names}


def _measure_trial(task: str, name: str) -> Trial:
    if name == "floor":
        return trial(task, "prompt_style", 40)
    return dataclasses.replace(trial(task, "plain"), settings={"measure": name})
