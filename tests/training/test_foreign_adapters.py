"""A stranger's adapter, vector or autoencoder: numbers and sizes, and nothing that a library follows."""

import json
import pickle
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file, save_file

from modicum.errors import CheckpointError
from modicum.ledger import Ledger
from modicum.nets import saelens
from modicum.nets.saelens import read_card, read_sparse
from modicum.nudge import read_nudge
from modicum.nudge.control_vector import load_control_vector
from modicum.nudge.steering import load_steering
from modicum.seeds import stream
from modicum.training.adapters import AdapterShape, attach, load_nudge, save_nudge
from modicum.training.checkpoint import Checkpoint
from modicum.whitebox import weights_hash
from tests.support.tiny_models import tiny_local

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def model():
    return tiny_local("llama-biased")


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory) -> dict[str, Path]:
    """A folder of each kind of nudge that training writes."""
    folders = {}
    for kind in ("lora", "bias", "tinylora", "full"):
        tuned = attach(model, AdapterShape(kind, rank=2, alpha=4.0, scalars=5), stream("a"))
        with torch.no_grad():
            for name, parameter in tuned.named_parameters():
                if parameter.requires_grad:
                    parameter.add_(0.01 * len(name) % 1)
        folders[kind] = tmp_path_factory.mktemp(kind)
        save_nudge(model, tuned, folders[kind])
    return folders


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved["lora"], tmp_path / "nudge"))


@pytest.fixture
def unopened(monkeypatch) -> list[object]:
    """What PEFT was asked to load: nothing, where a configuration is refused before."""
    asked: list[object] = []
    monkeypatch.setattr(PeftModel, "from_pretrained", lambda *a, **_: asked.append(a))
    return asked


def told(folder: Path, **values: object) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("kind", ["lora", "bias", "tinylora", "full"])
def test_what_training_wrote_loads_as_it_was(kind: str, model, saved) -> None:
    before = weights_hash(model.module)
    first, second = (weights_hash(load_nudge(model, saved[kind])) for _ in range(2))
    assert first == second != before
    assert weights_hash(model.module) == before


@pytest.mark.parametrize(
    "values",
    [
        {"megatron_config": {"a": 1}, "megatron_core": "evil"},
        {"megatron_core": "os.path"},
        {"peft_type": "PROMPT_TUNING", "tokenizer_name_or_path": "evil"},
        {"peft_type": "XLORA", "adapters": {"0": "evil/adapter"}},
        {"peft_type": "MULTITASK_PROMPT_TUNING", "prompt_tuning_init_state_dict_path": "x.bin"},
        {"peft_type": "SHADOW", "shadow_model": "evil/model"},
        {"peft_type": ["LORA"]},
        {"peft_type": None},
        {"corda_config": {"cache_file": "x.pt"}},
        {"lora_ga_config": {"cache_file": "x.pt"}},
        {"eva_config": {"rho": 1}},
        {"init_lora_weights": "corda"},
        {"init_lora_weights": "pissa"},
        {"arrow_config": {"top_k": 1}},
        {"layer_replication": [[0, 1000]]},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [0]},
        {"target_parameters": ["weight"]},
        {"rank_pattern": {".*": 10**6}},
        {"target_modules": ["(a+)+$"]},
        {"target_modules": ["q_proj", 7]},
        {"target_modules": []},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"r": 10**9},
        {"r": -1},
        {"r": "2"},
        {"lora_alpha": float("inf")},
        {"lora_alpha": "4"},
        {"bias": "evil"},
        {"use_dora": True},
        {"alora_invocation_tokens": [1]},
        {"some_later_setting": {"run": "evil"}},
    ],
    ids=lambda values: "+".join(f"{k}={v}" for k, v in values.items())[:60],
)
def test_a_configuration_beyond_what_training_writes_is_refused(
    values, model, folder, unopened
) -> None:
    told(folder, **values)
    with pytest.raises(CheckpointError, match=r"adapter"):
        load_nudge(model, folder)
    assert unopened == []


def test_what_a_later_peft_adds_and_leaves_off_is_taken(model, folder) -> None:
    wanted = weights_hash(load_nudge(model, folder))
    told(folder, some_later_setting=None, another=False, third={}, peft_version="99.0")
    assert weights_hash(load_nudge(model, folder)) == wanted


def test_a_pattern_of_layers_is_never_searched_with(model, folder) -> None:
    wanted = weights_hash(load_nudge(model, folder))
    told(folder, target_modules="(a+)+$")
    assert weights_hash(load_nudge(model, folder)) == wanted


