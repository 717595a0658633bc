"""An autoregressive net in a folder: other tools load it, and a stranger's is read as data."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from modicum.errors import CheckpointError, ConfigError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nets.autoregressive_folder import (
    AUTOREGRESSIVE_CONFIG,
    AUTOREGRESSIVE_WEIGHTS,
    read_autoregressive_card,
    read_autoregressive_net,
)
from modicum.nets.board_tokens import prompt_of
from modicum.nudge import write_folder
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.study.powers import model_powers
from modicum.task import resolve_task
from modicum.types import Request, Sampling
from tests.support.autoregressive_nets import random_writer, writer_card


@pytest.fixture
def folder(tmp_path):
    card = writer_card()
    write_folder(card.files(random_writer(card)), tmp_path / "net")
    return tmp_path / "net"


def mended(folder, **changes) -> None:
    path = folder / AUTOREGRESSIVE_CONFIG
    said = json.loads(path.read_text())
    said["shape"].update(changes.pop("shape", {}))
    path.write_text(json.dumps({**said, **changes}))


def test_a_net_comes_back_bit_for_bit(folder) -> None:
    card = read_autoregressive_card(folder)
    assert card == writer_card()
    read, written = read_autoregressive_net(folder, card), random_writer(card)
    for name, part in written.state_dict().items():
        assert torch.equal(part, read.state_dict()[name]), name
    assert (
        card.files(read)[AUTOREGRESSIVE_WEIGHTS] == (folder / AUTOREGRESSIVE_WEIGHTS).read_bytes()
    )


def test_transformers_loads_it_and_writes_the_same_answer(folder) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    net = AutoModelForCausalLM.from_pretrained(folder)
    question = resolve_task("sudoku").problems("test", 1)[0].question
    ids = tokenizer(prompt_of(SudokuPuzzle(4).encode(question)), return_tensors="pt")
    out = net.generate(**ids, do_sample=False)[0, 17:33]
    model = resolve_backend(f"autoregressive:{folder}").open()
    [(said,)] = model.generate([Request(question, "q")], Sampling(64, 0.0), Ledger())
    assert tokenizer.decode(out).split() == list(said.text.replace(" ", ""))


def test_a_folder_opens_as_a_model_of_its_own_name(folder) -> None:
    reference = f"autoregressive:{folder}?device=cpu"
    card = resolve_backend(reference).open().card
    assert card.name == reference
    assert resolve_backend(card.name).open().card == card


def test_what_lies_beside_it_for_other_tools_is_not_asked(folder) -> None:
    before = resolve_backend(f"autoregressive:{folder}").open().card
    for name in (
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ):
        (folder / name).write_text("{")
    assert resolve_backend(f"autoregressive:{folder}").open().card == before


HUGE = 10**9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format 2"),
        ({"shape": {"width": "64"}}, "width"),
        ({"shape": {"width": 18}}, "width = 18"),
        ({"shape": {"grim": 1}}, "grim"),
        ({"shape": {"layers": HUGE}}, "where its shape has"),
        ({"shape": {"vocabulary": HUGE}}, "where its shape has"),
        ({"shape": {"inner": 17}}, "where its shape has"),
        ({"shape": {"length": HUGE}}, "length"),
        ({"task": 7}, "task"),
        ({"trained": []}, "trained"),
    ],
)
def test_a_configuration_that_is_none_is_refused_before_weights(folder, changes, said) -> None:
    mended(folder, **changes)
    with pytest.raises(CheckpointError, match=said):
        read_autoregressive_card(folder)


def test_weights_of_other_names_are_refused(folder) -> None:
    weights = (folder / AUTOREGRESSIVE_WEIGHTS).read_bytes()
    (folder / AUTOREGRESSIVE_WEIGHTS).write_bytes(weights.replace(b"q_proj", b"p_proj"))
    with pytest.raises(CheckpointError, match="the autoregressive net in"):
        read_autoregressive_net(folder, read_autoregressive_card(folder))


@pytest.mark.parametrize("name", [AUTOREGRESSIVE_CONFIG, AUTOREGRESSIVE_WEIGHTS])
def test_a_missing_file_is_named(folder, name) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"no {name}"):
        resolve_backend(f"autoregressive:{folder}")


@pytest.mark.parametrize(
    "task", ["sums", "sudoku?size=6", "jsonl:a.jsonl?marker=python:evil.py", ""]
)
def test_a_task_without_its_boards_is_refused(folder, task) -> None:
    mended(folder, task=task)
    with pytest.raises(CheckpointError, match=r"the autoregressive net in .* for task"):
        resolve_backend(f"autoregressive:{folder}")


def test_what_a_new_net_asks_for_stands_in_its_own_reference() -> None:
    asked = model_powers("autoregressive:new?task=jsonl:a.jsonl?marker=python:evil.py")
    assert [power.kind for power in asked] == ["code"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("autoregressive", "without a folder or a task"),
        ("autoregressive:new", "without a task"),
        ("autoregressive:x?task=sudoku", "task=sudoku for the trained net in 'x'"),
    ],
)
def test_neither_a_folder_nor_a_new_net_is_refused(reference, words) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_backend(reference)
