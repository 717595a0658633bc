"""How a table is read is decided for whole columns, said, and refused where it is ambiguous."""

import json
from pathlib import Path

import pytest

from modicum.errors import ConfigError
from modicum.tables.choosing import decide
from modicum.tables.listed import Listed, letters, listed_in, with_options
from modicum.task import resolve_task
from modicum.types import Grade, Problem
from tests.support.tables import write_jsonl

N = 20


def read(path: Path, rows, more: str = ""):
    """The table of records."""
    return resolve_task(f"jsonl:{write_jsonl(path / 'own.jsonl', rows)}{more}")


def problems(task) -> list[Problem]:
    return list(task.in_order())


def refusal(path: Path, rows, more: str = "") -> ConfigError:
    with pytest.raises(ConfigError) as error:
        read(path, rows, more)
    return error.value


def choices(gold, options=("w", "x", "y", "z")) -> list[dict[str, object]]:
    """Rows of multiple choice; the gold is made of the row's number."""
    return [{"question": f"q{i}", "choices": list(options), "answer": gold(i)} for i in range(N)]


# options: one reading for the column


def test_labels_that_stand_in_the_data_win_over_texts_and_places(tmp_path) -> None:
    held = {"text": ["4", "3", "2", "1"], "label": ["1", "2", "3", "4"]}
    rows = [{"question": f"q{i}", "choices": held, "answerKey": "2"} for i in range(N)]
    assert {p.answer for p in problems(read(tmp_path, rows))} == {"B"}


def test_places_from_0_are_seen_by_the_rows_that_no_other_reading_fits(tmp_path) -> None:
    rows = choices(lambda i: i % 4, ["1", "2", "infinitely many", "0"])
    rows[1]["choices"] = rows[4]["choices"] = ["p", "q", "r", "s"]
    task = read(tmp_path, rows)
    assert [p.answer for p in problems(task)] == ["ABCD"[i % 4] for i in range(N)]
    assert "counted from 0" in task.reading.gold


@pytest.mark.parametrize(
    ("gold", "options", "ways"),
    [
        (lambda i: 1 + i % 3, ("w", "x", "y", "z"), ("from_0", "from_1")),
        (lambda i: "BCA"[i % 3], ("B", "C", "A"), ("label", "text")),
        (lambda i: i % 3, ("1", "2", "0"), ("text", "from_0")),
        (lambda i: 1, ("1", "2", "infinitely many", "0"), ("text", "from_0", "from_1")),
    ],
)
def test_two_readings_that_differ_are_refused_with_rows_and_option(
    tmp_path, gold, options, ways
) -> None:
    error = refusal(tmp_path, choices(gold, options))
    assert "line 1 of" in error.found
    assert "line 2 of" in error.found
    assert all(f"--gold-is {way}" in error.action for way in ways)
    for way in ways:
        read(tmp_path, choices(gold, options), f"?gold_is={way}")


def test_user_decides_what_the_file_leaves_open(tmp_path) -> None:
    rows = choices(lambda i: 1 + i % 3)
    places = {w: problems(read(tmp_path, rows, f"?gold_is=from_{w}")) for w in (0, 1)}
    assert [p.answer for p in places[0]] == ["BCD"[i % 3] for i in range(N)]
    assert [p.answer for p in places[1]] == ["ABC"[i % 3] for i in range(N)]


def test_readings_that_mean_the_same_option_are_not_refused(tmp_path) -> None:
    task = read(tmp_path, choices(lambda i: str(1 + i % 3), ("1", "2", "3")))
    assert [p.answer for p in problems(task)] == ["ABC"[i % 3] for i in range(N)]


def test_gold_that_is_no_option_is_an_odd_row_and_does_not_change_the_reading(tmp_path) -> None:
    rows = choices(lambda i: i % 4 if i != 7 else 9)
    assert "line 8 of" in refusal(tmp_path, rows).found
    task = read(tmp_path, rows, "?odd=leave_out")
    assert [p.answer for p in problems(task)] == ["ABCD"[i % 4] for i in range(N) if i != 7]


def test_golds_that_no_one_reading_fits_are_refused_and_not_guessed(tmp_path) -> None:
    error = refusal(tmp_path, choices(lambda i: i % 4 if i % 2 else "wxyz"[i % 4]))
    assert "in any consistent way" in error.found
    assert "--choices none" in error.action


def test_options_are_left_aside_where_the_user_says_so(tmp_path) -> None:
    task = read(tmp_path, choices(lambda i: i), "?choices=none")
    assert {p.question for p in problems(task)} == {f"q{i}" for i in range(N)}
    assert "choices" in task.reading.unused


