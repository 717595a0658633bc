"""A looped transformer of text: the same layers again and again, which read what they said last."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers import DynamicCache

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import read_table, words_of
from modicum.files.headers import safetensors_head
from modicum.nets.text_transformer import TransformerShape, text_transformer
from modicum.nets.text_writer import TextWriter
from modicum.plain import JsonObject, JsonValue, plain, table_of, thawed
from modicum.seeds import stream

__all__ = [
    "LOOPED_TEXT_CONFIG",
    "LOOPED_TEXT_WEIGHTS",
    "MOST_LOOPS",
    "LoopedText",
    "LoopedTextCard",
    "LoopedTextWriter",
    "read_looped_text",
]

LOOPED_TEXT_CONFIG, LOOPED_TEXT_WEIGHTS = "text_net.json", "looped_text.safetensors"
MOST_LOOPS = 1024
_FORMAT, _KIND = 1, "looped"
_MOST_BYTES = 1 << 22


class LoopedText(nn.Module):
    """A transformer whose layers run several times: `h(t + 1) = M(x + b * h(t))`, from `h(0) = 0`.

    x are the embedded characters, M the layers with their last norm, b one number a column that is
    learned. After one loop it is the transformer that it is made of.

    Source: Yang et al. 2024 (2311.12424), looped transformers, the input added at every loop; theirs has
    b = 1 and no norm after the layers.
    """

    def __init__(self, shape: TransformerShape, rng: np.random.Generator) -> None:
        """Draw the first weights.

        Args:
            shape: Of the transformer.
            rng: Their stream.
        """
        super().__init__()
        self.shape = shape
        self.inner = text_transformer(shape, rng)
        # what comes back has numbers of about 1, a drawn embedding of 1 / sqrt(width): both count alike
        self.back = nn.Parameter(torch.full((shape.width,), shape.width**-0.5))

    def loops(
        self,
        ids: Int[Tensor, "rows length"],
        steps: int,
        kept: Sequence[DynamicCache] = (),
    ) -> Iterator[Float[Tensor, "rows length width"]]:
        """Yield what the layers say after each loop.

        Args:
            ids: Characters.
            steps: Loops, at least 1.
            kept: Keys and values of characters before these, of each loop; these are added to them.
        """
        seen = self.inner.get_input_embeddings()(ids)
        asked = seen
        for number in range(steps):
            past = kept[number] if kept else None
            # by their places: what is kept has another name in each version of transformers
            found = self.inner.model(None, None, None, past, asked, use_cache=bool(kept))
            said: Tensor = found.last_hidden_state
            yield said
            asked = seen + self.back * said

    def logits(self, said: Float[Tensor, "*places width"]) -> Float[Tensor, "*places ids"]:
        """Return what follows each character, by what the layers say."""
        found: Tensor = self.inner.lm_head(said)
        return found.float()


@final
class LoopedTextWriter(TextWriter):
    """Keeps the keys and values of every loop."""

    def __init__(self, net: LoopedText, steps: int) -> None:
        """Take a net as its weights stand.

        Args:
            net: The net.
            steps: Loops, at least 1.
        """
        self._net, self._seen = net, 0
        self._kept = [DynamicCache() for _ in range(steps)]

    def read(self, ids: Int[Tensor, "rows further"]) -> Float[Tensor, "rows vocabulary"]:
        """Return the logits after the last loop."""
        net, self._seen = self._net, self._seen + ids.shape[1]
        if self._seen > net.shape.places:
            raise ConfigError(
                f"{self._seen} characters for a net that sees {net.shape.places}",
                "as many as it sees",
                "ask for fewer",
            )
        with torch.inference_mode():
            *_, said = net.loops(ids, len(self._kept), self._kept)
            return net.logits(said[:, -1])

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Go on with some rows alone."""
        with torch.inference_mode():
            for cache in self._kept:
                cache.batch_select_indices(rows)


@dataclass(frozen=True)
class LoopedTextCard:
    """What a folder says of its net."""

    shape: TransformerShape
    inner_steps: int
    """Loops of an update, at least 1."""
    trained: JsonObject = field(default_factory=dict)
    """How it was trained, for the reader."""

    def __post_init__(self) -> None:
        """Refuse what a stranger may have written.

        Raises:
            ConfigError: loops out of their range, or a character twice.
        """
        alphabet = self.shape.alphabet
        if not 1 <= self.inner_steps <= MOST_LOOPS or len(set(alphabet)) < len(alphabet):
            raise ConfigError(
                f"inner_steps = {self.inner_steps} of a looped net of {len(alphabet)} characters",
                f"1 to {MOST_LOOPS:,} loops, and each character once",
                "correct it",
            )

    def files(self, net: LoopedText) -> dict[str, bytes]:
        """Return the files of a net of this shape, by name."""
        weights = {n: part.detach().cpu().contiguous() for n, part in net.state_dict().items()}
        said = {"format": _FORMAT, "kind": _KIND, **table_of(self)}
        card = json.dumps(plain(said), indent=1, ensure_ascii=False) + "\n"
        return {LOOPED_TEXT_WEIGHTS: save(weights), LOOPED_TEXT_CONFIG: card.encode()}


def read_looped_text(folder: Path) -> tuple[LoopedTextCard, LoopedText]:
    """Read a folder that a stranger may have written; the net is on the processor and frozen.

    Raises:
        CheckpointError: missing, broken, of another kind or format, or weights of another shape.
    """
    try:
        said = read_table(folder / LOOPED_TEXT_CONFIG, _MOST_BYTES)
        if (said.get("format"), said.get("kind")) != (_FORMAT, _KIND):
            raise ValueError(f"no {_KIND} net of format {_FORMAT}")
        card = LoopedTextCard(
            thawed(TransformerShape, said.get("shape"), "shape"),
            thawed(int, said.get("inner_steps"), "inner_steps"),
            thawed(dict[str, JsonValue], said.get("trained", {}), "trained"),
        )
        held = safetensors_head(folder / LOOPED_TEXT_WEIGHTS).numbers
        numbers = card.shape.llama.numbers + card.shape.width
        if held != numbers:
            raise ValueError(f"{held:,} numbers, where its shape has {numbers:,}")
        net = LoopedText(card.shape, stream(_KIND, "to be read"))
        net.load_state_dict(load_file(folder / LOOPED_TEXT_WEIGHTS))
    except (
        OSError,
        RuntimeError,
        SafetensorError,
        TypeError,
        ValueError,
        ConfigError,
    ) as error:
        raise CheckpointError(
            f"the looped net of text in {str(folder)!r:.200}: {words_of(error)}",
            f"{LOOPED_TEXT_CONFIG} and {LOOPED_TEXT_WEIGHTS} as `modicum pretrain looped` writes them",
            "make it again, or give another folder",
        ) from error
    net.requires_grad_(requires_grad=False).eval()
    return card, net
