"""An autoregressive net as a folder: what transformers loads, and what modicum knows of it as JSON."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from transformers import LlamaForCausalLM

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import read_table, words_of
from modicum.files.headers import safetensors_head
from modicum.nets.autoregressive import AutoregressiveShape, autoregressive_net
from modicum.nets.board_tokens import tokenizer_files
from modicum.plain import JsonObject, JsonValue, plain, thawed
from modicum.seeds import stream

__all__ = [
    "AUTOREGRESSIVE_CONFIG",
    "AUTOREGRESSIVE_WEIGHTS",
    "AutoregressiveCard",
    "read_autoregressive_card",
    "read_autoregressive_net",
]

AUTOREGRESSIVE_CONFIG, AUTOREGRESSIVE_WEIGHTS = "autoregressive.json", "model.safetensors"
_FORMAT = 1
_MOST_BYTES = 1 << 20
_MOST_LENGTH = 4096
"""Positions of a question that are taken: no tensor vouches for them."""


@dataclass(frozen=True)
class AutoregressiveCard:
    """What a folder says of its net; known before the weights are read."""

    shape: AutoregressiveShape
    task: str
    """Reference of the task whose boards it reads; a stranger may have written it."""
    trained: JsonObject = field(default_factory=dict)
    """How it was trained, for the reader."""

    def files(self, net: LlamaForCausalLM) -> dict[str, bytes]:
        """Return the files of a net of this shape, by name: transformers loads them too."""
        said = {
            "format": _FORMAT,
            "task": self.task,
            "shape": plain(dataclasses.asdict(self.shape)),
            "trained": plain(self.trained),
        }
        weights = {
            name: part.detach().cpu().contiguous() for name, part in net.state_dict().items()
        }
        return {
            AUTOREGRESSIVE_CONFIG: json.dumps(said, indent=1).encode(),
            AUTOREGRESSIVE_WEIGHTS: save(weights, {"format": "pt"}),
            "config.json": net.config.to_json_string().encode(),
            "generation_config.json": net.generation_config.to_json_string().encode(),
            **tokenizer_files(self.shape),
        }


def read_autoregressive_card(folder: Path) -> AutoregressiveCard:
    """Read what a folder says of its net; the files of other tools are not asked.

    Raises:
        CheckpointError: missing, broken, of another format, or a shape that cannot be built or that
            its weights do not have.
    """
    for name in (AUTOREGRESSIVE_CONFIG, AUTOREGRESSIVE_WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"no {name} in {str(folder)!r:.200}",
                f"a folder with {AUTOREGRESSIVE_CONFIG} and {AUTOREGRESSIVE_WEIGHTS}",
                "make one with `modicum pretrain autoregressive`, or give another folder",
            )
    try:
        card = _card(read_table(folder / AUTOREGRESSIVE_CONFIG, _MOST_BYTES))
        held = safetensors_head(folder / AUTOREGRESSIVE_WEIGHTS).numbers
    except (ValueError, TypeError, ConfigError) as error:
        raise _broken(folder, words_of(error)) from error
    if held != card.shape.numbers:
        why = f"{held:,} numbers in {AUTOREGRESSIVE_WEIGHTS}, where its shape has "
        raise _broken(folder, f"{why}{card.shape.numbers:,}")
    return card


def read_autoregressive_net(folder: Path, card: AutoregressiveCard) -> LlamaForCausalLM:
    """Read the weights into a net, single precision, on the processor.

    Raises:
        CheckpointError: tensors that are missing, of wrong shape, or not readable.
    """
    net = autoregressive_net(card.shape, stream("autoregressive", "to be read"))
    try:
        net.load_state_dict(load_file(folder / AUTOREGRESSIVE_WEIGHTS))
    except (OSError, RuntimeError, SafetensorError, ValueError) as error:
        raise _broken(folder, words_of(error)) from error
    net.requires_grad_(requires_grad=False).eval()
    return net


def _card(said: Mapping[str, JsonValue]) -> AutoregressiveCard:
    """Return what a table says.

    Raises:
        ValueError: another format, or more positions than are taken.
        TypeError: something missing, or of another type.
        ConfigError: a shape that cannot be built.
    """
    if said.get("format") != _FORMAT:
        raise ValueError(f"format {said.get('format')!r:.40}, where {_FORMAT} is read")
    shape = thawed(AutoregressiveShape, said.get("shape"), "shape")
    if shape.length > _MOST_LENGTH:
        raise ValueError(f"length = {shape.length:,}, where {_MOST_LENGTH:,} are the most")
    return AutoregressiveCard(
        shape,
        thawed(str, said.get("task"), "task"),
        thawed(dict[str, JsonValue], said.get("trained", {}), "trained"),
    )


def _broken(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"the autoregressive net in {str(folder)!r:.200}: {why}",
        "the files as `modicum pretrain autoregressive` writes them",
        "make it again, or give another folder",
    )
