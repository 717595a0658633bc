"""Everything that needs a GPU, in parts of under nine minutes; prints one JSON object a line.

python -m benchmarks.gpu sampling [--shape 1.5b] [--answers 64] [--tokens 1024] [--vllm] [--dry-run]
python -m benchmarks.gpu grpo [--shape 8b] [--dry-run]
python -m benchmarks.gpu gram [--preset gram] [--minutes 6] [--hard FILE,FILE] [--dry-run]

`sampling`: random-weight Llama shapes in bfloat16, 512-token prompts of which 16 answers share one
each, a static cache and CUDA graphs. Each of the eight cases is a part (all of them if none is
named). Steps are timed at eight lengths between the prompt's and the last, and the whole answer's
speed is the mean over lengths; answers that do not fit into memory are halved, which is printed.
`grpo`: a GRPO step of 16 rollouts of 1,024 tokens with a LoRA in single precision (`gpu_grpo`).
`gram`: a recursive net of the paper's size learns 9 x 9 Sudoku by the paper's recipe (`gpu_gram`); a
part goes on where the last one stopped, in `--nets`.
Weights of the others are random because speed and memory need no others. `--dry-run`: tiny shapes on
the processor.
"""

import argparse
import gc
import importlib.util
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.gpu_gram import GramCase, measure_gram
from benchmarks.gpu_grpo import measure_grpo
from benchmarks.gpu_shapes import SHAPES, Case, random_llama, timed
from modicum.nets.recursive_shape import PRESETS
from modicum.sampling.cache import PrefixCache, layer_windows
from modicum.sampling.cuda_graphs import StaticSteps
from modicum.sampling.draw import draw
from modicum.sampling.prefix import forward_segments
from modicum.seeds import stream, uniforms

