"""The public EBT code's training step on a processor, from a checkout of its repository.

Nothing of it lies in this repository: MODICUM_EBT names a folder with its `model/`, or a git directory
of alexiglad/EBT, whose `model/` is then taken into the cache. Packages that it imports and that its
step of text does not use (Lightning's trainer, image and logging packages) are stood in for by empty
modules while it runs.
"""

import importlib
import importlib.machinery
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from torch import Tensor, nn

from modicum.loading.checkpoint_cache import cache_root

__all__ = ["EBT_RUN", "EbtPeer", "fetched_ebt"]

EBT_RUN = (
    "model/nlp/ebt.py, ar_ebt_time_embed.py and model_utils.py as they are, float32, with the flags "
    "of job_scripts/nlp/pretrain but for size of step and noise; torch's AdamW; no Lightning around "
    "the step, no replay buffer, no torch.compile, as here"
)
"""What of the public code runs."""
_COPIED = cache_root() / "peers" / "ebt"
_FOREIGN = (
    "pytorch_lightning",
    "torchmetrics",
    "torchvision",
    "torchvision.models",
    "torchvision.transforms",
    "torchvision.utils",
    "diffusers",
    "timm",
)
_SETTINGS: Mapping[str, Any] = {
    "tokenizer": "none",
    "execution_mode": "pretrain",
    "ebt_type": "time_embed",
    "ebt_norm": "rms",
    "ebt_act_func": "silu",
    "ffn_dim_multiplier": None,
    "dyt_alpha_init": 0.5,
    "weight_initialization_method": "xavier",
    "weight_initialization_gain": 1.0,
    "vocab_to_embed_uses_prob_dist": False,
    "num_modality_processing_mlp_layers": 1,
    "normalize_initial_condition": True,
    "normalize_initial_condition_only_first_step": False,
    "denoising_initial_condition": "random_noise",
    "gaussian_random_noise_scaling": 1.0,
    "clamp_futures_grad": False,
    "absolute_clamp": 0.0,
    "sharpen_predicted_distribution": 0.0,
    "soften_target_prob_dist": 0.0,
    "contrastive_loss": False,
    "reconstruction_coeff": 1.0,
    "debug_unused_parameters": False,
    "randomize_mcmc_num_steps_final_landscape": False,
    "mcmc_replay_buffer": False,
}
_RECIPES: Mapping[str, Mapping[str, Any]] = {
    "paper_s1": {
        "mcmc_num_steps": 2,
        "mcmc_step_size": 5.0,
        "mcmc_step_size_learnable": True,
        "no_mcmc_detach": False,
        "truncate_mcmc": False,
        "langevin_dynamics_noise": 0.0,
        "randomize_mcmc_step_size_scale": 1.0,
        "randomize_mcmc_num_steps": 0,
        "randomize_mcmc_num_steps_min": 0,
    },
    "paper_s2": {
        "mcmc_num_steps": 1,
        "mcmc_step_size": 5.0,
        "mcmc_step_size_learnable": False,
        "no_mcmc_detach": True,
        "truncate_mcmc": True,
        "langevin_dynamics_noise": 1.0,
        "randomize_mcmc_step_size_scale": 2.0,
        "randomize_mcmc_num_steps": 2,
        "randomize_mcmc_num_steps_min": 2,
    },
}


class _Settings(dict[str, Any]):
    """Settings that are read by name, as Lightning's are."""

    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class _Module(nn.Module):
    """What the step uses of Lightning's module: settings and a device."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.hparams = _Settings()


class _Empty(ModuleType):
    """Stands in for a package that is not there."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Module if name == "LightningModule" else MagicMock()


def fetched_ebt() -> Path | None:
    """Return the folder that holds the public `model/`; None where there is none."""
    given = os.environ.get("MODICUM_EBT", "")
    if given and (Path(given) / "model").is_dir():
        return Path(given)
    if not (_COPIED / "model").is_dir():
        if not given:
            return None
        git = ["git", "-C", given]
        listed = [*git, "ls-tree", "-r", "--name-only", "HEAD", "model", "LICENSE"]
        names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
        for name in names.splitlines():
            path = _COPIED / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shown = subprocess.run([*git, "show", f"HEAD:{name}"], check=True, capture_output=True)
            path.write_bytes(shown.stdout)
    return _COPIED


@contextmanager
def _stood_in() -> Iterator[None]:
    """Let imports of packages that are not there find empty ones."""
    empty = {}
    for name in _FOREIGN:
        module = _Empty(name)
        module.__path__ = []
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        empty[name] = module
    with patch.dict(sys.modules):
        sys.modules.update(empty)
        yield


class EbtPeer:
    """Its net, loss and optimiser."""

    def __init__(self, folder: Path, recipe: str, sizes: Mapping[str, int]) -> None:
        """Build it at its own settings but for sizes.

        Args:
            folder: Where `model/` lies.
            recipe: `paper_s1` or `paper_s2`.
            sizes: `vocabulary`, `length`, `width`, `heads`, `layers`, `batch`.
        """
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        settings = {
            **_SETTINGS,
            **_RECIPES[recipe],
            "embedding_dim": sizes["width"],
            "multiheaded_attention_heads": sizes["heads"],
            "num_transformer_blocks": sizes["layers"],
            "context_length": sizes["length"],
            "batch_size_per_device": sizes["batch"],
        }
        tokenizer = MagicMock(eos_token_id=-100)
        tokenizer.__len__.return_value = sizes["vocabulary"]
        with _stood_in():
            module: Any = importlib.import_module("model.nlp.ebt")
            with patch.object(module.AutoTokenizer, "from_pretrained", return_value=tokenizer):
                self.net = module.EBT_NLP(settings)
        rest = [part for name, part in self.net.named_parameters() if name != "alpha"]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in rest if p.requires_grad], "weight_decay": 0.01},
                {"params": [self.net.alpha], "weight_decay": 0.0, "lr": 0.018},
            ],
            lr=0.0012,
        )

    def steps_are(self, number: int) -> None:
        """Take so many steps in every update of S2, where it would draw them."""
        self.net.hparams["randomize_mcmc_num_steps"] = number - 1
        self.net.hparams["randomize_mcmc_num_steps_min"] = number

    def step(self, ids: Tensor) -> float:
        """Take one update, as its trainer does; return the loss."""
        found = self.net.forward_loss_wrapper({"input_ids": ids[:, None]})
        self.optimiser.zero_grad()
        found["loss"].backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        return float(found["loss"].detach())

    @property
    def parameters(self) -> int:
        """Numbers that are trained."""
        return sum(p.numel() for p in self.net.parameters() if p.requires_grad)
