"""Architectures of every kind run on all rungs: ten in the default suite, all of them when slow."""

import time
from pathlib import Path

import pytest
from benchmarks.architectures import table

from modicum.nudge.sites import blocks, site_module
from modicum.sampling.fit import row_windows, runs_alone
from modicum.sampling.llama_steps import LeanLlama
from tests.support.architectures import model_types, shrunk, tiny_module_of
from tests.support.families import COLUMNS
from tests.support.tiny_models import ARCHITECTURES, tiny_module
from tests.support.walk import walk

TEN = (
    "bloom", "falcon_h1", "gemma4_text", "gpt_oss", "lfm2", "llama4_text", "mamba2", "opt",
    "qwen3_5_text", "qwen3_moe",
)  # fmt: skip
"""Position biases, hybrids, heads of two widths, fused experts, convolutions, chunks, recurrences."""
OWN = {"bloom", "falcon_h1", "lfm2", "llama4_text", "mamba2", "qwen3_5_text"}
"""Those whose rows share no cache."""
SHAPED = ("qwen3_5_text", "lfm2", "mamba2", "gemma4_text", "llama4_text", "falcon_h1")
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("kind", TEN)
def test_an_architecture_draws_scores_and_is_steered_as_its_plain_passes(kind: str) -> None:
    family = walk(kind, QUICK[kind])
    assert set(family.columns.values()) == {"ok"}, family.notes
    assert any("slower" in note for note in family.notes) == (kind in OWN)


QUICK = dict.fromkeys(TEN, ("greedy", "logprob")) | {
    "qwen3_moe": ("reward",),
    "mamba2": ("imitation",),
    "qwen3_5_text": ("vector",),
    "gpt_oss": ("imitation",),
    "bloom": ("greedy", "sampling"),
    "opt": ("branching", "vector"),
}
"""Columns that are tried by default; the slow test tries all."""


def test_plain_families_keep_the_fast_path() -> None:
    modules = {name: tiny_module(name) for name in ARCHITECTURES}
    assert all(row_windows(module) is not None for module in modules.values())
    lean = {name for name, module in modules.items() if LeanLlama.fits(module)}
    assert lean == set(ARCHITECTURES)


def test_what_shares_no_cache_is_found_by_trying_and_not_by_name() -> None:
    found = {kind: row_windows(tiny_module_of(kind)) is None for kind in ("bloom", "opt", "mamba2")}
    assert found == {"bloom": True, "opt": False, "mamba2": True}


def test_what_is_right_one_row_at_a_time_stays_so_when_its_configuration_changes() -> None:
    module = tiny_module_of("rwkv")
    assert row_windows(module) is None
    assert runs_alone(module)
    module.config.architectures = ["Saved"]
    assert runs_alone(module)
    assert not runs_alone(tiny_module_of("mamba2"))


@pytest.mark.parametrize(
    ("kind", "attention", "mlp"),
    [
        ("gpt_neox", "GPTNeoXAttention", "GPTNeoXMLP"),
        ("phi3", "Phi3Attention", "Phi3MLP"),
        ("mpt", "MptAttention", "MptMLP"),
        ("opt", "OPTAttention", "Linear"),
        ("qwen3_moe", "Qwen3MoeAttention", "Qwen3MoeSparseMoeBlock"),
    ],
)
def test_sites_are_found_whatever_a_layer_calls_its_parts(kind, attention, mlp) -> None:
    layer = blocks(tiny_module_of(kind))[-1]
    assert type(site_module(layer, "attention")).__name__ == attention
    assert type(site_module(layer, "mlp")).__name__ == mlp


def test_shrunk_configurations_keep_every_kind_of_layer() -> None:
    assert {"full_attention", "linear_attention"} <= set(shrunk("qwen3_5_text").layer_types)
    assert {"full_attention", "conv"} <= set(shrunk("lfm2").layer_types)
    weights = sum(p.numel() for p in tiny_module_of("llama").parameters())
    assert weights < 500_000


@pytest.mark.slow
def test_every_causal_architecture_runs_on_all_rungs_or_is_refused_in_words() -> None:
    began = time.process_time()
    families = [walk(kind) for kind in model_types()]
    (ROOT / "docs/results/architectures.txt").write_text(
        table(families, time.process_time() - began) + "\n", encoding="utf-8"
    )
    good = [f for f in families if not f.n_faults and f.n_open <= 1]
    assert set(SHAPED) <= {f.kind for f in good}
    assert len(good) >= 60
    assert {f.kind: f.notes for f in families if f.n_faults} == {}
    assert all(set(f.columns) == set(COLUMNS) for f in families)
