"""Answers that bend the protocol are read where they can be, and said; failures are told in words."""

import pytest

from modicum.errors import ConfigError, EndpointError
from modicum.ledger import Ledger
from modicum.model import render
from modicum.secrecy import learn
from modicum.serving import endpoint as _endpoint
from modicum.serving.endpoint import ChatRequest, Endpoint
from modicum.serving.protocol import choices_of, usage_of
from modicum.serving.told import told_in
from modicum.types import Request, Sampling, Style
from tests.support.fake_server import fake_server
from tests.support.served import QUESTION, ask, opened

ASK = ChatRequest("/completions", {"prompt": "a", "max_tokens": 4})


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(_endpoint, "_LONGEST_PAUSE", 0.002)


def notes_with(model, words: str) -> list[str]:
    return [note for note in model.card.notes if words in note]


@pytest.mark.parametrize(
    "failure",
    [
        {"error": {"message": "the provider is down", "code": 502}},
        {"error": {"message": "the provider is down", "code": "503"}},
        {"error": {"message": "the provider is down", "code": 429}, "choices": []},
        {"error": {"message": "the provider is down", "type": "overloaded_error"}, "choices": None},
        {"error": "Overloaded, please try again later"},
        {"error": "upstream request timeout", "code": "gateway"},
        {"detail": "the service is temporarily unavailable"},
        {"message": "Rate limit reached", "code": "rate_limit_exceeded"},
        {"message": "slow", "status": 408, "choices": []},
        {"error": [{"message": "too early", "code": 425}]},
        {"errors": ["Request timed out"]},
        {"error": {"message": "x", "code": 529}, "choices": [{"text": "half"}]},
        {"choices": [{"text": "half", "error": {"message": "x", "code": 502.0}}]},
        {"choices": [{"text": "half", "error": "timed out", "finish_reason": "error"}]},
        {"error": "Model tiny is currently loading"},
        {"error": {"message": "Error code: 503"}},
    ],
)
def test_a_failure_in_an_answer_of_status_200_is_tried_again_where_it_may_pass(failure) -> None:
    with fake_server() as (url, manners):
        model = opened(url, concurrency=1)
        before = ask(model, 2)
        manners.instead = [failure, failure]
        assert ask(model, 2) == before
        assert not manners.instead


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ({"error": {"message": "no credit is left", "code": 402}}, "402.*no credit is left"),
        ({"error": {"message": "no credit is left", "code": "401"}}, "401.*no credit is left"),
        ({"error": "no such prompt"}, "no such prompt"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"msg": "bad", "loc": ["body"]}]}, "bad"),
        ({"message": "the model refuses"}, "the model refuses"),
        ({"error": {"message": "spent", "code": "insufficient_quota", "type": "x"}}, "spent"),
        ({"error": {"message": "Provider error", "code": 400, "metadata": {"raw": "why"}}}, "why"),
        ({"error": {"reason": "unknown"}}, "unknown"),
        ({"error_message": "no such"}, "no such"),
        ({"choices": [{"text": "half", "finish_reason": "error"}]}, "a text that failed"),
    ],
)
def test_a_failure_in_an_answer_of_status_200_that_will_not_pass_is_refused_at_once(failure, words):
    with fake_server() as (url, manners):
        manners.instead = [failure]
        with pytest.raises(EndpointError, match=f"status 200 with an error.*{words}") as raised:
            Endpoint(url, timeout=5, retries=5).answer(ASK)
    assert len(manners.asked) == 1
    assert "tried" not in str(raised.value)


def test_a_failure_is_told_without_secrets_and_clipped() -> None:
    learn("sk-hidden-0123456789")
    with fake_server() as (url, manners):
        manners.instead = [{"error": "bad key sk-hidden-0123456789 " + "x" * 5000}]
        with pytest.raises(EndpointError, match="bad key") as raised:
            Endpoint(url, timeout=5, retries=0).answer(ASK)
    assert "sk-hidden" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_failure_while_the_server_is_looked_at_is_tried_again_as_well() -> None:
    with fake_server() as (url, manners):
        manners.instead = [{"error": {"message": "Provider returned error", "code": 502}}]
        assert "raw prompts and chat messages" in opened(url).card.notes


