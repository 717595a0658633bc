"""LoRA adapters on a running server: loaded, replaced and unloaded by name, never believed unseen.

The routes are vLLM's; a server without them is refused in words. After each load a probe is scored
by the server and by the local module, because a server may say that it loaded and go on with what
it had.
"""

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import final

from modicum.errors import CheckpointError, ConfigError, EndpointError, TrialError
from modicum.serving.endpoint import ChatRequest, Endpoint, Json
from modicum.serving.parity import (
    PROBE,
    TOLERANCE,
    Parity,
    ParityReference,
    ParityTrace,
    Scorer,
    Tolerance,
    compare,
    local_values,
    read_greedy,
    read_probe,
    shows_change,
)

__all__ = ["ServedAdapter", "ServedAdapters"]

_LOAD, _UNLOAD = "/load_lora_adapter", "/unload_lora_adapter"
_FILES = ("adapter_config.json", "adapter_model.safetensors")
_ABSENT = (404, 405, 501)
_REFUSED = (400, 409, 422)
"""Statuses of a server that does not know `load_inplace` and already has the name."""


@dataclass(frozen=True)
class ServedAdapter:
    """An adapter that the server was seen to sample from."""

    name: str
    """What requests call it."""
    version: str
    """Digest of its files: 16 hexadecimal digits."""
    parity: Parity


@final
class ServedAdapters:
    """Loads, replaces and unloads adapters over one served model; not to be shared by threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        untuned: Scorer,
        probe: ParityTrace = PROBE,
        tolerance: Tolerance = TOLERANCE,
        extra: Json | None = None,
    ) -> None:
        """Ask nobody yet.

        Args:
            endpoint: The server.
            model: The untuned model's name there.
            untuned: Scores tokens with the local module before any tuning.
            probe: What is scored on both sides after each load.
            tolerance: How far the two may differ.
            extra: Added to the body of every probe.
        """
        self._endpoint, self._model, self._untuned = endpoint, model, untuned
        self._probe, self._tolerance, self._extra = probe, tolerance, dict(extra or {})
        self._bare: ParityReference | None = None
        self._loaded: dict[str, ParityReference] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Adapters that were loaded here and passed, in the order of their first load."""
        return tuple(self._loaded)

    def load(self, name: str, folder: Path, tuned: Scorer) -> ServedAdapter:
        """Load an adapter under a new name and sees that the server samples from it.

        Args:
            name: What requests will call it.
            folder: A PEFT folder, which the server sees under the same path.
            tuned: Scores tokens with the local module that carries this adapter.

        Raises:
            CheckpointError: the folder lacks a file.
            ConfigError: the name is taken, or the server has no such route.
            EndpointError: the server is down or refuses the adapter.
            TrialError: it samples from other weights; the adapter is unloaded again.
        """
        version = _digest(folder)
        if name in (self._model, *self._loaded) or not name:
            raise ConfigError(
                f"an adapter to be loaded as {name!r}", "a name not in use", "replace it instead"
            )
        bare = self._untuned_reference()
        self._post(_LOAD, _body(name, folder))
        return self._seen(name, version, tuned, [bare])

    def replace(self, name: str, folder: Path, tuned: Scorer) -> ServedAdapter:
        """Put newer weights behind a name; in place where the server can, else by unloading.

        Args:
            name: An adapter that was loaded here.
            folder: A PEFT folder, which the server sees under the same path.
            tuned: Scores tokens with the local module that carries the newer weights.

        Raises:
            CheckpointError: the folder lacks a file.
            ConfigError: no such name, or the server has no such route.
            EndpointError: the server is down or refuses the adapter.
            TrialError: it samples from other weights, such as the former ones; the adapter is
                unloaded.
        """
        version, former = _digest(folder), self._loaded.get(name)
        if former is None:
            raise ConfigError(
                f"no adapter {name!r} loaded here", f"one of {', '.join(self.names) or '(none)'}",
                "load it first; unload what an earlier run left under that name",
            )  # fmt: skip
        del self._loaded[name]  # whatever happens now, the former weights are not vouched for
        try:
            self._post(_LOAD, {**_body(name, folder), "load_inplace": True})
        except EndpointError as error:
            if error.status not in _REFUSED:
                raise
            self._post(_UNLOAD, {"lora_name": name})
            self._post(_LOAD, _body(name, folder))
        return self._seen(name, version, tuned, [former, self._untuned_reference()])

    def unload(self, name: str) -> None:
        """Take an adapter off the server, whoever loaded it.

        Raises:
            ConfigError: the server has no such route.
            EndpointError: it is down, or knows no such adapter.
        """
        self._loaded.pop(name, None)
        self._post(_UNLOAD, {"lora_name": name})

    def _seen(
        self, name: str, version: str, tuned: Scorer, others: list[ParityReference]
    ) -> ServedAdapter:
        """Compare both sides; what does not pass is unloaded, so that nothing samples from it."""
        probe, bounds = self._probe, self._tolerance
        extra = {**self._extra, "cache_salt": version}  # as in rollouts: no older prefix reused
        what = f"adapter {name!r}, version {version}"
        try:
            served = read_probe(self._endpoint, name, probe, extra)
            local = local_values(tuned, probe.prompt, served.tokens)
            apart = [shows_change(what, served, local, other, bounds) for other in others]
            mean, most = compare(what, served, local, bounds)
            drawn = read_greedy(self._endpoint, name, probe, extra)
            said = local_values(tuned, probe.prompt, drawn.tokens)
            compare(f"{what}, where it answers", drawn, said, bounds)
            self._loaded[name] = ParityReference(f"version {version}", served, local)
        finally:
            if name not in self._loaded:
                with contextlib.suppress(TrialError, ConfigError):  # the first failure counts
                    self._post(_UNLOAD, {"lora_name": name})
        return ServedAdapter(name, version, Parity(mean, most, all(apart)))

    def _untuned_reference(self) -> ParityReference:
        """Return the model without adapters, seen once; both sides must agree on it already."""
        if self._bare is None:
            served = read_probe(self._endpoint, self._model, self._probe, self._extra)
            local = local_values(self._untuned, self._probe.prompt, served.tokens)
            compare(f"the untuned model {self._model!r}", served, local, self._tolerance)
            self._bare = ParityReference("the untuned model", served, local)
        return self._bare

    def _post(self, path: str, body: Json) -> None:
        """Ask for a change.

        Raises:
            ConfigError: the server has no such route.
        """
        try:
            self._endpoint.answer(ChatRequest(path, body, insists=False, is_plain=True))
        except EndpointError as error:
            words = str(error).partition(f"{path}: ")[2]
            # a server that has the route names the adapter or the folder that it does not find
            if error.status in _ABSENT and not any(str(given) in words for given in body.values()):
                raise ConfigError(
                    f"no route {path} at {self._endpoint.base_url}: {error}",
                    "a server that loads LoRA adapters while it runs",
                    "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
                ) from error
            raise


def _body(name: str, folder: Path) -> Json:
    return {"lora_name": name, "lora_path": str(folder.resolve())}


def _digest(folder: Path) -> str:
    """Return a digest of an adapter's files.

    Raises:
        CheckpointError: one is missing.
    """
    digest = hashlib.sha256()
    for name in _FILES:
        if not (folder / name).is_file():
            raise CheckpointError(
                f"no {name} in {folder}", f"a PEFT folder with {' and '.join(_FILES)}",
                "save the adapter with safetensors, or correct the path",
            )  # fmt: skip
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()[:16]
