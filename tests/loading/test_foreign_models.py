"""A stranger's model: its files are data, and what they ask of a library beyond weights is refused."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from modicum.errors import CheckpointError, ConfigError
from modicum.exports.baked import _has_slot
from modicum.loading.footprint import footprint_of
from modicum.model import resolve_backend
from modicum.task import resolve_task
from tests.loading.test_gguf import write_gguf
from tests.support.tiny_models import tiny_local

DEEP = "[" * 100_000 + "]" * 100_000
HUB = ("evil/kernel", "evil/kernel@v1:attend", "kernels-community/flash-attn2", "paged|evil/kernel")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    tiny = tiny_local()
    tiny.module.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def unread(monkeypatch) -> list[str]:
    """Models whose weights were read: none, where a file is refused before."""
    asked: list[str] = []

    def read(where: str, **_: object) -> None:
        asked.append(where)
        raise ValueError("read")

    monkeypatch.setattr("modicum.loading.checkpoint.AutoModelForCausalLM.from_pretrained", read)
    return asked


def told(folder: Path, name: str, **values: object) -> Path:
    """Write values into one of the folder's tables."""
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


def canary(folder: Path, name: str = "evil.py") -> Path:
    """Lay a file of code that leaves a canary when it runs; gives the canary's path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"open({str(folder.parent / 'canary')!r}, 'w').close()\n")
    return folder.parent / "canary"


@pytest.mark.parametrize("value", [*HUB, {"": "evil/kernel"}, {"text_config": "evil/kernel"}])
@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_kernel_of_the_hub_is_refused(key: str, value: object, folder, unread) -> None:
    told(folder, "config.json", **{key: value})
    with pytest.raises(CheckpointError, match=key.removeprefix("_")):
        resolve_backend(str(folder)).open()
    told(folder, "config.json", **{key: None}, nested={"text_config": {key: value}})
    with pytest.raises(CheckpointError, match=key.removeprefix("_")):
        resolve_backend(str(folder)).open()
    assert unread == []


@pytest.mark.parametrize(
    "values",
    [
        {"_experts_implementation": "evil/kernel"},
        {"experts_implementation": "deepgemm"},
        {"quantization_config": {"quant_method": "compressed-tensors", "format": "evil.py:C"}},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"quantization_config": {"quant_method": "fp8"}},
        {"quantization_config": "evil"},
        {"text_config": {"quantization_config": {"quant_method": "mxfp4"}}},
        {"compression_config": {"format": "evil.py:C"}},
        {"transformers_weights": "other.safetensors"},
        {"fusion_config": {"patch_embeddings": True}},
        {"kernel_config": {"RMSNorm": "evil/kernel"}},
        {"use_kernels": True},
        {"configuration_files": ["config.9.0.0.json"]},
    ],
    ids=lambda values: "+".join(map(str, values.values()))[:40],
)
def test_what_would_start_another_loader_is_refused(values, folder, unread) -> None:
    told(folder, "config.json", **values)
    with pytest.raises(CheckpointError, match="trust_remote_code"):
        resolve_backend(str(folder)).open()
    assert unread == []


def test_what_the_user_trusts_is_left_to_the_library(folder) -> None:
    told(folder, "config.json", quantization_config={"quant_method": "fp8"})
    resolve_backend(f"{folder}?trust_remote_code=true").open()


@pytest.mark.parametrize("value", ["flash_attention_2", "flex_attention", "eager", "sdpa", 7, None])
def test_attention_is_ours_to_choose_where_it_is_no_plain_one(value, folder) -> None:
    told(folder, "config.json", _attn_implementation=value)
    module = resolve_backend(str(folder)).open().module
    wanted = value if value in ("eager", "sdpa") else "sdpa"
    assert module.config._attn_implementation == wanted


def test_code_beside_the_weights_never_runs(folder, monkeypatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    ran = canary(folder)
    canary(folder, "custom_generate/generate.py")
    canary(folder, "__init__.py")
    mapped = {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}
    told(folder, "config.json", auto_map=mapped)
    told(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", "evil.T"]})
    resolve_backend(str(folder)).open()  # a type that transformers knows: its own code
    told(folder, "config.json", model_type="evil")
    with pytest.raises(CheckpointError, match="custom code"):
        resolve_backend(str(folder)).open()
    assert not _has_slot(str(folder))
    assert not ran.exists()


def test_code_runs_where_the_user_says_so(folder, monkeypatch, tmp_path) -> None:
    modules = "transformers.dynamic_module_utils.HF_MODULES_CACHE"
    monkeypatch.setattr(modules, str(tmp_path / "modules"))
    ran = canary(folder)
    told(folder, "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C"})
    with pytest.raises(CheckpointError):
        resolve_backend(f"{folder}?trust_remote_code=true").open()
    assert ran.exists()


@pytest.mark.parametrize(
    "name",
    ["AutoModelForCausalLM", "GenerationConfig", "RagTokenizer", "pipeline", "AutoTokenizer"],
)
def test_a_tokenizer_is_nothing_but_a_tokenizer(name: str, folder) -> None:
    told(folder, "tokenizer_config.json", tokenizer_class=name)
    with pytest.raises(CheckpointError, match="no tokenizer"):
        resolve_backend(str(folder)).open()
    told(folder, "tokenizer_config.json", tokenizer_class=None)
    told(folder, "config.json", tokenizer_class=name)
    with pytest.raises(CheckpointError, match="no tokenizer"):
        resolve_backend(str(folder)).open()


@pytest.mark.parametrize("name", ["PreTrainedTokenizerFast", "QWenTokenizer", "LlamaTokenizerFast"])
def test_names_of_tokenizers_known_or_not_are_taken(name: str, folder) -> None:
    told(folder, "tokenizer_config.json", tokenizer_class=name)
    resolve_backend(str(folder)).open()


def _sharded(folder: Path, to: str) -> None:
    """Split the weights by an index that names a file."""
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    weights.rename(folder / "part.safetensors")
    torch.save(tensors, folder / "part.bin")
    shutil.copyfile(folder / "part.safetensors", folder.parent / "outside.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, to)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("to", ["part.bin", "../outside.safetensors", "OUTSIDE", "gone.safetensors",
                                "part.safetensors/../../outside.safetensors", 7, None, ""])  # fmt: skip
def test_an_index_names_safetensors_within_the_folder_alone(to, folder, unread) -> None:
    _sharded(folder, str(folder.parent / "outside.safetensors") if to == "OUTSIDE" else to)
    with pytest.raises(CheckpointError, match=r"index\.json"):
        resolve_backend(str(folder)).open()
    assert unread == []


def test_an_index_of_the_folders_own_parts_opens(folder, saved) -> None:
    _sharded(folder, "part.safetensors")
    wanted = resolve_backend(str(saved)).open().card.weights
    assert resolve_backend(str(folder)).open().card.weights == wanted


def test_a_links_name_decides_not_where_it_leads(folder, saved) -> None:
    """The hub's own cache is made of links: they are followed, to plain files."""
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(saved / "model.safetensors")
    resolve_backend(str(folder)).open()
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/etc/passwd")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        resolve_backend(str(folder))


