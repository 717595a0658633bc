"""A fingerprint of weights tells other numbers apart, and nothing else."""

import os

import numpy as np
import pytest

from modicum.files.fingerprint import fingerprint
from modicum.seeds import stream


def _bytes(n: int, name: str = "") -> bytes:
    return stream("fingerprint", name).bytes(n)


@pytest.mark.parametrize("size", [0, 10, 5000, 3_000_000])
def test_other_numbers_of_the_same_size_are_told_apart(size, tmp_path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(_bytes(size))
    before = fingerprint(tmp_path)
    file.write_bytes(_bytes(size, "other"))
    assert (fingerprint(tmp_path) == before) == (size == 0)
    file.write_bytes(_bytes(size) + b"\0")
    assert fingerprint(tmp_path) != before


def test_the_end_of_a_large_file_counts(tmp_path) -> None:
    content = np.zeros(3_000_000, np.uint8)
    file = tmp_path / "model.gguf"
    file.write_bytes(content.tobytes())
    before = fingerprint(file)
    content[-1] = 1
    file.write_bytes(content.tobytes())
    assert fingerprint(file) != before


def test_times_and_other_files_count_for_nothing(tmp_path) -> None:
    (tmp_path / "model.safetensors").write_bytes(_bytes(100))
    before = fingerprint(tmp_path)
    os.utime(tmp_path / "model.safetensors", (1, 1))
    (tmp_path / "README.md").write_text("a text", encoding="utf-8")
    assert fingerprint(tmp_path) == before != ""


def test_what_holds_no_weights_has_no_fingerprint(tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    for place in (tmp_path, tmp_path / "missing", tmp_path / "config.json"):
        assert fingerprint(place) == ""
