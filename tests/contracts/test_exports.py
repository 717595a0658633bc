"""What every form of export must do; a new file in `exports/` is tested the moment it exists."""

import json
from pathlib import Path

import pytest
import yaml

from modicum.errors import CheckpointError, ConfigError, UnknownNameError
from modicum.export import EXPORTS, ExportForm
from modicum.exporting.exporter import export, fitting
from modicum.files.manifest import MANIFEST, check_files, listed, read_manifest, read_prompt
from modicum.model import MODELS, backend_access, resolve_backend
from modicum.study import trial as trials
from modicum.study.trial import run_trial
from modicum.task import resolve_task
from modicum.types import Access
from tests.support.exports import RUNGS, TASK, study

PAIRS = [(name, form) for name, rung in RUNGS.items() for form in rung.forms]
MODELS_OPENED = [pair for pair in PAIRS if pair[1] != "generation"]
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    return study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def written(studied, tmp_path_factory) -> dict[tuple[str, str], Path]:
    """Every form of every rung, loaded back on the way."""
    out, folders = tmp_path_factory.mktemp("exports"), {}
    for name, one in studied.items():
        fits, _ = fitting(one.found)
        for done in export(one.found, fits, one.store, out / name.replace(" ", "-")):
            folders[name, done.form] = done.folder
    return folders


def test_every_form_has_a_rung_and_every_rung_the_forms_that_fit(written) -> None:
    assert {form for _, form in PAIRS} == set(EXPORTS.entries)
    assert set(written) == set(PAIRS)


@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_export_is_what_it_was_made_from(name: str, form: str, written) -> None:
    facts = json.loads((written[name, form] / MANIFEST).read_text())
    back = facts["loaded_back"]
    assert back["holds"]
    assert 0 <= back["value"] <= back["limit"] <= 1e-4


@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_manifest_lists_every_file_with_size_and_hash(name: str, form: str, written) -> None:
    folder = written[name, form]
    manifest = read_manifest(folder)
    assert manifest.form == form
    assert manifest.facts["files"] == listed(folder)
    assert {"README.md", "prompt.json"} <= set(manifest.files)
    check_files(folder, manifest)


@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_export_holds_no_pickle_and_nothing_half_written(name: str, form: str, written) -> None:
    folder = written[name, form]
    assert not {path.suffix for path in folder.rglob("*")} & PICKLES
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_manifest_says_where_the_nudge_comes_from(name: str, form: str, written, studied) -> None:
    facts, trial = read_manifest(written[name, form]).facts, studied[name].found.trial
    assert facts["study"]["trial"] == trial.id
    assert facts["method"]["name"] == RUNGS[name].method
    assert facts["base"]["model"] == "organism"
    assert facts["base"]["weights"] == resolve_backend("organism").open().card.weights
    assert facts["score"]["lenient"]["n"] == 12
    assert len(facts["shots"]) == trial.n_shots
    assert facts["costs"]["bytes"] > 0


@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_card_has_the_hubs_front_matter(name: str, form: str, written) -> None:
    text = (written[name, form] / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["base_model"] == "organism"
    assert head["license"] == "apache-2.0"
    assert head["library_name"] == ("peft" if form == "peft" else "transformers")
    assert head["pipeline_tag"] == "text-generation"
    assert "modicum" in head["tags"]
    wanted = ("Base model", "What was measured", "What it cost", "Examples used", "Use")
    assert all(f"## {part}\n" in body for part in wanted)
    assert "bytes" in body
    assert ("modicum run --model" in body) == (form != "generation")


@pytest.mark.parametrize(("name", "form"), [p for p in PAIRS if p[0] != "shown"])
def test_examples_leave_as_hashes_alone(name: str, form: str, written) -> None:
    shots = resolve_task(TASK).problems("shots", 512)
    texts = [
        path.read_text(errors="replace")
        for path in written[name, form].rglob("*")
        if path.suffix in (".md", ".json", ".txt", ".py")
    ]
    assert not [s for s in shots if any(s.question in text for text in texts)]


@pytest.mark.parametrize(("name", "form"), MODELS_OPENED)
def test_export_as_model_answers_as_the_rung_did(
    name: str, form: str, written, studied, tmp_path
) -> None:
    one, folder = studied[name], written[name, form]
    grid = one.plan.grids[0]
    plan = type(one.plan).thawed(
        {
            **one.plan.as_dict(),
            "grids": [{"models": [str(folder)], "tasks": list(grid.tasks)}],
            "settings": {},
        }
    )
    outcome = run_trial(plan, plan.subjects()[0].default(), None, tmp_path)
    assert not outcome.error
    before = one.store.read(one.found.trial)
    assert [a.texts for a in outcome.answers] == [a.texts for a in before.answers]
    assert [a.mark for a in outcome.answers] == [a.mark for a in before.answers]
    assert outcome.style == before.style


def test_decoding_rule_is_refused_as_a_model_with_its_method_named(written) -> None:
    with pytest.raises(ConfigError, match="--methods cot_decoding"):
        resolve_backend(str(written["branches", "generation"]))


@pytest.mark.parametrize(("name", "form"), MODELS_OPENED)
def test_export_offers_what_can_be_done_with_it(name: str, form: str, written) -> None:
    steered = form in ("vector", "gguf")
    wanted = Access.LOGPROBS if steered else Access.WEIGHTS
    assert backend_access(str(written[name, form])) == wanted
    assert MODELS.load("export").access == Access.TEXT


@pytest.mark.parametrize("name", RUNGS)
def test_form_that_does_not_fit_is_refused_before_weights_load(
    name: str, studied, monkeypatch
) -> None:
    def exploding(*_: object, **__: object):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(trials, "open_model", exploding)
    fits, refused = fitting(studied[name].found)
    assert set(fits) == set(RUNGS[name].forms)
    assert set(refused) == set(EXPORTS.entries) - set(fits)
    assert all(e.found and e.expected and e.action for e in refused.values())


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
    folder = written["everywhere", "gguf"]
    with pytest.raises(CheckpointError, match="weights that the nudge was found on"):
        resolve_backend(f"export:{folder}?base=organism-control").open()


def test_base_that_is_gone_is_said(written) -> None:
    folder = written["adapter", "peft"]
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
    style, stages = read_prompt(written["shown", "prompt"])
    assert style == studied["shown"].found.parcel.style
    assert stages == {}
    [shot] = json.loads((written["shown", "prompt"] / MANIFEST).read_text())["shots"]
    assert set(shot) == {"id", "sha256"}
    assert "the prompt itself" in (written["shown", "prompt"] / "README.md").read_text()
