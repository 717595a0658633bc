"""What every task must do; a new file in `tasks/` is tested the moment it exists."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.tables.lent_rows import lend_rows
from modicum.task import TASKS, Scrambled, Task, resolve_task
from modicum.types import Grade, Mark, Problem
from tests.support.tables import word_problems
from tests.support.texts import anything

LENT = lend_rows(
    [json.loads(line) for line in Path(word_problems("jsonl")).read_text("utf-8").splitlines()]
)
"""Records of this process: no other one knows them."""
REFERENCES = {
    "records": [f"records:{LENT.name}"],
    "gym": ["gym:chain_sum", "gym:spell_backward", "gym:letter_counting", "gym:basic_arithmetic"],
    **{
        kind: [f"{kind}:{word_problems(kind)}"]
        for kind in ("jsonl", "json", "csv", "tsv", "parquet", "hub")
    },
}
"""References of the tasks that need a detail; all others go by their names."""
NEEDS = {"gym": "reasoning_gym", "parquet": "pyarrow", "hub": "datasets"}
"""Packages of extras without which a task is not tested."""
SPLITS = ("shots", "selection", "test")
N = 24

PRINT = """
import json, sys
from modicum.task import resolve_task
found = [[p.id, p.question, p.answer, p.solution] for p in
         resolve_task(sys.argv[1]).problems(sys.argv[2], int(sys.argv[3]))]
print(json.dumps(found))
"""


def _references() -> list[str]:
    names = [n for n in TASKS.entries if n not in NEEDS or importlib.util.find_spec(NEEDS[n])]
    return [reference for name in names for reference in REFERENCES.get(name, [name])]


ALL = _references()


@pytest.fixture(scope="module", params=ALL)
def task(request) -> Task:
    return resolve_task(request.param)


@pytest.fixture(scope="module")
def problems(task) -> tuple[Problem, ...]:
    return task.problems("test", N)


def _said(task: Task, problem: Problem) -> str:
    """An answer in the form that a model would write."""
    if problem.solution:
        return task.sheet.joiner + problem.solution
    return f"Answer: {problem.answer}"


def _other_gold(problems: tuple[Problem, ...], problem: Problem) -> str:
    """Another problem's different gold."""
    return next(p.answer for p in problems if p.answer != problem.answer)


def test_every_plugin_is_among_the_tested_ones() -> None:
    assert {reference.partition(":")[0] for reference in ALL} >= set(TASKS.entries) - set(NEEDS)


@pytest.mark.parametrize("reference", [name for name in ALL if not name.startswith("records:")])
def test_problems_are_the_same_in_a_new_process(reference: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINT, reference, "test", "6"],
        capture_output=True,
        text=True,
        check=True,
    )
    here = resolve_task(reference).problems("test", 6)
    assert json.loads(done.stdout) == [[p.id, p.question, p.answer, p.solution] for p in here]


@pytest.mark.parametrize("split", SPLITS)
def test_fewer_problems_are_the_first_of_more(task, split: str) -> None:
    assert task.problems(split, 5) == task.problems(split, N)[:5]


def test_splits_share_no_question(task) -> None:
    sizes = task.sheet.available
    asked = [{p.question for p in task.problems(split, sizes.get(split, 60))} for split in SPLITS]
    assert not (asked[0] & asked[1]) | (asked[0] & asked[2]) | (asked[1] & asked[2])


@pytest.mark.parametrize("split", SPLITS)
def test_questions_of_a_split_differ(task, split: str) -> None:
    found = task.problems(split, N)
    assert len({p.question for p in found}) == len({p.id for p in found}) == N


def test_every_problem_has_a_gold(problems) -> None:
    assert all(p.answer for p in problems)


def test_solution_is_there_where_the_sheet_says_so(task, problems) -> None:
    reveals = task.sheet.supervision.name == "SOLUTION"
    assert {p.solution is not None for p in problems} == {reveals}


def test_hidden_problem_holds_neither_gold_nor_solution(problems) -> None:
    assert {(p.hidden().answer, p.hidden().solution) for p in problems} == {("", None)}


def test_gold_is_accepted_leniently(task, problems) -> None:
    wrong = [p.id for p in problems if task.mark(p, _said(task, p)).lenient != Grade.CORRECT]
    assert not wrong


def test_worked_solution_is_accepted_strictly(task, problems) -> None:
    wrong = [p.id for p in problems if task.mark(p, _said(task, p)).strict != Grade.CORRECT]
    assert not wrong


def test_bare_gold_reads_as_itself(task, problems) -> None:
    assert [task.read(p.answer) for p in problems] == [p.answer for p in problems]


def test_another_problems_different_gold_is_incorrect(task, problems) -> None:
    marked = [
        task.mark(p, _said(task, p).replace(p.answer, _other_gold(problems, p))) for p in problems
    ]
    assert {mark.lenient for mark in marked} == {Grade.INCORRECT}


def test_empty_text_is_never_correct(task, problems) -> None:
    assert Grade.CORRECT not in {task.mark(p, "").lenient for p in problems}


def test_question_does_not_say_its_answer(problems) -> None:
    told = [p.id for p in problems if f"answer {p.answer}" in p.question.lower().replace(":", "")]
    assert not told


