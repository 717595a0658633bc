"""One text on which a marker hangs denies no study; it is never incorrect, and is not waited for again."""

import dataclasses
import time
from pathlib import Path

import pytest

from modicum.doctor.visit import check_subject
from modicum.errors import JudgeError
from modicum.ledger import Ledger
from modicum.marking import marks as marking
from modicum.marking.judge import Judge
from modicum.marking.marks import Unmarked, mark_or_unread, mark_safely, read_or_none
from modicum.model import Passed, resolve_backend
from modicum.outcome import Lost
from modicum.running.kept_verdicts import verdicts_of
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.store.database import Store
from modicum.study.checks import check_plan
from modicum.study.trial import open_model, remark, run_trial
from modicum.task import Scrambled, Sheet, Task, resolve_task
from modicum.types import Grade, Mark, Problem, Style
from tests.support.bench import judge_of
from tests.support.tables import numbers, write_jsonl

RAW = Style("raw", "{question}")
BAD = "a" * 40 + "!"
"""On it `(a+)+$` backtracks for ever."""


@pytest.fixture(autouse=True)
def _nothing_hung(monkeypatch) -> None:
    monkeypatch.setattr(marking, "_hung", {})


@dataclasses.dataclass(frozen=True)
class _Odd(Task):
    """A task whose marker fails on texts that begin with `bad`, and hangs on those with `hang`."""

    asked: list[str] = dataclasses.field(
        default_factory=list, hash=False, compare=False, repr=False
    )

    @property
    def sheet(self) -> Sheet:
        return Sheet()

    def problems(self, split, n):
        return tuple(Problem(f"{split}-{i}", f"{i}?", str(i)) for i in range(n))

    def read(self, text):
        return self._say(text)

    def mark(self, problem, text):
        grade = Grade.CORRECT if self._say(text) == problem.answer else Grade.INCORRECT
        return Mark(text, grade, grade)

    def _say(self, text):
        self.asked.append(text)
        if text.startswith(("bad", "hang")):
            raise JudgeError(f"it said {text}", has_hung=text.startswith("hang"))
        return text


def _asked(task: Task, n: int, lost: int, kind: str = "bad"):
    """Problems with one text each, the first few lost."""
    return [
        (p, [f"{kind} {i}" if i < lost else p.answer])
        for i, p in enumerate(task.problems("test", n))
    ]


@pytest.mark.parametrize(("n", "lost"), [(2, 1), (6, 1), (99, 1), (201, 2), (400, 3), (1000, 9)])
def test_few_lost_texts_are_unreadable_and_counted(n, lost) -> None:
    task, unmarked = _Odd(), Unmarked()
    marks = [mark for (mark,) in unmarked.marks(task, _asked(task, n, lost), RAW)]
    assert [m.lenient for m in marks[:lost]] == [Grade.UNREADABLE] * lost
    assert all(m.lenient == Grade.CORRECT for m in marks[lost:])
    assert not any(Grade.INCORRECT in (m.lenient, m.strict) for m in marks)
    assert unmarked.lost == Lost(answers=lost, texts=lost, shots=0, first="it said bad 0")


@pytest.mark.parametrize(("n", "lost"), [(1, 1), (6, 2), (200, 2), (400, 4), (1000, 10)])
def test_more_are_an_error_at_once(n, lost) -> None:
    task = _Odd()
    with pytest.raises(JudgeError, match="it said bad 0"):
        Unmarked().marks(task, _asked(task, n, lost), RAW)
    assert len(task.asked) <= lost  # nothing is asked once it is clear


def test_a_text_that_is_most_of_the_answers_is_an_error_however_few_texts_there_are() -> None:
    task = _Odd()
    first, second = task.problems("test", 2)
    asked = [(first, ["bad"] * 5 + ["1"]), (second, ["1", "2", "3"])]
    with pytest.raises(JudgeError, match="on 5 of 9 answers"):
        Unmarked().marks(task, asked, RAW)
    unmarked = Unmarked()
    unmarked.marks(task, [(first, ["bad"] * 3 + ["1"]), (second, ["1", "2", "3"])], RAW)
    assert (unmarked.answers, unmarked.texts) == (3, 1)


def test_where_all_is_marked_nothing_is_noted() -> None:
    task, unmarked = _Odd(), Unmarked()
    unmarked.marks(task, _asked(task, 5, 0), RAW)
    assert unmarked.lost is None


