"""The contract of a model: text in, text and numbers out; torch-free."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, Self, TypeAlias, final

from modicum.catalog import Catalog, file_name, read_reference
from modicum.errors import AccessError, ConfigError
from modicum.files.foreign import at, is_there
from modicum.files.manifest import is_export
from modicum.ledger import Ledger
from modicum.stock import Group, Stock, usable
from modicum.types import Access, Request, Sampling, Setting, Settings, Style

__all__ = [
    "MODELS",
    "Backend",
    "Drawer",
    "Extra",
    "Footprint",
    "Language",
    "Model",
    "ModelCard",
    "Passed",
    "backend_access",
    "backend_version",
    "plugin_of",
    "render",
    "resolve_backend",
]

MODELS = Catalog("models")

Drawer: TypeAlias = Callable[[Sequence[Request], Sampling, Ledger], list[Group]]
"""Draws the completions of requests; see `Model.draw`."""
Extra = Literal["branches", "begun", "scores", "thinking"]
"""What a model may draw beside plain samples: `begun` follows token ids, `scores` are log-probabilities."""


@dataclass(frozen=True)
class ModelCard:
    """What is known of a loaded model, for the record."""

    name: str
    """Name as given by the user."""
    weights: str
    """Hash of the weights: 16 hexadecimal digits."""
    parameters: int
    """Number of parameters."""
    flops_per_token: float
    """2 x the parameters that a token passes through, as often as it does."""
    licence: str = ""
    """Licence, where known."""
    notes: tuple[str, ...] = ()
    """What a reader must know: instruct-tuned, dequantised, threads."""
    nudge: str = ""
    """Hash of the directions that are added to its activations; empty where there are none."""
    reading: str = ""
    """Hash of what else decides its answers: tokenizer, configuration, tokens that end a text."""
    rows: int = 0
    """Completions in flight, as set or tuned; 0 where a rule decides."""


@dataclass(frozen=True)
class Footprint:
    """What a model will take in memory, known from its files before it is loaded."""

    weight_bytes: int
    """Weights as they will lie in memory."""
    cache_bytes: int
    """Keys and values of one token of one completion."""
    training_bytes: int = 0
    """What training all weights adds to a copy of them: gradients, moments, masters."""


class Language:
    """What a language model tells of itself; the defaults: it takes any text and has no chat template."""

    @property
    def language(self) -> "Language":
        """What it tells as a language model: itself."""
        return self

    def chat(self, system: str | None, user: str) -> str | None:
        """Return the prompt of the chat template, or None where the model has none."""
        del system, user
        return None

    def can_encode(self, text: str) -> bool:
        """Say whether the tokenizer keeps the text (no unknown tokens)."""
        del text
        return True

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has; 0 where that is not known."""
        del text
        return 0

    @property
    def takes_raw(self) -> bool:
        """Whether it continues any text; a server may take chat messages alone."""
        return True

    @property
    def thinking(self) -> tuple[str, str] | None:
        """What opens and what closes its thinking, or None where it does not think aloud."""
        return None

    def opens_thinking(self, prompt: str) -> bool:
        """Say whether a prompt ends inside the thinking, as some chat templates write it."""
        opening, closing = self.thinking or ("", "")
        return prompt.rfind(opening) > prompt.rfind(closing) if opening else False


