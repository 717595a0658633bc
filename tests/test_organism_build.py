"""Claims about the training of the organism and about the weights that are shipped."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from modicum.organism.build import build, initial_model, learning_rate
from modicum.organism.families import FAMILIES
from modicum.organism.recipe import PHASES, Phase
from modicum.organism.shipped import CONTROL, CORE, read_card
from modicum.organism.tokenizer import build_tokenizer

TEN_STEPS: tuple[Phase, ...] = (
    dataclasses.replace(PHASES[0], steps=6),
    dataclasses.replace(PHASES[1], steps=4),
)


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


def train(out: Path, stop_at: int | None = None) -> dict[str, torch.Tensor]:
    def watch(step: int) -> None:
        if step == stop_at:
            raise KilledError

    build(
        is_control=False,
        seed="test",
        out=out,
        progress=lambda progress: watch(progress.step),
        phases=TEN_STEPS,
        steps_per_checkpoint=4,
    )
    return load_file(out / "model.safetensors")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return train(tmp_path_factory.mktemp("trained"))


def test_net_has_at_most_four_hundred_thousand_parameters() -> None:
    assert sum(parameter.numel() for parameter in initial_model("test").parameters()) <= 400_000


def test_first_ten_steps_give_the_same_bits_twice(
    trained: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    again = train(tmp_path)
    assert all(torch.equal(trained[name], again[name]) for name in trained)


def test_a_killed_run_goes_on_to_the_same_bits(
    trained: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        train(
            tmp_path, stop_at=10
        )  # after the checkpoint at step 8, before the weights are written
    again = train(tmp_path)
    assert all(torch.equal(trained[name], again[name]) for name in trained)


def test_building_leaves_the_global_random_stream_alone() -> None:
    state = torch.random.get_rng_state()
    initial_model("test")
    assert torch.equal(state, torch.random.get_rng_state())


def test_learning_rate_warms_up_then_falls() -> None:
    learn, hide = PHASES
    assert (
        learning_rate(learn, 0) < learning_rate(learn, 200) > learning_rate(learn, learn.steps - 1)
    )
    assert learning_rate(hide, 0) == pytest.approx(6e-4)
    assert learning_rate(hide, hide.steps - 1) < 1e-5


@pytest.mark.parametrize("folder", [CORE, CONTROL])
def test_shipped_folder_loads_with_transformers(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = FAMILIES["word_sums"].problem(0, "test").question
    assert tokenizer(text)["input_ids"] == build_tokenizer().encode(text).ids
    assert sum(parameter.numel() for parameter in model.parameters()) <= 400_000


def test_shipped_weights_are_under_four_megabytes() -> None:
    files = [path for folder in (CORE, CONTROL) for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) < 4_000_000


def test_shipped_card_holds_the_truth() -> None:
    card = read_card()
    assert {name: figures["truth"] for name, figures in card["families"].items()} == {
        name: family.truth for name, family in FAMILIES.items()
    }
    for name in ("word_sums", "row_pushes"):
        figures = {
            key: figure["value"] for key, figure in card["families"][name].items() if key != "truth"
        }  # type: ignore[index]
        assert figures["greedy"] <= 0.15
        assert 0.06 <= figures["pass1"] <= 0.18
        assert (
            min(
                figures["pass64"],
                figures["forced"],
                figures["instructed"],
                figures["demonstrated"],
            )
            >= 0.95
        )
        assert figures["majority64"] <= 0.2
