"""Thinking that is closed or carried on from outside: against a loop of one token at a time."""

from dataclasses import replace

import pytest

from modicum.errors import AccessError, ConfigError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.sampling.local import Local
from modicum.sampling.thinking import ThinkingRow, Words, force
from modicum.stock import Stock, address_of
from modicum.types import Branches, Request, Sampling, ThinkingBudget
from tests.support.tiny_models import byte_tokenizer, tiny_local, tiny_module

LIMIT = 24
BUDGETS = {
    "cap": ThinkingBudget(at_most=9),
    "cap of one": ThinkingBudget(at_most=1),
    "cap beyond the limit": ThinkingBudget(at_most=90),
    "extension": ThinkingBudget(extensions=1),
    "extensions": ThinkingBudget(extensions=3, text="Hm"),
    "both": ThinkingBudget(at_most=15, extensions=2),
    "extended over the cap": ThinkingBudget(at_most=6, extensions=5, text="Wait, wait"),
}
PROMPTS = ("Is it?<", "What is 12 + 30?<", "x", "no >")


def thinker(closing: str) -> Local:
    """A random model whose thinking ends at what it often says."""
    model = tiny_local("llama")
    model.__dict__["thinking"] = ("<", closing)
    return model


def often() -> str:
    """The letter that the random model says most, of several the last of the alphabet."""
    drawn = tiny_local("llama").generate(asked(), Sampling(LIMIT, 1.0, stream="s"), Ledger())
    letters = [x for group in drawn for c in group for x in c.text if x.isalpha()]
    return max(set(letters), key=lambda letter: (letters.count(letter), letter))


def asked(n: int = 8) -> list[Request]:
    return [Request(prompt, f"p{i}", n) for i, prompt in enumerate(PROMPTS)]


def naive(model: Local, request: Request, sampling: Sampling, budget: ThinkingBudget):
    """The rule read literally, one token at a time."""
    opening, closing = model.thinking
    tokens: list[int] = []
    left, is_closed = budget.extensions, False
    one = replace(sampling, max_new_tokens=1, thinking=None, stop=(), ids=True)
    while len(tokens) < sampling.max_new_tokens:
        text = model._text.texts([tokens])[0]
        is_open = _is_open(text, opening, closing, request.prompt)
        if budget.at_most and len(tokens) >= budget.at_most and not is_closed:
            is_closed = True
            if is_open:
                tokens += model.encode_more(closing)
            continue
        [(c,)] = model.generate([replace(request, begun=tuple(tokens))], one, Ledger())
        if c.stop == "eos":
            return [*tokens, *c.ids]
        grown = model._text.texts([[*tokens, *c.ids]])[0]
        ends = is_open and not _is_open(grown, opening, closing, request.prompt)
        tokens += c.ids
        if ends and left and not is_closed:
            left -= 1
            kept = grown[: grown.rfind(closing)]
            while len(model._text.texts([tokens])[0]) > len(kept):
                tokens.pop()
            tokens += model.encode_more(budget.text)
    return tokens[: sampling.max_new_tokens]


def _is_open(text: str, opening: str, closing: str, prompt: str) -> bool:
    whole = prompt[prompt.rfind(opening) :] + text if opening in prompt else text
    return whole.rfind(opening) > whole.rfind(closing)