def test_columns_called_a_b_c_are_quantities_where_no_gold_names_them(tmp_path) -> None:
    rows = [{"question": f"q{i}", "a": i, "b": 2, "c": 3, "answer": 40 + i} for i in range(N)]
    assert read(tmp_path, rows).reading.marker == "number"


def test_columns_of_options_may_be_named(tmp_path) -> None:
    rows = [
        {"question": f"q{i}", "right": f"r{i}", "one": f"r{i}", "two": "no", "three": "never"}
        for i in range(N)
    ]
    task = read(tmp_path, rows, "?answer=right&choices=two,one,three")
    assert problems(task)[3].question == "q3\nA) no\nB) r3\nC) never"
    assert {p.answer for p in problems(task)} == {"B"}


@pytest.mark.parametrize(
    "shown",
    [
        "(A) Rome (B) Oslo (C) Bern",
        "A) Rome\nB) Oslo\nC) Bern",
        "A. Rome\nB. Oslo\nC. Bern",
        "a) Rome\nb) Oslo\nc) Bern",
        "[A] Rome\n[B] Oslo\n[C] Bern\n",
    ],
)
def test_options_that_the_question_shows_are_not_shown_again(tmp_path, shown) -> None:
    rows = [
        {"question": f"{i}?\n{shown}", "choices": ["Rome", "Oslo", "Bern"], "answer": i % 3}
        for i in range(N)
    ]
    for more in (
        rows,
        [{**row, "choices": None, "answer": "ABC"[i % 3]} for i, row in enumerate(rows)],
    ):
        task = read(tmp_path, more)
        assert [p.question for p in problems(task)] == [f"{i}?\n{shown}".strip() for i in range(N)]
        assert [p.answer for p in problems(task)] == ["ABC"[i % 3] for i in range(N)]


def test_numbers_before_options_give_way_to_letters() -> None:
    listed = Listed(("Rome", "Oslo"), letters(2))
    assert with_options("Q?\n1. Rome\n2. Oslo\nChoose.", listed) == "Q?\nA) Rome\nB) Oslo\nChoose."


@pytest.mark.parametrize(
    "text",
    ["Vitamin A. Then B is f(a) of (b).", "It costs 1.5 and 2.5.", "Part (a) only.", "A: yes", ""],
)
def test_prose_is_no_list_of_options(text: str) -> None:
    assert listed_in(text) is None


def test_decimals_are_no_labels(tmp_path) -> None:
    texts = ["1.5", "2.5", "3.5", "4.5"]
    task = read(tmp_path, choices(lambda i: texts[i % 4], texts))
    assert problems(task)[0].question.endswith("A) 1.5\nB) 2.5\nC) 3.5\nD) 4.5")


def test_decision_holds_whatever_the_order_of_rows() -> None:
    listed = [Listed(("w", "x", "y"), letters(3))] * 6
    golds = [("0",), ("1",), ("2",), ("1",), ("2",), ("0",)]
    for turn in range(6):
        turned = golds[turn:] + golds[:turn]
        scheme = decide(listed, turned, [f"line {i}" for i in range(6)], "")
        assert scheme.places == tuple(int(g) for (g,) in turned)


# one odd row


ODD = {
    "no hashes": ({"question": "q", "answer": "no mark"}, {"answer": "So.\n#### {i}"}, "####"),
    "words among numbers": ({"answer": "seven or eight"}, {"answer": "{i}"}, "not a number"),
    "no box": ({"solution": "seven"}, {"solution": "So \\boxed {i}."}, "no box"),
    "no answer": ({"answer": ""}, {"answer": "{i}"}, "no answer"),
    "a list": ({"answer": ["1", "2"]}, {"answer": "{i}"}, "is a list"),
    "too long": ({"question": "x" * 1_000_001}, {"answer": "{i}"}, "1,000,001 characters"),
}


@pytest.mark.parametrize("name", ODD)
def test_one_odd_row_is_named_and_changes_no_other(name: str, tmp_path) -> None:
    pytest.importorskip("math_verify")
    odd, usual, why = ODD[name]
    rows = [
        {"question": f"q{i}", **{k: v.replace("{i}", str(i)) for k, v in usual.items()}}
        for i in range(N)
    ]
    whole = problems(read(tmp_path, rows))
    rows[6] = {**rows[6], **odd}
    error = refusal(tmp_path, rows)
    assert error.found.startswith("line 7 of")
    assert why in error.found
    assert "--odd leave_out" in error.action
    task = read(tmp_path, rows, "?odd=leave_out")
    assert problems(task) == [*whole[:6], *whole[7:]]
    assert [(one.line, why in one.why) for one in task.reading.odd] == [(7, True)]
    assert "1 odd rows left out: line 7 of" in " ".join(task.notes)


