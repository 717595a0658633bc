"""Tasks from the user's own file: columns, presets, roles, markers and what is wrong with it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.errors import ConfigError, UnknownNameError
from modicum.study.checks import check_golds
from modicum.task import Task, full_reference, resolve_task
from modicum.types import Grade, Problem, Supervision
from tests.support.tables import WORD_PROBLEMS, numbers, word_problems, write_jsonl

SPLITS = ("shots", "selection", "test")
OWN = Path(__file__).parent.parent / "support" / "own_marks.py"


def table(path: Path, rows, more: str = "") -> Task:
    """A JSONL task of records."""
    return resolve_task(f"jsonl:{write_jsonl(path / 'own.jsonl', rows)}{more}")


def members(task: Task) -> list[Problem]:
    return [p for split in SPLITS for p in task.problems(split, task.sheet.available[split])]


def refused(path: Path, text: str | bytes, more: str = "", suffix: str = "jsonl") -> str:
    """The message of the error that a file gives."""
    file = path / f"own.{suffix}"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as error:
        resolve_task(f"{suffix}:{file}{more}")
    return str(error.value)


# columns and presets


@pytest.mark.parametrize("question", ["question", "problem", "prompt", "input", "Question"])
@pytest.mark.parametrize("answer", ["answer", "target", "gold", "output", "label"])
def test_common_column_names_are_guessed_and_said(tmp_path, question: str, answer: str) -> None:
    rows = [{question: f"q{i}", answer: i, "other": "x"} for i in range(20)]
    task = table(tmp_path, rows)
    assert {p.question for p in members(task)} == {f"q{i}" for i in range(20)}
    assert f"question = column {question!r}, answer = column {answer!r}" in task.notes[0]


def test_named_columns_win_over_common_names(tmp_path) -> None:
    rows = [{"question": "no", "answer": "no", "q": f"q{i}", "a": i} for i in range(20)]
    task = table(tmp_path, rows, "?question=q&answer=a")
    assert {p.question for p in members(task)} == {f"q{i}" for i in range(20)}
    assert "guessed" not in "".join(task.notes[:1])


def test_a_key_within_a_table_is_a_column(tmp_path) -> None:
    rows = [
        {"prompt": [{"role": "user", "content": f"q{i}"}], "gold": {"value": i}} for i in range(9)
    ]
    task = table(tmp_path, rows, "?answer=gold.value")
    assert {(p.question, p.answer) for p in members(task)} == {(f"q{i}", str(i)) for i in range(9)}


def test_gsm8k_is_known_by_sight_and_parted(tmp_path) -> None:
    rows = [
        {"question": f"q{i}", "answer": f"1 + {i} = <<1+{i}={1 + i}>>{1 + i}.\n#### 1,00{i}"}
        for i in range(9)
    ]
    task = table(tmp_path, rows)
    found = {p.question: p for p in members(task)}["q4"]
    assert found.answer == "1004"
    assert found.solution == "1 + 4 = 5.\nAnswer: 1004"
    assert task.sheet.supervision == Supervision.SOLUTION
    assert task.mark(found, found.solution).strict == Grade.CORRECT
    assert "preset gsm8k" in task.notes[0]


def test_math_takes_the_last_box_with_balanced_braces(tmp_path) -> None:
    pytest.importorskip("math_verify")
    rows = [
        {"problem": f"q{i}", "solution": f"So $\\boxed{{x}}$, no: \\boxed{{\\frac{{{i}}}{{7}}}}."}
        for i in range(9)
    ]
    task = table(tmp_path, rows)
    found = {p.question: p for p in members(task)}["q4"]
    assert found.answer == "\\frac{4}{7}"
    assert task.mark(found, "I say \\boxed{\\frac{8}{14}}").lenient == Grade.CORRECT
    assert "\\boxed{}" in task.sheet.template
    check_golds("own", task)


def test_shipped_word_problems_are_whole() -> None:
    task = resolve_task(str(WORD_PROBLEMS))
    assert {s: len(task.problems(s, n)) for s, n in task.sheet.available.items()} == {
        "shots": 75,
        "selection": 45,
        "test": 180,
    }
    check_golds("word problems", task)


def test_same_problems_come_from_every_kind_of_file() -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("datasets")
    found = {
        kind: resolve_task(f"{kind}:{word_problems(kind)}").problems("test", 180)
        for kind in ("jsonl", "json", "csv", "tsv", "parquet", "hub")
    }
    assert all(problems == found["jsonl"] for problems in found.values())


@pytest.mark.parametrize(
    "choices",
    [
        ["Rome", "Oslo", "Bern"],
        {"label": ["A", "B", "C"], "text": ["Rome", "Oslo", "Bern"]},
        {"A": "Rome", "B": "Oslo", "C": "Bern"},
        "Rome|Oslo|Bern",
        '["Rome", "Oslo", "Bern"]',
    ],
)
@pytest.mark.parametrize(
    "golds",
    [("Rome", "Oslo", "Bern"), ("A", "B", "C"), ("a", "b", "c"), (0, 1, 2), ("1", "2", "3")],
)
@pytest.mark.parametrize("more", ["", "?choices=options"])
def test_options_are_listed_and_the_gold_is_a_letter(tmp_path, choices, golds, more) -> None:
    rows = [{"question": f"q{i}", "answer": golds[i % 3], "options": choices} for i in range(9)]
    task = table(tmp_path, rows, more)
    found = {p.question.partition("\n")[0]: p for p in members(task)}
    assert {q: p.answer for q, p in found.items()} == {f"q{i}": "ABC"[i % 3] for i in range(9)}
    problem = found["q4"]
    assert problem.question.endswith("\nA) Rome\nB) Oslo\nC) Bern")
    assert task.mark(problem, "The answer is (B) Oslo.").lenient == Grade.CORRECT


def test_solution_column_ends_in_the_exact_format(tmp_path) -> None:
    rows = [{"question": f"q{i}", "answer": i, "rationale": "Look."} for i in range(9)]
    task = table(tmp_path, rows)
    assert all(p.solution == f"Look.\nAnswer: {p.answer}" for p in members(task))
    assert table(tmp_path, rows, "?solution=none").sheet.supervision == Supervision.ANSWER


def test_marker_is_chosen_by_the_golds(tmp_path) -> None:
    assert "marker number" in "".join(table(tmp_path, numbers(9)).notes)
    rows = [{"question": f"q{i}", "answer": f"word {i}"} for i in range(9)]
    assert "marker exact" in "".join(table(tmp_path, rows).notes)


def test_golds_of_one_pair_of_words_are_read_as_one_of_them(tmp_path) -> None:
    path = tmp_path / "own.jsonl"
    rows = [{"question": f"Is {i} even?", "answer": "no" if i % 2 else "Yes"} for i in range(30)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    task = resolve_task(str(path))
    assert "every gold answer is yes or no" in " ".join(task.notes)
    assert task.read("Yes, it is.") == task.read("Answer: Yes, of course.") == "Yes"


def test_template_instruction_stop_and_limit_are_the_users(tmp_path) -> None:
    task = table(
        tmp_path, numbers(9), "?template=Q: {question}%0AA:&stop=%0AQ:|END&max_new_tokens=7"
    )
    sheet = task.sheet
    assert (sheet.template, sheet.stop, sheet.max_new_tokens) == (
        "Q: {question}\nA:",
        ("\nQ:", "END"),
        7,
    )
    assert "Say it." in table(tmp_path, numbers(9), "?instruction=Say it.").sheet.template


def test_long_golds_are_read_whole(tmp_path) -> None:
    rows = [{"question": f"q{i}", "answer": f"{i} 1\n2 {i}"} for i in range(9)]
    task = table(tmp_path, rows)
    problem = task.problems("test", 1)[0]
    mark = task.mark(problem, f"See.\nAnswer: {problem.answer}")
    assert (mark.lenient, mark.strict) == (Grade.CORRECT, Grade.CORRECT)


# roles


def roles(task: Task) -> dict[str, set[str]]:
    return {s: {p.question for p in task.problems(s, n)} for s, n in task.sheet.available.items()}


@settings(max_examples=20, deadline=None)
@given(n=st.integers(3, 300), order=st.randoms(use_true_random=False))
def test_roles_are_disjoint_whole_and_do_not_hang_on_the_files_order(tmp_path_factory, n, order):
    path = tmp_path_factory.mktemp("roles")
    rows = numbers(n)
    first = roles(table(path, rows))
    order.shuffle(rows)
    assert roles(table(path, [*rows, *rows[:3]])) == first
    assert sum(map(len, first.values())) == len(set().union(*first.values())) == n
    assert len(first["shots"]) == max(1, round(0.25 * n))
    assert len(first["selection"]) == max(1, round(0.15 * n))


def test_duplicates_are_dropped_and_counted(tmp_path) -> None:
    task = table(tmp_path, [*numbers(20), *numbers(5)])
    assert len(members(task)) == 20
    assert "5 exact duplicates removed" in task.notes


def test_one_question_with_two_answers_stays_in_one_role_and_is_said(tmp_path) -> None:
    rows = [*numbers(30), *({"question": r["question"], "answer": 999} for r in numbers(30))]
    task = table(tmp_path, rows)
    found = roles(task)
    assert len(members(task)) == 60
    assert sum(map(len, found.values())) == 30
    assert "30 questions with different answers there" in task.notes


def test_clusters_stay_in_one_role(tmp_path) -> None:
    rows = [{**row, "story": f"s{i % 12}"} for i, row in enumerate(numbers(60))]
    task = table(tmp_path, rows, "?cluster=story")
    stories = [{p.cluster for p in task.problems(s, n)} for s, n in task.sheet.available.items()]
    assert sum(map(len, stories)) == len(set().union(*stories)) == 12


def test_a_test_file_of_its_own_shares_nothing_with_the_shots(tmp_path) -> None:
    apart = write_jsonl(tmp_path / "apart.jsonl", numbers(30, first=10))
    task = table(tmp_path, numbers(20), f"?test={apart}")
    found = roles(task)
    assert found["test"] == {row["question"] for row in numbers(30, first=10)}
    assert not found["test"] & (found["shots"] | found["selection"])
    assert len(found["shots"] | found["selection"]) == 10
    assert "10 questions of the test file removed from shots and selection" in task.notes


def test_id_column_gives_the_ids(tmp_path) -> None:
    task = table(tmp_path, [{**r, "key": f"k{i}"} for i, r in enumerate(numbers(9))], "?id=key")
    assert {p.id for p in members(task)} == {f"k{i}" for i in range(9)}


def test_difficulty_column_is_kept(tmp_path) -> None:
    task = table(tmp_path, [{**r, "level": 3} for r in numbers(9)], "?difficulty=level")
    assert {p.difficulty for p in members(task)} == {"3"}


def test_fingerprint_follows_the_content(tmp_path) -> None:
    first = table(tmp_path, numbers(9)).fingerprint
    assert table(tmp_path, numbers(9)[::-1]).fingerprint == first
    assert table(tmp_path, numbers(10)).fingerprint != first


def test_a_changed_file_is_another_trial(tmp_path) -> None:
    from modicum.running.planning import plan_for

    path = write_jsonl(tmp_path / "own.jsonl", numbers(20))
    first = {t.id for t in plan_for("scripted", str(path), ["self_consistency"]).trials()}
    write_jsonl(path, [*numbers(19), {"question": "What is 19 and 19?", "answer": 7777}])
    second = {t.id for t in plan_for("scripted", str(path), ["self_consistency"]).trials()}
    assert not first & second


def test_a_file_alone_names_its_task() -> None:
    assert full_reference("a/b.csv") == "csv:a/b.csv"
    assert full_reference("scrambled:a/b.jsonl?x=1") == "scrambled:jsonl:a/b.jsonl?x=1"
    assert full_reference("jsonl:a.csv") == "jsonl:a.csv"
    assert full_reference("a/b.txt") == "a/b.txt"


# what is wrong


GOOD = '{"question": "q", "answer": 1}\n'
BAD = {
    "no answer": (GOOD + '{"question": "r"}\n', "", "line 2 of"),
    "null answer": (GOOD + '{"question": "r", "answer": null}\n', "", "no answer"),
    "blank answer": (GOOD + '\n\n{"question": "r", "answer": "  "}\n', "", "line 4 of"),
    "no question": (GOOD + '{"answer": 2}\n', "", "no question"),
    "broken JSON": (GOOD + '{"question": "r", "answer": 1\n', "", "line 2 of"),
    "no object": (GOOD + "[1, 2]\n", "", "is a list"),
    "deep JSON": (GOOD + "[" * 100_000 + "\n", "", "not JSON"),
    "two answers": (GOOD * 9 + '{"question": "r", "answer": [1, 2]}\n', "", "not one answer"),
    "not UTF-8": (GOOD.encode() + b'{"question": "caf\xe9", "answer": 2}\n', "", "line 2 of"),
    "empty": ("", "", "is empty"),
    "blank": ("\n \n", "", "is empty"),
    "wrong column": (GOOD, "?answer=anwser", "did you mean 'answer'"),
    "wrong field": (GOOD, "?anwser=answer", "did you mean 'answer'"),
    "no guess": ('{"frage": "q", "antwort": 1}\n', "", "--question COLUMN"),
    "no hashes": (GOOD, "?preset=gsm8k", "line 1 of"),
    "gold no number": (GOOD + '{"question": "r", "answer": "x"}\n', "?marker=number", "line 2 of"),
    "gold no letter": (GOOD, "?marker=choice", "line 1 of"),
    "unknown marker": (GOOD, "?marker=exakt", "did you mean 'exact'"),
    "unknown field of a marker": (GOOD, "?marker=number?tol=1", "setting of marker number"),
    "broken pattern": (GOOD, "?marker=regex:(", "a Python regex"),
    "marker file missing": (GOOD, "?marker=python:none.py:f", "FILE.py:FUNCTION"),
    "marker function missing": (GOOD, f"?marker=python:{OWN}:is_last_wrod", "is_last_word"),
    "duplicate ids": (GOOD.replace("}", ', "id": 3}') * 2, "?id=id", "is in line 1"),
    "two problems": (GOOD + GOOD.replace('"q"', '"r"'), "", "three roles"),
    "template without question": (GOOD, "?template=Q:", "{question}"),
    "gold among no options": (
        '{"question": "q", "answer": "Bonn", "options": ["Rome", "Oslo"]}\n',
        "?choices=options",
        "line 1 of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name: str, tmp_path) -> None:
    text, more, words = BAD[name]
    assert words in refused(tmp_path, text, more)


def test_missing_file_gets_the_nearest_one(tmp_path) -> None:
    write_jsonl(tmp_path / "problems.jsonl", numbers(9))
    with pytest.raises(ConfigError, match=r"did you mean .*problems\.jsonl"):
        resolve_task(f"jsonl:{tmp_path / 'problem.jsonl'}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("question,answer\nq,1,2\n", "line 2 of"),
        ("question,answer\nq\n", "line 2 of"),
        ('question,answer\n"q,1\n', "a CSV file"),
        ("question,answer\n", "no row"),
        ("question,answer\nq,\n", "no answer"),
    ],
)
def test_broken_csv_is_named(tmp_path, text: str, words: str) -> None:
    assert words in refused(tmp_path, text, suffix="csv")


def test_csv_cells_may_hold_lines_and_other_delimiters(tmp_path) -> None:
    path = tmp_path / "own.csv"
    rows = [f'"q{i}\nmore; of it";{i}' for i in range(9)]
    path.write_text("\ufeffquestion;answer\n" + "\n".join(rows), encoding="utf-8")
    found = members(resolve_task(f"csv:{path}?delimiter=;"))
    assert {p.question for p in found} == {f"q{i}\nmore; of it" for i in range(9)}


def test_broken_parquet_is_named(tmp_path) -> None:
    pytest.importorskip("pyarrow")
    assert "a Parquet file" in refused(tmp_path, "no parquet", suffix="parquet")


def test_missing_split_of_a_data_set_is_named() -> None:
    pytest.importorskip("datasets")
    with pytest.raises(ConfigError, match="split 'tset'"):
        resolve_task(f"hub:{word_problems('hub')}?split=tset")


def test_gold_that_its_own_marker_rejects_is_named_with_its_line(tmp_path) -> None:
    path = tmp_path / "never.py"
    path.write_text("def never(text, answer):\n    return answer != '4'\n")
    task = table(tmp_path, numbers(9), f"?marker=python:{path}:never")
    with pytest.raises(ConfigError, match=r"line 3 of .*incorrect \(lenient"):
        check_golds("own", task)


def test_marker_that_fails_on_golds_is_a_config_error(tmp_path) -> None:
    task = table(tmp_path, numbers(9), f"?marker=python:{OWN}:raises")
    with pytest.raises(ConfigError, match="its marker failed"):
        check_golds("own", task)


def test_twin_of_a_file_has_other_golds_and_passes_its_own_check(tmp_path) -> None:
    twin = resolve_task(f"scrambled:jsonl:{WORD_PROBLEMS}")
    task = resolve_task(str(WORD_PROBLEMS))
    pairs = list(zip(task.problems("test", 100), twin.problems("test", 100), strict=True))
    assert sum(a.answer != b.answer for a, b in pairs) > 80
    assert sorted(a.answer for a, _ in pairs) == sorted(b.answer for _, b in pairs)
    check_golds("twin", twin)


def test_a_record_is_text_whatever_it_holds(tmp_path) -> None:
    rows = [{"question": f"\u202e<b>{i}\x00", "answer": f"\ud800{i}"} for i in range(9)]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = resolve_task(f"jsonl:{path}")
    check_golds("odd", task)
    with pytest.raises(UnknownNameError):
        resolve_task(f"jsonl:{path}?answer=\u202e")


def test_a_question_in_two_roles_is_refused(monkeypatch, tmp_path) -> None:
    task = table(tmp_path, numbers(30))
    shots = task.problems("shots", 2)
    kind = type(task)
    monkeypatch.setattr(kind, "problems", lambda self, split, n: shots[:n])
    with pytest.raises(ConfigError, match="is in shots and in selection"):
        check_golds("own", task)
