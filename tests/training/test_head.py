"""A frozen head scored some rows at a time: the figures and gradients of scores that lie there whole."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from modicum.sampling.half import make_half
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.training import head, scoring
from modicum.training.adapters import AdapterShape
from modicum.training.head import head_of
from modicum.training.rollouts import Batch, RolloutRow, batch_rows
from modicum.training.scoring import Scores, room_for, score
from modicum.training.trainable import Trainable, TrainedVectors, TrainedWeights
from tests.support.tiny_models import byte_tokenizer, tiny_module

VOCAB = 16_390
PROMPTS = ((5, 16_000, 9), (7, 8, 11, 13, 2), (3,))


def local(*, is_half: bool) -> Local:
    """Return a tiny model of many tokens."""
    config = Qwen2Config(
        vocab_size=VOCAB,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
    )
    module = Qwen2ForCausalLM(config).eval()
    rng = stream("head")
    with torch.no_grad():
        for name, weight in module.named_parameters():
            drawn = rng.normal(float("norm" in name), 0.3, size=tuple(weight.shape))
            weight.copy_(torch.from_numpy(drawn))
    if is_half:
        module = module.to(torch.bfloat16)
        assert make_half(module)
    return Local(module, byte_tokenizer(), name="tiny", threads=1)


def trained(kind: str, *, is_half: bool) -> Trainable:
    """Return an adapter that already changes something, or vectors."""
    model = local(is_half=is_half)
    if kind == "vectors":
        vectors = TrainedVectors(model, (0, 1), "all", 0.1)
        with torch.no_grad():
            for parameter in vectors.named.values():
                parameter.fill_(0.05)
        return vectors
    adapted = TrainedWeights(model, AdapterShape(rank=2, alpha=4.0), 1e-3, stream("head"))
    rng = stream("head", "adapter")
    with torch.no_grad():
        for parameter in adapted.named.values():
            drawn = rng.normal(0.0, 0.2, size=tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(drawn.astype(np.float32)))
    return adapted


def rows() -> Batch:
    """Return completions of one token and of many behind prompts of three lengths."""
    rng = stream("head", "rows")
    drawn = [
        RolloutRow(prompt, tuple(rng.integers(0, VOCAB, size=size).tolist()), 1.0)
        for prompt in PROMPTS
        for size in (1, 4, 9)
    ]
    return batch_rows(drawn, torch.device("cpu"))


def learned(
    trainable: Trainable, batch: Batch, temperature: float, bonus: float
) -> tuple[Scores, torch.Tensor]:
    """Return the scores where they count, and the gradient of a weighted sum of them."""
    found = trainable.score(batch, temperature)
    size = tuple(batch.counted.shape)
    by = torch.from_numpy(stream("head", "by").normal(size=size)).float() * batch.counted
    loss = (found.logprobs * by).sum()
    if bonus:
        loss = loss + bonus * (found.entropies * by.flip(0) * batch.counted).sum()
    loss.backward()
    grads = torch.cat([p.grad.flatten() for p in trainable.named.values()])
    for parameter in trainable.named.values():
        parameter.grad = None
    return Scores(*(part.detach() * batch.counted for part in found)), grads


@pytest.mark.parametrize("kind", ["lora", "vectors"])
@pytest.mark.parametrize("is_half", [False, True])
@pytest.mark.parametrize(("temperature", "bonus"), [(1.0, 0.0), (0.7, 0.5)])
def test_scores_and_gradients_are_those_of_whole_tables(
    monkeypatch, kind, is_half, temperature, bonus
) -> None:
    monkeypatch.setattr(head, "_ROWS", 16)  # several parts, the last one smaller
    trainable, batch = trained(kind, is_half=is_half), rows()
    assert head_of(trainable.scored) is not None
    found, ours = learned(trainable, batch, temperature, bonus)
    monkeypatch.setattr(scoring, "head_of", lambda _: None)
    wanted, theirs = learned(trainable, batch, temperature, bonus)
    near = 0.03 if is_half else 1e-4
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=near)
    assert theirs.norm() > 0
    assert (ours - theirs).norm() < (0.02 if is_half else 1e-4) * theirs.norm()


def test_half_precision_scores_are_exact_sums(monkeypatch) -> None:
    """Entropies and log-probabilities are as near to single precision as rounded states allow."""
    trainable, batch = trained("lora", is_half=True), rows()
    found = trainable.score(batch)
    weight = head_of(trainable.scored).weight
    kept = []
    whole = scoring.score_hidden
    monkeypatch.setattr(scoring, "score_hidden", lambda *a: kept.append(a) or whole(*a))
    trainable.score(batch)
    [(_, hidden, tokens, _)] = kept
    scores = torch.distributions.Categorical(logits=hidden.bfloat16().float() @ weight.float().T)
    is_counted = batch.counted > 0
    near = 1e-4 if head.native_products() is not None else 0.03
    assert torch.allclose(found.logprobs[is_counted], scores.log_prob(tokens), atol=near)
    assert torch.allclose(found.entropies[is_counted], scores.entropy(), atol=near)


@pytest.mark.parametrize("is_half", [False, True])
def test_without_gradients_the_figures_are_the_same(monkeypatch, is_half) -> None:
    trainable, batch = trained("lora", is_half=is_half), rows()
    with_gradients = trainable.score(batch)
    monkeypatch.setattr(head, "linear_back", None)  # nothing is passed back
    with torch.no_grad():
        without = trainable.score(batch)
    for one, other in zip(with_gradients, without, strict=True):
        assert torch.equal(one.detach(), other)


def test_without_compiled_products_the_figures_are_the_same_but_for_rounding(monkeypatch) -> None:
    trainable, batch = trained("lora", is_half=True), rows()
    found, ours = learned(trainable, batch, 1.0, 0.0)
    monkeypatch.setattr(head, "native_products", lambda: None)
    other, theirs = learned(trainable, batch, 1.0, 0.0)
    assert torch.allclose(found.logprobs, other.logprobs, atol=0.03)
    assert (ours - theirs).norm() < 0.02 * theirs.norm()


def test_a_head_that_is_trained_or_watched_or_small_is_left_to_its_module() -> None:
    module = local(is_half=False).module
    assert head_of(module.requires_grad_(requires_grad=False)) is not None
    assert head_of(copy.deepcopy(module).requires_grad_(requires_grad=True)) is None
    handle = module.lm_head.register_forward_hook(lambda *_: None)
    assert head_of(module) is None
    handle.remove()
    assert head_of(tiny_module("qwen2").requires_grad_(requires_grad=False)) is None
    assert head_of(nn.Linear(2, 2)) is None


def test_more_tokens_go_through_at_once_where_no_table_of_scores_is_kept(monkeypatch) -> None:
    monkeypatch.setattr(scoring, "_MOST_TOKENS", 2**60)
    model = local(is_half=False)
    frozen = copy.deepcopy(model.module).requires_grad_(requires_grad=False)
    model.module.requires_grad_(requires_grad=True)
    assert room_for(model, frozen) > 2 * room_for(model)


def test_whole_texts_are_scored_as_before(monkeypatch) -> None:
    trainable, batch = trained("lora", is_half=False), rows()
    found = trainable.score(batch)
    monkeypatch.setattr(scoring, "row_windows", lambda _: None)
    whole = score(trainable.scored, batch)
    is_counted = batch.counted > 0
    assert torch.allclose(found.logprobs[is_counted], whole.logprobs[is_counted], atol=1e-4)
