"""What a server refuses of a request is left out or renamed once, and said; never what is measured."""

import json
import time

import pytest

from modicum.errors import ConfigError, EndpointError, TrialError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.serving import endpoint as _endpoint
from modicum.serving.adapting import Habits
from modicum.serving.told import Told, refused, told_in
from modicum.types import Request, Sampling
from tests.support.commands import modicum
from tests.support.fake_server import fake_server
from tests.support.served import QUESTION, ask, opened, reference

SENT = {
    "model": "m", "prompt": "seed", "max_tokens": 4, "temperature": 0.0, "top_p": 1.0, "seed": 1,
    "stop": ["a", "b", "c", "d"], "n": 2, "logprobs": 5,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(_endpoint, "_LONGEST_PAUSE", 0.002)


def openai_error(name: str, words: str = "") -> dict:
    said = words or f"Unsupported parameter: '{name}' is not supported with this model."
    return {"error": {"message": said, "param": name, "code": "unsupported_parameter"}}


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (openai_error("seed"), ("seed",)),
        (openai_error("max_tokens"), ("max_tokens",)),
        (
            {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), "
             "'msg': 'Extra inputs are not permitted', 'input': 11}]", "code": 400},
            ("seed",),
        ),
        (
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "top_p"], "msg": "Extra inputs "
             "are not permitted"}, {"type": "extra_forbidden", "loc": ["body", "seed"]}]},
            ("top_p", "seed"),
        ),
        (
            {"error": {"message": "1 validation error for ChatCompletionRequest\nseed\n  Extra "
             "inputs are not permitted [type=extra_forbidden, input_value=1]"}},
            ("seed",),
        ),
        ({"message": "Unrecognized request argument supplied: seed"}, ("seed",)),
        ({"message": "Unsupported parameter(s): seed, top_p"}, ("top_p", "seed")),
        ({"error": 'json: unknown field "stop"'}, ("stop",)),
        ({"error": "Unknown field: seed"}, ("seed",)),
        ({"error": {"message": "property 'seed' is unsupported", "code": 400}}, ("seed",)),
        ({"error": "seed is not supported by this model"}, ("seed",)),
        ({"error": "Extra inputs are not permitted, field: 'n'"}, ("n",)),
        ({"error": "Input validation error: `stop` supports up to 2 stop sequences. Given: 4"}, ("stop",)),
        ({"error": "`top_p` must be > 0.0 and < 1.0"}, ("top_p",)),
        ({"error": {"message": "Only one completion choice is allowed"}}, ("n",)),
        ({"error": {"message": "n > 1 is not supported"}}, ("n",)),
        ({"error": {"message": "Invalid value for 'n'", "param": "n"}}, ("n",)),
        (
            {"error": {"message": "Failed to deserialize the JSON body: unknown field `seed`, expected "
             "one of `model`, `prompt`, `max_tokens`, `temperature`, `top_p`, `stop`"}},
            ("seed",),
        ),
        ({"message": "The following parameters are not supported: n, seed"}, ("seed", "n")),
        ({"message": "m does not support parameters: ['seed', 'n'], for model=m"}, ("seed", "n")),
        ({"message": "Argument not supported: seed. Supported arguments: stop, top_p"}, ("seed",)),
        ({"detail": "seed: extra fields not permitted"}, ("seed",)),
        ({"error": "stop sequences must not be only whitespace"}, ("stop",)),
        ({"error": "Only 'n = 1' is supported"}, ("n",)),
        ({"message": "Unsupported value: 'temperature' does not support 0"}, ("temperature",)),
        ({"error": {"message": "'max_tokens' is too large: 4. This model's maximum context length is "
          "2 tokens.", "param": "max_tokens", "code": 400}}, ()),
        ({"error": {"message": "This model's maximum context length is 2 tokens. Please reduce the "
          "length of the messages.", "param": "messages"}}, ()),
        ({"error": {"message": "Unknown model 'seedling'"}}, ()),
        ({"error": {"message": "the prompt is refused by a filter", "param": "prompt"}}, ()),
    ],
)  # fmt: skip
def test_the_refused_fields_are_named_in_the_forms_that_servers_use(answer, names) -> None:
    told = told_in(answer)
    assert told is not None
    assert refused(told, SENT, 400) == names


