"""A study is declared strictly, and every field that changes a result changes its trials."""

import dataclasses
import json
import re
from typing import final

import pytest

from modicum.errors import AccessError, ConfigError, UnknownNameError
from modicum.methods.cot_decoding import CotDecoding
from modicum.running.planning import default_methods, plan_for
from modicum.scope import Scope
from modicum.study.checks import check_plan
from modicum.study.plan import Grid, Plan, Subject, read_plan
from modicum.study.problem_sets import shots_of
from modicum.task import Sheet, Task, resolve_task
from modicum.tasks.sums import Sums
from modicum.types import Trial
from tests.support.tables import numbers, write_jsonl

TOML = """
name = "sums"
test = 20
samples = 8
[settings.cot_decoding]
k = 4
[[grid]]
models = ["scripted:latent"]
tasks = ["sums"]
methods = ["cot_decoding"]
shots = [1, 2]
"""


def _plan(**options) -> Plan:
    grid = {k: options.pop(k) for k in ("twin", "twin_shots", "seeds") if k in options}
    methods = options.pop("methods", ("cot_decoding", "fine_tune"))
    shots = options.pop("shots", (1, 4))
    return Plan((Grid(("scripted:latent",), ("sums",), methods, shots, **grid),), **options)


def _read(tmp_path, text: str) -> Plan:
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    return read_plan(path)


def test_toml_study_is_read(tmp_path) -> None:
    plan = _read(tmp_path, TOML)
    grid = Grid(("scripted:latent",), ("sums",), ("cot_decoding",), (1, 2))
    assert plan == Plan((grid,), "sums", 20, samples=8, settings={"cot_decoding": {"k": 4}})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("test = 20", "tset = 20", "did you mean 'test'"),
        ("models =", "modles =", "did you mean 'models'"),
        ("[[grid]]", "[[gird]]", "grid"),
        ("test = 20", 'test = "many"', "the study.test = 'many'"),
        ("test = 20", "test = 0", "test = 0"),
        ("samples = 8", "samples = 12", "power of two"),
        ("samples = 8", "samples = 1", "power of two"),
        ("samples = 8", "samples = true", "samples"),
        ('models = ["scripted:latent"]', 'models = "scripted:latent"', "a list"),
        ("shots = [1, 2]", 'shots = [1, "two"]', "shots"),
        ("shots = [1, 2]", "shots = 2", "a list"),
        ('name = "sums"', 'prefer = "speed"', "one of serve, labels, train"),
        ('name = "sums"', 'template = "no question"', "{question}"),
        ('name = "sums"', "settings = 3", "settings"),
        ("k = 4", "k = ", "valid TOML"),
    ],
)
def test_toml_mistake_is_named(old: str, new: str, message: str, tmp_path) -> None:
    text = (
        TOML.replace(old, new)
        if "settings = 3" not in new
        else TOML.replace("[settings.cot_decoding]\nk = 4\n", "").replace(old, new)
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        _read(tmp_path, text)


def test_missing_study_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_plan(tmp_path / "nothing.toml")


def test_study_that_is_no_text_is_named(tmp_path) -> None:
    (tmp_path / "study.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="valid TOML"):
        read_plan(tmp_path / "study.toml")


def test_folder_given_as_study_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        read_plan(tmp_path)


def test_plan_thaws_from_its_own_plain_values() -> None:
    plan = _plan(twin="scripted:absent", settings={"cot_decoding": {"k": 4}}, retain=("sums",))
    assert Plan.thawed(json.loads(json.dumps(plan.as_dict()))) == plan


def test_shipped_studies_are_read() -> None:
    from tests.support.sources import PACKAGE

    found = [read_plan(path) for path in sorted((PACKAGE / "studies").glob("*.toml"))]
    assert found
    assert all(plan.trials() for plan in found)


TRIAL = Trial("m", "t", "plain", 4, 1, {"k": 4, "version": 1}, "shuffled", Scope(test=10))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "other"),
        ("task", "other"),
        ("method", "other"),
        ("n_shots", 5),
        ("seed", 2),
        ("settings", {"k": 5, "version": 1}),
        ("settings", {"k": 4, "version": 2}),
        ("control", ""),
        ("scope", Scope(test=11)),
    ],
)
def test_every_field_is_part_of_a_trials_identity(name: str, value) -> None:
    assert dataclasses.replace(TRIAL, **{name: value}).id != TRIAL.id


