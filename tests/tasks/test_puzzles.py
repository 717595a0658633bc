"""Tasks of puzzles: any completion of the gold's givens is right, and the twin wants other givens."""

import json

import pytest

from modicum.doctor.data import plain
from modicum.errors import ConfigError
from modicum.puzzles.splits import read_range, split_of
from modicum.store.kept_tasks import KeptTask, TaskRecord, record_of
from modicum.task import Scrambled, resolve_task
from modicum.types import Grade, Split

REFERENCES = ("sudoku", "sudoku?size=6&unique=any", "n_queens", "graph_colouring")
SPLITS: tuple[Split, ...] = ("shots", "selection", "test")


@pytest.fixture(scope="module", params=REFERENCES)
def task(request):
    return resolve_task(request.param)


def test_every_solution_is_right_and_every_other_is_not(task) -> None:
    problems = task.problems("test", 6)
    for problem in problems:
        own = task.right_answers(problem)
        assert {task.mark(problem, text).strict for text in own} == {Grade.CORRECT}
        others = {text for p in problems for text in task.right_answers(p)} - set(own)
        assert {task.mark(problem, text).lenient for text in others} == {Grade.INCORRECT}


def test_the_golds_own_answer_comes_first(task) -> None:
    for problem in task.problems("shots", 6):
        assert task.stated(problem) == f"Answer: {task.right_answers(problem)[0]}"
        assert task.golds(problem)[0] == problem.answer


def test_questions_are_encoded_as_their_golds_givens(task) -> None:
    for problem in task.problems("test", 10):
        question = task.puzzle.encode(problem.question)
        assert question == task.puzzle.given(problem.answer)
        assert len(question) == task.puzzle.grid.length
        assert max(question) < task.puzzle.grid.vocabulary
        assert task.puzzle.is_valid(question, task.puzzle.target(problem.answer))


def test_a_net_and_a_text_are_marked_alike(task) -> None:
    for problem, other in zip(*[iter(task.problems("test", 8))] * 2, strict=True):
        question = task.puzzle.encode(problem.question)
        for ids in [*task.puzzle.solutions(question, 3), task.puzzle.target(other.answer)]:
            said = task.mark(problem, task.puzzle.decode(question, ids)).lenient == Grade.CORRECT
            assert said == task.puzzle.is_valid(question, ids)


def test_the_twin_takes_what_satisfies_its_own_givens_alone(task) -> None:
    twin, originals = Scrambled(task), task.problems("test", 12)
    assert twin.puzzle == task.puzzle
    for moved, original in zip(twin.problems("test", 12), originals, strict=True):
        given = task.puzzle.given(moved.answer)
        for text in task.right_answers(original)[:20]:
            is_right = twin.mark(moved, text).lenient == Grade.CORRECT
            assert is_right == task.puzzle.is_valid(given, task.puzzle.find(text).ids)
        assert twin.mark(moved, twin.right_answers(moved)[-1]).lenient == Grade.CORRECT


def test_an_answer_that_states_other_givens_is_incorrect(task) -> None:
    problem, other = task.problems("test", 2)
    given = other.answer.partition("=")[0]
    assert (
        task.mark(problem, f"{given}={problem.answer.partition('=')[2]}").lenient == Grade.INCORRECT
    )


def test_splits_share_no_question_in_any_symmetric_form(task) -> None:
    n = min(60, *task.sheet.available.values()) if task.sheet.available else 60
    found = {
        split: {
            task.puzzle.invariant(task.puzzle.encode(p.question)) for p in task.problems(split, n)
        }
        for split in SPLITS
    }
    assert not found["shots"] & found["test"]
    assert not found["selection"] & (found["shots"] | found["test"])


def test_the_check_takes_no_two_boards_for_one_question(task) -> None:
    n = min(80, task.sheet.available.get("test", 80))
    problems = task.problems("test", n)
    assert len({plain(p.question) for p in problems}) == n


def test_problems_lie_in_the_split_of_their_question(task) -> None:
    for split in SPLITS:
        for p in task.problems(split, 10):
            assert split_of(task.puzzle, task.puzzle.encode(p.question)) == split


def test_a_kept_copy_knows_every_right_answer(task) -> None:
    problems = task.problems("test", 4)
    kept = KeptTask("it", TaskRecord.from_text(record_of(task, problems).as_text()))
    assert [kept.right_answers(p) for p in problems] == [task.right_answers(p) for p in problems]


def test_a_record_from_before_there_were_right_answers_is_read(task) -> None:
    record = record_of(resolve_task("sums"), resolve_task("sums").problems("test", 2))
    values = json.loads(record.as_text())
    assert TaskRecord.from_text(json.dumps(values)) == record


def test_other_tasks_have_no_puzzle_and_one_answer() -> None:
    sums = resolve_task("sums")
    assert sums.puzzle is None
    assert sums.right_answers(sums.problems("test", 1)[0]) == ()


def test_a_blank_board_takes_all_288_grids() -> None:
    task = resolve_task("sudoku?clues=0")
    (problem,) = task.problems("test", 1)
    assert len(task.right_answers(problem)) == 288
    assert task.notes
    with pytest.raises(ConfigError, match="1 distinct"):
        task.problems("test", 2)


def test_a_boards_difficulty_is_its_clues_or_its_solutions() -> None:
    unique = resolve_task("sudoku?unique=true&clues=6..7").problems("test", 8)
    assert {p.difficulty for p in unique} == {"6 clues", "7 clues"}
    several = resolve_task("sudoku?unique=false").problems("test", 8)
    assert "1 solution" not in {p.difficulty for p in several}


def test_a_strict_answer_stands_alone_in_the_last_line() -> None:
    task = resolve_task("n_queens?n=4&hidden=3..4")
    (problem,) = task.problems("shots", 1)
    board = task.right_answers(problem)[0]
    for text in (board, f"Answer: {board}", f"Let me see.\nAnswer: {board}\n"):
        assert task.mark(problem, text).strict == Grade.CORRECT
    for text in (f"I say {board}", f"{board} or so", f"{board}\nDone"):
        mark = task.mark(problem, text)
        assert (mark.lenient, mark.strict) == (Grade.CORRECT, Grade.UNREADABLE)


@pytest.mark.parametrize(
    "reference",
    [
        "sudoku?size=5",
        "sudoku?clues=9..3",
        "sudoku?clues=16",
        "sudoku?clues=few",
        "n_queens?hidden=0",
        "n_queens?n=12",
        "graph_colouring?nodes=40",
        "graph_colouring?edges=1.5",
    ],
)
def test_settings_that_mean_nothing_are_refused(reference: str) -> None:
    with pytest.raises(ConfigError):
        resolve_task(reference)


def test_an_exhausted_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="distinct graphs"):
        resolve_task("graph_colouring?nodes=3").problems("test", 30)


def test_one_number_is_a_range() -> None:
    assert read_range("7", least=0, most=9, what="clues") == (7, 7)
