"""Rollouts from a server: the adapter is loaded anew before each step and seen to be the new one.

The server samples and this process learns. Before any rollout of a step the adapter as it is now is
put behind its name on the server, and a probe is scored on both sides (`serving/adapters.py`): a
server that goes on with what it had ends the training with that said.
"""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol, final, runtime_checkable

import torch
from peft import PeftModel

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import Backend, Model, resolve_backend
from modicum.seeds import key
from modicum.stock import Group
from modicum.training.launch import ranks
from modicum.training.rollouts import RolloutRow, batch_rows
from modicum.training.scoring import score
from modicum.training.trainable import Trainable, TrainedWeights
from modicum.types import Completion, Request, Sampling
from modicum.whitebox import WhiteBox

__all__ = ["Host", "host_of", "one_pass", "sampled_on"]

Scorer = Callable[[str, Sequence[str]], Sequence[float]]
"""Gives a log-probability (nats) for each token's text, each after the prompt and those before."""

_ROOMY = 1024
"""Context from which on the probe of every server fits."""


@runtime_checkable
class _Adapters(Protocol):
    """What puts adapters on a server (`serving/adapters.py`)."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are there and passed."""

    def load(self, name: str, folder: Path, tuned: Scorer) -> Any:  # noqa: ANN401 - the server's own
        """Load one and sees that the server samples from it."""

    def replace(self, name: str, folder: Path, tuned: Scorer) -> Any:  # noqa: ANN401
        """Put newer weights behind a name, and see them."""

    def unload(self, name: str) -> None:
        """Take one off."""


@runtime_checkable
class _Server(Protocol):
    """A backend whose model takes adapters while it runs."""

    def adapters(self, untuned: Scorer, probe: tuple[str, str] | None = None) -> _Adapters:
        """Return what loads them."""

    def with_adapter(self, adapter: Any) -> Backend:  # noqa: ANN401
        """Return the same server sampling under an adapter's name."""


@final
class Host:
    """One adapter under training on one server."""

    def __init__(self, server: _Server, trainable: TrainedWeights, prompt: str) -> None:
        """Ask nobody yet.

        Args:
            server: Where rollouts are drawn.
            trainable: Whose adapter goes there.
            prompt: A prompt of the task, for the probe of a model with a short context.
        """
        whitebox = trainable.whitebox
        context = getattr(whitebox.module.config.get_text_config(), "max_position_embeddings", 0)
        probe = None if context >= _ROOMY else (prompt, f"\n{prompt}")
        self._server, self._trainable = server, trainable
        self._adapters = server.adapters(one_pass(whitebox), probe)
        self._folder = Path(mkdtemp(prefix="modicum-served-"))
        self._name = f"modicum-{os.getpid()}-{key(str(self._folder)):016x}"
        self._version = 0

    def sampler(self) -> WhiteBox:
        """Return a model that is sampled on the server, with the adapter as it is now.

        Raises:
            EndpointError: the server is down or refuses the adapter.
            TrialError: it samples from other weights.
        """
        local = self._trainable.sampler()
        folder = self._folder / str(self._version)
        folder.mkdir()
        self._trainable.save(folder)
        put = self._adapters.replace if self._version else self._adapters.load
        adapter = put(self._name, folder, one_pass(local))
        shutil.rmtree(self._folder / str(self._version - 1), ignore_errors=True)
        self._version += 1
        backend: Any = self._server.with_adapter(adapter)
        # whether it samples at all was seen when the untuned model was opened
        return _remote(local, dataclasses.replace(backend, trust=True).open())

    def close(self) -> None:
        """Take the adapter off the server."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._name in self._adapters.names:  # what did not pass was taken off at once
            self._adapters.unload(self._name)


@contextlib.contextmanager
def sampled_on(
    reference: str, trainable: Trainable, prompt: str
) -> Iterator[Callable[[], WhiteBox] | None]:
    """Yield what `reinforce` draws rollouts from while it trains; None where no server is named."""
    if not reference:
        yield None
        return
    host = host_of(reference, trainable, prompt)
    try:
        yield host.sampler
    finally:
        host.close()


def host_of(reference: str, trainable: Trainable, prompt: str) -> Host:
    """Return the host of a server's reference, such as `openai:MODEL?base_url=http://…/v1`.

    Raises:
        ConfigError: no server of that kind, several processes, or no adapter that a server could
            load.
    """
    backend = resolve_backend(reference)
    if not isinstance(backend, _Server):
        raise ConfigError(
            f"server {reference!r}", "a server that loads adapters", "openai:MODEL?base_url=URL"
        )
    if ranks().count > 1:
        raise ConfigError(
            f"server {reference!r} and {ranks().count} processes",
            "one process, for the server draws the rollouts",
            "start one process, or leave the server out",
        )
    if not isinstance(trainable, TrainedWeights) or not _is_lora(trainable):
        raise ConfigError(
            f"server {reference!r} for what is no LoRA",
            "an adapter that a server can load",
            "train LoRA (parameters = lora), or leave the server out",
        )
    backend.open()
    return Host(backend, trainable, prompt)


def _is_lora(trainable: TrainedWeights) -> bool:
    kind = getattr(trainable.module, "peft_type", None)
    return isinstance(trainable.module, PeftModel) and getattr(kind, "value", kind) == "LORA"


def _remote(local: WhiteBox, remote: Model) -> WhiteBox:
    """Return the tuned model, sampled on a server; all else is the local one's.

    Token ids are the local tokenizer's.

    Args:
        local: The model as it is here.
        remote: The same weights, served.
    """

    def draw(requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        asked = [dataclasses.replace(r, prompt=_bare(local, r.prompt)) for r in requests]
        drawn = remote.generate(asked, dataclasses.replace(sampling, ids=False), ledger)
        if not sampling.ids:
            return drawn
        return [tuple(_exact(local, c, sampling) for c in group) for group in drawn]

    return local.drawn_by(draw)


def _bare(local: WhiteBox, prompt: str) -> str:
    """Return a prompt without the opening token that the server's tokenizer adds by itself."""
    opening = local.tokenizer.bos_token or ""
    adds = bool(opening) and local.encode("a")[:1] == [local.tokenizer.bos_token_id]
    return prompt.removeprefix(opening) if adds else prompt


def _exact(local: WhiteBox, completion: Completion, sampling: Sampling) -> Completion:
    """Return a completion with token ids and its own length; a server says that of n together."""
    end = local.tokenizer.eos_token_id
    ended = completion.stop == "eos" and end is not None
    ids = [*local.encode_more(completion.text), *([end] if ended else [])]
    # an answer without a token cannot be trained on; what ended it stands for it
    ids = ids or [int(end or 0)]
    size = sampling.max_new_tokens if completion.stop == "length" else len(ids)
    return dataclasses.replace(completion, ids=tuple(ids), n_tokens=size)


def one_pass(whitebox: WhiteBox) -> Scorer:
    """Return a scorer of a local model: one pass where each text is one token, else one a text."""

    def values(prompt: str, tokens: Sequence[str]) -> list[float]:
        pieces = [whitebox.encode_more(token) for token in tokens]
        if not tokens or any(len(piece) != 1 for piece in pieces):
            before = [prompt + "".join(tokens[:i]) for i in range(len(tokens))]
            return whitebox.logprob(before, tokens)
        row = RolloutRow(tuple(whitebox.encode(prompt)), tuple(piece[0] for piece in pieces), 0.0)
        with whitebox.threaded(), torch.no_grad():
            found = score(whitebox.module, batch_rows([row], whitebox.device)).logprobs[0]
        return [float(value) for value in found]

    return values