def test_order_of_settings_is_no_part_of_the_identity() -> None:
    turned = dataclasses.replace(TRIAL, settings={"version": 1, "k": 4})
    assert turned.id == TRIAL.id


def test_identity_survives_the_store(tmp_path) -> None:
    plan = _plan()
    again = [Trial.thawed(t.identity) for t in plan.trials()]
    assert [t.id for t in again] == [t.id for t in plan.trials()]


RESULT_FIELDS = {
    "test": 21,
    "selection": 11,
    "samples": 16,
    "styles": "all",
    "system": "Be brief.",
    "template": "Q: {question}",
    "max_new_tokens": 9,
    "retain": ("word_sums",),
    "retain_test": 7,
    "settings": {"cot_decoding": {"k": 3}, "fine_tune": {"rank": 2}},
    "stream": "other",
}
"""Fields of a plan that change a result, with other values."""
VIEW_FIELDS = {"name": "x", "prefer": "train", "max_labels": 3, "margin": 0.1}
"""Fields that change how results are read only."""
GRID_FIELDS = {"grids", "seeds", "controls", "reference", "probes"}
"""Fields that add trials or leave some out."""
PART_FIELDS = {"ceiling_test", "sampled"}
"""Fields that change some trials (`test_first_problems`, `test_arms`)."""


def _ids(plan: Plan, method: str) -> set[str]:
    return {trial.id for trial in plan.trials() if trial.method == method}


@pytest.mark.parametrize("name", RESULT_FIELDS)
@pytest.mark.parametrize("method", ["cot_decoding", "fine_tune"])
def test_field_that_changes_results_changes_every_trial(name: str, method: str) -> None:
    other = _plan(**{name: RESULT_FIELDS[name]})
    assert not _ids(_plan(), method) & _ids(other, method)


@pytest.mark.parametrize("name", VIEW_FIELDS)
def test_field_that_only_views_results_changes_no_trial(name: str) -> None:
    assert _plan(**{name: VIEW_FIELDS[name]}).trials() == _plan().trials()


def test_every_field_of_a_plan_is_sorted_into_one_of_the_groups() -> None:
    groups = {*RESULT_FIELDS, *VIEW_FIELDS, *GRID_FIELDS, *PART_FIELDS}
    assert {f.name for f in dataclasses.fields(Plan)} == groups


def test_newer_version_of_a_method_changes_its_trials(monkeypatch) -> None:
    before = _ids(_plan(), "cot_decoding")
    monkeypatch.setattr(CotDecoding, "version", 2)
    assert not before & _ids(_plan(), "cot_decoding")


def test_newer_version_of_a_task_changes_every_trial(monkeypatch) -> None:
    before = {trial.id for trial in _plan().trials()}
    monkeypatch.setattr(Sums, "version", 2)
    assert not before & {trial.id for trial in _plan().trials()}


def test_more_seeds_keep_the_trials_of_fewer() -> None:
    fewer, more = _ids(_plan(seeds=2), "fine_tune"), _ids(_plan(seeds=3), "fine_tune")
    assert fewer < more


def test_trials_are_unique() -> None:
    ids = [trial.id for trial in _plan(twin="scripted:absent").trials()]
    assert len(ids) == len(set(ids))


def test_floor_runs_first() -> None:
    assert _plan().trials()[0].method == "prompt_style"


def test_method_without_labels_runs_once_at_no_shots() -> None:
    cells = [
        (t.n_shots, t.seed)
        for t in _plan().trials()
        if t.method == "cot_decoding" and t.task == "sums"
    ]
    assert cells == [(0, 0)]


def test_tuned_method_runs_at_every_budget_and_seed() -> None:
    cells = {
        (t.n_shots, t.seed)
        for t in _plan(seeds=2).trials()
        if t.method == "fine_tune" and t.task == "sums" and not t.control
    }
    assert cells == {(1, 0), (1, 1), (4, 0), (4, 1)}


def test_controls_can_be_left_out() -> None:
    plan = _plan(controls=False)
    [subject] = plan.subjects()
    twins = [t for t in plan.trials() if t.control or t.task.startswith("scrambled:")]
    assert twins == list(
        subject.scrambled()
    )  # what luck alone is right in is measured all the same


