"""What an address names, how draws are packed, and what a stock gives of what was drawn before."""

import dataclasses

import pytest
import torch

from modicum.ledger import Ledger
from modicum.loading.carried import Carried
from modicum.model import Model, Passed
from modicum.models.scripted import ScriptedModel
from modicum.nudge.steering import Direction, Steering
from modicum.stock import Draw, Stock, address_of
from modicum.types import Branches, Completion, Request, Sampling, Style
from modicum.whitebox import WhiteBox, need_whitebox
from tests.support.tiny_models import tiny_local

OPTIONS = {"test": 12, "selection": 6, "samples": 8}
SAMPLED = Sampling(20, 1.0, stream="seed-0")
GREEDY = Sampling(20, 0.0, stream="seed-0")
ASKED = [Request(f"What is {a} + 30?", f"q{a}", 4, split="test") for a in (12, 13, 14)]


class Counted(ScriptedModel):
    """A scripted model that notes what it is asked."""

    def __init__(self) -> None:
        super().__init__("latent")
        self.asked: list[list[Request]] = []

    def draw(self, requests, sampling, ledger):
        self.asked.append(list(requests))
        return super().draw(requests, sampling, ledger)


def _in_stock(stock: Stock, model: Model, requests=ASKED, sampling=SAMPLED):
    ledger = Ledger()
    return model.stocked(stock).generate(requests, sampling, ledger), ledger


def _held(*draws: Draw):
    found = {draw.address: draw for draw in draws}
    return lambda addresses: {a: found[a] for a in addresses if a in found}


# What an address names


def _address(request=ASKED[0], sampling=SAMPLED, voice=("w", "n", "r")):
    return address_of(voice, request, sampling)


@pytest.mark.parametrize(
    "other",
    [
        {"request": dataclasses.replace(ASKED[0], split="shots")},
        {"voice": ("other", "n", "r")},
        {"voice": ("w", "other", "r")},
        {"voice": ("w", "n", "other")},
        {"sampling": dataclasses.replace(SAMPLED, branches=Branches(10, 0.001))},
        {"request": dataclasses.replace(ASKED[0], prompt="What else?")},
        {"request": dataclasses.replace(ASKED[0], address="q99")},
        {"sampling": dataclasses.replace(SAMPLED, max_new_tokens=21)},
        {"sampling": dataclasses.replace(SAMPLED, temperature=0.7)},
        {"sampling": dataclasses.replace(SAMPLED, stop=("\n",))},
        {"sampling": dataclasses.replace(SAMPLED, stream="seed-1")},
        {"sampling": dataclasses.replace(SAMPLED, margins=True)},
    ],
)
def test_everything_that_decides_an_answer_is_in_its_address(other) -> None:
    assert _address(**other) != _address()


@pytest.mark.parametrize(
    ("request_", "sampling", "address"),
    [
        (ASKED[0], SAMPLED, "be40d32237013650a6b2df9229f6395f"),
        (ASKED[0], GREEDY, "724a09ae23c59d2d903d64412061362e"),
        (
            ASKED[0],
            dataclasses.replace(GREEDY, margins=True, branches=Branches(10, 1e-3)),
            "eda003f7e220d0fac26e1030f7ba4f00",
        ),
        (dataclasses.replace(ASKED[0], split="shots"), SAMPLED, "252ede09a27e67644a57fff488da33ab"),
    ],
)
def test_addresses_are_those_of_earlier_versions(request_, sampling, address) -> None:
    assert _address(request_, sampling).hex() == address


def test_number_of_samples_is_no_part_of_an_address() -> None:
    assert _address(request=dataclasses.replace(ASKED[0], n=64, first=3)) == _address()


def test_greedy_answers_lie_at_one_address_whatever_the_stream() -> None:
    other = dataclasses.replace(ASKED[0], address="q99")
    moved = dataclasses.replace(GREEDY, stream="selection")
    assert _address(sampling=GREEDY) == _address(sampling=moved, request=other)


