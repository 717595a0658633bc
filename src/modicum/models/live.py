"""A transformers model that Python has loaded: `Study(model=model, tokenizer=tokenizer)` names it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.loading.live import LENDER, keep_at, lend_model
from modicum.model import Backend
from modicum.sampling.local import Local
from modicum.types import Access

__all__ = ["LiveModel"]


@final
@dataclass(frozen=True)
class LiveModel(Backend):
    """Opens `live:NAME` in the process that lent it; the name holds a hash of the weights."""

    access: ClassVar[Access] = Access.WEIGHTS
    pretrained: ClassVar[bool] = True

    name: str = ""
    """Kind and hash."""

    def lend(self, model: object, tokenizer: object) -> tuple[str, object]:
        """Lend a model; return its reference, and what keeps it in reach.

        Raises:
            ConfigError: it is no transformers causal language model with its tokenizer.
        """
        loan = lend_model(model, tokenizer)
        return f"live:{loan.name}", loan

    def check(self) -> None:
        """Look whether the model is in this process, with the weights that its name says.

        Raises:
            ConfigError: it is not.
        """
        LENDER.find(self.name).refuse_changed()

    def open(self) -> Local:
        """Return the model as it was lent.

        Raises:
            ConfigError: it is not in this process.
        """
        return LENDER.find(self.name).local

    @property
    def origin(self) -> str:
        """The folder that it was loaded from, or the one that `keep` wrote; empty where none is there."""
        return LENDER.find(self.name).home

    def keep(self, folder: Path) -> None:
        """Write the model into a folder unless one holds it already.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        keep_at(LENDER.find(self.name), folder)

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[None]:
        """Give the model back as it was: which of its parameters are to be trained is the user's matter.

        Raises:
            ConfigError: it is not in this process.
        """
        parameters = list(LENDER.find(self.name).local.module.parameters())
        before = [parameter.requires_grad for parameter in parameters]
        try:
            yield
        finally:
            for parameter, learns in zip(parameters, before, strict=True):
                parameter.requires_grad_(learns)
