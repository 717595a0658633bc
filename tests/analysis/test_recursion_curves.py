"""How nets were trained: curves that are kept, averaged over seeds, and refused where they are none."""

from types import SimpleNamespace

import pytest

from modicum.analysis.gather import Arm
from modicum.analysis.recursion_curves import averaged, run_of, trained_part
from modicum.outcome import Outcome
from modicum.plain import JsonValue
from modicum.readings.recursion_training import RecursionTraining
from modicum.types import Trial

KEPT: dict[str, JsonValue] = {
    "every": 2,
    "curves": [{"kl": 6.0, "exact": 0.5}, {"kl": 2.0, "exact": 1.0, "prior_valid": 0.5}],
    "log_solutions": 1.0,
}


def test_seeds_are_averaged_figure_by_figure() -> None:
    other = {"every": 2, "curves": [{"kl": 4.0}, {"kl": 4.0, "prior_valid": 1.0}]}
    runs = [run for kept in (KEPT, other) if (run := run_of("net", kept)) is not None]
    whole = averaged(runs)
    assert whole.points("kl") == ((2, 5.0), (4, 3.0))
    assert whole.points("exact") == ((2, 0.5), (4, 1.0))
    assert whole.last("prior_valid") == 0.75
    assert whole.log_solutions == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "text",
        {},
        {"every": 0, "curves": [{"kl": 1.0}]},
        {"every": 1, "curves": []},
        {"every": 1, "curves": [{"kl": "much"}]},
        {"every": 1, "curves": [{"kl": 1.0}], "log_solutions": float("nan")},
    ],
)
def test_what_is_no_curve_is_left_out(wrong: JsonValue) -> None:
    assert run_of("net", wrong) is None


def test_a_deterministic_net_has_validity_and_no_divergence() -> None:
    run = run_of("twin", {"every": 1, "curves": [{"exact": 0.5, "prior_valid": 0.25}]})
    assert run is not None
    part = trained_part([run])
    (chart,) = part.charts
    assert [series.name for series in chart.series] == ["validity"]
    assert part.values["twin, posterior accuracy"] is None
    assert part.values["twin, prior validity"] == 0.25


def test_nets_that_learned_from_shots_are_read_by_budget() -> None:
    def arm(shots: int, kept: JsonValue) -> Arm:
        trial = Trial("recursive:new?task=sudoku", "sudoku", "from_scratch", shots, 0)
        return Arm("from_scratch", shots, (Outcome(trial, made={"recursion": kept}),))

    found = SimpleNamespace(
        gathered=SimpleNamespace(arms=(arm(16, KEPT), arm(64, {**KEPT, "log_solutions": 2.0})))
    )
    section = RecursionTraining().read(found)
    assert section is not None
    assert section.values["from_scratch n=16, divergence in nats"] == 2.0
    divergence, accuracy = section.charts
    names = [series.name for series in divergence.series]
    assert names == [
        "from_scratch n=16",
        "from_scratch n=64",
        "log of the number of solutions, 1 to 2",
    ]
    assert {point.y for point in divergence.series[-1].points} == {1.5}
    assert len(accuracy.series) == 4
    nothing = SimpleNamespace(gathered=SimpleNamespace(arms=()))
    assert RecursionTraining().read(nothing) is None
