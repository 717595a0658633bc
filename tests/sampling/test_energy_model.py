"""An energy net as a model: which candidate answers, what it costs, and what is no question."""

from dataclasses import replace

import pytest
import torch

from modicum.errors import AccessError, ConfigError
from modicum.ledger import Ledger
from modicum.nets.energy_thinking import BoardThinking, think
from modicum.sampling.energy_model import Minimising
from modicum.sampling.recursive_model import need_recursive
from modicum.task import resolve_task
from modicum.training.learned_energy import LearnedThinking
from modicum.types import Request, Sampling
from tests.support.energy_nets import PUZZLE, energy_card, energy_model, random_energy
from tests.support.recursive_nets import recursive_model

PROBLEMS = resolve_task("sudoku").problems("test", 3)
SAMPLED = Sampling(64, 1.0, stream="s")


def requests(n: int = 1, first: int = 0) -> list[Request]:
    return [Request(p.question, p.id, n, first) for p in PROBLEMS]


def texts(model, asked, sampling=SAMPLED) -> list[list[str]]:
    return [[c.text for c in group] for group in model.generate(asked, sampling, Ledger())]


def test_a_sample_is_that_of_least_energy_among_its_own_candidates() -> None:
    model = energy_model(how=Minimising(steps=3, candidates=4))
    found = texts(model, requests(2, first=1))
    for problem, group in zip(PROBLEMS, found, strict=True):
        question = PUZZLE.encode(problem.question)
        asked = torch.tensor([question])
        how = BoardThinking(3, 12, stream="samples/s")
        thought = think(model.net, asked, [problem.id], how)
        for sample, text in enumerate(group):
            own = thought.energies[0, 4 * (sample + 1) : 4 * (sample + 2)]
            pick = 4 * (sample + 1) + int(own.argmin())
            assert PUZZLE.decode(question, thought.answers[0, pick].tolist()) == text
    assert len({text for group in found for text in group}) > 3


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 4},
        {"candidates": 2},
        {"selector": "majority"},
        {"temperature": 0.5},
        {"noise": 0.5},
        {"stops": True},
        {"tolerance": 1.0},
    ],
)
def test_every_setting_is_part_of_an_answers_address(changes) -> None:
    usual = Minimising(steps=3)
    assert (
        energy_model(how=replace(usual, **changes)).card.reading
        != energy_model(how=usual).card.reading
    )


def test_greedy_answers_go_by_the_question_alone() -> None:
    model = energy_model(how=Minimising(steps=2, candidates=2))
    greedy = Sampling(64, 0.0, stream="s")
    one = texts(model, requests(), greedy)
    assert texts(model, [replace(r, address="other") for r in requests()], greedy) == one


@pytest.mark.parametrize("stops", [False, True])
def test_costs_are_those_of_the_evaluations_that_were_made(stops) -> None:
    how = Minimising(steps=9, candidates=2, stops=stops, tolerance=50.0)
    model, ledger = energy_model(how=how), Ledger()
    model.generate(requests(), SAMPLED, ledger)
    shape = model.net.shape
    thinking = BoardThinking(9, 2, stops=stops, tolerance=50.0, stream="samples/s")
    questions = torch.tensor([PUZZLE.encode(p.question) for p in PROBLEMS])
    steps = think(model.net, questions, [p.id for p in PROBLEMS], thinking).steps
    counted = 16 * (
        int(steps.sum()) * shape.step_flops + 6 * shape.pass_flops + 3 * 2 * shape.width
    )
    assert ledger.flops == pytest.approx(counted)
    assert not stops or int(steps.sum()) < 54
    if not stops:
        per_board = 16 * model.card.flops_per_token
        assert per_board * 3 == pytest.approx(16 * (54 * shape.step_flops + 6 * shape.pass_flops))


def test_other_prompts_get_a_question_mark() -> None:
    [[one]] = energy_model().generate([Request("What is 2 + 2?", "a")], SAMPLED, Ledger())
    assert one.text == "?"


@pytest.mark.parametrize(
    "how", [Minimising(steps=2), Minimising(candidates=2), Minimising(stops=True)]
)
def test_a_plain_net_is_asked_for_no_thinking(how) -> None:
    with pytest.raises(ConfigError, match="plain"):
        energy_model("plain", how)


def test_a_plain_net_gives_one_answer_whatever_the_sample() -> None:
    found = texts(energy_model("plain"), requests(3))
    assert all(len(set(group)) == 1 for group in found)


def test_a_learned_net_answers_in_place_of_the_models_own() -> None:
    card = replace(energy_card(), trained={"boards": 4})
    other = LearnedThinking(random_energy(card, "other"), card).applied(energy_model())
    assert not other.is_new
    assert other.card.weights != energy_model().card.weights
    with pytest.raises(AccessError, match="energy net"):
        LearnedThinking(random_energy(card), card).applied(recursive_model())
    with pytest.raises(AccessError, match="no recursive net"):
        need_recursive(energy_model(), "a learned net")
