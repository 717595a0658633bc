"""Energy nets of text beside the public EBT code, and their generation beside its recompute form.

python -m benchmarks.energy [--json] [--quick] [--case step|generation|memory] [--rounds N] [--threads N]

`step`: a training step with its update - 16 windows of 64 ids of 96, width 128, four layers, four heads,
float32 - of recipes S1 (2 steps) and S2 (2 and 3 steps, one update of each a round), ours and the public
code's (`benchmarks.ebt_peer` says where it is looked for and what runs), in turn. Ours tells landscapes by
a row that is added to candidates, the public code by a first token, so that each of its steps observes the
ids anew. Without the public code nothing is timed, and stderr says so. Steps a second, by the clock and by
processor seconds: on a machine that others use the second is the one to read.

`memory`: how far the resident set of a process of its own rises in such steps (3 of S2's), for each side.

`generation`: 256 ids after 8, S2's 3 steps, one candidate: with what was observed kept, and by thinking
about all positions again for each id, as the public code does; the same ids come out. The net is as above.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from benchmarks import Figure, Report
from benchmarks.ebt_peer import EBT_RUN, EbtPeer, fetched_ebt
from benchmarks.sampling_memory import resident
from modicum.nets.energy_text import EnergyTextNet
from modicum.nets.energy_text_shape import EnergyTextShape, energy_text_preset
from modicum.nets.energy_text_thinking import generated, think
from modicum.nets.thinking import Thinking
from modicum.seeds import stream
from modicum.training.board_recipe import optimiser_of
from modicum.training.energy_text import EnergyTextLesson
from modicum.training.fit import Descent
from modicum.training.text_learner import TextBatches, TextRecipe

SIZES = {"vocabulary": 96, "length": 64, "width": 128, "heads": 4, "layers": 4, "batch": 16}
GOALS = {"paper_s1": 1.5, "paper_s2": 2.0}
STEPS = {"paper_s1": (2,), "paper_s2": (2, 3)}
"""Steps of the updates of a round."""
WRITTEN, PROMPT = 256, 8

Side = Literal["ours", "public"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, fewer ids")
    parser.add_argument("--case", choices=["step", "generation", "memory"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--grown", nargs=2, metavar=("SIDE", "RECIPE"), help="for `memory`")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.grown:
        print(json.dumps(grown(*given.grown)))
        return
    report = Report(threads=given.threads)
    rounds = given.rounds or (3 if given.quick else 11)
    if fetched_ebt() is None:
        print("no public EBT code here (MODICUM_EBT): no steps are timed", file=sys.stderr)
    else:
        for recipe in GOALS:
            if given.case in (None, "step"):
                compare_steps(recipe, rounds, report)
            if given.case in (None, "memory"):
                compare_memory(recipe, given.threads, report)
    if given.case in (None, "generation"):
        compare_generation(64 if given.quick else WRITTEN, given.rounds or 3, report)
    report.show(as_json=given.json)


def shaped(recipe: str, length: int = SIZES["length"]) -> EnergyTextShape:
    """Return a preset at the sizes that are compared."""
    sizes = {name: SIZES[name] for name in ("width", "heads", "layers")}
    preset = energy_text_preset(recipe, SIZES["vocabulary"], length)
    return replace(preset, **sizes, inner=SIZES["width"])


def our_step(recipe: str) -> tuple[Callable[[int], None], int]:
    """Return an update of so many steps of the lesson that nets are trained with, and its parameters."""
    shape = shaped(recipe)
    net = EnergyTextNet(shape, stream("bench", "energy"))
    batch, length = SIZES["batch"], SIZES["length"]
    trained = TextRecipe(steps=10**6, batch=batch, learning_rate=1.2e-3)
    lesson = EnergyTextLesson(net, TextBatches(drawn(10_000), batch, length, "b"), trained, "b")
    optimiser = optimiser_of(net, trained, lesson.rate_factors)
    descent = Descent(optimiser, list(net.parameters()), trained.clip)
    done = iter(range(trained.steps))

    def step(steps: int) -> None:
        net.shape = replace(shape, least_steps=steps, most_steps=steps)
        lesson.step(next(done), [], descent)

    return step, shape.numbers


def public_step(recipe: str) -> tuple[Callable[[int], None], int]:
    """Return such an update of the public code, and its parameters."""
    folder = fetched_ebt()
    assert folder is not None
    peer = EbtPeer(folder, recipe, SIZES)
    windows = drawn(SIZES["batch"] * (SIZES["length"] + 1)).view(SIZES["batch"], -1)

    def step(steps: int) -> None:
        if recipe == "paper_s2":
            peer.steps_are(steps)
        peer.step(windows)

    return step, peer.parameters


def drawn(count: int) -> Tensor:
    """Return ids: what they say changes no time."""
    rng = stream("bench", "energy ids")
    return torch.from_numpy(rng.integers(SIZES["vocabulary"], size=count))


def compare_steps(recipe: str, rounds: int, report: Report) -> None:
    """Time both sides in turn and add their figures."""
    ours, n_ours = our_step(recipe)
    theirs, n_theirs = public_step(recipe)
    assert abs(n_ours / n_theirs - 1) < 0.01, (n_ours, n_theirs)
    wall: tuple[list[float], list[float]] = [], []
    work: tuple[list[float], list[float]] = [], []
    steps = STEPS[recipe]
    for number in range(rounds + 2):
        for side, step in enumerate((ours, theirs)):
            start, before = time.perf_counter(), time.process_time()
            for count in steps:
                step(count)
            if number >= 2:
                wall[side].append(len(steps) / (time.perf_counter() - start))
                work[side].append(len(steps) / (time.process_time() - before))
    note = f"{n_ours} and {n_theirs} parameters; public code: {EBT_RUN}"
    for kind, speeds in ((", clock", wall), (", processor time", work)):
        goal = GOALS[recipe] if kind == ", processor time" else None
        name = f"EBT {recipe} updates/s{kind}"
        report.figures.append(Figure.of_rounds(name, *speeds, goal=goal, note=note))


def grown(side: Side, recipe: str) -> int:
    """Return how far the resident set rises in two updates, in bytes."""
    step, _ = our_step(recipe) if side == "ours" else public_step(recipe)
    before = resident("VmRSS")
    for _ in range(2):
        step(STEPS[recipe][-1])
    return resident("VmHWM") - before


def compare_memory(recipe: str, threads: int, report: Report) -> None:
    """Add by how much more the public code's resident set rises."""
    sides: dict[Side, float] = {}
    for side in ("ours", "public"):
        command = [sys.executable, "-m", "benchmarks.energy", "--threads", str(threads)]
        shown = subprocess.run(
            [*command, "--grown", side, recipe], check=True, capture_output=True, text=True
        )
        sides[side] = int(shown.stdout) / 2**20
    said = ", ".join(f"{side} {size:.0f}" for side, size in sides.items())
    note = f"MiB above the process before its first update: {said}"
    ratio = sides["public"] / sides["ours"]
    report.figures.append(
        Figure.of_value(f"EBT {recipe} peak memory, public / ours", ratio, goal=None, note=note)
    )


