"""Our sampler beside transformers' `generate` and `generate_batch`, and beside the machine's limit.

python -m benchmarks.sampling [--json] [--quick] [--alone] [--model organism] [--threads N] [--rounds N]

32 problems x 16 samples, natural lengths, all sides with the same threads. Counted are tokens up to
and including the end token; padding is work that `generate` does for nothing. On SmolLM2 the peers
answer a few of the same problems each round, others in every round, in batches of their own best
size (chosen by a short timing): a whole round of theirs would take an hour. w is the longest over
the mean length in `generate`'s batches, weighted by rows. Memory is measured in a process of its own.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from benchmarks import Figure, Report
from benchmarks.floor import Rates, measure, spied_rows
from modicum.ledger import Ledger
from modicum.model import render, resolve_backend
from modicum.sampling import loop
from modicum.sampling.draw import Draws
from modicum.sampling.local import Local
from modicum.task import resolve_task
from modicum.types import Completion, Request, Sampling, Style


@dataclass(frozen=True)
class Case:
    """What is compared on one model."""

    model: str
    task: str
    chat: bool
    max_new_tokens: int
    batches: tuple[int, ...]
    """Batch sizes (completions) that `generate` may choose from."""
    peer_problems: int | None
    """Problems a round that the peers answer; None for all."""
    difference: float
    """Largest difference of logits allowed."""


CASES = (
    Case("organism", "word_sums", False, 72, (128, 256, 512), None, 1e-4),
    Case("smollm2-135m", "gym:chain_sum", True, 256, (16, 32, 64), 2, 1e-3),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer problems, tokens and rounds")
    parser.add_argument("--model", choices=[case.model for case in CASES])
    parser.add_argument("--threads", type=int, help="for both sides; the model's own if not given")
    parser.add_argument("--rounds", type=int)
    parser.add_argument(
        "--alone", action="store_true", help="without the peers, a third of the time"
    )
    given = parser.parse_args()
    report = Report(threads=given.threads or 0)
    for case in CASES:
        if given.model in (None, case.model):
            compare(case, given, report)
    report.show(as_json=given.json)


def clock() -> float:
    """Return wall-clock seconds; processor seconds where MODICUM_BENCH_CLOCK=cpu."""
    is_cpu = os.environ.get("MODICUM_BENCH_CLOCK") == "cpu"
    return time.process_time() if is_cpu else time.perf_counter()


def compare(case: Case, given: argparse.Namespace, report: Report) -> None:
    """Run one model's comparison and adds its figures."""
    model, prompts = opened(case, given)
    model = model.tuned()
    report.threads = max(report.threads, model.threads)
    is_real, n_problems, n_samples = case.chat, len(prompts), 16
    limit = min(case.max_new_tokens, 48) if given.quick and is_real else case.max_new_tokens
    rounds = given.rounds or (3 if given.quick else 5)
    torch.set_num_threads(model.threads)
    short = min(limit, 48) if is_real else limit
    few = prompts[:4] if is_real else prompts
    batch = 0 if given.alone else best_batch(model, few, n_samples, short, case.batches)
    per_round = max(case.peer_problems or n_problems, batch // n_samples if is_real else 0)
    ours, peer, continuous, shares, spread = [], [], [], [], []
    abreast = min(model.threads, n_problems * n_samples // 8)
    model.generate([Request(prompts[0], "warm", n_samples)], Sampling(4, 1.0), Ledger())
    for turn in range(rounds):
        some = [prompts[(turn * per_round + i) % n_problems] for i in range(per_round)]
        ledger = Ledger()
        with spied_rows() as steps:
            speed, lengths = run_ours(model, prompts, n_samples, limit, turn, ledger)
        ours.append(speed)
        if is_real:
            rates = measure(model, min(model.rows_for(400), n_problems * n_samples), abreast)
            shares.append(rates.floor(steps, ledger.tokens_prompt) * speed / sum(lengths))
        if given.alone:
            continue
        theirs, taken = run_peer(model, some, n_samples, limit, batch)
        peer.append(theirs)
        spread.append(waste(taken, batch))
        if is_real:
            continuous.append(run_continuous(model, some, n_samples, limit))
    if not given.alone:
        beside(case, given, (ours, peer, continuous), (spread, batch, per_round), report)
    if is_real:
        limits(case, shares, (ours, rates), report)
        memory(case.model, case.task, report, options=["--quick"] if given.quick else [])
    steadiness(case, model, prompts, limit, report)
    parity(case, model, prompts[: 8 if is_real else 32], min(limit, 64), report)


def beside(
    case: Case,
    given: argparse.Namespace,
    speeds: tuple[list[float], list[float], list[float]],
    peers: tuple[list[float], int, int],
    report: Report,
) -> None:
    """Add our tokens a second beside `generate`'s and, on a real model, `generate_batch`'s."""
    ours, peer, continuous = speeds
    spread, batch, per_round = peers
    limit = min(case.max_new_tokens, 48) if given.quick and case.chat else case.max_new_tokens
    n_problems = 4 if given.quick and case.chat else 32
    w = statistics.median(spread)
    note = f"generate's batch {batch}, {per_round} problems a round; w {w:.2f}; load {load()}"
    name = f"{case.model} tokens/s, {n_problems}x16, <= {limit}"
    report.figures.append(Figure.of_rounds(name, ours, peer, goal=round(1.8 * w, 2), note=note))
    if continuous:
        name = f"{case.model} tokens/s beside generate_batch"
        report.figures.append(Figure.of_rounds(name, ours, continuous, goal=1.5))


def opened(case: Case, given: argparse.Namespace) -> tuple[Local, list[str]]:
    """Return the model, with a thread a core where it is a real one, and the prompts."""
    cores = len(os.sched_getaffinity(0)) if case.chat else None
    model = resolve_backend(case.model, {"threads": given.threads or cores}).open()
    assert isinstance(model, Local)
    n = 4 if given.quick and case.chat else 32
    return model, prompts_of(model, case.task, n, chat=case.chat)


def prompts_of(model: Local, name: str, n: int, *, chat: bool, template: str = "") -> list[str]:
    """Return a task's first prompts for a model, in the task's own template if none is given."""
    task = resolve_task(name)
    style = Style("bench", template or task.sheet.template, chat=chat)
    return [render(model, style, problem.question) for problem in task.problems("test", n)]


def waste(lengths: list[int], batch: int) -> float:
    """Return the longest over the mean length within batches, weighted by rows."""
    groups = [lengths[i : i + batch] for i in range(0, len(lengths), batch)]
    return sum(max(group) * len(group) for group in groups) / sum(lengths)


def load() -> str:
    """Return what else the machine does."""
    return f"{os.getloadavg()[0]:.1f}"


def limits(
    case: Case, shares: list[float], found: tuple[list[float], Rates], report: Report
) -> None:
    """Add the share of the matrix products' rate that the rounds reached, and the rate itself."""
    ours, rates = found
    full = rates.rows[-1]
    note = (
        f"{statistics.median(ours):.0f} tokens/s; "
        f"floor: each step's products at its own rows, {rates.abreast} threads abreast; at {full} "
        f"rows {rates.rate(full) / 1e9:.0f} GFLOP/s, at 8 {rates.rate(8) / 1e9:.0f}; reading "
        f"{rates.bandwidth / 1e9:.0f} GB/s"
    )
    name = f"{case.model} share of the matmul-limited rate"
    report.figures.append(
        Figure(
            name,
            round(statistics.median(shares), 3),
            1.0,
            (round(min(shares), 3), round(statistics.median(shares), 3), round(max(shares), 3)),
            0.6,
            note,
        )
    )


def memory(
    model: str, task: str, report: Report, *, goal: float = 1.3, options: Sequence[str] = ()
) -> None:
    """Add the growth of the resident set in a fresh process over weights and cache."""
    command = [sys.executable, "-m", "benchmarks.sampling_memory", model, task, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    note = (
        f"grew by {found['growth'] / 1e6:.0f} MB; weights {found['weights'] / 1e6:.0f}, keys and "
        f"values {found['cache'] / 1e6:.0f}"
    )
    ratio = found["growth"] / (found["weights"] + found["cache"])
    name = f"{model} memory growth over weights + cache"
    report.figures.append(Figure.of_value(name, round(ratio, 3), goal=goal, note=note))


def steadiness(case: Case, model: Local, prompts: list[str], limit: int, report: Report) -> None:
    """Add how many completions differ: on a second run, and with other rows."""
    asked = [Request(prompt, f"steady-{i}", 16) for i, prompt in enumerate(prompts)]
    few = asked[:4]
    fine = Sampling(min(limit, 48), 1.0, margins=True, stream="steady")
    first, second = (model.generate(few, fine, Ledger()) for _ in range(2))
    pairs = list(zip(flat(first), flat(second), strict=True))
    name = f"{case.model} completions unequal in any bit, run again"
    unequal = sum(a != b for a, b in pairs)
    report.figures.append(Figure.of_value(name, unequal, goal=0, note=f"of {len(pairs)}"))
    sampling = Sampling(limit, 1.0, stream="steady")
    other = resolve_backend(case.model, {"threads": model.threads, "rows": 48}).open()
    pairs = list(
        zip(
            flat(model.generate(asked, sampling, Ledger())),
            flat(other.generate(asked, sampling, Ledger())),
            strict=True,
        )
    )
    share = sum(a == b for a, b in pairs) / len(pairs)
    name = f"{case.model} completions equal at 48 rows"
    report.figures.append(Figure.of_value(name, share, goal=0.999, note=f"of {len(pairs)}"))


def flat(groups: list[tuple[Completion, ...]]) -> list[Completion]:
    """Return all completions in one list."""
    return [completion for group in groups for completion in group]


def run_ours(
    model: Local, prompts: list[str], n_samples: int, limit: int, turn: int, ledger: Ledger
) -> tuple[float, list[int]]:
    """Return tokens a second of our sampler, and the lengths."""
    requests = [Request(prompt, f"bench-{i}", n_samples) for i, prompt in enumerate(prompts)]
    start = clock()
    drawn = model.generate(requests, Sampling(limit, 1.0, stream=f"turn-{turn}"), ledger)
    seconds = clock() - start
    lengths = [c.n_tokens for group in drawn for c in group]
    return sum(lengths) / seconds, lengths


def run_peer(
    model: Local, prompts: list[str], n_samples: int, limit: int, batch: int
) -> tuple[float, list[int]]:
    """Return tokens a second of `generate` in batches of `batch` completions, and the lengths."""
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


def run_continuous(model: Local, prompts: list[str], n_samples: int, limit: int) -> float:
    """Return tokens a second of transformers' continuous batching."""
    rows = [model.encode(prompt) for prompt in prompts for _ in range(n_samples)]
    ends = end_tokens(model)
    settings = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=limit,
        eos_token_id=sorted(ends),
        pad_token_id=model.tokenizer.eos_token_id,
    )
    pages = 2 + len(rows) * -(-(max(map(len, rows)) + limit) // 64)
    batching = ContinuousBatchingConfig(
        page_size=64, num_blocks=pages, max_batch_tokens=1024, use_cuda_graph=False
    )
    start = clock()
    done = model.module.generate_batch(
        rows, generation_config=settings, continuous_batching_config=batching, progress_bar=False
    )
    seconds = clock() - start
    return sum(len(output.generated_tokens) for output in done.values()) / seconds


def best_batch(
    model: Local, prompts: list[str], n_samples: int, limit: int, batches: tuple[int, ...]
) -> int:
    """Return the batch size at which `generate` is fastest, each tried once after a warm-up."""
    run_peer(model, prompts[:1], n_samples, 4, n_samples)
    total = len(prompts) * n_samples
    possible = [batch for batch in batches if batch <= total] or [total]
    if len(possible) == 1:
        return possible[0]
    speeds = {b: run_peer(model, prompts, n_samples, limit, b)[0] for b in possible}
    return max(speeds, key=speeds.__getitem__)


def parity(case: Case, model: Local, prompts: list[str], limit: int, report: Report) -> None:
    """Add how far greedy tokens and logits agree with transformers' own."""
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
    """Yield a list that receives the logits of every step drawn within."""
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
    """Return the tokens that `generate` takes greedily."""
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
    """Return the tokens that end a text, the same for both sides."""
    return model._engine.eos


if __name__ == "__main__":
    main()
