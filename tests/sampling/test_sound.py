"""Broken weights are told as such: scores that are no numbers answer nothing."""

import math

import pytest
import torch

from modicum.doctor.visit import check_subject
from modicum.errors import CheckpointError
from modicum.ledger import Ledger
from modicum.running.planning import plan_for
from modicum.sampling.sound import Sound
from modicum.types import Branches, Request, Sampling
from tests.support.commands import modicum
from tests.support.tiny_models import ARCHITECTURES, byte_tokenizer, tiny_local, tiny_module

NAN, INF = math.nan, math.inf
REQUESTS = [Request("1 + 1 =", "a", 2), Request("2 + 2 =", "b", 2)]
BREAKS = {
    "one weight": lambda module: module.lm_head.weight.view(-1)[:1].fill_(NAN),
    "a norm": lambda module: module.model.norm.weight.fill_(NAN),
    "infinite": lambda module: module.model.norm.weight.fill_(INF),
    "all weights": lambda module: [p.fill_(NAN) for p in module.parameters()],
}


def _broken(name: str, architecture: str = "llama"):
    module = tiny_module(architecture)
    with torch.no_grad():
        BREAKS[name](module)
    return module


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("name", BREAKS)
def test_a_model_whose_weights_are_broken_is_told_when_it_is_sampled(name, temperature) -> None:
    model = tiny_local().with_module(_broken(name))
    with pytest.raises(CheckpointError, match="logits of tiny are not numbers") as raised:
        model.generate(REQUESTS, Sampling(4, temperature, stream="s"), Ledger())
    assert "broken weights" in raised.value.found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_path_of_the_sampler_looks(architecture) -> None:
    model = tiny_local(architecture).with_module(_broken("a norm", architecture))
    with pytest.raises(CheckpointError, match="not numbers"):
        model.generate(REQUESTS, Sampling(4, 1.0, stream="s"), Ledger())
    with pytest.raises(CheckpointError, match="not numbers"):
        model.generate(REQUESTS, Sampling(4, branches=Branches(2)), Ledger())
    with pytest.raises(CheckpointError, match="not numbers"):
        model.logprob(["1 + 1 ="], [" 2"])


def test_a_sound_model_is_looked_at_once_and_a_changed_one_anew(monkeypatch) -> None:
    model, seen = tiny_local(), []
    look = torch.isfinite
    monkeypatch.setattr(
        "modicum.sampling.sound.torch.isfinite", lambda x: seen.append(x) or look(x)
    )
    for stream in ("s", "t"):
        model.generate(REQUESTS, Sampling(4, 1.0, stream=stream), Ledger())
    assert len(seen) == 1
    model.with_module(model.module).generate(REQUESTS, Sampling(4, stream="s"), Ledger())
    assert len(seen) == 2


def test_a_token_that_never_comes_is_no_fault() -> None:
    logits = torch.zeros(3, 5)
    logits[:, 2] = -INF
    Sound().look(logits)
    Sound().look(logits[:0])
    for value in (NAN, INF):
        broken = logits.clone()
        broken[1, 4] = value
        with pytest.raises(CheckpointError, match="after 1 of 3 prompts"):
            Sound("it").look(broken)
    with pytest.raises(CheckpointError, match="after 3 of 3 prompts"):
        Sound().look(torch.full((3, 5), -INF))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model's folder with one broken tensor."""
    path = tmp_path_factory.mktemp("broken") / "model"
    _broken("a norm").save_pretrained(path)
    byte_tokenizer().save_pretrained(path)
    return path


def test_the_doctor_names_the_true_cause(folder) -> None:
    plan = plan_for(str(folder), "sums", ["self_consistency"], test=8, selection=4, samples=2)
    [fault] = check_subject(plan.subjects()[0]).faults
    assert f"the logits of {folder} are not numbers" in fault.found
    assert "broken weights" in fault.found


@pytest.mark.parametrize(("options", "code"), [((), 2), (("--no-check",), 1)])
def test_a_run_ends_with_that_error_and_without_a_verdict(folder, options, code, tmp_path) -> None:
    said = modicum(
        "run", "--model", folder, "--task", "sums", "--test", 8, "--selection", 4, "--samples", 2,
        "--methods", "self_consistency", "--workers", 1, "--out", tmp_path / "s", *options,
    )  # fmt: skip
    assert said.code == code
    assert "are not numbers" in said.err
    assert "UNDECIDED" not in said.out
    assert "Traceback" not in said.err
