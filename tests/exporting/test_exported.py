"""Exports in detail: biases where there were none, control vectors, the card's lines, what is refused."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from modicum.errors import CheckpointError, ConfigError
from modicum.exporting.fresh_process import SCRIPT
from modicum.exporting.logits import apart, nudged_logits, probes_of
from modicum.exporting.plain_hooks import lay, step_by_step
from modicum.exports.baked import Baked
from modicum.exports.gguf import Gguf
from modicum.exports.prompt import Prompt
from modicum.exports.vector import Vector
from modicum.files.manifest import (
    write_manifest,
    write_prompt,
)
from modicum.ledger import Ledger
from modicum.loading.carried import Carried
from modicum.method import METHODS
from modicum.model import Model, resolve_backend
from modicum.nudge.control_vector import load_control_vector, save_control_vector
from modicum.nudge.steering import Direction, Steering
from modicum.study.styles import closed_list
from modicum.task import resolve_task
from modicum.training.changes import Vectors
from modicum.types import Request, Sampling, Style
from tests.support.bench import bench_of, solver_of
from tests.support.exports import by_hand
from tests.support.tiny_models import tiny_local


def _steering(
    where: str = "all", layers=(1, 2), *, offset: int = 0, site: str = "block"
) -> Steering:
    rng = np.random.default_rng(3)
    values = [torch.from_numpy(rng.normal(0, 0.5, 32).astype(np.float32)) for _ in layers]
    directions = [Direction(layer, v, site) for layer, v in zip(layers, values, strict=True)]
    return Steering(tuple(directions), where, offset)


# Baked: the bias of a layer's last linear layer


@pytest.mark.parametrize("architecture", ["llama", "llama-biased"])
def test_vector_is_baked_exactly_whether_or_not_there_were_biases(
    architecture: str, tmp_path
) -> None:
    steering = _steering()
    parcel, solver = by_hand(tiny_local(architecture), steering, tmp_path)
    Baked().check(parcel)
    (tmp_path / "out").mkdir()
    Baked().write(parcel, solver, tmp_path / "out")
    back = Baked().load_back(parcel, solver, tmp_path / "out")
    assert back.holds
    assert json.loads((tmp_path / "out" / "config.json").read_text())["mlp_bias"] is True
    # the check itself sees a vector that is not there
    stronger = Vectors(steering.scaled(1.5))
    wrong = dataclasses.replace(
        parcel, nudge=dataclasses.replace(parcel.nudge, changes=(stronger,))
    )
    assert not Baked().load_back(wrong, solver, tmp_path / "out").holds


def test_baking_leaves_the_model_as_it_was(tmp_path) -> None:
    model = tiny_local("llama")
    before = model.card.weights
    parcel, solver = by_hand(model, _steering(), tmp_path)
    (tmp_path / "out").mkdir()
    Baked().write(parcel, solver, tmp_path / "out")
    assert (
        tiny_local("llama").card.weights == before == model.with_module(model.module).card.weights
    )
    assert not model.module.config.mlp_bias


@pytest.mark.parametrize(
    ("architecture", "steering", "said"),
    [
        ("qwen2", _steering(), "knows no mlp_bias"),
        ("gemma3", _steering(), "knows no mlp_bias"),
        ("llama", _steering("first"), "at the last token of the prompt, once"),
        ("llama", _steering("generated"), "at the generated tokens"),
        ("llama", _steering(site="attention"), "attention"),
    ],
)
def test_what_cannot_be_baked_is_refused(architecture, steering, said, tmp_path) -> None:
    parcel, _ = by_hand(tiny_local(architecture), steering, tmp_path)
    with pytest.raises(ConfigError, match=said):
        Baked().check(parcel)


# GGUF: layers from 1 on, as llama.cpp numbers them


def test_control_vector_is_what_llama_cpp_reads(tmp_path) -> None:
    steering = _steering(layers=(1, 2))
    save_control_vector(steering, tmp_path / "v.gguf", "llama")
    reader = gguf.GGUFReader(tmp_path / "v.gguf")
    assert reader.fields["general.architecture"].contents() == "controlvector"
    assert reader.fields["controlvector.model_hint"].contents() == "llama"
    assert reader.fields["controlvector.layer_count"].contents() == 2
    assert [t.name for t in reader.tensors] == ["direction.1", "direction.2"]
    assert all(t.tensor_type == gguf.GGMLQuantizationType.F32 for t in reader.tensors)
    assert all(len(t.shape) == 1 for t in reader.tensors)
    again = load_control_vector(tmp_path / "v.gguf")
    assert again.digest == steering.digest


@pytest.mark.parametrize(
    ("steering", "said"),
    [
        (_steering(layers=(0, 1)), "layer 0"),
        (_steering("first"), "the last token of the prompt, once"),
        (_steering("generated"), "generated tokens"),
        (_steering(site="mlp"), "mlp of a layer"),
    ],
)
def test_what_llama_cpp_cannot_add_is_refused(steering, said, tmp_path) -> None:
    parcel, _ = by_hand(tiny_local(), steering, tmp_path)
    with pytest.raises(ConfigError, match=said):
        Gguf().check(parcel)


def _file(path: Path, kind: str, name: str, values: np.ndarray) -> Path:
    writer = gguf.GGUFWriter(path, kind)
    writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        ("llama", "direction.1", np.ones(4, np.float32)),
        ("controlvector", "direction.0", np.ones(4, np.float32)),
        ("controlvector", "direction.x", np.ones(4, np.float32)),
        ("controlvector", "weight.1", np.ones(4, np.float32)),
        ("controlvector", "direction.1", np.ones(4, np.float16)),
        ("controlvector", "direction.1", np.ones((2, 4), np.float32)),
    ],
)
def test_file_that_llama_cpp_would_refuse_is_refused(kind, name, values, tmp_path) -> None:
    with pytest.raises(CheckpointError):
        load_control_vector(_file(tmp_path / "v.gguf", kind, name, values))


def test_broken_control_vector_is_refused(tmp_path) -> None:
    (tmp_path / "v.gguf").write_bytes(b"GGUF\3\0\0\0")
    with pytest.raises(CheckpointError):
        load_control_vector(tmp_path / "v.gguf")


# Vector: the lines of the card do what was measured


@pytest.mark.parametrize(
    ("where", "offset"), [("all", 0), ("generated", 0), ("first", 0), ("first", 2)]
)
def test_lines_of_the_card_steer_as_we_do(where: str, offset: int, tmp_path) -> None:
    model, steering = tiny_local(), _steering(where, offset=offset)
    parcel, solver = by_hand(model, steering, tmp_path)
    lines = Vector().uses(parcel, solver)["transformers"].replace("FOLDER", str(tmp_path / "nudge"))
    probes = probes_of(parcel, solver.model)
    ours = nudged_logits(model, steering, probes)
    theirs = []
    for probe in probes:
        hooked = tiny_local().module
        exec(lines, {"model": hooked})  # noqa: S102 - what a user would paste
        theirs.append(step_by_step(hooked, probe))
    assert apart(ours, theirs) < 1e-4
    assert apart(nudged_logits(model, None, probes), theirs) > 1e-2
    back = Vector().load_back(parcel, solver, tmp_path / "nudge")
    assert back.holds


def test_plain_hooks_leave_nothing_behind(tmp_path) -> None:
    parcel, solver = by_hand(tiny_local(), _steering(), tmp_path)
    Vector().load_back(parcel, solver, tmp_path / "nudge")
    assert not any(part._forward_hooks for part in solver.model.module.modules())


@pytest.mark.parametrize("site", ["attention", "mlp"])
def test_vectors_inside_a_layer_are_laid_where_they_belong(site: str, tmp_path) -> None:
    parcel, solver = by_hand(tiny_local("qwen2"), _steering(site=site), tmp_path)
    assert Vector().load_back(parcel, solver, tmp_path / "nudge").holds
    tensors = {"layer.1": torch.ones(32)}
    for handle in lay(solver.model.module, tensors, "all", 0):
        handle.remove()


# PEFT: a process without modicum


def test_process_of_the_adapter_cannot_import_modicum() -> None:
    blocked = SCRIPT.partition("asked =")[0]
    code = f"{blocked}\nimport modicum"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "ModuleNotFoundError: modicum" in done.stderr
    plain = [sys.executable, "-I", "-c", "import modicum"]
    assert subprocess.run(plain, check=False).returncode == 0  # it is there for other processes


# Prompts that ask twice


def test_prompt_that_asks_twice_is_answered_alike_and_no_model(tmp_path) -> None:
    model, task = tiny_local(), resolve_task("sums")
    method = METHODS.build("chain_of_thought", {"answer_tokens": 5})
    sheet = dataclasses.replace(task.sheet, max_new_tokens=8)
    parcel, _ = by_hand(model, _steering(), tmp_path)
    solver = solver_of(method, bench_of(model, task, sheet=sheet))
    folder, style = tmp_path / "out", solver.style
    folder.mkdir()
    parcel = dataclasses.replace(parcel, nudge=solver.nudge, style=style, sheet=sheet)
    Prompt().check(parcel)
    Prompt().write(parcel, solver, folder)
    stages = {**dataclasses.asdict(method)}
    write_prompt(folder, style, stages)
    assert Prompt().load_back(parcel, solver, folder).holds
    write_prompt(folder, style, {**stages, "trigger": "Well,"})
    assert not Prompt().load_back(parcel, solver, folder).holds
    facts = {"form": "prompt", "base": {"model": "scripted:latent", "weights": "x"}}
    write_manifest(folder, {**facts, "method": {"name": "chain_of_thought"}})
    with pytest.raises(ConfigError, match="--methods chain_of_thought"):
        resolve_backend(str(folder))


def test_prompt_travels_with_a_model_whose_weights_are_out_of_reach(tmp_path) -> None:
    plain = resolve_backend("scripted:latent").open()
    style = Style("mine", "Sum: {question}\n", stop=("\n\n",))
    write_prompt(tmp_path, style)
    base = {"model": "scripted:latent", "weights": plain.card.weights}
    write_manifest(tmp_path, {"form": "prompt", "base": base})
    model: Model = resolve_backend(str(tmp_path)).open()
    assert isinstance(model, Carried)
    task = resolve_task("sums")
    styles, _ = closed_list(model, task.sheet, own=None, instruction=False)
    assert styles[0] == style
    own, _ = closed_list(model, task.sheet, own=Style("own", "Q: {question}"), instruction=False)
    assert own[0].name == "own"
    requests = [Request("What is 1 + 2?", "a", 2)]
    drawn = [m.generate(requests, Sampling(8, stream="s"), Ledger()) for m in (plain, model)]
    assert drawn[0] == drawn[1]


def test_shipped_organisms_name_their_architecture() -> None:
    from modicum.organism.shipped import CONTROL, CORE

    for folder in (CORE, CONTROL):
        config = json.loads((folder / "config.json").read_text())
        assert config["architectures"] == ["LlamaForCausalLM"]