def test_white_box_is_addressed_by_weights_nudge_and_tokenizer() -> None:
    one, two = tiny_local("llama"), tiny_local("llama")
    assert one.card.reading == two.card.reading
    two.tokenizer.add_tokens(["<new>"])
    two.module.config.rope_theta = 1.0
    assert one.card.reading != type(two)(two.module, two.tokenizer, name="x").card.reading


# Packing

FULL = Completion("a\ud800", 3, "eos", ("a", "\ud800", ""), (0.1, 0.25, 1 / 3), (0.5, 0.75, 1e-9))


@pytest.mark.parametrize("group", [(FULL, FULL), (Completion("", 1, "length"),), ()])
def test_draw_gives_its_completions_back(group) -> None:
    draw = Draw.of(b"a" * 16, group, 2.5)
    assert (draw.n, draw.unpack(), draw.is_whole) == (len(group), (2.5, group), True)


@pytest.mark.parametrize(
    "change", [{"texts": b"x"}, {"rest": b"x" * 40}, {"address": b"b" * 16}, {"rest": b""}]
)
def test_damaged_draw_is_not_whole(change) -> None:
    assert not dataclasses.replace(Draw.of(b"a" * 16, (FULL,), 0.0), **change).is_whole


# Taking from the stock


def test_known_answers_are_not_drawn_again() -> None:
    stock, model = Stock(), Counted()
    first, spent = _in_stock(stock, model)
    again, reused = _in_stock(Stock(_held(*stock.added)), model)
    assert (again, len(model.asked)) == (first, 1)
    assert (reused.flops, reused.completions_reused) == (0, 12)
    assert reused.flops_reused == pytest.approx(spent.flops)


def test_fewer_samples_are_the_first_of_the_known_ones() -> None:
    stock, model = Stock(), Counted()
    first, _ = _in_stock(stock, model)
    fewer, _ = _in_stock(stock, model, [dataclasses.replace(r, n=2) for r in ASKED])
    assert fewer == [group[:2] for group in first]
    assert len(model.asked) == 1


def test_only_the_further_samples_are_drawn() -> None:
    stock, model = Stock(), Counted()
    _in_stock(stock, model)
    more, ledger = _in_stock(stock, model, [dataclasses.replace(r, n=6) for r in ASKED])
    assert more == _in_stock(Stock(), Counted(), [dataclasses.replace(r, n=6) for r in ASKED])[0]
    assert [(r.first, r.n) for r in model.asked[1]] == [(4, 2)] * 3
    assert ledger.tokens_sampled == sum(c.n_tokens for group in more for c in group[4:])
    assert [draw.n for draw in stock.added] == [6, 6, 6]


def test_what_is_missing_is_drawn_in_its_order_in_one_call() -> None:
    stock, model = Stock(), Counted()
    _in_stock(stock, model, ASKED[1:2])
    _in_stock(stock, model)
    assert model.asked[1] == [ASKED[0], ASKED[2]]


def test_equal_addresses_of_one_call_are_drawn_once() -> None:
    model = Counted()
    same = [Request("What is 1 + 2?", name, split="test") for name in "abc"]
    drawn, ledger = _in_stock(Stock(), model, same, GREEDY)
    assert [r.address for r in model.asked[0]] == ["a"]
    assert drawn[0] == drawn[1] == drawn[2]
    assert ledger.completions_reused == 2


def test_branches_are_taken_again_with_their_margins() -> None:
    stock, model = Stock(), Counted()
    wide = dataclasses.replace(GREEDY, branches=Branches(5, 0.01))
    first, again = (_in_stock(stock, model, sampling=wide)[0] for _ in range(2))
    assert first == again
    assert len(model.asked) == 1
    assert first[0][0].margins


