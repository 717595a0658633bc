"""A local transformers model as modicum sees it."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import final

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import Extra, ModelCard
from modicum.nudge.steering import Steering, by_place, stacked
from modicum.sampling.blocks import Asked, Engine, Raw, SamplingJob, SamplingRule, plan_blocks
from modicum.sampling.cache import column_floats
from modicum.sampling.chat import user_prompt
from modicum.sampling.fit import row_windows
from modicum.sampling.half import activation_dtype, is_half
from modicum.sampling.loop import lean_for, sample_block
from modicum.sampling.malloc import return_large_blocks
from modicum.sampling.own import sample_with_own_cache
from modicum.sampling.pages import Pools
from modicum.sampling.products import COLUMNS
from modicum.sampling.prompts import prompt_tokens, stream_key, text_tokens
from modicum.sampling.scores import score_all
from modicum.sampling.sound import Sound
from modicum.sampling.text import TextMaker, end_tokens
from modicum.sampling.thinking import Piece, force, rows_of, words_of
from modicum.sampling.threads import is_memory
from modicum.sampling.tune_rows import quickest
from modicum.stock import Group
from modicum.types import Completion, Request, Sampling, ThinkingBudget
from modicum.whitebox import WhiteBox, flops_per_token, reading_hash, weights_hash

__all__ = ["Local"]

_SMALL = 5_000_000
"""Parameters below which a second thread costs more than it brings."""
_LEAST_ABREAST = 8
"""Completions a thread below which fewer threads work."""
_MEMORY_SHARE = 0.25
"""Share of the machine's memory that the keys and values of a block may take."""
_TRIED_STEPS, _TRIED_LENGTH = 6, 512
"""Tokens a row when rows are tuned, and the length that must fit."""

_OWN_CACHE = "layers whose rows share no cache: drawn with the module's own, slower"
_NO_END = "no end token: an answer runs to a stop string or the length limit"