SHARING = 16
"""Answers to one prompt."""
LENGTHS, STEPS = 8, 16
"""Lengths at which steps are timed, and steps at each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["sampling", "grpo", "gram"])
    parser.add_argument("--shape", choices=["1.5b", "8b"])
    parser.add_argument("--answers", type=int, choices=[64, 256])
    parser.add_argument("--tokens", type=int, choices=[1024, 8192])
    parser.add_argument(
        "--vllm", action="store_true", help="vLLM instead of ours, a part of its own"
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), default="gram")
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--hard", default="", help="files of puzzles, with commas between")
    parser.add_argument("--nets", type=Path, default=Path("nets/gpu_gram"))
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    if given.dry_run:
        print(json.dumps(tried(given.part, given.nets)))
        return
    if not torch.cuda.is_available():
        parser.error("no GPU in sight; --dry-run runs on the processor")
    if given.part == "gram":
        hard = tuple(one for one in given.hard.split(",") if one)
        gram = GramCase(given.preset, hard=hard, minutes=given.minutes, nets=given.nets)
        print(json.dumps(measure_gram(gram, torch.device("cuda"))))
        return
    if given.part == "grpo":
        case = Case(given.shape or "8b", 16, 1024)
        print(json.dumps(measure_grpo(case, torch.device("cuda"))))
        return
    cases = [
        Case(shape, answers, tokens)
        for shape in ([given.shape] if given.shape else ["1.5b", "8b"])
        for answers in ([given.answers] if given.answers else [64, 256])
        for tokens in ([given.tokens] if given.tokens else [1024, 8192])
    ]
    for case in cases:
        found = by_vllm(case) if given.vllm else measure(case, torch.device("cuda"))
        print(json.dumps(found), flush=True)


def tried(part: str, nets: Path) -> dict[str, object]:
    """Run a part at a size that a processor takes in seconds."""
    device = torch.device("cpu")
    if part == "gram":
        return measure_gram(
            GramCase(
                task="sudoku", minutes=0.5, nets=nets, size="mini", updates=20, batch=8, boards=4
            ),
            device,
        )
    if part == "grpo":
        return measure_grpo(Case("tiny", 4, 12, 16), device)
    return measure(Case("tiny", 8, 24, 16), device)


def measure(case: Case, device: torch.device) -> dict[str, object]:
    """Return speed, share of the bandwidth's limit and memory of one case."""
    started = time.perf_counter()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    module = random_llama(case, device)
    rows, steps = fitting(case, module)
    prefill = timed(device, lambda: prefill_all(case, module, steps, rows))
    keys = stream("gpu", case.shape).integers(0, 2**63, size=rows, dtype=np.uint64)
    ids = torch.zeros(rows, dtype=torch.long, device=device)
    last = case.prompt + case.tokens
    n_steps = min(STEPS, case.tokens // LENGTHS)
    lengths = np.linspace(case.prompt + 1, last - n_steps, LENGTHS).astype(int)
    seconds = [decode(steps, int(length), n_steps, ids, keys) for length in lengths]
    read = bandwidth(device)
    table = 0 if module.config.tie_word_embeddings else module.model.embed_tokens.weight.numel()
    weights = (sum(p.numel() for p in module.parameters()) - table) * module.dtype.itemsize
    column = steps.cache_bytes / (case.prompt + case.tokens)
    least = [(weights + column * length) / read for length in lengths.tolist()]
    answer = float(np.mean(seconds)) * case.tokens
    return {
        "part": "sampling",
        "shape": case.shape,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "dtype": str(module.dtype).removeprefix("torch."),
        "answers_wanted": case.answers,
        "answers_in_flight": rows,
        "prompt": case.prompt,
        "tokens": case.tokens,
        "prefill_s": prefill,
        "step_ms": {int(n): 1e3 * s for n, s in zip(lengths, seconds, strict=True)},
        "tokens_per_s": rows * case.tokens / (answer + prefill),
        "decode_tokens_per_s": rows * case.tokens / answer,
        "share_of_bandwidth_limit": float(np.mean(least) / np.mean(seconds)),
        "bandwidth_GB_s": read / 1e9,
        "weights_GB": weights / 1e9,
        "cache_GB": steps.cache_bytes / 1e9,
        "peak_GB": torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None,
        "wall_s": time.perf_counter() - started,
    }


def fitting(case: Case, module: LlamaForCausalLM) -> tuple[int, StaticSteps]:
    """Return as many rows as fit, halved until they do, and their cache."""
    rows = case.answers
    while True:
        if enough(case, module, rows):
            try:
                columns = case.prompt + case.tokens
                return rows, StaticSteps(module, rows=rows, columns=columns)
            except RuntimeError:
                if rows == 1:
                    raise
        rows //= 2
        gc.collect()
        if module.device.type == "cuda":
            torch.cuda.empty_cache()


def enough(case: Case, module: LlamaForCausalLM, rows: int) -> bool:
    """Say whether the cache leaves a tenth of the GPU's memory, for scores and recorded steps."""
    if module.device.type != "cuda" or rows == 1:
        return True
    config = module.config
    head = config.hidden_size // config.num_attention_heads
    column = 2 * config.num_hidden_layers * config.num_key_value_heads * head
    wanted = rows * (case.prompt + case.tokens) * column * module.dtype.itemsize
    free, total = torch.cuda.mem_get_info()
    return wanted < free - 0.1 * total


def prefill_all(case: Case, module: LlamaForCausalLM, steps: StaticSteps, rows: int) -> None:
    """Run each prompt once and gives it to the rows that share it."""
    windows = layer_windows(module.config)
    rng = stream("gpu", "prompts")
    for first in range(0, rows, SHARING):
        prompt = tuple(rng.integers(1, module.config.vocab_size, size=case.prompt).tolist())
        cache = PrefixCache(windows, None)
        with torch.inference_mode():
            forward_segments(module, [prompt], cache, known=0, keep=1)
            pairs = [(keys[0], values[0]) for keys, values in cache.pairs()]
            steps.fill(pairs, slice(first, min(rows, first + SHARING)))


def decode(
    steps: StaticSteps, length: int, n_steps: int, ids: torch.Tensor, keys: np.ndarray
) -> float:
    """Return the seconds of one step, drawing included, from a length on; graphs are recorded first."""
    device = ids.device

    def run(n: int) -> None:
        steps.places.fill_(length - 1)
        for i in range(n):
            logits = steps.step(ids, length + i)
            count = np.full(len(keys), i, dtype=np.uint64)
            drawn = draw(logits, uniforms(keys, count), temperature=1.0)
            ids.copy_(torch.from_numpy(drawn.tokens))

    run(n_steps)
    return timed(device, lambda: run(n_steps)) / n_steps


def bandwidth(device: torch.device) -> float:
    """Return the bytes a second that a large copy reads and writes."""
    size = 2**30 if device.type == "cuda" else 2**24
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    seconds = timed(device, lambda: [target.copy_(source) for _ in range(10)])
    return 20 * size / seconds


def by_vllm(case: Case) -> dict[str, object]:
    """Return vLLM's speed on the same case, where it can be imported; its weights are random too."""
    if importlib.util.find_spec("vllm") is None:
        return {"part": "sampling", "peer": "vllm", "shape": case.shape, "error": "not installed"}
    from vllm import LLM, SamplingParams

    config = LlamaConfig(
        **SHAPES[case.shape],
        max_position_embeddings=case.prompt + case.tokens,
        architectures=["LlamaForCausalLM"],
        dtype="bfloat16",
    )
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        engine = LLM(
            model=folder,
            load_format="dummy",
            dtype="bfloat16",
            skip_tokenizer_init=True,
            max_num_seqs=case.answers,
            max_model_len=case.prompt + case.tokens,
        )
        rng = stream("gpu", "prompts")
        n_prompts = -(-case.answers // SHARING)
        vocab = SHAPES[case.shape]["vocab_size"]
        prompts = [
            {"prompt_token_ids": rng.integers(1, vocab, size=case.prompt).tolist()}
            for _ in range(n_prompts)
        ]
        # Long answers would take more than a part's time: speed over the first 2,048 tokens.
        tokens = min(case.tokens, 2048)
        settings = SamplingParams(
            n=SHARING, temperature=1.0, max_tokens=tokens, ignore_eos=True, detokenize=False
        )
        engine.generate(prompts[:1], SamplingParams(max_tokens=4, detokenize=False))
        start = time.perf_counter()
        done = engine.generate(prompts, settings)
        seconds = time.perf_counter() - start
    n_tokens = sum(len(answer.token_ids) for request in done for answer in request.outputs)
    return {
        "part": "sampling",
        "peer": "vllm",
        "shape": case.shape,
        "answers_wanted": case.answers,
        "tokens": tokens,
        "tokens_per_s": n_tokens / seconds,
        "peak_GB": torch.cuda.max_memory_allocated() / 1e9,
    }


if __name__ == "__main__":
    main()
