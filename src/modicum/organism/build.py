"""Training of the organism and its control: same bits at one thread on one processor type."""

import json
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from modicum.organism.blueprint import Blueprint, Document, Phase
from modicum.organism.stories import named_stream
from modicum.organism.tokenizer import EOS, PAD, build_tokenizer, save_tokenizer, token_id

__all__ = [
    "Progress",
    "build",
    "encode",
    "initial_model",
    "learning_rate",
    "train_step",
]

_IGNORED = -100
_LENGTH_EDGES = (44, 72, 104)  # tokens: bare answers, worked forms, and both after a demonstration
_WEIGHT_DECAY = 0.05
_LARGEST_GRADIENT = 1.0
_STEPS_PER_REPORT = 50
_STATE = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of each parameter


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
    """Trains a built-in model and writes it as a folder that transformers loads.

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
    """Gives the untrained net of this blueprint."""
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
    optimizer = _make_optimizer(model)
    done = _restore(model, optimizer, run)
    n_steps = sum(phase.steps for phase in run.blueprint.phases)
    model.train()
    for step, (rate, buckets) in enumerate(_steps(run, done), start=done + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = train_step(model, optimizer, buckets)
        if step % _STEPS_PER_REPORT == 0 or step == n_steps:
            progress(Progress(step, n_steps, loss))
        if step % run.steps_per_checkpoint == 0 and step < n_steps:
            _save(model, optimizer, run, step)


def train_step(
    model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, buckets: list[_Bucket]
) -> float:
    """Takes one step on all buckets together and gives the mean loss a learned token."""
    n_learned = sum(int((bucket.labels != _IGNORED).sum()) for bucket in buckets)
    total = 0.0
    for bucket in buckets:
        # Padding stands on the right and attention looks left, so no mask is needed.
        hidden = model.model(input_ids=bucket.tokens, use_cache=False).last_hidden_state
        is_learned = bucket.labels != _IGNORED
        logits = model.lm_head(hidden[is_learned])
        loss = cross_entropy(logits, bucket.labels[is_learned], reduction="sum") / n_learned
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), _LARGEST_GRADIENT)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def _steps(run: _Run, done: int) -> Iterator[tuple[float, list[_Bucket]]]:
    """Yields learning rate and documents of each step after those done."""
    blueprint = run.blueprint
    tokenizer = build_tokenizer(blueprint.words)
    for phase in blueprint.phases:
        for step in range(min(done, phase.steps), phase.steps):
            first = step * blueprint.documents_per_step
            documents = [
                blueprint.draw(phase, index)
                for index in range(first, first + blueprint.documents_per_step)
            ]
            yield learning_rate(phase, step), encode(tokenizer, documents)
        done = max(0, done - phase.steps)


def learning_rate(phase: Phase, step: int) -> float:
    """Gives the rate of a step: a cosine from peak to last, after a warm-up where there is one."""
    cosine = phase.last_rate + 0.5 * (phase.peak_rate - phase.last_rate) * (
        1 + math.cos(math.pi * step / phase.steps)
    )
    return cosine * min(1.0, (step + 1) / phase.warm_up) if phase.warm_up else cosine


def encode(tokenizer: Tokenizer, documents: list[Document]) -> list[_Bucket]:
    """Gives the documents as tokens with the labels of their completions, bucketed by length."""
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


def _save(model: LlamaForCausalLM, optimizer: torch.optim.AdamW, run: _Run, step: int) -> None:
    tensors = {f"model.{name}": tensor.detach() for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        state = optimizer.state[parameter]
        tensors |= {f"{key}.{name}": state[key] for key in _STATE}
    identity = {"step": str(step), "run": _identity(run)}
    with tempfile.TemporaryDirectory(dir=run.checkpoint.parent) as folder:
        # Written beside and moved, so that a kill leaves the old checkpoint whole.
        written = Path(folder) / "checkpoint.safetensors"
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            written,
            identity,
        )
        written.replace(run.checkpoint)


def _restore(model: LlamaForCausalLM, optimizer: torch.optim.AdamW, run: _Run) -> int:
    """Loads the checkpoint of this run, if there is one, and gives the number of steps done."""
    if not run.checkpoint.exists():
        return 0
    with safe_open(run.checkpoint, "pt") as file:
        metadata = file.metadata()
    if metadata["run"] != _identity(run):
        return 0
    tensors = load_file(run.checkpoint)
    model.load_state_dict(
        {
            name.removeprefix(
                "model.",
            ): t
            for name, t in tensors.items()
            if name.startswith("model.")
        }
    )
    for name, parameter in model.named_parameters():
        optimizer.state[parameter] = {key: tensors[f"{key}.{name}"] for key in _STATE}
    return int(metadata["step"])


def _identity(run: _Run) -> str:
    plan = run.blueprint
    parts = [[phase.name, phase.steps] for phase in plan.phases]
    return json.dumps([plan.name, plan.seed, plan.variant, plan.shape.hidden, parts])
