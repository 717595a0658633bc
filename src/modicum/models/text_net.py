"""A net of text that thinks before each character: a folder that `modicum pretrain` wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import at, read_table, words_of
from modicum.loading.device import Device, check_device, choose_place
from modicum.loading.reference import reference_of
from modicum.model import Backend
from modicum.nets.energy_text_folder import read_energy_text
from modicum.nets.energy_text_thinking import EnergyTextWriter
from modicum.nets.looped_text import LOOPED_TEXT_CONFIG, LoopedTextWriter, read_looped_text
from modicum.nets.text_writer import TextWriter
from modicum.nets.thinking import Thinking
from modicum.nudge.parts import method_of
from modicum.sampling.net_of_boards import net_hash
from modicum.sampling.text_net_model import TextMind, TextNetModel
from modicum.training.energy_text_learner import EnergyTextLearner
from modicum.training.looped_text_learner import LoopedTextLearner
from modicum.types import Access

__all__ = ["TextNetBackend"]

_MOST_BYTES = 1 << 22


@final
@dataclass(frozen=True)
class _EnergyMind(TextMind):
    """Goes down its energy."""

    learner: EnergyTextLearner

    def writer(self) -> TextWriter:
        """Return what keeps what was observed."""
        return EnergyTextWriter(self.learner.net, self.thinking)

    def nats(self, ids: Int[Tensor, "rows places"]) -> Float[Tensor, "rows length"]:
        """Return what each character costs by the last state."""
        return self.learner.nats(ids, self.thinking)


@final
@dataclass(frozen=True)
class _LoopedMind(TextMind):
    """Runs its layers again and again."""

    learner: LoopedTextLearner

    def writer(self) -> TextWriter:
        """Return what keeps the keys and values of every loop."""
        return LoopedTextWriter(self.learner.net, self.thinking.steps or self.learner.inner_steps)

    def nats(self, ids: Int[Tensor, "rows places"]) -> Float[Tensor, "rows length"]:
        """Return what each character costs after the last loop."""
        return self.learner.nats(ids, self.thinking)


@final
@dataclass(frozen=True)
class TextNetBackend(Backend):
    """Opens what `modicum pretrain energy --corpus` or `modicum pretrain looped --corpus` wrote."""

    access: ClassVar[Access] = Access.LOGPROBS
    light: ClassVar[bool] = True
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})

    name: str = ""
    """Folder of a trained net."""
    steps: int = 0
    """Inner steps before each character; as many as it was trained with where 0."""
    candidates: int = 1
    """Of which the one of least energy stands."""
    device: Device = "auto"
    """Where it runs: CUDA where there is one, else Apple's MPS, else the processor."""

    def check(self) -> None:
        """Read the card and look whether it thinks so, without the weights.

        Raises:
            ConfigError: no folder, or thinking that its net cannot do.
            CheckpointError: a folder that is missing or broken, or holds another kind of net.
        """
        thinking, kind = Thinking(self.steps, self.candidates), self._kind()
        if kind == "looped" and thinking.candidates > 1:
            raise ConfigError(
                f"candidates={thinking.candidates} of a looped net, which draws nothing",
                "1 candidate",
                "leave candidates out, or ask for more steps",
            )

    def ready(self) -> None:
        """Look whether torch sees the device.

        Raises:
            ConfigError: it does not.
        """
        check_device(self.device)

    def open(self) -> TextNetModel:
        """Load the weights.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        self.check()
        folder, thinking = at(self.name), Thinking(self.steps, self.candidates)
        device = torch.device(choose_place(self.device, "float32", 0).device)
        kind = self._kind()
        name = reference_of("text_net", self)
        if kind == "looped":
            card, looped = read_looped_text(folder)
            own = LoopedTextLearner(looped.to(device), card.inner_steps)
            size = (card.shape.alphabet, card.shape.places, thinking, own.parameters)
            return TextNetModel(
                _LoopedMind(*size, own.flops(thinking), net_hash(looped), kind, device, own), name
            )
        told, net = read_energy_text(folder)
        method_of(net, "to")(device)
        learner = EnergyTextLearner(net, told.alphabet)
        size = (told.alphabet, net.shape.length, thinking, learner.parameters)
        return TextNetModel(
            _EnergyMind(*size, learner.flops(thinking), net_hash(net), kind, device, learner), name
        )

    def _kind(self) -> str:
        """Return what kind of net lies there.

        Raises:
            ConfigError: no folder is given.
            CheckpointError: it is missing or broken, or of a kind that is opened otherwise.
        """
        if not self.name:
            raise ConfigError(
                "a net of text without a folder",
                "what `modicum pretrain energy --corpus` or `looped --corpus` wrote",
                "such as text_net:FOLDER",
            )
        folder: Path = at(self.name)
        try:
            kind = read_table(folder / LOOPED_TEXT_CONFIG, _MOST_BYTES).get("kind")
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"the net of text in {self.name!r:.200}: {words_of(error)}",
                f"a folder with {LOOPED_TEXT_CONFIG}, as `modicum pretrain` writes it",
                "check the path",
            ) from error
        if kind not in ("energy", "looped"):
            raise CheckpointError(
                f"a net of kind {kind!r:.80} in {self.name!r:.200}",
                "an energy net or a looped one of text",
                f"a transformer is opened as a folder: --model {self.name:.200}",
            )
        return str(kind)
