"""A stop string ends an answer and never the thinking before it, on a server as anywhere."""

import pytest

from modicum.ledger import Ledger
from modicum.model import render
from modicum.serving.completions import completion
from modicum.serving.protocol import ServedChoice, free_parts
from modicum.types import Request, Sampling, Style
from tests.support.fake_server import fake_server
from tests.support.served import opened

CHAT = Style("c", "{question}", chat=True)
THOUGHT = "Is it Q: 5? So 7."


def drawn(model, n: int = 1, style: Style = CHAT, **sampling: object):
    requests = [Request(render(model, style, "What is 3 + 4?"), "q", n)]
    settings = {"max_new_tokens": 64, "stop": ("Q:",), **sampling}
    ledger = Ledger()
    [group] = model.generate(requests, Sampling(**settings), ledger)
    return group, ledger


@pytest.mark.parametrize(
    ("text", "reasoning", "opened", "cut", "reason"),
    [
        ("7", THOUGHT, False, f"<think>{THOUGHT}</think>7", "eos"),
        ("7 Q: more", THOUGHT, False, f"<think>{THOUGHT}</think>7 ", "stop"),
        (f"<think>{THOUGHT}</think>7", None, False, f"<think>{THOUGHT}</think>7", "eos"),
        (f"<think>{THOUGHT}</think>7 Q: x", None, False, f"<think>{THOUGHT}</think>7 ", "stop"),
        (f"<think>{THOUGHT}", None, False, f"<think>{THOUGHT}", "eos"),
        (f"{THOUGHT}</think>7 Q: x", None, True, f"{THOUGHT}</think>7 ", "stop"),
        (THOUGHT, None, True, THOUGHT, "eos"),
        (THOUGHT, None, False, "Is it ", "stop"),
        (f"<think>{THOUGHT}</think>7", None, None, "<think>Is it ", "stop"),
        ("1 <think>Q: a</think> 2 <think>Q: b</think> 3 Q: 4", None, False,
         "1 <think>Q: a</think> 2 <think>Q: b</think> 3 ", "stop"),
        ("1 Q: <think>a</think>", None, False, "1 ", "stop"),
    ],
)  # fmt: skip
def test_a_stop_string_is_looked_for_in_what_follows_the_thinking(
    text, reasoning, opened, cut, reason
) -> None:
    choice = ServedChoice(text, reasoning, "stop", met_stop=False, steps=())
    found = completion(choice, Sampling(64, stop=("Q:",)), 5, is_opened=opened)
    assert (found.text, found.stop) == (cut, reason)


def test_stretches_outside_of_thinking_are_all_of_a_text_without_any() -> None:
    assert free_parts("abc", is_opened=False) == [(0, 3)]
    assert free_parts("", is_opened=False) == [(0, 0)]
    assert free_parts("a</think>b", is_opened=True) == [(9, 10)]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_no_stop_string_is_sent_to_a_model_that_thinks_apart(field) -> None:
    def edit(answer: dict, body: dict) -> None:
        for choice in answer["choices"]:
            if "message" in choice:
                choice["message"][field] = choice["message"].pop("reasoning_content")

    manners = {"reasoning": THOUGHT, "text": "7 Q: more", "obeys_stops": True, "edit": edit}
    with fake_server(offers=("/chat/completions",), **manners) as (url, server):
        model = opened(url, trust=True)
        [c], _ = drawn(model)
        assert "stop" not in server.asked[-1]
        assert len([n for n in model.card.notes if "stop strings are not sent" in n]) == 1
    assert (c.text, c.stop) == (f"<think>{THOUGHT}</think>7 ", "stop")


def test_no_stop_string_is_sent_to_a_model_that_thinks_in_its_text() -> None:
    text = f"<think>{THOUGHT}</think>7 Q: more"
    with fake_server(text=text, obeys_stops=True) as (url, server):
        model = opened(url, trust=True)
        [c], _ = drawn(model)
        assert "stop" not in server.asked[-1]
    assert (c.text, c.stop) == (f"<think>{THOUGHT}</think>7 ", "stop")


def test_no_stop_string_is_sent_where_the_template_opens_the_thinking() -> None:
    with fake_server(text=f"{THOUGHT}</think>7", obeys_stops=True) as (url, server):
        [c], _ = drawn(opened(url, trust=True, thinking="opened"))
        assert "stop" not in server.asked[-1]
    assert c.text == f"{THOUGHT}</think>7"


def test_a_model_that_begins_to_think_midway_loses_no_answer() -> None:
    manners = {"text": "7", "obeys_stops": True, "offers": ("/chat/completions",)}
    with fake_server(**manners) as (url, server):
        model = opened(url, trust=True)
        drawn(model)
        assert server.asked[-1]["stop"] == ["Q:"]
        server.reasoning = THOUGHT
        group, ledger = drawn(model, 3)
        assert {c.text for c in group} == {f"<think>{THOUGHT}</think>7"}
        assert "stop" not in server.asked[-1]
        assert any("stop strings are not sent" in note for note in model.card.notes)
        assert ledger.tokens_prompt > 3 * 7  # what was cut off was paid as well


def test_stop_strings_are_still_sent_with_raw_prompts_of_a_model_that_thinks_in_chat() -> None:
    with fake_server(reasoning=THOUGHT, text="7 Q: x", obeys_stops=True) as (url, server):
        model = opened(url, trust=True)
        drawn(model, style=Style("raw", "{question}"))
        assert server.asked[-1]["stop"] == ["Q:"]


def test_marks_of_thinking_that_are_left_in_the_answers_are_a_text_like_others() -> None:
    with fake_server(text="<think>Q: a</think>7", obeys_stops=True) as (url, server):
        [c], _ = drawn(opened(url, trust=True, thinking="none"))
        assert server.asked[-1]["stop"] == ["Q:"]
    assert c.text == "<think>"
