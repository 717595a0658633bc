"""The golden study: today's code finds nothing missing in it, says the same of it, and draws it again."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from modicum.running.runner import missing
from modicum.store.database import Store
from modicum.study.plan import read_plan
from tests.golden import record
from tests.support.commands import modicum

IDS = json.loads((record.HERE / "trials.json").read_text())
ADDED = json.loads((record.HERE / "added.json").read_text())
"""Trials that came since, by study: a migration gives them to earlier folders, or the next run does."""
FILES = json.loads((record.HERE / "files.json").read_text())
ROUNDS_ALIKE = FILES["arithmetic"] == record.arithmetic()
"""Whether this machine's arithmetic is that of the one that recorded; bits are compared only then."""


@pytest.mark.parametrize("name", IDS)
def test_trials_of_every_study_keep_their_ids(name: str) -> None:
    now = record.trial_ids(record.studies()[name])
    assert [trial for trial in now if trial not in ADDED.get(name, ())] == IDS[name]
    assert set(ADDED.get(name, ())) <= set(now)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded study in a folder of its own."""
    return record.unpacked(tmp_path_factory.mktemp("golden") / "study")


def test_nothing_is_missing(golden: Path) -> None:
    with_plan = Store(golden)
    try:
        assert missing(read_plan(record.STUDY), with_plan) == []
    finally:
        with_plan.close()


def test_verdicts_are_the_same(golden: Path) -> None:
    recorded = json.loads((record.HERE / "verdicts.json").read_text())
    assert list(_differences(record.verdicts(golden), recorded)) == []


def test_the_terminal_says_the_same(golden: Path) -> None:
    assert record.terminal(golden) == (record.HERE / "terminal.txt").read_text(encoding="utf-8")


def test_the_report_says_the_same(golden: Path) -> None:
    recorded = (record.HERE / "report.txt").read_text(encoding="utf-8")
    assert record.report_text(golden).splitlines() == recorded.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("what", record.EXPORTS, ids="/".join)
def test_exported_files_are_the_same(
    golden: Path, tmp_path: Path, what: tuple[str, str, str]
) -> None:
    if what[2] == "merged" and not ROUNDS_ALIKE:
        pytest.skip("merged weights are sums, and this machine rounds otherwise")
    assert record.exported(golden, tmp_path, *what) == FILES["exports"]["/".join(what)]


@pytest.fixture(scope="module")
def afresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study, drawn by today's code at one thread."""
    folder = tmp_path_factory.mktemp("afresh") / "study"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    options = ("--workers", 1, "--no-check", "--no-reuse")
    said = modicum("run", record.STUDY, "--out", folder, *options)
    torch.set_num_threads(threads)
    assert said.code == 0, said.err
    return folder


@pytest.mark.slow
def test_drawn_afresh_every_answer_is_the_same(golden: Path, afresh: Path) -> None:
    old, new = _outcomes(golden), _outcomes(afresh)
    assert old.keys() == new.keys()
    for trial, outcome in old.items():
        assert new[trial]["answers"] == outcome["answers"], outcome["trial"]
        if ROUNDS_ALIKE:
            assert new[trial] == outcome


@pytest.mark.slow
@pytest.mark.skipif(not ROUNDS_ALIKE, reason="this machine rounds otherwise")
def test_drawn_afresh_every_nudge_has_the_same_bits(afresh: Path) -> None:
    assert record.hashes(afresh / "artefacts") == FILES["artefacts"]


@pytest.mark.slow
def test_stored_answers_keep_their_addresses(golden: Path, tmp_path: Path) -> None:
    """A study beside it takes every answer from it: not one is drawn again."""
    grid = (
        "--model",
        "organism",
        "--task",
        "word_sums",
        "--methods",
        "self_consistency,cot_decoding",
    )
    sizes = ("--test", 12, "--selection", 6, "--samples", 8, "--retain-test", 6)
    settings = ("--set", "self_consistency.n=4", "--set", "cot_decoding.k=4")
    other = tmp_path / "other"
    options = ("--reuse", golden, "--workers", 1, "--no-check", "--json")
    said = modicum("run", *grid, *sizes, *settings, "--out", other, *options)
    assert said.code == 0, said.err
    drawn = {
        trial: values["elicitation"].get("tokens_sampled", 0) + values["serving"]["tokens_sampled"]
        for trial, values in _outcomes(other).items()
        if not values["trial"]["task"].startswith("scrambled:")
    }
    reused = json.loads(said.out)["verdicts"][0]["tokens_reused"]
    assert set(drawn.values()) == {0.0}
    assert reused > 0


def _outcomes(folder: Path) -> dict[str, dict[str, object]]:
    """Everything that a folder holds of its trials, seconds aside, by id."""
    store = Store(folder, read_only=True)
    try:
        found = {}
        for head in store.heads().values():
            outcome = store.read(head.trial)
            assert outcome is not None
            found[str(head.trial.id)] = record.without_seconds(dataclasses.asdict(outcome))
        return found
    finally:
        store.close()


def _differences(one: object, other: object, where: str = "") -> Iterator[str]:
    """Say where plain values differ; figures may by the rounding of a sum."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            if key not in one or key not in other:
                yield f"{where}/{key} is in one alone"
            else:
                yield from _differences(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, f"{where}/{place}")
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{where}: {one} and {other}"
    elif one != other:
        yield f"{where}: {one!r} and {other!r}"
