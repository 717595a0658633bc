"""An adapter on a server is loaded, replaced and unloaded by name, and never believed unseen."""

import contextlib

import numpy as np
import pytest

from modicum.errors import CheckpointError, ConfigError, EndpointError, TrialError
from modicum.model import resolve_backend
from modicum.models.openai import Openai
from modicum.seeds import key
from modicum.serving import endpoint as _endpoint
from modicum.serving.parity import (
    TOLERANCE,
    ParityReading,
    ParityReference,
    ParityTrace,
    Tolerance,
    scorer_of,
    shows_change,
)
from tests.support.fake_server import fake_server, token_value
from tests.support.served import ask, reference
from tests.support.tiny import tiny


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch) -> None:
    monkeypatch.setattr(_endpoint, "_FIRST_PAUSE", 0.001)


def local(shift: float, noise: float = 0.02):
    """The local module of these weights, which rounds otherwise than the server does."""

    def score(prompt: str, tokens) -> list[float]:
        befores = [prompt + "".join(tokens[:i]) for i in range(len(tokens))]
        return [
            token_value(before, token, shift) + noise * (key("noise", before) % 200 - 100) / 100
            for before, token in zip(befores, tokens, strict=True)
        ]

    return score


def folder_of(tmp_path, shift: float):
    """A folder with the fake server's kind of weights."""
    folder = tmp_path / f"v{shift}"
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_text(str(shift))
    return folder


def backend_of(url: str, **settings: object) -> Openai:
    backend = resolve_backend(reference(url, retries=1, **settings))
    assert isinstance(backend, Openai)
    return backend


@pytest.mark.parametrize("in_place", [True, False])
def test_an_adapter_is_loaded_replaced_and_unloaded_while_the_server_runs(tmp_path, in_place):
    with fake_server(adapters={}, replaces_in_place=in_place) as (url, manners):
        adapters = backend_of(url).adapters(local(0.0))
        first = adapters.load("policy", folder_of(tmp_path, 0.5), local(0.5))
        assert manners.adapters == {"policy": 0.5}
        second = adapters.replace("policy", folder_of(tmp_path, 0.8), local(0.8))
        assert manners.adapters == {"policy": 0.8}
        assert adapters.names == ("policy",)
        assert first.version != second.version
        assert first.parity.tells_apart
        assert second.parity.tells_apart
        assert 0 < second.parity.mean <= second.parity.most <= 0.021
        adapters.unload("policy")
        assert manners.adapters == {}
        assert adapters.names == ()
        with pytest.raises(EndpointError, match="cannot be found"):
            adapters.unload("policy")


def test_rollouts_are_drawn_under_the_adapters_name_and_told_apart_by_version(tmp_path) -> None:
    with fake_server(adapters={}) as (url, manners):
        backend = backend_of(url, batch=2, extra='{"top_k": -1}')
        adapters = backend.adapters(local(0.0))
        first = backend.with_adapter(adapters.load("a", folder_of(tmp_path, 0.5), local(0.5)))
        model = first.open()
        manners.asked.clear()
        assert len(ask(model, 4)) == 4
        newer = adapters.replace("a", folder_of(tmp_path, 0.8), local(0.8))
        later = backend.with_adapter(newer).open()
        bodies = [body for body in manners.asked if body.get("n") == 2][:2]
    assert {body["model"] for body in bodies} == {"a"}
    assert {body["cache_salt"] for body in bodies} == {first.weights}
    assert {body["top_k"] for body in bodies} == {-1}
    assert len({body["seed"] for body in bodies}) == 2
    assert model.card.parameters == 1_000_000_000
    assert model.card.weights != later.card.weights


