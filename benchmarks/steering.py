"""The sampler with a vector on a layer beside the same sampler without one, in turn.

python -m benchmarks.steering [--json] [--quick] [--model NAME] [--rounds N] [--threads N]

The vector is random and short, so that both sides write about as long; tokens a second are compared.
Kept at least: nine tenths, wherever it acts.
"""

import argparse
import time
from typing import get_args

import torch

from benchmarks import Figure, Report
from modicum.ledger import Ledger
from modicum.model import render, resolve_backend
from modicum.nudge.sites import blocks
from modicum.nudge.steering import Direction, Steering, Where
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.types import Request, Sampling, Style

CASES = {
    "organism": ("word_sums", False, 32),
    "smollm2-135m": ("gym:chain_sum", True, 8),
    "gemma3-270m": ("gym:chain_sum", False, 2),
}
"""Task, whether its prompts are chats, and problems; 16 samples each."""
_LENGTH = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a quarter of the problems, 3 rounds")
    parser.add_argument("--model", choices=sorted(CASES))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    report = Report(threads=given.threads or 0)
    for name in CASES:
        if given.model in (None, name):
            compare(name, given, report)
    report.show(as_json=given.json)


def compare(name: str, given: argparse.Namespace, report: Report) -> None:
    """Add the tokens a second with a vector over those without, for each place it may act."""
    task_name, is_chat, n_problems = CASES[name]
    settings = {"threads": given.threads} if given.threads else {}
    model = resolve_backend(name, settings).open()
    assert isinstance(model, Local)
    report.threads = max(report.threads, model.threads)
    task = resolve_task(task_name)
    style = Style("bench", task.sheet.template, chat=is_chat)
    problems = task.problems("test", max(1, n_problems // 4) if given.quick else n_problems)
    prompts = [render(model, style, problem.question) for problem in problems]
    layer = len(blocks(model.module)) // 2
    width = model.module.config.get_text_config().hidden_size
    drawn = stream("bench", name).normal(0.0, _LENGTH, width)
    values = torch.from_numpy(drawn).to(torch.float32)
    places: tuple[Where, ...] = get_args(Where)
    steered = {w: model.with_steering(Steering((Direction(layer, values),), w)) for w in places}
    plain: dict[str, list[float]] = {w: [] for w in places}
    nudged: dict[str, list[float]] = {w: [] for w in places}
    speed(model, prompts[:2], "warm")
    for turn in range(given.rounds or (3 if given.quick else 5)):
        for where, one in steered.items():
            plain[where].append(speed(model, prompts, f"{turn}"))
            nudged[where].append(speed(one, prompts, f"{turn}"))
    for where in places:
        said = f"{name} tokens/s with a vector at {where}"
        report.figures.append(Figure.of_rounds(said, nudged[where], plain[where], goal=0.9))


def speed(model: Local, prompts: list[str], turn: str) -> float:
    """Return tokens a second."""
    asked = [Request(prompt, f"bench-{i}", 16) for i, prompt in enumerate(prompts)]
    ledger, start = Ledger(), time.perf_counter()
    model.generate(asked, Sampling(64, 1.0, stream=f"steer-{turn}"), ledger)
    return ledger.tokens_sampled / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
