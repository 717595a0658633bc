"""A recursive net in a folder comes back as it was, and a stranger's folder is read as data."""

import json
from dataclasses import asdict, replace

import pytest
import torch

from modicum.errors import CheckpointError, ConfigError
from modicum.files.headers import safetensors_head
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nets.halting import Halting
from modicum.nets.recursive_folder import CONFIG, WEIGHTS, read_recursive_card, read_recursive_net
from modicum.nudge import write_folder
from modicum.study.powers import model_powers
from modicum.task import resolve_task
from modicum.types import Request, Sampling, Trial
from tests.support.recursive_nets import random_net, tiny_card


@pytest.fixture
def folder(tmp_path):
    card = tiny_card()
    write_folder(card.files(random_net(card)), tmp_path / "net")
    return tmp_path / "net"


def mended(folder, **changes) -> None:
    said = json.loads((folder / CONFIG).read_text())
    said["shape"].update(changes.pop("shape", {}))
    said.update(changes)
    (folder / CONFIG).write_text(json.dumps(said))


def test_a_net_comes_back_bit_for_bit(folder) -> None:
    card = read_recursive_card(folder)
    assert card == tiny_card()
    read, written = read_recursive_net(folder, card), random_net(card)
    for name, part in written.state_dict().items():
        assert torch.equal(part, read.state_dict()[name]), name
    assert card.files(read)[WEIGHTS] == (folder / WEIGHTS).read_bytes()


HALTING = Halting(0.9, 16, 200, 20, 0.9, 0.904, 0.98, 0.985, 3.25)


@pytest.fixture
def halting(tmp_path):
    """The same net, whose training chose when it halts."""
    card = replace(tiny_card(), halting=HALTING)
    write_folder(card.files(random_net(card)), tmp_path / "halting")
    return tmp_path / "halting"


def test_a_card_says_when_its_net_halts_and_one_of_before_says_nothing(folder, halting) -> None:
    assert read_recursive_card(halting).halting == HALTING
    assert read_recursive_card(folder).halting is None
    assert "halting" not in json.loads((folder / CONFIG).read_text())


@pytest.mark.parametrize(
    ("settings", "as_if"),
    [
        ("?halts=true", "?halts=true&sure=0.9"),
        ("?halts=true&depth=5&width=3", "?halts=true&depth=5&width=3&sure=0.9"),
        ("?halts=true&sure=0.5", "?halts=true&sure=0.5"),
        ("", ""),
    ],
)
def test_a_net_halts_where_training_chose_unless_the_reference_says_otherwise(
    folder, halting, settings, as_if
) -> None:
    """Answers and their addresses are those of the same net with that threshold."""
    chosen, given = (
        resolve_backend(f"recursive:{where}{one}").open()
        for where, one in ((halting, settings), (folder, as_if))
    )
    assert chosen.card.reading == given.card.reading
    assert chosen.card.weights == given.card.weights
    asked = [Request(p.question, p.id, 3) for p in resolve_task("sudoku").problems("test", 4)]
    spent = [Ledger(), Ledger()]
    answers = [
        model.generate(asked, Sampling(64, 1.0), ledger)
        for model, ledger in zip((chosen, given), spent, strict=True)
    ]
    assert answers[0] == answers[1]
    assert spent[0].flops == spent[1].flops


def test_where_nothing_was_chosen_a_half_is_enough(folder) -> None:
    plain, half = (
        resolve_backend(f"recursive:{folder}?halts=true{one}").open() for one in ("", "&sure=0.5")
    )
    assert plain.card.reading == half.card.reading


def test_a_net_that_training_lets_end_nothing_takes_every_step(halting) -> None:
    mended(halting, halting={**asdict(HALTING), "sure": 1})
    model = resolve_backend(f"recursive:{halting}?halts=true&depth=6").open()
    model.net.judging_first[0] = 50.0
    ledger = Ledger()
    question = resolve_task("sudoku").problems("test", 1)[0].question
    model.generate([Request(question, "q")], Sampling(64, 1.0), ledger)
    assert ledger.flops > 6 * 16 * model.net.shape.step_flops


@pytest.mark.parametrize("preset", ["trm", "eqr", "looped"])
def test_a_stack_that_updates_both_states_is_kept_once(preset, tmp_path) -> None:
    card = tiny_card(preset)
    net = random_net(card)
    write_folder(card.files(net), tmp_path / "net")
    assert safetensors_head(tmp_path / "net" / WEIGHTS).numbers == card.shape.numbers + 2 * 16
    read = read_recursive_net(tmp_path / "net", read_recursive_card(tmp_path / "net"))
    assert read.lower is read.upper
    for name, part in net.state_dict().items():
        assert torch.equal(part, read.state_dict()[name]), name


