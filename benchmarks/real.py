"""A real model in bfloat16 products beside single precision, llama.cpp and continuous batching.

python -m benchmarks.real [--json] [--quick] [--alone] [--model NAME] [--task NAME] [--gguf FILE]
    [--problems N] [--rounds N] [--threads N]

32 problems, asked plainly, x 16 samples at temperature 1, natural lengths up to 256 tokens, every
side with the same threads; tokens up to and including the end token count, prompts and padding never
do. llama.cpp runs the model's own GGUF file at the batch that a short timing found best, with prompts
and answers of our mean lengths (`benchmarks.llama_cpp` says what is left out in its favour);
transformers' `generate_batch` answers a few of the same problems in bfloat16. `--alone` leaves the
peers out but not single precision, `--quick` takes four problems and short answers.
MODICUM_BENCH_CLOCK=cpu counts processor seconds of ours and of `generate_batch`; llama.cpp gives
wall-clock seconds alone.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks import Figure, Report
from benchmarks.floor import Rates, measure, spied_rows
from benchmarks.llama_cpp import SEQUENCES, Peer, Timing, gguf_of, peers, timings
from benchmarks.sampling import load, memory, prompts_of, run_continuous, run_ours
from benchmarks.spying import Place, shares, spied_seconds
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.sampling import loop
from modicum.sampling.half_steps import LeanHalf
from modicum.sampling.local import Local
from modicum.sampling.native import Kernel
from modicum.sampling.prefix import Prefixes
from modicum.sampling.products import NativeProducts, TorchProducts
from modicum.types import Request, Sampling

SAMPLES = 16
PLAIN = "{question}"
"""The question and nothing else: told how to end, a small model gives the bare answer at once."""
FEW = 2
"""Problems a round that continuous batching answers."""
GOALS = {"qwen2.5-coder-1.5b": 1.8}
"""Times llama.cpp, by model."""
GOAL, SINGLE_GOAL, MEMORY_GOAL = 2.0, 2.2, 1.25
DATA = Path("../shared/data/svamp.jsonl")
"""Word problems that a checkout may have beside it."""
PARTS: dict[str, list[Place]] = {
    "products": [
        (path, name)
        for path in (NativeProducts, TorchProducts)
        for name in ("product", "add_product", "gated")
    ],
    "norms and rounding": [
        (path, name) for path in (NativeProducts, TorchProducts) for name in ("normed", "taken")
    ],
    "attention": [(Kernel, "attend")],
    "drawing": [(LeanHalf, "drawn")],
    "prompts": [(Prefixes, "prefill")],
    "rest": [(loop._Flight, "run")],
}
"""Whose time is whose; what a method spends in another part's counts there."""


@dataclass
class Speeds:
    """Tokens a second, round by round, and what our own side did."""

    half: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)
    llama: list[float] = field(default_factory=list)
    continuous: list[float] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)
    """Processor seconds by part."""
    floors: list[float] = field(default_factory=list)
    """Least seconds of the products over the seconds taken."""
    lengths: list[int] = field(default_factory=list)
    """Tokens of each completion of the last round."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="four problems, 48 tokens")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--task", default=f"jsonl:{DATA}" if DATA.exists() else "gym:chain_sum")
    parser.add_argument("--gguf", type=Path, help="the model's file, where it is not pulled")
    parser.add_argument("--problems", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    report = Report(threads=given.threads)
    compare(given, report)
    report.show(as_json=given.json)


def compare(given: argparse.Namespace, report: Report) -> None:
    """Run the comparison and add its figures."""
    half, single = (opened(given, dtype) for dtype in ("bfloat16", "float32"))
    n = given.problems or (4 if given.quick else 32)
    prompts = prompts_of(half, given.task, n, chat=True, template=PLAIN)
    limit, sizes = (48 if given.quick else 256), [len(half.encode(p)) for p in prompts]
    rows = (64,) if given.quick else (16, 32, 64, 128, 256)
    say("timing the machine's products")
    speeds, rates = Speeds(), measure(half, max(64, half.rows_for(400)), given.threads, rows)
    llama = None
    for turn in range(given.rounds):
        timed(half, prompts, limit, turn, (speeds, rates))
        say(f"bfloat16: {speeds.half[-1]:.1f} tokens/s")
        speeds.single.append(run_ours(single, prompts, SAMPLES, limit, turn, Ledger())[0])
        say(f"float32: {speeds.single[-1]:.1f} tokens/s")
        if given.alone:
            continue
        mean = round(sum(speeds.lengths) / len(speeds.lengths))
        llama = llama or fastest(given, sizes, mean)
        speeds.llama.append(llama.run(sizes, mean, given.threads))
        say(f"llama.cpp: {speeds.llama[-1]:.1f} tokens/s ({llama.tried})")
        some = [prompts[(turn * FEW + i) % n] for i in range(FEW)]
        plain = half.with_module(plain_module(given.model))
        speeds.continuous.append(run_continuous(plain, some, SAMPLES, limit))
        say(f"generate_batch: {speeds.continuous[-1]:.1f} tokens/s")
    name = f"{given.model}, {n}x{SAMPLES}, <= {limit}"
    beside(name, given.model, (speeds, llama), report)
    limits(name, speeds, rates, report)
    options = ["--plain", "--threads", str(given.threads), *(["--quick"] if given.quick else [])]
    subject = f"{given.model}?dtype=bfloat16"
    memory(subject, given.task, report, goal=MEMORY_GOAL, options=options)


def say(line: str) -> None:
    """Tell on stderr how far it is: a whole run takes minutes."""
    print(line, file=sys.stderr, flush=True)


def opened(given: argparse.Namespace, dtype: str) -> Local:
    """Return the model in a format, warm; its rows in flight settled by a timing unless quick."""
    say(f"opening {given.model} in {dtype}")
    settings = {"threads": given.threads, "dtype": dtype}
    model = resolve_backend(given.model, settings).open()
    assert isinstance(model, Local)
    torch.set_num_threads(given.threads)
    if not given.quick:
        model = model.tuned()
    model.generate([Request("1 + 1 =", "warm", SAMPLES)], Sampling(4, 1.0), Ledger())
    return model


def plain_module(name: str) -> PreTrainedModel:
    """Return transformers' own module in bfloat16."""
    folder = resolve_backend(name).origin
    module: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    module.eval()
    return module