def test_a_text_that_hung_is_not_asked_about_again_by_task_twin_or_reader() -> None:
    task = _Odd()
    [problem, other] = task.problems("test", 2)
    for asked in (task, Scrambled(task), _Odd(task.asked)):
        for one in (problem, other):
            mark, why = mark_or_unread(asked, one, "hang", RAW)
            assert (mark.lenient, why) == (Grade.UNREADABLE, "it said hang")
    assert read_or_none(task, "hang") is None
    assert task.asked == ["hang"]
    assert mark_safely(task, problem, "0").lenient == Grade.CORRECT


def test_a_text_on_which_the_marker_only_raised_is_asked_about_again() -> None:
    task = _Odd()
    [problem] = task.problems("test", 1)
    assert mark_or_unread(task, problem, "bad", RAW)[1]
    assert mark_or_unread(task, problem, "bad", RAW)[1]
    assert task.asked == ["bad", "bad"]


def _judge(task: Task, ledger: Ledger) -> Judge:
    return judge_of(resolve_backend("scripted").open(), task, 3, style=RAW, ledger=ledger)


def test_a_lost_text_earns_nothing_in_training_and_does_not_end_it() -> None:
    task, ledger = _Odd(), Ledger()
    judge = _judge(task, ledger)
    styled = judge.in_style(RAW)
    for i in range(10):
        assert styled.mark("shots-0", f"hang {i}").lenient == Grade.UNREADABLE
        assert styled.mark("shots-0", f"hang {i}").lenient == Grade.UNREADABLE
    assert judge.lost == 10
    assert ledger.judge_calls == 20
    assert judge.read("hang 3") is None
    assert len(task.asked) == 10
    with pytest.raises(JudgeError, match="failed on 11 texts in 21 calls"):
        judge.mark("shots-1", "hang 11")


def test_a_judge_of_the_format_alone_loses_texts_as_well() -> None:
    judge = dataclasses.replace(_judge(_Odd(), Ledger()), is_form_only=True)
    assert judge.mark("shots-0", "bad").lenient == Grade.UNREADABLE


class _Says(Passed):
    """A model that answers one question with a text of the test's, and the others as it does."""

    def __init__(self, inner, place: str, text: str) -> None:
        super().__init__(inner)
        self._place, self._text = place, text

    def _odd(self, requests, drawn):
        return [
            tuple(dataclasses.replace(c, text=self._text) for c in group)
            if self._place in request.prompt
            else group
            for request, group in zip(requests, drawn, strict=True)
        ]

    def draw(self, requests, sampling, ledger):
        return self._odd(requests, super().draw(requests, sampling, ledger))


def _plan(tmp_path: Path, marker: str, **more):
    path = write_jsonl(tmp_path / "own.jsonl", numbers(60))
    sizes = {"test": 6, "selection": 4, "samples": 4, **more}
    task = f"{path}?marker={marker}&form=line"
    return plan_for("scripted:latent", task, ["self_consistency"], **sizes)


def _with(monkeypatch, plan, text: str) -> None:
    """Let the model say a text at the first test question."""
    task = resolve_task(plan.subjects()[0].task)
    place = task.problems("test", 1)[0].question
    inner = open_model("scripted:latent")
    for where in ("modicum.study.trial.open_model", "modicum.doctor.visit.open_model"):
        monkeypatch.setattr(where, lambda _: _Says(inner, place, text))


@pytest.fixture
def hanging(tmp_path) -> tuple[str, Path]:
    """A user's marker that hangs on one kind of text; and the file that counts its calls."""
    calls = tmp_path / "calls"
    (tmp_path / "own.py").write_text(
        "import time\n"
        "def slow(text, answer):\n"
        "    if 'aaaa' in text:\n"
        f"        open({str(calls)!r}, 'a').write('x')\n"
        "        time.sleep(60)\n"
        "    return answer in text\n"
    )
    return f"python?name={tmp_path / 'own.py'}:slow%26timeout_s=0.3", calls


def test_one_hanging_text_denies_no_study_and_is_doubted(hanging, tmp_path, monkeypatch) -> None:
    marker, calls = hanging
    plan = _plan(tmp_path, marker)
    check_plan(plan)
    _with(monkeypatch, plan, BAD)
    store = Store(tmp_path / "s")
    start = time.monotonic()
    run(plan, store, Silent())
    took = time.monotonic() - start
    assert not store.failed()
    assert calls.read_text() == "xx"  # one text, twice, in all trials and twins together
    assert took < 30
    [verdict] = verdicts_of(plan, store)
    lost, [subject] = 0, plan.subjects()
    for trial in (t for t in plan.trials() if t not in subject.scrambled()):
        outcome = store.read(trial)
        lost += len([a for a in outcome.answers for text in a.texts if BAD in text])
        for answer in outcome.answers:
            for text, mark in zip(answer.texts, answer.marks, strict=True):
                if text == BAD:
                    assert (mark.lenient, mark.strict) == (Grade.UNREADABLE, Grade.UNREADABLE)
    assert lost
    [doubt] = [d for d in verdict.doubts if d.startswith("the marker failed on")]
    assert f"on {lost} answers in" in doubt
    assert "unreadable, not incorrect" in doubt
    store.close()


