"""Processes of a launch share each update of a net of boards: the same training as one, one file."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.nets.autoregressive import AutoregressiveShape, autoregressive_net
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_shape import miniature
from modicum.seeds import stream
from modicum.training.autoregressive import train_autoregressive
from modicum.training.launch import Ranks
from modicum.training.prior_looks import Boards
from modicum.training.recursive import RecursiveRecipe, train_recursive
from tests.support.sources import ROOT

LENGTH, VOCABULARY, BATCH = 4, 3, 5
RECIPE = RecursiveRecipe(steps=7, batch=BATCH, look_every=3, look_boards=2, warm_up=2)


def draw(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.from_numpy(stream("boards", number).integers(0, VOCABULARY, (BATCH, LENGTH)))
    return ids, ids.flip(1)


class Threads(Ranks):
    """Threads of this process, in place of processes."""

    def __init__(self, number: int, said: list, meets: threading.Barrier) -> None:
        self.number, self.count = number, len(said)
        self._said, self._meets = said, meets

    def gather(self, value):
        self._said[self.number] = value
        self._meets.wait(30)
        found = list(self._said)
        self._meets.wait(30)
        return found

    def tell(self, value):
        return self.gather(value)[0]

    def add(self, tensor):
        return sum(self.gather(tensor))


def together(count: int, work) -> list:
    """Run what each of several processes does; return what came of each."""
    said, meets, found = [None] * count, threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        try:
            found[number] = work(Threads(number, said, meets))
        except BaseException:
            meets.abort()
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def learned(preset: str, path: Path | None = None, joined: Ranks | None = None, watch=None):
    shape = replace(
        miniature(preset, LENGTH, VOCABULARY),
        width=16, heads=2, inner=16, guide_inner=8, n_steps=3, halting=preset == "trm",
    )  # fmt: skip
    net = RecursiveNet(shape, stream("net"))
    return train_recursive(net, Boards(draw), RECIPE, "run", Ledger(observer=watch), path, joined)


def written(joined: Ranks | None = None):
    shape = AutoregressiveShape(LENGTH, VOCABULARY, LENGTH, width=16, heads=2, inner=16, layers=1)
    net = autoregressive_net(shape, stream("net"))
    shared = (None, joined) if joined else None
    return train_autoregressive(net, shape, Boards(draw), RECIPE, "run", Ledger(), shared)


def assert_same(one, other) -> None:
    for mine, theirs in zip(one.net.parameters(), other.net.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=2e-6)
    for mine, theirs in zip(one.curves, other.curves, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("preset", ["gram", "trm", "eqr"])
@pytest.mark.parametrize("count", [2, 3])
def test_processes_take_the_updates_of_one(preset: str, count: int) -> None:
    alone = learned(preset)
    for each in together(count, lambda joined: learned(preset, joined=joined)):
        assert_same(each, alone)


def test_processes_learn_to_write_as_one_does() -> None:
    alone = written()
    for each in together(2, written):
        assert_same(each, alone)


class KilledError(Exception):
    pass


def killed(path: Path, joined: Ranks | None = None) -> None:
    """Train until four updates are done, and no further."""

    def watch(ledger: Ledger) -> None:
        if ledger.updates == 4 and ledger.said.startswith("step 4"):
            raise KilledError

    with pytest.raises(KilledError):
        learned("gram", path, joined, watch)


def test_a_run_of_two_goes_on_alone_and_one_of_one_in_two(tmp_path) -> None:
    whole = learned("gram")
    together(2, lambda joined: killed(tmp_path / "two", joined))
    assert (tmp_path / "two").exists()
    assert_same(learned("gram", tmp_path / "two"), whole)
    killed(tmp_path / "one")
    for each in together(2, lambda joined: learned("gram", tmp_path / "one", joined)):
        assert_same(each, whole)


def test_more_processes_than_boards_are_refused() -> None:
    many = Threads(0, [None] * (BATCH + 1), threading.Barrier(1))
    with pytest.raises(ConfigError, match="6 processes for updates of 5"):
        learned("gram", None, many)


LAUNCH = ("torch.distributed.run", "--nproc_per_node", "2", "-m")
COMMAND = (
    "modicum", "pretrain", "recursive", "--task", "sudoku", "--steps", "40", "--batch", "16",
    "--boards", "64", "--held-out", "4",
)  # fmt: skip


def started(out: Path, *launch: str) -> subprocess.Popen:
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *launch, *COMMAND, "--out", str(out)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **one}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_launch_of_two_that_was_killed_goes_on_to_the_net_of_one(tmp_path) -> None:
    alone = started(tmp_path / "one")
    assert alone.communicate()[0].count("written to") == 1
    first = started(tmp_path / "two", *LAUNCH)
    while not (tmp_path / "two" / "checkpoint.safetensors").exists():
        assert first.poll() is None
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    # the launcher gives its processes sessions of their own
    subprocess.run(["pkill", "-9", "-f", str(tmp_path / "two")], check=False)
    first.communicate()
    second = started(tmp_path / "two", *LAUNCH)
    said, errors = second.communicate()
    assert second.returncode == 0, errors[-2000:]
    assert said.count("written to") == 1
    one, two = (load_file(tmp_path / n / "recursive.safetensors") for n in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(two[name], tensor, atol=1e-4), name
