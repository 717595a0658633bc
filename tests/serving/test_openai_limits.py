"""What a method will ask of a server is tried before anything is spent, and the usual mistakes are named."""

import dataclasses
import socket

import pytest

from modicum.errors import AccessError, ConfigError, EndpointError
from modicum.ledger import Ledger
from modicum.methods.cot_decoding import CotDecoding
from modicum.model import resolve_backend
from modicum.running.planning import plan_for
from modicum.serving import endpoint as _endpoint
from modicum.serving.completions import hides_openers
from modicum.serving.opening import MOST_ASKED
from modicum.study.checks import check_plan
from modicum.types import Branches, Request, Sampling
from tests.support import fake_server as faking
from tests.support.commands import modicum
from tests.support.fake_server import fake_server
from tests.support.served import QUESTION, ask, opened, reference

MANY = tuple((f"w{i}", 0.09) for i in range(11))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(_endpoint, "_LONGEST_PAUSE", 0.002)


@pytest.fixture
def many(monkeypatch) -> None:
    """Eleven first tokens, none of them rare."""
    monkeypatch.setattr(faking, "CHANCES", MANY)


def refusing(most: int, words: str):
    def refuse(path: str, body: dict) -> tuple[int, object] | None:
        asked = body.get("logprobs") or 0
        return (400, {"error": words.format(asked=asked)}) if asked > most else None

    return refuse


WORDS = (
    "Requested sample logprobs of {asked}, which is greater than max allowed: 5",
    "Invalid value for 'logprobs': must be less than or equal to 5.",
    "logprobs out of range",
)


def branched(model, k: int, min_probability: float = 0.0):
    requests = [Request(QUESTION, "q")]
    return model.generate(requests, Sampling(4, branches=Branches(k, min_probability)), Ledger())


def test_as_many_are_tried_as_a_method_asks_unless_told_otherwise() -> None:
    assert CotDecoding().k == CotDecoding().answering.first_tokens == MOST_ASKED


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("limit", [2, 5])
def test_a_server_that_gives_fewer_without_a_word_is_found_out_when_it_is_opened(limit) -> None:
    with fake_server(most_logprobs=limit) as (url, manners):
        model = opened(url, logprobs=True)
        assert f"at most {limit} log-probabilities a step" in model.card.notes
        manners.asked.clear()
        with pytest.raises(AccessError, match=f"gives {limit} log-probabilities") as raised:
            branched(model, 10)
        assert not manners.asked
        assert f"cot_decoding.k={limit}" in raised.value.action
        assert "--max-logprobs 10" in raised.value.action
        assert len(branched(model, limit)[0]) == limit


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("words", WORDS)
def test_a_server_that_refuses_more_is_asked_for_what_it_gives(words) -> None:
    with fake_server(refuse=refusing(5, words)) as (url, _):
        model = opened(url, logprobs=True)
        assert "at most 5 log-probabilities a step" in model.card.notes
        assert len(branched(model, 5)[0]) == 5
        with pytest.raises(AccessError, match=r"10 branches.*gives 5"):
            branched(model, 10)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("manners", [{"most_logprobs": 5}, {"refuse": refusing(5, WORDS[0])}])
def test_the_check_of_a_plan_knows_it_before_the_study(manners) -> None:
    with fake_server(**manners) as (url, _):
        name = reference(url, logprobs="true")
        plan = plan_for(name, "sums", ["cot_decoding"], test=4, selection=2, samples=2)
        with pytest.raises(AccessError, match="gives 5 log-probabilities"):
            check_plan(plan)
        said = modicum(
            "check", name, "sums", "--methods", "cot_decoding", "--test", 4, "--selection", 2
        )  # fmt: skip
        assert said.code == 2
        assert "cot_decoding.k=5" in said.err
        fits = {"cot_decoding": {"k": 5}}
        check_plan(
            plan_for(name, "sums", ["cot_decoding"], test=4, selection=2, samples=2, settings=fits)
        )


@pytest.mark.usefixtures("many")
def test_an_arm_that_branches_more_widely_is_looked_at_as_well() -> None:
    with fake_server(most_logprobs=10) as (url, _):
        name = reference(url, logprobs="true")
        plan = plan_for(name, "sums", ["cot_decoding"], test=4, selection=2, samples=2)
        grid = dataclasses.replace(plan.grids[0], arms=("cot_decoding.k=11",))
        plan = dataclasses.replace(plan, grids=(grid,))
        with pytest.raises(AccessError, match=r"11 branches.*gives 10"):
            check_plan(plan)


