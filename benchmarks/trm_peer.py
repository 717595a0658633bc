"""The public TRM code's training step on a processor, from a checkout of its repository.

Nothing of it lies in this repository: MODICUM_TRM names a folder with its `models/`, or a git
directory of SamsungSAILMontreal/TinyRecursiveModels, whose `models/` are then taken into the cache.
What it needs besides, einops, is installed into a folder of the cache that this benchmark alone sees.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modicum.loading.checkpoint_cache import cache_root

__all__ = ["RUN", "TrmPeer", "fetched"]

RUN = (
    "models/recursive_reasoning/trm.py, layers.py, losses.py (ACTLossHead), ema.py, common.py and "
    "sparse_embedding.py as they are; torch's AdamW instead of AdamATan2, which needs CUDA; no "
    "torch.compile, as here; its puzzle embedding stays at zero, for it has an optimiser of its own"
)
"""What of the public code runs."""
_COPIED = cache_root() / "peers" / "trm"
_NEEDED = cache_root() / "peers" / "trm_deps"


def fetched() -> Path | None:
    """Return the folder that holds the public `models/`; None where there is none."""
    given = os.environ.get("MODICUM_TRM", "")
    if given and (Path(given) / "models").is_dir():
        return Path(given)
    if not (_COPIED / "models").is_dir():
        if not given:
            return None
        _COPIED.mkdir(parents=True, exist_ok=True)
        packed = ["git", "-C", given, "archive", "HEAD", "models", "LICENSE"]
        archive = subprocess.run(packed, check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", str(_COPIED)], check=True, input=archive)
    return _COPIED


class TrmPeer:
    """Its net, loss, optimiser and average, with the carry from one step to the next."""

    def __init__(
        self, folder: Path, width: int, heads: int, boards: tuple[Tensor, Tensor], dtype: str
    ) -> None:
        """Build it at its own settings but for width, heads and format.

        Args:
            folder: Where `models/` lies.
            width: Numbers a position.
            heads: Attention heads.
            boards: Questions and targets, `[batch, 81]` each.
            dtype: Of its forward pass.
        """
        _importable(folder)
        trm: Any = importlib.import_module("models.recursive_reasoning.trm")
        losses: Any = importlib.import_module("models.losses")
        ema: Any = importlib.import_module("models.ema")
        questions, targets = boards
        config = {
            "batch_size": len(questions),
            "seq_len": questions.shape[1],
            "puzzle_emb_ndim": width,
            "num_puzzle_identifiers": 1,
            "vocab_size": 11,
            "H_cycles": 3,
            "L_cycles": 6,
            "H_layers": 0,
            "L_layers": 2,
            "hidden_size": width,
            "expansion": 4,
            "num_heads": heads,
            "pos_encodings": "rope",
            "halt_max_steps": 16,
            "halt_exploration_prob": 0.1,
            "forward_dtype": dtype,
        }
        net = trm.TinyRecursiveReasoningModel_ACTV1(config)
        with torch.no_grad():  # nothing halts before its last step, for equal work
            net.inner.q_head.bias.fill_(-50.0)
            net.inner.q_head.requires_grad_(False)
        self.net = losses.ACTLossHead(net, "stablemax_cross_entropy").train()
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1
        )
        self.average = ema.EMAHelper(0.999)
        self.average.register(self.net)
        self.batch = {
            "inputs": questions.int(),
            "labels": targets.int(),
            "puzzle_identifiers": torch.zeros(len(questions), dtype=torch.int32),
        }
        self.carry: Any = None

    def step(self) -> None:
        """Take one supervision step and one update, as `train_batch` does."""
        if self.carry is None:
            self.carry = self.net.initial_carry(self.batch)
        self.carry, loss, metrics, _, _ = self.net(
            carry=self.carry, batch=self.batch, return_keys=[]
        )
        (loss / len(self.batch["inputs"])).backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.average.update(self.net)
        torch.stack([metrics[name] for name in sorted(metrics)]).numpy()

    @property
    def parameters(self) -> int:
        """Numbers that are trained, or held still for equal work."""
        return sum(p.numel() for p in self.net.parameters())


def _importable(folder: Path) -> None:
    if not (_NEEDED / "einops").is_dir():
        install: Callable[..., Any] = subprocess.run
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        install([*command, str(_NEEDED), "einops"], check=True)
    sys.path[:0] = [str(folder), str(_NEEDED)]