@pytest.mark.parametrize("place", ["folder", "file"])
def test_an_adapter_beside_a_gguf_file_names_no_other_model(place: str, tmp_path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    config = {"peft_type": "LORA", "base_model_name_or_path": "evil/model"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="adapter"):
        resolve_backend(str(tmp_path / "tiny.gguf" if place == "file" else tmp_path)).open()


TABLES = ("config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json")


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "text", [DEEP, '{"a": ' + DEEP + "}", "\0", "", "[]", "7", '"x"', "{", "\ud800"]
)
def test_json_that_breaks_readers_is_a_broken_checkpoint(name: str, text: str, folder) -> None:
    (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    footprint_of(str(folder), "cpu")
    with pytest.raises(CheckpointError):
        resolve_backend(str(folder)).open()


@pytest.mark.parametrize(
    "values",
    [
        {"dtype": "load"},
        {"dtype": "nonsense"},
        {"model_type": ["llama"]},
        {"vocab_size": -8},
        {"num_hidden_layers": -8},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": 10**6},
        {"num_hidden_layers": 10**14},
        {"hidden_size": 10**6},
        {"hidden_size": 0},
        {"num_key_value_heads": 10**6},
        {"head_dim": 10**6},
        {"intermediate_size": 10**6},
        {"vocab_size": 10**14},
        {"max_position_embeddings": -8},
        {"hidden_size": 1e999},
        {"rope_parameters": 7},
        {"eos_token_id": "x"},
    ],
    ids=str,
)
def test_numbers_that_cannot_be_are_refused_before_weights(values, folder, unread) -> None:
    told(folder, "config.json", **values)
    footprint_of(str(folder), "cpu")
    before = _peak()
    with pytest.raises(CheckpointError):
        resolve_backend(str(folder)).open()
    assert unread == []
    assert _peak() - before < 500_000


def _roformer(folder: Path, positions: int) -> None:
    """Make it a model that draws its table of positions with lists of Python."""
    config = {"model_type": "roformer", "is_decoder": True, "vocab_size": 258, "hidden_size": 32,
              "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48,
              "max_position_embeddings": positions}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_a_configuration_takes_no_memory_beyond_the_limit(folder, unread, monkeypatch) -> None:
    def build(*_: object, **__: object) -> None:
        taken.append(bytearray(1 << 30))

    taken: list[bytearray] = []
    monkeypatch.setattr("modicum.loading.looked.MOST_BYTES", 64 << 20)
    monkeypatch.setattr("modicum.loading.looked.AutoModelForCausalLM.from_config", build)
    limit = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(CheckpointError, match="before its weights are read"):
        resolve_backend(str(folder)).open()
    assert (taken, unread) == ([], [])
    assert resource.getrlimit(resource.RLIMIT_AS) == limit


def _peak() -> int:
    """Most memory that this process has taken, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_a_table_of_positions_takes_less_than_two_gigabytes(folder) -> None:
    _roformer(folder, 10**8)
    code = (
        "import resource, sys; from modicum.errors import CheckpointError\n"
        "from modicum.model import resolve_backend\n"
        "import modicum.loading.checkpoint\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: resolve_backend(sys.argv[1]).open()\n"
        "except CheckpointError as error: print(resource.getrusage(resource.RUSAGE_SELF)"
        ".ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(folder)],
        capture_output=True, text=True, check=True, env=os.environ.copy(),
    )  # fmt: skip
    assert int(done.stdout) < 2_200_000


@pytest.mark.parametrize(
    "name", ["x" * 300, "./" + "x" * 5000, "~" * 300 + "/x", "a\0/b", "/" * 5000]
)
def test_a_name_that_no_file_bears_is_told(name: str) -> None:
    with pytest.raises(ConfigError):
        resolve_backend(name).open()
    with pytest.raises(ConfigError):
        resolve_task(f"jsonl:{name}")


def test_a_home_that_does_not_exist_is_a_missing_folder() -> None:
    with pytest.raises(CheckpointError, match="no folder"):
        resolve_backend("~nobody-of-this-name/x")


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """A hub that cannot be reached, and the folder of one model in its cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = tmp_path / "hub" / "models--org--name"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots").mkdir()
    return place / "snapshots" / ("0" * 40)


def test_a_model_of_the_hub_is_looked_at_alike(hub, saved, monkeypatch) -> None:
    shutil.copytree(saved, hub)
    wanted = resolve_backend(str(saved)).open().card.weights
    assert resolve_backend("org/name").open().card.weights == wanted
    told(hub, "config.json", _attn_implementation="evil/kernel")
    with pytest.raises(CheckpointError, match="evil/kernel"):
        resolve_backend("org/name").open()
    told(hub, "config.json", _attn_implementation=None)
    _sharded(hub, "part.safetensors")
    assert resolve_backend("org/name").open().card.weights == wanted
    index = hub / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("part.safetensors", "part.bin"))
    with pytest.raises(CheckpointError, match=r"part\.bin"):
        resolve_backend("org/name").open()
    (hub / "adapter_config.json").write_text('{"base_model_name_or_path": "evil/model"}')
    with pytest.raises(CheckpointError, match="adapter"):
        resolve_backend("org/name").open()


