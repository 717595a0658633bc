"""Other weights under a model's name are noticed, and said before a study goes on."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from modicum.model import resolve_backend
from modicum.organism.shipped import CORE
from modicum.outcome import Outcome
from modicum.running.planning import plan_for
from modicum.running.runner import _frozen_way
from modicum.store import provenance
from modicum.store.database import Store
from modicum.store.provenance import (
    changed_weights,
    has_same_weights,
    mixed_weights,
    weights_source,
)
from modicum.study.trial import AS_PLANNED, open_model
from modicum.types import Trial
from tests.support.commands import modicum

SMALL = (
    "--task", "sums", "--test", 16, "--selection", 4, "--samples", 4,
    "--methods", "plain", "--no-check", "--no-reuse", "--retain", "none",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A local model."""
    return Path(shutil.copytree(CORE, tmp_path / "model"))


def _change(folder: Path) -> None:
    """Put other weights in their place, as another training would."""
    file = next(folder.glob("*.safetensors"))
    save_file({k: v * 1.01 for k, v in load_file(file).items()}, file, {"format": "pt"})


def test_only_models_of_local_files_have_a_hash(folder) -> None:
    assert weights_source(str(folder)).keys() == {"weights"}
    assert weights_source(f"{folder}?threads=1") == weights_source(str(folder))
    for other in ("organism", "scripted:latent", "hub/model", "openai:m?base_url=http://x", "a?b"):
        assert weights_source(other) == {}


def test_trials_of_other_weights_are_counted(folder) -> None:
    trial = Trial(str(folder), "sums", "plain", 0, 0)
    ran = [Outcome(trial, sources=weights_source(str(folder))), Outcome(trial)]
    assert changed_weights(ran) == ()
    _change(folder)
    (said,) = changed_weights(ran)
    assert "have changed since 1 trial ran" in said
    shutil.rmtree(folder)
    assert changed_weights(ran) == ()


def test_a_run_that_goes_on_says_that_its_model_has_other_weights(tmp_path, monkeypatch) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"some")
    # a scripted model in the place of a local one, which would have to be loaded
    monkeypatch.setattr(provenance, "plugin_of", lambda _: ("huggingface", {"name": str(file)}))
    run = ("run", "--model", "scripted:latent", *SMALL, "--out", tmp_path / "study")
    assert modicum(*run).code == 0
    assert "have changed" not in modicum(*run).err
    file.write_bytes(b"more")
    assert "the weights in 'scripted:latent' have changed since" in modicum(*run).err


def test_a_model_whose_files_have_changed_is_loaded_anew(folder) -> None:
    first = open_model(str(folder))
    assert open_model(str(folder)) is first
    _change(folder)
    assert open_model(str(folder)).card.weights != first.card.weights


@pytest.mark.slow
def test_a_study_on_two_weights_draws_anew_and_its_verdict_says_so(folder, tmp_path) -> None:
    """What is drawn, tuned or measured of weights that are gone is taken for no other."""
    out = tmp_path / "study"
    run = ("run", "--model", folder, *SMALL, "--task", "word_sums", "--test", 4, "--out", out)
    assert modicum(*run).code == 0
    before = resolve_backend(str(folder)).open().card
    sizes = {"test": 4, "selection": 4, "samples": 4, "retain": ("none",)}
    plan, store = plan_for(str(folder), "word_sums", ["plain"], **sizes), Store(out)
    assert _frozen_way(plan, store, str(folder)).dtype == "float32"
    _change(folder)
    assert _frozen_way(plan, store, str(folder)) == AS_PLANNED
    store.close()
    now = resolve_backend(str(folder)).open().card
    assert before.weights != now.weights
    said = modicum(*run, "--methods", "cot_decoding", "--set", "cot_decoding.k=2", "-v")
    assert said.code == 0
    assert "the weights in" in said.err
    assert "different weights under that name" in " ".join(said.out.split())
    store = Store(out)
    heads = list(store.heads().values())
    store.close()
    weights = {head.trial.method: head.card.weights for head in heads if head.card is not None}
    assert (weights["plain"], weights["cot_decoding"]) == (before.weights, now.weights)


def test_weights_that_are_not_known_are_taken_for_the_same(folder) -> None:
    trial = Trial(str(folder), "sums", "plain", 0, 0)
    assert has_same_weights(Outcome(trial))
    assert has_same_weights(Outcome(trial, sources=weights_source(str(folder))))
    assert not has_same_weights(Outcome(trial, sources={"weights": "0" * 16}))
    shutil.rmtree(folder)
    assert has_same_weights(Outcome(trial, sources={"weights": "0" * 16}))


def test_trials_of_one_model_on_the_same_weights_are_not_mixed(folder) -> None:
    first, second, third = (Trial(str(folder), "sums", "plain", n, 0) for n in range(3))
    alike = [Outcome(first, sources={"weights": "a"}), Outcome(second, sources={"weights": "a"})]
    assert mixed_weights([*alike, *alike, Outcome(third)]) == ()
    (said,) = mixed_weights([*alike, Outcome(third, sources={"weights": "b"})])
    assert "2 different weights under that name (2 and 1 trials)" in said
