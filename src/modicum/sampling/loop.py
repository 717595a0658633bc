"""The batched loop: blocks of completions, rows dropped as they finish and refilled in order."""

from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedModel

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.nudge.attach import Columns, columns_of, laid, steered_by
from modicum.sampling.blocks import Engine, Raw, SamplingJob, SamplingRule
from modicum.sampling.cache import Arena, RowCache
from modicum.sampling.draw import Draws, branches, draw, joined
from modicum.sampling.half_steps import LeanHalf
from modicum.sampling.llama_steps import LeanLlama, additions, lean_takes, parts_of
from modicum.sampling.pages import RowPages
from modicum.sampling.prefix import Opening, Prefixes, Stem
from modicum.sampling.prompts import starts_of
from modicum.sampling.stepped import step_rows
from modicum.sampling.threads import together
from modicum.sampling.work_queue import Desk
from modicum.seeds import uniforms
from modicum.types import Stop
from modicum.whitebox import cache_keyword

__all__ = ["lean_for", "sample_block"]


def sample_block(
    engine: Engine,
    jobs: Sequence[SamplingJob],
    rule: SamplingRule,
    ledger: Ledger,
    *,
    rows: int,
    flights: int = 1,
    threads: int = 1,
) -> list[Raw | None]:
    """Draw the completions of one block; None where a branch was dropped.

    Args:
        engine: The model.
        jobs: Completions wanted, those of a prompt beside each other.
        rule: How to draw them.
        ledger: Counts the tokens run.
        rows: Most completions that one flight has at once.
        flights: How many flights share the block, a thread each.
        threads: Threads within the operations of each, where there are several.

    Raises:
        TrialError: a prompt fills the model's context.
    """
    longest = max(len(job.prompt) for job in jobs)
    if longest >= engine.context:
        msg = f"a prompt of {longest} tokens does not fit into a context of {engine.context}; "
        msg += "shorten it, or give fewer demonstrations"
        raise TrialError(msg)
    rows = min(rows, -(-len(jobs) // flights))
    desk = Desk(_openings(engine, jobs), flights, rows, engine.halt)
    results: list[Raw | None] = [None] * len(jobs)

    lean = lean_for(engine.module) if lean_takes(engine.steering) else None
    with laid(engine.module, engine.steering) as nudge:
        nudged = replace(engine, laid=nudge)

        def fly(number: int) -> None:
            try:
                with torch.inference_mode():
                    flight = _Flight(nudged, jobs, rule, ledger, rows, lean=lean)
                    flight.run(desk, number, results)
            finally:
                desk.leave(number)

        together(fly, flights, threads, engine.halt)
    return results


def lean_for(module: PreTrainedModel) -> type[LeanLlama] | type[LeanHalf] | None:
    """Return the path in few operations that a module can take; None for its own forward pass."""
    ways: tuple[type[LeanLlama] | type[LeanHalf], ...] = (LeanLlama, LeanHalf)
    return next((way for way in ways if way.fits(module)), None)


def _openings(engine: Engine, jobs: Sequence[SamplingJob]) -> list[Opening]:
    """Return what each job begins with: a nudge that only acts later stands in none."""
    steering = engine.steering
    acts = steering is not None and steering.is_stack and steering.acts_at_prompt
    return [Opening(job.prompt, job.nudge if acts else 0) for job in jobs]


class _Flight:
    """A block in flight: arrays with one entry for each row, the live rows first."""

    def __init__(
        self,
        engine: Engine,
        jobs: Sequence[SamplingJob],
        rule: SamplingRule,
        ledger: Ledger,
        rows: int,
        *,
        lean: type[LeanLlama] | type[LeanHalf] | None,
    ) -> None:
        self._engine, self._jobs, self._rule, self._ledger = engine, jobs, rule, ledger
        self._rows = rows
        self._lengths = np.array([len(job.prompt) for job in jobs])
        most = np.array([job.limit or rule.max_new_tokens for job in jobs])
        self._limits = np.minimum(most, engine.context - self._lengths)
        self._keys = np.array([job.key for job in jobs], dtype=np.uint64)
        self._eos = np.array(sorted(engine.eos), dtype=np.int64)
        self._windows = engine.shared_windows
        self._openings = _openings(engine, jobs)
        self._prefixes = Prefixes(
            engine.module,
            self._windows,
            self._openings,
            engine.flops_per_token,
            engine.laid,
            starts_of(engine, jobs),
        )
        self._nudges = torch.tensor([job.nudge for job in jobs])
        """The nudge of each job, in a stack."""
        self._stems: dict[Opening, Stem] = {}
        self._results: list[Raw | None] = []
        self._is_last = False
        """Whether no job is left to be started."""
        self._live = 0
        """Rows in flight."""
        self._job = np.zeros(rows, dtype=np.int64)
        self._count = np.zeros(rows, dtype=np.int64)
        longest = int(self._limits.max())
        self._tokens = np.zeros((rows, longest), dtype=np.int64)
        self._noted = {name: np.zeros((rows, longest), dtype=np.float32) for name in rule.noted}
        """Figures of each token, where they are asked for."""
        self._moved: tuple[npt.NDArray[Any], ...] = (
            self._job,
            self._count,
            self._tokens,
            *self._noted.values(),
        )
        self._choose = partial(
            draw, temperature=rule.temperature, margins=rule.margins, scores=rule.scores
        )
        self._keyword = cache_keyword(engine.module)
        columns = int((self._lengths + self._limits).max())
        self._lean = None if lean is None else lean(engine.module, columns)
        self._cache = self._new_cache(int(self._lengths.max()), longest)

    def _new_cache(self, prompt: int, own: int) -> RowCache | RowPages:
        """Return empty room for the rows' keys and values: pages where the native kernel reads them."""
        engine = self._engine
        if self._lean is None or self._lean.kernel is None:
            arena = None
            if engine.arenas is not None:
                with engine.lock:
                    arena = engine.arenas.pop() if engine.arenas else Arena()
            return RowCache(self._windows, rows=self._rows, longest_prompt=prompt, arena=arena)
        pool = engine.pools.take(self._lean.shape, len(self._windows))
        return RowPages(self._lean.kernel, pool, rows=self._rows, prompt=prompt, own=own)

    def _give_back(self) -> None:
        """Leave the memory of keys and values to later blocks."""
        if isinstance(self._cache, RowPages):
            self._engine.pools.give(self._cache.pool)
        elif self._engine.arenas is not None and self._cache.arena is not None:
            self._engine.arenas.append(self._cache.arena)

    def run(self, desk: Desk, number: int, results: list[Raw | None]) -> None:
        """Draw what it takes from the desk until nothing is left.

        Args:
            desk: Hands the jobs out.
            number: Which flight this is.
            results: Receives the completions, each at its job's place.
        """
        self._results = results
        least = wanted = max(1, self._rows // 16)
        while True:
            if not self._is_last and self._rows - self._live >= wanted:
                taken = desk.take(number, self._rows - self._live)
                self._is_last = taken is None or taken.stop == len(self._jobs)
                wanted = least if taken else min(self._rows, wanted + least)
                if taken:
                    new = {self._openings[i] for i in taken} - self._stems.keys()
                    desk.spend(number, prompts=len(new))
                    self._fill(taken)
            if self._live == 0:
                if self._is_last:
                    self._give_back()
                    return
                continue
            if self._engine.halt.is_set():
                raise CancelledError
            desk.spend(number, rows=self._live)
            self._step()

    def _fill(self, taken: range) -> None:
        """Start jobs in the free rows: prefill, first token, insertion."""
        wanted = dict.fromkeys(self._openings[i] for i in taken)
        before = self._prefixes.tokens_run
        self._stems = {o: s for o, s in self._stems.items() if o in wanted}
        missing = [opening for opening in wanted if opening not in self._stems]
        self._stems.update(self._prefixes.prefill(missing))
        start = self._live
        # The rows of one prefill batch stand beside each other, so that one copy inserts them.
        pairs = [(i, self._stems[self._openings[i]]) for i in taken]
        for _, group in groupby(pairs, key=lambda pair: id(pair[1].batch)):
            self._start(list(group))
        self._count_tokens(self._prefixes.tokens_run - before, 0)
        if self._live > start:
            self._settle()

    def _start(self, started: list[tuple[int, Stem]]) -> None:
        """Return the jobs of one prefill batch their first token and a row."""
        batch = started[0][1].batch
        jobs = np.array([job for job, _ in started])
        which = torch.tensor([stem.index for _, stem in started])
        rule = self._rule
        logits = batch.logits[which.to(batch.logits.device)]
        self._engine.sound.look(logits)
        if rule.branches:
            ranks = np.array([self._jobs[i].sample for i in jobs])
            draws = branches(logits, ranks, rule.branches.k)
            keep = (np.asarray(draws.probabilities) >= rule.branches.min_probability) | (ranks == 0)
        else:
            draws = self._choose(logits, uniforms(self._keys[jobs], np.zeros(len(jobs), np.uint64)))
            keep = np.ones(len(jobs), dtype=np.bool_)
        jobs, which = jobs[keep], which[torch.from_numpy(keep)]
        rows = slice(self._live, self._live + len(jobs))
        self._job[rows], self._count[rows] = jobs, 0
        self._live = rows.stop
        self._count_tokens(0, len(jobs))
        gone = self._record(draws.kept(keep), rows)
        if len(jobs) == 0:
            return
        lengths = torch.from_numpy(self._lengths[jobs])
        self._cache.insert(batch.pairs, rows, which.to(batch.logits.device), lengths)
        self._drop(gone + rows.start)

    def _step(self) -> None:
        """Run one token of each live row and draws the next."""
        n = self._live
        rows = slice(0, n)
        jobs, count = self._job[rows], self._count[rows]
        newest = torch.from_numpy(self._tokens[np.arange(n), count - 1])
        columns = columns_of(self._engine.steering, is_prompt=False, count=torch.from_numpy(count))
        rule = self._rule
        chance = (
            None if rule.temperature == 0 else uniforms(self._keys[jobs], count.astype(np.uint64))
        )

        def drawn(logits: Tensor, part: slice) -> Draws:
            return self._choose(logits, None if chance is None else chance[part])

        if isinstance(self._cache, RowCache):
            places = torch.from_numpy(self._lengths[jobs] + count - 1)
            logits = self._forward(newest, places, self._cache, columns)
            draws = joined([drawn(logits[part], part) for part in parts_of(n, logits.shape[-1])])
        else:
            lean = self._paged
            added = additions(self._engine.steering, columns, self._which)
            self._cache.open(n)
            hidden = lean.step_in_pages(newest, self._cache, added)
            parts = lean.parts(n)
            if chance is None or self._noted or not lean.in_columns:
                draws = joined([drawn(lean.scores(hidden, part), part) for part in parts])
            else:
                heat = rule.temperature
                draws = joined([Draws(lean.drawn(hidden, p, chance[p], heat)) for p in parts])
        self._count_tokens(0, n)
        gone = self._record(draws, rows)
        if len(gone):
            self._drop(gone)
            if self._live:
                self._settle()

    def _forward(self, ids: Tensor, places: Tensor, cache: RowCache, columns: Columns) -> Tensor:
        """Return the scores after each row's newest token."""
        if cache.is_full:
            self._settle()
        mask = cache.open_column()
        module = self._engine.module
        ids, places = ids.to(module.device), places.to(module.device)
        if isinstance(self._lean, LeanLlama):
            added = additions(self._engine.steering, columns, self._which)
            logits = self._lean.step(ids, places, cache, mask, added)
        else:
            with steered_by(self._engine.laid, columns, self._which):
                logits = step_rows(module, ids, places, cache, mask, self._keyword)
        cache.now += 1
        return logits

    @property
    def _which(self) -> Tensor | None:
        """The nudge of each live row, where they are a stack."""
        steering = self._engine.steering
        if steering is None or not steering.is_stack:
            return None
        return self._nudges[torch.from_numpy(self._job[: self._live])]

    @property
    def _paged(self) -> LeanLlama | LeanHalf:
        """The path that reads pages."""
        if self._lean is None:
            raise RuntimeError("pages are for the lean path")
        return self._lean

    def _record(self, draws: Draws, rows: slice) -> npt.NDArray[np.int64]:
        """Write new tokens down; store completions that end and give their places in `rows`."""
        jobs, count = self._job[rows], self._count[rows]
        places = np.arange(rows.start, rows.stop)
        self._tokens[places, count] = draws.tokens
        for name, figures in self._noted.items():
            figures[places, count] = getattr(draws, name)
        count += 1  # a view: the rows' own counts
        is_eos = (draws.tokens[:, None] == self._eos).any(1)
        is_over = count >= self._limits[jobs]
        is_stop = np.zeros(len(jobs), dtype=np.bool_)
        stops = self._rule.stops
        if stops is not None:
            for i in np.flatnonzero(stops.suspects(draws.tokens) & ~is_eos):
                is_stop[i] = stops.met(self._tokens[places[i], : count[i]])
        gone: npt.NDArray[np.int64] = np.flatnonzero(is_eos | is_over | is_stop)
        for i in gone:
            stop: Stop = "eos" if is_eos[i] else "stop" if is_stop[i] else "length"
            self._store(int(places[i]), stop)
        return gone

    def _store(self, row: int, stop: Stop) -> None:
        """Put a finished row among the results."""
        count = int(self._count[row])
        self._ledger.drawn += 1
        self._results[int(self._job[row])] = Raw(
            self._tokens[row, :count].tolist(),
            stop,
            **{name: tuple(kept[row, :count].tolist()) for name, kept in self._noted.items()},
        )

    def _drop(self, gone: npt.NDArray[np.int64]) -> None:
        """Close the gaps of finished rows with rows from the end."""
        left = self._live - len(gone)
        targets = gone[gone < left]
        staying = np.ones(self._live, dtype=np.bool_)
        staying[gone] = False
        sources = np.flatnonzero(staying[left:]) + left
        self._live = left
        self._cache.free(gone)
        if len(targets) == 0:
            return
        for array in self._moved:
            array[targets] = array[sources]
        self._cache.move(torch.from_numpy(sources), torch.from_numpy(targets))

    def _settle(self) -> None:
        """Tell the cache which rows are in flight."""
        self._cache.settle(self._live, is_final=self._is_last)

    def _count_tokens(self, prompt: int, sampled: int) -> None:
        """Tell the ledger."""
        with self._engine.lock:
            self._ledger.ran(
                prompt=prompt, sampled=sampled, flops_per_token=self._engine.flops_per_token
            )
