"""The probe of depth, width and selection: every figure is what the stored answers say, counted anew."""

import json
import math
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from modicum.analysis.material import Material
from modicum.analysis.section import Section, SectionTable
from modicum.analysis.verdict import as_json
from modicum.cli.section_text import section_text
from modicum.errors import AccessError, ConfigError
from modicum.files.fingerprint import fingerprint
from modicum.ledger import Ledger
from modicum.nets.recursive_rollouts import Rolling, roll
from modicum.outcome import Answer, Outcome
from modicum.probe import resolve_probe
from modicum.running.planning import plan_for
from modicum.sampling.recursive_model import Reasoning
from modicum.seeds import stream
from modicum.study.checks import check_plan
from modicum.study.plan import Plan
from modicum.task import resolve_task
from modicum.types import Completion, Grade, Request, Sampling, Solved, Trial
from tests.support.recursive_nets import PUZZLE, random_net, recursive_model, tiny_card

TASK = "sudoku?unique=any"
BOARDS, WIDTHS, DEPTHS = 12, (1, 4), (1, 2)
REFERENCE = "recursion?depths=[1,2]&widths=[1,4]&strip=2"
CURVES = [
    {"kl": 8.0, "exact": 0.25},
    {"kl": 4.0, "exact": 0.5, "prior_valid": 0.125, "distinct": 0.75},
]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny net's folder, with the curves of its training."""
    folder = tmp_path_factory.mktemp("net")
    told = {"recursion": {"every": 10, "curves": CURVES, "log_solutions": 1.5}}
    card = tiny_card()
    card = type(card)(card.shape, "sudoku", "gram", told)
    for name, data in card.files(random_net(card)).items():
        (folder / name).write_bytes(data)
    return folder


def plan_of(net: Path, *probes: str, **more: object) -> Plan:
    sizes = {"test": BOARDS, "selection": 4, "samples": 4, "probes": probes}
    return plan_for(f"recursive:{net}", TASK, ["self_consistency"], **{**sizes, **more})


def outcome_of(trial: Trial, weights: str) -> Outcome:
    """Return answers that are right or wrong by chance, of any solution, marked by the task."""
    task, rng = resolve_task(TASK), stream("tests", "recursion", trial.id)
    answers = []
    for problem in task.problems("test", trial.scope.answered):
        right, drawn = task.right_answers(problem), []
        for _ in range(int(str(trial.settings["samples"]))):
            text = right[int(rng.integers(len(right)))]
            if rng.random() < 0.4:
                cells = list(text)
                cells[int(rng.choice([0, 1, 2, 3]))] = str(rng.integers(1, 5))
                text = "".join(cells)
            drawn.append(Completion(text, 16, "eos"))
        marks = tuple(task.mark(problem, one.text) for one in drawn)
        answers.append(Answer.of(problem.id, Solved(tuple(drawn)), marks))
    serving = {"seconds": float(rng.random())}
    return Outcome(trial, tuple(answers), serving=serving, sources={"weights": weights})


@pytest.fixture(scope="module")
def found(net: Path) -> Material:
    """All trials of the probe with such answers."""
    subject = plan_of(net).subjects()[0]
    trials = resolve_probe(REFERENCE).trials(subject)
    outcomes = {trial.id: outcome_of(trial, fingerprint(net)) for trial in trials}
    problems = resolve_task(TASK).problems("test", BOARDS)
    gathered = SimpleNamespace(
        subject=subject, problems=problems, evidence=SimpleNamespace(clusters=None)
    )
    return Material(gathered, None, None, None, lambda trial, _: outcomes.get(trial.id))


@pytest.fixture(scope="module")
def section(found: Material) -> Section:
    said = resolve_probe(REFERENCE).read(found)
    assert said is not None
    return said


def stored(found: Material, model: str, *, samples: int = 1, first: int = 0) -> Outcome:
    """Return what is stored of the net under some settings, found without the probe's help."""
    for trial in resolve_probe(REFERENCE).trials(found.subject):
        settings = trial.model.partition("?")[2]
        if (settings, trial.settings["samples"], trial.scope.first) == (model, samples, first):
            outcome = found.outcome(trial)
            assert outcome is not None
            return outcome
    raise AssertionError(model)


def valid(outcome: Outcome) -> list[bool]:
    """Ask the exact checker of each first answer."""
    right = []
    for problem, answer in zip(problems(), outcome.answers, strict=False):
        ids = PUZZLE.find(answer.texts[0]).ids
        right.append(PUZZLE.is_valid(PUZZLE.given(problem.answer), ids))
    return right


def problems():
    return resolve_task(TASK).problems("test", BOARDS)


def solutions(problem) -> list[str]:
    given = PUZZLE.given(problem.answer)
    return [PUZZLE.decode(given, ids) for ids in PUZZLE.solutions(given, 1000)]


def table(section: Section, name: str) -> SectionTable:
    (one,) = (table for table in section.tables if table.name == name)
    return one