@pytest.mark.parametrize("shift", [0.9, 0.6])
def test_a_server_that_goes_on_with_old_weights_is_caught_and_the_adapter_taken_off(
    tmp_path, shift
) -> None:
    with fake_server(adapters={}) as (url, manners):
        adapters = backend_of(url).adapters(local(0.0))
        adapters.load("policy", folder_of(tmp_path, 0.5), local(0.5))
        manners.is_stale = True
        with pytest.raises(TrialError, match=r"still samples from version \w{16} .* 0% of the"):
            adapters.replace("policy", folder_of(tmp_path, shift), local(shift))
        assert manners.adapters == {}
        assert adapters.names == ()


def test_a_change_within_the_tolerance_that_does_not_show_is_caught(tmp_path) -> None:
    with fake_server(adapters={}) as (url, manners):
        adapters = backend_of(url).adapters(local(0.0))
        adapters.load("policy", folder_of(tmp_path, 0.5), local(0.5))
        manners.is_stale = True
        with pytest.raises(TrialError, match="still samples from version"):
            adapters.replace("policy", folder_of(tmp_path, 0.51), local(0.51))


def test_an_adapter_that_the_server_only_pretends_to_load_is_caught(tmp_path) -> None:
    with fake_server(adapters={}, is_stale=True) as (url, manners):
        adapters = backend_of(url).adapters(local(0.0))
        with pytest.raises(TrialError, match="still samples from the untuned model"):
            adapters.load("policy", folder_of(tmp_path, 0.5), local(0.5))
        assert manners.adapters == {}


def test_other_weights_than_the_local_ones_are_named_with_both_values(tmp_path) -> None:
    with fake_server(adapters={}) as (url, manners):
        adapters = backend_of(url).adapters(local(0.0))
        words = r"gives the probe's tokens -\d\.\d+ nats .* local module -\d\.\d+; they differ by"
        with pytest.raises(TrialError, match=words):
            adapters.load("policy", folder_of(tmp_path, 0.9), local(0.5))
        assert manners.adapters == {}


def test_a_base_model_that_differs_on_both_sides_is_said_before_any_load(tmp_path) -> None:
    with fake_server(adapters={}) as (url, manners):
        adapters = backend_of(url).adapters(local(0.4))
        with pytest.raises(TrialError, match="weights of the untuned model 'tiny-1B'"):
            adapters.load("policy", folder_of(tmp_path, 0.5), local(0.5))
        assert not [body for body in manners.asked if "lora_name" in body]


def test_a_change_too_small_to_be_seen_is_said(tmp_path) -> None:
    with fake_server(adapters={}) as (url, _):
        adapters = backend_of(url).adapters(local(0.0))
        adapters.load("policy", folder_of(tmp_path, 0.5), local(0.5))
        parity = adapters.replace("policy", folder_of(tmp_path, 0.505), local(0.505)).parity
    assert not parity.tells_apart


def test_a_server_without_the_routes_says_how_to_start_it(tmp_path) -> None:
    with fake_server(adapters={}, has_lora_routes=False) as (url, _):
        adapters = backend_of(url).adapters(local(0.0))
        for change in (
            lambda: adapters.load("lora", folder_of(tmp_path, 0.5), local(0.5)),
            lambda: adapters.unload("lora"),
        ):
            with pytest.raises(ConfigError, match="no route /") as raised:
                change()
            assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True" in raised.value.action


def test_a_server_that_gives_no_log_probabilities_is_refused(tmp_path) -> None:
    with fake_server(adapters={}, logprobs=False) as (url, _):
        adapters = backend_of(url).adapters(local(0.0))
        with pytest.raises(EndpointError, match="no log-probabilities"):
            adapters.load("policy", folder_of(tmp_path, 0.5), local(0.5))


def test_a_server_that_does_not_echo_the_probe_is_refused(tmp_path) -> None:
    with fake_server(adapters={}, echoes=False) as (url, _):
        adapters = backend_of(url).adapters(local(0.0))
        with pytest.raises(EndpointError, match="does not echo the prompt"):
            adapters.load("policy", folder_of(tmp_path, 0.5), local(0.5))


