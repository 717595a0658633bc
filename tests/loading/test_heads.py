"""Heads of weights files: counts and lengths are believed only as far as the file reaches."""

import shutil
from pathlib import Path

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modicum.errors import CheckpointError
from modicum.files.headers import gguf_head, safetensors_head
from modicum.loading.footprint import footprint_of
from modicum.model import resolve_backend
from tests.loading.test_gguf import write_gguf
from tests.support.tiny_models import tiny_local

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    tiny = tiny_local()
    tiny.module.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    write_gguf(folder / "tiny.gguf")
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def test_a_head_of_gguf_is_what_its_own_package_reads(tmp_path) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    head, reader = gguf_head(path), gguf.GGUFReader(path)
    tensors = {t.name: t for t in reader.tensors}
    assert set(head.shapes) == set(tensors)
    for name, tensor in tensors.items():
        assert head.shapes[name] == tuple(int(size) for size in tensor.shape[::-1])
        assert head.places[name] == tensor.data_offset
        assert head.kinds[name] == tensor.tensor_type
    assert head.numbers == sum(int(t.n_elements) for t in reader.tensors)
    for name, field in reader.fields.items():
        if not name.startswith(("GGUF", "tokenizer.ggml.tokens", "tokenizer.ggml.merges")):
            assert head.values[name] == field.contents()


def test_a_head_of_safetensors_is_what_its_own_package_reads(saved) -> None:
    head, module = safetensors_head(saved / "model.safetensors"), tiny_local().module
    assert head.shapes == {name: tuple(t.shape) for name, t in module.state_dict().items()}


@pytest.mark.parametrize("count", [2**60, 2**32, 10**6])
@pytest.mark.parametrize("place", [8, 16])
def test_counts_of_a_gguf_file_are_refused(count: int, place: int, tmp_path) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    raw = bytearray(path.read_bytes())
    raw[place : place + 8] = count.to_bytes(8, "little")
    path.write_bytes(raw)
    footprint_of(str(path), "cpu")
    with pytest.raises(CheckpointError):
        resolve_backend(str(path)).open()


@pytest.mark.parametrize("number", [10**6, 2**31])
def test_layers_of_a_gguf_file_are_refused(number: int, tmp_path) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    raw = path.read_bytes()
    at = raw.index(b"block_count") + len(b"block_count") + 4
    path.write_bytes(raw[:at] + number.to_bytes(4, "little") + raw[at + 4 :])
    with pytest.raises(CheckpointError):
        resolve_backend(str(path)).open()


def _heads() -> list[bytes]:
    def head(text: str, length: int | None = None) -> bytes:
        raw = text.encode()
        return (len(raw) if length is None else length).to_bytes(8, "little") + raw

    tensor = '{{"dtype": "F32", "shape": {}, "data_offsets": [0, 4]}}'
    return [
        head("{}", 2**63), head("{}", 2**40), head(DEEP), head("[]"), head("null"), b"", b"\1",
        head('{"a": ' + tensor.format("[1180591620717411303424]") + "}"),
        head('{"a": ' + tensor.format("[-1]") + "}"), head('{"a": ' + tensor.format('"x"') + "}"),
        head('{"a": 7}'),
    ]  # fmt: skip


@pytest.mark.parametrize("raw", _heads(), ids=lambda raw: str(raw[:30]))
def test_heads_of_weights_that_cannot_be_are_refused(raw: bytes, folder) -> None:
    (folder / "model.safetensors").write_bytes(raw)
    footprint_of(str(folder), "cpu")
    with pytest.raises(CheckpointError):
        resolve_backend(str(folder)).open()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 400), junk=st.binary(min_size=1, max_size=9))
def test_any_bytes_in_a_head_are_read_or_refused(at: int, junk: bytes, saved, tmp_path) -> None:
    for read, name in ((gguf_head, "tiny.gguf"), (safetensors_head, "model.safetensors")):
        raw = (saved / name).read_bytes()
        spoilt = tmp_path / "spoilt"
        spoilt.write_bytes(raw[:at] + junk + raw[at + len(junk) :])
        try:
            assert read(spoilt).numbers >= 0
        except ValueError:
            continue
