"""A search over layers and doses of a vector: all of a dose in one batch beside one after the other.

python -m benchmarks.searching [--json] [--quick] [--model NAME] [--rounds N] [--threads N] [--length N]

A few questions are answered under every layer at four doses, by random vectors that act once, at the
last token of the prompt; layers and doses a second are compared, of which one after the other only
some are timed, for they take equally long. Prompts run once for all where that pays.
Kept at least: four times as fast where a model has a dozen layers or more.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from benchmarks import Figure, Report
from modicum.ledger import Ledger
from modicum.model import render, resolve_backend
from modicum.nudge.sites import blocks
from modicum.nudge.steering import Direction, Steering
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.types import Request, Sampling, Style

CASES = {
    "organism": ("word_sums", False, 1.5),
    "smollm2-135m": ("gym:chain_sum", True, 4.0),
    "qwen2.5-coder-0.5b": ("gym:chain_sum", True, 4.0),
}
"""Task, whether its prompts are chats, and how many times as fast a search is to be; three layers fill
little."""
_DOSES = (0.25, 0.5, 1.0, 2.0)
_SHOTS = 4
_ALONE = 12
"""Layers and doses timed one after the other, about."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="every sixth layer, one round")
    parser.add_argument("--model", choices=sorted(CASES))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--length", type=int, default=64, help="most tokens of an answer")
    given = parser.parse_args()
    report = Report(threads=given.threads or 0)
    for name in CASES:
        if given.model in (None, name):
            compare(name, given, report)
    report.show(as_json=given.json)


def compare(name: str, given: argparse.Namespace, report: Report) -> None:
    """Add layers and doses a second, together over one by one, by the clock and by the processor."""
    task_name, is_chat, goal = CASES[name]
    settings = {"threads": given.threads} if given.threads else {}
    model = resolve_backend(name, settings).open()
    assert isinstance(model, Local)
    report.threads = max(report.threads, model.threads)
    task = resolve_task(task_name)
    style = Style("bench", task.sheet.template, chat=is_chat)
    shots = task.problems("shots", _SHOTS)
    asked = [Request(render(model, style, shot.question), shot.id) for shot in shots]
    sampling = Sampling(given.length, 0.0)
    layers = range(0, len(blocks(model.module)), 6 if given.quick else 1)
    unit = Direction(0, _unit(model))
    doses = [
        [Steering((replace(unit, layer=layer),)).scaled(dose) for layer in layers]
        for dose in _DOSES
    ]

    every = [one for steerings in doses for one in steerings]
    some = every[:: max(1, len(every) // _ALONE)]

    def batch() -> int:
        for steerings in doses:
            model.generate_steered(asked, steerings, sampling, Ledger())
        return len(every)

    def whole() -> int:
        model.generate_steered(asked, every, sampling, Ledger())
        return len(every)

    def alone() -> int:
        for steering in some:
            model.with_steering(steering).generate(asked, sampling, Ledger())
        return len(some)

    model.generate(asked, sampling, Ledger())
    ways = {"a dose a batch": batch, "all doses in a batch": whole, "one by one": alone}
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(given.rounds or (1 if given.quick else 3)):
        for way, search in ways.items():
            spent[way].append(_rates(search))
    slow = spent.pop("one by one")
    for way, rates in spent.items():
        for place, clock in enumerate(("", ", processor time")):
            said = f"{name} doses/s, {way}{clock}"
            ours, theirs = [r[place] for r in rates], [r[place] for r in slow]
            report.figures.append(Figure.of_rounds(said, ours, theirs, goal=goal))


def _unit(model: Local) -> torch.Tensor:
    """Return a random direction a tenth as long as a token's vector."""
    table = model.module.get_input_embeddings().weight
    drawn = torch.from_numpy(stream("bench", "search").normal(size=table.shape[1])).float()
    return drawn / drawn.norm() * table[:64].float().norm(dim=1).mean() / 10


def _rates(search: Callable[[], int]) -> tuple[float, float]:
    """Return layers and doses a second, by the clock and by the processor's seconds."""
    start, before = time.perf_counter(), _processor()
    n = search()
    return n / (time.perf_counter() - start), n / (_processor() - before)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
