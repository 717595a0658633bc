"""The contract of a model: text in, text and numbers out; torch-free."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, final

from modicum.catalog import Catalog, file_name, read_reference
from modicum.errors import ConfigError
from modicum.foreign import at, is_there
from modicum.ledger import Ledger
from modicum.manifest import is_export
from modicum.stock import Ask, Stock
from modicum.types import Access, Completion, Request, Sampling, Style

__all__ = [
    "MODELS",
    "Backend",
    "Footprint",
    "FromStock",
    "Model",
    "ModelCard",
    "Passed",
    "Stocked",
    "backend_access",
    "backend_version",
    "plugin_of",
    "render",
    "resolve_backend",
]

MODELS = Catalog("models")


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
    """2 x the parameters that a token passes through."""
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


class Model(ABC):
    """A loaded model that answers prompts."""

    style: Style | None = None
    """The prompt that travels with it, as with an exported nudge; None where there is none."""

    @property
    @abstractmethod
    def card(self) -> ModelCard:
        """What is known of the model."""

    @abstractmethod
    def generate(
        self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger
    ) -> list[tuple[Completion, ...]]:
        """Answers each request `n` times; row i of the result belongs to request i.

        Random choices depend on (sampling.stream, request.address, sample index, step) alone.
        """

    @abstractmethod
    def branch(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        ledger: Ledger,
        *,
        k: int,
        min_probability: float,
    ) -> list[tuple[Completion, ...]]:
        """Continues greedily after each of the k likeliest first tokens.

        Branches whose first token has less than `min_probability` are dropped, the first never.
        Needs `Access.LOGPROBS`; every completion carries pieces, margins and probabilities.
        """

    @abstractmethod
    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Gives the sum of log-probabilities (nats) of each continuation after its prompt."""

    @abstractmethod
    def chat(self, system: str | None, user: str) -> str | None:
        """Gives the prompt of the chat template, or None where the model has none."""

    @abstractmethod
    def can_encode(self, text: str) -> bool:
        """Says whether the tokenizer keeps the text (no unknown tokens)."""

    @property
    def takes_raw(self) -> bool:
        """Whether it continues any text; a server may take chat messages alone."""
        return True

    @property
    def thinking(self) -> tuple[str, str] | None:
        """What opens and what closes its thinking, or None where it does not think aloud."""
        return None

    def opens_thinking(self, prompt: str) -> bool:
        """Says whether a prompt ends inside the thinking, as some chat templates write it."""
        if self.thinking is None:
            return False
        opening, closing = self.thinking
        return prompt.rfind(opening) > prompt.rfind(closing)

    def tuned(self, rows: int = 0) -> "Model":  # noqa: ARG002 - most have nothing to tune
        """Gives the model with its completions in flight settled, which the last bits hang on.

        Args:
            rows: What a study froze; 0 lets the model find the quickest by a short timing, once.
        """
        return self

    def stocked(self, stock: Stock) -> "Model":
        """Gives the same model, which takes from a stock what was drawn before."""
        return Stocked(self, stock)


class Passed(Model):
    """A model that passes every question on; subclasses answer some themselves."""

    style: Style | None = None
    """The inner model's, taken at the beginning."""

    def __init__(self, inner: Model) -> None:
        """Wraps a model."""
        self._inner, self.style = inner, inner.style

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        return self._inner.card

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger
    ) -> list[tuple[Completion, ...]]:
        """Answers each request `n` times; see `Model.generate`."""
        return self._inner.generate(requests, sampling, ledger)

    def branch(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        ledger: Ledger,
        *,
        k: int,
        min_probability: float,
    ) -> list[tuple[Completion, ...]]:
        """Continues greedily after each of the k likeliest first tokens; see `Model.branch`."""
        return self._inner.branch(requests, sampling, ledger, k=k, min_probability=min_probability)

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Gives the sum of log-probabilities (nats) of each continuation after its prompt."""
        return self._inner.logprob(prompts, continuations)

    def chat(self, system: str | None, user: str) -> str | None:
        """Gives the prompt of the chat template, or None where the model has none."""
        return self._inner.chat(system, user)

    def can_encode(self, text: str) -> bool:
        """Says whether the tokenizer keeps the text (no unknown tokens)."""
        return self._inner.can_encode(text)

    @property
    def takes_raw(self) -> bool:
        """Whether it continues any text."""
        return self._inner.takes_raw

    @property
    def thinking(self) -> tuple[str, str] | None:
        """What opens and what closes its thinking, or None where it does not think aloud."""
        return self._inner.thinking

    def opens_thinking(self, prompt: str) -> bool:
        """Says whether a prompt ends inside the thinking."""
        return self._inner.opens_thinking(prompt)

    def tuned(self, rows: int = 0) -> Model:
        """Settles the inner model's completions in flight."""
        self._inner = self._inner.tuned(rows)
        return self