@pytest.mark.parametrize("name", ["base_model_name_or_path", "revision", "auto_mapping"])
def test_names_of_other_models_are_never_followed(name: str, model, folder, monkeypatch) -> None:
    wanted = weights_hash(load_nudge(model, folder))
    evil = (
        {"base_model_class": "system", "parent_library": "os"} if name[0] == "a" else "evil/model"
    )
    told(folder, **{name: evil})
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    assert weights_hash(load_nudge(model, folder)) == wanted


def test_pickled_weights_are_never_read(model, folder, tmp_path) -> None:
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self):
            return open, (str(canary), "w")

    (folder / WEIGHTS).unlink()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors"):
        load_nudge(model, folder)
    assert not canary.exists()


@pytest.mark.parametrize("spoil", ["shape", "less", "more rows", "cut", "deep"])
def test_weights_that_do_not_fit_are_refused(spoil: str, model, folder) -> None:
    tensors = load_file(folder / WEIGHTS)
    name = next(name for name in tensors if "lora_A" in name)
    if spoil == "less":
        tensors.pop(name)
    rows = {"shape": (2, 7), "more rows": (3, tensors.get(name, torch.zeros(1, 1)).shape[-1])}
    if spoil in rows:
        tensors[name] = torch.zeros(*rows[spoil])
    save_file(tensors, folder / WEIGHTS)
    if spoil == "cut":
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:500])
    if spoil == "deep":
        (folder / CONFIG).write_text(DEEP)
    with pytest.raises(CheckpointError):
        load_nudge(model, folder)


def test_all_weights_are_read_by_the_models_own_configuration(model, saved, tmp_path) -> None:
    folder = Path(shutil.copytree(saved["full"], tmp_path / "full"))
    wanted = weights_hash(load_nudge(model, folder))
    config = json.loads((folder / "config.json").read_text())
    evil = {"_attn_implementation": "evil/kernel", "quantization_config": {"quant_method": "gptq"},
            "hidden_size": 10**6, "transformers_weights": "other.safetensors"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps({**config, **evil}))
    assert weights_hash(load_nudge(model, folder)) == wanted
    (folder / "config.json").write_text(DEEP)
    with pytest.raises(CheckpointError):
        load_nudge(model, folder)
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["Evil"]}))
    with pytest.raises(CheckpointError, match="Evil"):
        load_nudge(model, folder)


def test_an_index_of_all_weights_names_no_pickle(model, saved, tmp_path) -> None:
    folder = Path(shutil.copytree(saved["full"], tmp_path / "full"))
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    torch.save(tensors, folder / "part.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, "part.bin")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"part\.bin"):
        load_nudge(model, folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_adapter_configuration_loads_or_is_refused(data, model, saved, tmp_path) -> None:
    kind = data.draw(st.sampled_from(["lora", "tinylora"]))
    folder = Path(shutil.copytree(saved[kind], tmp_path / kind, dirs_exist_ok=True))
    shutil.copyfile(saved[kind] / CONFIG, folder / CONFIG)
    keys = sorted(json.loads((folder / CONFIG).read_text()))
    told(folder, **data.draw(st.dictionaries(st.sampled_from(keys), JSON, max_size=3)))
    try:
        load_nudge(model, folder)
    except CheckpointError:
        return


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"layer.x": torch.zeros(3)}, {}),
        ({"layer.-1": torch.zeros(3)}, {}),
        ({"layer.99999999999": torch.zeros(3)}, {}),
        ({"layer.1.evil": torch.zeros(3)}, {}),
        ({"layer.1.mlp.evil": torch.zeros(3)}, {}),
        ({"layer": torch.zeros(3)}, {}),
        ({"other.1": torch.zeros(3)}, {}),
        ({"layer.1": torch.zeros(3, 3)}, {}),
        ({"layer.1": torch.zeros(0)}, {}),
        ({"layer.1": torch.full((3,), float("nan"))}, {}),
        ({"layer.1": torch.zeros(3)}, {"where": "evil"}),
        ({"layer.1": torch.zeros(3)}, {"offset": "x"}),
        ({"layer.1": torch.zeros(3)}, {"offset": "²"}),
        ({"layer.1": torch.zeros(3)}, {"offset": "9" * 30}),
        ({"layer.1": torch.zeros(3, dtype=torch.int64)}, {}),
    ],
)
def test_a_vector_that_is_none_is_refused(tensors, metadata, tmp_path) -> None:
    path = tmp_path / "vector.safetensors"
    save_file(tensors, path, {"where": "first", **metadata})
    with pytest.raises(CheckpointError):
        load_steering(path)


