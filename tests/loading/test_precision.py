"""Bfloat16 products are taken where they are measured faster and as faithful as rounding allows."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from modicum.loading import checkpoint, precision
from modicum.loading.checkpoint import open_source
from modicum.loading.device import Placement
from modicum.loading.footprint import footprint_of
from modicum.loading.precision import (
    LEAST_AGREEMENT,
    LEAST_GAIN,
    MOST_DIVERGENCE,
    Precision,
    keep_precision,
    known_precision,
    measured_precision,
    precision_key,
)
from modicum.loading.telling import told
from modicum.sampling.half import is_half
from modicum.study.trial import dtype_of, open_model
from tests.support.tiny_models import byte_tokenizer, tiny_local, tiny_module

GOOD = Precision(2.2, 0.0005, 0.99, 31, 32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model on disk."""
    home = tmp_path / "model"
    tiny_module("qwen2").save_pretrained(home)
    byte_tokenizer().save_pretrained(home)
    return home


@pytest.mark.parametrize(
    ("change", "is_half"),
    [
        ({}, True),
        ({"gain": LEAST_GAIN - 0.01}, False),
        ({"divergence": MOST_DIVERGENCE * 1.01}, False),
        ({"agreement": LEAST_AGREEMENT - 0.001}, False),
        ({"is_possible": False}, False),
    ],
)
def test_each_limit_decides_alone(change, is_half) -> None:
    found = replace(GOOD, **change)
    assert found.is_half == is_half
    assert found.reason.startswith("bfloat16 on cpu" if is_half else "float32 on cpu")


def test_what_was_measured_is_kept_and_read(cache) -> None:
    assert known_precision("a") is None
    keep_precision("a", GOOD)
    assert known_precision("a") == GOOD
    (cache / "precision" / "a.json").write_text("{", encoding="utf-8")
    assert known_precision("a") is None


def test_a_model_is_known_by_its_files(folder) -> None:
    before = precision_key(str(folder))
    assert precision_key(str(folder)) == before
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert precision_key(str(folder)) != before


def test_measuring_spends_the_module_and_tells_how_far_it_is_from_single_precision() -> None:
    local = tiny_local("qwen2", scale=0.1)
    found = measured_precision(local)
    assert found.is_possible
    assert 0 < found.divergence < MOST_DIVERGENCE
    assert found.agreement > 0.9
    assert 0 < found.equal <= found.prompts == 32
    assert is_half(local.module)
    assert local.dtype == torch.bfloat16


def test_a_model_is_measured_once_and_opens_alike_afterwards(folder, monkeypatch) -> None:
    calls = []

    def measured(local: object) -> Precision:
        calls.append(local)
        return GOOD

    open_place = Placement("cpu", torch.float32, "open", is_open=True)
    exact = checkpoint.choose_place
    monkeypatch.setattr(
        checkpoint,
        "choose_place",
        lambda device, dtype, size: open_place if dtype == "auto" else exact(device, dtype, size),
    )
    monkeypatch.setattr(checkpoint, "measured_precision", measured)
    said: list[str] = []
    with told(said.append):
        first, second = (open_source(str(folder), name="m") for _ in range(2))
    assert len(calls) == 1
    assert said == ["measuring its number format (first time only)"]
    assert is_half(first.module)
    assert first.card.weights == second.card.weights
    assert any("nats a token" in note for note in first.card.notes)


def test_memory_is_forecast_in_the_format_that_will_be_taken(folder) -> None:
    def sizes(dtype: str = "auto") -> tuple[int, int]:
        found = footprint_of(str(folder), "cpu", dtype)
        assert found is not None
        return found.weight_bytes, found.cache_bytes

    single = sizes()  # nothing is known yet: the larger one is counted
    half = (single[0] // 2, single[1] // 2)
    numbers = sum(p.numel() for p in open_source(str(folder), name="m").module.parameters())
    assert single[0] == 4 * numbers
    keep_precision(precision_key(str(folder)), replace(GOOD, gain=1.0))
    assert sizes() == single
    keep_precision(precision_key(str(folder)), GOOD)
    assert sizes() == half
    assert sizes("float32") == single
    assert sizes("bfloat16") == half


def test_a_study_goes_on_in_the_format_it_began_with(folder) -> None:
    half = open_model(str(folder), "bfloat16")
    assert dtype_of(half.card) == "bfloat16"
    assert dtype_of(open_model(str(folder), "float32").card) == "float32"
    said = open_model(f"{folder}?dtype=float32", "bfloat16")
    assert dtype_of(said.card) == "float32"  # what the user says stands
    assert dtype_of(open_model("scripted:adder", "bfloat16").card) == ""


def test_the_prompts_are_as_many_as_the_docs_say() -> None:
    assert len(precision._prompts()) == 32
