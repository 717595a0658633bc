"""Whether a model's products are bfloat16 on this processor: timed and held against single precision.

Both are measured once for a model on a machine and kept in the cache, so that every process of a
study, and the next study, decides alike. A model takes bfloat16 products where they bring at least
`LEAST_GAIN` and its answers stay the same as far as rounding can leave them: at most
`MOST_DIVERGENCE` nats a token between the distributions of the next token, and the same likeliest
token in at least `LEAST_AGREEMENT` of the places, both along its own greedy answers to 32 prompts.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from modicum.files.compiled import processor_flags
from modicum.files.foreign import at
from modicum.ledger import Ledger
from modicum.loading.checkpoint_cache import cache_root
from modicum.sampling.half import make_half
from modicum.sampling.linear import FastLinear
from modicum.sampling.local import Local
from modicum.sampling.whole import whole_logits
from modicum.types import Request, Sampling

__all__ = [
    "LEAST_AGREEMENT",
    "LEAST_GAIN",
    "MOST_DIVERGENCE",
    "Precision",
    "keep_precision",
    "known_precision",
    "measured_precision",
    "precision_key",
]

LEAST_GAIN = 1.3
"""Times faster, from which the rounding is worth it."""
MOST_DIVERGENCE = 0.01
"""Mean Kullback-Leibler divergence of the next token's distribution, nats."""
LEAST_AGREEMENT = 0.95
"""Share of places with the same likeliest token."""

_VERSION = 1
"""Raised where the measuring changes."""
_TOKENS = 8
"""Greedy tokens of each prompt."""


@dataclass(frozen=True)
class Precision:
    """What bfloat16 products bring and cost a model."""

    gain: float
    """Times faster they sample."""
    divergence: float
    """Mean divergence from single precision, nats a token."""
    agreement: float
    """Share of places whose likeliest token is the same."""
    equal: int
    """Prompts whose greedy answers are equal."""
    prompts: int
    """Prompts asked."""
    is_possible: bool = True
    """Whether the model's modules take bfloat16 weights beside single-precision activations."""

    @property
    def is_half(self) -> bool:
        """Whether the products are bfloat16."""
        return (
            self.is_possible
            and self.gain >= LEAST_GAIN
            and self.divergence <= MOST_DIVERGENCE
            and self.agreement >= LEAST_AGREEMENT
        )

    @property
    def reason(self) -> str:
        """Why, for the card."""
        if not self.is_possible:
            return "float32 on cpu: its modules do not take bfloat16 weights"
        words = (
            f"measured {self.gain:.1f} times as fast, {self.divergence:.1g} nats a token from single "
            f"precision, {self.agreement:.1%} of next tokens and {self.equal} of {self.prompts} "
            "greedy answers the same"
        )
        return f"{'bfloat16' if self.is_half else 'float32'} on cpu: bfloat16 products {words}"


def precision_key(source: str, commit: str = "") -> str:
    """Name a model on this machine: its files, torch, and what the processor can do.

    Args:
        source: Folder, GGUF file or hub id.
        commit: Commit of a hub id, where known.
    """
    path = at(source)
    files = [path] if path.is_file() else sorted(path.glob("*")) if path.is_dir() else []
    looks = [
        (f.name, f.stat().st_size, f.stat().st_mtime_ns)
        for f in files
        if f.suffix in (".safetensors", ".gguf") or f.name == "config.json"
    ]
    home = str(path.resolve()) if files else source
    parts = (_VERSION, home, commit, looks, torch.__version__, processor_flags())
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def known_precision(key: str) -> Precision | None:
    """Return what was measured before; None where nothing was, or it cannot be read."""
    try:
        said = json.loads(_file(key).read_text(encoding="utf-8"))
        return Precision(**{name: said[name] for name in Precision.__dataclass_fields__})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep_precision(key: str, found: Precision) -> None:
    """Keep what was measured; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        _file(key).parent.mkdir(parents=True, exist_ok=True)
        fresh = _file(key).with_suffix(".new")
        fresh.write_text(json.dumps(asdict(found)) + "\n", encoding="utf-8")
        fresh.replace(_file(key))


def measured_precision(local: Local) -> Precision:
    """Time and hold against each other a model's single-precision and bfloat16 products.

    Args:
        local: The model in single precision; its module is spent: the weights end as bfloat16, so
            that both never lie in memory.
    """
    asked = _prompts()
    first, slow = _answers(local, asked)
    rows = [
        (*local.encode(request.prompt), *ids) for request, ids in zip(asked, first, strict=True)
    ]
    before = [_logprobs(local, row, len(ids)) for row, ids in zip(rows, first, strict=True)]
    module = local.module
    for parameter in module.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    if not make_half(module):
        return Precision(0.0, 0.0, 1.0, 0, len(asked), is_possible=False)
    half = local.with_module(module)
    second, fast = _answers(half, asked)
    after = [_logprobs(half, row, len(ids)) for row, ids in zip(rows, first, strict=True)]
    apart = [_divergence(p, q) for p, q in zip(before, after, strict=True)]
    same = [(p.argmax(-1) == q.argmax(-1)).float() for p, q in zip(before, after, strict=True)]
    return Precision(
        round(slow / fast, 3),
        float(torch.cat(apart).mean()),
        float(torch.cat(same).mean()),
        sum(a == b for a, b in zip(first, second, strict=True)),
        len(asked),
    )


def _prompts() -> list[Request]:
    text = (resources.files("modicum.texts") / "precision_prompts.txt").read_text(encoding="utf-8")
    # without a chat template, whose words would take most of the time
    return [Request(line, f"precision-{i}", 1) for i, line in enumerate(text.splitlines())]


def _answers(local: Local, asked: Sequence[Request]) -> tuple[list[tuple[int, ...]], float]:
    """Return the tokens of each prompt's greedy answer, and the processor seconds of all of them.

    Processor time, because whatever else runs on the machine must not decide.
    """
    sampling = Sampling(_TOKENS, 0.0, stream="precision", ids=True)
    local.draw(asked[:1], sampling, Ledger())  # what is compiled at the first step is not timed
    start = time.process_time()
    groups = local.draw(asked, sampling, Ledger())
    return [group[0].ids for group in groups], time.process_time() - start


def _logprobs(local: Local, row: Sequence[int], n: int) -> Tensor:
    """Return the log-probabilities of the last `n` tokens' places, `[n, vocab]`."""
    with torch.inference_mode(), FastLinear():
        return whole_logits(local.module, [row])[0, -n - 1 : -1].float().log_softmax(-1)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    return (p.exp() * (p - q)).sum(-1)


def _file(key: str) -> Path:
    return cache_root() / "precision" / f"{key}.json"
