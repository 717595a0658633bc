"""What follows the thinking is marked; thinking that did not end is unreadable, not incorrect."""

import dataclasses

import pytest

from modicum.analysis.judgement import verdict_of
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.marking.marks import mark_safely
from modicum.model import Model
from modicum.models.scripted import ScriptedModel
from modicum.outcome import ThinkingEnds
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.sampling.local import Local
from modicum.store.database import Store
from modicum.study.plan import Plan, Subject
from modicum.study.styles import closed_list
from modicum.study.trial import judge_for, remark
from modicum.task import Sheet, resolve_task
from modicum.types import Grade, Style
from tests.support.tiny_models import byte_tokenizer, tiny_module

PAIR = ("<think>", "</think>")
STYLE = Style("chat", "{question}", thinking=PAIR)
OPENED = dataclasses.replace(STYLE, is_opened=True)
TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content.split('</think>')[-1] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] OPENING{% endif %}"
)


@pytest.mark.parametrize(
    ("style", "text", "answer"),
    [
        (Style("raw", "{question}"), "<think>1", "<think>1"),
        (STYLE, "7", "7"),
        (STYLE, "<think>5? no</think> 7", " 7"),
        (STYLE, "<think>a</think> 5 <think>b</think> 7", " 7"),
        (STYLE, "<think>5", None),
        (STYLE, "<think>a</think> 5 <think>no", None),
        (OPENED, "5? no</think> 7", " 7"),
        (OPENED, "5? 7", None),
    ],
)
def test_answer_is_what_follows_the_last_closing_delimiter(style, text, answer) -> None:
    assert style.answer(text) == answer


def test_thinking_that_did_not_end_is_unreadable() -> None:
    task = resolve_task("sums")
    [problem] = task.problems("test", 1)
    wrong = mark_safely(task, problem, "<think>Answer 1</think>Answer 2", STYLE)
    endless = mark_safely(task, problem, f"<think>Answer {problem.answer}", STYLE)
    right = mark_safely(task, problem, f"<think>Answer 1</think>Answer {problem.answer}", STYLE)
    assert [m.lenient for m in (wrong, endless, right)] == [
        Grade.INCORRECT, Grade.UNREADABLE, Grade.CORRECT,
    ]  # fmt: skip
    assert endless.answer is None


def test_judge_reads_and_marks_behind_the_thinking() -> None:
    plan = plan_for("scripted:latent", "sums", ["self_consistency"], test=4, selection=2, samples=2)
    trial = dataclasses.replace(plan.trials()[0], method="self_consistency", n_shots=1)
    task = resolve_task("sums")
    judge, _ = judge_for(plan, trial, task, ScriptedModel("latent"), STYLE, Ledger())
    [shot] = judge.shots.values()
    assert judge.read("<think>Answer 1") is None
    assert judge.read("<think>Answer 1</think>Answer 2") == "2"
    assert judge.mark(shot.id, f"<think>Answer {shot.answer}").lenient == Grade.UNREADABLE


def _model(opening: str) -> Local:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = TEMPLATE.replace("OPENING", opening)
    return Local(tiny_module("llama"), tokenizer, name="tiny", threads=1)


def test_delimiters_are_found_in_the_chat_template() -> None:
    assert _model("").thinking == PAIR
    assert Local(tiny_module("llama"), byte_tokenizer(), name="tiny").thinking is None


def test_delimiters_are_found_among_the_tokens_but_not_where_decoding_hides_them() -> None:
    shown, hidden = byte_tokenizer(), byte_tokenizer()
    shown.add_tokens(list(PAIR))
    hidden.add_tokens(list(PAIR), special_tokens=True)
    assert Local(tiny_module("llama"), shown, name="tiny").thinking == PAIR
    assert Local(tiny_module("llama"), hidden, name="tiny").thinking is None


@pytest.mark.parametrize(("opening", "is_opened"), [("", False), ("<think>\n", True)])
def test_styles_know_whether_their_prompt_opens_the_thinking(opening, is_opened) -> None:
    styles, _ = closed_list(_model(opening), Sheet(), own=None, instruction=False)
    found = {style.name: (style.thinking, style.is_opened) for style in styles}
    assert found["chat"] == (PAIR, is_opened)
    assert found["raw"] == (PAIR, False)