@pytest.mark.parametrize("text", [BAD])
def test_a_pattern_that_explodes_on_one_text_fails_no_trial(text, tmp_path, monkeypatch) -> None:
    rows = [{"question": f"{i} + 1?", "answer": "a" * (1 + i % 3)} for i in range(60)]
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    task = f"{path}?marker=regex%3Fname=(a%252B)%252B$%26timeout_s=0.3"
    plan = plan_for("scripted:latent", task, [], test=6, selection=4, samples=2)
    _with(monkeypatch, plan, text)
    trial = plan.subjects()[0].default()
    outcome = run_trial(plan, trial, RAW, tmp_path / "a")
    assert not outcome.error
    assert outcome.lost.answers == 1
    assert outcome.answers[0].mark.lenient == Grade.UNREADABLE
    twin = dataclasses.replace(trial, task=f"scrambled:{trial.task}")
    again = remark(outcome, twin)
    assert not again.error
    assert again.lost.answers == 1


def test_a_marker_that_hangs_on_everything_fails_its_trial(hanging, tmp_path, monkeypatch) -> None:
    marker, calls = hanging
    plan = _plan(tmp_path, marker)
    inner = open_model("scripted:latent")
    monkeypatch.setattr("modicum.study.trial.open_model", lambda _: _Says(inner, "", BAD))
    outcome = run_trial(plan, plan.subjects()[0].default(), RAW, tmp_path / "a")
    assert outcome.error.startswith("JudgeError: the marker failed on 2 of at most 6 texts")
    assert calls.read_text() == "xx"


def test_the_doctor_counts_a_lost_text_as_a_doubt(hanging, tmp_path, monkeypatch) -> None:
    plan = _plan(tmp_path, hanging[0])
    task = resolve_task(plan.subjects()[0].task)
    place = task.problems("selection", 1)[0].question
    inner = open_model("scripted:latent")

    class Once(_Says):
        def draw(self, requests, sampling, ledger):
            drawn = super(_Says, self).draw(requests, sampling, ledger)
            return drawn if sampling.temperature else self._odd(requests, drawn)

    monkeypatch.setattr("modicum.doctor.visit.open_model", lambda _: Once(inner, place, BAD))
    checked = check_subject(plan.subjects()[0])
    [doubt] = [f for f in checked.doubts if f.code == "unmarked"]
    assert "failed on 1 of the answers" in doubt.found
    assert "marker_fails" not in {f.code for f in checked.findings}


def test_files_that_change_while_a_trial_runs_fail_it(tmp_path, monkeypatch) -> None:
    (tmp_path / "own.py").write_text("def f(text, answer):\n    return answer in text\n")
    plan = _plan(tmp_path, f"python:{tmp_path / 'own.py'}:f")
    trial = plan.subjects()[0].default()
    inner = open_model("scripted:latent")

    class Meddles(Passed):
        def draw(self, requests, sampling, ledger):
            (tmp_path / "own.py").write_text("def f(text, answer):\n    return True\n")
            return super().draw(requests, sampling, ledger)

    monkeypatch.setattr("modicum.study.trial.open_model", lambda _: Meddles(inner))
    assert "changed while the study ran" in run_trial(plan, trial, RAW, tmp_path / "a").error
    monkeypatch.setattr("modicum.study.trial.open_model", lambda _: inner)
    fresh = _plan(tmp_path, f"python:{tmp_path / 'own.py'}:f").subjects()[0].default()
    assert fresh.id != trial.id
    assert not run_trial(plan, fresh, RAW, tmp_path / "b").error


def test_a_mended_marker_is_asked_about_what_the_old_one_hung_on(tmp_path) -> None:
    path = tmp_path / "own.py"
    path.write_text("import time\ndef f(text, answer):\n    time.sleep(60)\n")
    table = write_jsonl(tmp_path / "own.jsonl", numbers(30))
    reference = f"jsonl:{table}?marker=python?name={path}:f%26timeout_s=0.3"
    task = resolve_task(reference)
    [problem] = task.problems("test", 1)
    assert "no reply in time" in mark_or_unread(task, problem, "x", RAW)[1]
    path.write_text("def f(text, answer):\n    return True\n")
    assert mark_safely(resolve_task(reference), problem, "x").lenient == Grade.CORRECT
