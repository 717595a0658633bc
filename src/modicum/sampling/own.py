"""Draws with the module's own cache, by transformers' `generate`: slow, and right for every model.

Recurrences, convolutions and chunks keep a state that padding would enter and that no row can
leave. So rows of equal length run together, none is padded, and one that has ended is carried
along until the last has. Scores are chosen from by the same rules and random streams as elsewhere.
"""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.nudge.attach import Attached, Columns, columns_of, laid, steered_by, text_columns
from modicum.nudge.parts import method_of
from modicum.sampling.blocks import Engine, Raw, SamplingJob, SamplingRule
from modicum.sampling.draw import Draws, branches, draw
from modicum.sampling.fit import runs_alone
from modicum.sampling.prompts import starts_of
from modicum.seeds import uniforms
from modicum.types import Stop

__all__ = ["sample_with_own_cache"]


def sample_with_own_cache(
    engine: Engine, jobs: Sequence[SamplingJob], rule: SamplingRule, ledger: Ledger, *, rows: int
) -> list[Raw | None]:
    """Draw the completions of one block; None where a branch was dropped.

    Args:
        engine: The model.
        jobs: Completions wanted.
        rule: How to draw them.
        ledger: Counts the tokens run: a prompt as often as it runs.
        rows: Most completions that run together.

    Raises:
        TrialError: a prompt fills the model's context, or `generate` fails on this module.
    """
    longest = max(len(job.prompt) for job in jobs)
    if longest >= engine.context:
        msg = f"a prompt of {longest} tokens does not fit into a context of {engine.context}; "
        msg += "shorten it, or give fewer demonstrations"
        raise TrialError(msg)
    if runs_alone(engine.module):
        rows = 1
    results: list[Raw | None] = [None] * len(jobs)
    with laid(engine.module, engine.steering) as nudge, _neutral(engine.module):
        for group in _equal_lengths(jobs, rows):
            chooser = _Chooser(engine, [jobs[i] for i in group], rule, ledger, nudge)
            for i, raw in zip(group, chooser.run(), strict=True):
                results[i] = raw
    return results


def _equal_lengths(jobs: Sequence[SamplingJob], rows: int) -> Iterator[list[int]]:
    """Cut the places of jobs into groups of one prompt length and limit, at most so many in each."""
    lengths = [(len(job.prompt), job.limit) for job in jobs]
    for length in sorted(set(lengths)):
        places = [i for i, own in enumerate(lengths) if own == length]
        yield from (places[i : i + rows] for i in range(0, len(places), rows))


@contextlib.contextmanager
def _neutral(module: Any) -> Iterator[None]:  # noqa: ANN401 - PEFT's wrapper too
    """Lay the model's own habits of sampling aside: scores are the model's, as on every path."""
    unwrap = getattr(module, "get_base_model", None)
    base = module if unwrap is None else unwrap()
    before = base.generation_config
    base.generation_config = GenerationConfig()
    try:
        yield
    finally:
        base.generation_config = before


class _Choice(LogitsProcessor):
    """Sees the scores of every step."""

    def __init__(self, chooser: "_Chooser") -> None:
        self._chooser = chooser

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - transformers' own
        return self._chooser.choose(scores)


class _End(StoppingCriteria):
    """Says after every step which rows have ended."""

    def __init__(self, chooser: "_Chooser") -> None:
        self._chooser = chooser

    def __call__(self, input_ids: Tensor, scores: object, **_: object) -> Tensor:  # noqa: ARG002
        return self._chooser.ended(input_ids)


