"""Rollouts of training drawn on a server: under the adapter as it is, or not at all."""

import pytest

from modicum.errors import ConfigError, TrialError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nudge import Solver
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.training.adapters import AdapterShape
from modicum.training.served import one_pass, sampled_on
from modicum.training.trainable import TrainedWeights
from modicum.types import Request, Sampling
from tests.support.bench import bench_of, solver_of
from tests.support.organism_server import NAME, organism_server


@pytest.fixture(scope="module")
def organism() -> Local:
    return resolve_backend("organism").open()


def trained(organism: Local, server: str, **settings: object) -> tuple[Solver, Ledger]:
    """Train on one example of a latent family."""
    bench = bench_of(organism, "row_pushes", 1, rng=stream("served"))
    given = {"steps": 3, "groups": 2, "rollouts": 16, "learning_rate": 5e-3, "server": server}
    return solver_of("rlvr", bench, **{**given, **settings}), bench.ledger


def test_each_step_is_drawn_under_the_adapter_as_it_is_then_and_learns(organism) -> None:
    with organism_server() as (reference, desk):
        solver, ledger = trained(organism, reference, steps=4, groups=2, rollouts=32)
    [name] = set(desk.loads)
    assert len(desk.loads) == 4
    assert name.startswith("modicum-")
    assert desk.loaded == {}
    assert desk.drawn == {name: 4 * 2 * 32}
    assert desk.drawn.get(NAME) is None
    rewards = [curve["reward"] for curve in solver.nudge.facts["curves"]]
    assert rewards[-1] > rewards[0]
    assert ledger.tokens_sampled > 0
    assert solver.model.card.name == organism.card.name


def test_a_server_that_goes_on_with_old_weights_ends_the_training(organism) -> None:
    with organism_server() as (reference, desk):
        desk.stale_after = 2
        with pytest.raises(TrialError, match="server"):
            trained(organism, reference)
        assert desk.loaded == {}
    assert len(desk.loads) == 3


def test_what_is_no_lora_and_what_is_no_server_are_refused(organism) -> None:
    with organism_server() as (reference, desk):
        with pytest.raises(ConfigError, match="for what is no LoRA"):
            trained(organism, reference, parameters="full")
        with pytest.raises(ConfigError, match="a server that loads adapters"):
            trained(organism, "organism")
    assert desk.loads == []


def test_one_pass_scores_as_text_by_text(organism) -> None:
    prompt = resolve_task("row_pushes").problems("shots", 1)[0].question
    tokens = [organism.decode([t]) for t in organism.encode_more("\n" + prompt)]
    before = [prompt + "".join(tokens[:i]) for i in range(len(tokens))]
    slow = organism.logprob(before, tokens)
    assert one_pass(organism)(prompt, tokens) == pytest.approx(slow, abs=1e-4)
    joined = ["".join(tokens[:2]), *tokens[2:]]
    assert sum(one_pass(organism)(prompt, joined)) == pytest.approx(sum(slow), abs=1e-3)


def test_rollouts_of_a_server_have_the_token_ids_of_their_texts(organism) -> None:
    trainable = TrainedWeights(organism, AdapterShape("lora", 2, 4.0), 1e-3, stream("served"))
    prompt = resolve_task("row_pushes").problems("shots", 1)[0].question
    with organism_server() as (reference, _), sampled_on(reference, trainable, prompt) as served:
        sampling = Sampling(12, 1.0, stream="ids", ids=True)
        [drawn] = served().generate([Request(prompt, "a", 16)], sampling, Ledger())
    ends = [c.ids[-1] == organism.tokenizer.eos_token_id for c in drawn]
    assert ends == [c.stop == "eos" for c in drawn]
    assert set(ends) == {True, False}
    for completion in drawn:
        assert organism.decode(list(completion.ids)) == completion.text
        assert completion.n_tokens == len(completion.ids)
