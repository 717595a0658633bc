"""One training of a study of scale: trained, measured at every shift and every way to think, kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from modicum.corpora.corpus import Corpus, Measured
from modicum.corpora.naming import resolve_corpus
from modicum.ledger import Ledger
from modicum.nets.thinking import Thinking
from modicum.plain import JsonObject, table_of
from modicum.study.scale_cells import CellMeasure, MeasuredCell, read_cell, write_cell
from modicum.study.scale_plan import ScaleCell, ScalePlan, net_of
from modicum.training.one_thread import one_thread
from modicum.training.text_learner import TextLearner
from modicum.training.text_nets import text_net
from modicum.training.text_pretraining import TextPlan, TextSchedule, costs_of, learned_text

__all__ = ["ScaleStudy", "finished", "run_cell", "seconds_an_update"]

_TIMED = 3
"""Updates that a forecast times."""


@dataclass(frozen=True)
class ScaleStudy:
    """A plan whose corpus and nets are known to exist."""

    plan: ScalePlan
    corpus: Corpus
    cells: tuple[ScaleCell, ...]
    """All trainings, those of little text first."""

    @staticmethod
    def of(plan: ScalePlan) -> "ScaleStudy":
        """Look up what a plan names, before anything is trained.

        Raises:
            ConfigError: a corpus that cannot be read or is too short, a net that cannot be built.
            UnknownNameError: no such corpus, kind or setting.
        """
        corpus = resolve_corpus(plan.corpus)
        nets: list[tuple[str, JsonObject]] = []
        for table in plan.nets:
            kind, settings = net_of(table)
            nets.append((kind, table_of(text_net(kind, settings))))
        corpus.train(max(plan.data))
        for split, distance in _asked(corpus):
            corpus.windows(split, distance, plan.windows, plan.length)
        return ScaleStudy(plan, corpus, tuple(plan.cells(corpus.name, nets)))

    def thinkings(self, fewest: int, *, draws: bool) -> list[Thinking]:
        """Return the ways to think that are asked of a net with inner steps, as trained first.

        Where the plan names numbers of steps, what gains are held against is asked too: one step, and the
        fewest that the net was trained with.

        Args:
            fewest: Those steps.
            draws: Whether its candidates differ; of one whose do not, one is asked.
        """
        candidates = self.plan.candidates if draws else (1,)
        asked = [(s, c) for s in self.plan.inner_steps for c in candidates]
        beside = [(1, 1), (fewest, 1)] if any(self.plan.inner_steps) else []
        return [Thinking(*one) for one in dict.fromkeys([(0, 1), *beside, *asked])]


def finished(study: ScaleStudy, cell: ScaleCell, out: Path) -> MeasuredCell | None:
    """Return what came of a training where all that the plan asks was measured; None else.

    Raises:
        ConfigError: its file is broken.
    """
    found = read_cell(out, cell)
    return None if found is None or _missing(study, found) else found


def run_cell(
    study: ScaleStudy, cell: ScaleCell, out: Path, device: str, watch: Callable[[Ledger], None]
) -> MeasuredCell:
    """Train a net and measure it, as far as that has not been done, and keep what came of it.

    The trained net stays beside (`nets/`), so that a plan that asks for more ways to think trains nothing
    again.

    Args:
        study: What is asked.
        cell: The training.
        out: The study's folder.
        device: Where it is trained; on the processor with one thread.
        watch: Called after each update.

    Raises:
        TrialError: a loss that is not finite.
        ConfigError: a file of the folder is broken.
    """
    before = read_cell(out, cell)
    kept = out / "nets" / f"{cell.id}.safetensors"
    ledger, begun = Ledger(observer=watch), time.monotonic()
    with one_thread(device):
        plan = _text_plan(study.plan.corpus, cell)
        learner, _ = learned_text(plan, study.corpus, device, kept, ledger)
        seconds = time.monotonic() - begun
        found = before or MeasuredCell(
            cell,
            learner.parameters,
            learner.training_flops * cell.steps * cell.batch * cell.length,
            seconds,
            learner.thinks,
            learner.fewest_steps,
            (),
            learner.draws,
        )
        # a file that has another number of windows is measured anew
        held = tuple(one for one in found.measures if len(one.whole) == study.plan.windows)
        for split, distance, thinking in _missing(study, replace(found, measures=held)):
            ledger.says(f"measuring at distance {distance}")
            held = (*held, _measure(study, learner, split, distance, thinking))
    found = replace(found, measures=held)
    write_cell(out, found)
    return found


def seconds_an_update(study: ScaleStudy, cell: ScaleCell, device: str) -> float:
    """Time a few updates of a training, of which nothing is kept."""
    ticks: list[float] = []
    with one_thread(device):
        asked = replace(cell, steps=_TIMED + 1)
        ledger = Ledger(observer=lambda _: ticks.append(time.monotonic()))
        learned_text(_text_plan(study.plan.corpus, asked), study.corpus, device, None, ledger)
    # an update tells the ledger twice; the first one sets things up
    return (ticks[-1] - ticks[1]) / _TIMED


def _text_plan(corpus: str, cell: ScaleCell) -> TextPlan:
    schedule = TextSchedule(
        cell.steps, cell.batch, cell.length, cell.tokens, cell.learning_rate, cell.seed
    )
    return TextPlan(corpus, text_net(cell.kind, cell.sizes), schedule)


def _asked(corpus: Corpus) -> list[tuple[Measured, int]]:
    """Return the splits and shifts that are measured."""
    return [("selection", 0), *(("test", shift.distance) for shift in corpus.shifts)]


def _missing(study: ScaleStudy, found: MeasuredCell) -> list[tuple[Measured, int, Thinking]]:
    """Return what the plan asks of a training and was not measured."""
    known = {one.key for one in found.measures if len(one.whole) == study.plan.windows}
    thinkings = [Thinking()]
    if found.thinks:
        thinkings = study.thinkings(found.fewest_steps, draws=found.draws)
    return [
        (split, distance, thinking)
        for split, distance in _asked(study.corpus)
        for thinking in thinkings
        if (split, distance, thinking.steps, thinking.candidates) not in known
    ]


def _measure(
    study: ScaleStudy, learner: TextLearner, split: Measured, distance: int, thinking: Thinking
) -> CellMeasure:
    size = (study.plan.windows, study.plan.length)
    costs = costs_of(learner, study.corpus, split, distance, size, thinking)
    return CellMeasure(
        split,
        distance,
        thinking.steps,
        thinking.candidates,
        learner.flops(thinking),
        tuple(costs.whole.tolist()),
        tuple(None if np.isnan(one) else float(one) for one in costs.asked),
    )