class FromStock(Passed):
    """A model that takes from a stock what was drawn before; everything else is the inner one's.

    Answers with token ids pass by: they are for training, under names that come once.
    """

    def __init__(self, inner: Model, stock: Stock) -> None:
        """Wraps a model for one trial."""
        super().__init__(inner)
        self._stock = stock

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger
    ) -> list[tuple[Completion, ...]]:
        """Answers each request `n` times; see `Model.generate`."""
        draw = super().generate
        if sampling.ids or not requests:
            return draw(requests, sampling, ledger)
        return self._stock.serve(
            Ask(self._voice, sampling),
            requests,
            ledger,
            self.card.flops_per_token,
            lambda missing: draw(missing, sampling, ledger),
        )

    def branch(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        ledger: Ledger,
        *,
        k: int,
        min_probability: float,
    ) -> list[tuple[Completion, ...]]:
        """Continues greedily after each of the k likeliest first tokens; see `Model.branch`."""
        inner = super().branch

        def draw(missing: Sequence[Request]) -> list[tuple[Completion, ...]]:
            return inner(missing, sampling, ledger, k=k, min_probability=min_probability)

        if not requests:
            return draw(requests)
        ask = Ask(self._voice, sampling, (k, min_probability))
        return self._stock.serve(ask, requests, ledger, self.card.flops_per_token, draw)

    @property
    def _voice(self) -> tuple[str, ...]:
        card = self.card
        return (card.weights, card.nudge, card.reading)


@final
class Stocked(FromStock):
    """Any model that takes from a stock."""


class Backend(ABC):
    """Where a model comes from. Final subclasses are frozen dataclasses, one a file in `models/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("models",)
    version: ClassVar[int] = 1
    """Raised where the same reference gives other completions; read from the plug-in's own class
    without importing it, so a subclass of a shared base states it itself."""
    access: ClassVar[Access] = Access.TEXT
    """What the opened model offers."""
    light: ClassVar[bool] = False
    """Whether several processes may each hold a copy."""
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set, `""` being the backend itself: a kind of power, or
    the folder of plug-ins that the setting's reference names (see `modicum.powers`)."""

    @abstractmethod
    def check(self) -> None:
        """Raises a `ConfigError` for what can be known wrong before weights load; cheap."""

    def ready(self) -> None:  # noqa: B027 - most backends need nothing but their files
        """Raises a `ConfigError` where what it needs is not there now: a device, a server.

        May take seconds; called once before a run, never to read what is stored.
        """

    def ready_for(self, k: int) -> None:  # noqa: B027 - most models have all their probabilities
        """Raises an `AccessError` where it cannot name the k likeliest first tokens.

        May take seconds; called once before a run that branches at them.
        """

    @property
    def more_access(self) -> str:
        """What to set for log-probabilities, where a setting gives them; empty where none does."""
        return ""

    @abstractmethod
    def open(self) -> Model:
        """Loads the model.

        Raises:
            CheckpointError: weights that are missing, unsafe or broken.
        """

    @property
    def origin(self) -> str:
        """The folder, file or hub id that transformers loads it from; empty where there is none."""
        return ""

    def footprint(self) -> Footprint | None:
        """Gives what the opened model will take, from its files; None where they do not say."""
        return None


def resolve_backend(reference: str, settings: Mapping[str, object] | None = None) -> Backend:
    """Gives the backend of a reference: a plug-in's name (`organism`), a folder or a hub id.

    A folder that holds an exported nudge goes to the plug-in `export`.

    What follows a question mark fills its other fields: `./my-model?device=cuda&threads=1`. A
    name that is no plug-in and looks like a path or hub id goes to the plug-in `huggingface`,
    whose field `name` it fills.

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
    """Gives the version of a reference's plug-in without importing it, for a trial's identity.

    Raises:
        UnknownNameError: neither a plug-in, a folder nor a hub id.
    """
    stated = MODELS.entry(plugin_of(reference)[0]).stated
    return int(str(stated.get("version", Backend.version)))


def backend_access(reference: str) -> Access:
    """Gives what a reference offers; its plug-in is imported only where it does not state it.

    Raises:
        UnknownNameError: neither a plug-in, a folder nor a hub id.
    """
    stated = MODELS.entry(plugin_of(reference)[0]).stated.get("access")
    return Access[stated] if isinstance(stated, str) else resolve_backend(reference).access


def plugin_of(reference: str) -> tuple[str, dict[str, object]]:
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
    """Gives the whole prompt of a question in a style.

    Raises:
        ConfigError: a chat style on a model without a chat template.
    """
    text = style.fill(question)
    if not style.chat:
        return text
    prompt = model.chat(style.system, text)
    if prompt is None:
        raise ConfigError(
            f"style {style.name!r} wants a chat template",
            "a model with one",
            "choose a raw style, or give the template with --template",
        )
    return prompt
