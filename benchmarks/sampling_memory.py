"""How much the resident set grows while a model samples, in a process of its own.

python -m benchmarks.sampling_memory MODEL TASK [--quick] [--plain] [--threads N]; prints JSON, called by
benchmarks.sampling and benchmarks.real.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers.models.llama.modeling_llama  # noqa: F401 - "after import" means all of it

import modicum.loading.checkpoint  # noqa: F401
from benchmarks.sampling import prompts_of
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.sampling.local import Local
from modicum.sampling.pages import PagePool, Pools
from modicum.types import Request, Sampling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("task")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plain", action="store_true", help="the question and nothing else")
    parser.add_argument("--threads", type=int, help="the model's own if not given")
    given = parser.parse_args()
    pools: list[PagePool] = []
    original = Pools.take

    def spy(self: Pools, *sizes: object) -> PagePool:
        pools.append(original(self, *sizes))  # type: ignore[arg-type]
        return pools[-1]

    Pools.take = spy  # type: ignore[assignment, method-assign]
    before = resident("VmRSS")
    model = resolve_backend(given.model, {"threads": given.threads}).open()
    assert isinstance(model, Local)
    template = "{question}" if given.plain else ""
    n = 4 if given.quick else 32
    prompts = prompts_of(model, given.task, n, chat=True, template=template)
    asked = [Request(prompt, f"memory-{i}", 16) for i, prompt in enumerate(prompts)]
    model.generate(asked, Sampling(48 if given.quick else 256, 1.0, stream="memory"), Ledger())
    weights = {p.data_ptr(): p.numel() * p.element_size() for p in model.module.parameters()}
    found = {
        "growth": resident("VmHWM") - before,
        "weights": sum(weights.values()),
        "cache": sum(pool.size for pool in pools),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(found))


def resident(name: str) -> int:
    """Return the resident set now (VmRSS) or at its highest (VmHWM), in bytes; Linux only."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith(name)]
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main()
