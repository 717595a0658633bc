"""Prompts are the same tokens everywhere: one beginning, with or without a nudge, any tokenizer."""

import dataclasses

import pytest
from tokenizers import Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.model import render
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.study.styles import closed_list
from modicum.task import Sheet
from modicum.training.adapters import AdapterShape
from modicum.training.loop import Example, Schedule, tune
from modicum.types import Request, Sampling, Style
from tests.support.tiny_models import byte_tokenizer, tiny_module

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)
QUESTION = "What is 12 + 30?"


def llama_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer like Llama 2's: it adds BOS and a space before every text."""
    letters = sorted({*"▁abcdefghijklmnopqrstuvwxyzAWQ?0123456789+[]:.\n"})
    pieces = ["<s>", "</s>", *(f"<0x{i:02X}>" for i in range(100)), *letters, "▁a", "▁is", "is"]
    merges = [("▁", "a"), ("i", "s"), ("▁", "is")]
    tokenizer = Tokenizer(
        BPE({p: i for i, p in enumerate(pieces)}, merges, unk_token=None, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE
    )


TOKENIZERS = {
    "llama": llama_tokenizer,
    "adds BOS": lambda: byte_tokenizer(adds_bos=True),
    "adds none": byte_tokenizer,
}


@pytest.fixture(params=TOKENIZERS)
def model(request) -> Local:
    tokenizer = TOKENIZERS[request.param]()
    tokenizer.chat_template = TEMPLATE
    return Local(tiny_module("llama"), tokenizer, name="tiny", threads=1)


def _fed(model: Local, monkeypatch) -> list[list[int]]:
    """The rows of tokens that the module is given when every style asks the question."""
    styles, _ = closed_list(model, Sheet(), own=None, instruction=False)
    seen: list[list[int]] = []

    def spy(_module, given, named):
        seen.extend((named["input_ids"] if "input_ids" in named else given[0]).tolist())

    monkeypatch.setattr("modicum.sampling.prefix._LEAST_SAVING", 10**6)
    hook = model.module.register_forward_pre_hook(spy, with_kwargs=True)
    for style in styles:
        prompt = render(model, style, QUESTION)
        model.generate([Request(prompt, "q")], Sampling(1, 0.0), Ledger())
    hook.remove()
    return seen


def test_no_prompt_begins_twice(model: Local, monkeypatch) -> None:
    bos = model.tokenizer.bos_token_id
    fed = _fed(model, monkeypatch)
    chat = [row for row in fed if row.count(model.tokenizer.eos_token_id)]
    assert len(fed) >= 4
    assert chat
    assert all(row[0] == bos and row.count(bos) == 1 for row in chat)
    assert all(row.count(bos) <= 1 for row in fed)


def test_a_nudge_sees_the_same_prompt_tokens(model: Local, monkeypatch) -> None:
    examples = [Example(tuple(model.encode(QUESTION)), tuple(model.encode_completion(" a")))]
    shape, schedule = AdapterShape("lora", 2, 4.0), Schedule(1e-3, 1, 1, 1)
    tuned = tune(model, examples, shape, schedule, stream("t"), Ledger()).change.applied(model)
    assert tuned.card.weights != model.card.weights
    assert _fed(tuned, monkeypatch) == _fed(model, monkeypatch)


def test_an_answer_that_was_drawn_is_trained_on_as_it_was_drawn() -> None:
    model = Local(tiny_module("llama"), llama_tokenizer(), name="tiny", threads=1)
    whole = model.encode("is it a 1?")
    for cut in range(2, len(whole)):
        drawn = whole[cut:]
        [text] = model._text.texts([drawn])
        assert model.encode_completion(text) == [*drawn, model.tokenizer.eos_token_id]


def _bare(**named: str | None) -> Local:
    tokenizer = byte_tokenizer()
    for name, token in named.items():
        setattr(tokenizer, name, token)
    module = tiny_module("llama")
    for settings in (module.config, module.generation_config):
        settings.pad_token_id = None
        if named.get("eos_token", "") is None:
            settings.eos_token_id = None
    return Local(module, tokenizer, name="bare", threads=1)


def test_no_pad_token_is_needed() -> None:
    bare, usual = _bare(pad_token=None), _bare()
    wanted = [Request(QUESTION, "a", 3), Request("Is it?", "b", 3)]
    sampling = Sampling(6, 1.0, stream="s")
    assert bare.generate(wanted, sampling, Ledger()) == usual.generate(wanted, sampling, Ledger())
    assert not [note for note in bare.card.notes if "token" in note]


def test_a_model_without_an_end_token_runs_to_the_limit_and_says_so() -> None:
    bare = _bare(eos_token=None)
    [[completion]] = bare.generate([Request(QUESTION, "a")], Sampling(40, 1.0), Ledger())
    assert (completion.n_tokens, completion.stop) == (40, "length")
    assert any(note.startswith("no end token") for note in bare.card.notes)
    assert bare.encode_completion("ab") == bare.encode_more("ab")


def test_an_empty_prompt_of_a_model_without_first_or_end_token_is_refused_in_words() -> None:
    bare = _bare(eos_token=None, bos_token=None)
    with pytest.raises(TrialError, match="empty prompt"):
        bare.generate([Request("", "a")], Sampling(4, 0.0), Ledger())


def test_question_and_answer_is_offered_to_base_models_once() -> None:
    base = Local(tiny_module("llama"), byte_tokenizer(), name="tiny")
    sheets = [Sheet(), Sheet(question_answer=False)]
    own = Style("qa", "Question: {question}\nAnswer:")
    sheets.append(dataclasses.replace(sheets[0], triggers=(own,)))
    names = [
        [s.name for s in closed_list(base, sheet, own=None, instruction=False)[0]]
        for sheet in sheets
    ]
    assert [("question_answer" in n, "qa" in n) for n in names] == [
        (True, False), (False, False), (False, True),
    ]  # fmt: skip
    style = closed_list(base, sheets[0], own=None, instruction=False)[0][-1]
    assert style.stop == ("\nQuestion:",)


def test_question_and_answer_is_not_offered_where_there_is_a_chat_template() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = TEMPLATE
    chat = Local(tiny_module("llama"), tokenizer, name="tiny")
    styles, _ = closed_list(chat, Sheet(), own=None, instruction=False)
    assert "question_answer" not in [style.name for style in styles]