class Model(ABC):
    """A loaded model that answers prompts; one with a tokenizer and a chat template is a `Language` too."""

    offers: frozenset[Extra] = frozenset()
    """What it draws beside plain samples; `generate` refuses the rest in words."""
    style: Style | None = None
    """The prompt that travels with it, as with an exported nudge; None where there is none."""
    _stock: Stock | None = None
    _drawer: Drawer | None = None

    @property
    @abstractmethod
    def card(self) -> ModelCard:
        """What is known of the model."""

    @abstractmethod
    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Draw each request's completions; row i of the result belongs to request i.

        They are samples `first` to `first + n - 1`, or with `sampling.branches` all branches,
        likeliest first token first. Random choices depend on (sampling.stream, request.address,
        sample index, step) alone. Whatever was drawn is told to the ledger.
        """

    @final
    def generate(
        self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger
    ) -> list[Group]:
        """Answer each request: take from its stock what was drawn before, and draw the rest.

        Raises:
            AccessError: something is asked that the model does not offer.
        """
        self._refuse(requests, sampling)
        draw = self._drawer or self.draw
        stock = usable(self._stock, requests, sampling)
        if stock is None:
            return draw(requests, sampling, ledger)
        card = self.card
        voice = (card.weights, card.nudge, card.reading)
        return stock.serve(
            [(voice, request) for request in requests],
            sampling,
            ledger,
            card.flops_per_token,
            lambda missing: draw([request for _, request in missing], sampling, ledger),
        )

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Return the sum of log-probabilities (nats) of each continuation after its prompt.

        Raises:
            AccessError: the model gives none.
        """
        del prompts, continuations
        raise self._unable("scoring a given text")

    @property
    def language(self) -> Language | None:
        """What it tells as a language model; None where it is none."""
        return None

    @property
    def is_lasting(self) -> bool:
        """Whether the card's hashes mean the same weights in every study; a server may hold others."""
        return True

    def tuned(self, rows: int = 0) -> "Model":
        """Return the model with its completions in flight settled, which the last bits hang on.

        Args:
            rows: What a study froze; 0 lets the model find the quickest by a short timing, once.
        """
        del rows
        return self

    @final
    def stocked(self, stock: Stock) -> Self:
        """Return the same model, which takes from a stock what was drawn before."""
        other = copy.copy(self)
        other._stock = stock if self.is_lasting else stock.alone()
        return other

    @final
    def drawn_by(self, drawer: Drawer) -> Self:
        """Return the same model, whose completions something else draws: a server, several processes."""
        other = copy.copy(self)
        other._drawer = drawer
        return other

    def _refuse(self, requests: Sequence[Request], sampling: Sampling) -> None:
        wanted: tuple[tuple[bool, Extra, str], ...] = (
            (sampling.branches is not None, "branches", "branching at the first token"),
            (any(request.begun for request in requests), "begun", "going on from token ids"),
            (sampling.scores, "scores", "the log-probability of each token"),
            (sampling.thinking is not None, "thinking", "thinking of a forced length"),
        )
        for is_asked, extra, purpose in wanted:
            if is_asked and extra not in self.offers:
                raise self._unable(purpose)

    def _unable(self, purpose: str) -> AccessError:
        return AccessError(
            f"{purpose} on {self.card.name!r}, which cannot",
            "a model that can, such as a local transformers model",
            "drop it, or give a folder or hub id",
        )


class Passed(Model):
    """A model that passes every question on; subclasses answer some themselves."""

    def __init__(self, inner: Model) -> None:
        """Wrap a model; its prompt is taken over."""
        self._inner, self.style, self.offers = inner, inner.style, inner.offers

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        return self._inner.card

    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Let the inner model answer."""
        return self._inner.generate(requests, sampling, ledger)

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Return the sum of log-probabilities (nats) of each continuation after its prompt."""
        return self._inner.logprob(prompts, continuations)

    @property
    def language(self) -> Language | None:
        """What the inner model tells as a language model."""
        return self._inner.language

    @property
    def is_lasting(self) -> bool:
        """Whether the inner model's hashes hold in every study."""
        return self._inner.is_lasting

    def tuned(self, rows: int = 0) -> Model:
        """Settle the inner model's completions in flight."""
        self._inner = self._inner.tuned(rows)
        return self