@pytest.mark.usefixtures("many")
def test_more_than_was_tried_is_tried_before_it_is_spent() -> None:
    with fake_server(most_logprobs=10) as (url, manners):
        model = opened(url, logprobs=True)
        manners.asked.clear()
        with pytest.raises(AccessError, match=r"11 branches.*gives 10"):
            branched(model, 11)
        assert len(manners.asked) <= 3
    with fake_server() as (url, _):
        assert len(branched(opened(url, logprobs=True), 11)[0]) == 11


@pytest.mark.usefixtures("many")
def test_tokens_that_are_written_alike_are_no_limit() -> None:
    seen = []

    def edit(answer: dict, body: dict) -> None:
        for choice in answer["choices"] if "logprobs" in body else ():
            seen.append(body["prompt"])
            tops = choice["logprobs"]["top_logprobs"][0]
            if body["prompt"] in ("Hi", QUESTION):  # two parts of characters, one text
                tops.pop("w3", None)

    with fake_server(edit=edit) as (url, _):
        model = opened(url, logprobs=True)
        assert not any("at most" in note for note in model.card.notes)
        assert len(branched(model, 10)[0]) == 9
    assert "Hi" in seen


def test_fewer_tokens_than_asked_are_no_limit_where_no_other_is_likely() -> None:
    assert not hides_openers([("a", 0.6), ("b", 0.4)], 10, 0.0)
    assert not hides_openers([("a", 0.9), ("b", 0.09)], 10, 0.02)
    assert not hides_openers([("a", 0.5), ("b", 1e-4)], 10, 1e-3)
    assert hides_openers([("a", 0.5), ("b", 0.2)], 10, 1e-3)
    assert not hides_openers([("a", 0.5), ("b", 0.2)], 2, 1e-3)


@pytest.mark.usefixtures("many")
def test_first_tokens_that_fail_to_come_midway_are_an_error_and_no_smaller_choice() -> None:
    with fake_server() as (url, manners):
        model = opened(url, logprobs=True)
        manners.most_logprobs = 5
        with pytest.raises(EndpointError, match=r"5 likeliest first tokens.*cot_decoding\.k=5"):
            branched(model, 10)


def test_log_probabilities_that_are_missing_are_asked_for_in_words() -> None:
    with fake_server() as (url, _):
        plan = plan_for(reference(url), "sums", ["cot_decoding"], test=4, selection=2, samples=2)
        with pytest.raises(AccessError) as raised:
            check_plan(plan)
    assert "&logprobs=true" in raised.value.action
    with (
        fake_server(refuse=refusing(0, "logprobs is not supported")) as (url, _),
        pytest.raises(AccessError, match=r"no log-probabilities.*logprobs is not supported"),
    ):
        opened(url, logprobs=True)


@pytest.mark.parametrize("tail", ["", "/"])
def test_a_base_url_without_v1_is_found_out(tail) -> None:
    with fake_server() as (url, _):
        base = url.removesuffix("/v1")
        for try_it in (resolve_backend(reference(base + tail)).ready, lambda: opened(base + tail)):
            with pytest.raises(ConfigError) as raised:
                try_it()
            assert f"did you mean base_url={url}?" in raised.value.action


def test_a_server_may_stand_at_the_root_and_a_v1_too_many_is_found_out() -> None:
    with fake_server(base="") as (url, manners):
        root = url.removesuffix("/v1")
        assert opened(root)
        with pytest.raises(ConfigError) as raised:
            opened(url)
        assert f"did you mean base_url={root}?" in raised.value.action
        manners.listed, manners.offers = (), ()
        with pytest.raises(ConfigError) as raised:
            opened(root)
        assert "did you mean" not in raised.value.action  # nothing answers there either


def test_a_refusal_without_a_name_points_to_the_settings_that_change_requests() -> None:
    with fake_server(refuse=lambda path, body: (400, {"error": "nope"})) as (url, _):
        with pytest.raises(ConfigError, match="nope") as raised:
            opened(url)
        assert "?leave_out, ?rename and ?extra" in raised.value.action


@pytest.mark.parametrize("tail", ["/chat/completions", "/completions", "/models"])
def test_a_base_url_that_names_the_request_is_found_out(tail) -> None:
    with fake_server() as (url, _), pytest.raises(ConfigError) as raised:
        opened(url + tail)
    assert f"base_url without {tail}" in raised.value.action


@pytest.mark.parametrize(
    ("behind", "setting"),
    [("logprobs=true", "&logprobs=true"), ("api-version=2024-10-21", "&api_version=2024-10-21"),
     ("timeout=3", "&timeout=3")],
)  # fmt: skip
def test_a_setting_behind_a_second_question_mark_is_named(behind, setting) -> None:
    with pytest.raises(ConfigError, match="second question mark") as raised:
        resolve_backend(f"openai:m?base_url=http://127.0.0.1:9/v1?{behind}")
    assert f"…{setting}" in raised.value.action


