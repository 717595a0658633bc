"""Going on from token ids, and the log-probability of each token: against whole forward passes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modicum.errors import AccessError, EndpointError, TrialError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nudge.attach import attached
from modicum.nudge.steering import Direction, Steering
from modicum.sampling.local import Local
from modicum.serving.completions import completion
from modicum.serving.protocol import ServedChoice, Step
from modicum.stock import Draw, Stock, address_of
from modicum.types import Branches, Completion, Request, Sampling
from tests.support.tiny_models import tiny_local

PROMPTS = ("Is it?", "What is 12 + 30? Ann has", "x")
SCORED = Sampling(20, 1.0, stream="s", ids=True, scores=True)
LENGTHS = (1, 5, 12)


def apart(model: Local) -> Local:
    """The same model, each row with a cache of its own."""
    other = model.with_module(model.module)
    other._engine = replace(model._engine, windows=None)
    return other


MODELS = {
    "llama": lambda: tiny_local("llama"),
    "few rows": lambda: tiny_local("llama", rows=2),
    "qwen2": lambda: tiny_local("qwen2"),
    "gemma3": lambda: tiny_local("gemma3"),
    "own cache": lambda: apart(tiny_local("llama")),
    "organism": lambda: resolve_backend("organism").open(),
}


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> Local:
    return MODELS[request.param]()


def asked(n: int = 4) -> list[Request]:
    return [Request(prompt, f"p{i}", n) for i, prompt in enumerate(PROMPTS)]


def naive(model: Local, prompt: str, ids: tuple[int, ...], steering: Steering | None = None):
    """The log-probability of each token of an answer, by one whole pass without a cache."""
    before = model.encode(prompt)
    row = torch.tensor([[*before, *ids]])
    with torch.inference_mode():
        if steering is None:
            logits = model.module(input_ids=row).logits[0]
        else:
            columns = torch.arange(row.shape[1])
            acts = {
                "first": columns == len(before) - 1,
                "generated": columns >= len(before) - 1,
                "all": columns >= 0,
            }[steering.where]
            with attached(model.module, steering) as laid:
                laid.begin(acts.float()[None])
                logits = model.module(input_ids=row).logits[0]
    found = logits.log_softmax(-1)[len(before) - 1 : -1]
    return found.gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()


# Scores


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_scores_are_those_of_a_whole_pass_the_end_token_included(model, temperature) -> None:
    drawn = model.generate(asked(), replace(SCORED, temperature=temperature), Ledger())
    for prompt, group in zip(PROMPTS, drawn, strict=True):
        for c in group:
            assert c.logprobs == pytest.approx(naive(model, prompt, c.ids), abs=1e-4)
            assert len(c.logprobs) == c.n_tokens


def test_an_answer_that_ends_has_a_term_for_its_end() -> None:
    model = resolve_backend("organism").open()
    drawn = model.generate(asked(16), replace(SCORED, max_new_tokens=60), Ledger())
    ended = [c for group in drawn for c in group if c.stop == "eos"]
    assert ended
    assert all(c.ids[-1] == model.tokenizer.eos_token_id for c in ended)
    assert all(len(c.logprobs) == len(c.ids) for c in ended)


def test_scores_change_no_token_and_come_only_when_asked(model) -> None:
    with_scores = model.generate(asked(), SCORED, Ledger())
    plain = model.generate(asked(), replace(SCORED, scores=False), Ledger())
    assert [[c.ids for c in g] for g in plain] == [[c.ids for c in g] for g in with_scores]
    assert {c.logprobs for g in plain for c in g} == {()}


def test_scores_of_branches_are_the_logarithms_of_their_probabilities(model) -> None:
    sampling = Sampling(6, branches=Branches(4), scores=True)
    for group in model.generate(asked(), sampling, Ledger()):
        for c in group:
            assert np.exp(c.logprobs) == pytest.approx(c.probabilities, abs=1e-5)


# Going on


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_sample_goes_on_behind_its_own_tokens_as_it_was(model, temperature) -> None:
    sampling = replace(SCORED, temperature=temperature)
    requests = asked()
    wholes = model.generate(requests, sampling, Ledger())
    for cut in LENGTHS:
        parts = [
            (replace(request, n=1, first=i, begun=c.ids[:cut]), c)
            for request, group in zip(requests, wholes, strict=True)
            for i, c in enumerate(group)
            if len(c.ids) > cut
        ]
        shorter = replace(sampling, max_new_tokens=sampling.max_new_tokens - cut)
        drawn = model.generate([request for request, _ in parts], shorter, Ledger())
        assert parts
        for (_, whole), (rest,) in zip(parts, drawn, strict=True):
            assert rest.ids == whole.ids[cut:]
            assert rest.stop == whole.stop
            assert rest.logprobs == pytest.approx(whole.logprobs[cut:], abs=1e-4)


def test_what_has_begun_counts_as_prompt() -> None:
    model, ledger, plain = tiny_local("llama"), Ledger(), Ledger()
    [(c,)] = model.generate([replace(asked(1)[0], begun=(70, 71, 72))], SCORED, ledger)
    model.generate(asked(1)[:1], SCORED, plain)
    assert ledger.tokens_prompt == plain.tokens_prompt + 3
    assert ledger.tokens_sampled == c.n_tokens == len(c.ids)


def test_tokens_that_the_model_does_not_know_are_refused() -> None:
    model = tiny_local("llama")
    for begun in ((70, 10**6), (-1,)):
        with pytest.raises(TrialError, match="token ids from"):
            model.generate([replace(asked(1)[0], begun=begun)], SCORED, Ledger())


@pytest.mark.parametrize("where", ["first", "generated", "all"])
@pytest.mark.parametrize("is_apart", [False, True])
def test_a_nudge_acts_where_it_did_when_the_tokens_were_drawn(where, is_apart) -> None:
    model = resolve_backend("organism").open()
    if is_apart:
        model = apart(model)
    values = torch.from_numpy(np.random.default_rng(3).standard_normal(96)).float() * 2
    steering = Steering((Direction(1, values),), where)
    steered = model.with_steering(steering)
    requests = [*asked(2), replace(asked(1)[1], address="begun", begun=(20, 21))]
    for request, group in zip(requests, steered.generate(requests, SCORED, Ledger()), strict=True):
        for i, c in enumerate(group):
            whole = (*request.begun, *c.ids)
            wanted = naive(model, request.prompt, whole, steering)[len(request.begun) :]
            assert c.logprobs == pytest.approx(wanted, abs=1e-4)
            own = replace(request, n=1, first=i, begun=whole[:6])
            if len(whole) > 6:
                shorter = replace(SCORED, max_new_tokens=20 - 6 + len(request.begun))
                [(rest,)] = steered.generate([own], shorter, Ledger())
                assert rest.ids == whole[6:]


def test_a_nudge_at_one_generated_token_cannot_go_on() -> None:
    model = resolve_backend("organism").open()
    steering = Steering((Direction(1, torch.ones(96)),), "first", 2)
    begun = [replace(asked(1)[0], begun=(20,))]
    with pytest.raises(TrialError, match="generated token 2"):
        model.with_steering(steering).generate(begun, SCORED, Ledger())


def test_one_text_cut_at_two_places_is_refused_where_a_nudge_depends_on_it() -> None:
    model = resolve_backend("organism").open()
    ids = tuple(model.encode("0 1"))
    twice = [Request("0 1", "a", begun=(20,)), Request(model.decode([*ids, 20]), "b")]
    assert model.encode(twice[1].prompt) == [*ids, 20]
    steered = model.with_steering(Steering((Direction(1, torch.ones(96)),), "generated"))
    with pytest.raises(TrialError, match="two places"):
        steered.generate(twice, SCORED, Ledger())
    assert len(model.generate(twice, SCORED, Ledger())) == 2


# Kept, and refused


def test_both_are_part_of_an_address_only_when_they_are_set() -> None:
    voice, request = ("w", "n", "r"), Request("a", "q", split="test")
    sampling = Sampling(20, 1.0, stream="s")
    asked = [
        (request, sampling),
        (replace(request, begun=(1,)), sampling),
        (replace(request, begun=(1, 2)), sampling),
        (request, replace(sampling, scores=True)),
    ]
    assert len({address_of(voice, *one) for one in asked}) == len(asked)


def test_kept_completions_bring_their_scores_back() -> None:
    stock, model = Stock(), tiny_local("llama")
    requests = [replace(request, split="test") for request in asked(2)]
    sampling = replace(SCORED, ids=False)
    first = model.stocked(stock).generate(requests, sampling, Ledger())
    again = model.stocked(stock).generate(requests, sampling, ledger := Ledger())
    assert again == first
    assert ledger.completions_reused == 6
    assert all(c.logprobs for group in again for c in group)


@pytest.mark.parametrize("scores", [(-0.5, -1e-9, -700.0), ()])
def test_packed_scores_come_back(scores) -> None:
    group = (Completion("ab", 3, "eos", ("a", "b", ""), (0.1,) * 3, (0.2,) * 3, logprobs=scores),)
    assert Draw.of(b"a" * 16, group, 2.0).unpack() == (2.0, group)


def test_a_server_that_leaves_the_end_token_out_gives_no_scores() -> None:
    steps = (Step(" 4", 0.5, ((" 4", 0.5),)), Step("", 0.25, (("", 0.25),)))
    sampling = Sampling(8, scores=True)
    whole = completion(ServedChoice(" 4", None, "stop", False, steps), sampling, 2)
    assert whole == Completion(" 4", 2, "eos", logprobs=tuple(np.log([0.5, 0.25])))
    with pytest.raises(EndpointError, match="token that ended"):
        completion(ServedChoice(" 4", None, "stop", False, steps[:1]), sampling, 1)


def test_a_model_without_token_ids_does_not_go_on() -> None:
    model = resolve_backend("scripted:latent").open()
    with pytest.raises(AccessError, match="going on from token ids on 'scripted:latent'"):
        model.generate([replace(asked(1)[0], begun=(1,))], SCORED, Ledger())