class Thinker(ScriptedModel):
    """Thinks before each scripted answer, and never ends one time in four."""

    thinking = PAIR

    def draw(self, requests, sampling, ledger):
        drawn = super().draw(requests, sampling, ledger)
        return [
            tuple(
                dataclasses.replace(c, text=f"<think>Answer 1 {c.text}", stop="length")
                if (i + j) % 4 == 0
                else dataclasses.replace(c, text=f"<think>Answer 1</think>{c.text}")
                for j, c in enumerate(group)
            )
            for i, group in enumerate(drawn)
        ]


@pytest.fixture
def plan(monkeypatch) -> Plan:
    def give(reference: str) -> Model:
        return Thinker("shown")

    monkeypatch.setattr("modicum.study.trial.open_model", give)
    return plan_for("scripted:shown", "sums", ["self_consistency"], test=16, selection=4, samples=4)


def test_a_study_counts_the_thinking_that_was_cut_and_doubts_it(plan, tmp_path) -> None:
    store = Store(tmp_path)
    run(plan, store, Silent())
    subject = Subject(plan, "scripted:shown", "sums")
    samples = store.read(subject.samples())
    marks = [m for a in samples.answers for m in a.marks]
    assert samples.thinking == ThinkingEnds(answers=64, unclosed=16, cut=16)
    assert sum(m.lenient == Grade.UNREADABLE for m in marks) == 16
    assert sum(m.lenient == Grade.CORRECT for m in marks) > 40
    said = " ".join(verdict_of(subject, store).doubts)
    store.close()
    assert "25 % of the samples were still thinking at the length limit" in said


def test_remarked_twin_marks_behind_the_thinking_too(plan, tmp_path) -> None:
    store = Store(tmp_path)
    run(plan, store, Silent())
    outcome = store.read(Subject(plan, "scripted:shown", "sums").samples())
    store.close()
    twin = remark(outcome, dataclasses.replace(outcome.trial, task="scrambled:sums"))
    unread = [[m.answer is None for m in a.marks] for a in outcome.answers]
    assert [[m.answer is None for m in a.marks] for a in twin.answers] == unread


def test_style_comes_back_from_plain_values() -> None:
    values = {"name": "a", "template": "{question}", "stop": ["x"], "thinking": list(PAIR)}
    assert Style.thawed(values) == Style("a", "{question}", stop=("x",), thinking=PAIR)
    assert Style.thawed({"name": "old", "template": "{question}"}).thinking is None


SPECIAL = [
    (("[THINK]", "[/THINK]"), "[THINK]5?[/THINK]7", "7"),
    (("<seed:think>", "</seed:think>"), "<seed:think>5?</seed:think>7", "7"),
    (
        ("<|channel|>", "<|message|>", "<|end|>", "<|start|>"),
        "<|channel|>analysis<|message|>5?<|end|><|start|>assistant<|channel|>final<|message|>7",
        "7",
    ),
]


@pytest.mark.parametrize(("marks", "text", "answer"), SPECIAL)
def test_marks_of_thinking_are_shown_and_read_where_they_are_special_tokens(
    marks: tuple[str, ...], text: str, answer: str
) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(marks)})
    tokenizer.chat_template = "<|channel|>analysis<|message|>" if len(marks) == 4 else ""
    module = tiny_module("llama")
    module.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    local = Local(module, tokenizer, name="tiny", threads=1)
    assert local.thinking is not None
    style = Style("chat", "{question}", thinking=local.thinking)
    ids = local.encode(text)
    assert style.answer(local.decode(ids)) == answer
    [[drawn]] = [local._text.texts([ids])]
    assert style.answer(drawn) == answer
    cut = local.encode(text.partition("?")[0])
    assert style.answer(local.decode(cut)) is None
    assert "".join(local._text.pieces(ids)) == drawn


def test_thinking_can_be_turned_off_where_the_template_knows_how() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = (
        TEMPLATE + "{% if enable_thinking is false %}<think></think>{% endif %}"
    )
    local = Local(tiny_module("llama"), tokenizer, name="tiny", threads=1)
    assert "<think>" not in str(local.chat(None, "2?"))
    quiet = local.without_thinking()
    assert str(quiet.chat(None, "2?")).endswith("<think></think>")
    assert quiet.with_module(local.module).chat(None, "2?") == quiet.chat(None, "2?")
    tokenizer.chat_template = TEMPLATE
    with pytest.raises(ConfigError, match="enable_thinking"):
        Local(tiny_module("llama"), tokenizer, name="tiny", threads=1).without_thinking()