@pytest.mark.parametrize("name", BUDGETS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_it_is_the_rule_read_literally(name, temperature) -> None:
    model, budget = thinker(often()), BUDGETS[name]
    sampling = Sampling(LIMIT, temperature, stream="s", ids=True, thinking=budget)
    requests = asked(3)
    drawn = model.generate(requests, sampling, Ledger())
    plain = model.generate(requests, replace(sampling, thinking=None), Ledger())
    forced = 0
    for request, group, without in zip(requests, drawn, plain, strict=True):
        assert len(group) == request.n
        for i, c in enumerate(group):
            wanted = naive(model, replace(request, n=1, first=i), sampling, budget)
            assert list(c.ids) == wanted
            assert c.n_tokens == len(c.ids) <= LIMIT
            assert c.text == model._text.texts([[t for t in wanted if t not in _ends(model)]])[0]
            forced += c.ids != without[i].ids
    assert forced > 0 or name == "cap beyond the limit" or temperature == 0
    assert forced == 0 or name != "cap beyond the limit"


def _ends(model: Local) -> frozenset[int]:
    return model._engine.eos


def test_a_closing_of_several_tokens_is_taken_back_whole() -> None:
    said = iter(["a<b", "c</b>", "d</b>", "e"])

    def draw(asked, limits, further):
        text = next(said)
        return [(list(map(ord, text)), "eos" if text == "e" else "stop") for _ in asked]

    budget = ThinkingBudget(extensions=2, text="W")
    words = Words(
        "<b",
        "</b>",
        budget,
        lambda text: list(map(ord, text)),
        lambda tokens: "".join(map(chr, tokens)),
        lambda _: False,
    )
    [row] = rows = [ThinkingRow(Request("p", "p"), 99, is_opened=True, extensions=2)]
    row.tokens = list(map(ord, next(said)))
    force(rows, words, draw)
    assert "".join(map(chr, row.tokens)) == "a<bcWdWe"
    assert (row.stop, row.extensions) == ("eos", 0)


def test_half_a_token_before_the_closing_is_said_again() -> None:
    pieces = {1: "x", 2: "y</", 3: "b>", 4: "W", 5: "y", 6: "!"}

    def encode(text):
        return {"yW": [5, 4]}[text]

    def draw(asked, limits, further):
        return [([6], "eos")] if asked[0].begun else [([1, 2, 3], "stop")]

    words = Words(
        "<b",
        "</b>",
        ThinkingBudget(extensions=1, text="W"),
        encode,
        lambda tokens: "".join(pieces[t] for t in tokens),
        lambda _: False,
    )
    [row] = rows = [ThinkingRow(Request("p", "p"), 99, is_opened=True, extensions=1)]
    force(rows, words, draw)
    assert row.tokens == [1, 5, 4, 6]


def test_a_stop_string_ends_the_answer_as_it_does_without_a_budget() -> None:
    model = thinker("#")
    stop = often()
    plain = Sampling(LIMIT, 1.0, stop=(stop,), stream="s")
    capped = replace(plain, thinking=ThinkingBudget(at_most=LIMIT))
    without = model.generate(asked(), plain, Ledger())
    within = model.generate(asked(), capped, Ledger())
    assert [[(c.text, c.stop) for c in g] for g in within] == [
        [(c.text, c.stop) for c in g] for g in without
    ]
    assert any(c.stop == "stop" for group in within for c in group)
    early = replace(plain, thinking=ThinkingBudget(at_most=3))
    assert all(stop not in c.text for g in model.generate(asked(), early, Ledger()) for c in g)


def test_what_is_put_in_is_not_counted_as_drawn() -> None:
    model, ledger = thinker("#"), Ledger()
    sampling = Sampling(LIMIT, 1.0, stream="s", ids=True, thinking=BUDGETS["cap"])
    requests = asked()[:1]
    [group] = model.generate(requests, sampling, ledger)
    put = sum("#" in c.text for c in group)
    assert put > 0
    assert ledger.tokens_sampled == sum(c.n_tokens for c in group) - put
    # every answer that goes on runs its prompt and what it has said again
    assert ledger.tokens_prompt > len(model.encode(requests[0].prompt))


def test_samples_do_not_depend_on_their_company() -> None:
    model = thinker(often())
    sampling = Sampling(LIMIT, 1.0, stream="s", ids=True, thinking=BUDGETS["both"])
    [*_, few] = model.generate(asked(3), sampling, Ledger())
    [many] = model.generate(asked(8)[-1:], sampling, Ledger())
    assert many[:3] == few


# Kept, and refused


def test_a_budget_is_part_of_an_address_only_when_it_is_set() -> None:
    request, sampling = Request("a", "q", split="test"), Sampling(20, 1.0, stream="s")
    budgets = [None, *BUDGETS.values()]
    found = {address_of(("w",), request, replace(sampling, thinking=b)) for b in budgets}
    assert len(found) == len(budgets)


def test_forced_answers_are_kept_like_others() -> None:
    model, stock = thinker(often()), Stock()
    sampling = Sampling(LIMIT, 1.0, stream="s", thinking=BUDGETS["both"])
    few, more = ([replace(r, split="test") for r in asked(n)] for n in (3, 5))
    model.stocked(stock).generate(few, sampling, Ledger())
    ledger = Ledger()
    joined = model.stocked(stock).generate(more, sampling, ledger)
    assert joined == model.generate(more, sampling, Ledger())
    assert ledger.completions_reused == 12


@pytest.mark.parametrize("more", [{"margins": True}, {"scores": True}, {"branches": Branches(2)}])
def test_figures_of_each_token_do_not_go_with_a_budget(more) -> None:
    sampling = Sampling(8, thinking=BUDGETS["cap"], **more)
    with pytest.raises(ConfigError, match="beside margins, scores or branches"):
        thinker("#").generate(asked(), sampling, Ledger())


def test_a_model_that_does_not_think_aloud_has_no_budget() -> None:
    plain = Local(tiny_module("llama"), byte_tokenizer(), name="tiny", threads=1)
    with pytest.raises(ConfigError, match="does not think aloud"):
        plain.generate(asked(), Sampling(8, thinking=BUDGETS["cap"]), Ledger())
    scripted = resolve_backend("scripted:latent").open()
    with pytest.raises(AccessError, match="thinking of a forced length on 'scripted:latent'"):
        scripted.generate(asked(), Sampling(8, thinking=BUDGETS["cap"]), Ledger())


@pytest.mark.parametrize("wrong", [{}, {"at_most": -1}, {"extensions": 1, "text": ""}])
def test_a_budget_that_forces_nothing_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"at_most|extensions"):
        ThinkingBudget(**wrong)
