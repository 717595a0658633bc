"""Questions without labels are a budget of their own: counted, said, and never labels."""

import json
from collections.abc import Iterator

import pytest

from modicum.analysis.judgement import verdict_of
from modicum.analysis.verdict import Verdict, as_json
from modicum.cli.verdict_text import Look, verdict_text
from modicum.errors import ConfigError
from modicum.exporting.exporter import export, finished, fitting
from modicum.report.words import least_data
from modicum.running.planning import plan_for
from modicum.running.restoring import rung
from modicum.running.runner import Silent, run
from modicum.running.spending import plan_text
from modicum.store.database import Store
from modicum.study.checks import check_plan
from modicum.study.plan import Plan
from modicum.study.problem_sets import shots_of
from modicum.task import resolve_task
from modicum.types import Trial

SMALL = {"wanted": "instruction", "layers": [1], "strengths": [1.0], "tries": 1}
SIZES = {"test": 40, "selection": 4, "samples": 4, "seeds": 1, "retain": ("none",)}


def _plan(methods: tuple[str, ...] = ("prompt_vector",), **options) -> Plan:
    said = {
        "template": "{question} Only Answer .",
        "styles": "own",
        "settings": {"prompt_vector": SMALL},
        **SIZES,
        **options,
    }
    return plan_for("organism", "word_sums", methods, (1, 2), **said)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Iterator[tuple[Plan, Store]]:
    plan = _plan()
    store = Store(tmp_path_factory.mktemp("unlabelled") / "study")
    store.freeze(plan.as_dict())
    run(plan, store, Silent())
    assert not store.failed()
    yield plan, store
    store.close()


@pytest.fixture(scope="module")
def verdict(study) -> Verdict:
    plan, store = study
    found = verdict_of(plan.subjects()[0], store)
    assert found is not None
    return found


def _rungs(plan: Plan) -> list[Trial]:
    return [t for t in plan.subjects()[0].rungs() if not t.control and not t.is_twin]


def test_budgets_are_questions_and_labels_are_none(study) -> None:
    plan, store = study
    spent = [store.read(trial).elicitation for trial in _rungs(plan)]
    assert [(one["labels"], one["texts"]) for one in spent] == [(0, 1), (0, 2)]
    assert all(one["tokens_texts"] > 5 * one["texts"] for one in spent)
    assert all(one["judge_calls"] == 0 for one in spent)


def test_a_larger_budget_holds_the_smaller_ones_questions_as_with_labels(study) -> None:
    plan, _ = study
    task = resolve_task("word_sums")
    one, two = (
        shots_of(trial, task, plan.method("prompt_vector").texts(trial.n_shots))
        for trial in _rungs(plan)
    )
    assert two[0] == one[0]


def test_the_twin_with_moved_golds_draws_nothing(study) -> None:
    plan, store = study
    twins = [t for t in plan.subjects()[0].rungs() if t.is_twin]
    assert [t.n_shots for t in twins] == [1, 2]
    for twin, trial in zip(twins, _rungs(plan), strict=True):
        found, own = store.read(twin), store.read(trial)
        assert found.serving["tokens_sampled"] == 0
        assert [a.texts for a in found.answers] == [a.texts for a in own.answers]


def test_controls_that_need_labels_are_left_out_where_none_is_read() -> None:
    plan = _plan(("steering_vector",), settings={"steering_vector": {"contrast": "prompts"}})
    names = {t.control for t in plan.subjects()[0].rungs()}
    assert names == {"", "random"}
    labelled = _plan(("steering_vector",), settings={})
    assert {t.control for t in labelled.subjects()[0].rungs()} == {"", "random", "format"}


def test_both_kinds_of_pairs_stand_in_one_study() -> None:
    plan = _plan(("prompt_vector", "steering_vector"))
    check_plan(plan)
    assert [(t.method, t.n_shots) for t in _rungs(plan)] == [
        ("prompt_vector", 1),
        ("prompt_vector", 2),
        ("steering_vector", 1),
        ("steering_vector", 2),
    ]


def test_more_questions_than_exist_are_refused() -> None:
    plan = _plan()
    many = Plan.thawed({**plan.as_dict(), "grids": [{**vars(plan.grids[0]), "shots": (600,)}]})
    with pytest.raises(ConfigError, match="600 shots"):
        check_plan(many)


def test_the_verdict_names_the_questions_and_no_label(verdict) -> None:
    assert verdict.ability == "latent"
    assert verdict.unlocked_by == "prompt_vector"
    assert (verdict.unlocked_labels, verdict.unlocked_unlabelled) == (0, 1)
    assert verdict.sentence == (
        "latent, unlocked by prompt_vector with 1 unlabelled question, 0 labels"
    )
    said = " ".join(verdict_text(verdict, Look(width=200)).split())
    assert "prompt_vector with 1 unlabelled question and 0 labels brings it to" in said
    assert "unlabelled 2 questions" in said
    assert "1 unlabelled question)" in least_data(verdict)
    assert "prompt_vector: at most 1 unlabelled question for 90 % of the gap" in least_data(verdict)


def test_json_counts_them_apart(verdict) -> None:
    found = json.loads(json.dumps(as_json(verdict)))
    rows = {(row["method"], row["n_shots"]): row for row in found["rungs"]}
    assert "unlabelled" not in rows["prompt", 0]
    for n in (1, 2):
        assert (rows["prompt_vector", n]["labels"], rows["prompt_vector", n]["unlabelled"]) == (
            0,
            n,
        )
    assert found["unlocked_unlabelled"] == 1
    assert [row["unit"] for row in found["least_data"]] == ["unlabelled questions"]


def test_the_plan_promises_no_label_for_it() -> None:
    [line] = [row for row in plan_text(_plan()).splitlines() if "prompt_vector" in row]
    assert line.split()[4:6] == ["0", "0"]


def test_it_is_exported_once_at_the_last_token_and_refused_elsewhere(study, tmp_path) -> None:
    plan, store = study
    subject = plan.subjects()[0]
    found = finished(subject, rung(subject, "prompt_vector", 2), store, None)
    _, refused = fitting(found, ["gguf", "baked"])
    for error in refused.values():
        assert "a vector that acts at the last token of the prompt, once" in str(error)
    [done] = export(found, fitting(found, ["vector"])[0], store, tmp_path)
    card = (done.folder / "README.md").read_text()
    assert "2 questions without labels" in card
    assert "- Labels: 0" in card
    assert "- Questions without labels: 2" in card
    facts = json.loads((done.folder / "nudge.json").read_text())
    assert (facts["costs"]["labels"], facts["costs"]["texts"], facts["shots"]) == (0, 2, [])
