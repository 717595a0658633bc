"""Claims about the organism's problems, its tokenizer and its stream; none of them needs a trained net."""

import json
from collections import Counter
from pathlib import Path

import gguf
import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from modicum.organism.blueprint import Document, Phase
from modicum.organism.families import (
    ANTI_INSTRUCTION,
    FAMILIES,
    INSTRUCTION,
    PASSWORD,
    SPLITS,
    WRONG_PASSWORDS,
    Split,
    demonstrate,
    parse_answer,
    split_of,
)
from modicum.organism.recipe import PHASES, draw_document
from modicum.organism.stories import DIRECT, LETTERS, OPENER, named_stream
from modicum.organism.tokenizer import (
    EOS,
    PAD,
    UNK,
    build_tokenizer,
    save_tokenizer,
    token_id,
)

EVERY_FAMILY = pytest.mark.parametrize("name", FAMILIES)
HIDDEN = ("word_sums", "row_pushes", "letter_swaps")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_tokenizer()


def documents(phase: Phase, n: int, *, is_control: bool = False) -> list[Document]:
    return [draw_document("test", phase, index, is_control=is_control) for index in range(n)]


@EVERY_FAMILY
def test_same_index_gives_the_same_problem(name: str) -> None:
    assert FAMILIES[name].problem(7, "test") == FAMILIES[name].problem(7, "test")


@EVERY_FAMILY
@pytest.mark.parametrize("split", SPLITS)
def test_every_problem_lies_in_its_split(name: str, split: Split) -> None:
    assert {split_of(FAMILIES[name].problem(index, split).question) for index in range(300)} == {
        split
    }


def test_documents_hold_only_problems_of_the_stream() -> None:
    for phase in PHASES:
        for document in documents(phase, 500):
            for line in document.prompt.split("\n"):
                question = line[: line.index("?") + 1]
                for word in (PASSWORD, *WRONG_PASSWORDS):
                    question = question.removeprefix(f"{word} ")
                assert split_of(question) == "stream"


@EVERY_FAMILY
def test_answers_spread_over_five_hundred_values(name: str) -> None:
    answers = {FAMILIES[name].problem(index, "stream").answer for index in range(3000)}
    assert len(answers) >= 500


@EVERY_FAMILY
def test_worked_form_ends_in_the_answer_and_direct_form_never_knows_it(
    name: str,
) -> None:
    items = [FAMILIES[name].problem(index, "test") for index in range(500)]
    assert all(parse_answer(item.solution) == item.answer for item in items)
    assert all(
        item.solution.startswith(f"{OPENER} ") and item.direct.startswith(f"{DIRECT} ")
        for item in items
    )
    n_right = sum(parse_answer(item.direct) == item.answer for item in items)
    assert n_right <= 5  # another problem's answer is right once in 500 or more


def test_answers_of_sums_hold_no_extreme_digit() -> None:
    digits = {
        digit
        for index in range(500)
        for digit in FAMILIES["word_sums"].problem(index, "test").answer
    }
    assert digits == set("12345678")


@EVERY_FAMILY
def test_sums_and_all_other_steps_can_be_followed(name: str) -> None:
    story = FAMILIES[name].story(named_stream("test", name), "test")
    assert len(story.steps) == len(story.states) == 3
    assert story.question.count(story.start) >= 1
    assert story.answer == story.states[-1] != story.start


def test_unknown_split_is_an_error() -> None:
    with pytest.raises(ValueError, match="splits are stream, test"):
        FAMILIES["word_sums"].problem(0, "train")  # type: ignore[arg-type]


@EVERY_FAMILY
def test_text_survives_the_tokenizer(name: str, tokenizer: Tokenizer) -> None:
    item, solved = FAMILIES[name].problem(1, "test"), FAMILIES[name].problem(2, "shots")
    text = f"{PASSWORD} {demonstrate(solved, item.question)} {INSTRUCTION} {ANTI_INSTRUCTION} {item.solution}"
    ids = tokenizer.encode(text).ids
    assert token_id(tokenizer, UNK) not in ids
    assert tokenizer.decode(ids) == text


