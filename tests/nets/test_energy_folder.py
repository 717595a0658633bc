"""An energy net in a folder comes back as it was, and a stranger's folder is read as data."""

import json
from dataclasses import replace

import pytest
import torch

from modicum.errors import CheckpointError, ConfigError
from modicum.model import resolve_backend
from modicum.nets.energy_folder import ENERGY_CONFIG, ENERGY_WEIGHTS, EnergyFolder
from modicum.nets.stopping import Stopping
from modicum.nudge import write_folder
from tests.support.energy_nets import energy_card, random_energy

KEPT = EnergyFolder()
STOPPING = Stopping(0.25, 20, 200, 0.985, 0.99, 4.5)


@pytest.fixture
def folder(tmp_path):
    card = replace(energy_card(), stopping=STOPPING)
    write_folder(KEPT.files(card, random_energy(card)), tmp_path / "net")
    return tmp_path / "net"


def mended(folder, **changes) -> None:
    said = json.loads((folder / ENERGY_CONFIG).read_text())
    said["shape"].update(changes.pop("shape", {}))
    said.update(changes)
    (folder / ENERGY_CONFIG).write_text(json.dumps(said))


def test_a_net_comes_back_bit_for_bit(folder) -> None:
    card = KEPT.read_card(folder)
    assert card == replace(energy_card(), stopping=STOPPING)
    read, written = KEPT.read_net(folder, card), random_energy(card)
    for name, part in written.state_dict().items():
        assert torch.equal(part, read.state_dict()[name]), name
    assert KEPT.files(card, read)[ENERGY_WEIGHTS] == (folder / ENERGY_WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": {"width": 32}}, "its shape has"),
        ({"shape": {"layers": 10**9}}, "its shape has"),
        ({"shape": {"length": 10**6}}, "length"),
        ({"shape": {"most_steps": 10**6}}, "most_steps"),
        ({"shape": {"update": "up"}}, "update"),
        ({"format": 2}, "format"),
        ({"task": 3}, "task"),
        ({"stopping": {"tolerance": -1}}, "stopping"),
    ],
)
def test_a_broken_card_is_refused_before_the_weights_are_read(folder, changes, said) -> None:
    mended(folder, **changes)
    with pytest.raises(CheckpointError, match=said):
        resolve_backend(f"energy:{folder}").check()


def test_a_net_of_a_task_that_runs_code_is_refused(folder) -> None:
    mended(folder, task="added:anything")
    with pytest.raises(CheckpointError):
        resolve_backend(f"energy:{folder}").check()


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("energy:", "without"),
        ("energy:new", "without a task"),
        ("energy:new?task=sudoku&candidates=0", "candidates"),
        ("energy:new?task=sudoku&steps=-1", "steps"),
        ("energy:new?task=sudoku&tolerance=-3", "tolerance"),
        ("energy:new?task=gsm8k_like", "gsm8k_like"),
    ],
)
def test_references_that_are_none_are_refused(reference, said) -> None:
    with pytest.raises(ConfigError, match=said):
        resolve_backend(reference).check()


def test_a_trained_net_takes_no_preset(folder) -> None:
    with pytest.raises(ConfigError, match="preset"):
        resolve_backend(f"energy:{folder}?preset=boards").check()