class _Chooser:
    """Chooses the tokens of rows that run together, and ends rows."""

    def __init__(
        self,
        engine: Engine,
        jobs: Sequence[SamplingJob],
        rule: SamplingRule,
        ledger: Ledger,
        nudge: Attached | None,
    ) -> None:
        self._engine, self._jobs, self._rule, self._ledger = engine, jobs, rule, ledger
        self._nudge, self._pass = nudge, contextlib.ExitStack()
        n = len(jobs)
        self._length = len(jobs[0].prompt)
        self._limit = min(jobs[0].limit or rule.max_new_tokens, engine.context - self._length)
        self._keys = np.array([job.key for job in jobs], dtype=np.uint64)
        is_stack = engine.steering is not None and engine.steering.is_stack
        self._which = torch.tensor([job.nudge for job in jobs]) if is_stack else None
        self._draws: list[Draws] = []
        self._ends: list[tuple[int, Stop] | None] = [None] * n
        """Tokens and reason of the rows that ended."""
        self._dropped = np.zeros(n, dtype=np.bool_)

    def run(self) -> list[Raw | None]:
        """Draw every row to its end."""
        module, engine = self._engine.module, self._engine
        ids = torch.tensor([job.prompt for job in self._jobs], device=module.device)
        settings = GenerationConfig(
            max_new_tokens=self._limit, do_sample=False, use_cache=True, pad_token_id=0
        )
        with engine.lock:
            self._ledger.ran(prompt=ids.numel(), flops_per_token=engine.flops_per_token)
        with torch.no_grad(), self._pass:
            self._open(self._prompt_columns())
            method_of(module, "generate")(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=settings,
                logits_processor=LogitsProcessorList([_Choice(self)]),
                stopping_criteria=StoppingCriteriaList([_End(self)]),
            )
        return [self._raw(row) for row in range(len(self._jobs))]

    def _prompt_columns(self) -> Columns:
        """Say where the pass over the prompts is steered."""
        engine, starts = self._engine, starts_of(self._engine, self._jobs)
        if starts is None:
            return columns_of(engine.steering, is_prompt=True)
        lasts = [starts[job.prompt] - 1 for job in self._jobs]
        return text_columns(engine.steering, self._length, lasts, engine.module.device)

    def choose(self, scores: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
        """Draw a token a row and leave no other one possible."""
        self._pass.close()  # the pass that gave these scores is over, and its hooks are counted
        if self._engine.halt.is_set():
            raise CancelledError
        self._engine.sound.look(scores)
        draws = self._drawn(scores)
        self._draws.append(draws)
        live = sum(end is None for end in self._ends)
        with self._engine.lock:
            self._ledger.ran(prompt=0, sampled=live, flops_per_token=self._engine.flops_per_token)
        chosen = torch.from_numpy(draws.tokens).to(scores.device)
        forced = torch.full_like(scores, -torch.inf)
        forced[torch.arange(len(chosen), device=scores.device), chosen] = 0.0
        count = torch.full((len(chosen),), len(self._draws))
        if len(self._draws) < self._limit:
            self._open(columns_of(self._engine.steering, is_prompt=False, count=count))
        return forced

    def _drawn(self, scores: Float[Tensor, "rows vocab"]) -> Draws:
        rule, step = self._rule, len(self._draws)
        if rule.branches and step == 0:
            ranks = np.array([job.sample for job in self._jobs])
            found = branches(scores, ranks, rule.branches.k)
            unlikely = np.asarray(found.probabilities) < rule.branches.min_probability
            self._dropped = unlikely & (ranks > 0)
            return found
        counts = np.full(len(self._keys), step, dtype=np.uint64)
        chance = None if rule.temperature == 0 else uniforms(self._keys, counts)
        return draw(
            scores,
            chance,
            temperature=rule.temperature,
            margins=rule.margins,
            scores=rule.scores,
        )

    def ended(self, input_ids: Int[Tensor, "rows width"]) -> Bool[Tensor, " rows"]:
        """Note which rows the newest tokens end."""
        newest, count = self._draws[-1].tokens, len(self._draws)
        known = sum(end is not None for end in self._ends)
        stops = self._rule.stops
        suspects = None if stops is None else stops.suspects(newest)
        for row, end in enumerate(self._ends):
            if end is not None:
                continue
            if self._dropped[row]:
                self._ends[row] = (0, "stop")
            elif int(newest[row]) in self._engine.eos:
                self._ends[row] = (count, "eos")
            elif count >= self._limit:
                self._ends[row] = (count, "length")
            elif suspects is not None and suspects[row] and self._is_met(input_ids[row]):
                self._ends[row] = (count, "stop")
        self._ledger.drawn += sum(end is not None for end in self._ends) - known
        over = torch.tensor([end is not None for end in self._ends], device=input_ids.device)
        if bool(over.all()):
            self._pass.pop_all()  # no pass follows
        return over

    def _is_met(self, row: Int[Tensor, " width"]) -> bool:
        """Say whether a stop string stands at the end of a row."""
        stops = self._rule.stops
        return stops is not None and stops.met(row[self._length :].cpu().numpy())

    def _open(self, columns: Columns) -> None:
        """Say where the next pass is steered."""
        self._pass.enter_context(steered_by(self._nudge, columns, self._which))

    def _raw(self, row: int) -> Raw | None:
        """Give a row's completion; None where its branch was dropped."""
        if self._dropped[row]:
            return None
        count, stop = self._ends[row] or (len(self._draws), "length")
        draws = self._draws[:count]
        return Raw(
            [int(one.tokens[row]) for one in draws],
            stop,
            **{n: tuple(float(getattr(d, n)[row]) for d in draws) for n in self._rule.noted},
        )