def recomputed(net: EnergyTextNet, ids: Tensor, count: int, thinking: Thinking) -> Tensor:
    """Return what `generated` does, thinking about all positions again for each id."""
    for _ in range(count):
        logits = think(net, ids, thinking).logits[:, -1]
        ids = torch.cat((ids, logits.argmax(-1, keepdim=True)), 1)
    return ids


def compare_generation(written: int, rounds: int, report: Report) -> None:
    """Time generation with and without what was observed kept."""
    net = EnergyTextNet(shaped("paper_s2", PROMPT + written), stream("bench", "energy"))
    ids = drawn(PROMPT)[None]
    speeds: tuple[list[float], list[float]] = [], []
    found: list[Tensor] = []
    kept = partial(generated, net, ids, written, Thinking())
    again = partial(recomputed, net, ids, written, Thinking())
    for _ in range(rounds):
        for side, write in enumerate((kept, again)):
            before = time.process_time()
            found.append(write())
            speeds[side].append(written / (time.process_time() - before))
    unequal = sum(int((one != found[0]).sum()) for one in found)
    note = f"{unequal} ids differ; {os.cpu_count()} cores"
    name = f"EBT ids/s of processor time, {written} ids, kept"
    report.figures.append(Figure.of_rounds(name, *speeds, goal=5.0, note=note))


if __name__ == "__main__":
    main()
