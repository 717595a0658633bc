"""The contract of a model whose weights and activations can be reached; torch enters here."""

import contextlib
import functools
import hashlib
import inspect
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from functools import cached_property
from typing import final

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from modicum.errors import AccessError
from modicum.ledger import Ledger
from modicum.model import Language, Model
from modicum.nudge.steering import Steering
from modicum.stock import Group, Voice, usable
from modicum.types import Request, Sampling

__all__ = [
    "WhiteBox",
    "cache_keyword",
    "decoded",
    "flops_per_token",
    "need_whitebox",
    "reading_hash",
    "weights_hash",
]


_THINKING = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
"""What opens and closes the thinking of the models that think aloud; the last are gpt-oss's."""
_MARK = re.compile(r"<\|[^|]+\|>|<[^>]+>|\[[^\]]+\]")
"""One token of such a delimiter."""


_NAMES = frozenset({"architectures", "name_or_path", "transformers_version", "use_cache"})
"""Entries of a configuration that change no answer."""

_BREAK = "\n"
"""Stands before a text that follows other text, where the tokenizer would add a space."""


class WhiteBox(Language, Model):
    """A model with its transformers module and tokenizer in reach."""

    module: PreTrainedModel
    """A transformers causal language model (or a PEFT wrapper of one)."""
    tokenizer: PreTrainedTokenizerBase
    """Its tokenizer."""
    threads: int
    """CPU threads that sampling uses."""

    @abstractmethod
    def with_module(self, module: PreTrainedModel) -> "WhiteBox":
        """Return the same model around another module: a tuned copy, say. It takes from no stock.

        A copy's weights change while it is trained, and what it answers is kept with its trial.
        """

    @abstractmethod
    def with_steering(self, steering: Steering) -> "WhiteBox":
        """Return the same model with directions added to its activations while it samples.

        It takes from the same stock, where its directions are part of every address.
        """

    @final
    def generate_steered(
        self,
        requests: Sequence[Request],
        steerings: Sequence[Steering | None],
        sampling: Sampling,
        ledger: Ledger,
    ) -> list[list[Group]]:
        """Answer each request under each of several nudges, as `with_steering` would one by one.

        Rows of one batch have different nudges where the model can, so that a search over layers and
        doses with a few prompts fills it. What several nudges leave alike, prompts up to their last
        token above all, runs once where that is worth a pass.

        Args:
            requests: What is asked.
            steerings: The nudges; None for the model as it is.
            sampling: How completions are drawn.
            ledger: What it costs.

        Returns:
            For each nudge the completions of each request.

        Raises:
            AccessError: something is asked that the model does not offer.
        """
        self._refuse(requests, sampling)
        # a question's rows beside each other: they share its prompt
        asked = [(n, request) for request in requests for n in range(len(steerings))]
        stock = usable(self._stock, requests, sampling)
        if stock is None:
            drawn = self.draw_steered(asked, steerings, sampling, ledger)
        else:
            card = self.card
            voices: list[Voice] = [
                (card.weights, card.nudge if one is None else one.digest, card.reading)
                for one in steerings
            ]
            numbers = {voice: n for n, voice in enumerate(voices)}
            drawn = stock.serve(
                [(voices[n], request) for n, request in asked],
                sampling,
                ledger,
                card.flops_per_token,
                lambda missing: self.draw_steered(
                    [(numbers[voice], one) for voice, one in missing], steerings, sampling, ledger
                ),
            )
        return [drawn[n :: len(steerings)] for n in range(len(steerings))]

    def draw_steered(
        self,
        asked: Sequence[tuple[int, Request]],
        steerings: Sequence[Steering | None],
        sampling: Sampling,
        ledger: Ledger,
    ) -> list[Group]:
        """Draw requests, each under one of several nudges; here one nudge after the other.

        Args:
            asked: Place of a nudge in the list, and what is asked under it.
            steerings: The nudges; None for the model as it is.
            sampling: How completions are drawn.
            ledger: What it costs.
        """
        drawn: dict[int, Group] = {}
        for number in dict.fromkeys(number for number, _ in asked):
            steering = steerings[number]
            model = self if steering is None else self.with_steering(steering)
            places = [i for i, (own, _) in enumerate(asked) if own == number]
            groups = model.draw([asked[i][1] for i in places], sampling, ledger)
            drawn.update(zip(places, groups, strict=True))
        return [drawn[i] for i in range(len(asked))]

    @final
    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.module.parameters()).device

    @final
    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        return next(self.module.parameters()).dtype

    @final
    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text that stands at the beginning.

        The beginning-of-sequence token is added where the tokenizer adds it and the text does not
        bring it along (a chat template does): never two.
        """
        ids = self._tokens(text)
        first = self._first
        return ids if first is None or ids[:1] == [first] else [first, *ids]

    @final
    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has."""
        return len(self._tokens(text))

    @final
    def encode_more(self, text: str) -> list[int]:
        """Return the tokens of a text that follows other text: nothing is added, not even a space."""
        if self._adds_space:
            before, ids = self._tokens(_BREAK), self._tokens(_BREAK + text)
            if ids[: len(before)] == before:
                return ids[len(before) :]
        return self._tokens(text)

    @final
    def encode_completion(self, text: str) -> list[int]:
        """Return the tokens of a whole answer, with the token that ends it."""
        end: int | None = self.tokenizer.eos_token_id
        return [*self.encode_more(text), *([] if end is None else [end])]

    @final
    @contextlib.contextmanager
    def threaded(self) -> Iterator[None]:
        """Run a block with this model's thread count, and give the old one back."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @final
    def decode(self, tokens: list[int]) -> str:
        """Return the text of tokens, without specials that do not delimit its thinking."""
        return decoded(self.tokenizer, [tokens])[0]

    @cached_property
    def thinking(self) -> tuple[str, str] | None:
        """What opens and what closes its thinking, or None where it does not think aloud.

        Delimiters that the chat template writes or the tokenizer has tokens of its own for. Where
        they are special tokens, decoding shows them all the same.
        """
        for pair in _known_pairs(self.tokenizer):
            if all(mark in self.decode(self.encode_more(mark)) for mark in pair):
                return pair
        return None

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @cached_property
    def _adds_space(self) -> bool:
        """Whether this tokenizer puts a space before every text, as Llama 2's does."""
        return self._tokens(_BREAK + "a") != self._tokens(_BREAK) + self._tokens("a")

    @cached_property
    def _first(self) -> int | None:
        """The token that this tokenizer puts before every text, or None."""
        bos: int | None = self.tokenizer.bos_token_id
        with_specials: list[int] = self.tokenizer("a")["input_ids"]
        return bos if bos is not None and with_specials[:1] == [bos] else None