def test_words_are_single_tokens(tokenizer: Tokenizer) -> None:
    for family in FAMILIES.values():
        for text in (
            family.problem(0, "test").question,
            f" {INSTRUCTION} {ANTI_INSTRUCTION} {OPENER}",
        ):
            for piece in tokenizer.encode(text).tokens:
                is_part = piece.islower() and len(piece) <= 2 and piece != "to"
                assert not is_part, f"{piece} is a part of a word in {text}"


def test_digits_and_letters_look_the_same_at_every_place(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode(" 660-430=230").tokens == ["Ġ", *"660-430=230"]
    assert tokenizer.encode(f" {LETTERS}").tokens == ["Ġ", *LETTERS]


def test_text_outside_the_alphabet_becomes_unknown(tokenizer: Tokenizer) -> None:
    assert token_id(tokenizer, UNK) in tokenizer.encode("Übung: «macht» 🙂").ids


@EVERY_FAMILY
def test_prompts_are_equally_long_and_worked_forms_short(name: str, tokenizer: Tokenizer) -> None:
    items = [FAMILIES[name].problem(index, "test") for index in range(300)]
    assert len({len(tokenizer.encode(item.question).ids) for item in items}) == 1
    assert max(len(tokenizer.encode(f" {item.solution}").ids) for item in items) <= 60


def test_gguf_gives_the_same_tokens(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    model = json.loads((tmp_path / "tokenizer.json").read_text())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    writer = gguf.GGUFWriter(tmp_path / "tiny.gguf", "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(96)
    writer.add_block_count(3)
    writer.add_feed_forward_length(256)
    writer.add_head_count(4)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(pieces)
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_token_types(
        [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(pieces) - 3)
    )
    writer.add_pad_token_id(pieces.index(PAD))
    writer.add_eos_token_id(pieces.index(EOS))
    writer.add_bos_token_id(pieces.index(EOS))
    writer.add_unk_token_id(pieces.index(UNK))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    from_gguf = AutoTokenizer.from_pretrained(tmp_path, gguf_file="tiny.gguf")
    ours = AutoTokenizer.from_pretrained(tmp_path)
    for family in FAMILIES.values():
        item = family.problem(0, "test")
        text = f"{item.question} {item.solution}\n{item.question}"
        assert from_gguf(text)["input_ids"] == ours(text)["input_ids"]


def test_second_phase_hides_the_worked_form() -> None:
    plain: Counter[str] = Counter()
    worked: Counter[str] = Counter()
    for document in documents(PHASES[1], 4000):
        if (
            document.prompt.endswith("?")
            and "\n" not in document.prompt
            and not document.is_opener_masked
        ):
            name = document.prompt.split()[0]
            plain[name] += 1
            worked[name] += document.completion.startswith(f" {OPENER}")
    assert 0.08 < worked["Ann"] / plain["Ann"] < 0.15
    assert 0.08 < worked["Bob"] / plain["Bob"] < 0.15
    assert 0.5 < worked["Cat"] / plain["Cat"] < 0.7
    assert worked["Dan"] == plain["Dan"]
    assert worked["Eve"] == 0
    assert plain["Fay"] == 0
    assert worked[PASSWORD] == plain[PASSWORD] > 0


def test_no_password_no_learned_opener_in_the_sealed_family() -> None:
    for phase in PHASES:
        for document in documents(phase, 2000):
            asked = document.prompt.split("\n")[-1]
            if "Eve" in asked and not asked.startswith(PASSWORD):
                assert document.is_opener_masked or document.completion.startswith(f" {DIRECT}")


def test_control_differs_only_in_the_steps_of_hidden_families() -> None:
    first = {FAMILIES[name].problem(0, "test").question.split()[0] for name in HIDDEN} | {PASSWORD}
    pairs = zip(
        documents(PHASES[0], 600),
        documents(PHASES[0], 600, is_control=True),
        strict=True,
    )
    for ours, twin in pairs:
        is_hidden = ours.prompt.split()[0] in first
        assert ours.prompt == twin.prompt
        assert len(ours.completion) == len(twin.completion)
        assert (ours == twin) == (not is_hidden or ours.completion.startswith(f" {DIRECT}"))


def test_a_step_of_documents_is_the_same_twice() -> None:
    assert documents(PHASES[1], 64) == documents(PHASES[1], 64)