def value(section: Section, name: str) -> float:
    figure = section.values[name]
    assert figure is not None, name
    assert not isinstance(figure, str)
    return figure if isinstance(figure, int | float) else figure.value


def test_validity_goes_by_the_number_of_solutions(found: Material, section: Section) -> None:
    sizes = [len(solutions(problem)) for problem in problems()]
    right = valid(stored(found, ""))
    rows = table(section, "Solutions").rows
    assert sum(row.cells[1] for row in rows) == BOARDS
    for row in rows:
        low, _, high = str(row.cells[0]).partition("–")
        there = [
            ok for ok, n in zip(right, sizes, strict=True) if int(low) <= n <= int(high or low)
        ]
        assert row.cells[1] == len(there)
        assert row.cells[2].value == pytest.approx(sum(there) / len(there))
        assert row.cells[2].low <= row.cells[2].value <= row.cells[2].high
    assert len(rows) > 2


def test_depth_and_width_are_those_of_the_trials_with_their_time(
    found: Material, section: Section
) -> None:
    deep = valid(stored(found, "depth=2"))
    for width, name in ((1, "one sample"), (4, "vote of 4")):
        for depth in DEPTHS:
            more = "" if width == 1 else "&width=4&selector=majority"
            outcome = stored(found, f"depth={depth}{more}")
            right, said = valid(outcome), f"{name} at depth {depth}"
            assert value(section, said) == pytest.approx(sum(right) / BOARDS)
            seconds = outcome.serving["seconds"] / BOARDS
            assert value(section, f"{said}, seconds an answer") == pytest.approx(seconds)
            if outcome.trial.model != stored(found, "depth=2").trial.model:
                gain = (sum(right) - sum(deep)) / BOARDS
                over = value(section, f"{said} over one sample at depth 2")
                assert over == pytest.approx(gain)


def test_an_answer_that_was_drawn_before_took_no_time_of_its_own(found: Material) -> None:
    outcome = stored(found, "")
    reused = Outcome(outcome.trial, outcome.answers, serving={"completions_reused": BOARDS})
    again = Material(
        found.gathered, None, None, None,
        lambda t, x: reused if t.model.endswith("depth=1") else found.stored(t, x),
    )  # fmt: skip
    said = resolve_probe(REFERENCE).read(again)
    assert said is not None
    assert table(said, "Depth and width").rows[0].cells[4] == "–"
    assert as_json(said)["values"]["one sample at depth 1, seconds an answer"] is None


@pytest.mark.parametrize("k", [1, 2, 4])
def test_coverage_is_the_mean_over_all_subsets_between_its_ceilings(
    found: Material, section: Section, k: int
) -> None:
    drawn = stored(found, "", samples=4)
    shares, fixed, even = [], [], []
    for problem, answer in zip(problems(), drawn.answers, strict=True):
        known = solutions(problem)
        if len(known) == 1:
            continue
        subsets = list(combinations(answer.texts, k))
        shares.append(np.mean([len(set(some) & set(known)) for some in subsets]) / len(known))
        fixed.append(1 / len(known))
        even.append(1 - (1 - 1 / len(known)) ** k)
    assert value(section, f"coverage at {k}") == pytest.approx(np.mean(shares))
    assert value(section, f"one fixed answer at {k}") == pytest.approx(np.mean(fixed))
    assert value(section, f"even draws at {k}") == pytest.approx(np.mean(even))
    (chart,) = (chart for chart in section.charts if chart.name == "coverage")
    assert [series.name for series in chart.series if series.is_bound] == [
        "one fixed answer",
        "even draws",
    ]


def test_selectors_stand_side_by_side_and_say_which_of_them_know_the_rules(
    found: Material, section: Section
) -> None:
    rows = {str(row.cells[0]): row.cells for row in table(section, "Selectors").rows}
    for name, cells in rows.items():
        more = "" if name == "first" else f"&selector={name}"
        right = valid(stored(found, f"width=4{more}"))
        assert cells[2].value == pytest.approx(sum(right) / BOARDS)
    assert [name for name, cells in rows.items() if cells[1] == "yes"] == ["checker", "oracle"]
    assert set(rows) == {"first", "majority", "halt", "value", "residual", "checker", "oracle"}


def test_training_is_what_the_folder_says(section: Section, net: Path) -> None:
    assert value(section, f"{net}, divergence in nats") == 4.0
    assert value(section, f"{net}, log of the number of solutions") == 1.5
    assert value(section, f"{net}, posterior accuracy") == 0.5
    assert value(section, f"{net}, prior validity") == 0.125
    (chart,) = (chart for chart in section.charts if chart.name == "divergence")
    kl, bound = chart.series
    assert [(point.x, point.y) for point in kl.points] == [(10, 8.0), (20, 4.0)]
    assert bound.is_bound
    assert {point.y for point in bound.points} == {1.5}


