"""Energy nets that fill in 6 x 6 Sudoku beside a looped and a plain network: what more thinking brings.

python -m benchmarks.thinking [--case NAME] [--kinds A,B] [--seeds N] [--nets FOLDER]

Nets learn from boards with 18 to 26 givens by `modicum pretrain`, one thread, and stay in the folder, so
that a stopped run goes on. They are measured there and, out of distribution, with 12 to 14 givens.
`steps`: valid boards after 1 to 20 steps, and of 8 candidates the one of least energy and the vote, each
with the FLOPs of a board. `tune`: looped networks of several settings, each trained for as long as an
energy net, chosen on selection boards. `energies`: how well the energy tells right answers from wrong
ones of the same board (candidates after steps 1 to 3), and what stopping by the energy saves against the
fewest fixed steps within a point of the best. `distance`: what more steps gain over one, with fewer and
fewer givens.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modicum.ledger import Ledger
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_folder import ENERGY_CONFIG, EnergyCard, EnergyFolder
from modicum.nets.energy_steps import AskedBoards
from modicum.nets.energy_thinking import BoardThinking, BoardThought, think
from modicum.task import resolve_task
from modicum.training.energy_learner import EnergyPretraining
from modicum.training.pretraining import pretrain, solved_boards
from modicum.training.recursive_boards import Labelled, puzzle_of
from modicum.training.stopping import ended
from modicum.training.traced_answers import TracedAnswers

LEARNED = "sudoku?size=6&clues=18..26"
SETS = {
    "in distribution": LEARNED,
    "12 to 14 givens": "sudoku?size=6&clues=12..14",
    "12 to 14 givens, several solutions": "sudoku?size=6&clues=12..14&unique=false",
}
BY_DISTANCE = {
    "18 to 26 givens": LEARNED,
    **{f"{n} to {n + 1} givens": f"sudoku?size=6&clues={n}..{n + 1}" for n in (16, 14, 12, 10)},
}
MARKS = (1, 2, 3, 5, 8, 12, 20)
WIDTH = 8
EARLY = 3
"""Steps whose answers are ranked."""
BOARDS = 256


@dataclass(frozen=True)
class Kept:
    """A trained net with what it took."""

    label: str
    card: EnergyCard
    net: EnergyNet
    seconds: float
    """Processor time of training and measuring."""


def trained(plan: EnergyPretraining, nets: Path, label: str) -> Kept:
    """Train a net unless it lies there."""
    out = nets / f"{label}-{plan.seed}"
    took = out / "seconds.txt"
    if not (out / ENERGY_CONFIG).exists():
        begun = time.process_time()
        before = float(took.read_text()) if took.exists() else 0.0
        out.mkdir(parents=True, exist_ok=True)

        def watch(_: Ledger) -> None:
            took.write_text(str(before + time.process_time() - begun))

        pretrain(plan, out, "cpu", watch, measured=20)
    kept = EnergyFolder()
    card = kept.read_card(out)
    return Kept(label, card, kept.read_net(out, card), float(took.read_text()))


def asked(boards: Sequence[Labelled]) -> tuple[torch.Tensor, list[str]]:
    """Return questions and what names the noise of each."""
    questions = torch.tensor([board.question for board in boards])
    return questions, [" ".join(map(str, board.question)) for board in boards]


def thought(one: Kept, boards: Sequence[Labelled], width: int) -> BoardThought:
    """Think 20 steps, every one of them kept."""
    questions, names = asked(boards)
    return think(one.net, questions, names, BoardThinking(MARKS[-1], width, is_traced=True))


def traced(boards: Sequence[Labelled], found: BoardThought) -> TracedAnswers:
    """Read the answers after every step."""
    assert found.traced is not None
    questions = [board.question for board in boards]
    return TracedAnswers.read(puzzle_of(LEARNED), questions, found.traced.numpy())


def area(right: np.ndarray, wrong: np.ndarray) -> float:
    """Return the share of pairs whose right one has less energy; ties count half."""
    gap = wrong[None, :] - right[:, None]
    return float((np.sign(gap) * 0.5 + 0.5).mean())


def by_steps(
    one: Kept, name: str, boards: Sequence[Labelled], width: int = WIDTH
) -> list[dict[str, Any]]:
    """Return valid boards by steps: of single candidates, and of several by least energy and by vote."""
    shape = one.card.shape
    found = thought(one, boards, width)
    assert found.traced_energies is not None
    read = traced(boards, found)
    rows = []
    for steps in MARKS:
        right = read.valid[:, :, steps - 1]
        flops = shape.length * shape.step_flops * steps
        row = {"set": name, "steps": steps, "one": float(right.mean()), "MFLOP": flops / 1e6}
        row["gain over one step"] = row["one"] - float(read.valid[:, :, 0].mean())
        if shape.reads == "energy":
            least = found.traced_energies[:, :, steps].argmin(1).numpy()
            row[f"least energy of {width}"] = float(right[np.arange(len(boards)), least].mean())
        _, row[f"vote of {width}"] = read.ended(np.full(right.shape, steps - 1))
        row[f"any of {width}"] = float(right.any(1).mean())
        rows.append(row)
    return rows


def ranked(one: Kept, boards: Sequence[Labelled], found: BoardThought) -> dict[str, float]:
    """Return how well the energy tells right from wrong among answers after steps 1 to 3 of a board.

    The area under the curve is of pairs of a right and a wrong answer of one board, mean over boards
    that have both. `state`: the energy of what the net thinks; `answer`: of the answer alone, certain at
    every position, each different one once.
    """
    assert found.traced is not None
    assert found.traced_energies is not None
    questions, _ = asked(boards)
    valid = traced(boards, found).valid[:, :, :EARLY]
    states, answers = [], []
    for place in range(len(boards)):
        right = valid[place].reshape(-1) > 0
        rows = found.traced[place, :, :EARLY].reshape(-1, one.card.shape.length)
        energy = found.traced_energies[place, :, 1 : EARLY + 1].reshape(-1).numpy()
        if right.all() or not right.any():
            continue
        states.append(area(energy[right], energy[~right]))
        distinct, where = np.unique(rows.numpy(), axis=0, return_index=True)
        own = energy_of(one, questions[place], torch.from_numpy(distinct))
        told = right[where]
        answers.append(area(own[told], own[~told]))
    return {
        "boards with both": len(states),
        "area, state": statistics.mean(states) if states else float("nan"),
        "area, answer": statistics.mean(answers) if answers else float("nan"),
    }


@torch.no_grad()
def energy_of(one: Kept, question: torch.Tensor, answers: torch.Tensor) -> np.ndarray:
    """Return the energy of whole answers to a question."""
    asked_boards = AskedBoards.of(one.net, question.expand(len(answers), -1))
    certain = torch.nn.functional.one_hot(answers, one.card.shape.vocabulary).float()
    return one.net.energy(asked_boards.encoded, certain).numpy()


def stopping(one: Kept, boards: Sequence[Labelled], found: BoardThought) -> dict[str, Any]:
    """Return what stopping by the energy costs and saves beside fixed steps.

    The tolerance is the one that training chose. Fixed steps are the fewest whose valid boards are
    within a point of the best fixed number, on these boards themselves.
    """
    assert found.traced_energies is not None
    valid = traced(boards, found).valid
    shares = valid.mean((0, 1))
    fixed = int(np.argmax(shares >= shares.max() - 0.01)) + 1
    energies = found.traced_energies.flatten(0, 1).double().numpy()
    rows = {}
    tolerance = one.card.stopping.tolerance if one.card.stopping else 0.0
    assert found.traced is not None
    last = ended(energies, found.traced.flatten(0, 1).numpy(), tolerance)
    flat = valid.reshape(len(energies), -1)
    kept = float(np.take_along_axis(flat, last[:, None] - 1, 1).mean())
    rows |= {
        "best of fixed": float(shares.max()),
        "fewest fixed within a point": fixed,
        "valid there": float(shares[fixed - 1]),
        "valid, stopping": kept,
        "evaluations, stopping": float(last.mean()),
        "saved": 1 - float(last.mean()) / fixed,
    }
    return rows


def plans(seed: int, looped: EnergyPretraining) -> dict[str, EnergyPretraining]:
    """Return what is trained at a seed: each for about as long as the energy net."""
    own = EnergyPretraining(LEARNED, seed=str(seed))
    return {
        "energy": own,
        "looped": replace(looped, seed=str(seed)),
        "plain": replace(own, preset="plain", steps=4 * own.steps),
    }


def looped_settings() -> dict[str, EnergyPretraining]:
    """Return settings of the looped network that are tried, each for as long as the energy net learns."""
    usual = EnergyPretraining(LEARNED, preset="looped", steps=1600, seed="0")
    return {
        "2 steps": usual,
        "2 steps, rate .001": replace(usual, learning_rate=1e-3),
        "2 steps, rate .004": replace(usual, learning_rate=4e-3),
        "4 steps": replace(usual, steps=800, inner_steps=4),
    }


def main() -> None:
    """Train what is missing, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--case", choices=("steps", "tune", "energies", "distance"), default="steps"
    )
    parser.add_argument("--kinds", default="energy,looped,plain")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--looped", default="2 steps", help="setting that `tune` chose")
    parser.add_argument("--nets", type=Path, default=Path("nets/thinking"))
    asked_for = parser.parse_args()
    torch.set_num_threads(1)
    puzzle = puzzle_of(LEARNED)
    split = "selection" if asked_for.case == "tune" else "test"
    sets = {
        name: solved_boards(resolve_task(task), puzzle, split, BOARDS if split == "test" else 200)
        for name, task in (BY_DISTANCE if asked_for.case == "distance" else SETS).items()
    }
    rows = []
    for row in tuned(sets, asked_for.nets) if split == "selection" else measured(sets, asked_for):
        rows.append(row)
        print("#", json.dumps(row), flush=True)
    if split == "test":
        summarised(rows)