def test_broken_line_of_json_may_be_left_out(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", choices(lambda i: i % 4))
    path.write_text(path.read_text() + '{"question": "cut')
    with pytest.raises(ConfigError, match=r"line 21 of .* not JSON"):
        resolve_task(str(path))
    assert len(problems(resolve_task(f"{path}?odd=leave_out"))) == N


@pytest.mark.parametrize(
    "row",
    [
        lambda i: {"prompt": f"q{i}", "completion": f"c{i}", "label": i % 2 == 1},
        lambda i: {"question": f"q{i // 2}", "answer": f"a{i}", "label": i % 2},
    ],
)
def test_answers_that_another_column_calls_wrong_are_no_golds(tmp_path, row) -> None:
    rows = [row(i) for i in range(N)]
    assert "marks as wrong" in refusal(tmp_path, rows).found
    found = problems(read(tmp_path, rows, "?odd=leave_out"))
    assert [p.answer[1:] for p in found] == [str(i) for i in range(1, N, 2)]


def test_label_that_names_a_class_is_no_verdict_on_the_answer(tmp_path) -> None:
    rows = [{"question": f"q{i}", "answer": ("no", "yes")[i % 2], "label": i % 2} for i in range(N)]
    assert len(problems(read(tmp_path, rows))) == N


def test_file_of_which_half_is_odd_is_refused_all_the_same(tmp_path) -> None:
    rows = [{"question": f"q{i}", "answer": i if i % 3 == 0 else None} for i in range(N)]
    assert "13 of 20 rows" in refusal(tmp_path, rows, "?odd=leave_out").found


# what belongs to the question


def test_context_is_kept_unless_the_user_says_none(tmp_path) -> None:
    rows = [{"question": f"q{i}", "passage": f"p{i}", "hint": "h", "answer": i} for i in range(N)]
    task = read(tmp_path, rows)
    assert problems(task)[3].question == "p3\n\nq3"
    assert task.reading.unused == ("hint",)
    assert "with it column 'passage'" in task.notes[0]
    assert problems(read(tmp_path, rows, "?context=none"))[3].question == "q3"
    assert problems(read(tmp_path, rows, "?context=hint,passage"))[3].question == "h\n\np3\n\nq3"


def test_context_that_the_question_holds_already_is_not_repeated(tmp_path) -> None:
    rows = [{"question": f"p{i} q", "passage": f"p{i}", "answer": i} for i in range(N)]
    assert problems(read(tmp_path, rows))[3].question == "p3 q"


def test_last_turn_of_a_chat_never_stands_in_its_question(tmp_path) -> None:
    turns = [("user", "{i} + {i}?"), ("assistant", "It is {g}.")]
    rows = [
        {
            "messages": [
                {"role": who, "content": text.replace("{i}", str(i)).replace("{g}", f"g{i}")}
                for who, text in turns
            ],
            "answer": f"g{i}",
        }
        for i in range(N)
    ]
    assert problems(read(tmp_path, rows))[3].question == "3 + 3?"


def test_turn_that_is_no_text_is_an_odd_row(tmp_path) -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"{i}?"},
                {"role": "assistant", "content": str(i)},
            ]
        }
        for i in range(N)
    ]
    rows[2]["messages"][0]["content"] = [{"type": "image_url", "image_url": {"url": "x"}}]
    assert "'image_url', which is not text" in refusal(tmp_path, rows).found


# golds


def test_formulas_among_golds_are_compared_as_formulas(tmp_path) -> None:
    pytest.importorskip("math_verify")
    rows = [
        {"question": f"q{i}", "answer": f"\\frac{{{i}}}{{7}}" if i % 4 else i} for i in range(N)
    ]
    task = read(tmp_path, rows)
    assert (task.reading.marker, task.reading.form) == ("math_verify", "boxed")
    assert "15 of 20 gold answers are formulas; asked for in a box" in " ".join(task.notes)
    found = problems(task)[5]
    assert task.mark(found, "So \\boxed{\\dfrac{5}{7}}").lenient == Grade.CORRECT


