"""Training of the organism and its control: same bits at one thread on one processor type."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from modicum.ledger import Ledger
from modicum.organism.blueprint import Blueprint, Document, Phase
from modicum.organism.stories import named_stream
from modicum.organism.tokenizer import EOS, PAD, build_tokenizer, save_tokenizer, token_id
from modicum.training.checkpoint import Checkpoint
from modicum.training.fit import Course, Descent, Lesson, Taken, fit

__all__ = [
    "Progress",
    "build",
    "encode",
    "initial_model",
    "learning_rate",
]

_IGNORED = -100
_LENGTH_EDGES = (44, 72, 104)  # tokens: bare answers, worked forms, and both after a demonstration
_WEIGHT_DECAY = 0.05
_LARGEST_GRADIENT = 1.0
_STEPS_PER_REPORT = 50


@dataclass(frozen=True)
class Progress:
    """Where a training run stands."""

    step: int
    n_steps: int
    loss: float
    """Mean over the learned tokens of one step, in nats."""


def build(
    blueprint: Blueprint,
    out: Path,
    progress: Callable[[Progress], None],
    *,
    steps_per_checkpoint: int = 500,
) -> LlamaForCausalLM:
    """Train a built-in model and writes it as a folder that transformers loads.

    Takes some twelve CPU-minutes at one thread. A run that was stopped goes on from its last checkpoint, to
    the same bits, when called again with the same folder.

    Args:
        blueprint: what to build.
        out: folder to write; made if missing.
        progress: called every fifty steps.
        steps_per_checkpoint: steps that a kill can lose at most.
    """
    out.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = initial_model(blueprint)
        checkpoint = out / "checkpoint.safetensors"
        _train(model, _Run(blueprint, checkpoint, steps_per_checkpoint), progress)
    finally:
        torch.set_num_threads(threads)
    model.train(False)
    _write(model, blueprint, out)
    (out / "checkpoint.safetensors").unlink(missing_ok=True)
    return model


def initial_model(blueprint: Blueprint) -> LlamaForCausalLM:
    """Return the untrained net of this blueprint."""
    tokenizer = build_tokenizer(blueprint.words)
    eos, pad = token_id(tokenizer, EOS), token_id(tokenizer, PAD)
    config = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=blueprint.shape.hidden,
        intermediate_size=blueprint.shape.intermediate,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=blueprint.shape.positions,
        mlp_bias=True,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=eos,
        pad_token_id=pad,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=eos, pad_token_id=pad)
    # The library draws from the global generator, so its draws are replaced by ones from a named stream.
    generator = torch.Generator().manual_seed(
        named_stream(blueprint.name, "weights", blueprint.seed).getrandbits(63)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, config.initializer_range, generator=generator)
    return model


def _write(model: LlamaForCausalLM, blueprint: Blueprint, out: Path) -> None:
    weights = out / "model.safetensors"
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        weights,
        {"format": "pt"},
    )
    weights.chmod(0o644)  # the library writes for its owner alone, and a package is read by others
    model.config.save_pretrained(out)
    model.generation_config.save_pretrained(out)
    save_tokenizer(out, blueprint.words)


@dataclass(frozen=True)
class _Run:
    blueprint: Blueprint
    checkpoint: Path
    steps_per_checkpoint: int


@dataclass(frozen=True)
class _Bucket:
    """Documents of like length from one step, padded on the right."""

    tokens: Tensor
    labels: Tensor


def _train(model: LlamaForCausalLM, run: _Run, progress: Callable[[Progress], None]) -> None:
    lesson, optimizer, ledger = _Recited(model, run.blueprint), _make_optimizer(model), Ledger()
    kept = Checkpoint(
        run.checkpoint,
        lesson,
        optimizer,
        ledger,
        name=_identity(run),
        every=run.steps_per_checkpoint,
    )
    n_steps = sum(phase.steps for phase in run.blueprint.phases)

    def says(curves: Sequence[Mapping[str, float]]) -> None:
        step = len(curves)
        if step % _STEPS_PER_REPORT == 0 or step == n_steps:
            progress(Progress(step, n_steps, curves[-1]["loss"]))

    model.train()
    descent = Descent(optimizer, list(model.parameters()), _LARGEST_GRADIENT)
    fit(lesson, descent, Course(n_steps, lesson.rate, says), ledger, kept, kept.restore())


@final
class _Recited(Lesson):
    """A net that learns to go on with the documents of its blueprint."""

    def __init__(self, model: LlamaForCausalLM, blueprint: Blueprint) -> None:
        self._model, self._blueprint = model, blueprint
        self._tokenizer = build_tokenizer(blueprint.words)

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        return dict(self._model.named_parameters())

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        return learning_rate(*self._place(step))

    def step(self, number: int, curves: Sequence[Mapping[str, float]], descent: Descent) -> Taken:
        """Take one step on all buckets together; gives the mean loss a learned token."""
        del curves
        phase, step = self._place(number)
        n = self._blueprint.documents_per_step
        documents = [self._blueprint.draw(phase, i) for i in range(step * n, (step + 1) * n)]
        buckets = encode(self._tokenizer, documents)
        loss, _ = descent.take(lambda: self._backward(buckets))
        return Taken({"loss": loss}, (sum(bucket.tokens.numel() for bucket in buckets),))

    def _backward(self, buckets: list[_Bucket]) -> float:
        n_learned = sum(int((bucket.labels != _IGNORED).sum()) for bucket in buckets)
        total = 0.0
        for bucket in buckets:
            # Padding stands on the right and attention looks left, so no mask is needed.
            net = self._model.model
            hidden = net(input_ids=bucket.tokens, use_cache=False).last_hidden_state
            is_learned = bucket.labels != _IGNORED
            logits = self._model.lm_head(hidden[is_learned])
            loss = cross_entropy(logits, bucket.labels[is_learned], reduction="sum") / n_learned
            loss.backward()
            total += loss.item()
        return total

    def _place(self, step: int) -> tuple[Phase, int]:
        """Return the phase of a step, and which of the phase's steps it is."""
        for phase in self._blueprint.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise IndexError(step)


