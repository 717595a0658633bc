"""What `sparse_feature` stands on: the model's own answers, and a dictionary of its activations."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.bench import Bench
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.nets.saelens import SparseCard, digest_of, read_card, read_sparse, save_sparse
from modicum.nets.sparse import Sparse
from modicum.plain import JsonValue
from modicum.sampling.capture import capture_all
from modicum.seeds import stream
from modicum.training.sparse import Fit, SparseRecipe, fit_of, train_sparse
from modicum.types import Request
from modicum.whitebox import WhiteBox

__all__ = [
    "Dictionary",
    "DictionaryAnswers",
    "Own",
    "Side",
    "fires",
    "learned",
    "loaded",
    "own_answers",
    "place_of",
    "width_of",
]

Side = Literal["wanted", "unwanted", "plain"]
"""Which prompt an answer came from: either side of a pair, or the bare question."""

_SHELF = "sparse"
"""Folder among the study's artefacts in which answers and dictionaries are shared by its trials."""
_MADE = "made.json"
_NAMED = ("max_new_tokens", "temperature", "stop", "stream", "margins", "ids")
"""Fields of a sampling that name the answers drawn by it; what came later is never set here."""


@dataclass(frozen=True)
class Own:
    """One answer that the model gave, with its prompt."""

    shot: str
    """Id of the shot."""
    side: Side
    prompt: tuple[int, ...]
    """Tokens of the prompt."""
    answer: tuple[int, ...]
    """Tokens of the answer."""
    text: str
    """The answer as it is marked."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """Prompt and answer together."""
        return (*self.prompt, *self.answer)


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A sparse autoencoder with its place in the model."""

    net: Sparse
    layer: int
    source: str
    """`trained`, or the folder that was given."""
    fit: Fit
    tokens: int
    """Activations on which it was trained or, where it was given, looked at."""

    @property
    def facts(self) -> dict[str, JsonValue]:
        """What the record keeps of it."""
        return {
            "source": self.source,
            "layer": self.layer,
            "features": self.net.encoder.shape[1],
            "unexplained": self.fit.unexplained,
            "firing": self.fit.firing,
            "dead": self.fit.dead,
            "tokens": self.tokens,
            "digest": digest_of(self.net),
        }

    @property
    def living(self) -> list[int]:
        """Features that fire for some activation."""
        return [i for i, n in enumerate(self.fit.counts) if n]


@dataclass(frozen=True)
class DictionaryAnswers:
    """What the model is asked for its own answers: each shot bare, and both of its sides."""

    prompts: tuple[tuple[str, Side, str], ...]
    """Id of the shot, side, whole prompt."""
    samples: int
    """Answers a prompt."""

    @staticmethod
    def of(
        bench: Bench[WhiteBox], sides: Sequence[tuple[str, str]], samples: int
    ) -> "DictionaryAnswers":
        """Write the prompts."""
        prompts: list[tuple[str, Side, str]] = []
        for shot, (wanted, unwanted) in zip(bench.shots, sides, strict=True):
            prompts += [(shot.id, "wanted", wanted), (shot.id, "unwanted", unwanted)]
            prompts.append((shot.id, "plain", bench.prompt(shot)))
        return DictionaryAnswers(tuple(prompts), samples)


def own_answers(
    bench: Bench[WhiteBox], asked: DictionaryAnswers, temperature: float = 1.0
) -> list[Own]:
    """Return the model's own answers.

    What is asked names the random stream and the file that keeps them in the study's folder, so
    that trials of the same shots share them and a killed run goes on.
    """
    whitebox, ledger = bench.model, bench.ledger
    sampling = bench.sampling(temperature, ids=True)
    name = _name(whitebox, asdict(asked), {part: getattr(sampling, part) for part in _NAMED})
    place = f"{_SHELF}/{name}.json"
    kept = _kept(bench.shelf.find(place))
    if kept is None:
        before = (ledger.tokens_prompt, ledger.tokens_sampled, ledger.flops)
        requests = [
            Request(text, f"{shot}/{side}", asked.samples) for shot, side, text in asked.prompts
        ]
        drawn = whitebox.generate(requests, replace(sampling, stream=f"sparse-{name}"), ledger)
        after = (ledger.tokens_prompt, ledger.tokens_sampled, ledger.flops)
        kept = {
            "answers": [[[list(c.ids), c.text] for c in group] for group in drawn],
            "spent": [b - a for a, b in zip(before, after, strict=True)],
        }
        bench.shelf.put({place: json.dumps(kept).encode()})
    else:
        prompt, sampled, flops = kept["spent"]
        each = flops / max(1, prompt + sampled)
        n = asked.samples * len(asked.prompts)
        ledger.reused(completions=n, prompt=prompt, sampled=sampled, flops_per_token=each)
    return [
        Own(shot, side, tuple(whitebox.encode(text)), tuple(ids), said)
        for (shot, side, text), group in zip(asked.prompts, kept["answers"], strict=True)
        for ids, said in group
    ]


