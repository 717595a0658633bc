"""An energy net and its steps beside loops over positions, heads and numbers, written from the equations."""

import math

import pytest
import torch

from modicum.nets.energy_steps import AskedBoards, stepped
from tests.support.energy_nets import energy_card, random_energy

QUESTIONS = torch.tensor([[0, 3, 0, 0] * 4, [0, 0, 2, 1] * 4])
UPDATES = ("prob_reset", "reset_only", "probability_only", "logit_accumulate")


def normed(row, scale):
    mean = sum(float(x) ** 2 for x in row) / len(row)
    return torch.stack([x / math.sqrt(mean + 1e-5) * s for x, s in zip(row, scale, strict=True)])


def naive_energy(net, question, candidates) -> torch.Tensor:
    """One board, one position and one head at a time."""
    shape = net.shape
    rows = [
        net.asked[question[i]]
        + net.places[i]
        + sum(candidates[i, v] * net.candidates[v] for v in range(shape.vocabulary))
        for i in range(shape.length)
    ]
    part = shape.width // shape.heads
    for layer in net.layers:
        read = [layer.read @ normed(row, layer.before_mixing.scale) for row in rows]
        q, k, v = ([row[n * shape.width : (n + 1) * shape.width] for row in read] for n in range(3))
        mixed = []
        for i in range(shape.length):
            heads = []
            for h in range(shape.heads):
                own = slice(h * part, (h + 1) * part)
                scores = [
                    math.exp(float(q[i][own] @ k[j][own]) / math.sqrt(part)) for j in range(len(k))
                ]
                total = sum(scores)
                heads.append(sum(s / total * v[j][own] for j, s in enumerate(scores)))
            mixed.append(rows[i] + layer.write @ torch.cat(heads))
        rows = []
        for row in mixed:
            gate, up = (layer.rise @ normed(row, layer.before_rise.scale)).chunk(2)
            rows.append(row + layer.fall @ (gate * torch.sigmoid(gate) * up))
    return sum((net.head @ normed(row, net.last.scale)).sum() for row in rows)


def test_the_energy_is_that_of_the_equations() -> None:
    net = random_energy(energy_card(layers=2)).double()
    asked = AskedBoards.of(net, QUESTIONS)
    state = torch.randn((2, 16, 5), generator=torch.Generator().manual_seed(1)).double()
    found = net.energy(asked.encoded, asked.candidates(state))
    for row, question in enumerate(QUESTIONS):
        told = torch.nn.functional.one_hot(question, 5).double()
        candidates = torch.where(question[:, None] == 0, state[row].softmax(-1), told)
        assert float(found[row]) == pytest.approx(
            float(naive_energy(net, question, candidates)), rel=1e-9
        )


@pytest.mark.parametrize("update", UPDATES)
def test_a_step_goes_down_the_slope_that_differences_give(update) -> None:
    net = random_energy(energy_card(update=update)).double()
    asked = AskedBoards.of(net, QUESTIONS)
    state = torch.randn((2, 16, 5), generator=torch.Generator().manual_seed(2)).double()
    after, energy = stepped(net, asked, state, 0.7, has_graph=False)
    of_probabilities = update in ("prob_reset", "probability_only")
    start = asked.candidates(state) if update in ("prob_reset", "reset_only") else state

    def fits(moved) -> float:
        candidates = moved if of_probabilities else asked.candidates(moved)
        return float(net.energy(asked.encoded, candidates)[0])

    base = asked.candidates(state) if of_probabilities else state
    assert fits(base) == pytest.approx(float(energy[0]), rel=1e-12)
    for place, token in ((0, 1), (2, 4), (7, 0)):
        ahead, behind = base.clone(), base.clone()
        ahead[0, place, token] += 1e-6
        behind[0, place, token] -= 1e-6
        slope = (fits(ahead) - fits(behind)) / 2e-6
        expected = float(start[0, place, token]) - 0.7 * slope
        assert float(after[0, place, token]) == pytest.approx(expected, rel=1e-6, abs=1e-8)
