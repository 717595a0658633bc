"""Folders in SAELens' form: every architecture by its own formula; what does not fit is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modicum.errors import CheckpointError
from modicum.method import METHODS
from modicum.nets.saelens import digest_of, read_card, read_sparse, save_sparse
from modicum.nets.sparse import Sparse
from modicum.seeds import stream

HIDDEN, FEATURES = 4, 6
CONFIG = {
    "architecture": "jumprelu",
    "d_in": HIDDEN,
    "d_sae": FEATURES,
    "dtype": "float32",
    "device": "cpu",
    "apply_b_dec_to_input": True,
    "normalize_activations": "none",
    "reshape_activations": "none",
    "metadata": {
        "sae_lens_version": "6.21.0",
        "hook_name": "blocks.5.hook_resid_post",
        "model_name": "some/model",
        "hook_head_index": None,
    },
}


def _drawn(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(stream("saelens", name).normal(0, 1, shape)).to(torch.float32)


WEIGHTS = {
    "W_enc": _drawn("W_enc", HIDDEN, FEATURES),
    "b_enc": _drawn("b_enc", FEATURES) * 0.1,
    "W_dec": _drawn("W_dec", FEATURES, HIDDEN),
    "b_dec": _drawn("b_dec", HIDDEN) * 0.1,
}
ROWS = _drawn("rows", 5, HIDDEN)
PLAIN = ROWS @ WEIGHTS["W_enc"] + WEIGHTS["b_enc"]
CENTRED = (ROWS - WEIGHTS["b_dec"]) @ WEIGHTS["W_enc"] + WEIGHTS["b_enc"]


def written(tmp_path, weights=(), drop=(), **config):
    """Write a folder as SAELens would, with other tensors and entries than the common ones."""
    held = {**WEIGHTS, **dict(weights)}
    save_file(
        {n: t for n, t in held.items() if n not in drop}, tmp_path / "sae_weights.safetensors"
    )
    (tmp_path / "cfg.json").write_text(json.dumps({**CONFIG, **config}))
    return tmp_path


def read(folder) -> Sparse:
    return read_sparse(read_card(folder), HIDDEN)


def test_jumprelu_is_silent_up_to_its_threshold(tmp_path) -> None:
    threshold = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    net = read(written(tmp_path, {"threshold": threshold}))
    assert torch.allclose(net.encode(ROWS), torch.relu(CENTRED) * (threshold < CENTRED))
    rebuilt = net.encode(ROWS) @ WEIGHTS["W_dec"] + WEIGHTS["b_dec"]
    assert torch.allclose(net.decode(net.encode(ROWS)), rebuilt)


def test_a_logarithm_of_the_threshold_is_read_as_one(tmp_path) -> None:
    net = read(written(tmp_path, {"log_threshold": torch.full((FEATURES,), -1.0)}))
    assert torch.allclose(net.threshold, torch.full((FEATURES,), float(np.exp(-1))))


def test_standard_is_a_relu_and_its_input_may_stay_uncentred(tmp_path) -> None:
    net = read(written(tmp_path, architecture="standard", apply_b_dec_to_input=False))
    assert torch.allclose(net.encode(ROWS), torch.relu(PLAIN))


def test_topk_keeps_the_largest_of_each_row(tmp_path) -> None:
    net = read(written(tmp_path, architecture="topk", k=2))
    border = CENTRED.sort(dim=-1, descending=True).values[:, 1:2]
    expected = torch.relu(torch.where(border <= CENTRED, CENTRED, torch.zeros(())))
    assert torch.allclose(net.encode(ROWS), expected)


def test_topk_by_what_is_written_compares_lengths_of_directions(tmp_path) -> None:
    folder = written(tmp_path, architecture="topk", k=2, rescale_acts_by_decoder_norm=True)
    net, norms = read(folder), WEIGHTS["W_dec"].norm(dim=-1)
    longer = CENTRED * norms
    border = longer.sort(dim=-1, descending=True).values[:, 1:2]
    expected = torch.relu(torch.where(longer >= border, longer, torch.zeros(())))
    assert torch.allclose(net.encode(ROWS), expected, atol=1e-5)
    rebuilt = (expected / norms) @ WEIGHTS["W_dec"] + WEIGHTS["b_dec"]
    assert torch.allclose(net.decode(net.encode(ROWS)), rebuilt, atol=1e-5)


def test_gated_opens_by_one_bias_and_fires_by_another(tmp_path) -> None:
    own = {n: _drawn(n, FEATURES) * 0.3 for n in ("b_gate", "r_mag", "b_mag")}
    net = read(written(tmp_path, own, drop=("b_enc",), architecture="gated"))
    inner = (ROWS - WEIGHTS["b_dec"]) @ WEIGHTS["W_enc"]
    size = torch.relu(inner * own["r_mag"].exp() + own["b_mag"])
    assert torch.allclose(net.encode(ROWS), size * (inner + own["b_gate"] > 0), atol=1e-6)


def test_inputs_are_scaled_as_the_file_says(tmp_path) -> None:
    folder = written(tmp_path, architecture="standard", normalize_activations="layer_norm")
    centred = ROWS - ROWS.mean(-1, keepdim=True)
    inner = centred / (centred.std(-1, keepdim=True) + 1e-5) - WEIGHTS["b_dec"]
    expected = torch.relu(inner @ WEIGHTS["W_enc"] + WEIGHTS["b_enc"])
    assert torch.allclose(read(folder).encode(ROWS), expected, atol=1e-6)


def test_files_of_before_version_6_say_it_at_the_top(tmp_path) -> None:
    old = {
        "architecture": "standard",
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": 3},
        "hook_point": "blocks.7.hook_resid_pre",
        "metadata": None,
        "normalize_activations": False,
    }
    card = read_card(written(tmp_path, **old))
    assert (card.architecture, card.k, card.layer, card.scaling) == ("topk", 3, 6, "none")


@pytest.mark.parametrize(
    ("hook", "layer"),
    [("blocks.0.hook_resid_post", 0), ("model.layers.11", 11), ("transformer.h.3", 3)],
)
def test_a_hook_in_the_residual_stream_names_its_layer(tmp_path, hook, layer) -> None:
    assert read_card(written(tmp_path, metadata={"hook_name": hook})).layer == layer


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architecture": "matching_pursuit"}, "architecture matching_pursuit"),
        ({"architecture": "standard", "activation_fn": "tanh-relu"}, "standard with tanh-relu"),
        ({"metadata": {"hook_name": "blocks.5.attn.hook_z"}}, "at 'blocks.5.attn.hook_z'"),
        ({"metadata": {"hook_name": "blocks.0.hook_resid_pre"}}, "at 'blocks.0.hook_resid_pre'"),
        ({"hook_name_out": "blocks.5.hook_mlp_out"}, "a transcoder"),
        ({"normalize_activations": "expected_average_only_in"}, "expected_average_only_in"),
        ({"reshape_activations": "hook_z"}, "hook_z"),
        ({"d_in": None}, "d_in = None"),
        ({"architecture": "topk", "k": 0}, "k = 0"),
    ],
)
def test_what_cannot_be_used_is_refused_before_weights_are_read(tmp_path, config, said) -> None:
    folder = written(tmp_path, **config)
    (folder / "sae_weights.safetensors").write_bytes(b"not read")
    with pytest.raises(CheckpointError, match=said):
        read_card(folder)


def test_another_width_is_refused_before_weights_are_read(tmp_path) -> None:
    card = read_card(written(tmp_path))
    (tmp_path / "sae_weights.safetensors").write_bytes(b"not read")
    with pytest.raises(CheckpointError, match="takes activations of width 4"):
        read_sparse(card, 96)


def test_tensors_that_are_missing_or_misshapen_are_named(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="no threshold"):
        read(written(tmp_path))
    with pytest.raises(CheckpointError, match=r"shape \(3,\) of b_dec"):
        read(written(tmp_path, {"b_dec": torch.zeros(3)}, architecture="standard"))
    (tmp_path / "sae_weights.safetensors").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="safetensors"):
        read(tmp_path)


def test_a_pickle_alone_is_no_folder(tmp_path) -> None:
    (tmp_path / "cfg.json").write_text(json.dumps(CONFIG))
    (tmp_path / "sae_weights.pt").write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match=r"no sae_weights\.safetensors"):
        read_card(tmp_path)


def test_a_method_with_a_folder_that_is_not_there_is_refused_by_its_check(tmp_path) -> None:
    method = METHODS.build("sparse_feature", {"sae": str(tmp_path / "nothing")})
    with pytest.raises(CheckpointError, match=r"no cfg\.json"):
        method.check()


def test_what_we_write_is_read_back_equal(tmp_path) -> None:
    net = Sparse(
        WEIGHTS["W_enc"],
        WEIGHTS["b_enc"],
        WEIGHTS["W_dec"],
        WEIGHTS["b_dec"],
        torch.full((FEATURES,), 0.3),
    )
    card = save_sparse(net, tmp_path / "new", layer=2, model="some/model")
    assert (card.layer, card.architecture, card.model) == (2, "jumprelu", "some/model")
    again = read_sparse(card, HIDDEN)
    assert digest_of(again) == digest_of(net)
    assert torch.equal(again.encode(ROWS), net.encode(ROWS))
