"""A server that is down, slow, lying or broken is said in words and never counts as a wrong answer."""

import dataclasses
import socket

import pytest

from modicum.errors import AccessError, ConfigError, EndpointError, TrialError
from modicum.model import resolve_backend
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.serving import endpoint as _endpoint
from modicum.serving.service import is_same_model
from modicum.store.database import Store
from modicum.study.checks import check_plan
from tests.support.commands import modicum
from tests.support.fake_server import fake_server
from tests.support.served import ask, opened, reference

SECRET = "sk-secret-1234"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(_endpoint, "_LONGEST_PAUSE", 0.002)


def test_a_server_that_is_down_is_said_before_anything() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    plan = plan_for(reference(url), "sums", ["self_consistency"], test=4, selection=2, samples=2)
    with pytest.raises(ConfigError, match="no connection to") as raised:
        check_plan(plan)
    assert raised.value.action.startswith("start it")


def test_a_server_that_is_down_ends_the_command_with_words(tmp_path) -> None:
    said = modicum(
        "run", "--model", "openai:m?base_url=http://127.0.0.1:9/v1", "--task", "sums",
        "--out", tmp_path / "s",
    )  # fmt: skip
    assert said.code == 2
    assert "no connection to http://127.0.0.1:9/v1" in said.err
    assert "Traceback" not in said.err


def test_a_slow_server_is_given_up_with_its_limit_named_and_tried_again() -> None:
    limit = r"no answer within 0\.1 s .*tried 2 times"
    with fake_server(delay=0.5) as (url, _), pytest.raises(ConfigError, match=limit):
        opened(url, timeout=0.1)


def test_a_server_that_does_not_list_the_model_is_refused_with_a_suggestion() -> None:
    with fake_server(listed=("tiny-1b", "other")) as (url, _):
        with pytest.raises(ConfigError, match="does not list the model 'tiny-1B'") as raised:
            opened(url)
        assert raised.value.action == "did you mean 'tiny-1b'?"


def test_a_server_that_answers_as_another_model_is_refused() -> None:
    with (
        fake_server(names="other-7B") as (url, _),
        pytest.raises(ConfigError, match="answers as model 'other-7B'"),
    ):
        opened(url)


def test_a_server_that_changes_its_model_midway_fails_the_trial() -> None:
    with fake_server() as (url, manners):
        model = opened(url)
        manners.names = "other-7B"
        with pytest.raises(TrialError, match="answers as model 'other-7B', asked for 'tiny-1B'"):
            ask(model)


def test_revisions_and_dates_are_the_same_model_and_nothing_else() -> None:
    assert is_same_model("a/b", "a/b")
    assert is_same_model("a/b", "a/b@main")
    assert is_same_model("m", "m-20260131")
    assert not is_same_model("m", "m-2")
    assert not is_same_model("m", "my")
    assert not is_same_model("m", "n")


def test_failures_that_pass_are_tried_again() -> None:
    with fake_server() as (url, manners):
        model = opened(url, concurrency=1)
        before = ask(model, 3)
        manners.failures = 3
        assert ask(model, 3) == before


def test_a_server_that_dies_midway_is_a_trial_error_and_never_a_wrong_answer(tmp_path) -> None:
    with fake_server() as (url, manners):
        name = reference(url, retries=1, concurrency=2, endpoint="completions")
        plan = plan_for(name, "sums", ["self_consistency"], test=6, selection=2, samples=4)
        check_plan(plan)
        manners.dies_after = 60
        store = Store(tmp_path)
        run(plan, store, Silent())
        outcomes = [store.read(trial) for trial in plan.trials()]
        failed = list(store.failed().values())
        manners.dies_after = None
        run(plan, store, Silent())  # the same command goes on
        left = dict(store.failed())
        store.close()
    done = [o for o in outcomes if o is not None and not o.error]
    assert done
    assert failed
    assert all("EndpointError: status 500" in error for error in failed)
    asked = [o for o in done if not o.trial.scope.cut]  # the others complete questions
    assert asked
    assert all(len(o.answers) == 6 for o in asked)
    assert not left


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"malformed": True}, "no JSON from"),
        ({"offers": ()}, "status 404"),
        ({"samples": False}, "one answer for 3 seeds"),
    ],
)
def test_a_server_that_does_not_keep_the_protocol_is_refused(fault, words) -> None:
    with fake_server(**fault) as (url, _), pytest.raises(ConfigError, match=words):
        opened(url, retries=1)


def test_the_key_is_sent_and_never_shown(monkeypatch) -> None:
    monkeypatch.setenv("TINY_KEY", SECRET)
    with fake_server(key=SECRET) as (url, _):
        backend = resolve_backend(reference(url, api_key_env="TINY_KEY"))
        model = backend.open()
        ask(model)
        monkeypatch.setenv("TINY_KEY", "wrong")
        with pytest.raises(ConfigError, match="status 401") as raised:
            backend.open()
    shown = [repr(backend), repr(dataclasses.asdict(backend)), repr(model.card), str(raised.value)]
    shown.append(repr(model._service))
    assert not [text for text in shown if SECRET in text or "wrong" in text]


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no environment variable NOT_SET"):
        resolve_backend("openai:m?api_key_env=NOT_SET")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("openai", "without a model"),
        ("openai:m?base_url=ftp://x", "base_url"),
        ("openai:m?base_url=http://me:secret@x/v1", "base_url"),
        ("openai:m?timeout=0", "timeout = 0"),
        ("openai:m?extra=[1]", "a JSON object"),
        ("openai:m?logprobs=true&endpoint=chat", "cannot be branched"),
        ("openai:m?temperature=1", "temperature"),
    ],
)
def test_settings_that_cannot_work_are_refused_without_asking_anybody(given, words) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_backend(given)


def test_log_probabilities_that_do_not_come_are_refused() -> None:
    with (
        fake_server(logprobs=False) as (url, _),
        pytest.raises(AccessError, match="no log-probabilities"),
    ):
        opened(url, logprobs=True)


def test_a_server_that_does_not_echo_scores_no_given_text_and_is_studied_all_the_same(
    tmp_path,
) -> None:
    with fake_server(echoes=False) as (url, _):
        name = reference(url, logprobs="true")
        with pytest.raises(EndpointError, match="does not echo"):
            resolve_backend(name).open().logprob(["What is 1 + 2?"], [" Answer"])
        said = modicum(
            "run", "--model", name, "--task", "sums", "--test", 8, "--selection", 2,
            "--samples", 4, "--methods", "cot_decoding", "--out", tmp_path / "s",
        )  # fmt: skip
        assert said.code == 0, said.err


def test_an_endpoint_error_keeps_what_decides_about_another_try() -> None:
    with fake_server(failures=2) as (url, manners):
        endpoint = _endpoint.Endpoint(url, timeout=5, retries=1)
        with pytest.raises(EndpointError, match="tried 2 times") as raised:
            endpoint.answer(_endpoint.ChatRequest("/completions", {"max_tokens": 1, "prompt": "a"}))
        assert raised.value.status == 500
        assert len(manners.asked) == 2


def test_a_quota_that_is_spent_is_not_tried_again() -> None:
    def refuse(path: str, body: dict) -> tuple[int, object]:
        return 429, {"error": {"message": "spent", "code": "insufficient_quota"}}

    with fake_server(refuse=refuse) as (url, manners):
        endpoint = _endpoint.Endpoint(url, timeout=5, retries=3)
        with pytest.raises(EndpointError, match="status 429"):
            endpoint.answer(_endpoint.ChatRequest("/completions", {"max_tokens": 1, "prompt": "a"}))
        assert len(manners.asked) == 1
