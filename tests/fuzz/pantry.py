"""Valid things to begin with, made once: models, studies, exports, and a stranger's model with code."""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import modicum

__all__ = ["EXPORTS", "Pantry", "quick_pantry", "whole_pantry"]

CANARY = """import json, os
with open({log!r}, "a") as file:
    file.write(json.dumps(["code", {name!r} + " ran"]) + "\\n")
"""
"""A stranger's Python file: it writes down that it was run or imported."""
SCRIPTED = (
    "run",
    "--model",
    "scripted:latent",
    "--task",
    "sums",
    "--test",
    4,
    "--selection",
    2,
    "--samples",
    2,
    "--methods",
    "self_consistency,few_shot",
    "--shots",
    "1",
    "--seeds",
    1,
    "--no-reuse",
    "--workers",
    1,
    "--no-check",
)
ORGANISM = """test = 4
selection = 2
samples = 2
seeds = 1
retain = ["none"]
[[grid]]
models = ["organism"]
tasks = ["word_sums"]
methods = ["fine_tune", "rlvr", "steering_vector", "few_shot"]
shots = [2]
[settings.fine_tune]
steps = 2
[settings.rlvr]
steps = 1
groups = 2
rollouts = 2
[settings.steering_vector]
strengths = [0.5]
at = "all"
layers = [2]
"""
EXPORTS = {
    "peft": ("fine_tune", "peft"),
    "merged": ("fine_tune", "merged"),
    "vector": ("steering_vector", "vector"),
    "gguf": ("steering_vector", "gguf"),
    "prompt": ("few_shot", "prompt"),
}
"""Exports by name: the rung and the form."""


@dataclass(frozen=True)
class Pantry:
    """Where everything lies; only copies of it are handed over."""

    folder: Path
    log: Path
    """The file into which canaries write."""

    @property
    def words(self) -> dict[str, str]:
        """What placeholders in hostile values stand for."""
        return {
            "@EVIL@": str(self.folder / "evil"),
            "@MARKER@": str(self.folder / "evil" / "canary_marker.py"),
            "@PROBLEMS@": str(self.folder / "evil" / "problems.jsonl"),
            "@FIFO@": str(self.folder / "fifo"),
            "@TINY@": str(self.folder / "tiny"),
        }

    def filled(self, text: bytes) -> bytes:
        """Put paths into the place of placeholders."""
        for name, path in self.words.items():
            text = text.replace(name.encode(), path.encode())
        return text

    def lay(self, name: str, folder: Path) -> None:
        """Copy one thing into a case's folder."""
        shutil.copytree(self.folder / name, folder / Path(name).name)


def _began(folder: Path, log: Path) -> Pantry:
    pantry = Pantry(folder, log)
    (folder / "evil").mkdir(parents=True)
    (folder / "modules").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "modules" / "fuzz_canary.py").write_text(CANARY.format(log=str(log), name="module"))
    (folder / "evil" / "problems.jsonl").write_text(
        "".join(
            json.dumps({"question": f"What is {i} + 1?", "answer": str(i + 1)}) + "\n"
            for i in range(60)
        )
    )
    return pantry


def quick_pantry(folder: Path, log: Path) -> Pantry:
    """Make what takes a second: a tiny model with nudges laid on by hand, a scripted study."""
    pantry = _plain_pantry(folder, log)
    _by_hand(pantry)
    return pantry


def _plain_pantry(folder: Path, log: Path) -> Pantry:
    from tests.loading.test_gguf import write_gguf
    from tests.support.tiny_models import byte_tokenizer, tiny_module

    pantry = _began(folder, log)
    tiny_module("llama").save_pretrained(folder / "tiny", progress=False)
    byte_tokenizer().save_pretrained(str(folder / "tiny"))
    _turn_evil(pantry)
    (folder / "gguf").mkdir()
    write_gguf(folder / "gguf" / "tiny.gguf")
    _autoencoder(folder / "sae")
    _must(SCRIPTED, "--out", folder / "study")
    return pantry


def whole_pantry(folder: Path, log: Path) -> Pantry:
    """Make everything: a trained study and its exports, GGUF files, an autoencoder."""
    pantry = _plain_pantry(folder, log)
    (folder / "organism.toml").write_text(ORGANISM)
    organism = folder / "organism"
    _must(
        ("run", folder / "organism.toml", "--no-check", "--no-reuse", "--workers", 1),
        "--out",
        organism,
    )
    for name, (rung, form) in EXPORTS.items():
        out = folder / "exports"
        _must(("export", organism, "--rung", rung, "--form", form), "--out", out / name)
    return pantry


