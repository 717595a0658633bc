"""What the sampler promises."""

import math

import numpy as np
import pytest
import torch
from scipy.special import chdtrc

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.sampling.blocks import plan_blocks
from modicum.sampling.draw import draw
from modicum.sampling.llama_steps import LeanLlama
from modicum.sampling.local import Local
from modicum.sampling.prefix import plan_prefixes
from modicum.sampling.text import TextMaker
from modicum.seeds import key, uniforms
from modicum.types import Branches, Completion, Request, Sampling
from tests.support.tiny_models import (
    ARCHITECTURES,
    BOS,
    EOS,
    byte_tokenizer,
    tiny_local,
    tiny_module,
)

PROMPTS = (
    "Ann has 12 pears. How many?",
    "Bob",
    "Ann has 12 plums, or so it seems to her. How many?",
    "A row of letters, Bob says: what does it spell?",
    "x",
)
SHARED = "The same long beginning of every question, which takes many tokens indeed. "


def requests(n: int = 1, prompts: tuple[str, ...] = PROMPTS) -> list[Request]:
    return [Request(prompt, f"p{i}", n) for i, prompt in enumerate(prompts)]


def tokens_by_generate(model: Local, prompt: str, n_tokens: int) -> list[int]:
    ids = torch.tensor([model.encode(prompt)])
    out = model.module.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=n_tokens,
        pad_token_id=EOS,
    )
    new: list[int] = out[0, ids.shape[1] :].tolist()
    return new


def texts(drawn: list[tuple[Completion, ...]]) -> list[list[str]]:
    return [[c.text for c in group] for group in drawn]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_is_what_generate_gives(architecture: str) -> None:
    model = tiny_local(architecture, rows=3)
    drawn = model.generate(requests(), Sampling(24, 0.0), Ledger())
    for prompt, (completion,) in zip(PROMPTS, drawn, strict=True):
        theirs = tokens_by_generate(model, prompt, 24)
        assert completion.text == model.decode(theirs)
        assert completion.n_tokens == len(theirs)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shared_prefixes_change_nothing(architecture: str) -> None:
    model = tiny_local(architecture)
    prompts = tuple(SHARED + prompt for prompt in PROMPTS)
    drawn = model.generate(requests(prompts=prompts), Sampling(12, 0.0), Ledger())
    for prompt, (completion,) in zip(prompts, drawn, strict=True):
        assert completion.text == model.decode(tokens_by_generate(model, prompt, 12))


def test_shared_prefixes_are_run_once() -> None:
    model = tiny_local()
    prompts = tuple(SHARED + prompt for prompt in PROMPTS)
    ledger = Ledger()
    model.generate(requests(4, prompts), Sampling(2, 1.0, stream="s"), ledger)
    alone = sum(len(prompt) for prompt in PROMPTS)
    assert len(SHARED) + alone - 20 <= ledger.tokens_prompt <= len(SHARED) + alone


def test_greedy_repeats_to_the_bit() -> None:
    first, second = (
        tiny_local(rows=2).generate(requests(), Sampling(16, 0.0, margins=True), Ledger())
        for _ in range(2)
    )
    assert first == second


def test_a_row_alone_is_the_row_of_a_batch() -> None:
    model = tiny_local(rows=8)
    together = model.generate(requests(3), Sampling(20, 1.0, stream="s"), Ledger())
    for request, group in zip(requests(3), together, strict=True):
        alone = model.generate([request], Sampling(20, 1.0, stream="s"), Ledger())
        assert texts(alone) == texts([group])


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_completions_do_not_depend_on_block_size(architecture: str) -> None:
    wanted = requests(8)
    sampling = Sampling(20, 1.0, stream="s")
    one, other, third = (
        texts(tiny_local(architecture, rows=rows).generate(wanted, sampling, Ledger()))
        for rows in (3, 7, 40)
    )
    assert one == other == third


