"""Steering acts exactly where it says, on any architecture, and says when it did not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from modicum.errors import CheckpointError, TrialError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nudge.attach import Attached, Columns, attached, columns_of, laid, steered
from modicum.nudge.contrast import direction_of, random_like, reliability
from modicum.nudge.sites import blocks, site_module
from modicum.nudge.steering import Direction, Steering, load_steering, save_steering
from modicum.sampling.capture import capture, capture_all
from modicum.task import resolve_task
from modicum.types import Request, Sampling
from modicum.whitebox import cache_keyword

HIDDEN, LAYERS = 16, 3
SIZES = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "vocab_size": 40,
    "head_dim": 8,
}


def small(name: str) -> PreTrainedModel:
    """Return a small model of random weights."""
    with torch.random.fork_rng():
        torch.random.manual_seed(3)
        if name == "gpt2":
            config = GPT2Config(n_embd=HIDDEN, n_layer=LAYERS, n_head=2, vocab_size=40)
            return GPT2LMHeadModel(config).eval()
        classes = {
            "llama": (LlamaConfig, LlamaForCausalLM),
            "qwen2": (Qwen2Config, Qwen2ForCausalLM),
            "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM),
        }
        config_class, model_class = classes[name]
        return model_class(config_class(**SIZES)).eval()


EVERY_MODEL = pytest.mark.parametrize("name", ["llama", "qwen2", "gemma3", "gpt2"])
IDS = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]])


def direction(layer: int = 1, site: str = "block") -> Direction:
    values = torch.from_numpy(np.random.default_rng([layer, 1]).standard_normal(HIDDEN)).float()
    return Direction(layer, values, site)


@EVERY_MODEL
def test_layers_and_their_parts_are_found_by_structure(name: str) -> None:
    module = small(name)
    found = blocks(module)
    assert len(found) == LAYERS
    for site in ("attention", "mlp"):
        assert site_module(found[0], site) in list(found[0].children())


@EVERY_MODEL
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_block_is_steered_by_exactly_its_direction(name: str, layer: int) -> None:
    module, nudge = small(name), direction(layer)
    seen = {}

    def keep(_module: object, _args: object, output: object) -> None:
        seen["hidden"] = output[0] if isinstance(output, tuple) else output

    with torch.inference_mode():
        handle = blocks(module)[layer].register_forward_hook(keep)
        module(IDS, use_cache=False)
        handle.remove()
        plain = seen["hidden"].clone()
        with attached(module, Steering((nudge,), "all")) as laid:
            handle = blocks(module)[layer].register_forward_hook(keep)
            laid.begin(slice(None))
            module(IDS, use_cache=False)
            handle.remove()
    assert torch.allclose(seen["hidden"] - plain, nudge.values.expand_as(plain), atol=1e-5)


@EVERY_MODEL
@pytest.mark.parametrize("where", ["first", "generated", "all"])
def test_steering_is_the_same_with_the_cache_on_and_off(name: str, where: str) -> None:
    module = small(name)
    keyword = cache_keyword(module)
    steering = Steering((direction(0), direction(2)), where)
    prompt = 4
    mask = {
        "first": torch.arange(6) == prompt - 1,
        "generated": torch.arange(6) >= prompt - 1,
        "all": torch.ones(6, dtype=torch.bool),
    }[where]
    with torch.inference_mode(), attached(module, steering) as laid:
        laid.begin(mask.float().expand(2, 6))
        whole = module(IDS, use_cache=False).logits
        laid.begin(columns_of(steering, is_prompt=True))
        output = module(IDS[:, :prompt], use_cache=True)
        laid.require()
        steps = [output.logits[:, -1]]
        for column in range(prompt, 6):
            laid.begin(columns_of(steering, is_prompt=False))
            past = {keyword: output[1]}
            output = module(IDS[:, column : column + 1], use_cache=True, **past)
            laid.require()
            steps.append(output.logits[:, -1])
    assert torch.allclose(torch.stack(steps, 1), whole[:, prompt - 1 :], atol=1e-5)


def test_hooks_go_when_the_block_ends() -> None:
    module = small("llama")
    before = module(IDS).logits
    with attached(module, Steering((direction(),), "all")) as laid:
        laid.begin(slice(None))
        during = module(IDS).logits
    assert not torch.equal(before, during)
    assert torch.equal(before, module(IDS).logits)


def test_a_pass_that_missed_the_hooks_is_an_error() -> None:
    module = small("llama")
    with attached(module, Steering((direction(0), direction(1)), "all")) as laid:
        laid.begin(slice(None))
        with pytest.raises(TrialError, match="silently do nothing"):
            laid.require()
        blocks(module)[0](torch.zeros(1, 1, HIDDEN), position_embeddings=_rotation(module))
        with pytest.raises(TrialError, match="1 times in one forward pass, expected 2"):
            laid.begin(slice(None))


def _rotation(module: PreTrainedModel) -> object:
    return module.model.rotary_emb(torch.zeros(1, 1, HIDDEN), torch.zeros(1, 1, dtype=torch.long))


@EVERY_MODEL
def test_threads_inside_the_model_at_once_are_steered_each_as_it_said(name: str) -> None:
    """Both threads meet in the first layer, before the steered one; the third runs unsteered."""
    module, steering = small(name), Steering((direction(1),), "all")
    wanted = [slice(None), (torch.arange(6) == 3).float().expand(2, 6), slice(0, 0)]
    alone = []
    for columns in wanted:
        with torch.inference_mode(), steered(module, steering, columns):
            alone.append(module(IDS, use_cache=False).logits)
    meet = threading.Barrier(len(wanted), timeout=60)

    def wait(*_: object) -> None:
        meet.wait()

    handle = blocks(module)[0].register_forward_hook(wait)

    def run(columns: Columns) -> torch.Tensor:
        with torch.inference_mode(), on_it.steering_one(columns):
            return module(IDS, use_cache=False).logits

    with laid(module, steering) as on_it, ThreadPoolExecutor(len(wanted)) as threads:
        together = list(threads.map(run, wanted))
    handle.remove()
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other)


def test_a_direction_for_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(TrialError, match="layer 7 of a model of 3"):
        Attached(small("llama"), Steering((direction(7),), "all"))


def test_gradients_reach_the_direction_and_nothing_else() -> None:
    module = small("llama").requires_grad_(requires_grad=False)
    values = torch.nn.Parameter(torch.zeros(HIDDEN))
    with attached(module, Steering((Direction(1, values),), "first")) as laid:
        laid.begin((torch.arange(6) == 3).float().expand(2, 6))
        module(IDS, use_cache=False).logits.logsumexp(-1).sum().backward()
    assert values.grad is not None
    assert float(values.grad.abs().sum()) > 0


def test_vectors_come_back_as_they_were_written(tmp_path) -> None:
    steering = Steering((direction(0), direction(2, "mlp")), "generated").scaled(0.5)
    assert save_steering(steering, tmp_path / "vector.safetensors") > 0
    again = load_steering(tmp_path / "vector.safetensors")
    assert again.digest == steering.digest
    assert again.numbers == 2 * HIDDEN


def test_the_digest_tells_apart_whatever_changes_the_effect() -> None:
    steering = Steering((direction(0),), "first")
    others = [
        Steering((direction(0),), "all"),
        Steering((direction(1),), "first"),
        Steering((Direction(0, direction(0).values, "mlp"),), "first"),
        steering.scaled(2.0),
    ]
    assert len({nudge.digest for nudge in (steering, *others)}) == 5


@pytest.mark.parametrize("content", [b"", b"no tensors"])
def test_a_broken_vector_file_is_named(tmp_path, content: bytes) -> None:
    path = tmp_path / "vector.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"vector\.safetensors"):
        load_steering(path)


@given(st.integers(1, 12), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_the_mean_difference_is_the_naive_one_and_pca_points_its_way(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wanted, unwanted = (torch.from_numpy(rng.standard_normal((n, 5))).float() for _ in range(2))
    naive = sum(w - u for w, u in zip(wanted, unwanted, strict=True)) / n
    assert torch.allclose(direction_of(wanted, unwanted), naive, atol=1e-5)
    pca = direction_of(wanted, unwanted, "pca")
    assert float(pca @ naive) >= 0
    assert float(pca.norm()) == pytest.approx(float(naive.norm()), rel=1e-4)


def test_pca_finds_what_the_differences_share_not_how_they_vary() -> None:
    shared = torch.tensor([10.0, 0.0, 0.0])
    spread = torch.tensor([[0.0, s, 0.0] for s in (-3.0, 3.0, -2.0, 2.0)])
    wanted = shared + spread
    found = direction_of(wanted, torch.zeros_like(wanted), "pca")
    assert float(found[0] / found.norm()) > 0.99


def test_pairs_without_a_difference_are_refused() -> None:
    same = torch.ones(3, 4)
    with pytest.raises(TrialError, match="no contrast"):
        direction_of(same, same)


def test_reliability_is_high_where_pairs_agree_and_low_where_they_do_not() -> None:
    rng = np.random.default_rng([1, 2])
    base = torch.from_numpy(rng.standard_normal((40, 8))).float()
    push = torch.tensor([4.0, *[0.0] * 7])
    agreeing = reliability(base + push, base, push)
    assert agreeing.cosine == pytest.approx(1.0)
    assert agreeing.separability > 0.95
    noise = torch.from_numpy(rng.standard_normal((40, 8))).float()
    assert abs(reliability(noise, base, direction_of(noise, base)).cosine) < 0.2


def test_a_random_direction_is_as_long_and_unrelated() -> None:
    given_direction = torch.arange(1.0, 65.0)
    rng = np.random.default_rng([5, 6])
    drawn = torch.stack([random_like(given_direction, rng) for _ in range(200)])
    assert torch.allclose(drawn.norm(dim=1), given_direction.norm(), rtol=1e-5)
    cosines = drawn @ given_direction / given_direction.norm() ** 2
    assert abs(float(cosines.mean())) < 0.04


@pytest.fixture(scope="module")
def organism():
    return resolve_backend("organism").open()


def test_captured_activations_are_the_hidden_states_of_a_whole_pass(organism) -> None:
    texts = [organism.encode(p.question) for p in resolve_task("word_sums").problems("shots", 5)]
    found = capture(organism, texts, [0, 1], Ledger())
    for row, text in zip(found, texts, strict=True):
        with torch.inference_mode():
            states = organism.module(
                torch.tensor([text]), output_hidden_states=True, use_cache=False
            ).hidden_states
        assert torch.allclose(row, torch.stack([states[1][0, -1], states[2][0, -1]]), atol=1e-5)


def test_every_token_is_captured_in_its_text_and_counted(organism) -> None:
    texts = [[5, 6, 7], [8, 9], [10] * 30]
    ledger = Ledger()
    found = capture_all(organism, texts, 1, ledger)
    assert [len(rows) for rows in found] == [3, 2, 30]
    alone = capture_all(organism, [texts[1]], 1, Ledger())
    assert torch.allclose(found[1], alone[0], atol=1e-5)
    assert ledger.tokens_prompt == 35
    # two of three layers ran
    assert ledger.flops == pytest.approx(35 * organism.card.flops_per_token * 2 / 3)


QUESTIONS = 12


def _texts(model, steering: Steering | None) -> list[str]:
    """Greedy texts of a few problems through the sampler."""
    task = resolve_task("word_sums")
    laid = model if steering is None else model.with_steering(steering)
    requests = [Request(p.question, p.id) for p in task.problems("shots", QUESTIONS)]
    return [g[0].text for g in laid.generate(requests, Sampling(40, 0.0), Ledger())]


def _naive(organism, steering: Steering) -> list[str]:
    """The same by whole forward passes without a cache, one token at a time."""
    texts = []
    for problem in resolve_task("word_sums").problems("shots", QUESTIONS):
        ids, start = organism.encode(problem.question), len(organism.encode(problem.question))
        with torch.inference_mode(), attached(organism.module, steering) as laid:
            for _ in range(40):
                columns = torch.arange(len(ids))
                acts = {
                    "first": columns == start - 1 + steering.offset,
                    "generated": columns >= start - 1,
                    "all": columns >= 0,
                }[steering.where]
                laid.begin(acts.float()[None])
                token = int(organism.module(torch.tensor([ids])).logits[0, -1].argmax())
                if token == organism.tokenizer.eos_token_id:
                    break
                ids.append(token)
        texts.append(organism.decode(ids[start:]))
    return texts


@pytest.mark.parametrize(
    ("where", "offset"), [("first", 0), ("first", 1), ("first", 3), ("generated", 0), ("all", 0)]
)
@pytest.mark.parametrize("site", ["block", "mlp"])
def test_the_sampler_steers_as_whole_passes_do(organism, where, offset, site) -> None:
    rng = np.random.default_rng([9, offset])
    directions = tuple(
        Direction(layer, torch.from_numpy(rng.standard_normal(96)).float() * 1.5, site)
        for layer in (0, 2)
    )
    steering = Steering(directions, where, offset)
    found = _texts(organism, steering)
    assert found == _naive(organism, steering)
    assert found != _texts(organism, None)


def test_a_steered_model_leaves_the_plain_one_as_it_was(organism) -> None:
    before = _texts(organism, None)
    values = torch.full((96,), 3.0)
    steered_model = organism.with_steering(Steering((Direction(2, values),), "all"))
    steered_model.generate([Request("Ann", "a")], Sampling(4), Ledger())
    assert _texts(organism, None) == before
    assert steered_model.card.nudge != organism.card.nudge == ""


@pytest.mark.parametrize(("where", "offset"), [("first", 0), ("generated", 0), ("all", 0)])
def test_log_probabilities_are_those_of_the_steered_model(organism, where, offset) -> None:
    values = torch.from_numpy(np.random.default_rng([2, 2]).standard_normal(96)).float()
    steering = Steering((Direction(1, values),), where, offset)
    prompts = [p.question for p in resolve_task("word_sums").problems("shots", 3)]
    found = organism.with_steering(steering).logprob(prompts, [" Answer 123", " Think", ""])
    for prompt, more, score in zip(prompts, [" Answer 123", " Think", ""], found, strict=True):
        ids, tail = organism.encode(prompt), organism.encode_more(more)
        columns = torch.arange(len(ids) + len(tail))
        acts = {
            "first": columns == len(ids) - 1,
            "generated": columns >= len(ids) - 1,
            "all": columns >= 0,
        }[where]
        with torch.inference_mode(), attached(organism.module, steering) as laid:
            laid.begin(acts.float()[None])
            logs = organism.module(torch.tensor([ids + tail])).logits[0].log_softmax(-1)
        naive = sum(float(logs[len(ids) - 1 + i, token]) for i, token in enumerate(tail))
        assert score == pytest.approx(naive, abs=1e-3)