def _by_hand(pantry: Pantry) -> None:
    """Lay a prompt, a vector and an adapter on the tiny model, each as an export would."""
    import torch

    from modicum.files.manifest import write_manifest, write_prompt
    from modicum.model import resolve_backend
    from modicum.nudge.control_vector import save_control_vector
    from modicum.nudge.steering import Direction, Steering, save_steering
    from modicum.seeds import stream
    from modicum.training.adapters import AdapterShape, attach, save_nudge
    from modicum.types import Style
    from modicum.whitebox import need_whitebox

    model = need_whitebox(resolve_backend(str(pantry.folder / "tiny")).open(), "fuzz")
    steering = Steering((Direction(1, torch.full((32,), 0.1)),), "all")
    for form in ("prompt", "vector", "gguf", "peft"):
        folder = pantry.folder / "exports" / form / form
        folder.mkdir(parents=True)
        if form == "vector":
            save_steering(steering, folder / "vector.safetensors")
        elif form == "gguf":
            save_control_vector(steering, folder / "control_vector.gguf", "llama")
        elif form == "peft":
            shape = AdapterShape(rank=2, alpha=4.0)
            save_nudge(model, attach(model, shape, stream("fuzz", "adapter")), folder)
        write_prompt(folder, Style("raw", "{question}"))
        base = {"model": str(pantry.folder / "tiny"), "weights": model.card.weights, "licence": ""}
        write_manifest(folder, {"form": form, "base": base, "method": {"name": "few_shot"}})


def _turn_evil(pantry: Pantry) -> None:
    """Make a stranger's model whose own code loads where it is trusted, and many other traps."""
    evil = pantry.folder / "evil"
    shutil.copytree(pantry.folder / "tiny", evil, dirs_exist_ok=True)
    names = ("config", "model", "tokenizer", "marker")
    for name in (f"canary_{name}" for name in names):
        (evil / f"{name}.py").write_text(_code(name, pantry.log))
    generate = evil / "custom_generate"
    generate.mkdir()
    (generate / "generate.py").write_text(
        CANARY.format(log=str(pantry.log), name="generate")
        + "def generate(*a, **k):\n    raise OSError\n"
    )
    config = json.loads((evil / "config.json").read_text())
    config["auto_map"] = {
        "AutoConfig": "canary_config.CanaryConfig",
        "AutoModelForCausalLM": "canary_model.CanaryModel",
    }
    config["model_type"] = "canary"
    (evil / "config.json").write_text(json.dumps(config))
    tokens = json.loads((evil / "tokenizer_config.json").read_text())
    tokens["auto_map"] = {"AutoTokenizer": ["canary_tokenizer.CanaryTokenizer", None]}
    (evil / "tokenizer_config.json").write_text(json.dumps(tokens))
    shell = f'echo \'["code", "pickle ran"]\' >> {pantry.log}'.encode()
    pickled = b"cposix\nsystem\n(V" + shell + b"\ntR."
    for name in ("adapter_model.bin", "pytorch_model.bin", "training_args.bin"):
        (evil / name).write_bytes(pickled)


def _code(name: str, log: Path) -> str:
    """Return a module that is what `auto_map` wants, and a canary."""
    bodies = {
        "canary_config": "from transformers import LlamaConfig\n"
        "class CanaryConfig(LlamaConfig):\n    model_type = 'canary'\n",
        "canary_model": "from transformers import LlamaForCausalLM\n"
        "from .canary_config import CanaryConfig\n"
        "class CanaryModel(LlamaForCausalLM):\n    config_class = CanaryConfig\n",
        "canary_tokenizer": "from transformers import PreTrainedTokenizerFast\n"
        "class CanaryTokenizer(PreTrainedTokenizerFast):\n    pass\n",
        "canary_marker": "def f(text, answer):\n    return answer in text\n",
    }
    return CANARY.format(log=str(log), name=name) + bodies[name]


def _autoencoder(folder: Path) -> None:
    """Write one in SAELens' form that fits the organism."""
    import torch

    from modicum.nets.saelens import save_sparse
    from modicum.nets.sparse import Sparse
    from modicum.seeds import stream

    def drawn(*shape: int) -> torch.Tensor:
        values = stream("fuzz", "sae", *shape).normal(0, 0.1, shape)
        return torch.from_numpy(values).to(torch.float32)

    net = Sparse(drawn(96, 24), drawn(24), drawn(24, 96), drawn(96), torch.zeros(24))
    save_sparse(net, folder, layer=1, model="organism")


def _must(command: Iterable[object], *more: object) -> None:
    said = modicum(*command, *more)
    assert said.code == 0, said.err
