"""Local files are taken into the cache by hash, and names of pulled models hold points."""

import hashlib
from pathlib import Path

import pytest

from modicum.errors import CheckpointError, ConfigError
from modicum.loading.checkpoint_cache import added_names
from modicum.model import MODELS, resolve_backend
from modicum.models.added import Added, hashes_of
from tests.support.tiny_models import tiny_local


def saved(folder: Path, *, name: str = "qwen2", tokenizer: object = None) -> Path:
    tiny = tiny_local(name)
    tiny.module.save_pretrained(folder)
    (tokenizer or tiny.tokenizer).save_pretrained(folder)
    return folder


def test_a_local_folder_is_added_by_hash_under_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path / "cache"))
    folder = saved(tmp_path / "My Model")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    with pytest.raises(CheckpointError, match="SHA-256"):
        hashes_of(folder, ["0" * 64])
    hashes = hashes_of(folder, [digest.upper()])
    assert Added(name="mine").take(folder, hashes, print) == "added:mine"
    opened = resolve_backend("added:mine", {"threads": 1}).open()
    assert opened.card.weights == tiny_local("qwen2").card.weights
    assert any(digest in note for note in opened.card.notes)
    assert added_names() == ["mine"]
    with pytest.raises(CheckpointError, match="another model is called"):
        Added(name="mine").take(folder, {"model.safetensors": "0"}, print)
    with pytest.raises(ConfigError, match="small letters"):
        Added(name="../mine").take(folder, hashes, print)
    with pytest.raises(CheckpointError, match="one of added:mine"):
        resolve_backend("added:other")


def test_what_is_added_is_never_a_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path / "cache"))
    folder = saved(tmp_path / "model")
    (folder / "extra.bin").write_bytes(b"pickle")
    (folder / "modeling_x.py").write_text("1", encoding="utf-8")
    Added(name="m").take(folder, hashes_of(folder, ()), print)
    kept = {path.name for path in (tmp_path / "cache" / "added" / "m").iterdir()}
    assert not kept & {"extra.bin", "modeling_x.py"}
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="pickled weights"):
        hashes_of(folder, ())


def test_names_of_pulled_models_may_hold_points() -> None:
    for name in ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"):
        parcel = MODELS.load(name).parcel
        assert parcel.name == name
        assert len(parcel.packages) == len(parcel.members)
        assert "third party" in " ".join(parcel.terms)
