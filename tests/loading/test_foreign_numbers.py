"""Numbers and tables in a model's files that a library would die of, before any size is checked."""

import json
from pathlib import Path

import pytest

from modicum.errors import CheckpointError
from modicum.model import resolve_backend
from tests.support.tiny_models import tiny_local


@pytest.mark.parametrize("size", ["1e999", '"many"', "[]", "null", "-1"])
@pytest.mark.parametrize("words", ["{}", '{"model": {"vocab": {"a": "x", "b": 7}}}'])
def test_sizes_and_tokens_of_another_kind_end_in_words(
    size: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(f'{{"model_type": "llama", "vocab_size": {size}}}')
    (tmp_path / "tokenizer.json").write_text(words)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError):
        resolve_backend(str(tmp_path)).open()


@pytest.mark.parametrize(
    ("name", "entries", "word"),
    [
        ("config.json", {"num_labels": 10**12}, "num_labels"),
        ("config.json", {"text_config": {"num_labels": 2**31}}, "num_labels"),
        (
            "tokenizer.json",
            {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}},
            "precompiled_charsmap",
        ),
        (
            "tokenizer.json",
            {"normalizer": {"normalizers": [{"precompiled_charsmap": "?"}]}},
            "precompiled_charsmap",
        ),
    ],
)
def test_what_a_library_would_die_of_is_refused(
    name: str, entries: dict[str, object], word: str, tmp_path: Path
) -> None:
    tiny = tiny_local()
    tiny.module.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    path = tmp_path / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    with pytest.raises(CheckpointError, match=word):
        resolve_backend(str(tmp_path)).open()
