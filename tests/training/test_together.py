"""Several processes of a launch share a training: the same update as one, and one writer."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from modicum.errors import ConfigError, TrialError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.store.database import Store
from modicum.training.distributed import add_gradients, same_start, spread
from modicum.training.launch import Alone, Ranks, Several, ranks
from modicum.types import Request, Sampling
from tests.support.sources import ROOT

STUDY = (
    "modicum", "run", "--model", "organism", "--task", "row_pushes", "--methods", "rlvr",
    "--shots", "1", "--seeds", "1", "--test", "8", "--selection", "4", "--samples", "4",
    "--retain", "none", "--no-check", "--no-reuse", "--set", "rlvr.steps=2", "--set",
    "rlvr.groups=2", "--set", "rlvr.rollouts=16", "--set", "rlvr.rank=2",
    "--set", "rlvr.updates=2",
)  # fmt: skip
TWO = ("torch.distributed.run", "--nproc_per_node", "2", "-m")


class Other(Ranks):
    """One of several processes, whose fellows say what a test makes them say."""

    def __init__(self, number: int, count: int, others: dict[int, Any] | None = None) -> None:
        self.number, self.count, self.others = number, count, others or {}

    def tell(self, value):
        return value

    def gather(self, value):
        return [self.others.get(i, value) for i in range(self.count)]

    def add(self, tensor):
        return tensor + self.others.get("add", 0)


def ran(folder: Path, *launch: str) -> tuple[dict[str, dict], dict[str, float]]:
    """Run the study; gives the trained adapters and what the rung spent."""
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", *launch, *STUDY, "--out", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **one}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Ship  ") == 1
    store = Store(folder)
    found = [o for o in store.heads().values() if o.trial.method == "rlvr"]
    store.close()
    [rung] = [o for o in found if not o.trial.control and not o.trial.is_twin]
    files = {str(o.trial.id): folder / o.artefact / "adapter_model.safetensors" for o in found}
    return {name: load_file(path) for name, path in files.items()}, dict(rung.elicitation)


def test_two_processes_take_the_update_of_one_and_count_the_same(tmp_path) -> None:
    alone, spent = ran(tmp_path / "one")
    shared, counted = ran(tmp_path / "two", *TWO)
    assert shared.keys() == alone.keys()
    for name, tensors in alone.items():
        for part, tensor in tensors.items():
            assert torch.allclose(shared[name][part], tensor, atol=1e-5)
    assert any(bool(t.any()) for ts in alone.values() for n, t in ts.items() if "lora_B" in n)
    for count in ("labels", "judge_calls", "tokens_sampled", "tokens_trained", "updates"):
        assert counted[count] == spent[count] > 0
    # each process runs the prompt for itself, and says so
    assert counted["tokens_prompt"] == 2 * spent["tokens_prompt"]


@pytest.mark.parametrize("count", [2, 3])
def test_processes_draw_together_what_one_draws(count: int) -> None:
    model = resolve_backend("organism").open()
    asked = [Request("0 1 2 3", "a", 5), Request("4 5 6 7", "b", 1, first=2)]
    sampling = Sampling(8, 1.0, stream="s", ids=True)
    whole = model.generate(asked, sampling, Ledger())
    parts = {}
    for number in range(count):
        said = Other(number, count)
        gather, said.gather = (
            said.gather,
            lambda value, n=number: parts.setdefault(n, value) and [value],
        )  # keeps what this process brings
        spread(model, said).generate(asked, sampling, Ledger())
        said.gather = gather
    ledger = Ledger()
    drawn = spread(model, Other(0, count, parts)).generate(asked, sampling, ledger)
    assert [[c.ids for c in group] for group in drawn] == [[c.ids for c in g] for g in whole]
    assert ledger.tokens_sampled == sum(c.n_tokens for group in whole for c in group)


def test_gradients_add_up_and_one_missing_everywhere_stays_missing() -> None:
    held = [torch.nn.Parameter(torch.zeros(size)) for size in ((2,), (1, 2), (1,))]
    held[0].grad = torch.ones(2)
    other = torch.tensor([1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 1.0, 0.0])  # gradients, then who has one
    add_gradients(held, Other(0, 2, {"add": other}))
    assert held[0].grad.tolist() == [2.0, 3.0]
    assert held[1].grad.tolist() == [[3.0, 4.0]]
    assert held[2].grad is None


def test_processes_that_begin_apart_are_stopped() -> None:
    state = {"a": torch.ones(3)}
    same_start(state, Other(0, 2, {1: 3.0}))
    with pytest.raises(TrialError, match="begin with other parameters"):
        same_start(state, Other(0, 2, {1: 3.5}))


def test_one_process_is_alone() -> None:
    assert isinstance(ranks(), Alone)
    assert (ranks().number, ranks().count, ranks().gather(5)) == (0, 1, [5])


def test_processes_that_do_not_find_one_another_are_refused(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("LOCAL_RANK", "RANK"):
        monkeypatch.delenv(name, raising=False)

    class Lost:
        process_index, num_processes = 0, 1

        def __init__(self, cpu: bool) -> None: ...

    monkeypatch.setattr("accelerate.PartialState", Lost)
    with pytest.raises(ConfigError, match="2 processes that do not find one another"):
        Several()