VALUES = st.one_of(
    st.integers(-(10**15), 10**15), st.floats(), st.text(max_size=6), st.none(), st.booleans(),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)  # fmt: skip
KEYS = st.sampled_from([
    "hidden_size", "num_hidden_layers", "vocab_size", "num_attention_heads", "head_dim", "hidden_act",
    "rope_parameters", "dtype", "model_type", "architectures", "tie_word_embeddings", "eos_token_id",
    "max_position_embeddings", "rms_norm_eps", "attention_dropout", "layer_types", "pad_token_id",
    "id2label", "text_config", "tokenizer_class", "auto_map", "torch_dtype", "is_encoder_decoder",
])  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(KEYS, VALUES, min_size=1, max_size=3))
def test_any_configuration_opens_or_is_refused_with_words(changes, saved, tmp_path) -> None:
    place = Path(shutil.copytree(saved, tmp_path / "model", dirs_exist_ok=True))
    told(place, "config.json", **changes)
    try:
        resolve_backend(str(place)).open()
    except ConfigError:
        return


def _opened(change: Callable[[Path], object], folder: Path) -> str:
    change(folder)
    return resolve_backend(str(folder)).open().card.weights


def test_tensors_that_no_layer_takes_are_read_but_not_kept(folder, saved) -> None:
    tensors = load_file(folder / "model.safetensors")
    extra = {**tensors, "extra.weight": torch.zeros(3)}
    wanted = resolve_backend(str(saved)).open().card.weights
    path = folder / "model.safetensors"
    assert _opened(lambda _: save_file(extra, path, {"format": "pt"}), folder) == wanted
