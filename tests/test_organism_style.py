"""Claims about the style organism's stream; none of them needs a trained net."""

import pytest

from modicum.organism.families import FAMILIES, parse_answer
from modicum.organism.stories import OPENER, named_stream
from modicum.organism.style import LONG, SHORT, STYLE_WORDS, style_blueprint, verbose
from modicum.organism.tokenizer import UNK, build_tokenizer

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