class Backend(ABC):
    """Where a model comes from. Final subclasses are frozen dataclasses, one a file in `models/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("models",)
    version: ClassVar[int] = 1
    """Raised where a reference gives other completions; read without import, so each class states it."""
    access: ClassVar[Access] = Access.TEXT
    """What the opened model offers."""
    speaks: ClassVar[bool] = True
    """Whether the opened model is a language model (`Model.language`), which takes words of any kind."""
    light: ClassVar[bool] = False
    """Whether several processes may each hold a copy."""
    pretrained: ClassVar[bool] = False
    """Whether texts from outside taught it, which may hold a task's questions; stated as `version` is."""
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set, `""` being the backend itself: a kind of power, or
    the folder of plug-ins that the setting's reference names (see `study.powers`)."""

    @abstractmethod
    def check(self) -> None:
        """Raise a `ConfigError` for what can be known wrong before weights load; cheap."""

    def ready(self) -> None:  # noqa: B027 - most backends need nothing but their files
        """Raise a `ConfigError` where what it needs is not there now: a device, a server.

        May take seconds; called once before a run, never to read what is stored.
        """

    def ready_for(self, k: int) -> None:  # noqa: B027 - most models have all their probabilities
        """Raise an `AccessError` where it cannot name the k likeliest first tokens.

        May take seconds; called once before a run that branches at them.
        """

    @property
    def more_access(self) -> str:
        """What to set for log-probabilities, where a setting gives them; empty where none does."""
        return ""

    @abstractmethod
    def open(self) -> Model:
        """Load the model.

        Raises:
            CheckpointError: weights that are missing, unsafe or broken.
        """

    @property
    def origin(self) -> str:
        """The folder, file or hub id that transformers loads it from; empty where there is none."""
        return ""

    @property
    def boards(self) -> str:
        """Reference of the task whose boards alone it reads; empty where it reads any prompt."""
        return ""

    @property
    def is_new(self) -> bool:
        """Whether it has learned nothing yet: what methods of the kind `scratch` train."""
        return False

    def footprint(self) -> Footprint | None:
        """Return what the opened model will take, from its files; None where they do not say."""
        return None


def resolve_backend(reference: str, settings: Settings | None = None) -> Backend:
    """Return the backend of a reference: a plug-in's name (`organism`), a folder or a hub id.

    What follows a question mark fills its other fields: `./my-model?device=cuda&threads=1`. Any other
    path or hub id fills the field `name` of `huggingface`, or of `export` where an exported nudge lies.

    Raises:
        UnknownNameError: neither a plug-in, a folder nor a hub id.
    """
    plugin, own = plugin_of(reference)
    backend = MODELS.build(plugin, {**(settings or {}), **own})
    if not isinstance(backend, Backend):
        raise TypeError(reference)
    backend.check()
    return backend


def backend_version(reference: str) -> int:
    """Return the version of a reference's plug-in without importing it, for a trial's identity.

    Raises:
        UnknownNameError: neither a plug-in, a folder nor a hub id.
    """
    stated = MODELS.entry(plugin_of(reference)[0]).stated
    return int(str(stated.get("version", Backend.version)))


def backend_access(reference: str) -> Access:
    """Return what a reference offers; its plug-in is imported only where it does not state it.

    Raises:
        UnknownNameError: neither a plug-in, a folder nor a hub id.
    """
    stated = MODELS.entry(plugin_of(reference)[0]).stated.get("access")
    return Access[stated] if isinstance(stated, str) else resolve_backend(reference).access


def plugin_of(reference: str) -> tuple[str, dict[str, Setting]]:
    """Return the plug-in that a reference means and the settings it names; builds nothing.

    Raises:
        ConfigError: what follows the question mark is not `field=value`.
    """
    kind, detail, own = read_reference(reference)
    if file_name(kind) in MODELS.entries:
        return kind, {**own, **({"name": detail} if detail else {})}
    if "/" in reference or "\\" in reference or is_there(Path(reference)):
        name = reference.partition("?")[0]
        plugin = "export" if is_export(at(name)) else "huggingface"
        return plugin, {**own, "name": name}
    return kind, dict(own)  # no plug-in bears that name, which is said with a suggestion


def render(model: Model, style: Style, question: str) -> str:
    """Return the whole prompt of a question in a style.

    Raises:
        ConfigError: a chat style on a model without a chat template.
    """
    text = style.fill(question)
    if not style.chat:
        return text
    prompt = model.language.chat(style.system, text) if model.language is not None else None
    if prompt is None:
        raise ConfigError(
            f"style {style.name!r} needs a chat template",
            "a model with one",
            "choose a raw style, or pass a template with --template",
        )
    return prompt