@pytest.mark.parametrize("count", [2**60, 2**31, 10**6])
@pytest.mark.parametrize("place", [8, 16])
def test_counts_of_a_control_vector_are_refused(count: int, place: int, tmp_path) -> None:
    path = tmp_path / "v.gguf"
    _control_vector(path, {"direction.1": np.ones(4, np.float32)})
    assert len(load_control_vector(path).directions) == 1
    raw = bytearray(path.read_bytes())
    raw[place : place + 8] = count.to_bytes(8, "little")
    path.write_bytes(raw)
    with pytest.raises(CheckpointError):
        load_control_vector(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 150), junk=st.binary(min_size=1, max_size=9))
def test_any_bytes_in_a_control_vector_are_read_or_refused(at: int, junk: bytes, tmp_path) -> None:
    path = tmp_path / "v.gguf"
    _control_vector(path, {"direction.1": np.ones(4, np.float32)})
    raw = path.read_bytes()
    path.write_bytes(raw[:at] + junk + raw[at + len(junk) :])
    try:
        load_control_vector(path)
    except CheckpointError:
        return


def _control_vector(path: Path, tensors: dict[str, np.ndarray]) -> None:
    path.unlink(missing_ok=True)
    writer = gguf.GGUFWriter(path, "controlvector")
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize(
    "said",
    [
        DEEP,
        '{"d_in": 1e999, "d_sae": 8}',
        '{"d_in": 4, "d_sae": -8}',
        '{"d_in": 4, "d_sae": 0}',
        '{"d_in": 4, "d_sae": 100000000000000}',
        '{"d_in": "4", "d_sae": 8, "metadata": [1]}',
        '{"d_in": 4, "d_sae": 8, "architecture": "topk", "k": 1e999}',
        '{"d_in": 4, "d_sae": 8, "architecture": ["topk"]}',
        '{"d_in": 4, "d_sae": 8, "metadata": {"hook_name": "blocks.99999999999999999999.hook_resid_post"}}',
        "[]",
    ],
)
def test_an_autoencoder_that_is_none_is_refused(said: str, tmp_path) -> None:
    (tmp_path / "cfg.json").write_text(said)
    save_file({"W_enc": torch.zeros(4, 8)}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(CheckpointError):
        read_sparse(read_card(tmp_path), 4)


def test_tensors_of_other_shapes_are_refused_unread(tmp_path, monkeypatch) -> None:
    (tmp_path / "cfg.json").write_text('{"d_in": 4, "d_sae": 8}')
    shapes = {"W_enc": (4, 8), "W_dec": (8, 4), "b_enc": (8,), "b_dec": (4,), "huge": (1 << 20,)}
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    read: list[str] = []
    monkeypatch.setattr(saelens, "_read", lambda f, name: read.append(name) or f.get_tensor(name))
    read_sparse(read_card(tmp_path), 4)
    assert set(read) == set(shapes) - {"huge"}


@pytest.mark.parametrize(
    "text", [DEEP, "", "[]", '{"style": 3}', '{"style": {"name": 1, "template": "x"}}', '{"a": 1}']
)
def test_a_saved_style_that_is_none_is_refused(text: str, tmp_path) -> None:
    (tmp_path / "solver.json").write_text(text)
    with pytest.raises(CheckpointError):
        read_nudge(tmp_path)


def test_a_checkpoint_sets_counters_and_nothing_else(tmp_path) -> None:
    class Learning:
        def __init__(self) -> None:
            self.named: dict[str, torch.nn.Parameter] = {}

        def load(self, state: object) -> None: ...

    path, ledger = tmp_path / "run.safetensors", Ledger()
    state = {
        "curves": [],
        "ledger": {"tokens_sampled": 7, "observer": "evil", "flops": "x", "__class__": 1},
    }
    save_file({"now/x": torch.zeros(1)}, path, {"state": json.dumps(state)})
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    observer = ledger.observer
    assert Checkpoint(path, Learning(), optimiser, ledger).restore() == []
    assert (ledger.tokens_sampled, ledger.observer) in ((7, observer), (0, observer))
    assert isinstance(ledger.flops, float)
