"""Contamination is said of a study: figures beside their control, a warning only above it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import modicum as package
from modicum.analysis.contamination import read_completed, told, warning
from modicum.analysis.judgement import verdict_of
from modicum.analysis.verdict import as_json
from modicum.outcome import Agreement, CompletedQuestion
from modicum.seeds import key
from modicum.store.database import Store
from modicum.study.checked import findings_key
from modicum.study.plan import Plan, Subject
from modicum.types import Problem
from tests.golden.record import report_text
from tests.support.commands import modicum
from tests.support.packages import forget, write_package

NONE = Agreement(exact=False, overlap=0.2)
ALL = Agreement(exact=True, overlap=1.0)

RECITER = '''"""Adds numbers, and completes by heart what it has read."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, final

from modicum.model import Backend, Passed, resolve_backend
from modicum.types import Access, Completion


class _Reciter(Passed):
    def __init__(self, inner, known):
        super().__init__(inner)
        self._known = known

    @property
    def card(self):
        return replace(super().card, reading=str(len(self._known)))

    def draw(self, requests, sampling, ledger):
        drawn = super().draw([replace(r, split=None) for r in requests], sampling, ledger)
        for i, request in enumerate(requests):
            for whole in self._known:
                if whole.startswith(request.prompt) and len(request.prompt) < len(whole):
                    rest = whole[len(request.prompt):]
                    drawn[i] = (Completion(rest, 8, "length"),) * request.n
        return drawn


@final
@dataclass(frozen=True)
class Reciter(Backend):
    """Knows the questions of a file."""

    access: ClassVar[Access] = Access.LOGPROBS
    pretrained: ClassVar[bool] = True

    name: str = ""

    def check(self):
        pass

    def open(self):
        lines = Path(self.name).read_text().splitlines() if self.name else []
        return _Reciter(resolve_backend("scripted:adder").open(), [json.loads(x)["question"] for x in lines])