def learning_rate(phase: Phase, step: int) -> float:
    """Return the rate of a step: a cosine from peak to last, after a warm-up where there is one."""
    cosine = phase.last_rate + 0.5 * (phase.peak_rate - phase.last_rate) * (
        1 + math.cos(math.pi * step / phase.steps)
    )
    return cosine * min(1.0, (step + 1) / phase.warm_up) if phase.warm_up else cosine


def encode(tokenizer: Tokenizer, documents: list[Document]) -> list[_Bucket]:
    """Return the documents as tokens with the labels of their completions, bucketed by length."""
    eos, pad = token_id(tokenizer, EOS), token_id(tokenizer, PAD)
    prompts = tokenizer.encode_batch([document.prompt for document in documents])
    completions = tokenizer.encode_batch([document.completion for document in documents])
    rows: list[list[tuple[list[int], list[int]]]] = [[] for _ in range(len(_LENGTH_EDGES) + 1)]
    for document, prompt, completion in zip(documents, prompts, completions, strict=True):
        tokens = [*prompt.ids, *completion.ids]
        learned = [*completion.ids, eos]
        if document.is_opener_masked:
            learned[0] = _IGNORED
        labels: list[int] = [_IGNORED] * (len(prompt.ids) - 1) + learned
        rows[sum(len(tokens) > edge for edge in _LENGTH_EDGES)].append((tokens, labels))
    return [_pad(bucket, pad) for bucket in rows if bucket]


def _pad(rows: list[tuple[list[int], list[int]]], pad: int) -> _Bucket:
    length = max(len(tokens) for tokens, _ in rows)
    tokens = [row + [pad] * (length - len(row)) for row, _ in rows]
    labels = [row + [_IGNORED] * (length - len(row)) for _, row in rows]
    return _Bucket(torch.tensor(tokens), torch.tensor(labels))


def _make_optimizer(model: LlamaForCausalLM) -> torch.optim.AdamW:
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": _WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.98))


def _identity(run: _Run) -> str:
    plan = run.blueprint
    parts = [[phase.name, phase.steps] for phase in plan.phases]
    return json.dumps([plan.name, plan.seed, plan.variant, plan.shape.hidden, parts])