def test_other_statuses_refuse_no_field_unless_they_say_so_in_a_call() -> None:
    assert refused(Told("Unknown field: seed"), SENT, 503) == ()
    words = "Llama.create() got an unexpected keyword argument 'seed'"
    assert refused(Told(words), SENT, 500) == ("seed",)


def refusing(*names: str, status: int = 400, after: int = 0):
    """Refuse fields, one at a time, once so many requests have come."""
    seen = []

    def refuse(path: str, body: dict) -> tuple[int, object] | None:
        seen.append(path)
        left = [name for name in names if name in body]
        return (status, openai_error(left[0])) if left and len(seen) > after else None

    return refuse


@pytest.mark.parametrize("name", ["seed", "top_p"])
@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_field_is_left_out_from_then_on_and_said_once(name, status) -> None:
    with fake_server(refuse=refusing(name, status=status)) as (url, manners):
        model = opened(url)
        manners.asked.clear()
        assert len(ask(model, 3)) == 3
        assert not [body for body in manners.asked if name in body]
        assert len(manners.asked) == 3  # learnt when it was opened
        notes = model.card.notes
    assert len([note for note in notes if note.startswith(f"the server refuses {name}")]) == 1


def test_a_refusal_in_an_answer_of_status_200_is_one_as_well() -> None:
    with fake_server(refuse=refusing("seed", status=200)) as (url, _):
        assert any(note.startswith("the server refuses seed") for note in opened(url).card.notes)


def test_a_renamed_field_is_sent_under_its_new_name() -> None:
    with fake_server(refuse=refusing("max_tokens")) as (url, manners):
        model = opened(url)
        assert {c.stop for c in ask(model, 2, max_new_tokens=1)} == {"length"}
        assert manners.asked[-1]["max_completion_tokens"] == 1
        assert any("sent as max_completion_tokens" in note for note in model.card.notes)


def test_the_length_of_an_answer_is_never_left_out() -> None:
    refuse = refusing("max_tokens", "max_completion_tokens")
    with fake_server(refuse=refuse) as (url, manners):
        with pytest.raises(ConfigError, match="max_completion_tokens"):
            opened(url)
        assert all({"max_tokens", "max_completion_tokens"} & {*body} for body in manners.asked)


def test_several_refusals_are_learnt_one_after_the_other() -> None:
    with fake_server(refuse=refusing("seed", "top_p", "max_tokens", "stop")) as (url, manners):
        ask(opened(url), 1, stop=("#",))
        assert {*manners.asked[-1]} == {
            "model",
            "max_completion_tokens",
            "temperature",
            "prompt",
            "_path",
        }


def test_a_refusal_in_the_middle_of_a_study_loses_no_request() -> None:
    with fake_server() as (url, manners):
        model = opened(url, concurrency=4)
        before = ask(model, 6, max_new_tokens=3)
        manners.refuse = refusing("max_tokens", after=2)
        manners.asked.clear()
        [after] = model.generate(
            [Request(QUESTION, "q", 6)], Sampling(3, stream="s"), ledger := Ledger()
        )
        assert any("max_tokens" in note for note in model.card.notes)
    assert after == before
    assert ledger.tokens_prompt == 6 * 7  # a refused request costs nothing


def test_stop_strings_that_are_refused_are_cut_here() -> None:
    manners = {"refuse": refusing("stop"), "text": "one two STOP three"}
    with fake_server(**manners) as (url, server):
        model = opened(url, trust=True)
        [c] = ask(model, 1, stop=("STOP",))
        assert (c.text, c.stop) == ("one two ", "stop")
        assert "stop" not in server.asked[-1]
        assert any("stop strings: they are cut here" in note for note in model.card.notes)