def test_another_stream_draws_other_completions() -> None:
    model = tiny_local()
    drawn = [model.generate(requests(4), Sampling(8, 1.0, stream=s), Ledger()) for s in "ab"]
    assert texts(drawn[0]) != texts(drawn[1])


def test_refilled_rows_end_where_they_should() -> None:
    """A hundred completions through four rows, some ending early by a stop string."""
    model = tiny_local(rows=4)
    sampling = Sampling(25, 1.0, stop=("a", "e"), stream="s")
    few = model.generate(requests(20), sampling, Ledger())
    many = tiny_local(rows=100).generate(requests(20), sampling, Ledger())
    assert few == many
    assert len({c.n_tokens for group in few for c in group}) > 5


def test_tokens_are_counted_as_they_are() -> None:
    model = tiny_local(rows=4)
    ledger = Ledger()
    drawn = model.generate(requests(5), Sampling(9, 1.0, stream="s"), ledger)
    assert ledger.tokens_sampled == sum(c.n_tokens for group in drawn for c in group)
    assert ledger.tokens_prompt == sum(len(prompt) for prompt in PROMPTS)
    tokens = ledger.tokens_sampled + ledger.tokens_prompt
    assert math.isclose(ledger.flops, tokens * model.card.flops_per_token)


def test_sampling_follows_the_softmax() -> None:
    """Chi-square on fixed streams: 20,000 draws over 300 tokens."""
    rng = np.random.Generator(np.random.Philox(7))
    scores = torch.from_numpy(rng.normal(0, 2, size=300)).float()
    n = 20_000
    keys = np.array([key("chi", i) for i in range(n)], dtype=np.uint64)
    draws = draw(scores.expand(n, -1), uniforms(keys, np.zeros(n, np.uint64)), temperature=1.0)
    expected = (scores.double().softmax(-1) * n).numpy()
    observed = np.bincount(draws.tokens, minlength=300)
    common = expected >= 5
    observed = np.append(observed[common], observed[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    statistic = float(((observed - expected) ** 2 / expected).sum())
    assert chdtrc(len(expected) - 1, statistic) > 0.01


def test_temperature_sharpens() -> None:
    scores = torch.tensor([[0.0, 1.0, 2.0, 3.0]]).expand(4000, -1)
    keys = np.array([key("t", i) for i in range(4000)], dtype=np.uint64)
    numbers = uniforms(keys, np.zeros(4000, np.uint64))
    for temperature in (0.5, 2.0):
        share = float((draw(scores, numbers, temperature=temperature).tokens == 3).mean())
        wanted = float((scores[0] / temperature).softmax(-1)[3])
        assert abs(share - wanted) < 0.03


def test_draws_survive_rounding_errors() -> None:
    """Score that differ by 1e-5 give the same token but once in ten thousand draws or so."""
    rng = np.random.Generator(np.random.Philox(3))
    scores = torch.from_numpy(rng.normal(0, 2, size=(500, 5000))).float()
    noisy = scores + torch.from_numpy(rng.normal(0, 1e-5, size=(500, 5000))).float()
    unequal = 0
    for turn in range(10):
        keys = np.array([key("r", turn, i) for i in range(500)], dtype=np.uint64)
        numbers = uniforms(keys, np.zeros(500, np.uint64))
        pair = [draw(s, numbers, temperature=1.0).tokens for s in (scores, noisy)]
        unequal += int((pair[0] != pair[1]).sum())
    assert unequal <= 2


def test_the_hash_is_uniform() -> None:
    """Chi-square over 64 bins, along keys and along steps."""
    keys = np.array([key("u", i) for i in range(64_000)], dtype=np.uint64)
    across = uniforms(keys, np.zeros(64_000, np.uint64))
    along = uniforms(np.full(64_000, keys[0]), np.arange(64_000, dtype=np.uint64))
    for numbers in (across, along):
        counts = np.bincount((numbers * 64).astype(int), minlength=64)
        assert chdtrc(63, float(((counts - 1000) ** 2 / 1000).sum())) > 0.01
        assert 0 <= numbers.min() < numbers.max() < 1


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_logprob_is_the_naive_one(architecture: str) -> None:
    model = tiny_local(architecture)
    continuations = ("twelve", " a", "of course not", "", "?!")
    scores = model.logprob(PROMPTS, continuations)
    for prompt, more, score in zip(PROMPTS, continuations, scores, strict=True):
        before, after = model.encode(prompt), model.encode_more(more)
        with torch.inference_mode():
            logits = model.module(input_ids=torch.tensor([before + after])).logits[0]
        naive = logits.log_softmax(-1)[len(before) - 1 : -1]
        wanted = sum(float(row[token]) for row, token in zip(naive, after, strict=True))
        assert math.isclose(score, wanted, abs_tol=1e-4)


def test_branches_are_the_likeliest_first_tokens() -> None:
    model = tiny_local(rows=3)
    drawn = model.generate(requests(), Sampling(6, branches=Branches(4, 0.0)), Ledger())
    for prompt, group in zip(PROMPTS, drawn, strict=True):
        ids = model.encode(prompt)
        with torch.inference_mode():
            first = model.module(input_ids=torch.tensor([ids])).logits[0, -1].softmax(-1)
        top = first.topk(4)
        assert [c.probabilities[0] for c in group] == pytest.approx(top.values.tolist(), abs=1e-5)
        gap = float(top.values[0] - top.values[1])
        for completion, token in zip(group, top.indices.tolist(), strict=True):
            assert completion.margins[0] == pytest.approx(gap, abs=1e-5)
            assert len(completion.pieces) == completion.n_tokens
            longer = prompt + model.decode([token])
            if model.encode(longer) == [*ids, token]:
                rest = tokens_by_generate(model, longer, 5)
                assert completion.text == model.decode([token, *rest])


def test_unlikely_branches_are_dropped_but_never_the_first() -> None:
    model = tiny_local()
    all_of_them = model.generate(requests(), Sampling(4, branches=Branches(8, 0.0)), Ledger())
    likely = model.generate(requests(), Sampling(4, branches=Branches(8, 0.05)), Ledger())
    none = model.generate(requests(), Sampling(4, branches=Branches(8, 1.0)), Ledger())
    for whole, kept, first in zip(all_of_them, likely, none, strict=True):
        wanted = [c for i, c in enumerate(whole) if i == 0 or c.probabilities[0] >= 0.05]
        assert [c.text for c in kept] == [c.text for c in wanted]
        assert [c.text for c in first] == [whole[0].text]


def test_margins_and_probabilities_are_the_models() -> None:
    model = tiny_local()
    [(completion,)] = model.generate(requests()[:1], Sampling(8, 0.0, margins=True), Ledger())
    ids = model.encode(PROMPTS[0])
    taken = tokens_by_generate(model, PROMPTS[0], 8)
    with torch.inference_mode():
        logits = model.module(input_ids=torch.tensor([ids + taken])).logits[0, len(ids) - 1 : -1]
    top = logits.softmax(-1).topk(2).values
    assert completion.probabilities == pytest.approx(top[:, 0].tolist(), abs=1e-5)
    assert completion.margins == pytest.approx((top[:, 0] - top[:, 1]).tolist(), abs=1e-5)


def test_stop_strings_are_cut_even_across_tokens() -> None:
    model = tiny_local()
    [(whole,)] = model.generate(requests()[:1], Sampling(30, 0.0), Ledger())
    middle = whole.text[10:13]
    sampling = Sampling(30, 0.0, stop=(middle, "never seen"))
    [(cut,)] = model.generate(requests()[:1], sampling, Ledger())
    assert cut.text == whole.text[: whole.text.index(middle)]
    assert cut.stop == "stop"
    assert cut.n_tokens < whole.n_tokens


def test_the_end_token_ends() -> None:
    model = tiny_local(scale=0.2)
    drawn = model.generate(requests(12), Sampling(60, 1.0, stream="s"), Ledger())
    ended = [c for group in drawn for c in group if c.stop == "eos"]
    assert ended
    assert all("<eos>" not in c.text for c in ended)
    assert all(c.n_tokens == 60 for group in drawn for c in group if c.stop == "length")


def test_a_prompt_beyond_the_context_is_an_error_of_the_trial() -> None:
    with pytest.raises(TrialError, match="context"):
        tiny_local().generate([Request("x" * 300, "long")], Sampling(4, 0.0), Ledger())


def test_completions_end_at_the_context() -> None:
    [(completion,)] = tiny_local().generate(
        [Request("x" * 250, "long")], Sampling(40, 0.0), Ledger()
    )
    assert completion.n_tokens <= 6


def test_there_is_one_beginning_token() -> None:
    model = Local(tiny_module("llama"), byte_tokenizer(adds_bos=True), name="tiny", threads=1)
    assert model.encode("ab") == model.encode("<bos>ab")
    assert model.encode("ab")[0] == BOS
    assert BOS not in model.encode_more("ab")


def test_pieces_join_to_the_text() -> None:
    maker = TextMaker(byte_tokenizer())
    tokens = byte_tokenizer()("naïve – 数学 ok")["input_ids"]
    pieces = maker.pieces(tokens)
    assert len(pieces) == len(tokens)
    assert "".join(pieces) == "naïve – 数学 ok" == maker.texts([tokens])[0]
    broken = maker.pieces(tokens[:3])
    assert "".join(broken) == maker.texts([tokens[:3]])[0]


@pytest.mark.parametrize("architecture", ["llama", "llama-biased", "qwen2"])
def test_the_lean_path_agrees_with_the_module(architecture: str) -> None:
    model = tiny_local(architecture)
    assert LeanLlama.fits(model.module)
    sampling = Sampling(40, 1.0, stream="s", margins=True)
    lean = model.generate(requests(4), sampling, Ledger())
    handle = model.module.model.register_forward_hook(lambda *_: None)
    assert not LeanLlama.fits(model.module)
    plain = model.generate(requests(4), sampling, Ledger())
    handle.remove()
    assert texts(lean) == texts(plain)
    for a, b in zip(lean, plain, strict=True):
        for one, other in zip(a, b, strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_training_between_calls_is_seen() -> None:
    model = tiny_local()
    before = model.generate(requests(), Sampling(8, 0.0), Ledger())
    with torch.no_grad():
        model.module.lm_head.weight.mul_(-1)
    assert texts(before) != texts(model.generate(requests(), Sampling(8, 0.0), Ledger()))


def test_sampling_leaves_threads_and_training_mode_alone() -> None:
    model = tiny_local()
    model.module.train()
    threads = torch.get_num_threads()
    model.generate(requests(), Sampling(2, 0.0), Ledger())
    assert model.module.training
    assert torch.get_num_threads() == threads


def test_blocks_cover_every_sample_once_and_in_order() -> None:
    for sizes in ([1] * 50, [16, 100, 3], [7], [0, 2]):
        for rows in (1, 2, 5, 64):
            blocks = plan_blocks(sizes, rows)
            flat = [job for block in blocks for job in block]
            assert flat == [(r, s) for r, n in enumerate(sizes) for s in range(n)]
            assert all(len(block) <= 8 * rows for block in blocks)


def test_prefixes_leave_each_prompt_a_token_of_its_own() -> None:
    base = tuple(range(100))
    prompts = [base, (*base, 1), (*base, 1, 2), (*base[:40], 7), (5,)]
    plan = plan_prefixes(prompts)
    for prompt, node in plan.leaves.items():
        prefix = plan.nodes[node] if node >= 0 else ()
        assert prompt[: len(prefix)] == prefix
        assert len(prefix) < len(prompt)
    assert set(plan.leaves) == set(prompts)