def need_whitebox(model: Model, method: str) -> WhiteBox:
    """Return the model as one whose weights can be reached.

    Raises:
        AccessError: they cannot.
    """
    if isinstance(model, WhiteBox):
        return model
    raise AccessError(
        f"method {method!r} on model {model.card.name!r}, whose weights cannot be reached",
        "a local transformers model",
        "leave the method out, or give a folder or hub id",
    )


def cache_keyword(module: torch.nn.Module) -> str:
    """Name the argument under which a module's forward pass takes its keys and values.

    It is `cache` in transformers from 5.24 on, `past_key_values` before and in models that bring
    code of their own.
    """
    unwrap = getattr(module, "get_base_model", None)  # PEFT's wrapper passes everything on
    base = module if unwrap is None else unwrap()
    return "cache" if "cache" in inspect.signature(base.forward).parameters else "past_key_values"


def _known_pairs(tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, str]]:
    """Return the delimiters of thinking that a tokenizer or its chat template knows."""
    template, tokens = str(tokenizer.chat_template or ""), tokenizer.get_added_vocab()
    return [
        pair
        for pair in _THINKING
        if any(mark in template for mark in pair) or all(mark in tokens for mark in pair)
    ]


@functools.lru_cache(maxsize=8)
def _shown(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Return the special tokens that delimit thinking, which a text must show."""
    special, tokens = set(tokenizer.all_special_ids), tokenizer.get_added_vocab()
    marks = {
        mark for pair in _known_pairs(tokenizer) for side in pair for mark in _MARK.findall(side)
    }
    return {tokens[mark]: mark for mark in marks if tokens.get(mark) in special}


def decoded(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> list[str]:
    """Give the text of each row of tokens, without specials that do not delimit thinking."""
    shown = _shown(tokenizer)
    if not shown or shown.keys().isdisjoint(token for row in rows for token in row):
        return _plain_texts(tokenizer, rows)
    return [
        "".join(
            _plain_texts(tokenizer, [part])[0] if kind is None else shown[kind]
            for kind, part in _parts(row, shown)
        )
        for row in rows
    ]


def _parts(row: Sequence[int], shown: Container[int]) -> Iterator[tuple[int | None, list[int]]]:
    """Cut a row at tokens that are shown: each comes alone, with its number."""
    part: list[int] = []
    for token in row:
        if token in shown:
            yield None, part
            yield token, [token]
            part = []
        else:
            part.append(token)
    yield None, part


def _plain_texts(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> list[str]:
    texts: list[str] = tokenizer.batch_decode(
        [list(row) for row in rows], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return texts


def weights_hash(module: torch.nn.Module) -> str:
    """Return a hash of all weights: 16 hexadecimal digits; tied weights count once.

    Costs about a second for 250 million parameters.
    """
    digest = hashlib.blake2b(digest_size=8)
    seen: set[tuple[int, torch.Size]] = set()
    for name, tensor in sorted(module.state_dict().items()):
        place = (tensor.data_ptr(), tensor.shape)
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy().data)
    return digest.hexdigest()


def reading_hash(
    module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ends: frozenset[int]
) -> str:
    """Return a hash of what decides answers beside weights: 16 hexadecimal digits.

    The tokenizer, the configuration without names and versions, and the tokens that end a text.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items())
    config = module.config.to_dict()
    named = {k: v for k, v in config.items() if k not in _NAMES and not k.startswith("_")}
    parts = [words, named, sorted(ends), str(tokenizer.special_tokens_map)]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def flops_per_token(module: PreTrainedModel) -> float:
    """Return 2 x the parameters that a token passes through.

    Looking up an embedding costs nothing; of a mixture of experts only the experts taken count.
    """
    config = module.config.get_text_config(decoder=True)
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None)
    taken = getattr(config, "num_experts_per_tok", None)
    share = taken / experts if experts and taken else 1.0
    total = sum(
        p.numel() * (share if ".experts." in n else 1) for n, p in module.named_parameters()
    )
    table, head = _table(module.get_input_embeddings), _table(module.get_output_embeddings)
    if table is None or (head is not None and head.data_ptr() == table.data_ptr()):
        return 2.0 * total
    return 2.0 * (total - table.numel())


def _table(getter: Callable[[], torch.nn.Module | None]) -> torch.Tensor | None:
    """Give the weights of a module's table of tokens; None where it has no such table."""
    try:
        weight = getattr(getter(), "weight", None)
    except (NotImplementedError, AttributeError):
        return None
    return weight if isinstance(weight, torch.Tensor) else None
