"""A transformers model that Python has loaded already: its name is a hash of all that decides answers."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import at, is_there
from modicum.files.lent import Lender, Loan
from modicum.loading.tokens import check_tokens
from modicum.sampling.local import Local
from modicum.whitebox import weights_hash

__all__ = ["LENDER", "Living", "keep_at", "lend_model"]


@final
@dataclass
class Living:
    """A loaded model, and what would show that it has changed since."""

    local: Local
    versions: tuple[int, ...]
    """How often each of its tensors was written to, as torch counts."""
    home: str = ""
    """Folder or hub id that holds the same weights; empty where none is known."""

    def refuse_changed(self) -> None:
        """Hold the weights against those that the study was made with; hashes them only where needed.

        Raises:
            ConfigError: they are others.
        """
        now = _versions(self.local.module)
        if now == self.versions:
            return
        if weights_hash(self.local.module) != self.local.card.weights:
            raise ConfigError(
                "a model whose weights have changed since the study was made",
                "the weights that the study names",
                "make a new Study of it: Study(model=model, tokenizer=tokenizer, ...)",
            )
        self.versions = now


LENDER: Lender[Living] = Lender("a loaded model", "Study(model=model, tokenizer=tokenizer, ...)")


def lend_model(model: object, tokenizer: object) -> Loan[Living]:
    """Lend a loaded model to studies of this process; it is put into evaluation mode and hashed once.

    Args:
        model: A transformers causal language model.
        tokenizer: Its tokenizer.

    Raises:
        ConfigError: something else.
        CheckpointError: a tokenizer that is another model's, or a model that runs on more than tokens.
    """
    if not isinstance(model, PreTrainedModel):
        raise ConfigError(
            f"a model of type {type(model).__name__}",
            "a name, a path, or a transformers model with its tokenizer",
            "merge an adapter first: model.merge_and_unload()"
            if type(model).__name__.startswith("Peft")
            else "load it with transformers: AutoModelForCausalLM.from_pretrained(...)",
        )
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        found = "no tokenizer" if tokenizer is None else f"a {type(tokenizer).__name__}"
        raise ConfigError(
            f"a loaded model with {found}",
            "its tokenizer beside it",
            "Study(model=model, tokenizer=tokenizer, ...)",
        )
    kind = str(model.config.model_type)
    check_tokens(kind, model, tokenizer)
    model.eval()
    local = Local(model, tokenizer, name=kind, notes=("loaded by Python, not from a file",))
    card = local.card
    living = Living(local, _versions(model), _home(model))
    digest = hashlib.blake2b((card.weights + card.reading).encode(), digest_size=6).hexdigest()
    return LENDER.lend(f"{kind}-{digest}", living)


def keep_at(living: Living, folder: Path) -> None:
    """Write the model where nothing else holds its weights, so that an export can name its base.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    if living.home:
        return
    transformers_logging.disable_progress_bar()
    try:
        living.local.module.save_pretrained(folder)
        living.local.tokenizer.save_pretrained(folder)
    except OSError as error:
        raise CheckpointError(
            f"{folder}: {error.strerror}", "a folder that can be written", "give another out="
        ) from error
    living.home = str(folder)


def _versions(model: PreTrainedModel) -> tuple[int, ...]:
    return tuple(tensor._version for tensor in model.parameters())


def _home(model: PreTrainedModel) -> str:
    """Return the folder or hub id that the model says it was loaded from; an export is held against it."""
    named = str(model.config._name_or_path or "")
    is_hub_id = re.fullmatch(r"[\w.-]+/[\w.-]+", named) is not None
    return named if named and (is_hub_id or is_there(at(named))) else ""
