"""Device and number format are chosen once, by a rule and a short timing, and the reason is said."""

from pathlib import Path

import pytest
import torch

from modicum.errors import ConfigError
from modicum.loading import device as _device
from modicum.loading.device import check_device, choose_place, gain_of_bfloat16
from modicum.model import resolve_backend
from tests.support.tiny_models import tiny_local

SMALL, LARGE = 1e8, 7e9


@pytest.fixture
def seen(monkeypatch) -> dict[str, object]:
    """What torch is made to see: devices, and how many times faster bfloat16 is."""
    world: dict[str, object] = {"cuda": False, "mps": False, "gain": 0.2, "bf16": True}
    monkeypatch.setattr(_device, "has_bfloat16_units", lambda: world.get("units", False))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: world["cuda"])
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: world["bf16"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: world["mps"])
    monkeypatch.setattr(_device, "gain_of_bfloat16", lambda device: world["gain"])
    return world


@pytest.mark.parametrize(
    ("there", "device"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True}, "cuda")],
)
def test_auto_takes_the_best_device_there_is(seen, there, device) -> None:
    seen.update(there)
    assert choose_place("auto", "auto", SMALL).device == device


def test_cuda_runs_in_bfloat16_where_the_gpu_has_it(seen) -> None:
    seen["cuda"] = True
    assert choose_place("cuda", "auto", SMALL).dtype == torch.bfloat16
    seen["bf16"] = False
    place = choose_place("cuda", "auto", SMALL)
    assert place.dtype == torch.float32
    assert "no bfloat16" in place.reason


@pytest.mark.parametrize(
    ("size", "gain", "dtype", "word"),
    [
        (SMALL, 0.12, torch.float32, "8x slower"),
        (LARGE, 0.12, torch.float32, "8x slower"),
        (SMALL, 3.0, torch.float32, "3x faster"),
        (LARGE, 3.0, torch.float32, "3x faster"),
        (LARGE, 0.0, torch.float32, "missing"),
    ],
)
def test_the_processor_begins_in_single_precision(seen, size, gain, dtype, word) -> None:
    seen["gain"] = gain
    place = choose_place("auto", "auto", size)
    assert place.dtype == dtype
    assert place.is_open == (gain > 1.5)
    assert word in place.reason


@pytest.mark.parametrize(("size", "is_open"), [(LARGE, True), (SMALL, True), (1e6, False)])
def test_units_for_bfloat16_leave_it_to_a_measuring(seen, size, is_open) -> None:
    seen["units"] = True
    assert choose_place("cpu", "auto", size).is_open == is_open
    assert not choose_place("cpu", "float32", size).is_open


def test_what_the_user_says_stands(seen) -> None:
    assert choose_place("cpu", "bfloat16", SMALL).dtype == torch.bfloat16
    assert choose_place("cpu", "float32", LARGE).dtype == torch.float32


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_torch_does_not_see_is_refused(seen, device) -> None:
    with pytest.raises(ConfigError, match="does not see"):
        check_device(device)


def test_the_timing_is_a_positive_number_and_taken_once() -> None:
    first = gain_of_bfloat16("cpu")
    assert first >= 0
    assert gain_of_bfloat16("cpu") == first
    assert gain_of_bfloat16("nowhere") == 0


def test_the_card_says_where_it_runs_and_why(tmp_path: Path) -> None:
    tiny = tiny_local()
    tiny.module.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    model = resolve_backend(f"{tmp_path}?device=cpu").open()
    assert model.dtype == torch.float32
    assert any(note.startswith("float32 on cpu: bfloat16 measured") for note in model.card.notes)
    half = resolve_backend(f"{tmp_path}?device=cpu&dtype=bfloat16").open()
    assert half.card.notes[-1].endswith("bfloat16")


def test_an_unknown_device_is_refused_when_it_is_named() -> None:
    with pytest.raises(ConfigError, match="one of auto, cpu, cuda, mps"):
        resolve_backend("huggingface:some/model?device=tpu")


def test_the_organism_stays_in_single_precision() -> None:
    assert resolve_backend("organism").open().card.notes[-1] == "1 thread, float32"
