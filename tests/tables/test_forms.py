"""Forms of the field's data sets: no gold differs from the source's, options stand there once."""

import json
import re

import pytest

from modicum.study.checks import check_golds
from modicum.task import resolve_task
from tests.support.commands import modicum
from tests.support.forms import Form
from tests.support.forms_choice import CHOICE, WRONG
from tests.support.forms_open import OPEN
from tests.support.sources import ROOT

EVERY = [*OPEN, *CHOICE, WRONG]


def _preview(form: Form, folder) -> dict:
    said = modicum("preview", form.written(folder), "-n", 99, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


@pytest.mark.parametrize("form", [*OPEN, *CHOICE], ids=lambda form: form.name)
def test_golds_are_the_sources_and_nothing_is_dropped(form: Form, tmp_path) -> None:
    pytest.importorskip("math_verify")
    found = _preview(form, tmp_path)
    golds = [p["gold"] for p in found["problems"]]
    assert golds == [list(g) if isinstance(g, tuple) else g for g in form.golds]
    assert (found["marker"], found["odd"]) == (form.marker, [])
    assert set(form.unused) <= set(found["unused"])
    questions = [p["question"] for p in found["problems"]]
    for question, texts in zip(questions, form.holds, strict=False):
        assert [question.count(text) for text in texts] == [1] * len(texts)


@pytest.mark.parametrize(
    "form", [form for form in EVERY if form.options], ids=lambda form: form.name
)
def test_options_stand_in_the_question_once(form: Form, tmp_path) -> None:
    for problem, texts in zip(_preview(form, tmp_path)["problems"], form.options, strict=True):
        shown = re.findall(r"(?:^|\s)\(?([A-D])[).] ?(\S+)", problem["question"])
        assert sorted(text for _, text in shown) == sorted(texts)
        assert [letter for letter, _ in shown] == list("ABCD")[: len(texts)]


def test_right_answer_that_always_stands_first_is_mixed_in(tmp_path) -> None:
    found = _preview(WRONG, tmp_path)["problems"]
    for problem, city in zip(found, WRONG.golds, strict=True):
        assert f"{problem['gold']}) {city}" in problem["question"]
    assert len({problem["gold"] for problem in found}) > 2


@pytest.mark.parametrize("form", EVERY, ids=lambda form: form.name)
def test_golds_of_a_form_pass_their_own_marker_and_those_of_the_twin(form: Form, tmp_path) -> None:
    pytest.importorskip("math_verify")
    path = form.written(tmp_path)
    check_golds("own", resolve_task(str(path)))
    check_golds("twin", resolve_task(f"scrambled:{path}"))


@pytest.mark.parametrize("form", EVERY, ids=lambda form: form.name)
def test_form_stands_on_the_page_with_its_marker(form: Form) -> None:
    page = (ROOT / "docs" / "forms.md").read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith(f"| {form.name} | ")]
    assert f"| `{form.marker}` |" in row


def test_page_has_no_row_without_a_fixture() -> None:
    page = (ROOT / "docs" / "forms.md").read_text(encoding="utf-8").partition("| form |")[2]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines()[2:] if line]
    assert sorted(rows) == sorted(form.name for form in EVERY)