def learned(
    bench: Bench[WhiteBox],
    answers: Sequence[Own],
    layer: int,
    recipe: SparseRecipe,
    most: int,
) -> Dictionary:
    """Train a dictionary on the activations of answers, or take it from the study's folder.

    It depends on the model, the answers and the settings alone, never on the trial.

    Source: Bussmann, Leask, Nanda 2024 (2412.06410), BatchTopK.

    Args:
        bench: The model, and the folders that the study's trials share and the trial's own.
        answers: The model's own, prompts included.
        layer: Layer after whose output the activations are read; the forward pass stops there.
        recipe: How it is trained.
        most: Most activations.
    """
    whitebox, ledger = bench.model, bench.ledger
    texts = [own.tokens for own in answers]
    name = _name(whitebox, texts, layer, asdict(recipe), most)
    folder = bench.shelf.find(f"{_SHELF}/{name}")
    made = _kept(folder / _MADE if folder else None)
    if folder is not None and made is not None:
        net = read_sparse(read_card(folder), width_of(whitebox))
        rows = made["tokens"]
        ledger.reused(completions=0, prompt=rows, sampled=0, flops_per_token=made["flops"] / rows)
        fit = Fit(**{**made["fit"], "counts": tuple(made["fit"]["counts"])})
        return Dictionary(net, layer, "trained", fit, rows)
    before = ledger.flops
    activations = _activations(whitebox, texts, layer, most, name, ledger)
    checkpoint = bench.scratch / "dictionary.safetensors" if bench.scratch else None
    with whitebox.threaded():
        net = train_sparse(activations, recipe, name, ledger, checkpoint).net
        fit = fit_of(net, activations)
    spent = {"tokens": len(activations), "flops": ledger.flops - before, "fit": asdict(fit)}
    with TemporaryDirectory(prefix="modicum-") as scratch:
        save_sparse(net, Path(scratch) / name, layer=layer, model=whitebox.card.name)
        files = {path.name: path.read_bytes() for path in (Path(scratch) / name).iterdir()}
    files[_MADE] = json.dumps(spent).encode()
    bench.shelf.put({f"{_SHELF}/{name}/{file}": content for file, content in files.items()})
    return Dictionary(net, layer, "trained", fit, len(activations))


def loaded(
    bench: Bench[WhiteBox], answers: Sequence[Own], card: SparseCard, layer: int, most: int
) -> Dictionary:
    """Read a dictionary from a folder and look how well it fits the model's own answers.

    Raises:
        CheckpointError: made for another width, or tensors missing.
    """
    net = read_sparse(card, width_of(bench.model))
    texts = [own.tokens for own in answers]
    rows = _activations(bench.model, texts, layer, most, "looked at", bench.ledger)
    return Dictionary(net, layer, str(card.folder), fit_of(net, rows), len(rows))


def place_of(card: SparseCard | None, layer: int | None, n_layers: int) -> int:
    """Return the layer whose output is read: the folder's, the wanted one, or six tenths of the way.

    Raises:
        ConfigError: a layer that the model lacks, or two that differ.
    """
    said = card.layer if card is not None else None
    if card is not None and said is None and layer is None:
        raise ConfigError(
            f"an autoencoder in {str(card.folder)!r} that names no hook",
            "the layer after which it stands",
            "set sparse_feature.layer",
        )
    if said is not None and layer not in (None, said):
        raise ConfigError(
            f"layer {layer} for an autoencoder that stands after layer {said}",
            "the same one",
            "leave sparse_feature.layer out",
        )
    chosen = next((one for one in (said, layer) if one is not None), round(0.6 * n_layers))
    if not 0 <= chosen < n_layers:
        raise ConfigError(
            f"layer {chosen} of a model of {n_layers} layers",
            f"0 to {n_layers - 1}",
            "choose one of those, or an autoencoder of this model",
        )
    return chosen


def fires(
    whitebox: WhiteBox,
    dictionary: Dictionary,
    texts: Sequence[Sequence[int]],
    feature: int,
    ledger: Ledger,
) -> list[Float[Tensor, " tokens"]]:
    """Return how strongly a feature fires at every token of texts."""
    found = capture_all(whitebox, texts, dictionary.layer, ledger)
    with torch.inference_mode():
        return [dictionary.net.encode(rows)[:, feature] for rows in found]


def width_of(whitebox: WhiteBox) -> int:
    """Return the width of a model's residual stream."""
    return int(whitebox.module.config.get_text_config().hidden_size)


def _activations(
    whitebox: WhiteBox,
    texts: Sequence[Sequence[int]],
    layer: int,
    most: int,
    name: str,
    ledger: Ledger,
) -> Float[Tensor, "rows hidden"]:
    """Return the activations of texts, without each one's first: many models park a huge one there."""
    chosen, count = [], 0
    for i in stream(name, "texts").permutation(len(texts)):
        if count >= most:
            break
        chosen.append(texts[i])
        count += len(texts[i]) - 1
    return torch.cat([rows[1:] for rows in capture_all(whitebox, chosen, layer, ledger)])[:most]


def _name(whitebox: WhiteBox, *parts: object) -> str:
    """Return a hash of a model and of what is asked of it: 16 hexadecimal digits."""
    card = whitebox.card
    said = json.dumps([card.weights, card.nudge, card.reading, *parts], default=str)
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _kept(path: Path | None) -> Mapping[str, Any] | None:
    """Read what was kept; None where there is nothing, or half a file of a machine that died."""
    try:
        return None if path is None else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