def timed(
    model: Local, prompts: Sequence[str], limit: int, turn: int, kept: tuple[Speeds, Rates]
) -> None:
    """Run our sampler in bfloat16 once, and keep how fast it was and what it spent on what."""
    speeds, rates = kept
    ledger = Ledger()
    with spied_rows() as steps, spied_seconds(PARTS) as spent:
        speed, speeds.lengths = run_ours(model, list(prompts), SAMPLES, limit, turn, ledger)
    speeds.half.append(speed)
    speeds.spent += spent
    floor = rates.floor(steps, ledger.tokens_prompt)
    speeds.floors.append(floor * speed / sum(speeds.lengths))


@dataclass(frozen=True)
class Llama:
    """The build and the batch that won."""

    peer: Peer
    gguf: Path
    sequences: int
    tried: str
    """Tokens a second of all that were tried."""

    def run(self, prompts: Sequence[int], tokens: int, threads: int) -> float:
        """Return generated tokens a second of all problems with all their samples.

        Args:
            prompts: Lengths of the prompts, each run once for all its samples.
            tokens: Mean length of an answer.
            threads: Threads.
        """
        mean = round(sum(prompts) / len(prompts))
        sizes = {"prompt": mean, "tokens": tokens}
        [timing] = timings(self.peer, self.gguf, [self.sequences], threads, **sizes)
        return timing.whole(sum(prompts), len(prompts) * SAMPLES * tokens)


def fastest(given: argparse.Namespace, prompts: Sequence[int], tokens: int) -> Llama:
    """Find llama.cpp's best batch, and its best build where there are two, at half of the length."""
    gguf = given.gguf or gguf_of(given.model)
    middle = round(sum(prompts) / len(prompts)) + tokens // 2
    tried: list[tuple[Timing, Peer]] = [
        (timing, peer)
        for peer in peers(gguf, given.threads)
        for timing in timings(peer, gguf, SEQUENCES, given.threads, prompt=middle, tokens=8)
    ]
    best, peer = max(tried, key=lambda pair: pair[0].rate)
    words = ", ".join(f"{timing.rate:.0f} at {timing.sequences}" for timing, _ in tried)
    return Llama(peer, gguf, best.sequences, words)


def beside(name: str, model: str, found: tuple[Speeds, Llama | None], report: Report) -> None:
    """Add our tokens a second beside everybody else's."""
    speeds, llama = found
    mean = sum(speeds.lengths) / len(speeds.lengths)
    note = f"mean length {mean:.0f}; load {load()}"
    rounds = (speeds.half, speeds.single)
    report.figures.append(
        Figure.of_rounds(f"{name}: beside float32", *rounds, goal=SINGLE_GOAL, note=note)
    )
    if llama is None:
        return
    note = f"{llama.sequences} sequences; {llama.tried}; {llama.peer.note}"
    goal = GOALS.get(model, GOAL)
    report.figures += [
        Figure.of_rounds(
            f"{name}: beside llama.cpp", speeds.half, speeds.llama, goal=goal, note=note
        ),
        Figure.of_rounds(
            f"{name}: beside generate_batch",
            speeds.half,
            speeds.continuous,
            goal=None,
            note=f"bfloat16, {FEW} problems a round",
        ),
    ]


def limits(name: str, speeds: Speeds, rates: Rates, report: Report) -> None:
    """Add the shares of time, and of what the machine's products reach."""
    peak = max(map(rates.rate, rates.rows))
    used = [speed * rates.flops_per_row for speed in speeds.half]
    parts = ", ".join(f"{part} {share:.1%}" for part, share in shares(speeds.spent).items())
    at_rows = ", ".join(f"{rates.rate(n) / 1e9:.0f} at {n}" for n in rates.rows if n >= 16)
    note = f"GFLOP/s of bfloat16 products by rows: {at_rows}"
    report.figures += [
        Figure.of_rounds(
            f"{name}: share of the bfloat16 rate", used, [peak] * len(used), goal=None, note=note
        ),
        Figure.of_rounds(
            f"{name}: share of the products' own rate",
            speeds.floors,
            [1.0] * len(speeds.floors),
            goal=None,
            note="each step's products at its own rows, and the prompts'",
        ),
        Figure.of_value(
            f"{name}: products' share of time",
            shares(speeds.spent)["products"],
            goal=None,
            note=parts,
        ),
    ]


if __name__ == "__main__":
    main()
