"""Single-precision weights are rounded as they are read: the bits of transformers' own loading."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from modicum.loading import rounded
from modicum.loading.rounded import load_rounded
from tests.support.tiny_models import tiny_module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("whole")
    module = tiny_module("qwen2")
    module.generation_config = GenerationConfig(eos_token_id=[3, 5])
    module.save_pretrained(place)
    return place


def same(folder: Path) -> bool:
    found = load_rounded(folder, AutoConfig.from_pretrained(folder))
    assert found is not None
    module, said = found
    assert not said["missing_keys"]
    assert not said["unexpected_keys"]
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    ours, expected = module.state_dict(), theirs.state_dict()
    assert module.generation_config.eos_token_id == theirs.generation_config.eos_token_id == [3, 5]
    assert module.name_or_path == theirs.name_or_path
    return ours.keys() == expected.keys() and all(torch.equal(ours[k], expected[k]) for k in ours)


def test_rounding_while_reading_gives_the_bits_of_rounding_afterwards(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert same(folder)
    monkeypatch.setattr(rounded, "_AT_ONCE", 100)  # a few rows of a matrix at once
    assert same(folder)


def test_a_folder_of_several_files_is_read_whole(folder: Path, tmp_path: Path) -> None:
    module = AutoModelForCausalLM.from_pretrained(folder)
    module.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert same(tmp_path)


def test_what_is_not_single_precision_is_left_to_transformers(folder: Path, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(tmp_path)
    assert load_rounded(tmp_path, AutoConfig.from_pretrained(tmp_path)) is None
    assert load_rounded(tmp_path / "nowhere", AutoConfig.from_pretrained(folder)) is None
