"""A recursive net as a model: whose trajectories answer, what they cost, and what is no question."""

from dataclasses import replace

import pytest
import torch

from modicum.errors import AccessError, ConfigError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nets.recursive_rollouts import Rolling, roll
from modicum.puzzles.queens import QueensPuzzle
from modicum.sampling.recursive_model import Reasoning, RecursiveModel, need_recursive
from modicum.sampling.selectors import SELECTORS, Trajectory, chosen
from modicum.task import resolve_task
from modicum.types import Request, Sampling
from tests.support.recursive_nets import PUZZLE, random_net, recursive_model, tiny_card

PROBLEMS = resolve_task("sudoku").problems("test", 4)
SAMPLED = Sampling(64, 1.0, stream="s")


def requests(n: int = 1, first: int = 0) -> list[Request]:
    return [Request(p.question, p.id, n, first) for p in PROBLEMS]


def texts(model, asked, sampling=SAMPLED) -> list[list[str]]:
    return [[c.text for c in group] for group in model.generate(asked, sampling, Ledger())]


def trajectories(model, problem, stream: str, n: int, address: str) -> list[Trajectory]:
    """What a question's first trajectories are, each rolled out by itself."""
    found = []
    question = PUZZLE.encode(problem.question)
    for i in range(n):
        how = Rolling(model.depth, 1, stream=stream, halts=model.how.halts)
        one = roll(model.net, torch.tensor([question]), [address], how, [i])
        ids = one.answers[0, 0].tolist()
        told = (float(part[0, 0]) for part in (one.halt, one.value, one.residual))
        is_valid = sum(ids) % 3 == 0  # a random net is never right: any rule will do
        found.append(Trajectory(PUZZLE.decode(question, ids), *told, is_valid))
    return found


def test_a_sample_is_the_same_alone_and_among_others() -> None:
    model = recursive_model()
    drawn = texts(model, requests(5))
    assert len({text for group in drawn for text in group}) > 10
    assert texts(model, requests(2, first=3)[1:2]) == [drawn[1][3:]]


def test_another_stream_or_address_draws_other_samples() -> None:
    model = recursive_model()
    drawn = texts(model, requests(3))
    assert texts(model, requests(3), replace(SAMPLED, stream="t")) != drawn
    assert texts(model, [replace(r, address="other") for r in requests(3)]) != drawn


def test_greedy_answers_go_by_the_question_alone() -> None:
    model = recursive_model(how=Reasoning(width=3, selector="majority"))
    asked = [replace(r, prompt=f"Well:\n{r.prompt}\n", address="x") for r in requests(2)]
    greedy = texts(model, requests(2), Sampling(64, 0.0, stream="a"))
    assert texts(model, asked, Sampling(64, 0.0, stream="b")) == greedy
    assert all(first == second for first, second in greedy)


@pytest.mark.parametrize("selector", SELECTORS)
def test_sample_i_of_width_w_is_chosen_among_trajectories_from_i_w_on(
    selector, monkeypatch
) -> None:
    monkeypatch.setattr(type(PUZZLE), "is_valid", lambda self, asked, ids: sum(ids) % 3 == 0)
    model = recursive_model(how=Reasoning(width=5, selector=selector))
    drawn = texts(model, requests(2))
    for problem, group in zip(PROBLEMS, drawn, strict=True):
        every = trajectories(model, problem, "samples/s", 10, problem.id)
        expected = [every[:5][chosen(selector, every[:5])], every[5:][chosen(selector, every[5:])]]
        assert group == [one.text for one in expected]


def test_the_checker_rolls_out_no_more_than_a_wave_beyond_the_first_valid_one(monkeypatch) -> None:
    monkeypatch.setattr(type(PUZZLE), "is_valid", lambda self, asked, ids: True)
    spent = {}
    for selector in ("checker", "oracle"):
        ledger = Ledger()
        how = Reasoning(width=16, selector=selector)
        recursive_model(how=how).generate(requests(), SAMPLED, ledger)
        spent[selector] = ledger.flops
    assert 15 < spent["oracle"] / spent["checker"] < 16.5


def test_a_net_without_randomness_answers_alike_and_pays_once() -> None:
    model, ledger = recursive_model("twin", Reasoning(width=8, selector="majority")), Ledger()
    drawn = model.generate(requests(6), SAMPLED, ledger)
    assert all(len({c.text for c in group}) == 1 for group in drawn)
    assert texts(model, requests(), Sampling(64, 0.0)) == [[g[0].text] for g in drawn]
    shape = model.net.shape
    steps = 4 * model.depth * 16 * shape.step_flops
    assert steps < ledger.flops < 1.01 * steps


def test_noise_at_test_makes_trajectories_of_a_deterministic_net_differ() -> None:
    drawn = texts(recursive_model("twin", Reasoning(noise=1.0)), requests(6))
    assert max(len(set(group)) for group in drawn) > 1


NOISY = {
    "noise at test on a deterministic net": ("twin", Reasoning(noise=1.0)),
    "noise at test on a shared stack": ("trm", Reasoning(noise=1.0)),
    "a random start and a little noise": ("eqr", Reasoning(noise=0.01)),
    "a random start alone": ("eqr", Reasoning()),
}
"""PTRM and EqR, as settings of a net."""


@pytest.mark.parametrize("kind", NOISY)
def test_noise_of_any_kind_goes_by_stream_address_and_trajectory_alone(kind) -> None:
    preset, how = NOISY[kind]
    model = recursive_model(preset, how)
    drawn = texts(model, requests(4))
    assert max(len(set(group)) for group in drawn) > 1
    assert texts(recursive_model(preset, how), requests(4)) == drawn
    assert texts(model, requests(1, first=2)[1:]) == [group[2:3] for group in drawn[1:]]
    for other in (
        texts(model, requests(4), replace(SAMPLED, stream="t")),
        texts(model, [replace(r, address=f"{r.address}'") for r in requests(4)]),
    ):
        assert other != drawn


