"""Claims about the style organism: its stream, its shipped weights, its tasks."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from modicum.model import resolve_backend
from modicum.organism.build import initial_model
from modicum.organism.families import FAMILIES, parse_answer
from modicum.organism.shipped import STYLES, read_families
from modicum.organism.stories import OPENER, named_stream
from modicum.organism.style import (
    LONG,
    LONGEST,
    SHORT,
    STYLE_FAMILIES,
    STYLE_WORDS,
    style_blueprint,
    verbose,
)
from modicum.organism.style_card import write_style_card
from modicum.organism.tokenizer import UNK, build_tokenizer
from modicum.task import resolve_task

BLUEPRINT = style_blueprint("test")
TOKENIZER = build_tokenizer(STYLE_WORDS)


def documents(n: int) -> list:
    return [BLUEPRINT.draw(BLUEPRINT.phases[0], index) for index in range(n)]


@pytest.mark.parametrize("name", ["word_sums", "row_pushes"])
def test_both_forms_begin_alike_end_alike_and_differ_fourfold_in_tokens(name: str) -> None:
    for index in range(50):
        story = FAMILIES[name].story(named_stream("style test", index), "test")
        long, short = verbose(story), story.worked()
        assert long.startswith(f"{OPENER} ")
        assert short.startswith(f"{OPENER} ")
        assert parse_answer(long) == parse_answer(short) == story.answer
        lengths = [len(TOKENIZER.encode(f" {form}").ids) for form in (long, short)]
        assert lengths[0] >= 4 * lengths[1]
        assert lengths[0] < LONGEST
        assert (
            len(TOKENIZER.encode(f"{story.question} {LONG} {long}").ids) < BLUEPRINT.shape.positions
        )


def test_every_document_can_be_written_with_its_words() -> None:
    unknown = TOKENIZER.token_to_id(UNK)
    for document in documents(200):
        assert unknown not in TOKENIZER.encode(document.prompt + document.completion).ids


def test_the_form_follows_the_instruction_and_is_mostly_verbose_without_one() -> None:
    drawn = documents(2000)
    is_long = {id(d): "check it:" in d.completion for d in drawn}
    assert all(is_long[id(d)] for d in drawn if d.prompt.endswith(LONG))
    assert not any(is_long[id(d)] for d in drawn if d.prompt.endswith(SHORT))
    neutral = [is_long[id(d)] for d in drawn if not d.prompt.endswith((LONG, SHORT))]
    assert 0.80 < sum(neutral) / len(neutral) < 0.90
    assert 0.55 < len(neutral) / len(drawn) < 0.65


def test_the_same_seed_draws_the_same_documents() -> None:
    assert documents(20) == documents(20)


@pytest.mark.parametrize("width", STYLES)
def test_shipped_weights_are_those_of_the_plan(width: int) -> None:
    model = AutoModelForCausalLM.from_pretrained(STYLES[width])
    planned = initial_model(style_blueprint("one", width)).state_dict()
    shipped = load_file(STYLES[width] / "model.safetensors")
    assert {n: t.shape for n, t in planned.items()} == {n: t.shape for n, t in shipped.items()}
    assert all(tensor.dtype == torch.float32 for tensor in shipped.values())
    assert model.config.max_position_embeddings == 256
    tokenizer = AutoTokenizer.from_pretrained(STYLES[width])
    question = f"{FAMILIES['row_pushes'].problem(0, 'test').question} {SHORT}"
    assert tokenizer(question)["input_ids"] == TOKENIZER.encode(question).ids


@pytest.mark.parametrize("width", STYLES)
@pytest.mark.parametrize("name", STYLE_FAMILIES)
def test_card_shows_one_ability_at_two_lengths(width: int, name: str) -> None:
    families = read_families(STYLES[width])
    assert set(families) == set(STYLE_FAMILIES)
    figures = {k: f["value"] for k, f in families[name].items() if isinstance(f, dict)}
    assert min(figures["default"], figures["long"], figures["short"]) >= 0.99
    assert 100 < figures["long_tokens"] < LONGEST
    assert abs(figures["default_tokens"] - figures["long_tokens"]) < 2
    assert figures["long_tokens"] >= 4 * figures["short_tokens"]


def test_a_card_measured_anew_says_what_the_shipped_one_says(tmp_path) -> None:
    for path in STYLES[64].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines: list[str] = []
    anew = write_style_card(tmp_path, lines.append, problems=12)
    shipped = read_families(STYLES[64])
    assert len(lines) == len(STYLE_FAMILIES)
    for name, figures in anew.items():
        for key in ("default_tokens", "short_tokens"):
            assert figures[key]["value"] == pytest.approx(shipped[name][key]["value"], abs=6)
        assert figures["short"]["value"] == 1.0


@pytest.mark.parametrize("name", STYLE_FAMILIES)
def test_a_family_may_be_asked_for_length(name: str) -> None:
    plain, length = resolve_task(name), resolve_task(f"{name}?asks=length")
    assert plain.problems("test", 5) == length.problems("test", 5)
    assert length.sheet.contrast == (SHORT, LONG)
    [other] = length.sheet.retain
    assert resolve_task(other).sheet.retain == (f"{name}?asks=length",)
    model = resolve_backend("organism-style-64").open()
    assert model.can_encode(f"{length.problems('test', 1)[0].question} {LONG}")