def test_as_many_stop_strings_are_sent_as_the_server_takes() -> None:
    def refuse(path: str, body: dict) -> tuple[int, object] | None:
        words = "Input validation error: `stop` supports up to 2 stop sequences. Given: 4"
        return (422, {"error": words}) if len(body.get("stop", ())) > 2 else None

    with fake_server(refuse=refuse, text="one two D three") as (url, manners):
        model = opened(url, trust=True)
        [c] = ask(model, 1, stop=("A", "B", "C", "D"))
        assert manners.asked[-1]["stop"] == ["A", "B"]
        assert any("takes 2 stop strings" in note for note in model.card.notes)
    assert c.text == "one two "


def test_a_refused_n_is_asked_one_by_one() -> None:
    with fake_server() as (url, _):
        single = ask(opened(url), 5)
    with fake_server(refuse=refusing("n")) as (url, manners):
        model = opened(url, batch=4)
        manners.asked.clear()
        assert ask(model, 5) == single
        assert len(manners.asked) == 5
        assert "the server refuses n: one request a sample" in model.card.notes


def test_n_refused_midway_loses_no_sample() -> None:
    with fake_server() as (url, manners):
        model = opened(url, batch=4)
        manners.refuse = refusing("n")
        assert ask(model, 5) == ask(opened(url), 5)


ONE = {
    "error": {
        "message": "Unsupported value: 'temperature' does not support 0 with this model. Only the "
        "default (1) value is supported.",
        "param": "temperature",
        "code": "unsupported_value",
    }
}


def only_one(path: str, body: dict) -> tuple[int, object] | None:
    return (400, ONE) if body.get("temperature", 1) != 1 else None


def no_zero(path: str, body: dict) -> tuple[int, object] | None:
    return (400, ONE) if body.get("temperature", 1) == 0 else None


def test_a_refused_temperature_is_never_replaced_unasked() -> None:
    with fake_server(refuse=only_one) as (url, manners):
        with pytest.raises(ConfigError, match=r"temperature.* does not support 0") as raised:
            opened(url)
        assert "?least_temperature=0.01" in raised.value.action
        assert "?leave_out=temperature" in raised.value.action
        assert len(manners.asked) == 1


def test_a_temperature_that_is_refused_midway_fails_the_trial() -> None:
    with fake_server() as (url, manners):
        model = opened(url)
        manners.refuse = only_one
        with pytest.raises(TrialError, match=r"temperature.*\?least_temperature=0\.01 or"):
            ask(model, 1, temperature=0.0)


def test_the_user_may_choose_a_least_temperature_or_leave_it_to_the_server() -> None:
    with fake_server(refuse=no_zero) as (url, manners):
        model = opened(url, least_temperature=0.01)
        ask(model, 1, temperature=0.0)
        assert manners.asked[-1]["temperature"] == 0.01
        ask(model, 1)
        assert manners.asked[-1]["temperature"] == 1.0
        assert any("temperature 0.01" in note for note in model.card.notes)
    with fake_server(refuse=only_one) as (url, manners):
        model = opened(url, leave_out="temperature")
        ask(model, 1, temperature=0.0)
        assert "temperature" not in manners.asked[-1]
        assert any("greedy answers are samples" in note for note in model.card.notes)


def test_fields_of_the_users_own_are_never_left_out_unasked() -> None:
    with fake_server(refuse=refusing("top_k")) as (url, _):
        with pytest.raises(ConfigError, match="top_k") as raised:
            opened(url, extra='{"top_k": -1}')
        assert "?leave_out=top_k" in raised.value.action
        assert opened(url, extra='{"top_k": -1}', leave_out="top_k")


def test_what_the_user_changes_is_changed_in_every_request_and_said() -> None:
    with fake_server() as (url, manners):
        changes = {"leave_out": "seed,top_p", "rename": "max_tokens:max_completion_tokens"}
        model = opened(url, **changes)
        ask(model, 2)
        plain = opened(url)
        assert model.card.reading != plain.card.reading
        notes = model.card.notes
    ours = [body for body in manners.asked if "max_completion_tokens" in body]
    assert ours
    assert not [body for body in ours if {"seed", "top_p", "max_tokens"} & {*body}]
    assert "left out of every request, as asked: seed, top_p" in notes
    assert "max_tokens is sent as max_completion_tokens, as asked" in notes


