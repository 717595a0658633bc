"""How much the resident set grows while a model samples, in a process of its own.

python -m benchmarks.sampling_memory MODEL TASK [--quick] [--threads N]; prints JSON, called by
benchmarks.sampling and benchmarks.real.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers.models.llama.modeling_llama  # noqa: F401 - "after import" means all of it

import modicum.loading.checkpoint  # noqa: F401
from modicum.ledger import Ledger
from modicum.model import render, resolve_backend
from modicum.sampling.local import Local
from modicum.sampling.pages import PagePool, Pools
from modicum.task import resolve_task
from modicum.types import Request, Sampling, Style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("task")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, help="the model's own if not given")
    given = parser.parse_args()
    task = resolve_task(given.task)
    problems = task.problems("test", 4 if given.quick else 32)
    pools: list[PagePool] = []
    original = Pools.take

    def spy(self: Pools, *sizes: object) -> PagePool:
        pools.append(original(self, *sizes))  # type: ignore[arg-type]
        return pools[-1]

    Pools.take = spy  # type: ignore[assignment, method-assign]
    before = resident("VmRSS")
    model = resolve_backend(given.model, {"threads": given.threads}).open()
    assert isinstance(model, Local)
    style = Style("bench", task.sheet.template, chat=True)
    asked = [Request(render(model, style, p.question), p.id, 16) for p in problems]
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