Sets = dict[str, list[Labelled]]


def tuned(sets: Sets, nets: Path) -> Iterator[dict[str, Any]]:
    """Measure looped networks of every setting on selection boards."""
    for label, plan in looped_settings().items():
        one = trained(plan, nets, f"looped, {label}")
        for name, boards in sets.items():
            for row in by_steps(one, name, boards):
                yield {"net": label, "seed": 0, "cpu": one.seconds, **row}


def measured(sets: Sets, how: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measure nets of every seed on test boards."""
    for seed in range(how.first, how.first + how.seeds):
        for kind, plan in plans(seed, looped_settings()[how.looped]).items():
            if kind not in how.kinds.split(","):
                continue
            one = trained(plan, how.nets, f"looped, {how.looped}" if kind == "looped" else kind)
            own = {"net": kind, "seed": seed, "cpu": round(one.seconds, 1)}
            for name, boards in sets.items():
                if how.case == "energies":
                    found = thought(one, boards, WIDTH)
                    told = {**ranked(one, boards, found), **stopping(one, boards, found)}
                    yield {**own, "set": name, **told}
                else:
                    width = 2 if how.case == "distance" else WIDTH
                    yield from ({**own, **row} for row in by_steps(one, name, boards, width))


def summarised(rows: Sequence[dict[str, Any]]) -> None:
    """Print mean, standard deviation and least over seeds of every figure."""
    keys = ("net", "set", "steps")
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    for names, own in groups.items():
        print(" · ".join(str(name) for name in names if name is not None), f"({len(own)} seeds)")
        for figure in own[0]:
            if figure in (*keys, "seed"):
                continue
            numbers = [float(row[figure]) for row in own if figure in row]
            spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
            print(
                f"  {figure:<30} {statistics.mean(numbers):9.3f} ± {spread:.3f}  least {min(numbers):.3f}"
            )


if __name__ == "__main__":
    main()
