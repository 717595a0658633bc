"""What every form of export must do; a new file in `exports/` is tested the moment it exists."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from modicum.errors import CheckpointError, ConfigError, UnknownNameError
from modicum.export import EXPORTS, ExportForm
from modicum.exporting.exporter import export, fitting
from modicum.files.manifest import MANIFEST, check_files, listed, read_manifest, read_prompt
from modicum.method import method_of
from modicum.model import MODELS, backend_access, resolve_backend
from modicum.study import trial as trials
from modicum.study.trial import run_trial
from modicum.task import resolve_task
from modicum.types import Access
from tests.support.exports import RUNGS, TASK, Studied, study

FORMS = {name: EXPORTS.build(name) for name in sorted(EXPORTS.entries)}
OPENED = [name for name, form in FORMS.items() if form.is_model]
"""Forms that are a model again."""
BUILT_IN = {name for name in FORMS if not EXPORTS.entry(name).package}
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


class Written:
    """The exports of each form, of every rung that it fits: written and loaded back when asked for."""

    def __init__(self, studied: Mapping[str, Studied], out: Path) -> None:
        self._studied, self._out = studied, out
        self._folders: dict[str, dict[str, Path]] = {}

    def __getitem__(self, form: str) -> dict[str, Path]:
        """The folders of a form by the name of the rung."""
        if form not in self._folders:
            self._folders[form] = dict(self._each(form))
        return self._folders[form]

    def _each(self, form: str):
        for name, one in self._studied.items():
            fits, _ = fitting(one.found, [form])
            for done in export(one.found, fits, one.store, self._out / name.replace(" ", "-")):
                yield name, done.folder


@pytest.fixture(scope="module")
def studied(tmp_path_factory) -> dict[str, Studied]:
    return study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def written(studied, tmp_path_factory) -> Written:
    return Written(studied, tmp_path_factory.mktemp("exports"))


@pytest.mark.parametrize("form", FORMS)
def test_form_fits_some_rung_and_refuses_the_others_before_weights_load(
    form: str, studied, monkeypatch
) -> None:
    def exploding(*_: object, **__: object):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(trials, "open_model", exploding)
    tried = {name: fitting(one.found, [form]) for name, one in studied.items()}
    fits = {name for name, (fitted, _) in tried.items() if fitted}
    errors = [error for _, refused in tried.values() for error in refused.values()]
    assert fits
    assert len(fits) + len(errors) == len(RUNGS)
    assert errors
    assert all(isinstance(e, ConfigError) for e in errors)
    assert all(e.found and e.expected and e.action for e in errors)


@pytest.mark.parametrize("name", RUNGS)
def test_rung_fits_the_built_in_forms_that_are_named_for_it(name: str, studied) -> None:
    fits, refused = fitting(studied[name].found)
    assert set(fits) & BUILT_IN == set(RUNGS[name].forms)
    assert set(fits) | set(refused) == set(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_export_is_what_it_was_made_from(form: str, written) -> None:
    for folder in written[form].values():
        back = json.loads((folder / MANIFEST).read_text())["loaded_back"]
        assert back["holds"]
        assert 0 <= back["value"] <= back["limit"] <= 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_manifest_lists_every_file_with_size_and_hash(form: str, written) -> None:
    for folder in written[form].values():
        manifest = read_manifest(folder)
        assert manifest.form == form
        assert manifest.facts["files"] == listed(folder)
        assert {"README.md", "prompt.json"} <= set(manifest.files)
        check_files(folder, manifest)


@pytest.mark.parametrize("form", FORMS)
def test_export_holds_no_pickle_and_nothing_half_written(form: str, written) -> None:
    for folder in written[form].values():
        assert not {path.suffix for path in folder.rglob("*")} & PICKLES
        assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("form", FORMS)
def test_manifest_says_where_the_nudge_comes_from(form: str, written, studied) -> None:
    for name, folder in written[form].items():
        facts, trial = read_manifest(folder).facts, studied[name].found.trial
        assert facts["study"]["trial"] == trial.id
        assert facts["method"]["name"] == RUNGS[name].method
        assert facts["base"]["model"] == "organism"
        assert facts["base"]["weights"] == resolve_backend("organism").open().card.weights
        assert facts["score"]["lenient"]["n"] == 12
        assert len(facts["shots"]) == method_of(trial).shown(trial.n_shots)
        assert facts["costs"]["bytes"] > 0


@pytest.mark.parametrize("form", FORMS)
def test_card_has_the_hubs_front_matter(form: str, written) -> None:
    for folder in written[form].values():
        _, front, body = (folder / "README.md").read_text().split("---\n", 2)
        head = yaml.safe_load(front)
        assert head["base_model"] == "organism"
        assert head["license"] == "apache-2.0"
        assert head["library_name"] == FORMS[form].library
        assert head["pipeline_tag"] == "text-generation"
        assert "modicum" in head["tags"]
        wanted = ("Base model", "What was measured", "What it cost", "Examples used", "Use")
        assert all(f"## {part}\n" in body for part in wanted)
        assert "bytes" in body
        assert ("modicum run --model" in body) == (form in OPENED)


def test_card_of_an_adapter_names_peft(written) -> None:
    head = (written["peft"]["adapter"] / "README.md").read_text().split("---\n", 2)[1]
    assert yaml.safe_load(head)["library_name"] == "peft"


@pytest.mark.parametrize("form", FORMS)
def test_examples_leave_as_hashes_alone(form: str, written) -> None:
    shots = resolve_task(TASK).problems("shots", 512)
    texts = [
        path.read_text(errors="replace")
        for name, folder in written[form].items()
        for path in folder.rglob("*")
        if path.suffix in (".md", ".json", ".txt", ".py") and name != "shown"
    ]
    assert texts
    assert not [s for s in shots if any(s.question in text for text in texts)]


@pytest.mark.parametrize("form", OPENED)
def test_export_as_model_answers_as_the_rung_did(form: str, written, studied, tmp_path) -> None:
    for name, folder in written[form].items():
        one = studied[name]
        outcome, before = _asked(one, folder, tmp_path / name), one.store.read(one.found.trial)
        assert not outcome.error
        assert [a.texts for a in outcome.answers] == [a.texts for a in before.answers]
        assert [a.mark for a in outcome.answers] == [a.mark for a in before.answers]
        assert outcome.style == before.style


def _asked(one: Studied, folder: Path, scratch: Path):
    """What the export answers as a model of a study of its own."""
    grid = one.plan.grids[0]
    plan = type(one.plan).thawed(
        {
            **one.plan.as_dict(),
            "grids": [{"models": [str(folder)], "tasks": list(grid.tasks)}],
            "settings": {},
        }
    )
    return run_trial(plan, plan.subjects()[0].default(), None, scratch)


def test_decoding_rule_is_refused_as_a_model_with_its_method_named(written) -> None:
    with pytest.raises(ConfigError, match="--methods cot_decoding"):
        resolve_backend(str(written["generation"]["branches"]))


@pytest.mark.parametrize("form", OPENED)
def test_export_offers_what_can_be_done_with_it(form: str, written) -> None:
    wanted = Access.LOGPROBS if form in ("vector", "gguf") else Access.WEIGHTS
    assert {backend_access(str(folder)) for folder in written[form].values()} == {wanted}
    assert MODELS.load("export").access == Access.TEXT


def test_unknown_form_is_named(studied) -> None:
    with pytest.raises(UnknownNameError, match="ggug"):
        fitting(studied["votes"].found, ["ggug"])


def test_changed_file_is_refused(written, studied, tmp_path) -> None:
    one = studied["everywhere"]
    fits, _ = fitting(one.found, ["vector"])
    [done] = export(one.found, fits, one.store, tmp_path)
    path = done.folder / "vector.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(CheckpointError, match="changed since it was exported"):
        resolve_backend(str(done.folder)).open()


def test_base_of_other_weights_is_refused(written) -> None:
    folder = written["gguf"]["everywhere"]
    with pytest.raises(CheckpointError, match="weights that the nudge was found on"):
        resolve_backend(f"export:{folder}?base=organism-control").open()


def test_base_that_is_gone_is_said(written) -> None:
    folder = written["peft"]["adapter"]
    with pytest.raises(ConfigError, match=r"\?base=MODEL"):
        resolve_backend(f"export:{folder}?base=./nowhere")


class _Wrong(ExportForm):
    """Writes a file and then finds it wrong, or is killed."""

    def __init__(self, value: float, *, killed: bool = False) -> None:
        self.value, self.killed = value, killed

    def check(self, nudge) -> None:
        pass

    def write(self, nudge, elicited, folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        if self.killed:
            raise KeyboardInterrupt

    def load_back(self, nudge, elicited, folder):
        from modicum.export import LoadedBack

        return LoadedBack("nobody", "difference", self.value, 1e-4)

    def uses(self, nudge, elicited):
        return {}


@pytest.mark.parametrize("value", [2e-4, float("inf"), float("nan")])
def test_export_that_differs_leaves_nothing(value: float, studied, tmp_path) -> None:
    one = studied["votes"]
    with pytest.raises(CheckpointError, match="difference"):
        export(one.found, {"wrong": _Wrong(value)}, one.store, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_kill_leaves_the_former_export(studied, tmp_path) -> None:
    one = studied["votes"]
    [done] = export(one.found, {"wrong": _Wrong(0.0)}, one.store, tmp_path)
    before = listed(done.folder)
    with pytest.raises(KeyboardInterrupt):
        export(one.found, {"wrong": _Wrong(0.0, killed=True)}, one.store, tmp_path)
    assert listed(done.folder) == before
    export(one.found, {"wrong": _Wrong(0.0)}, one.store, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["wrong"]


def test_folder_of_something_else_is_left_alone(studied, tmp_path) -> None:
    one = studied["votes"]
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="no export"):
        export(one.found, {"wrong": _Wrong(0.0)}, one.store, tmp_path)
    assert (tmp_path / "wrong" / "mine.txt").read_text() == "mine"


def test_prompt_carries_stop_strings_and_demonstrations(written, studied) -> None:
    style, stages = read_prompt(written["prompt"]["shown"])
    assert style == studied["shown"].found.parcel.style
    assert stages == {}
    [shot] = json.loads((written["prompt"]["shown"] / MANIFEST).read_text())["shots"]
    assert set(shot) == {"id", "sha256"}
    assert "the prompt itself" in (written["prompt"]["shown"] / "README.md").read_text()