@pytest.mark.parametrize("behind", ["api_key=abcdefgh", "sig=abcdefgh", "name=sk-abc123456"])
def test_what_may_be_a_key_behind_a_second_question_mark_is_not(behind) -> None:
    with pytest.raises(ConfigError) as raised:
        resolve_backend(f"openai:m?base_url=http://127.0.0.1:9/v1?{behind}")
    assert behind.partition("=")[2] not in str(raised.value)


def test_a_missing_key_is_asked_for_by_its_settings() -> None:
    with fake_server(key="k-0123456789") as (url, _), pytest.raises(ConfigError) as raised:
        opened(url)
    assert "api_key_env=NAME" in raised.value.action


def test_a_proxy_of_the_environment_is_named_where_no_connection_comes_about(monkeypatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    with pytest.raises(ConfigError) as raised:
        resolve_backend(f"openai:m?base_url={url}&retries=0").ready()
    assert "?proxy=environment" in raised.value.action


def test_a_model_whose_thinking_needs_room_is_looked_at_with_more() -> None:
    words = "Could not finish the message because max_tokens or model output limit was reached."

    def refuse(path: str, body: dict) -> tuple[int, object] | None:
        return (400, {"error": {"message": words}}) if body["max_tokens"] < 100 else None

    with fake_server(refuse=refuse) as (url, _):
        assert "raw prompts and chat messages" in opened(url).card.notes


def test_a_model_whose_thinking_is_not_shown_is_looked_at_with_more() -> None:
    def edit(answer: dict, body: dict) -> None:
        if body["max_tokens"] < 100:
            for choice in answer["choices"]:
                choice["text" if "text" in choice else "message"] = ""

    with fake_server(edit=edit, offers=("/completions",)) as (url, manners):
        assert opened(url)
        assert max(body["max_tokens"] for body in manners.asked) > 100


@pytest.mark.parametrize(
    "listed",
    [
        [{"id": "tiny-1B"}], {"models": [{"name": "tiny-1B"}]}, {"data": ["tiny-1B"]}, {"data": []},
        {"object": "list"},
    ],
)  # fmt: skip
def test_models_are_listed_in_several_forms_or_not_at_all(listed, monkeypatch) -> None:
    say = faking._Handler._say
    monkeypatch.setattr(
        faking._Handler,
        "_say",
        lambda self, status, value: say(
            self, status, listed if self.command == "GET" and status == 200 else value
        ),
    )
    with fake_server() as (url, _):
        assert opened(url)


def test_log_probabilities_that_nobody_asked_for_are_no_fault() -> None:
    for given in ({}, {"content": None}, {"tokens": None}, {"tokens": ["a"]}, [], "none"):

        def edit(answer: dict, body: dict, given=given) -> None:
            for choice in answer["choices"]:
                choice["logprobs"] = given

        with fake_server(edit=edit) as (url, _):
            assert ask(opened(url), 1)


def test_a_temperature_that_is_refused_with_log_probabilities_is_said_as_such() -> None:
    def refuse(path: str, body: dict) -> tuple[int, object] | None:
        error = {"message": "'temperature' must be strictly positive", "param": "temperature"}
        return (422, {"error": error}) if body.get("temperature", 1) == 0 else None

    with fake_server(refuse=refuse) as (url, _):
        name = reference(url, logprobs="true")
        for act in (resolve_backend(name).open, lambda: resolve_backend(name).ready_for(5)):
            with pytest.raises(ConfigError, match="strictly positive") as raised:
                act()
            assert "least_temperature" in raised.value.action
        assert opened(url, logprobs="true", least_temperature=0.01)


def test_a_page_in_place_of_an_api_is_found_out(monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_LONGEST_PAUSE", 0.002)
    do_get, do_post = faking._Handler.do_GET, faking._Handler.do_POST

    def page(real):
        def answer(self) -> None:
            if self.path.startswith("/v1"):
                real(self)
            else:
                self._send(200, b"<!DOCTYPE html><title>A chat</title>")

        return answer

    monkeypatch.setattr(faking._Handler, "do_GET", page(do_get))
    monkeypatch.setattr(faking._Handler, "do_POST", page(do_post))
    with fake_server() as (url, _), pytest.raises(ConfigError, match="DOCTYPE") as raised:
        opened(url.removesuffix("/v1"))
    assert f"did you mean base_url={url}?" in raised.value.action
