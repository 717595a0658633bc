"""A fixed prompt is asked everywhere: no style, no rung replaces it, and the verdict says so."""

import json

import pytest

import modicum
from modicum.analysis.judgement import verdict_of
from modicum.analysis.verdict import FixedPrompt, as_json
from modicum.cli.verdict_text import Look, verdict_text
from modicum.errors import ConfigError
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.running.spending import plan_text
from modicum.store.database import Store
from modicum.study.checks import check_plan
from modicum.study.plan import Plan, read_plan
from tests.support.commands import modicum as command

TEMPLATE = "Only the number, please: {question}"
SIZES = {"test": 12, "selection": 4, "samples": 4, "retain": ("none",), "seeds": 1}
METHODS = ("chain_of_thought", "few_shot", "cot_decoding", "self_consistency")


def _plan(**options) -> Plan:
    said = {"template": TEMPLATE, "styles": "own", **SIZES, **options}
    return plan_for("scripted:latent", "sums", METHODS, (1,), **said)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Plan, Store]:
    plan = _plan(settings={"self_consistency": {"n": 3}})
    store = Store(tmp_path_factory.mktemp("fixed") / "study")
    store.freeze(plan.as_dict())
    run(plan, store, Silent())
    yield plan, store
    store.close()


def test_floor_and_every_rung_are_asked_in_the_users_prompt(study) -> None:
    plan, store = study
    outcomes = [store.read(trial) for trial in plan.trials()]
    assert {o.style.template for o in outcomes} == {TEMPLATE}
    assert {o.styles.asked for o in outcomes} == {("own",)}


def test_methods_that_would_change_the_prompt_are_left_out(study) -> None:
    plan, _ = study
    [subject] = plan.subjects()
    assert subject.replaced() == ("chain_of_thought", "few_shot")
    assert {t.method for t in subject.rungs()} == {"cot_decoding", "self_consistency"}


def test_choosing_the_prompt_reads_no_label(study) -> None:
    plan, store = study
    [subject] = plan.subjects()
    assert store.read(subject.floor()).elicitation["labels"] == 0
    assert verdict_of(subject, store).measuring_labels == SIZES["test"]


def test_terminal_json_and_python_say_that_the_prompt_is_fixed(study) -> None:
    plan, store = study
    verdict = verdict_of(plan.subjects()[0], store)
    assert verdict.fixed_prompt == FixedPrompt(("chain_of_thought", "few_shot"))
    said = " ".join(verdict_text(verdict, Look(width=200)).split())
    assert "Your prompt is fixed" in said
    assert "they would change the prompt: chain_of_thought, few_shot." in said
    assert "asked plainly" not in said
    entry = json.loads(json.dumps(as_json(verdict)))["fixed_prompt"]
    assert entry == {"left_out": ["chain_of_thought", "few_shot"]}


def test_a_prompt_that_is_not_fixed_leaves_no_trace() -> None:
    free, fixed = _plan(styles="default"), _plan()
    assert free.subjects()[0].replaced() == ()
    assert free.measuring == SIZES["test"] + SIZES["selection"]
    assert not {t.id for t in free.trials()} & {t.id for t in fixed.trials()}


def test_the_plan_says_what_is_left_out_before_anything_is_spent() -> None:
    said = " ".join(plan_text(_plan()).split())
    assert "would change the prompt: chain_of_thought, few_shot" in said
    assert "12 labelled problems a task for measuring" in said


def test_a_setting_beside_the_verdict_does_not_bring_a_prompt_back() -> None:
    plan = _plan()
    grid = {**vars(plan.grids[0]), "aside": ("chain_of_thought.answer_tokens=8",)}
    aside = Plan.thawed({**plan.as_dict(), "grids": [grid]})
    assert aside.subjects()[0].asides() == {}


def test_nothing_is_fixed_where_no_prompt_is_given(tmp_path) -> None:
    with pytest.raises(ConfigError, match="without a prompt of your own"):
        check_plan(_plan(template=""))
    check_plan(_plan())


def test_toml_command_line_and_python_fix_it_alike(tmp_path) -> None:
    toml, own = tmp_path / "study.toml", tmp_path / "own.txt"
    own.write_text(TEMPLATE)
    toml.write_text(
        f'styles = "own"\ntemplate = "{TEMPLATE}"\ntest = 12\nselection = 4\nsamples = 4\nseeds = 1\n'
        'retain = ["none"]\n[[grid]]\nmodels = ["scripted:latent"]\ntasks = ["sums"]\n'
        'methods = ["chain_of_thought", "few_shot", "cot_decoding", "self_consistency"]\nshots = [1]\n'
    )
    ids = {t.id for t in read_plan(toml).trials()}
    assert ids == {t.id for t in _plan().trials()}
    python = modicum.Study(
        "scripted:latent", "sums", METHODS, (1,), out=tmp_path / "p", template=TEMPLATE,
        styles="own", **{k: v for k, v in SIZES.items() if k != "seeds"}, seeds=1,
    )  # fmt: skip
    assert {t.id for t in python.plan.trials()} == ids
    said = command(
        "run", "--model", "scripted:latent", "--task", "sums", "--methods", ",".join(METHODS),
        "--shots", 1, "--template", own, "--styles", "own", "--dry-run", "--retain", "none",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "Your prompt is fixed" in said.out