def test_a_folder_opens_as_a_model_of_its_own_name(folder) -> None:
    reference = f"recursive:{folder}?width=4&selector=majority&halts=true"
    card = resolve_backend(reference).open().card
    assert card.name == reference
    assert resolve_backend(card.name).open().card == card


HUGE = 10**9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format 2"),
        ({"shape": {"width": "64"}}, "width"),
        ({"shape": {"width": 15}}, "width = 15"),
        ({"shape": {"grim": 1}}, "grim"),
        ({"shape": {"width": HUGE, "heads": 1}}, "fewer than its shape has"),
        ({"shape": {"inner": HUGE}}, "fewer than its shape has"),
        ({"shape": {"layers": HUGE}}, "fewer than its shape has"),
        ({"shape": {"vocabulary": HUGE}}, "fewer than its shape has"),
        ({"shape": {"guide_inner": HUGE}}, "fewer than its shape has"),
        ({"shape": {"n_inner": HUGE}}, "n_inner"),
        ({"shape": {"n_outer": HUGE}}, "n_outer"),
        ({"shape": {"n_steps": HUGE}}, "n_steps"),
        ({"shape": {"prefix": HUGE}}, "prefix"),
        ({"shape": {"length": HUGE}}, "length"),
        ({"task": 7}, "task"),
        ({"trained": []}, "trained"),
        ({"halting": []}, "halting"),
        ({"halting": {"sure": 0.9}}, "halting"),
        ({"halting": {**asdict(HALTING), "sure": 0}}, "sure = 0"),
        ({"halting": {**asdict(HALTING), "sure": 1.5}}, "sure = 1.5"),
    ],
)
def test_a_configuration_that_is_none_is_refused_before_weights(folder, changes, said) -> None:
    mended(folder, **changes)
    with pytest.raises(CheckpointError, match=said):
        read_recursive_card(folder)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 10_000, b'{"format": 1}']
)
def test_any_bytes_for_a_configuration_are_refused_with_words(folder, content) -> None:
    (folder / CONFIG).write_bytes(content)
    with pytest.raises(CheckpointError):
        read_recursive_card(folder)


@pytest.mark.parametrize("change", [{"layers": 2}, {"prefix": 1}, {"inner": 8}])
def test_weights_of_another_shape_are_refused(folder, change) -> None:
    mended(folder, shape=change)
    with pytest.raises(CheckpointError):
        read_recursive_net(folder, read_recursive_card(folder))


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(folder, name) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"no {name}"):
        resolve_backend(f"recursive:{folder}")


@pytest.mark.parametrize(
    "task",
    [
        "sums",
        "nonsense",
        "sudoku?size=6",
        "sudoku?size=7",
        "graph_colouring?nodes=1000000000",
        "jsonl:a.jsonl?marker=python:evil.py",
        "scrambled:",
        "",
    ],
)
def test_a_task_without_its_boards_is_refused(folder, task) -> None:
    mended(folder, task=task)
    with pytest.raises(CheckpointError, match="for task"):
        resolve_backend(f"recursive:{folder}")


def test_a_file_that_a_strangers_task_names_is_not_read(folder, tmp_path) -> None:
    mended(folder, task=f"sudoku?file={tmp_path / 'missing.txt'}")
    assert resolve_backend(f"recursive:{folder}").open().card.parameters > 0


def test_what_a_new_net_asks_for_stands_in_its_own_reference() -> None:
    asked = model_powers("recursive:new?task=jsonl:a.jsonl?marker=python:evil.py")
    assert [power.kind for power in asked] == ["code"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("recursive", "without a folder or a task"),
        ("recursive:new", "without a task"),
        ("recursive:x?task=sudoku", "task=sudoku for the trained net in 'x'"),
        ("recursive:x?preset=trm", "leave preset out"),
    ],
)
def test_neither_a_folder_nor_a_new_net_is_refused(reference, words) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_backend(reference)


@pytest.mark.parametrize("preset", ["gram", "twin", "trm", "hrm", "looped", "eqr"])
def test_a_new_net_of_each_preset_answers(preset) -> None:
    model = resolve_backend(f"recursive:new?task=n_queens&preset={preset}").open()
    assert model.is_new
    assert model.card.notes[-1].startswith("untrained")


def test_each_setting_of_a_reference_is_a_trial_and_an_address_of_its_own(folder) -> None:
    settings = [
        *("", "?depth=3", "?width=2", "?width=2&selector=majority", "?temperature=0.5"),
        *("?noise=0.1", "?halts=true", "?halts=true&sure=0.9"),
    ]
    references = [f"recursive:{folder}{one}" for one in settings]
    trials = {Trial(reference, "sudoku", "plain", 0, 0).id for reference in references}
    readings = {resolve_backend(reference).open().card.reading for reference in references}
    assert len(trials) == len(readings) == len(settings)
