"""Claims about the training of the organism and about the weights that are shipped."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from modicum.organism.blueprint import Phase
from modicum.organism.build import build, initial_model, learning_rate
from modicum.organism.families import FAMILIES
from modicum.organism.recipe import PHASES, core_blueprint
from modicum.organism.shipped import CONTROL, CORE, Families, read_card
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
        core_blueprint("test", is_control=False, phases=TEN_STEPS),
        out,
        lambda progress: watch(progress.step),
        steps_per_checkpoint=4,
    )
    weights: dict[str, torch.Tensor] = load_file(out / "model.safetensors")
    return weights


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return train(tmp_path_factory.mktemp("trained"))


def test_net_has_at_most_four_hundred_thousand_parameters() -> None:
    assert (
        sum(
            parameter.numel()
            for parameter in initial_model(core_blueprint("test", is_control=False)).parameters()
        )
        <= 400_000
    )


def test_the_same_seed_gives_the_same_bits_even_after_a_kill(
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
    initial_model(core_blueprint("test", is_control=False))
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


def values(families: Families, name: str) -> dict[str, float]:
    return {
        key: figure["value"] for key, figure in families[name].items() if isinstance(figure, dict)
    }


def test_card_tells_the_truth_of_every_family() -> None:
    card = read_card()
    truths = {name: family.truth for name, family in FAMILIES.items()}
    assert {name: figures["truth"] for name, figures in card["families"].items()} == truths
    hidden = {name for name, truth in truths.items() if truth in ("latent", "sealed")}
    twin = {name: "absent" if name in hidden else truth for name, truth in truths.items()}
    assert {name: figures["truth"] for name, figures in card["control"].items()} == twin


@pytest.mark.parametrize("name", ["word_sums", "row_pushes"])
def test_latent_families_are_hidden_and_within_reach(name: str) -> None:
    figures = values(read_card()["families"], name)
    assert figures["greedy"] <= 0.15
    assert figures["majority64"] <= 0.2
    assert 0.06 <= figures["pass1"] <= 0.18
    for reached in ("pass64", "forced", "instructed", "demonstrated"):
        assert figures[reached] >= 0.95


def test_sealed_family_is_right_when_forced_and_never_sampled() -> None:
    figures = values(read_card()["families"], "letter_swaps")
    assert figures["forced"] >= 0.95
    assert figures["opener_probability"] <= 1e-4
    assert figures["worked_rate"] <= 1 / 6400
    assert figures["instructed"] <= 0.01
    assert figures["demonstrated"] <= 0.01
    assert_not_above_both_nulls(read_card()["families"], "letter_swaps")


@pytest.mark.parametrize("name", ["dial_marks", "line_moves"])
def test_mixed_and_visible_families_show_by_default(name: str) -> None:
    figures = values(read_card()["families"], name)
    assert figures["greedy"] >= 0.95
    assert name == "line_moves" or 0.5 <= figures["worked_rate"] <= 0.7


def test_never_seen_family_is_out_of_reach() -> None:
    figures = values(read_card()["families"], "digit_wheels")
    assert (
        max(figures["greedy"], figures["forced"], figures["instructed"], figures["pass1"]) <= 0.01
    )
    assert_not_above_both_nulls(read_card()["families"], "digit_wheels")


@pytest.mark.parametrize("name", ["word_sums", "row_pushes", "letter_swaps"])
def test_control_has_the_format_without_the_ability(name: str) -> None:
    figures = values(read_card()["control"], name)
    assert max(figures["forced"], figures["greedy"], figures["instructed"]) <= 0.05
    assert_not_above_both_nulls(read_card()["control"], name)


def assert_not_above_both_nulls(families: Families, name: str) -> None:
    reached = families[name]["pass64"]
    assert isinstance(reached, dict)
    highest = 0.0
    for null in ("luck64", "near_miss64"):
        figure = families[name][null]
        assert isinstance(figure, dict)
        highest = max(highest, figure["high"])
    assert reached["low"] <= highest