def test_gold_in_the_last_box_of_its_solution_is_asked_for_in_a_box(tmp_path) -> None:
    pytest.importorskip("math_verify")
    rows = [
        {"problem": f"q{i}", "solution": f"So $\\boxed{{{i}}}$.", "answer": str(i)}
        for i in range(N)
    ]
    task = read(tmp_path, rows)
    assert (task.reading.marker, task.reading.form) == ("math_verify", "boxed")
    assert "\\boxed{}" in task.sheet.template


def test_another_way_of_marking_the_same_problems_is_another_fingerprint(tmp_path) -> None:
    pytest.importorskip("math_verify")
    rows = [{"question": f"q{i}", "answer": f"{i}^2"} for i in range(N)]
    by_sight = read(tmp_path, rows)
    named = read(tmp_path, rows, "?marker=exact")
    assert {p.id for p in problems(by_sight)} == {p.id for p in problems(named)}
    assert by_sight.fingerprint != named.fingerprint


@pytest.mark.parametrize("said", ["New York", "new york", "The Big Apple"])
def test_every_gold_of_a_list_counts_and_no_other_problems(tmp_path, said: str) -> None:
    rows = [{"question": f"q{i}", "answer": [f"town {i}", f"place {i}"]} for i in range(N)]
    rows[5]["answer"] = ["New York", "The Big Apple"]
    task = read(tmp_path, rows)
    right, wrong = problems(task)[5], problems(task)[6]
    marks = [task.mark(p, f"Answer: {said}") for p in (right, wrong)]
    assert [(m.lenient, m.strict) for m in marks] == [
        (Grade.CORRECT, Grade.CORRECT),
        (Grade.INCORRECT, Grade.INCORRECT),
    ]


def test_twin_of_several_golds_takes_all_of_the_moved_ones_and_none_of_its_own(tmp_path) -> None:
    rows = [{"question": f"q{i}", "answer": [f"town {i}", f"place {i}"]} for i in range(N)]
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    task, twin = resolve_task(str(path)), resolve_task(f"scrambled:{path}")
    n = task.sheet.available["test"]
    for own, moved in zip(task.problems("test", n), twin.problems("test", n), strict=True):
        taken = [twin.mark(moved, f"Answer: {gold}").lenient for gold in twin.golds(moved)]
        refused = [twin.mark(moved, f"Answer: {gold}").lenient for gold in task.golds(own)]
        assert set(taken) == {Grade.CORRECT}
        assert set(refused) == {Grade.INCORRECT}


def test_more_accepted_golds_are_another_fingerprint(tmp_path) -> None:
    rows = [{"question": f"q{i}", "answer": [f"a{i}", f"b{i}"]} for i in range(N)]
    first = read(tmp_path, rows).fingerprint
    assert (
        read(tmp_path, [{**row, "answer": row["answer"][:1]} for row in rows]).fingerprint != first
    )


def test_truth_values_are_asked_for_in_those_words(tmp_path) -> None:
    rows = [{"question": f"q{i}", "answer": bool(i % 2)} for i in range(N)]
    assert "X is true or false." in read(tmp_path, rows).sheet.template


def test_small_numbers_of_a_column_of_labels_are_said_to_be_classes(tmp_path) -> None:
    rows = [{"question": f"q{i}", "label": i % 2} for i in range(N)]
    assert "perhaps class numbers" in " ".join(read(tmp_path, rows).notes)


def test_golds_that_are_texts_of_sentences_are_said(tmp_path) -> None:
    rows = [{"instruction": f"i{i}", "input": "", "output": "A long text. " * 12} for i in range(N)]
    assert "20 of 20 gold answers are full sentences" in " ".join(read(tmp_path, rows).notes)


def test_columns_that_serve_for_nothing_are_named(tmp_path) -> None:
    rows = [
        {"question": f"q{i}", "answer": i, "meta": {"year": 1900}, "blank": "", "source": "s"}
        for i in range(N)
    ]
    assert read(tmp_path, rows).reading.unused == ("meta", "source")


def test_chats_written_as_text_in_cells_are_opened(tmp_path) -> None:
    path = tmp_path / "own.csv"
    cells = [
        json.dumps([{"role": "user", "content": f"{i}?"}, {"role": "assistant", "content": str(i)}])
        for i in range(N)
    ]
    lines = ["messages", *('"' + cell.replace('"', '""') + '"' for cell in cells)]
    path.write_text("\n".join(lines))
    found = problems(resolve_task(str(path)))
    assert [(p.question, p.answer) for p in found] == [(f"{i}?", str(i)) for i in range(N)]