'''
PLACES = ("mill", "barn", "well", "lane", "gate", "yard", "pond")
SIZES = ("--test", 16, "--selection", 6, "--samples", 8, "--shots", 1, "--workers", 1, "--no-reuse")


def _row(i: int) -> dict[str, str]:
    a, b = 12 + 3 * i, 5 + 7 * i % 80
    way = " ".join(PLACES[key("way", i, k) % 7] for k in range(8))
    return {
        "question": f"A farmer has {a} sheep here and counts {b} more over there that come by {way}.",
        "answer": str(a + b),
    }


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The file of a task, and a model on the path that can know it."""
    folder = tmp_path_factory.mktemp("contamination")
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(_row(i)) for i in range(48)))
    with pytest.MonkeyPatch.context() as patch:
        points = "[modicum.models]\nreciter = reciter:Reciter\n"
        patch.syspath_prepend(
            write_package(folder / "site", "reciter", {"reciter.py": RECITER}, points)
        )
        forget("reciter")
        yield path
    forget("reciter")


def _run(rows: Path, model: str, *options: object) -> tuple[Path, str]:
    folder = rows.parent / f"study{len(model)}{options[-1]}"
    grid = ("--model", model, "--task", f"jsonl:{rows}", "--methods", "self_consistency", "--trust")
    said = modicum("run", *grid, *SIZES, "--out", folder, *options)
    assert said.code == 0, said.err
    return folder, said.out


@pytest.fixture(scope="module")
def known(rows):
    """A study of a model that knows the questions by heart, and its terminal text."""
    return _run(rows, f"reciter:{rows}", "--no-check")


def _json(folder: Path) -> dict[str, object]:
    return json.loads(modicum("report", folder, "--json").out)["verdicts"][0]


def test_json_and_python_hold_the_figures_of_a_model_that_knows_the_questions(known) -> None:
    folder, _ = known
    found = _json(folder)["contamination"]
    verdict = package.load(folder).verdict
    assert found["questions"] == 16
    assert found["exact"]["value"] == verdict.contamination.exact.value == 1
    assert found["exact"]["low"] > 0.7
    assert found["exact_control"]["value"] == 0
    assert found["overlap"]["value"] == 1
    assert found["overlap_over_control"]["low"] > 0.1
    assert found["is_known"] is True
    assert len(found["known"]) == 16
    assert found["answered_whole"]["n"] == 16


def test_the_terminal_warns_of_it_first_and_tells_all_where_asked(known) -> None:
    folder, out = known
    assert "! 16 of 16 test questions completed word for word from their first 60 %" in out
    verbose = " ".join(modicum("report", folder, "-v").out.split())
    assert "Contamination: 16 of 16 test questions completed" in verbose
    assert "overlap (ROUGE-L) 1.00" in verbose
    assert "answered from these words alone" in verbose


def test_the_report_shows_figures_control_and_questions(known) -> None:
    text = report_text(known[0])
    assert "Contamination: 16 of 16 test questions completed word for word" in text
    assert "Completed word for word, and its control not: 16" in text
    assert "difference" in text


def test_a_model_that_never_saw_the_questions_is_not_warned_of(rows) -> None:
    folder, out = _run(rows, "reciter", "--no-check")
    found = _json(folder)["contamination"]
    assert found["exact"]["value"] == 0
    assert found["is_known"] is False
    assert "may be memory" not in out
    assert "By heart 0 of 16 test questions completed word for word" in " ".join(out.split())
    verbose = " ".join(modicum("report", folder, "-v").out.split())
    assert "Contamination: 0 of 16 test questions completed" in verbose


def test_the_checks_completions_are_taken_over_by_the_trial(rows) -> None:
    folder, _ = _run(rows, f"reciter:{rows}", "--force")
    store = Store(folder, read_only=True)
    [outcome] = [o for o in store.heads().values() if o.trial.scope.cut]
    findings = store.findings(findings_key(Plan.thawed(store.plans[0]).subjects()[0]))
    store.close()
    assert "contaminated" in {finding.code for finding in findings or ()}
    assert outcome.serving["completions_reused"] >= 2 * len(outcome.completed) > 0
    codes = {finding["code"] for finding in _json(folder)["findings"]}
    assert "contaminated" not in codes  # the verdict says it by its own figures


def test_where_it_was_not_measured_the_notes_say_so_and_json_has_no_key(known, monkeypatch) -> None:
    monkeypatch.setattr(Subject, "completed", lambda subject: replace(subject.default(), seed=99))
    store = Store(known[0], read_only=True)
    verdict = verdict_of(Plan.thawed(store.plans[0]).subjects()[0], store)
    store.close()
    assert verdict is not None
    assert "contamination not measured so far" in verdict.notes
    table = as_json(verdict)
    assert isinstance(table, dict)
    assert "contamination" not in table


def _questions(n: int, own: Agreement, altered: Agreement | None) -> tuple[CompletedQuestion, ...]:
    return tuple(CompletedQuestion(f"p{i}", own, NONE, altered) for i in range(n))


def test_what_is_completed_with_other_numbers_too_is_no_memory() -> None:
    read = read_completed(_questions(40, ALL, ALL), (), 0.6)
    assert read.exact.value == read.exact_control.value == 1
    assert not read.is_known
    assert warning(read) == ""
    assert read.known == ()


def test_three_questions_of_forty_are_no_proof_and_six_are() -> None:
    few, more = (
        read_completed((*_questions(n, ALL, NONE), *_questions(40, NONE, NONE)[n:]), (), 0.6)
        for n in (3, 6)
    )
    assert (few.is_known, more.is_known) == (False, True)
    assert warning(more).startswith("6 of 40 test questions completed word for word")


def test_questions_without_numbers_have_no_control_of_overlap() -> None:
    read = read_completed(_questions(10, Agreement(exact=False, overlap=0.9), None), (), 0.6)
    assert read.overlap_control is None
    assert not read.is_known
    assert "no control" in told(read)


def test_overlap_alone_warns_where_it_is_far_above_its_control() -> None:
    read = read_completed(_questions(20, Agreement(exact=False, overlap=0.8), NONE), (), 0.6)
    assert read.is_known
    assert "overlap .80" in warning(read)


def test_questions_of_one_cluster_count_as_one() -> None:
    alone = [Problem(f"p{i}", "") for i in range(20)]
    same = [Problem(f"p{i}", "", cluster=f"c{i // 10}") for i in range(20)]
    mixed = (*_questions(20, ALL, NONE)[:10], *_questions(20, NONE, NONE)[10:])
    apart, together = (read_completed(mixed, problems, 0.6).exact for problems in (alone, same))
    assert together.high - together.low > apart.high - apart.low