@pytest.mark.parametrize("seed", [0, 1])
def test_larger_budget_contains_the_smaller_ones_shots(seed: int) -> None:
    task = resolve_task("sums")
    drawn = [
        shots_of(
            dataclasses.replace(
                TRIAL, method="fine_tune", task="sums", n_shots=n, seed=seed, control=""
            ),
            task,
        )
        for n in (1, 4, 16)
    ]
    assert drawn[0] == drawn[1][:1]
    assert drawn[1] == drawn[2][:4]


def test_seeds_draw_different_shots() -> None:
    task = resolve_task("sums")
    trial = dataclasses.replace(TRIAL, method="fine_tune", task="sums", n_shots=8, control="")
    other = dataclasses.replace(trial, seed=trial.seed + 1)
    one, two = ({p.id for p in shots_of(t, task)} for t in (trial, other))
    assert one != two


def test_scrambled_twin_draws_the_same_questions() -> None:
    trial = dataclasses.replace(TRIAL, method="fine_tune", task="sums", n_shots=8, control="")
    twin = dataclasses.replace(trial, task="scrambled:sums")
    asked = [[p.question for p in shots_of(t, resolve_task(t.task))] for t in (trial, twin)]
    assert asked[0] == asked[1]


@final
@dataclasses.dataclass(frozen=True)
class Few(Task):
    """A task with few shots."""

    n: int

    @property
    def sheet(self) -> Sheet:
        return Sheet(available={"shots": self.n})

    def problems(self, split, n):
        return Sums().problems(split, n)

    def read(self, text):
        return Sums().read(text)

    def mark(self, problem, text):
        return Sums().mark(problem, text)


@pytest.mark.parametrize("size", [2, 3, 7, 512])
@pytest.mark.parametrize("n", [1, 2, 512])
def test_shuffled_control_gives_no_shot_its_own_solution(size: int, n: int) -> None:
    trial = dataclasses.replace(TRIAL, method="fine_tune", task="few", n_shots=n)
    shots = shots_of(trial, Few(size))
    own = {p.id: p.solution for p in Sums().problems("shots", 512)}
    assert not [shot.id for shot in shots if shot.solution == own[shot.id]]


@pytest.mark.parametrize("model", ["organism", "scripted:latent"])
@pytest.mark.parametrize("task", ["sums", "word_sums", "gym:chain_sum"])
def test_default_methods_of_the_workbench_are_methods_that_the_model_can_run(
    model: str, task: str
) -> None:
    plan = plan_for(model, task)
    check_plan(plan)  # names, access and supervision
    rungs = {trial.method for trial in plan.trials()} - {"plain", "prompt_style"}
    assert rungs == set(default_methods(model, task))
    assert len(rungs) >= 2


def test_access_is_refused_before_weights_load() -> None:
    with pytest.raises(AccessError, match="fine_tune"):
        check_plan(_plan())


def test_more_shots_than_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match="1,000 shots"):
        check_plan(plan_for("organism", "sums", ["rejection_tuning"], [1000]))


def test_shots_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="a number below 1"):
        check_plan(plan_for("organism", "sums", ["rejection_tuning"], [0]))


def test_unknown_method_in_settings_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="cot_decoding"):
        check_plan(_plan(methods=("cot_decoding",), settings={"cot_decodin": {"k": 2}}))


def test_subject_names_its_twin() -> None:
    plan = _plan(twin="scripted:absent")
    assert Subject(plan, "scripted:latent", "sums").twin == "scripted:absent"


def test_a_method_that_does_not_fit_the_task_says_what_to_use_instead(tmp_path) -> None:
    task = f"jsonl:{write_jsonl(tmp_path / 'own.jsonl', numbers(60))}"
    with pytest.raises(ConfigError) as caught:
        check_plan(plan_for("organism", task, ["fine_tune"], [1], test=20, selection=5))
    assert caught.value.found == f"fine_tune needs worked solutions, but {task!r} has answers only"
    assert caught.value.action == (
        "use rejection_tuning, which needs answers only, or name the column of the solutions "
        "(--solution COLUMN)"
    )
    check_plan(plan_for("organism", task, ["rejection_tuning"], [1], test=20, selection=5))


def test_a_method_that_needs_more_access_than_a_model_gives_says_both() -> None:
    with pytest.raises(AccessError) as caught:
        check_plan(plan_for("scripted:latent", "sums", ["fine_tune"], [1]))
    assert caught.value.found == (
        "fine_tune needs weights, but model 'scripted:latent' gives log-probabilities only"
    )