@pytest.mark.parametrize("kind", NOISY)
def test_another_width_leaves_the_first_trajectories_as_they_were(kind, monkeypatch) -> None:
    preset, how = NOISY[kind]
    seen = {}
    monkeypatch.setattr(
        "modicum.sampling.net_of_boards.chosen",
        lambda selector, drawn: seen.setdefault(len(drawn), [one.text for one in drawn]) and 0,
    )
    for width in (2, 5):
        recursive_model(preset, replace(how, width=width)).generate(
            requests()[:1], SAMPLED, Ledger()
        )
    assert seen[5][:2] == seen[2]
    assert len(set(seen[5])) > 1


def test_flops_are_those_of_the_steps_that_were_taken() -> None:
    flops = []
    for halts in (False, True):
        ledger = Ledger()
        model = recursive_model(how=Reasoning(depth=6, halts=halts))
        model.generate(requests(4), SAMPLED, ledger)
        flops.append(ledger.flops)
    full = 16 * 6 * 16 * model.net.shape.step_flops
    assert flops[0] == pytest.approx(full, rel=0.01)
    assert flops[1] < 0.8 * flops[0]


@pytest.mark.parametrize(("depth", "width"), [(2, 1), (6, 1), (2, 5), (3, 4)])
def test_flops_grow_with_depth_times_trajectories(depth, width) -> None:
    model, ledger = recursive_model(how=Reasoning(depth=depth, width=width)), Ledger()
    model.generate(requests(2), SAMPLED, ledger)
    step = PUZZLE.grid.length * model.net.shape.step_flops
    assert ledger.flops == pytest.approx(len(PROBLEMS) * 2 * depth * width * step, rel=0.03)


def test_reused_answers_cost_about_what_they_cost_first() -> None:
    model, ledger = recursive_model(how=Reasoning(width=3)), Ledger()
    [group, *_] = model.generate(requests(2)[:1], SAMPLED, ledger)
    nominal = model.card.flops_per_token * (1 + sum(c.n_tokens for c in group))
    assert nominal == pytest.approx(ledger.flops, rel=0.05)


def test_what_decides_an_answer_is_part_of_its_address() -> None:
    hows = [
        Reasoning(),
        Reasoning(depth=3),
        Reasoning(width=2),
        Reasoning(selector="halt"),
        Reasoning(temperature=0.5),
        Reasoning(noise=0.1),
        Reasoning(halts=True),
        Reasoning(halts=True, sure=0.9),
    ]
    cards = [recursive_model(how=how).card for how in hows]
    assert len({card.reading for card in cards}) == len(hows)
    assert len({card.weights for card in cards}) == 1


def test_a_prompt_without_a_question_gets_a_readable_answer() -> None:
    model = recursive_model()
    asked = ["", "?", "1.3", "Sudoku: 12.. 34.. .... ...5", "\ud800", "1... ..3. ....", "x" * 9999]
    drawn = model.generate([Request(p, "q", 2) for p in asked], SAMPLED, Ledger())
    assert {c.text for group in drawn for c in group} == {"?"}


def test_an_answer_is_cut_at_the_limit_and_at_stop_strings() -> None:
    [(whole,), *_] = recursive_model().generate(requests(), SAMPLED, Ledger())
    [(cut,), *_] = recursive_model().generate(requests(), Sampling(6, 1.0, stream="s"), Ledger())
    assert (whole.n_tokens, whole.stop) == (16, "eos")
    assert (cut.n_tokens, cut.stop, cut.text) == (6, "length", whole.text[:7])
    ending = replace(SAMPLED, stop=(" ",))
    [(ended,), *_] = recursive_model().generate(requests(), ending, Ledger())
    assert (ended.stop, ended.text) == ("stop", whole.text[:4])


def test_shares_of_agreeing_trajectories_stand_for_probabilities() -> None:
    model = recursive_model(how=Reasoning(width=4, selector="majority"))
    [(said,), *_] = model.generate(requests(), replace(SAMPLED, margins=True), Ledger())
    every = [one.text for one in trajectories(model, PROBLEMS[0], "samples/s", 4, PROBLEMS[0].id)]
    cells = [text.replace(" ", "") for text in every]
    mine = said.text.replace(" ", "")
    for place in range(16):
        column = [one[place] for one in cells]
        assert said.probabilities[place] == column.count(mine[place]) / 4
        counts = sorted((column.count(c) for c in set(column)), reverse=True)
        assert said.margins[place] == (counts[0] - (counts[1:] or [0])[0]) / 4


def test_a_net_for_another_board_is_refused() -> None:
    card = tiny_card()
    with pytest.raises(ConfigError, match="16 positions and 5 ids"):
        RecursiveModel(random_net(card), QueensPuzzle(8), card, Reasoning(), "x")


@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": -1}, {"noise": -0.1}, {"sure": 1.0}])
def test_what_cannot_be_rolled_out_is_refused(wrong) -> None:
    with pytest.raises(ConfigError, match="of a recursive net"):
        Reasoning(**wrong)


def test_what_is_no_recursive_net_is_refused_in_words() -> None:
    with pytest.raises(AccessError, match="from_scratch on 'scripted:latent', which is no recurs"):
        need_recursive(resolve_backend("scripted:latent").open(), "from_scratch")
