"""The one training loop: what it checks, counts, tells and keeps, and in which order things come."""

import numpy as np
import pytest
import torch
from torch import nn

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.seeds import stream
from modicum.training.checkpoint import Checkpoint
from modicum.training.fit import Course, Descent, Lesson, Taken, fit
from modicum.training.passes import Passes


class Line(Lesson):
    """One number that learns to be another; `odd` says what a step does instead."""

    flops = 2.0

    def __init__(self, target: float = 3.0, odd=None) -> None:
        self.weight, self.target, self.odd = nn.Parameter(torch.zeros(1)), target, odd or {}

    @property
    def named(self):
        return {"weight": self.weight}

    def step(self, number, curves, descent):
        if isinstance(odd := self.odd.get(number), str):
            return odd
        loss, norm = descent.take(self._backward, skips_none=True)
        return Taken({"loss": odd or loss, "grad_norm": norm}, (5, 5))

    def _backward(self) -> float:
        loss = (self.weight - self.target).pow(2).sum()
        loss.backward()
        return float(loss.detach())


def course(steps: int, **more) -> Course:
    return Course(steps, lambda step: 0.1 / (step + 1), **more)


def run(lesson: Line, steps: int, path=None, name: str = ""):
    ledger = Ledger()
    optimiser = torch.optim.AdamW([lesson.weight], lr=9.0, weight_decay=0.0)
    kept = Checkpoint(path, lesson, optimiser, ledger, name=name)
    done = kept.restore()
    descent = Descent(optimiser, [lesson.weight], clip=0.5)
    return fit(lesson, descent, course(steps), ledger, kept, done), ledger


def naive(steps: int, target: float = 3.0) -> float:
    """The loop written from its words."""
    weight = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([weight], lr=9.0, weight_decay=0.0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.1 / (step + 1)
        optimiser.zero_grad()
        (weight - target).pow(2).sum().backward()
        nn.utils.clip_grad_norm_([weight], 0.5)
        optimiser.step()
    return float(weight.detach())


def test_it_is_the_loop_written_out() -> None:
    lesson = Line()
    fitted, ledger = run(lesson, 6)
    assert float(lesson.weight.detach()) == naive(6)
    assert [len(fitted.curves), fitted.stopped] == [6, ""]
    assert (ledger.updates, ledger.tokens_trained, ledger.flops) == (12, 60, 3 * 2.0 * 60)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_it(wrong: float) -> None:
    with pytest.raises(TrialError, match=rf"loss {wrong} at step 2; lower the learning rate"):
        run(Line(odd={2: wrong}), 6)


def test_a_lesson_may_end_it() -> None:
    fitted, ledger = run(Line(odd={4: "nothing to learn"}), 6)
    assert (len(fitted.curves), fitted.stopped, ledger.updates) == (4, "nothing to learn", 8)


def test_a_step_along_nothing_is_not_taken() -> None:
    lesson = Line(target=0.0)
    optimiser = torch.optim.AdamW([lesson.weight], lr=0.1, weight_decay=0.0)
    fit(lesson, Descent(optimiser, [lesson.weight]), course(3), Ledger())
    assert not optimiser.state
    Descent(optimiser, [lesson.weight]).take(lesson._backward)
    assert optimiser.state


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path) -> None:
    path = tmp_path / "run.safetensors"
    run(Line(odd={3: "killed"}), 6, path)
    again = Line()
    fitted, ledger = run(again, 6, path)
    assert float(again.weight.detach()) == naive(6)
    assert (len(fitted.curves), ledger.updates) == (6, 12)


def test_a_run_of_another_name_begins_anew(tmp_path) -> None:
    path = tmp_path / "run.safetensors"
    run(Line(), 6, path, name="one")
    lesson = Line(odd={0: "at the beginning"})
    assert run(lesson, 6, path, name="two")[0].stopped == "at the beginning"
    assert len(run(Line(odd={0: "at the beginning"}), 6, path, name="one")[0].curves) == 6


def test_it_is_told_after_every_step() -> None:
    said: list[int] = []
    lesson = Line()
    optimiser = torch.optim.AdamW([lesson.weight])
    told = course(4, says=lambda curves: said.append(len(curves)))
    fit(lesson, Descent(optimiser, [lesson.weight]), told, Ledger())
    assert said == [1, 2, 3, 4]


@pytest.mark.parametrize(("n", "size"), [(7, 3), (3, 7), (4, 4), (1, 5), (5, 1)])
def test_passes_are_whole_and_depend_on_the_step_alone(n: int, size: int) -> None:
    def shuffled(number: int) -> np.ndarray:
        return stream("order", number).permutation(n)

    steps = [Passes(n, size, shuffled).step(i).tolist() for i in range(n * 3)]
    passes = Passes(n, size, shuffled)
    assert [passes.step(i).tolist() for i in range(n * 3)] == steps
    whole = [place for step in steps for place in step]
    for number in range(len(whole) // n):
        assert whole[number * n : (number + 1) * n] == shuffled(number).tolist()