def test_answers_with_token_ids_pass_by() -> None:
    stock, model = Stock(), tiny_local("llama")
    with_ids = dataclasses.replace(SAMPLED, ids=True)
    drawn, _ = _in_stock(stock, model, sampling=with_ids)
    assert drawn[0][0].ids
    assert not stock.added


def test_requests_of_no_split_are_neither_taken_nor_kept() -> None:
    stock, model = Stock(), Counted()
    for _ in range(2):
        _in_stock(stock, model, [dataclasses.replace(r, split=None) for r in ASKED])
    assert (len(model.asked), stock.added) == (2, ())


def test_damaged_draw_is_drawn_again() -> None:
    stock, model = Stock(), Counted()
    first, _ = _in_stock(stock, model)
    bad = [dataclasses.replace(draw, rest=draw.rest[:-1] + b"?") for draw in stock.added]
    assert _in_stock(Stock(_held(*bad)), model)[0] == first
    assert len(model.asked) == 2


def test_what_the_study_keeps_already_is_not_added_again() -> None:
    stock, model = Stock(), Counted()
    _in_stock(stock, model)
    own, other = Stock(_held(*stock.added)), Stock(None, _held(*stock.added))
    _in_stock(own, model)
    _in_stock(other, model)
    assert (own.added, other.added) == ((), stock.added)


# The wrapped model


def test_stocked_white_box_is_a_white_box() -> None:
    model = tiny_local("llama")
    stocked = model.stocked(Stock())
    assert isinstance(stocked, WhiteBox)
    assert need_whitebox(stocked, "x").module is model.module
    assert stocked.card == model.card


def test_tuned_copy_takes_nothing_from_the_stock() -> None:
    model = tiny_local("llama")
    stock = Stock()
    _in_stock(stock, model.stocked(Stock()).with_module(model.module))
    assert len(stock.added) == len(ASKED)
    stock = Stock()
    model.stocked(stock).with_module(model.module).generate(ASKED, SAMPLED, Ledger())
    assert not stock.added


def test_steered_copy_takes_from_the_same_stock_at_addresses_of_its_own() -> None:
    stock, model = Stock(), tiny_local("llama")
    values = torch.ones(model.module.config.hidden_size)
    steered = model.stocked(stock).with_steering(Steering((Direction(0, values),)))
    for one in (steered, model.stocked(stock)):
        one.generate(ASKED, SAMPLED, Ledger())
    assert len({draw.address for draw in stock.added}) == 2 * len(ASKED)


def test_wrapped_model_passes_every_question_on() -> None:
    """A default of the contract must not answer in the inner model's place."""
    finals = {name for name, part in vars(Model).items() if getattr(part, "__final__", False)}
    assert finals == {"generate", "stocked", "drawn_by"}
    asked = {name for name in vars(Model) if not name.startswith("_")} - finals
    inner = tiny_local("llama")
    inner.style = Style("mine", "{question}?")
    wrapped = Passed(inner)
    assert asked - {"style", "offers"} <= set(vars(Passed))
    assert (wrapped.style, wrapped.offers) == (inner.style, inner.offers)


def test_a_prompt_over_a_server_takes_nothing_of_other_studies() -> None:
    class Elsewhere(Counted):
        is_lasting = False

    stock, model = Stock(), Elsewhere()
    _in_stock(stock, model)
    carried = Carried(model, "served", Style("mine", "{question}?"))
    assert carried.is_lasting == model.is_lasting
    _in_stock(Stock(None, _held(*stock.added)), carried)
    assert len(model.asked) == 2


def test_wrapped_model_brings_its_prompt_along() -> None:
    model = tiny_local("llama")
    model.style = Style("mine", "{question}?")
    assert model.stocked(Stock()).style == model.with_module(model.module).style == model.style


def test_stock_alone_takes_nothing_of_other_studies() -> None:
    stock, model = Stock(), Counted()
    _in_stock(stock, model)
    _in_stock(Stock(None, _held(*stock.added)).alone(), model)
    assert len(model.asked) == 2
