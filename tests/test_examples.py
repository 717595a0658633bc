"""The examples run, and a foreign plug-in is found, listed, run and stored."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.commands import SMALL
from tests.support.sources import ROOT

EXAMPLES = ROOT / "examples"
MODICUM = "from modicum.cli.main import main; main()"


def _run(*arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    if "PYTHONPATH" in more:  # these sources before an installed package
        more["PYTHONPATH"] = os.pathsep.join((more["PYTHONPATH"], str(ROOT / "src"), str(ROOT)))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_examples() -> None:
    assert "one_answer" in {path.stem for path in EXAMPLES.glob("*.py")}


CELLS = """
import json, sys
from pathlib import Path

shown = {"__name__": "__main__"}
for cell in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        assert not cell["outputs"], "commit it without outputs"
        exec(compile("".join(cell["source"]), cell["id"], "exec"), shown)
assert shown["verdict"].ability == "latent"
assert shown["verdict"].pick.name == "cot_decoding"
assert len(shown["answers"]) and "LATENT" in shown["verdict"]._repr_html_()
"""


def test_the_notebook_runs_cell_by_cell(tmp_path) -> None:
    pytest.importorskip("pandas")
    done = _run("-c", CELLS, EXAMPLES / "notebook.ipynb", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "LATENT" in done.stdout
    assert (tmp_path / "runs" / "notebook" / "report.html").is_file()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_example_runs(path: Path, tmp_path) -> None:
    done = _run("-W", "error::UserWarning", path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_example_leaves_nothing_behind(path: Path, tmp_path) -> None:
    _run(path, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> Path:
    """A folder into which pip installed the foreign package, without network."""
    import shutil

    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    shutil.copytree(EXAMPLES / "plugin_package", source, dirs_exist_ok=True)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--target", target]
    done = _run("-m", "pip", "install", *options, source, cwd=source)
    assert done.returncode == 0, done.stderr
    return target


def test_foreign_method_is_listed_with_its_first_line(foreign, tmp_path) -> None:
    done = _run("-c", MODICUM, "list", "methods", cwd=tmp_path, PYTHONPATH=str(foreign))
    assert (
        "median_vote       Median vote: the middle one of a few numbers; no labels." in done.stdout
    )


def test_listing_does_not_import_the_foreign_method(foreign, tmp_path) -> None:
    after = "finally:\n print('modicum_median' in sys.modules)"
    asked = f"import sys; sys.argv[1:] = ['list']\ntry:\n {MODICUM}\n{after}"
    done = _run("-c", asked, cwd=tmp_path, PYTHONPATH=str(foreign))
    assert done.stdout.splitlines()[-1] == "False"


def test_foreign_method_is_run_and_stored(foreign, tmp_path) -> None:
    at = SMALL.index("--methods") + 1
    small = [*SMALL[:at], "median_vote", *SMALL[at + 1 :]]
    options = [*small, "--set", "median_vote.n=3", "--json"]
    done = _run("-c", MODICUM, "run", *options, cwd=tmp_path, PYTHONPATH=str(foreign))
    assert done.returncode == 0, done.stderr
    rungs = json.loads(done.stdout)["verdicts"][0]["rungs"]
    assert "median_vote" in {rung["method"] for rung in rungs}


def test_unknown_name_offers_the_foreign_method(foreign, tmp_path) -> None:
    options = ["run", "--model", "scripted", "--task", "sums", "--methods", "median_vot"]
    done = _run("-c", MODICUM, *options, cwd=tmp_path, PYTHONPATH=str(foreign))
    assert "did you mean 'median_vote'" in done.stderr


def test_foreign_reading_and_probe_are_listed_with_their_first_lines(foreign, tmp_path) -> None:
    for kind, line in (
        ("readings", "by_length Accuracy of the plain prompt by the length"),
        ("probes", "rewritten_sums Are sums still known when they are written otherwise?"),
    ):
        done = _run("-c", MODICUM, "list", kind, cwd=tmp_path, PYTHONPATH=str(foreign))
        assert line in " ".join(done.stdout.split())


def test_foreign_reading_and_probe_stand_in_terminal_json_and_report(foreign, tmp_path) -> None:
    """A table and a chart each; the probe's over two models and two forms."""
    probe = ("--probes", "rewritten_sums?second=scripted:absent", "--out", "study")
    first = _run("-c", MODICUM, "run", *SMALL, *probe, cwd=tmp_path, PYTHONPATH=str(foreign))
    assert first.returncode == 0, first.stderr
    again = _run(
        "-c", MODICUM, "run", *SMALL, *probe, "--json", cwd=tmp_path, PYTHONPATH=str(foreign)
    )
    sections = json.loads(again.stdout)["verdicts"][0]["sections"]
    assert list(sections) == ["by_length", "rewritten_sums"]
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    for name, section in sections.items():
        (table,), (chart,) = section["tables"], section["charts"]
        head = [column["title"] for column in table["columns"] if column["kind"] != "trials"]
        assert section["title"] in first.stdout
        assert any(line.split() == " ".join(head).split() for line in first.stdout.splitlines())
        assert f"<h3>{section['title']}</h3>" in page
        assert f'-{name}-{chart["name"]}"' in page
        assert f"<figcaption>{chart['caption']}</figcaption>" in page
    values = sections["rewritten_sums"]["values"]
    assert (
        values["scripted:latent spelled"]["high"] < 0 == values["scripted:absent spelled"]["value"]
    )


