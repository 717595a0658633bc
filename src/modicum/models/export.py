"""A nudge that `modicum export` wrote: the base model with it, asked in the prompt it was measured in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import CheckpointError, ConfigError, TrustError
from modicum.files.foreign import at
from modicum.files.manifest import (
    MANIFEST,
    Manifest,
    check_files,
    is_export,
    read_manifest,
    read_prompt,
)
from modicum.loading.carried import Carried
from modicum.loading.checkpoint import Running, check_source, open_source
from modicum.loading.device import Device, Dtype
from modicum.loading.footprint import footprint_of
from modicum.model import (
    MODELS,
    Backend,
    Footprint,
    Model,
    ModelCard,
    plugin_of,
    resolve_backend,
)
from modicum.nudge.control_vector import load_control_vector
from modicum.nudge.steering import Steering, load_steering
from modicum.sampling.local import Local
from modicum.study.powers import model_powers
from modicum.training.adapters import load_nudge
from modicum.types import Access, Style
from modicum.whitebox import WhiteBox, need_whitebox

__all__ = ["Export"]

_WHOLE = ("baked", "merged")
"""Forms that hold a whole model."""
_STEERED = {"gguf": "control_vector.gguf", "vector": "vector.safetensors"}
"""Forms that steer a base model, with the file of the directions."""
_NEEDED = {
    **{form: (name,) for form, name in _STEERED.items()},
    "peft": ("adapter_model.safetensors", "adapter_config.json"),
}
_PLAIN = re.compile(r"[\w./~:-]+")
"""What may stand in a command that an error proposes."""
_PLACED = frozenset({"name", "device", "dtype", "rows", "threads"})
"""Settings that a manifest may give of its base model: which one, and how it runs."""
_OPENED = (*_WHOLE, *_STEERED, "peft", "prompt")


@final
@dataclass(frozen=True)
class Export(Backend):
    """Opens an export's folder; its prompt is the default style, so that the study's score returns.

    A decoding rule is no model but a way to ask one: it is studied with its method on the base
    model. Tuning needs plain weights, so that a steered model offers log-probabilities alone.
    """

    powers: ClassVar[Mapping[str, str]] = {"base": "models"}

    name: str = ""
    """The folder that holds `nudge.json`."""
    base: str = ""
    """The base model, where it lies elsewhere now than when the study ran."""
    device: Device = "auto"
    """Where a whole model runs; a base model is placed by its own reference."""
    dtype: Dtype = "auto"
    """Number format of a whole model."""
    rows: int | None = None
    """Completions in flight of a whole model; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads of a whole model; chosen from its size if not given."""

    def __post_init__(self) -> None:
        """State the access that this form offers."""
        if is_export(self._folder):
            object.__setattr__(self, "access", self._offered())

    @property
    def _folder(self) -> Path:
        return at(self.name)

    @property
    def origin(self) -> str:
        """The folder of a whole model; empty for forms that need their base."""
        is_whole = is_export(self._folder) and self._manifest().form in _WHOLE
        return str(self._folder) if is_whole else ""

    def check(self) -> None:
        """Look at manifest, prompt and base, and load no weights.

        Raises:
            CheckpointError: no export, or a broken one.
            ConfigError: a form that is no model, or no base model where it is said to be.
        """
        if not self.name or not is_export(self._folder):
            raise CheckpointError(
                f"no {MANIFEST} in {self.name!r}",
                "a folder that `modicum export` wrote",
                "check the path",
            )
        form = self._manifest().form
        if form == "generation":
            raise ConfigError(
                f"{self.name!r} holds a decoding rule, which is no model",
                "weights, a vector or a prompt",
                self._method(),
            )
        if form not in _OPENED:
            raise CheckpointError(
                f"an export of the form {form!r}", f"one of {', '.join(sorted(_OPENED))}",
                "install the package that wrote it, or export another form",
            )  # fmt: skip
        self._style()
        for needed in _NEEDED.get(form, ()):
            if not (self._folder / needed).is_file():
                raise CheckpointError(
                    f"no {needed} in {self.name!r}", "the file that was exported", "export it again"
                )
        if form in _WHOLE:
            check_source(self.name)
        else:
            self._base_backend()

    def ready(self) -> None:
        """Look whether what the base model needs is there.

        Raises:
            ConfigError: it is not.
        """
        if self._manifest().form not in _WHOLE:
            self._base_backend().ready()

    def ready_for(self, k: int) -> None:
        """Look whether the base model can name the k likeliest first tokens.

        Raises:
            AccessError: it cannot.
        """
        if self._manifest().form not in _WHOLE:
            self._base_backend().ready_for(k)

    def footprint(self) -> Footprint | None:
        """Return what the whole model, or the base model, will take on the processor."""
        if self._manifest().form in _WHOLE:
            return footprint_of(self.name, self.device, self.dtype)
        return self._base_backend().footprint()

    def open(self) -> Model:
        """Load the model with its nudge.

        Raises:
            CheckpointError: a file that was changed, or a base model of other weights.
        """
        manifest, folder = self._manifest(), self._folder
        check_files(folder, manifest)
        style, note = self._style(), f"with a nudge exported as {manifest.form}"
        if manifest.form in _WHOLE:
            running = Running(self.rows, self.threads, self.device, self.dtype)
            licence = str(_part(manifest, "base", "licence"))
            whole = open_source(
                str(folder), name=self.name, licence=licence, notes=(note,), running=running
            )
            whole.style = style
            return whole
        plain = self._base_backend().open()
        if plain.card.weights != manifest.weights:
            raise CheckpointError(
                f"base model {self._base()!r} with weights {plain.card.weights}",
                f"the weights that the nudge was found on, {manifest.weights}",
                "name the right one after the folder: ?base=MODEL",
            )
        if manifest.form == "prompt" and not isinstance(plain, WhiteBox):
            return Carried(plain, self.name, style)
        whitebox = need_whitebox(plain, "export")
        if manifest.form == "peft":
            whitebox = whitebox.with_module(load_nudge(whitebox, folder))
        named = self._named(whitebox, plain.card, note)
        named.style = style
        if manifest.form in _STEERED:
            return named.with_steering(self._steering(manifest.form))
        return named

    def _named(self, whitebox: WhiteBox, card: ModelCard, note: str) -> Local:
        """Return the model under this name, with what is known of its base."""
        known = [said for said in card.notes if "thread" not in said]  # said anew
        return Local(
            whitebox.module,
            whitebox.tokenizer,
            name=self.name,
            licence=card.licence,
            notes=(*known, note),
            rows=card.rows or None,
            threads=whitebox.threads,
        )

    def _offered(self) -> Access:
        form = self._manifest().form
        if form in ("prompt", "generation"):
            return self._base_backend().access
        return Access.LOGPROBS if form in _STEERED else Access.WEIGHTS

    def _steering(self, form: str) -> Steering:
        path = self._folder / _STEERED[form]
        return load_control_vector(path) if form == "gguf" else load_steering(path)

    def _manifest(self) -> Manifest:
        return read_manifest(self._folder)

    def _style(self) -> Style:
        style, stages = read_prompt(self._folder)
        if stages:
            raise ConfigError(
                f"{self.name!r} holds a prompt that asks twice, which no single prompt can carry",
                "one prompt",
                self._method(),
            )
        return style

    def _base(self) -> str:
        return self.base or self._manifest().base

    def _base_backend(self) -> Backend:
        reference = self._base()
        if not self.base:
            self._refuse_words(reference)
        try:
            self._refuse_nudge(reference)
            return resolve_backend(reference)
        except ConfigError as error:
            raise ConfigError(
                f"the base model {reference!r} of {self.name!r}: {error.found}",
                "the model that the nudge was found on",
                "name it after the folder: ?base=MODEL",
            ) from error

    def _refuse_words(self, reference: str) -> None:
        """Refuse a base model of the manifest that would switch anything on: it is a stranger's.

        Raises:
            TrustError: a backend that asks for a power or is not ours, or any setting but how it runs.
        """
        why = _beyond(reference)
        if why:
            raise TrustError(
                f"the base model {reference.partition('?')[0]!r:.120} that {MANIFEST} in {self.name!r} "
                f"names: {why}",
                "a folder, a GGUF file, a hub id or a model of ours, and no setting but how it runs",
                "if you trust it, name it yourself after the folder: ?base=MODEL",
            )

    def _refuse_nudge(self, reference: str) -> None:
        """Refuse a base model that needs one itself, be it this very folder.

        Raises:
            ConfigError: it does.
        """
        plugin, settings = plugin_of(reference)
        place = at(str(settings.get("name", "")))
        if plugin == "export" and is_export(place) and read_manifest(place).form not in _WHOLE:
            raise ConfigError(
                f"the base model {reference!r} of {self.name!r}, itself a nudge without its model",
                "a whole model",
                "export that one as merged or baked first; or name another: ?base=MODEL",
            )

    def _method(self) -> str:
        """Propose the command that studies what no model carries, without odd words of a manifest."""
        base, method = self._base(), str(_part(self._manifest(), "method", "name"))
        if not self.base and (_beyond(base) or not _PLAIN.fullmatch(base)):
            base = "BASE"
        method = method if _PLAIN.fullmatch(method) else "METHOD"
        return f"study it by its method: --model {base} --methods {method}"


def _beyond(reference: str) -> str:
    """Say why a manifest may not name this base model; empty where it may."""
    try:
        plugin, settings = plugin_of(reference)
        module = MODELS.entry(plugin).module
    except ConfigError:
        return ""  # nothing is opened, and the error says why
    asked = model_powers(reference)
    if asked:
        return f"{asked[0].words!r:.120} {asked[0].does}"
    if not module.startswith("modicum."):
        return "a backend of another package"
    more = sorted(set(settings) - _PLACED)
    if more:
        return f"the setting {more[0]!r}"
    if str(settings.get("name", "")).startswith(("//", "\\\\")):
        return "a folder on another machine"
    return ""


def _part(manifest: Manifest, table: str, name: str) -> object:
    """Return one fact of a manifest; empty where it is not there."""
    facts = manifest.facts.get(table)
    return facts.get(name, "") if isinstance(facts, dict) else ""