def test_repeating_the_question_is_seldom_correct(task, problems) -> None:
    right = sum(task.mark(p, p.question).lenient == Grade.CORRECT for p in problems)
    assert right <= 0.2 * N


@pytest.mark.parametrize("around", [" {}", "{} ", "\n{}\n", "\t{}  ", "  \n {}"])
def test_white_space_around_an_answer_does_not_matter(task, problems, around: str) -> None:
    marked = [task.mark(p, around.format(_said(task, p))).lenient for p in problems]
    assert set(marked) == {Grade.CORRECT}


def test_hedge_of_two_answers_is_not_strictly_correct(task, problems) -> None:
    hedged = [
        f"{_said(task, p)} or {_said(task, p).replace(p.answer, _other_gold(problems, p))}"
        for p in problems
    ]
    marked = [task.mark(p, text).strict for p, text in zip(problems, hedged, strict=True)]
    assert Grade.CORRECT not in marked


@settings(max_examples=30)
@given(
    texts=st.lists(anything, min_size=4, max_size=4),
    glue=st.sampled_from(["Answer", "Answer: ", "<answer>", "\\boxed{", " "]),
)
def test_marking_never_raises(task, problems, texts, glue: str) -> None:
    for problem, text in zip(problems, texts, strict=False):
        for said in (text, glue + text, text + glue + problem.answer + text):
            assert isinstance(task.mark(problem, said), Mark)


@settings(max_examples=30)
@given(text=anything, glue=st.sampled_from(["", "Answer ", "Answer: ", "<answer>"]))
def test_reading_never_raises_and_repeats(task, text: str, glue: str) -> None:
    assert task.read(glue + text) == task.read(glue + text)


@settings(max_examples=15)
@given(text=anything)
def test_what_cannot_be_read_is_unreadable_and_not_incorrect(task, problems, text: str) -> None:
    mark = task.mark(problems[0], text)
    assert (mark.answer is None) == (mark.lenient == Grade.UNREADABLE)


@pytest.mark.parametrize(
    "text", ["9" * 5000, "Answer " + "9" * 5000, "(" * 3000, "1/0", "1e999999999"]
)
def test_hostile_text_is_marked_at_once(task, problems, text: str) -> None:
    assert task.mark(problems[0], text).lenient != Grade.CORRECT


def test_marking_depends_on_the_problem_alone(task, problems) -> None:
    fresh = resolve_task(_reference(task))
    marked = [fresh.mark(p, _said(task, p)) for p in problems]
    assert marked == [task.mark(p, _said(task, p)) for p in problems]


def _reference(task: Task) -> str:
    kind = type(task).__module__.rpartition(".")[2]
    return f"{kind}:{task.name}" if kind in REFERENCES else kind


def test_stated_gold_passes_its_own_marker_in_both_readings(task, problems) -> None:
    marked = [task.mark(p, task.stated(p)) for p in problems]
    assert {(m.lenient, m.strict) for m in marked} == {(Grade.CORRECT, Grade.CORRECT)}


def test_twin_keeps_ids_and_questions(task, problems) -> None:
    twin = Scrambled(task).problems("test", N)
    assert [(p.id, p.question) for p in twin] == [(p.id, p.question) for p in problems]


def test_twin_moves_every_gold_from_another_problem(task) -> None:
    marked = [dataclasses.replace(p, answer=p.id, solution=None) for p in task.problems("test", N)]
    twin = Scrambled(_Fixed(task, tuple(marked))).problems("test", N)
    assert sorted(p.answer for p in twin) == sorted(p.id for p in marked)
    assert not [p.id for p in twin if p.answer == p.id]


def test_twin_does_not_depend_on_the_answers(task, problems) -> None:
    numbered = [dataclasses.replace(p, answer=str(i)) for i, p in enumerate(problems)]
    lettered = [dataclasses.replace(p, answer=f"x{i}") for i, p in enumerate(problems)]
    one, two = (Scrambled(_Fixed(task, tuple(x))).problems("test", N) for x in (numbered, lettered))
    assert [f"x{p.answer}" for p in one] == [p.answer for p in two]


def test_twin_marks_its_own_gold_correct(task) -> None:
    twin = Scrambled(task)
    found = twin.problems("test", N)
    assert {twin.mark(p, _said(task, p)).lenient for p in found} == {Grade.CORRECT}


def test_twin_rejects_the_original_gold(task, problems) -> None:
    twin = Scrambled(task)
    pairs = zip(twin.problems("test", N), problems, strict=True)
    marked = [twin.mark(t, _said(task, p)).lenient for t, p in pairs if t.answer != p.answer]
    assert set(marked) == {Grade.INCORRECT}


@dataclasses.dataclass(frozen=True)
class _Fixed(Task):
    """A task with given problems."""

    task: Task
    given: tuple[Problem, ...]

    @property
    def sheet(self):
        return self.task.sheet

    def problems(self, split, n):
        return self.given[:n]

    def read(self, text):
        return self.task.read(text)

    def mark(self, problem, text):
        return self.task.mark(problem, text)