SUITES = {
    "contracts/test_readings.py": ("by_length",),
    "contracts/test_probes.py": ("rewritten_sums",),
    "contracts/test_executors.py": ("fresh_processes",),
    "contracts/test_methods.py": ("median_vote", "brief_tuning"),
    "contracts/test_models.py": ("latin_net",),
    "contracts/test_tasks.py": ("latin_squares",),
    "contracts/test_exports.py": ("weight_deltas",),
    "rewards/test_rewards.py": ("brief",),
}
"""Each suite of a contract, with the foreign plug-ins that it runs over."""


def test_contract_suites_hold_for_every_foreign_plugin(foreign) -> None:
    names = [name for own in SUITES.values() for name in own]
    options = ["-v", "-p", "no:cacheprovider", "-p", "no:xdist", "-rs", "-k", " or ".join(names)]
    suites = [ROOT / "tests" / suite for suite in SUITES]
    done = _run("-m", "pytest", *options, *suites, cwd=ROOT, PYTHONPATH=str(foreign))
    assert done.returncode == 0, done.stdout
    passed = [line for line in done.stdout.splitlines() if " PASSED" in line]
    counts = {
        name: sum(f"tests/{suite}::" in line and f"[{name}" in line for line in passed)
        for suite, own in SUITES.items()
        for name in own
    }
    assert all(counts.values()), counts


def test_suites_run_over_every_plugin_of_the_package() -> None:
    package = tomllib.loads((EXAMPLES / "plugin_package" / "pyproject.toml").read_text())
    stated = {name for group in package["project"]["entry-points"].values() for name in group}
    assert stated == {name for own in SUITES.values() for name in own}


def test_foreign_net_is_studied_on_its_puzzle(foreign, tmp_path) -> None:
    """A model that knows no language: floor, ceiling by sampling, a vote, a verdict, a report."""
    sizes = ["--test", "150", "--selection", "16", "--samples", "16", "--no-check"]
    options = ["--model", "latin_net", "--task", "latin_squares", *sizes, "--out", "study"]
    done = _run("-c", MODICUM, "run", *options, "--json", cwd=tmp_path, PYTHONPATH=str(foreign))
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)["verdicts"][0]
    assert verdict["ability"] == "latent"
    assert verdict["floor"]["value"] < verdict["ceiling"]["value"]
    assert [rung["method"] for rung in verdict["rungs"]] == ["prompt", "self_consistency"]
    assert (tmp_path / "study" / "report.html").is_file()


def test_what_a_net_without_language_cannot_do_is_refused_before_anything_is_drawn(
    foreign, tmp_path
) -> None:
    done = _run("-c", REFUSED, cwd=tmp_path, PYTHONPATH=str(foreign))
    assert done.returncode == 0, done.stderr


REFUSED = """
import pytest
from modicum.errors import AccessError
from modicum.running.planning import default_methods, plan_for
from modicum.study.checks import check_plan

assert default_methods("latin_net", "latin_squares") == ("self_consistency",)
for methods, words in [
    (("few_shot", "chain_of_thought"), "which knows no language"),
    (("cot_decoding", "steering_vector"), "gives text only"),
]:
    for method in methods:
        with pytest.raises(AccessError, match=words):
            check_plan(plan_for("latin_net", "latin_squares", [method], [2]))
"""


EXPORT = """
import json, sys
from pathlib import Path
from modicum import Study
from modicum.exporting.exporter import export, finished, fitting
from modicum.store.database import Store
from modicum.study.plan import Subject
from modicum.running.restoring import rung

options = dict(test=4, selection=2, samples=2, ceiling_test=4, controls=False, retain=("none",))
study = Study("organism", "word_sums", [sys.argv[1]], [2], 1, "study", {
    **options, "settings": json.loads(sys.argv[2])}, check=False, reuse=[])
study.run()
subject, store = Subject(study.plan, "organism", "word_sums"), Store(Path("study"))
trial = rung(subject, sys.argv[1], int(sys.argv[3]))
found = finished(subject, trial, store, None)
fits, refused = fitting(found)
print(*[done.form for done in export(found, fits, store, Path("out"))])
"""


@pytest.mark.parametrize(
    ("method", "settings", "n_shots", "forms"),
    [
        ("median_vote", {"median_vote": {"n": 3}}, 0, "generation"),
        (
            "brief_tuning",
            {"brief_tuning": {"steps": 1, "groups": 2, "rollouts": 4}},
            2,
            "merged peft weight_deltas",
        ),
    ],
)
def test_foreign_nudge_is_exported_and_loaded_back(
    foreign, tmp_path, method: str, settings: dict, n_shots: int, forms: str
) -> None:
    told = (method, json.dumps(settings), n_shots)
    done = _run("-c", EXPORT, *told, cwd=tmp_path, PYTHONPATH=str(foreign))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == forms.split()
    if method == "median_vote":  # its own choice travels as source, beside the task's reading
        text = (tmp_path / "out" / "generation" / "custom_generate" / "generate.py").read_text()
        assert "def middle(" in text
        assert "choose = middle" in text
        assert "weights[answer]" not in text