def test_answers_without_a_failure_tell_none() -> None:
    assert told_in({"error": None, "choices": []}) is None
    assert told_in({"error": "", "message": ""}) is None
    assert told_in([1]) is None


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": None, "completion_tokens": None},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": -1, "completion_tokens": "many"},
        [],
    ],
)
def test_tokens_that_the_server_does_not_count_are_estimated_and_said(usage) -> None:
    with fake_server(edit=lambda answer, body: answer.update(usage=usage)) as (url, _):
        model, ledger = opened(url), Ledger()
        requests = [Request(QUESTION, "a", 2)]
        [group] = model.generate(requests, Sampling(8, 1.0, stream="s"), ledger)
    assert ledger.tokens_prompt == 2 * -(-len(QUESTION) // 4)
    assert ledger.tokens_sampled == sum(-(-len(c.text) // 4) for c in group)
    assert ledger.tokens_sampled == sum(c.n_tokens for c in group) > 0
    assert len(notes_with(model, "does not count its tokens")) == 1


def test_tokens_are_estimated_from_the_steps_where_there_are_some() -> None:
    with fake_server(usage=False) as (url, _):
        model, ledger = opened(url, logprobs=True), Ledger()
        sampling = Sampling(8, 0.0, stream="s", margins=True)
        [[c]] = model.generate([Request(QUESTION, "q")], sampling, ledger)
    assert ledger.tokens_sampled == len(c.pieces) == 2


def test_what_is_counted_stays_counted() -> None:
    usage = usage_of({"usage": {"prompt_tokens": 9.0, "completion_tokens": None}}, "ab", ())
    assert (usage.prompt, usage.sampled, usage.is_estimate) == (9, 0, True)
    details = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": None}
    assert not usage_of({"usage": details}, "ab", ()).is_estimate
    cached = {**details, "prompt_tokens_details": {"cached_tokens": 9}}
    assert usage_of({"usage": cached}, "ab", ()).prompt == 0


@pytest.mark.parametrize("name", [None, ""])
def test_an_answer_that_names_no_model_is_taken_for_the_one_asked_and_said_once(name) -> None:
    with fake_server(edit=lambda answer, body: answer.update(model=name)) as (url, _):
        model = opened(url)
        ask(model, 3)
        assert len(notes_with(model, "name no model")) == 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Answer"}, {"type": "text", "text": " 7"}], "Answer 7"),
        ([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "7"}], "7"),
        ([{"type": "output_text", "text": "7"}], "7"),
        ({"type": "text", "text": "7"}, "7"),
        (["Answer", " 7"], "Answer 7"),
        ([], ""),
        (None, ""),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "7"},
            ],
            "<think>hm</think>7",
        ),
    ],
)
def test_content_in_parts_is_joined_and_other_parts_are_left_out(content, text) -> None:
    def edit(answer: dict, body: dict) -> None:
        answer["choices"][0]["message"]["content"] = content

    with fake_server(offers=("/chat/completions",), edit=edit) as (url, _):
        model = opened(url, trust=True)
        prompt = render(model, Style("c", "{question}", chat=True), QUESTION)
        [[c]] = model.generate([Request(prompt, "q")], Sampling(64), Ledger())
    assert c.text == text


def test_content_that_is_null_or_missing_beside_thinking_is_an_empty_answer() -> None:
    for message in ({"content": None, "reasoning_content": "hm"}, {"reasoning": "hm"}):
        [choice] = choices_of({"choices": [{"message": message, "finish_reason": "stop"}]}, 1)
        assert (choice.text, choice.reasoning) == ("", "hm")


def test_a_reason_that_is_null_is_an_end_unless_the_text_is_as_long_as_allowed() -> None:
    def edit(answer: dict, body: dict) -> None:
        for choice in answer["choices"]:
            choice["finish_reason"] = None

    with fake_server(edit=edit) as (url, _):
        model = opened(url)
        assert {c.stop for c in ask(model, 2, max_new_tokens=9)} == {"eos"}
        assert {c.stop for c in ask(model, 2, max_new_tokens=1)} == {"length"}


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
def test_reasons_of_an_end_at_the_limit_go_by_several_names(reason) -> None:
    with fake_server(finish=reason) as (url, _):
        assert {c.stop for c in ask(opened(url), 2)} == {"length"}


def test_texts_out_of_order_are_put_in_order() -> None:
    with fake_server() as (url, manners):
        model = opened(url, batch=4)
        before = ask(model, 4)
        manners.edit = lambda answer, body: answer["choices"].reverse()
        assert ask(model, 4) == before
    assert len({c.text for c in before}) > 1


def test_texts_without_places_of_their_own_stay_as_they_came() -> None:
    texts = [{"text": word, "index": 0} for word in "ba"]
    assert [c.text for c in choices_of({"choices": texts}, 2)] == ["b", "a"]
    assert [c.text for c in choices_of({"choices": [{"text": w} for w in "ba"]}, 2)] == ["b", "a"]


def test_a_server_that_ignores_n_is_asked_for_one_sample_at_a_time_and_that_is_said() -> None:
    with fake_server() as (url, _):
        single = ask(opened(url), 6)
    with fake_server(knows_n=False) as (url, manners):
        model = opened(url, batch=4)
        manners.asked.clear()
        drawn = ask(model, 6)
        assert len(notes_with(model, "fewer texts than asked")) == 1
    assert drawn == single
    assert all("n" not in body for body in manners.asked)


def test_a_server_that_gives_fewer_texts_midway_loses_no_sample() -> None:
    with fake_server() as (url, manners):
        model = opened(url, batch=4)
        single = ask(opened(url), 6)
        manners.knows_n = False
        manners.asked.clear()
        drawn, ledger = [], Ledger()
        [drawn] = model.generate([Request(QUESTION, "q", 6)], Sampling(8, stream="s"), ledger)
        assert notes_with(model, "fewer texts than asked")
    assert drawn == single
    assert len(manners.asked) == 6
    assert ledger.tokens_sampled == sum(c.n_tokens for c in drawn)


def test_more_texts_than_asked_are_left_out_and_said() -> None:
    def edit(answer: dict, body: dict) -> None:
        answer["choices"] += [{**answer["choices"][0], "text": "surplus", "index": 9}]

    with fake_server(edit=edit) as (url, _):
        model = opened(url, endpoint="completions")
        assert "surplus" not in {c.text for c in ask(model, 3)}
        assert len(notes_with(model, "more texts than asked")) == 1


def test_texts_that_a_filter_cut_are_said() -> None:
    with fake_server(finish="content_filter") as (url, _):
        assert notes_with(opened(url), "content filter")


def test_an_answer_without_texts_is_refused_with_what_it_holds() -> None:
    def edit(answer: dict, body: dict) -> None:
        answer.clear()
        answer["response"] = "hello"

    with (
        fake_server(edit=edit) as (url, _),
        pytest.raises(ConfigError, match="no choices in an answer, which holds response"),
    ):
        opened(url)
