"""Several nudges in one batch answer as one after the other, cost as much, and share what is alike."""

from dataclasses import replace
from itertools import chain

import pytest

from modicum.ledger import Ledger
from modicum.nudge.steering import Direction, Steering, Where
from modicum.sampling import loop, prefix
from modicum.sampling.half_steps import LeanHalf
from modicum.sampling.local import Local
from modicum.stock import Group, Stock
from modicum.types import Branches, Completion, Request, Sampling
from modicum.whitebox import WhiteBox
from tests.sampling.test_half import halved, numbers
from tests.support.tiny_models import tiny_local

PROMPTS = ("Is it?", "What is 12 + 30? Ann has", "What is 12 + 30? Bob")
GREEDY = Sampling(9, 0.0, ids=True)
DRAWN = Sampling(9, 1.0, stream="s", ids=True)
PLACES: tuple[tuple[Where, int], ...] = (("first", 0), ("first", 2), ("generated", 0), ("all", 0))


def apart(model: Local) -> Local:
    """The same model, each row with a cache of its own."""
    other = model.with_module(model.module)
    other._engine = replace(model._engine, windows=None)
    return other


def threaded(model: Local) -> Local:
    """The same model, two flights abreast."""
    model.threads = 2
    return model


MODELS = {
    "llama": lambda: tiny_local("llama"),
    "few rows": lambda: tiny_local("llama", rows=3),
    "two threads": lambda: threaded(tiny_local("qwen2", rows=6)),
    "gemma3": lambda: tiny_local("gemma3", rows=6),
    "half": lambda: tiny_local("qwen2").with_module(halved("qwen2")),
    "own cache": lambda: apart(tiny_local("llama")),
}


def asked(n: int = 1) -> list[Request]:
    return [Request(prompt, f"p{i}", n) for i, prompt in enumerate(PROMPTS)]


def nudges(where: Where, offset: int = 0, width: int = 32) -> list[Steering | None]:
    """Directions of two layers at two doses, one of both layers, and none."""
    low, high = (3 * numbers(width, name=f"layer {layer}") for layer in (0, 2))
    each = [(Direction(layer, v * s),) for layer, v in ((0, low), (2, high)) for s in (0.5, 1.0)]
    both = (Direction(0, low), Direction(2, -high))
    return [*(Steering(one, where, offset) for one in (*each, both)), None]


def one_by_one(
    model: Local, requests: list[Request], steerings, sampling: Sampling, ledger: Ledger
) -> list[list[Group]]:
    return [
        (model if one is None else model.with_steering(one)).generate(requests, sampling, ledger)
        for one in steerings
    ]


def completions(answers: list[list[Group]]) -> list[Completion]:
    """All completions, nudge by nudge."""
    return [*chain.from_iterable(chain.from_iterable(answers))]


def are_near(model: Local, answers: list[list[Group]], others: list[list[Group]]) -> bool:
    """Say whether answers are the same; where products are rounded, a draw turns here and there."""
    pairs = [*zip(completions(answers), completions(others), strict=True)]
    least = 0.8 if loop.lean_for(model.module) is LeanHalf else 1.0
    return sum(one == other for one, other in pairs) >= least * len(pairs)


@pytest.mark.parametrize(
    ("name", "sampling"),
    [*((name, DRAWN) for name in sorted(MODELS)), ("half", GREEDY)],
)
def test_a_batch_answers_as_one_nudge_after_the_other(name, sampling) -> None:
    model, spent, wanted = MODELS[name](), Ledger(), Ledger()
    places = PLACES if name == "llama" else PLACES[::2]
    steerings = [one for place in places for one in nudges(*place)[1::2]]
    requests = asked(2 if name in ("few rows", "two threads") else 1)
    together = model.generate_steered(requests, steerings, sampling, spent)
    model.threads = 1
    alone = one_by_one(model, requests, steerings, sampling, wanted)
    assert are_near(model, together, alone)
    assert len({tuple(groups) for groups in together}) > len(places)
    if name != "half":
        assert (spent.tokens_sampled, spent.drawn) == (wanted.tokens_sampled, wanted.drawn)


@pytest.mark.parametrize(
    ("name", "where"), [("llama", "first"), ("llama", "all"), ("own cache", "generated")]
)
def test_a_batch_costs_what_its_nudges_cost_one_by_one(name, where) -> None:
    model, spent, wanted = MODELS[name](), Ledger(), Ledger()
    model.generate_steered(asked(), nudges(where), GREEDY, spent)
    one_by_one(model, asked(), nudges(where), GREEDY, wanted)
    spent.seconds = wanted.seconds = 0.0
    assert spent == wanted
    assert spent.drawn == wanted.drawn == len(PROMPTS) * len(nudges(where))


def test_a_nudge_that_acts_later_leaves_prompts_to_all() -> None:
    model, spent = tiny_local("llama"), Ledger()
    model.generate_steered(asked(), nudges("first", 2), GREEDY, spent)
    assert spent.tokens_prompt == sum(len(model.encode(prompt)) for prompt in PROMPTS)