def test_a_local_module_that_fails_leaves_no_adapter_behind(tmp_path) -> None:
    with fake_server(adapters={}) as (url, manners):
        adapters = backend_of(url).adapters(local(0.0))
        with pytest.raises(ZeroDivisionError):
            adapters.load("policy", folder_of(tmp_path, 0.5), lambda _prompt, _tokens: 1 / 0)
        assert manners.adapters == {}
        with pytest.raises(TrialError, match="1 local values for"):
            adapters.load("policy", folder_of(tmp_path, 0.5), lambda _prompt, _tokens: [0.0])
        assert manners.adapters == {}


def test_names_and_folders_that_cannot_work_are_refused_before_the_server_is_asked(tmp_path):
    with fake_server(adapters={}) as (url, manners):
        adapters = backend_of(url).adapters(local(0.0))
        folder = folder_of(tmp_path, 0.5)
        with pytest.raises(ConfigError, match="no adapter 'policy' loaded here"):
            adapters.replace("policy", folder, local(0.5))
        with pytest.raises(ConfigError, match="to be loaded as 'tiny-1B'"):
            adapters.load("tiny-1B", folder, local(0.5))
        with pytest.raises(CheckpointError, match=r"no adapter_config\.json"):
            adapters.load("policy", tmp_path, local(0.5))
        assert manners.asked == []


@pytest.mark.parametrize(
    "values", [{"mean": 0.0}, {"mean": 0.4}, {"most": 3.0}, {"most": float("nan")}, {"apart": 0.0}]
)
def test_a_tolerance_that_no_weights_or_any_weights_meet_is_refused(values) -> None:
    with pytest.raises(ConfigError, match="tolerance of"):
        Tolerance(**values)


def test_a_probe_without_words_is_refused() -> None:
    with pytest.raises(ConfigError, match="a probe of"):
        ParityTrace("What is 1 + 1?", " ")


def test_a_model_scores_each_token_after_those_before_it() -> None:
    class Seen:
        def logprob(self, prompts, continuations):
            return [
                float(len(p) * 10 + len(c)) for p, c in zip(prompts, continuations, strict=True)
            ]

    assert scorer_of(Seen())("ab", ["c", "de"]) == [21.0, 32.0]


def test_the_scores_of_a_local_model_add_up_to_its_score_of_the_whole() -> None:
    model = tiny()
    tokens = ["1", "2", " ", "+", " ", "3"]
    parts = scorer_of(model)("Question: ", tokens)
    assert len(set(parts)) > 1
    [whole] = model.logprob(["Question: "], ["".join(tokens)])
    assert sum(parts) == pytest.approx(whole, abs=1e-4)


def test_rounding_neither_hides_old_weights_nor_accuses_new_ones() -> None:
    n, rounding, runs = 125, 0.03, 400
    draw = np.random.default_rng(5)
    caught, accused, missed = 0, 0, 0
    for _ in range(runs):
        old = draw.normal(-1, 1, n)
        change = draw.normal(0, 1, n)
        new = (
            old + change * TOLERANCE.apart / np.linalg.norm(change) * 1.001
        )  # the least that counts
        tokens = tuple("x" * n)
        before, fresh, stale = (
            ParityReading(tokens, tuple(values + draw.normal(0, rounding / 2**0.5, n)))
            for values in (old, new, old)
        )
        other = ParityReference("old", before, tuple(old))
        try:
            missed += not shows_change("new", fresh, tuple(new), other, TOLERANCE)
        except TrialError:
            accused += 1
        with contextlib.suppress(TrialError):
            shows_change("new", stale, tuple(new), other, TOLERANCE)
            caught -= 1
        caught += 1
    assert missed == 0
    assert accused <= runs * 0.01
    assert caught >= runs * 0.99


def test_a_probe_that_is_cut_otherwise_than_before_is_refused() -> None:
    other = ParityReference("old", ParityReading(("a", "b"), (-1.0, -1.0)), (-1.0, -1.0))
    with pytest.raises(TrialError, match="cuts the probe otherwise"):
        shows_change("new", ParityReading(("ab",), (-2.0,)), (-2.0,), other, TOLERANCE)
