"""A model behind a server: what it offers is used, and what is not known of it is said."""

import json

import pytest

from modicum.errors import AccessError
from modicum.ledger import Ledger
from modicum.model import backend_access, render, resolve_backend
from modicum.running.planning import plan_for
from modicum.serving import endpoint as _endpoint
from modicum.study.checks import check_plan
from modicum.study.styles import closed_list
from modicum.task import Sheet
from modicum.types import Access, Branches, Request, Sampling, Style
from tests.support.commands import modicum
from tests.support.fake_server import fake_server
from tests.support.served import QUESTION, ask, opened, reference

SECRET = "sk-secret-1234"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(_endpoint, "_LONGEST_PAUSE", 0.002)


def test_each_sample_has_a_seed_of_its_own_from_its_address() -> None:
    with fake_server() as (url, manners):
        model = opened(url)
        manners.asked.clear()
        first, again, more = ask(model, 4), ask(model, 4), ask(model, 8)
        seeds = [body["seed"] for body in manners.asked]
    assert first == again == more[:4]
    assert len({c.text for c in more}) > 1
    assert len(set(seeds)) == 8
    assert all(body["top_p"] == 1 and body["temperature"] == 1 for body in manners.asked)


def test_several_samples_come_in_one_request_where_asked() -> None:
    with fake_server() as (url, manners):
        model = opened(url, batch=4)
        manners.asked.clear()
        assert len(ask(model, 6)) == 6
        assert sorted(body.get("n", 1) for body in manners.asked) == [2, 4]


def test_tokens_are_counted_from_usage() -> None:
    with fake_server() as (url, _):
        model, ledger = opened(url), Ledger()
        requests = [Request(QUESTION, "a", 2), Request("What is 1 + 2?", "b", 1)]
        drawn = model.generate(requests, Sampling(8, 1.0, stream="s"), ledger)
    assert ledger.tokens_prompt == 3 * 7
    assert ledger.tokens_sampled == sum(c.n_tokens for group in drawn for c in group)
    assert ledger.flops == 2e9 * (ledger.tokens_prompt + ledger.tokens_sampled)


def test_requests_run_in_parallel_but_not_more_than_allowed() -> None:
    with fake_server(delay=0.1) as (url, manners):
        model = opened(url, concurrency=3)
        manners.most_in_flight = 0
        ask(model, 12)
        assert 2 <= manners.most_in_flight <= 3


def test_stop_strings_are_sent_and_cut_here_as_well() -> None:
    with fake_server(text="one two STOP three") as (url, manners):
        group = ask(opened(url, trust=True), 1, stop=("STOP", "@", "#", "%", "&"))
    assert (group[0].text, group[0].stop) == ("one two ", "stop")
    assert manners.asked[-1]["stop"] == ["STOP", "@", "#", "%"]


def test_the_length_limit_is_told_from_an_end() -> None:
    with fake_server() as (url, _):
        model = opened(url)
        assert {c.stop for c in ask(model, 2, max_new_tokens=1)} == {"length"}
        assert {c.stop for c in ask(model, 2, max_new_tokens=9)} == {"eos"}


@pytest.mark.parametrize(
    ("reasoning", "text", "finish", "style_answer"),
    [
        ("hmm 5", "7", "stop", "7"),
        ("hmm 5", "", "length", None),
        ("hmm", "", "stop", ""),
        (None, "7", "stop", "7"),
    ],
)
def test_thinking_that_the_server_parts_off_is_put_back(reasoning, text, finish, style_answer):
    manners = {"reasoning": reasoning, "text": text, "finish": finish}
    with fake_server(offers=("/chat/completions",), **manners) as (url, _):
        model = opened(url, trust=True)
        styles, _ = closed_list(model, Sheet(), own=None, instruction=False)
        prompt = render(model, styles[0], QUESTION)
        [[c]] = model.generate([Request(prompt, "q")], Sampling(5), Ledger())
    assert styles[0].answer(c.text) == style_answer


def test_chat_styles_send_messages_and_leave_the_template_to_the_server() -> None:
    with fake_server() as (url, manners):
        model = opened(url)
        style = Style("own", "Q: {question}", system="Be brief.", chat=True)
        model.generate([Request(render(model, style, "Hi"), "q")], Sampling(5), Ledger())
    assert manners.asked[-1]["_path"] == "/v1/chat/completions"
    assert manners.asked[-1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: Hi"},
    ]


def test_words_after_a_chat_turn_are_refused() -> None:
    with fake_server() as (url, _):
        model = opened(url)
        prompt = render(model, Style("c", "{question}", chat=True), "Hi") + " Think"
        with pytest.raises(AccessError, match="after a chat turn"):
            model.generate([Request(prompt, "q")], Sampling(5), Ledger())