@pytest.mark.parametrize(("name", "where"), [("gemma3", "first"), ("half", "generated")])
def test_prompts_are_shared_up_to_their_last_token_where_that_pays(
    name, where, monkeypatch
) -> None:
    model, steerings = MODELS[name](), nudges(where)
    plain, shared = Ledger(), Ledger()
    before = model.generate_steered(asked(), steerings, GREEDY, plain)
    monkeypatch.setattr(prefix, "_LEAST_FLOPS", 0.0)
    after = model.generate_steered(asked(), steerings, GREEDY, shared)
    assert are_near(model, before, after)
    once = sum(len(model.encode(prompt)) - 1 for prompt in PROMPTS)
    assert shared.tokens_prompt <= once + len(PROMPTS) * len(steerings)
    assert shared.tokens_prompt < 0.4 * plain.tokens_prompt


def test_a_nudge_on_whole_prompts_shares_none_of_them(monkeypatch) -> None:
    monkeypatch.setattr(prefix, "_LEAST_FLOPS", 0.0)
    model, spent, wanted = tiny_local("llama"), Ledger(), Ledger()
    together = model.generate_steered(asked(), nudges("all"), GREEDY, spent)
    assert together == one_by_one(model, asked(), nudges("all"), GREEDY, wanted)
    assert spent.tokens_prompt == wanted.tokens_prompt


def test_a_prompt_of_one_token_and_one_that_begins_another_share_right(monkeypatch) -> None:
    monkeypatch.setattr(prefix, "_LEAST_FLOPS", 0.0)
    monkeypatch.setattr(prefix, "_LEAST_SAVING", 1)
    model, steerings = tiny_local("llama"), nudges("first")
    requests = [Request(text, text) for text in ("a", "ab", "abc", "abcdefgh", "abcdefgz")]
    together = model.generate_steered(requests, steerings, GREEDY, Ledger())
    assert together == one_by_one(model, requests, steerings, GREEDY, Ledger())


def test_nudges_inside_layers_go_through_hooks() -> None:
    model = tiny_local("llama", rows=5)
    steerings = [
        one and replace(one, directions=tuple(replace(d, site="mlp") for d in one.directions))
        for one in nudges("generated")[1:]
    ]
    together = model.generate_steered(asked(), steerings, DRAWN, Ledger())
    assert together == one_by_one(model, asked(), steerings, DRAWN, Ledger())
    assert len({tuple(groups) for groups in together}) > 2


def test_branches_keep_their_nudges() -> None:
    model, steerings = tiny_local("llama"), nudges("generated")
    branching = replace(GREEDY, branches=Branches(3, 0.0))
    together = model.generate_steered(asked(), steerings, branching, Ledger())
    alone = one_by_one(model, asked(), steerings, branching, Ledger())
    assert [c.ids for c in completions(together)] == [c.ids for c in completions(alone)]
    assert {len(group) for groups in together for group in groups} == {3}


def test_none_under_a_nudged_model_is_that_model() -> None:
    own, *others = nudges("generated")
    model = tiny_local("llama").with_steering(own)
    [first, second] = model.generate_steered(asked(), [None, others[0]], GREEDY, Ledger())
    assert first == model.generate(asked(), GREEDY, Ledger())
    assert first != second


def test_answers_of_a_batch_lie_where_those_of_each_nudge_are_looked_for() -> None:
    stock, steerings = Stock(), nudges("first")
    model = tiny_local("llama").stocked(stock)
    sampling = replace(GREEDY, ids=False)
    requests = [replace(one, split="shots") for one in asked()]
    known, spent, again = Ledger(), Ledger(), Ledger()
    one_by_one(model, requests, steerings[:2], sampling, known)
    together = model.generate_steered(requests, steerings, sampling, spent)
    assert spent.tokens_reused > 0
    assert spent.completions_reused == 2 * len(requests)
    alone = one_by_one(model, requests, steerings, sampling, again)
    assert together == alone
    assert again.tokens_sampled == 0
    assert again.tokens_reused == pytest.approx(
        known.tokens_prompt + known.tokens_sampled + spent.tokens_prompt + spent.tokens_sampled
    )


def test_the_default_of_a_white_box_takes_one_nudge_after_the_other(monkeypatch) -> None:
    model, steerings = tiny_local("llama"), nudges("first")
    wanted = model.generate_steered(asked(), steerings, GREEDY, Ledger())
    drawn: list[int] = []
    draw = Local.draw

    def counted(self, requests, sampling, ledger):
        drawn.append(len(requests))
        return draw(self, requests, sampling, ledger)

    monkeypatch.setattr(Local, "draw_steered", WhiteBox.draw_steered)
    monkeypatch.setattr(Local, "draw", counted)
    assert model.generate_steered(asked(), steerings, GREEDY, Ledger()) == wanted
    assert drawn == [len(PROMPTS)] * len(steerings)


def test_steps_run_with_all_nudges_at_once(monkeypatch) -> None:
    model, steerings = tiny_local("llama"), nudges("generated")
    rows: list[int] = []
    step = loop._Flight._step

    def seen(self):
        rows.append(self._live)
        step(self)

    monkeypatch.setattr(loop._Flight, "_step", seen)
    model.generate_steered(asked(), steerings, GREEDY, Ledger())
    assert max(rows) >= 0.8 * len(PROMPTS) * len(steerings)
    assert len(rows) <= GREEDY.max_new_tokens
