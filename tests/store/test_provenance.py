"""Other weights under a model's name are noticed, and said before a study goes on."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from modicum.organism.shipped import CORE
from modicum.outcome import Outcome
from modicum.store import provenance
from modicum.store.provenance import changed_weights, weights_source
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