def test_where_only_chat_is_offered_raw_styles_are_left_out_and_said() -> None:
    with fake_server(offers=("/chat/completions",)) as (url, _):
        model = opened(url)
    own = Style("own", "Q: {question}")
    styles, skipped = closed_list(model, Sheet(), own=own, instruction=False)
    assert all(style.chat for style in styles)
    assert styles[0].name == "own"
    assert "raw" in skipped
    assert "chat messages alone: raw styles are left out" in model.card.notes
    with pytest.raises(AccessError, match="a raw prompt"):
        ask(model)


def test_where_only_raw_prompts_are_offered_there_is_no_chat() -> None:
    with fake_server(offers=("/completions",)) as (url, _):
        model = opened(url)
    assert model.chat(None, "Hi") is None
    assert "raw prompts alone" in model.card.notes


@pytest.mark.parametrize(("repeats", "word"), [(True, "gives"), (False, "does not give")])
def test_the_card_says_what_seeds_are_worth(repeats, word) -> None:
    with fake_server(repeats=repeats) as (url, _):
        notes = opened(url).card.notes
    assert f"the server {word} equal answers for equal seeds" in notes


def test_the_card_says_what_is_not_known() -> None:
    with fake_server() as (url, _):
        card = opened(url).card
        assert card.parameters == 1_000_000_000
        assert any("weights are not seen" in note for note in card.notes)
    with fake_server(listed=("m",), names="m") as (url, _):
        unknown = resolve_backend(f"openai:m?base_url={url}").open().card
    assert unknown.parameters == 0
    assert any(note.startswith("parameters not known") for note in unknown.notes)


@pytest.mark.parametrize(
    ("name", "billions"),
    [("SmolLM2-135M-Instruct", 0.135), ("Llama-3.1-8B", 8.0), ("Qwen3-30B-A3B", 3.0), ("gpt", 0)],
)
def test_the_size_is_read_from_the_name(name, billions) -> None:
    assert resolve_backend(f"openai:{name}")._billions()[0] == pytest.approx(billions)


def test_extra_is_added_to_every_request() -> None:
    with fake_server() as (url, manners):
        ask(opened(url, extra=json.dumps({"top_k": -1})))
    assert all(body["top_k"] == -1 for body in manners.asked)


def test_log_probabilities_are_offered_only_when_asked() -> None:
    assert backend_access("openai:m") == Access.TEXT
    assert backend_access("openai:m?logprobs=true") == Access.LOGPROBS
    with fake_server() as (url, _):
        model = opened(url)
        with pytest.raises(AccessError, match="logprobs=true"):
            model.generate([], Sampling(4, branches=Branches(2)), Ledger())
        plan = plan_for(reference(url), "sums", ["cot_decoding"], test=4, selection=2, samples=2)
        with pytest.raises(AccessError, match="cot_decoding"):
            check_plan(plan)


def test_margins_come_aligned() -> None:
    with fake_server() as (url, _):
        [c] = ask(opened(url, logprobs=True), 1, temperature=0.0, margins=True)
    assert "".join(c.pieces) == c.text == "Answer 1099"
    assert c.margins == pytest.approx((0.3, 0.1))
    assert c.probabilities == pytest.approx((0.6, 0.5))


def test_branches_begin_with_the_likeliest_first_tokens() -> None:
    with fake_server() as (url, manners):
        model, ledger = opened(url, logprobs=True), Ledger()
        manners.asked.clear()
        sampling = Sampling(8, branches=Branches(3, 0.2))
        [group] = model.generate([Request(QUESTION, "q")], sampling, ledger)
    assert [c.text for c in group] == ["Answer 1099", "Think Answer 42"]
    assert [c.probabilities[0] for c in group] == pytest.approx([0.6, 0.3])
    assert group[1].margins == pytest.approx((0.3, 0.85, 0.85))
    assert [len(c.pieces) for c in group] == [c.n_tokens for c in group]
    assert all(body["temperature"] == 0 for body in manners.asked)
    assert ledger.tokens_sampled == 1 + 1 + 2


def test_given_texts_are_scored_where_the_server_echoes() -> None:
    with fake_server() as (url, _):
        model = opened(url, logprobs=True)
        scores = model.logprob([QUESTION, QUESTION], [" Answer 42", " Answer"])
    assert scores == pytest.approx([-1.3862943611, -0.6931471806])


def test_a_study_runs_end_to_end_and_finds_what_the_server_hides(tmp_path) -> None:
    with fake_server() as (url, _):
        said = modicum(
            "run", "--model", reference(url, logprobs="true"), "--task", "sums", "--test", 60,
            "--selection", 4, "--samples", 16, "--methods", "cot_decoding",
            "--out", tmp_path / "s", "--json",
        )  # fmt: skip
        assert said.code == 0, said.err
    [verdict] = json.loads(said.out)["verdicts"]
    assert verdict["ability"] == "latent"
    assert verdict["unlocked_by"] == "cot_decoding"
    assert SECRET not in said.out
    again = modicum("report", tmp_path / "s")  # the server is gone; what is stored is read
    assert again.code == 0, again.err
