"""The probe of thinking longer: every figure is what the stored answers say, counted anew."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from modicum.analysis.material import Material
from modicum.analysis.section import Section
from modicum.analysis.thinking_pictures import WatchedBoard, energies_part, watched_of
from modicum.errors import AccessError, ConfigError
from modicum.files.fingerprint import fingerprint
from modicum.nets.energy_folder import EnergyFolder
from modicum.outcome import Answer, Outcome
from modicum.probe import resolve_probe
from modicum.running.planning import plan_for
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.types import Completion, Solved, Trial
from tests.support.energy_nets import PUZZLE, energy_card, random_energy

TASK, SHIFTED, BOARDS = "sudoku", "sudoku?clues=3..4", 10
REFERENCE = 'thinking?steps=[1,2]&candidates=[1,3]&strip=2&shifted=["sudoku?clues=3..4"]'
KEPT = [{"energies": [[5.0, 3.0, 1.0], [5.0, 4.0, 3.5]], "valid": [[False, True], [False, False]]}]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("net")
    card = replace(energy_card(), trained={"thinking": KEPT})
    for name, data in EnergyFolder().files(card, random_energy(card)).items():
        (folder / name).write_bytes(data)
    return folder


def outcome_of(trial: Trial, weights: str) -> Outcome:
    """Return answers that are right or wrong by chance, marked by the task."""
    task, rng = resolve_task(trial.task), stream("tests", "thinking", trial.id)
    answers = []
    for problem in task.problems("test", trial.scope.answered):
        text = task.right_answers(problem)[0]
        if rng.random() < 0.5:
            text = text[::-1]
        mark = task.mark(problem, text)
        answers.append(Answer.of(problem.id, Solved((Completion(text, 16, "eos"),)), (mark,)))
    sources = {"weights": weights}
    return Outcome(trial, tuple(answers), serving={"seconds": 1.0}, sources=sources)


@pytest.fixture(scope="module")
def found(net) -> Material:
    plan = plan_for(
        f"energy:{net}", TASK, ["self_consistency"], test=BOARDS, selection=4, samples=4
    )
    subject = plan.subjects()[0]
    trials = resolve_probe(REFERENCE).trials(subject)
    outcomes = {trial.id: outcome_of(trial, fingerprint(net)) for trial in trials}
    gathered = SimpleNamespace(
        subject=subject,
        problems=resolve_task(TASK).problems("test", BOARDS),
        evidence=SimpleNamespace(clusters=None),
    )
    return Material(gathered, None, None, None, lambda trial, _: outcomes.get(trial.id))


@pytest.fixture(scope="module")
def section(found) -> Section:
    said = resolve_probe(REFERENCE).read(found)
    assert said is not None
    return said


def valid(found, task: str, settings: str) -> list[bool]:
    """Ask the exact checker of each answer of a trial, found without the probe's help."""
    [outcome] = [
        found.outcome(trial)
        for trial in resolve_probe(REFERENCE).trials(found.subject)
        if (trial.task, trial.model.partition("?")[2]) == (task, settings) and not trial.scope.first
    ]
    right = []
    for problem, answer in zip(
        resolve_task(task).problems("test", BOARDS), outcome.answers, strict=True
    ):
        read = PUZZLE.find(answer.texts[0])
        right.append(read is not None and PUZZLE.is_valid(PUZZLE.given(problem.answer), read.ids))
    return right


@pytest.mark.parametrize("task", [TASK, SHIFTED])
@pytest.mark.parametrize(("width", "name"), [(1, "one candidate"), (3, "least energy of 3")])
def test_gains_are_those_of_last_over_first_steps_on_the_same_boards(
    found, section, task, width, name
) -> None:
    said = f"&candidates={width}" if width > 1 else ""
    first, last = (valid(found, task, f"steps={n}{said}") for n in (1, 2))
    gain = (sum(last) - sum(first)) / BOARDS
    assert section.values[f"{task}: {name}, step 2 over step 1"].value == pytest.approx(gain)
    assert section.values[f"{task}: {name} at step 1"].value == pytest.approx(sum(first) / BOARDS)
    assert 0 < sum(first) + sum(last) < 2 * BOARDS


def test_selectors_choose_at_the_most_steps_and_candidates(found, section) -> None:
    right = valid(found, TASK, "steps=2&candidates=3&selector=majority")
    assert section.values["selector majority"].value == pytest.approx(sum(right) / BOARDS)


def test_energies_are_those_that_the_folder_keeps(section) -> None:
    [chart] = [chart for chart in section.charts if chart.name == "energies"]
    assert [[point.y for point in own.points] for own in chart.series] == KEPT[0]["energies"]
    assert [own.name.rpartition(", ")[2] for own in chart.series] == ["ends right", "ends wrong"]
    [table] = [table for table in section.tables if table.name == "Energies"]
    assert [row.cells[3] for row in table.rows] == ["2", "never"]


def test_energies_of_another_net_than_was_asked_are_left_out(found, net) -> None:
    changed = Material(
        found.gathered,
        None,
        None,
        None,
        lambda trial, texts: outcome_of(trial, "another"),
    )
    said = resolve_probe(REFERENCE).read(changed)
    assert "energies" not in {chart.name for chart in said.charts}


@pytest.mark.parametrize(
    "kept",
    [
        None,
        "x",
        [{"energies": [[1.0, 2.0]], "valid": [[True, True]]}],
        [{"energies": [[1.0, float("inf")]], "valid": [[True]]}],
        [{"energies": [[1.0, 2.0]], "valid": []}],
        [{"energies": [], "valid": []}],
        [{"energies": [["a"]], "valid": [[True]]}],
    ],
)
def test_what_a_stranger_wrote_in_a_card_is_left_out(kept) -> None:
    assert watched_of(kept) == ()


def test_what_a_training_watched_comes_back() -> None:
    assert watched_of(KEPT) == (
        WatchedBoard(((5.0, 3.0, 1.0), (5.0, 4.0, 3.5)), ((False, True), (False, False))),
    )
    assert energies_part(()).is_empty


def test_other_models_and_boards_of_another_form_are_refused(found) -> None:
    probe = resolve_probe(REFERENCE)
    with pytest.raises(AccessError, match="no energy net"):
        probe.trials(replace(found.subject, model="scripted:latent"))
    other = resolve_probe('thinking?shifted=["sudoku?size=6"]')
    with pytest.raises(ConfigError, match="same form"):
        other.trials(found.subject)
    with pytest.raises(ConfigError, match="steps"):
        resolve_probe("thinking?steps=[0]")