@pytest.mark.parametrize(
    "setting",
    [
        "leave_out=prompt", "leave_out=a b", "leave_out=,", "leave_out=seed;x", "rename=a", "rename=a:",
        "rename=a:b:c", "rename=a:prompt", "rename=a:temperature", "rename=a:b,a:c", "rename=a:a",
        "leave_out=max_tokens&rename=max_tokens:max_completion_tokens",
        "leave_out=logprobs&logprobs=true", "least_temperature=-1", "least_temperature=nan",
        "least_temperature=9",
    ],
)  # fmt: skip
def test_changes_that_cannot_be_are_refused_without_asking_anybody(setting) -> None:
    with pytest.raises(ConfigError):
        resolve_backend(f"openai:m?{setting}")


def test_a_server_that_refuses_whatever_it_gets_is_asked_a_few_times_alone() -> None:
    def refuse(path: str, body: dict) -> tuple[int, object]:
        left = [name for name in body if name not in ("model", "prompt", "messages")]
        return 400, openai_error(left[0])

    with fake_server(refuse=refuse) as (url, manners):
        with pytest.raises(ConfigError):
            opened(url)
        assert len(manners.asked) < 12


def test_habits_are_one_servers_own() -> None:
    with fake_server(refuse=refusing("seed")) as (url, _), fake_server() as (other, manners):
        opened(url)
        opened(other)
        assert all("seed" in body for body in manners.asked)
    assert Habits().notes == ()


def test_a_field_that_nothing_mends_is_refused_at_once() -> None:
    with fake_server(refuse=refusing("logprobs")) as (url, manners):
        asked = _endpoint.ChatRequest("/completions", {**SENT})
        with pytest.raises(EndpointError, match="status 400"):
            _endpoint.Endpoint(url, retries=3).answer(asked)
        assert len(manners.asked) == 1


@pytest.mark.parametrize(
    "words",
    [
        "a" * 100_000, " " * 100_000, "'" * 100_000, "unsupported:" + " " * 100_000, "time" * 30_000,
        "unknown field: " + "a, " * 50_000, "unsupported: " + "'a' and " * 30_000, "('body'," * 20_000,
        "seed\n" * 30_000, "param" * 30_000 + " is not supported", "up to" + "x" * 100_000, "x\n \t" * 40_000,
        "must " * 30_000, "unsupported" + ":[" * 50_000, "error " * 30_000, "a_" * 50_000 + ": not supported",
    ],
)  # fmt: skip
def test_words_of_any_length_and_make_are_read_at_once(words) -> None:
    start = time.monotonic()
    told = told_in({"error": words})
    if told is not None:
        refused(told, SENT, 400)
        Habits().learn(told, {**SENT}, 400)
        assert told.may_pass in (True, False)
    assert time.monotonic() - start < 0.5


def test_what_is_learnt_in_the_middle_of_a_study_stands_in_its_verdict(tmp_path) -> None:
    with fake_server() as (url, manners):
        manners.refuse = refusing("top_p", after=60)
        said = modicum(
            "run", "--model", reference(url, endpoint="completions"), "--task", "sums", "--test", 8,
            "--selection", 2, "--samples", 8, "--methods", "self_consistency", "--no-check",
            "--set", "self_consistency.n=2", "--out", tmp_path / "s", "--json",
        )  # fmt: skip
        assert said.code == 0, said.err
        seen = [i for i, body in enumerate(manners.asked) if "top_p" not in body]
    assert 60 < seen[0] < len(manners.asked) - 1
    [verdict] = json.loads(said.out)["verdicts"]
    assert len([note for note in verdict["notes"] if "refuses top_p" in note]) == 1