@final
class Local(WhiteBox):
    """A local transformers model: sampled in blocks, its weights in reach."""

    offers: frozenset[Extra] = frozenset({"branches", "begun", "scores", "thinking"})

    def __init__(
        self,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        licence: str = "",
        notes: Sequence[str] = (),
        rows: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Wrap a loaded module.

        Args:
            module: A causal language model.
            tokenizer: Its tokenizer.
            name: Name as the user gave it.
            licence: Licence, where known.
            notes: What a reader must know.
            rows: Completions in flight; chosen from model and memory if not given.
            threads: CPU threads; one for small models and all of torch's otherwise, if not given.

        Raises:
            CheckpointError: the module does not run on tokens alone, or looks at later ones.
        """
        self.module = module
        self.tokenizer = tokenizer
        self._name, self._licence, self._notes = name, licence, tuple(notes)
        self._template: dict[str, bool] = {}
        """What its chat template is told beside the messages."""
        self._rows = rows
        self._tuned: int | None = None
        self._n_parameters = sum(p.numel() for p in module.parameters())
        is_small = self._n_parameters < _SMALL
        if not is_small:
            return_large_blocks()
        alone = 1 if is_small else torch.get_num_threads()
        self.threads = threads or alone
        self._text = TextMaker(tokenizer)
        config = module.config.get_text_config(decoder=True)
        self._vocab = int(config.vocab_size)
        self._engine = Engine(
            module,
            row_windows(module),
            end_tokens(module, tokenizer),
            getattr(config, "max_position_embeddings", None) or 2**31,
            flops_per_token(module),
            [] if is_small else None,
            pools=Pools(kept=is_small),
            sound=Sound(name),
        )
        self._fewest: int | None = None
        """Rows of the smallest block that had to be halved."""

    @cached_property
    def _weights(self) -> str:
        return weights_hash(self.module)

    @property
    def card(self) -> ModelCard:
        """What is known of the model; the first reading hashes the weights."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        halved = (f"blocks halved to {self._fewest} rows: memory",) if self._fewest else ()
        return ModelCard(
            self._name,
            self._weights,
            self._n_parameters,
            self._engine.flops_per_token,
            self._licence,
            (
                *self._notes,
                *self._warnings,
                f"{threads}, {str(self.dtype).removeprefix('torch.')}",
                *halved,
            ),
            self._engine.steering.digest if self._engine.steering else "",
            reading_hash(self.module, self.tokenizer, self._engine.eos),
            self._rows or self._tuned or 0,
        )

    @property
    def _warnings(self) -> list[str]:
        """What a study of this model must know of its layers and of its tokenizer."""
        said = [] if self._engine.windows else [_OWN_CACHE]
        return said if self._engine.eos else [*said, _NO_END]

    def with_module(self, module: PreTrainedModel) -> "Local":
        """Return the same model around another module: a tuned copy, say."""
        other = Local(
            module,
            self.tokenizer,
            name=self._name,
            licence=self._licence,
            notes=self._notes,
            rows=self._rows,
            threads=self.threads,
        )
        other._template = self._template
        other._tuned, other.style = self._tuned, self.style
        return other

    def without_thinking(self) -> "Local":
        """Return the same model, whose chat template is told not to open its thinking.

        Raises:
            ConfigError: the template has no such switch.
        """
        template = str(self.tokenizer.chat_template or "")
        known = [name for name in ("enable_thinking", "thinking") if name in template]
        if not known:
            raise ConfigError(
                f"a chat template of {self._name!r} without enable_thinking",
                "one that can be told not to think",
                "leave ?thinking=off out, or ask for short answers in the prompt",
            )
        other = self.with_module(self.module)
        other._template = {**self._template, known[0]: False}
        return other

    def tuned(self, rows: int = 0) -> "Local":
        """Settle how many completions fly; see `Model.tuned`. Small models keep their rule."""
        if not self._rows and not self._tuned and self._n_parameters >= _SMALL:
            self._tuned = rows or quickest(self._try, self._fitting(_TRIED_LENGTH))
        return self

    def _try(self, rows: int) -> int:
        """Draw a few tokens with so many rows a block; gives how many."""
        one, ledger = self.with_module(self.module), Ledger()
        one._rows = rows
        asked = [Request("1 2 3 4 5 6 7 8", "rows", rows * self.threads)]
        one.generate(asked, Sampling(_TRIED_STEPS, 1.0, stream="rows"), ledger)
        return ledger.tokens_sampled

    def with_steering(self, steering: Steering) -> "Local":
        """Return the same model with directions added to its activations while it samples."""
        steered_one = self.with_module(self.module)
        steered_one._engine = replace(steered_one._engine, steering=steering)
        steered_one._stock = self._stock
        return steered_one

    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Draw each request's samples, or its branches; see `Model.draw`."""
        if sampling.thinking is not None:
            return self._forced(requests, sampling, sampling.thinking, ledger)
        return self._asked([(0, request) for request in requests], sampling, ledger)

    def draw_steered(
        self,
        asked: Sequence[tuple[int, Request]],
        steerings: Sequence[Steering | None],
        sampling: Sampling,
        ledger: Ledger,
    ) -> list[Group]:
        """Draw requests, rows of one batch each with its own nudge; see `WhiteBox.draw_steered`."""
        own = [one or self._engine.steering for one in steerings]
        if sampling.thinking is not None or len(own) < 2 or not any(own):
            return super().draw_steered(asked, own, sampling, ledger)
        drawn: dict[int, Group] = {}
        for numbers in by_place(own):
            stack = self.with_steering(stacked([own[number] for number in numbers]))
            places = [i for i, (number, _) in enumerate(asked) if number in numbers]
            mine = [(numbers.index(asked[i][0]), asked[i][1]) for i in places]
            drawn.update(zip(places, stack._asked(mine, sampling, ledger), strict=True))
        return [drawn[i] for i in range(len(asked))]

    def _asked(
        self, asked: Sequence[tuple[int, Request]], sampling: Sampling, ledger: Ledger
    ) -> list[Group]:
        """Draws requests, each under a nudge of the stack."""
        rule = self._rule(sampling)
        k, limit = rule.branches.k if rule.branches else 0, rule.max_new_tokens
        wanted = [Asked(one, k or one.n, limit, nudge) for nudge, one in asked]
        return self._sample(wanted, rule, sampling.stream, ledger)

    def _rule(self, sampling: Sampling) -> SamplingRule:
        branches = sampling.branches
        if branches is not None:
            branches = replace(branches, k=min(branches.k, self._vocab))
        return SamplingRule(
            sampling.max_new_tokens,
            0.0 if sampling.is_greedy else sampling.temperature,
            sampling.margins or branches is not None,
            self._text.stops(sampling.stop),
            sampling.ids,
            branches,
            sampling.scores,
        )

    def _forced(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        budget: ThinkingBudget,
        ledger: Ledger,
    ) -> list[Group]:
        """Draws samples whose thinking is closed or carried on from outside."""
        words = words_of(self, budget, sampling, self._text)
        plain, n = replace(sampling, thinking=None, ids=True), [request.n for request in requests]
        lengths = [len(text_tokens(self, self._vocab, request)) for request in requests]
        limits = [min(sampling.max_new_tokens, self._engine.context - n) for n in lengths]
        rows = rows_of(self, requests, limits, budget)

        def draw(
            asked: Sequence[Request], limits: Sequence[int], further: tuple[str, ...]
        ) -> list[Piece]:
            rule = self._rule(replace(plain, stop=(*plain.stop, *further)))
            ones = [Asked(one, 1, limit) for one, limit in zip(asked, limits, strict=True)]
            groups = self._sample(ones, rule, plain.stream, ledger)
            return [(completion.ids, completion.stop) for (completion,) in groups]

        force(rows, words, draw)
        raws = [Raw(row.tokens, row.stop or "length") for row in rows]
        texts, rule = self._text.texts([raw.spoken for raw in raws]), self._rule(sampling)
        done = iter(self._completion(*pair, rule) for pair in zip(raws, texts, strict=True))
        return [tuple(itertools.islice(done, size)) for size in n]

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Return the sum of log-probabilities (nats) of each continuation after its prompt."""
        parts = [
            (prompt_tokens(self, self._vocab, prompt), tuple(self.encode_more(more)))
            for prompt, more in zip(prompts, continuations, strict=True)
        ]
        with self._at_work(), torch.inference_mode():
            return score_all(self._engine, parts, self._vocab)

    def chat(self, system: str | None, user: str) -> str | None:
        """Return the prompt of the chat template, or None where the model has none."""
        return user_prompt(self.tokenizer, system, user, self._template)

    def can_encode(self, text: str) -> bool:
        """Say whether the tokenizer keeps the text (no unknown tokens)."""
        ids = self.encode_more(text)
        if self.tokenizer.unk_token_id is not None and self.tokenizer.unk_token_id in ids:
            return False
        return "".join(self._text.texts([ids])[0].split()) == "".join(text.split())

    def _sample(
        self, asked: Sequence[Asked], rule: SamplingRule, stream: str, ledger: Ledger
    ) -> list[Group]:
        """Draws block by block and gathers the completions of each request."""
        prompts = [text_tokens(self, self._vocab, one.request) for one in asked]
        if not prompts:
            return []
        longest = max(map(len, prompts)) + max(one.limit for one in asked)
        rows = self.rows_for(longest)
        drawn: list[list[Completion]] = [[] for _ in asked]
        n_samples = [one.n for one in asked]
        abreast = self._abreast(sum(n_samples))

        def job(r: int, s: int) -> SamplingJob:
            request, _, limit, nudge = asked[r]
            key, begun = stream_key(request, s, stream), len(request.begun)
            return SamplingJob(r, s, prompts[r], key, begun, limit, nudge)

        blocks = [[job(*place) for place in b] for b in plan_blocks(n_samples, rows * abreast)]
        with self._at_work(abreast), ledger.timed():
            for jobs in blocks:
                raws = self._run_block(jobs, rule, ledger, rows, abreast)
                kept = [(job.request, raw) for job, raw in zip(jobs, raws, strict=True) if raw]
                texts = self._text.texts([raw.spoken for _, raw in kept])
                for (request, raw), text in zip(kept, texts, strict=True):
                    drawn[request].append(self._completion(raw, text, rule))
        return [tuple(group) for group in drawn]

    def _abreast(self, n_jobs: int) -> int:
        """Return how many flights share a block, a thread each."""
        if self.device.type != "cpu" or self._engine.windows is None:
            return 1
        least = COLUMNS if is_half(self.module) else _LEAST_ABREAST
        return max(1, min(self.threads, n_jobs // least))

    def _run_block(
        self,
        jobs: Sequence[SamplingJob],
        rule: SamplingRule,
        ledger: Ledger,
        rows: int,
        abreast: int,
    ) -> list[Raw | None]:
        """Draw one block; where memory does not suffice, with half of the rows."""
        threads = max(1, self.threads // abreast)
        while True:
            try:
                if self._engine.windows is None:
                    return sample_with_own_cache(self._engine, jobs, rule, ledger, rows=rows)
                return sample_block(
                    self._engine, jobs, rule, ledger, rows=rows, flights=abreast, threads=threads
                )
            except (MemoryError, RuntimeError) as error:
                if rows == 1 or not is_memory(error):
                    raise
                rows //= 2
                self._fewest = min(rows, self._fewest or rows)

    def _completion(self, raw: Raw, text: str, rule: SamplingRule) -> Completion:
        """Return a completion with its text, cut at a stop string."""
        pieces = self._text.pieces(raw.spoken) if rule.margins else ()
        if rule.margins and raw.stop == "eos":
            pieces = (*pieces, "")
        return Completion(
            rule.stops.cut(text) if rule.stops else text,
            len(raw.tokens),
            raw.stop,
            pieces,
            raw.margins,
            raw.probabilities,
            tuple(raw.tokens) if rule.ids else (),
            raw.logprobs,
        )

    def rows_for(self, longest: int) -> int:
        """Return the completions in flight: as set, or as tuned or ruled, within the memory.

        Args:
            longest: Tokens of the longest prompt and completion together.
        """
        if self._rows:
            return self._rows
        wanted = 512 if self._n_parameters < _SMALL else 128
        return max(1, min(self._tuned or wanted, self._fitting(longest)))

    def _fitting(self, longest: int) -> int:
        """Return how many completions' keys and values fit into this block's share of memory."""
        kept = self.dtype if lean_for(self.module) else activation_dtype(self.module)
        column = column_floats(self.module.config) * kept.itemsize
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return int(_MEMORY_SHARE * memory / (column * (longest + 64)))

    @contextlib.contextmanager
    def _at_work(self, abreast: int = 1) -> Iterator[None]:
        """Set the thread count and evaluation mode for a while."""
        before, training = torch.get_num_threads(), self.module.training
        torch.set_num_threads(max(1, self.threads // abreast))
        if training:
            self.module.eval()
        try:
            yield
        finally:
            torch.set_num_threads(before)
            if training:
                self.module.train()
