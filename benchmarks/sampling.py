"""Our sampler beside transformers' `model.generate`, at its own best batch size.

python -m benchmarks.sampling [--json] [--quick] [--model organism] [--threads N] [--rounds N]

Same prompts, 32 problems x 16 samples, natural lengths, both sides with the same threads. Counted
are tokens up to and including the end token; padding is work that `generate` does for nothing.
"""

import argparse
import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import Figure, Report
from modicum.ledger import Ledger
from modicum.model import render, resolve_backend
from modicum.sampling import loop
from modicum.sampling.draw import Draws
from modicum.sampling.local import Local
from modicum.task import resolve_task
from modicum.types import Request, Sampling, Style


@dataclass(frozen=True)
class Case:
    """What is compared on one model."""

    model: str
    task: str
    chat: bool
    max_new_tokens: int
    batches: tuple[int, ...]
    """Batch sizes (completions) that `generate` may choose from."""
    goal: float
    difference: float
    """Largest difference of logits allowed."""


CASES = (
    Case("organism", "word_sums", False, 72, (128, 256, 512), 5.0, 1e-4),
    Case("smollm2-135m", "gym:chain_sum", True, 256, (32, 64, 128), 2.0, 1e-3),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer problems, tokens and rounds")
    parser.add_argument("--model", choices=[case.model for case in CASES])
    parser.add_argument("--threads", type=int, help="for both sides; the model's own if not given")
    parser.add_argument("--rounds", type=int)
    given = parser.parse_args()
    report = Report(threads=given.threads or 0)
    for case in CASES:
        if given.model in (None, case.model):
            compare(case, given, report)
    report.show(as_json=given.json)


def clock() -> float:
    """Gives wall-clock seconds; processor seconds where MODICUM_BENCH_CLOCK=cpu."""
    is_cpu = os.environ.get("MODICUM_BENCH_CLOCK") == "cpu"
    return time.process_time() if is_cpu else time.perf_counter()


def compare(case: Case, given: argparse.Namespace, report: Report) -> None:
    """Runs one model's comparison and adds its figures."""
    model = resolve_backend(case.model, {"threads": given.threads}).open()
    assert isinstance(model, Local)
    report.threads = max(report.threads, model.threads)
    task = resolve_task(case.task)
    is_real = case.chat
    n_problems, n_samples = (4, 16) if given.quick and is_real else (32, 16)
    limit = min(case.max_new_tokens, 48) if given.quick and is_real else case.max_new_tokens
    rounds = given.rounds or (3 if given.quick else 5)
    style = Style("bench", task.sheet.template, chat=case.chat)
    prompts = [render(model, style, p.question) for p in task.problems("test", n_problems)]
    torch.set_num_threads(model.threads)
    batch = best_batch(model, prompts, n_samples, limit, case.batches)
    ours: list[float] = []
    peer: list[float] = []
    longest = mean = 0.0
    for turn in range(rounds):
        speed, lengths = run_ours(model, prompts, n_samples, limit, turn)
        ours.append(speed)
        peer.append(run_peer(model, prompts, n_samples, limit, batch)[0])
        longest, mean = max(lengths), sum(lengths) / len(lengths)
    load = os.getloadavg()[0]
    note = f"generate's batch {batch}, w {longest / mean:.2f}, load {load:.1f}"
    name = f"{case.model} tokens/s, {n_problems}x{n_samples}, <= {limit}"
    report.figures.append(Figure.of_rounds(name, ours, peer, goal=case.goal, note=note))
    parity(case, model, prompts[: 8 if is_real else 32], min(limit, 64), report)


def run_ours(
    model: Local, prompts: list[str], n_samples: int, limit: int, turn: int
) -> tuple[float, list[int]]:
    """Gives tokens a second of our sampler, and the lengths."""
    requests = [Request(prompt, f"bench-{i}", n_samples) for i, prompt in enumerate(prompts)]
    start = clock()
    drawn = model.generate(requests, Sampling(limit, 1.0, stream=f"turn-{turn}"), Ledger())
    seconds = clock() - start
    lengths = [c.n_tokens for group in drawn for c in group]
    return sum(lengths) / seconds, lengths


def run_peer(
    model: Local, prompts: list[str], n_samples: int, limit: int, batch: int
) -> tuple[float, list[int]]:
    """Gives tokens a second of `generate` in batches of `batch` completions, and the lengths."""
    tokenizer = model.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    per_call = max(1, batch // n_samples)
    ends = torch.tensor(sorted(end_tokens(model)))
    lengths: list[int] = []
    start = clock()
    for i in range(0, len(prompts), per_call):
        rows = [model.encode(prompt) for prompt in prompts[i : i + per_call]]
        ids = tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        with torch.inference_mode():
            out = model.module.generate(
                input_ids=ids["input_ids"],
                attention_mask=ids["attention_mask"],
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                num_return_sequences=n_samples,
                max_new_tokens=limit,
                eos_token_id=ends.tolist(),
                pad_token_id=tokenizer.pad_token_id,
            )
        new = out[:, ids["input_ids"].shape[1] :]
        tokenizer.batch_decode(new, skip_special_tokens=True)
        is_end = torch.isin(new, ends)
        first = torch.where(is_end.any(1), is_end.int().argmax(1) + 1, new.shape[1])
        lengths += first.tolist()
    seconds = clock() - start
    return sum(lengths) / seconds, lengths


def best_batch(
    model: Local, prompts: list[str], n_samples: int, limit: int, batches: tuple[int, ...]
) -> int:
    """Gives the batch size at which `generate` is fastest, each tried once after a warm-up."""
    run_peer(model, prompts[:1], n_samples, 4, n_samples)
    total = len(prompts) * n_samples
    possible = [batch for batch in batches if batch <= total] or [total]
    if len(possible) == 1:
        return possible[0]
    speeds = {b: run_peer(model, prompts, n_samples, limit, b)[0] for b in possible}
    return max(speeds, key=speeds.__getitem__)


def parity(case: Case, model: Local, prompts: list[str], limit: int, report: Report) -> None:
    """Adds how far greedy tokens and logits agree with transformers' own."""
    unequal = close = 0
    worst = 0.0
    for i, prompt in enumerate(prompts):
        with spied_logits() as logits:
            asked = [Request(prompt, f"parity-{i}")]
            [(ours,)] = model.generate(asked, Sampling(limit, 0.0), Ledger())
        ids = model.encode(prompt)
        theirs = greedy_by_generate(model, ids, limit)
        mine = [int(step.argmax()) for step in logits]
        with torch.inference_mode():
            naive = model.module(input_ids=torch.tensor([ids + mine])).logits[0]
        steps = naive[len(ids) - 1 : -1]
        worst = max(worst, float((torch.cat(logits) - steps).abs().max()))
        if mine == theirs:
            continue
        first = next(
            j for j, pair in enumerate(zip(mine, theirs, strict=False)) if len(set(pair)) > 1
        )
        top = steps[first].topk(2).values
        is_close = float(top[0] - top[1]) < 1e-3
        close, unequal = close + is_close, unequal + (not is_close)
        assert ours.n_tokens == len(mine)
    name = f"{case.model} greedy texts unequal"
    note = f"of {len(prompts)}; {close} more where the top two logits lie within 1e-3"
    report.figures.append(Figure.of_value(name, unequal, goal=0, note=note))
    name = f"{case.model} largest difference of logits"
    report.figures.append(Figure.of_value(name, worst, goal=case.difference))


@contextlib.contextmanager
def spied_logits() -> Iterator[list[torch.Tensor]]:
    """Gives a list that receives the logits of every step drawn within."""
    kept: list[torch.Tensor] = []
    original = loop.draw

    def spy(logits: torch.Tensor, uniforms: Any, **settings: Any) -> Draws:  # noqa: ANN401
        kept.append(logits.clone())
        return original(logits, uniforms, **settings)

    loop.draw = spy  # type: ignore[assignment]
    try:
        yield kept
    finally:
        loop.draw = original


def greedy_by_generate(model: Local, ids: list[int], limit: int) -> list[int]:
    """Gives the tokens that `generate` takes greedily."""
    row = torch.tensor([ids])
    with torch.inference_mode():
        out = model.module.generate(
            input_ids=row,
            attention_mask=torch.ones_like(row),
            do_sample=False,
            max_new_tokens=limit,
            eos_token_id=sorted(end_tokens(model)),
            pad_token_id=model.tokenizer.eos_token_id,
        )
    tokens: list[int] = out[0, len(ids) :].tolist()
    return tokens


def end_tokens(model: Local) -> frozenset[int]:
    """Gives the tokens that end a text, the same for both sides."""
    return model._engine.eos


if __name__ == "__main__":
    main()
