"""Exports of a real model against the nudged model they were made from: largest logit differences.

python -m benchmarks.exports [--model smollm2-135m] [--task gym:chain_sum] [--json]

A vector that acts at every position and a LoRA adapter are laid on the model by hand, with random
numbers of a size that changes its answers. Each form is written, loaded back in its target and
compared on four questions of the task, the nudged model's answers along. Nothing is trained:
what an export must keep does not depend on where its numbers come from. There is no peer.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import Figure, Report
from modicum.export import EXPORTS, ExportForm, Parcel
from modicum.exporting.logits import (
    apart,
    nudged_logits,
    plain_logits,
    probes_of,
    steering_of,
    whitebox_of,
)
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.model import render, resolve_backend
from modicum.nudge import Change, Nudge, Solver
from modicum.nudge.sites import blocks
from modicum.nudge.steering import Direction, Steering
from modicum.sampling.capture import capture
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.study.styles import closed_list
from modicum.task import resolve_task
from modicum.training.adapters import AdapterShape, attach, save_nudge
from modicum.training.changes import Adapter, Vectors
from modicum.types import Trial

QUESTIONS = 4
ANSWER = 24
"""Tokens of an answer at most."""
LIMIT = 1e-3
"""Largest difference of a logit that is allowed on a real model in single precision."""
SHARE = 0.3
"""Length of the vector, as a share of the activation where it acts."""
METHOD_FORMS = {"steering_vector": ("vector", "baked", "gguf"), "fine_tune": ("merged", "peft")}
"""What is laid on the model, and the forms in which it leaves."""
SPREAD = 0.02
"""Spread of the adapter's second matrix, which begins as zeros."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="gym:chain_sum")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report = Report(threads=torch.get_num_threads())
    with tempfile.TemporaryDirectory() as scratch:
        for method, forms in METHOD_FORMS.items():
            trial = Trial(given.model, given.task, method, 0, 0)
            report.figures += measure(trial, forms, Path(scratch))
    report.show(as_json=given.json)


def measure(trial: Trial, forms: tuple[str, ...], scratch: Path) -> list[Figure]:
    """Lay a nudge on the model, and write and compare every form of it."""
    backend = resolve_backend(trial.model)
    plain, task = backend.open(), resolve_task(trial.task)
    assert isinstance(plain, Local)
    sheet = dataclasses.replace(task.sheet, max_new_tokens=ANSWER)
    styles, _ = closed_list(plain, sheet, own=None, instruction=False)
    questions = tuple(p.question for p in task.problems("test", QUESTIONS))
    folder = scratch / trial.method
    folder.mkdir()
    prompt = plain.encode(render(plain, styles[0], questions[0]))
    change = _vector(plain, prompt) if "vector" in forms else _adapter(plain, folder)
    nudge = Nudge(styles[0], changes=(change,))
    parcel = Parcel(
        trial=trial,
        nudge=nudge,
        style=styles[0],
        sheet=sheet,
        questions=questions,
        origin=backend.origin,
        base=trial.model,
    )
    solver = Solver.of(plain, nudge, Judge.bare(task, sheet, styles[0]))
    nudged = whitebox_of(solver)
    probes = probes_of(parcel, nudged)
    moved = apart(
        nudged_logits(nudged, steering_of(parcel), probes), plain_logits(plain.module, probes)
    )
    figures = [Figure.of_value(f"{trial.method} moves the logits by", moved, goal=None)]
    return figures + [_compared(name, parcel, solver, scratch / name) for name in forms]


def _compared(name: str, parcel: Parcel, solver: Solver, folder: Path) -> Figure:
    form = EXPORTS.build(name)
    assert isinstance(form, ExportForm)
    form.check(parcel)
    folder.mkdir()
    start = time.perf_counter()
    form.write(parcel, solver, folder)
    back = form.load_back(parcel, solver, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    note = f"{back.target}; {size:,} bytes; {time.perf_counter() - start:.0f} s"
    goal = min(LIMIT, back.limit)
    return Figure.of_value(f"{name}: {back.measure}", back.value, goal=goal, note=note)


def _vector(plain: Local, prompt: list[int]) -> Change:
    """Lay a random direction on the middle layer, as long as a share of its activation."""
    layer = len(blocks(plain.module)) // 2
    here = capture(plain, [prompt], [layer], Ledger())[0, 0]
    drawn = torch.from_numpy(stream("exports", "vector").normal(size=here.shape)).float()
    values = drawn * (SHARE * float(here.norm()) / float(drawn.norm()))
    return Vectors(Steering((Direction(layer, values),), "all"))


def _adapter(plain: Local, folder: Path) -> Change:
    """Lay a LoRA adapter of random numbers on every linear layer."""
    rng = stream("exports", "adapter")
    tuned = attach(plain, AdapterShape("lora", 8, 16.0), rng)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                drawn = torch.from_numpy(rng.normal(0, SPREAD, tuple(parameter.shape)))
                parameter.copy_(drawn)
    save_nudge(plain, tuned, folder)
    return Adapter(folder=folder)


if __name__ == "__main__":
    main()
