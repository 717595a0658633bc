"""The doctor finds each planted fault, says what to do, and says nothing of a healthy study."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from modicum.doctor.costs import memory
from modicum.doctor.diagnosis import diagnose
from modicum.doctor.exam import Exam, Memory
from modicum.doctor.examine import examine
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import Model, resolve_backend
from modicum.running.planning import plan_for
from modicum.task import Sheet, Task, resolve_task
from modicum.types import Finding, Grade, Mark, Problem
from tests.support.patients import (
    Patient,
    PatientTask,
    TwoStarts,
    good_chat,
    problem,
    question,
    replaced,
    tokenizer,
    told,
)
from tests.support.tables import write_jsonl
from tests.support.tiny import tiny

OPTIONS = {"test": 64, "selection": 16, "samples": 16}


def exam_of(
    model: Model | None = None,
    task: Task | None = None,
    *,
    methods: tuple[str, ...] = ("self_consistency",),
    on: tuple[str, str] = ("scripted:latent", "sums"),
    **options: Any,
) -> Exam:
    """What the doctor sees of a patient."""
    plan = plan_for(*on, methods, **{**OPTIONS, **options})
    return examine(plan.subjects()[0], task or PatientTask(), model or Patient(), Ledger())


def alarms(findings: tuple[Finding, ...]) -> dict[str, str]:
    """Codes and levels of what is worse than a fact."""
    return {f.code: f.level for f in findings if f.level != "fact"}


@dataclass(frozen=True)
class Case:
    """One planted fault."""

    level: str
    seen: Callable[[], Exam]
    also: set[str] = field(default_factory=set)
    """What follows from it and may be said as well."""


def _long(prompt: str, luck: int) -> str:
    return "Well then " * (2 + luck % 40) + told(prompt, luck)


def _accepts_all(one: Problem, text: str) -> Mark:
    return Mark(text, Grade.CORRECT, Grade.CORRECT)


def _needs_a_box(one: Problem, text: str) -> Mark:
    return Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)


def _half_rejected(one: Problem, text: str) -> Mark:
    if int(one.answer) % 2:
        return Mark(text, Grade.INCORRECT, Grade.INCORRECT)
    return PatientTask().mark(one, text)


def _by_heart(prompt: str, luck: int) -> str:
    """Complete test questions word for word, and answer the rest."""
    for i in range(16):
        whole = problem("test", i).question
        if whole.startswith(prompt) and len(prompt) < len(whole):
            return whole[len(prompt) :]
    return told(prompt, luck)


def _story(one: Problem) -> str:
    """A question whose second half is its own, not the task's words."""
    n = int(one.answer)
    words = ("red", "blue", "cold", "warm", "old", "new", "big", "low")
    tail = " ".join(words[n // 8**i % 8] for i in reversed(range(10)))
    return f"Farm {n} was long ago {one.question[15:40]} and {tail} so how many?"


def _tell_story(prompt: str, luck: int) -> str:
    for i in range(16):
        whole = _story(problem("test", i))
        if whole.startswith(prompt) and len(prompt) < len(whole):
            return whole[len(prompt) :]
    return told(prompt, luck)


def _twice(split: str, i: int, one: Problem) -> Problem:
    return dataclasses.replace(problem(split, i // 2), id=one.id)


def _alike(split: str, i: int, one: Problem) -> Problem:
    """Ten test questions that tell one story with other numbers; the others tell one of their own."""
    words = ("red", "blue", "cold", "warm", "old", "new", "big", "low", "far", "near")
    own = 0 if split == "test" and i < 10 else int(one.answer) + 10**4
    story = " ".join(words[(own // 7**k + k) % 10] for k in range(12))
    return dataclasses.replace(one, question=f"{one.question} The {story} barn holds {i} jars.")


def _nearly_twice(split: str, i: int, one: Problem) -> Problem:
    first = problem(split, i // 2)
    shouted = first.question.upper().replace(";", " ; ").replace(" ", "  ")
    return dataclasses.replace(
        one, question=shouted if i % 2 else first.question, answer=str(int(first.answer) + i % 2)
    )


def _from_shots(split: str, i: int, one: Problem) -> Problem:
    return problem("shots", i) if split == "test" and i < 20 else one


def _yes_no(split: str, i: int, one: Problem) -> Problem:
    return dataclasses.replace(one, answer=str(int(one.answer) % 2), solution=None)


def _thinking(prompt: str, luck: int) -> str:
    return "<think>" + "hmm " * 200


CASES: dict[str, Case] = {
    "truncated": Case("doubt", lambda: exam_of(Patient(_long), task=_limited(64)), {"unreadable"}),
    "never_ends": Case("fault", lambda: exam_of(Patient(ends=False)), {"truncated"}),
    "no_end_token": Case("fault", lambda: exam_of(Patient(tokenizer=tokenizer(eos_token_id=None)))),
    "runs_on": Case(
        "doubt",
        lambda: exam_of(Patient(lambda p, n: told(p, n) + "\nQuestion: what is 3 and 4?")),
        {"same_answer"},
    ),
    "unreadable": Case("fault", lambda: exam_of(Patient(lambda p, n: "I cannot say."))),
    "format_gap": Case("doubt", lambda: exam_of(Patient(lambda p, n: told(p, n) + " Bye!"))),
    "same_answer": Case("doubt", lambda: exam_of(Patient(lambda p, n: "The answer is 7."))),
    "empty": Case("fault", lambda: exam_of(Patient(lambda p, n: "")), {"unreadable"}),
    "not_finite": Case("fault", lambda: exam_of(Patient(score=math.nan))),
    "constant_rewards": Case(
        "doubt",
        lambda: exam_of(
            Patient(lambda p, n: f"The answer is {n % 9000 + 3000}."),
            on=("organism", "word_sums"),
            methods=("rejection_tuning",),
        ),
    ),
    "double_start": Case("fault", lambda: exam_of(TwoStarts(tokenizer=tokenizer()))),
    "lost_system": Case(
        "fault",
        lambda: exam_of(
            Patient(template=lambda s, u: f"<|user|>{u}<|assistant|>"), system="You are brief."
        ),
    ),
    "lost_question": Case(
        "fault",
        lambda: exam_of(Patient(template=lambda s, u: f"<|user|>{u[:12]}<|assistant|>")),
        {"unreadable"},
    ),
    "own_style": Case(
        "fault", lambda: exam_of(Patient(unknown="§"), template="§ {question}\n"), {"unwritable"}
    ),
    "unwritable": Case("fault", lambda: exam_of(Patient(unknown="farmer"))),
    "template_ignored": Case(
        "doubt", lambda: exam_of(Patient(template=good_chat), template="{question}\nAnswer:\n")
    ),
    "template_absent": Case("doubt", lambda: exam_of(Patient(name="small-1b-instruct"))),
    "trailing_space": Case("doubt", lambda: exam_of(template="{question}\nAnswer: ")),
    "mid_word": Case("doubt", lambda: exam_of(template="{question}\nThe ans")),
    "gold_rejected": Case("fault", lambda: exam_of(task=PatientTask(marker=_half_rejected))),
    "loose_marker": Case("fault", lambda: exam_of(task=PatientTask(marker=_accepts_all))),
    "leaked": Case(
        "fault",
        lambda: exam_of(
            task=PatientTask(replaced(question=lambda p: f"{p.question} (Answer: {p.answer})"))
        ),
    ),
    "leaked_prompt": Case(
        "fault",
        lambda: exam_of(
            task=PatientTask(replaced(answer=lambda p: "42", solution=lambda p: "42")),
            template="The last answer was 42.\n{question}\n",
        ),
        {"guessable", "detectable"},
    ),
    "test_in_prompt": Case(
        "fault",
        lambda: exam_of(template=f"{problem('test', 3).question} It is 1.\n{{question}}\n"),
    ),
    "duplicates": Case("doubt", lambda: exam_of(task=PatientTask(_twice))),
    "near_equal": Case("doubt", lambda: exam_of(task=PatientTask(_alike))),
    "overlap": Case("fault", lambda: exam_of(task=PatientTask(_from_shots))),
    "guessable": Case("doubt", lambda: exam_of(task=PatientTask(_yes_no)), {"detectable"}),
    "contaminated": Case(
        "doubt",
        lambda: exam_of(Patient(_tell_story), PatientTask(replaced(question=_story))),
    ),
    "detectable": Case("doubt", lambda: exam_of(test=12)),
}


def _limited(n: int) -> PatientTask:
    return PatientTask(form=Sheet("{question}\n", max_new_tokens=n))


@cache
def findings_of(code: str) -> tuple[Finding, ...]:
    """What is said of a case; looked at once."""
    return diagnose(CASES[code].seen())


@pytest.mark.parametrize("code", CASES)
def test_planted_fault_is_found_at_its_level(code: str) -> None:
    found = alarms(findings_of(code))
    assert found.get(code) == CASES[code].level


@pytest.mark.parametrize("code", CASES)
def test_planted_fault_raises_no_other_alarm(code: str) -> None:
    assert set(alarms(findings_of(code))) - {code} <= CASES[code].also


@pytest.mark.parametrize("code", CASES)
def test_finding_says_what_was_seen_and_what_to_do(code: str) -> None:
    (finding, *_) = [f for f in findings_of(code) if f.code == code]
    assert len(finding.found) > 15
    assert len(finding.action) > 15


def test_healthy_patient_raises_no_alarm() -> None:
    assert alarms(diagnose(exam_of())) == {}


def test_healthy_chat_patient_with_a_system_prompt_raises_no_alarm() -> None:
    exam = exam_of(Patient(template=good_chat), system="You are brief.")
    assert exam.prompts.style.chat
    assert alarms(diagnose(exam)) == {}


def test_near_duplicates_with_other_golds_are_said() -> None:
    found = diagnose(exam_of(task=PatientTask(_nearly_twice)))
    (first, *_) = [f for f in found if f.code == "duplicates"]
    assert "different gold answers" in first.found


def test_worked_solution_in_the_question_is_a_leak() -> None:
    task = PatientTask(replaced(question=lambda p: f"{p.question} {p.solution}"))
    assert "leaked" in alarms(diagnose(exam_of(task=task)))


def test_gold_that_merely_occurs_in_its_question_is_no_leak() -> None:
    task = PatientTask(replaced(question=lambda p: f"Which is it, {p.answer} or 7? {p.question}"))
    assert "leaked" not in alarms(diagnose(exam_of(task=task)))


def test_double_start_is_seen_in_the_text_too() -> None:
    exam = exam_of(Patient(template=lambda s, u: f"<s><s>{u}"))
    assert alarms(diagnose(exam))["double_start"] == "fault"


def test_phrases_of_the_task_are_no_contamination() -> None:
    # it completes the words that every question shares, and no question's own
    exam = exam_of(Patient(_by_heart))
    assert all(one.own.exact for one in exam.completed[:16])
    assert "contaminated" not in alarms(diagnose(exam))


def test_thinking_that_the_limit_cut_off_is_a_fault() -> None:
    exam = exam_of(Patient(_thinking, thinks=True, template=good_chat))
    assert exam.prompts.style.thinking is not None
    assert alarms(diagnose(exam))["thinking_cut"] == "fault"


def test_model_that_takes_chat_alone_is_not_probed() -> None:
    exam = exam_of(Patient(_by_heart, takes_raw=False, template=good_chat))
    assert exam.completed == ()


@pytest.mark.parametrize(("gib", "level"), [(2, "fact"), (7, "doubt"), (9, "fault")])
def test_memory_is_held_against_the_machine(gib: int, level: str) -> None:
    needed = Memory(weights=gib << 29, cache=0, copies=2, machine=8 << 30)
    assert [f.level for f in memory(needed)] == [level]


@pytest.mark.parametrize(("right", "code"), [(True, "too_easy"), (False, "too_hard")])
def test_solved_and_hopeless_tasks_are_said_as_facts(right: bool, code: str) -> None:
    def says(prompt: str, luck: int) -> str:
        return told(prompt, 1 if right else 4 * (luck // 4 % 20))

    facts = {f.code for f in diagnose(exam_of(Patient(says))) if f.level == "fact"}
    assert code in facts


def _half_cut(right: bool) -> Callable[[str, int], str]:
    """Run on to the limit half of the time, without an end; else answer at once, rightly or not."""

    def says(prompt: str, luck: int) -> str:
        if luck % 2:
            return " ".join(f"so {i * luck % 97} it is" for i in range(40))
        return told(prompt, 1 if right else 4 * (luck // 4 % 20))

    return says


def _truncated(right: bool) -> Finding:
    seen = exam_of(Patient(_half_cut(right)), task=_limited(64))
    [found] = [f for f in diagnose(seen) if f.code == "truncated"]
    return found


def test_model_that_rambles_at_chance_is_not_told_to_take_a_longer_limit() -> None:
    found = _truncated(right=False)
    assert "rambles" in found.found
    assert "--max-new-tokens" not in found.action
    assert found.level == "doubt"


def test_model_whose_whole_answers_are_right_is_told_a_longer_limit() -> None:
    assert "--max-new-tokens" in _truncated(right=True).action


def test_faults_stand_before_doubts_and_facts() -> None:
    exam = exam_of(Patient(lambda p, n: "I cannot say.", name="x-instruct"))
    levels = [f.level for f in diagnose(exam)]
    assert levels == sorted(levels, key=("fault", "doubt", "fact").index)


def test_golds_of_the_test_split_are_never_read() -> None:
    exam = exam_of()
    assert {p.answer for p in exam.splits["test"]} == {""}
    assert not [p for p in exam.golds.problems if p.id.startswith("test")]


def test_question_of_the_patient_holds_its_numbers() -> None:
    assert "12 and 30" in question(12, 30)


def test_golds_that_are_texts_of_sentences_are_a_fault_under_exact(tmp_path) -> None:
    rows = [{"question": f"Why {i}?", "answer": f"Since it was {i}. " * 8} for i in range(60)]
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    seen = exam_of(task=resolve_task(str(path)), test=20, selection=8)
    [found] = [f for f in diagnose(seen) if f.code == "long_golds"]
    assert found.level == "fault"
    assert "--answer" in found.action
    own = dataclasses.replace(seen, golds=dataclasses.replace(seen.golds, marker="python"))
    assert "long_golds" not in {f.code for f in diagnose(own)}


def test_question_that_fills_the_context_is_named_with_its_line_before_anything_is_asked(
    tmp_path,
) -> None:
    rows = [{"question": f"What is {i}?", "answer": i} for i in range(60)]
    rows[7]["question"] = "what " * 300
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    ledger = Ledger()
    plan = plan_for("scripted:latent", str(path), ("self_consistency",))
    with pytest.raises(ConfigError, match=r"line 8 of .*own\.jsonl: [\d,]+ tokens") as error:
        examine(plan.subjects()[0], resolve_task(str(path)), tiny(), ledger)
    assert "1 question too long for the model's context of 256 tokens" in error.value.found
    assert ledger.tokens_sampled == 0


@pytest.mark.parametrize("said", ["", "I cannot say."])
def test_what_a_net_says_before_it_has_learned_anything_is_no_fault(said) -> None:
    exam = exam_of(Patient(lambda p, n: said))
    assert "unreadable" in alarms(diagnose(exam))
    findings = diagnose(dataclasses.replace(exam, is_new=True))
    assert not alarms(findings).keys() & {"empty", "unreadable", "same_answer"}
    [unread] = [one for one in findings if one.code == "unreadable"]
    assert unread.found.endswith("the net has learned nothing yet")


def test_an_untrained_net_may_be_studied() -> None:
    new = "autoregressive:new?task=sudoku"
    exam = exam_of(
        resolve_backend(new).open(),
        resolve_task("sudoku"),
        methods=("from_scratch",),
        on=(new, "sudoku"),
        shots=(4,),
    )
    assert exam.is_new
    assert "fault" not in alarms(diagnose(exam)).values()
