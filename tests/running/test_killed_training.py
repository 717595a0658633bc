"""A training run that SIGKILL ends in its middle goes on to the same weights, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from modicum.store.database import Store
from tests.support.sources import ROOT

STEPS = 40
OPTIONS = (
    "--model", "organism", "--task", "row_pushes", "--methods", "rlvr", "--shots", 1, "--seeds", 1,
    "--test", 8, "--selection", 4, "--samples", 4, "--retain", "none", "--no-check", "--no-reuse",
    "--workers", 1, "--set", f"rlvr.steps={STEPS}", "--set", "rlvr.groups=2",
    "--set", "rlvr.rollouts=16", "--set", "rlvr.rank=2",
)  # fmt: skip


def started(folder: Path) -> subprocess.Popen[bytes]:
    """Begin the study in a process of its own, one thread."""
    command = [sys.executable, "-m", "modicum", "run", *map(str, OPTIONS), "--out", str(folder)]
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **one}, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a run that must succeed."""
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said.decode()


def curves_of(checkpoint: Path) -> list[dict]:
    """What a checkpoint says of the steps done."""
    with safe_open(checkpoint, "pt") as file:
        return json.loads(file.metadata()["state"])["curves"]


def killed_in_the_middle(folder: Path) -> Path:
    """Kill the run once its checkpoint knows of several steps; gives the checkpoint."""
    process = started(folder)
    try:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and process.poll() is None:
            found = list(folder.rglob("*.unfinished/policy.safetensors"))
            if found and len(curves_of(found[0])) >= 5:
                break
            time.sleep(0.005)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    [checkpoint] = folder.rglob("*.unfinished/policy.safetensors")
    return checkpoint


def marked(checkpoint: Path) -> None:
    """Write a figure into the last step that only a run which goes on from here can know."""
    with safe_open(checkpoint, "pt") as file:
        state = json.loads(file.metadata()["state"])
    state["curves"][-1]["marked"] = 1.0
    save_file(load_file(checkpoint), checkpoint, {"state": json.dumps(state)})


def results(folder: Path) -> dict[str, tuple[bytes, list[dict]]]:
    """The weights and curves of every trained adapter, controls too, by trial."""
    store = Store(folder)
    outcomes = [o for o in store.heads().values() if o.trial.method == "rlvr"]
    store.close()
    return {
        str(o.trial.id): (
            (folder / o.artefact / "adapter_model.safetensors").read_bytes(),
            o.made["curves"],
        )
        for o in outcomes
    }


def test_killed_training_goes_on_to_the_same_weights_bit_for_bit(tmp_path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    ended(started(whole))
    checkpoint = killed_in_the_middle(broken)
    done = len(curves_of(checkpoint))
    assert 5 <= done < STEPS
    marked(checkpoint)
    ended(started(broken))
    wanted, found = results(whole), results(broken)
    assert {name: weights for name, (weights, _) in found.items()} == {
        name: weights for name, (weights, _) in wanted.items()
    }
    places = [
        place for _, curves in found.values() for place, c in enumerate(curves) if "marked" in c
    ]
    assert places == [done - 1]
    for name, (_, curves) in found.items():
        assert [{k: v for k, v in c.items() if k != "marked"} for c in curves] == wanted[name][1]
    assert not list(broken.rglob("*.unfinished"))
