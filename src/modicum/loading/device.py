"""Where a model runs and in which number format: chosen once, with the reason said."""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch

from modicum.errors import ConfigError
from modicum.files.compiled import processor_flags

__all__ = [
    "Device",
    "Dtype",
    "Placement",
    "check_device",
    "choose_place",
    "gain_of_bfloat16",
    "has_bfloat16_units",
]

Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["auto", "float32", "bfloat16"]

_LARGE = 1_000_000_000
"""Parameters from which half the memory and a faster product are worth the rounding on MPS."""
_LEAST = 50_000_000
"""Parameters below which a model is too small to be worth measuring on the processor."""
_WORTH = 1.5
"""Least measured gain for which bfloat16 is taken off a GPU."""
_UNITS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""What processors that multiply bfloat16 report."""
_SIZE = 512
"""Side of the matrices that are timed."""
_TIMES = 5


@dataclass(frozen=True)
class Placement:
    """A device and a number format."""

    device: str
    dtype: torch.dtype
    reason: str
    """Why, for the card; empty where the user said both."""
    is_open: bool = False
    """Whether bfloat16 products may be better here, which `precision` measures on the model."""


def check_device(device: Device) -> None:
    """Look whether torch sees a device.

    Raises:
        ConfigError: it does not.
    """
    if device in ("auto", "cpu", *_found()):
        return
    raise ConfigError(
        f"device={device}, which torch {torch.__version__} does not see",
        f"one of auto, {', '.join([*_found(), 'cpu'])}",
        "leave the device out, or install a torch built for it",
    )


def choose_place(device: Device, dtype: Dtype, parameters: float) -> Placement:
    """Return a device and format: bfloat16 on CUDA; elsewhere float32, unless that is measured slower.

    On the processor the question stays open where a product is faster in bfloat16 and the model not
    small: then `modicum.loading.precision` measures the model itself.

    Args:
        device: As given; `auto` takes CUDA, else Apple's MPS, else the processor.
        dtype: As given; `auto` follows the rule.
        parameters: About how many the model has.

    Raises:
        ConfigError: torch does not see the device.
    """
    check_device(device)
    where = [*_found(), "cpu"][0] if device == "auto" else device
    if dtype != "auto":
        reason = "" if device != "auto" else f"{dtype} on {where}: as asked"
        return Placement(where, _FORMATS[dtype], reason)
    if where == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Placement(where, torch.bfloat16, "bfloat16 on cuda")
        return Placement(where, torch.float32, "float32 on cuda: this GPU has no bfloat16")
    gain = gain_of_bfloat16(where)
    measured = f"bfloat16 measured {_times(gain)} here"
    if where == "cpu":
        is_open = parameters >= _LEAST and (gain >= _WORTH or has_bfloat16_units())
        return Placement(where, torch.float32, f"float32 on cpu: {measured}", is_open)
    if parameters >= _LARGE and gain >= _WORTH:
        return Placement(where, torch.bfloat16, f"bfloat16 on {where}: large, and {measured}")
    if gain >= _WORTH:
        measured += ", ?dtype=bfloat16 takes it at the price of rounding"
    return Placement(where, torch.float32, f"float32 on {where}: {measured}")


@lru_cache
def gain_of_bfloat16(device: str) -> float:
    """Time one matrix product in both formats: how many times faster bfloat16 is; 0 if not there.

    Takes some milliseconds, once a process.
    """
    try:
        single, half = (_seconds(device, dtype) for dtype in (torch.float32, torch.bfloat16))
    except (RuntimeError, TypeError):  # a device without bfloat16
        return 0.0
    return single / half


def has_bfloat16_units() -> bool:
    """Say whether the processor multiplies bfloat16 itself, in vectors or in matrices."""
    return not _UNITS.isdisjoint(processor_flags().split())


def _seconds(device: str, dtype: torch.dtype) -> float:
    """The best of several products of 16 rows, as a step of sampling has them."""
    rows = torch.ones(16, _SIZE, dtype=dtype, device=device)
    matrix = torch.ones(_SIZE, _SIZE, dtype=dtype, device=device)
    took = []
    for _ in range(_TIMES + 1):
        start = time.perf_counter()
        float((rows @ matrix.T)[0, 0])  # reading a number waits for the device
        took.append(time.perf_counter() - start)
    return min(took[1:])  # the first one sets things up


def _times(gain: float) -> str:
    """Write a gain in words, with one digit: timings are no better."""
    if gain == 0:
        return "missing"
    return f"{gain:.1g}x faster" if gain >= 1 else f"{1 / gain:.1g}x slower"


def _found() -> list[str]:
    """The devices that torch sees beside the processor, best first."""
    seen = [("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())]
    return [name for name, is_there in seen if is_there]


_FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