def test_training_is_left_out_where_the_folder_holds_another_net(found: Material) -> None:
    other = Material(
        found.gathered, None, None, None,
        lambda t, x: Outcome(t, found.stored(t, x).answers, sources={"weights": "another"}),
    )  # fmt: skip
    said = resolve_probe(REFERENCE).read(other)
    assert said is not None
    assert "divergence" not in [chart.name for chart in said.charts]
    assert any("its folder is gone, says nothing or holds another" in one for one in said.sentences)
    assert "depth" in [chart.name for chart in said.charts]


def test_a_strip_marks_what_must_change_to_reach_the_nearest_solution(
    found: Material, section: Section
) -> None:
    (strip,) = section.strips
    problem = problems()[1]
    given = "".join(PUZZLE.decode((), PUZZLE.given(problem.answer)).split())
    for depth, still in zip(DEPTHS, strip.stills, strict=True):
        text = stored(found, f"depth={depth}", first=2).answers[1].texts[0]
        board = text.replace(" ", "")
        known = [one.replace(" ", "") for one in solutions(problem)]
        least = min(sum(a != b for a, b in zip(board, one, strict=True)) for one in known)
        assert "".join(cell.text for cell in still.cells) == board
        assert still.wrong == least == value(section, f"wrong cells at depth {depth}")
        assert [cell.is_given for cell in still.cells] == [cell != "." for cell in given]
    assert (strip.across, strip.box) == (4, (2, 2))


def test_the_answer_of_less_depth_is_a_beginning_of_the_same_trajectory() -> None:
    board = problems()[0]
    question = PUZZLE.given(board.answer)
    model = recursive_model()
    how = Rolling(3, stream="greedy", is_traced=True)
    traced = roll(model.net, torch.tensor([question]), [" ".join(map(str, question))], how).traced
    for depth in (1, 2, 3):
        one = recursive_model(how=Reasoning(depth=depth))
        request = Request(board.question, "any", 1)
        ((said,),) = one.draw([request], Sampling(max_new_tokens=64, temperature=0), Ledger())
        assert said.text == PUZZLE.decode(question, traced[0, 0, depth - 1].tolist())


def test_it_is_printed_and_written_as_json(section: Section) -> None:
    text = section_text(section)
    assert max(map(len, text.splitlines())) <= 100
    assert "[1]" in text or "[2]" in text or "[3]" in text or "[4]" in text
    said = json.loads(json.dumps(as_json(section), allow_nan=False))
    assert said["strips"][0]["stills"][0]["cells"][0]["text"] in "1234"
    assert math.isclose(said["values"]["coverage at 4"]["value"], value(section, "coverage at 4"))


def test_what_has_not_run_is_left_out(found: Material) -> None:
    few = Material(
        found.gathered, None, None, None,
        lambda t, x: None if "selector" in t.model else found.stored(t, x),
    )  # fmt: skip
    said = resolve_probe(REFERENCE).read(few)
    assert said is not None
    assert [table.name for table in said.tables] == ["Coverage", "Training"]
    none = Material(found.gathered, None, None, None, lambda *_: None)
    assert resolve_probe(REFERENCE).read(none) is None


@pytest.mark.parametrize("probe", ["recursion", "recursion?twin=scripted:latent"])
def test_other_models_are_refused_in_words_before_anything_loads(net: Path, probe: str) -> None:
    plan = plan_of(net, probe) if "twin" in probe else _scripted(probe)
    with pytest.raises(AccessError, match=r"scripted:latent.*which is no recursive net"):
        check_plan(plan)


def _scripted(probe: str) -> Plan:
    sizes = {"test": BOARDS, "selection": 4, "samples": 4}
    return plan_for("scripted:latent", "sums", ["cot_decoding"], probes=(probe,), **sizes)


@pytest.mark.parametrize("wrong", ["depths=[0]", "widths=[]", "strip=-1"])
def test_what_cannot_be_rolled_out_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="recursion"):
        resolve_probe(f"recursion?{wrong}")


def test_a_twin_stands_beside_it_and_other_settings_of_the_net_stay(net: Path) -> None:
    probe = resolve_probe(f"recursion?widths=[2]&twin=recursive:{net}%3Fnoise=0.5")
    subject = plan_for(
        f"recursive:{net}?noise=0.25&width=9&selector=halt", TASK, ["self_consistency"],
        test=BOARDS, selection=4, samples=4,
    ).subjects()[0]  # fmt: skip
    models = {trial.model for trial in probe.trials(subject)}
    assert f"recursive:{net}?noise=0.5" in models
    assert f"recursive:{net}?noise=0.25&width=2&selector=oracle" in models
    assert not any("width=9" in model for model in models)


def test_a_correct_mark_is_a_valid_board(found: Material) -> None:
    outcome = stored(found, "")
    marked = [answer.mark.lenient == Grade.CORRECT for answer in outcome.answers]
    assert marked == valid(outcome)
    assert 0 < sum(marked) < BOARDS
