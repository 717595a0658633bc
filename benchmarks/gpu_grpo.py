"""A GRPO step on random weights: bfloat16, LoRA in single precision, 16 rollouts of 1,024 tokens.

The step is the one that studies take: rollouts by the sampler, loss, gradient, AdamW; two groups of
a 512-token prompt each. Weights are random because speed and memory need no others, and nothing ends
an answer before its limit. The first step is not counted.
"""

import time

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from benchmarks.gpu_shapes import Case, random_llama, timed
from modicum.ledger import Ledger
from modicum.made import Recipe
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.training.adapters import AdapterShape
from modicum.training.reinforce import RolloutGroup, reinforce
from modicum.training.scoring import room_for
from modicum.training.trainable import TrainedWeights
from modicum.types import Request, Sampling
from modicum.whitebox import WhiteBox

__all__ = ["measure_grpo"]

GROUPS = 2
LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Prompts are made of these, a token each."""
RATE = 1e-5


def measure_grpo(case: Case, device: torch.device) -> dict[str, object]:
    """Return speed, memory and formats of one step, the second of two."""
    started = time.perf_counter()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    module = random_llama(case, device, torch.bfloat16)
    module.config.eos_token_id = module.generation_config.eos_token_id = None
    model = Local(module, letters(), name=case.shape, rows=case.answers)
    trainable = TrainedWeights(model, AdapterShape("lora", 16, 32.0), RATE, stream("gpu", "lora"))
    before = trainable.state()
    drawing: list[float] = []

    def draw(sampler: WhiteBox, step: int) -> list[RolloutGroup]:
        groups: list[RolloutGroup] = []
        drawing.append(timed(device, lambda: groups.extend(rollouts(sampler, case, step))))
        return groups

    def step() -> None:
        recipe = Recipe(1, GROUPS, case.answers // GROUPS, 1, RATE, case.tokens)
        flops = model.card.flops_per_token
        curves.extend(reinforce(trainable, recipe, draw, Ledger(), flops_per_token=flops).curves)

    curves: list[object] = []
    _, seconds = (timed(device, step) for _ in range(2))
    changed = [not torch.equal(before[name], now) for name, now in trainable.state().items()]
    tokens = case.answers * case.tokens
    peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None
    return {
        "part": "grpo",
        "shape": case.shape,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "dtype": str(module.dtype).removeprefix("torch."),
        "adapter_dtypes": sorted({str(p.dtype) for p in trainable.named.values()}),
        "adapter_changed": sum(changed) / len(changed),
        "rollouts": case.answers,
        "prompt": case.prompt,
        "tokens": case.tokens,
        "tokens_at_once": room_for(model),
        "step_s": seconds,
        "rollouts_s": drawing[-1],
        "learning_s": seconds - drawing[-1],
        "tokens_per_s": tokens / seconds,
        "learned_tokens_per_s": tokens / (seconds - drawing[-1]),
        "curves": curves,
        "peak_GB": peak,
        "fits_80_GB": None if peak is None else peak < 80,
        "wall_s": time.perf_counter() - started,
    }


def rollouts(model: WhiteBox, case: Case, step: int) -> list[RolloutGroup]:
    """Draw the groups of a step; a coin rewards them."""
    rng = stream("gpu", "grpo", step)
    prompts = ["".join(rng.choice(list(LETTERS), size=case.prompt)) for _ in range(GROUPS)]
    size = case.answers // GROUPS
    sampling = Sampling(case.tokens, 1.0, stream=f"step-{step}", ids=True)
    asked = [Request(prompt, str(i), size) for i, prompt in enumerate(prompts)]
    return [
        RolloutGroup(
            tuple(model.encode(prompt)),
            tuple(completion.ids for completion in group),
            tuple(rng.permutation(size).astype(float) % 2),
            (False,) * size,
        )
        for prompt, group in zip(prompts, model.generate(asked, sampling, Ledger()), strict=True)
    ]


def letters() -> PreTrainedTokenizerFast:
    """Return a tokenizer of letters; other tokens of the model have no text."""
    vocab = {letter: place + 3 for place, letter in enumerate(LETTERS)} | {"<unk>": 0}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
