"""Several models, tasks, sizes and ladders, one run after the other: nothing is lost from sight."""

import itertools
import json
import shutil
from pathlib import Path

import pytest

from modicum.store.database import Store
from modicum.workbench import Study, load
from tests.support.commands import modicum
from tests.support.tables import numbers, write_jsonl

SIZES = (
    "--test", 8, "--selection", 4, "--samples", 4, "--methods", "self_consistency", "--no-check",
)  # fmt: skip
MODELS = ("scripted:latent", "scripted:absent")
ONE = ("--model", "scripted:latent", "--task", "sums")
PLACE = Path("runs/sums--scripted-latent")


@pytest.fixture(autouse=True)
def _there(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def _run(*more: object) -> list[dict]:
    said = modicum("run", *SIZES, *more, "--json", "--workers", 1)
    assert said.code == 0, said.err
    return json.loads(said.out)["verdicts"]


def _told(folder: Path) -> list[tuple[str, str, str]]:
    said = modicum("report", folder, "--json")
    assert said.code == 0, said.err
    verdicts = json.loads(said.out)["verdicts"]
    return [(v["task"], v["model"], v.get("variant", "")) for v in verdicts]


def _pairs() -> list[tuple[str, str]]:
    write_jsonl(Path("rows.jsonl"), numbers(40))
    return list(itertools.product(("sums", "jsonl:rows.jsonl"), MODELS))


def test_models_and_tasks_without_a_folder_each_keep_a_study_of_their_own() -> None:
    first = {}
    for _ in range(2):
        for task, model in _pairs():
            [verdict] = _run("--task", task, "--model", model)
            assert first.setdefault((task, model), verdict) == verdict
    names = ("rows--scripted-absent", "rows--scripted-latent", "sums--scripted-absent",
             "sums--scripted-latent")  # fmt: skip
    assert sorted(path.name for path in Path("runs").iterdir()) == list(names)
    told = [pair for name in names for pair in _told(Path("runs") / name)]
    assert sorted((task, model) for task, model, _ in told) == sorted(first)


def test_models_and_tasks_in_one_folder_all_stay_in_sight() -> None:
    pairs, folder = _pairs(), Path("all")
    for task, model in (*pairs, pairs[0]):
        found = _run("--task", task, "--model", model, "--out", folder)
        assert (found[0]["task"], found[0]["model"]) == (task, model)
    assert sorted(_told(folder)) == sorted((task, model, "") for task, model in pairs)
    page = (folder / "report.html").read_text()
    assert all(f"on {model}" in page for model in MODELS)
    assert page.count("Methods and their controls") == len(pairs)
    study = load(folder)
    assert len(study.verdict) == len(pairs)
    assert {*study.methods_df()["model"]} == {*MODELS}


def test_another_test_size_stands_beside_the_first_under_its_own_label() -> None:
    _run(*ONE)
    found = _run(*ONE, "--test", 6)
    assert [v["variant"] for v in found] == ["test=6", "test=8"]
    assert [v["test"] for v in found] == [6, 8]
    text = modicum("report", PLACE, "-v").out
    assert "sums (test=6) on scripted:latent" in text
    assert "sums (test=8) on scripted:latent" in text
    _run(*ONE, "--samples", 8)
    labels = [label for *_, label in _told(PLACE)]
    assert labels == ["test=8, samples=8", "test=6, samples=4", "test=8, samples=4"]


def test_narrowed_ladder_still_shows_what_was_finished_before() -> None:
    both = ("--methods", "self_consistency,cot_decoding")
    [wide] = _run(*ONE, *both, "--out", "one")
    [narrow] = _run(*ONE, "--out", "one", "--methods", "self_consistency")
    rungs = [row["method"] for row in wide["rungs"]]
    assert "cot_decoding" in rungs
    assert [row["method"] for row in narrow["rungs"]] == rungs
    assert narrow["ability"] == wide["ability"]


def test_run_that_comes_second_prints_its_own_verdict_and_a_line_for_the_others() -> None:
    _run(*ONE, "--out", "one")
    said = modicum("run", "--model", "scripted:absent", "--task", "sums", *SIZES, "--out", "one")
    assert "  sums on scripted:absent" in said.out
    assert "  sums on scripted:latent" not in said.out
    assert [line.split()[1] for line in said.out.splitlines() if line.startswith("sums  ")] == [
        "scripted:absent",
        "scripted:latent",
    ]


def test_folder_of_an_earlier_version_is_found_and_gone_on_with() -> None:
    _run(*ONE)
    shutil.move(PLACE, "runs/sums")
    said = modicum("run", *ONE, *SIZES)
    assert "going on in runs/sums" in said.err
    assert "8 done" in said.err
    assert not PLACE.exists()
    other = modicum("run", "--model", "scripted:absent", "--task", "sums", *SIZES)
    assert "results in runs/sums--scripted-absent" in other.err


def test_folder_that_bears_the_name_and_holds_another_task_is_left_alone() -> None:
    for place in ("a", "b"):
        Path(place).mkdir()
        write_jsonl(Path(place) / "rows.jsonl", numbers(40))
        _run("--task", f"{place}/rows.jsonl", "--model", "scripted:latent")
    assert _told(Path("runs/rows--scripted-latent"))[0][0] == "jsonl:a/rows.jsonl"
    assert _told(Path("runs/rows--scripted-latent-2"))[0][0] == "jsonl:b/rows.jsonl"


def test_verdict_stays_when_the_file_of_its_task_has_gone() -> None:
    pairs = _pairs()
    _run("--task", "rows.jsonl", "--model", "scripted:latent", "--out", "one")
    Path("rows.jsonl").unlink()
    found = _run(*ONE, "--out", "one")
    assert [v["task"] for v in found] == [pairs[0][0], pairs[-1][0]]


def _edited() -> list[dict]:
    """The same ids with other questions."""
    return [
        {"id": f"row-{i}", "question": f"What is {i} + {i}?", "answer": str(2 * i)}
        for i in range(40)
    ]


def test_edited_file_keeps_its_earlier_verdict_and_says_so() -> None:
    old = [{**row, "id": f"row-{i}"} for i, row in enumerate(numbers(40))]
    one = ("--task", "rows.jsonl", "--model", "scripted:latent", "--out", "one")
    write_jsonl(Path("rows.jsonl"), old)
    [first] = _run(*one)
    write_jsonl(Path("rows.jsonl"), _edited())
    now, before = _run(*one)
    assert [v.get("variant", "") for v in (now, before)] == ["", "earlier version 1"]
    assert before["trials"] == first["trials"]
    assert {n: before[n] for n in ("ability", "floor", "rungs")} == {
        n: first[n] for n in ("ability", "floor", "rungs")
    }
    assert "earlier version of rows.jsonl" in before["doubts"][0]
    assert now["trials"] != first["trials"]
    text = modicum("report", "one", "-v").out
    assert "jsonl:rows.jsonl (earlier version 1) on scripted:latent" in text
    assert "\n    earlier version 1\n" in modicum("runs", ".").out
    found = load("one").answers_df()
    asked = {v: {*found[found.version.isna() if v is None else found.version == v].question}
             for v in (None, "earlier version 1")}  # fmt: skip
    assert asked[None] <= {row["question"] for row in _edited()}
    assert asked["earlier version 1"] <= {row["question"] for row in old}
    said = modicum("compare", "one:earlier version 1+floor", "one:floor", "--json")
    [difference] = json.loads(said.out)["comparisons"]
    assert difference["names"] == ["floor", "floor"]
    write_jsonl(Path("rows.jsonl"), old)
    again, between = _run(*one)
    assert again["trials"] == first["trials"]
    assert (between["trials"], between["variant"]) == (now["trials"], "earlier version 2")


def test_changed_marker_file_keeps_what_the_earlier_one_said() -> None:
    write_jsonl(Path("rows.jsonl"), numbers(40))
    one = ("--task", "rows.jsonl", "--model", "scripted:latent", "--out", "one", "--mark-with",
           "mark.py:mark")  # fmt: skip
    body = "def mark(text, answer):\n    return {}\n"
    Path("mark.py").write_text(body.format("answer in text"))
    [first] = _run(*one)
    Path("mark.py").write_text(body.format("text.endswith(answer)"))
    _, before = _run(*one)
    assert before["floor"] == first["floor"]
    assert "earlier version" in before["variant"]


def test_study_in_python_tells_its_own_verdict_of_a_folder_that_holds_more() -> None:
    _run("--model", "scripted:absent", "--task", "sums", "--out", "one")
    options = {"methods": ["self_consistency"], "selection": 4, "samples": 4, "progress": False}
    study = Study("scripted:latent", "sums", out="one", test=8, **options)
    assert study.run().model == "scripted:latent"
    smaller = Study("scripted:latent", "sums", out="one", test=6, **options)
    assert smaller.run().test == 6
    assert study.verdict.test == 8
    assert len(load("one").verdict) == 3


def test_study_in_python_lies_in_a_folder_of_its_task_and_model() -> None:
    assert Study("scripted:latent", "sums", test=8).folder == PLACE
    assert Study("scripted:latent", "sums", test=8, name="mine").folder == Path("runs/mine")


def test_size_that_was_begun_and_not_finished_hides_no_verdict() -> None:
    _run(*ONE)
    store = Store(PLACE)
    store.freeze({**(store.plan or {}), "test": 30})
    store.close()
    said = modicum("ask", PLACE, "What is 2 + 3?", "--json")
    assert said.code == 0, said.err
    compared = modicum("compare", f"{PLACE}:floor", f"{PLACE}:self_consistency", "--json")
    assert compared.code == 0, compared.err
    assert _told(PLACE) == [("sums", "scripted:latent", "test=8")]
