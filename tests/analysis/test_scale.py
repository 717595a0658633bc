"""What is said of scale is what was planted: laws, ratios, equal costs, gains by distance."""

import dataclasses
import json
import math

import pytest

from modicum.analysis.scale_fits import scale_fits
from modicum.analysis.scale_groups import grouped
from modicum.analysis.scale_rates import at_chosen_rates
from modicum.analysis.scale_section import ScaleFindings, scale_section, scale_values
from modicum.analysis.scale_thinking import gains, growths
from modicum.corpora.corpus import Shift
from tests.support.scale_cells import planted

DATA, DEPTHS, SEEDS = (1000, 4000, 16000, 64000), (1, 2, 4), ("0", "1")


def by_data(slope: float, offset: float = 0.0, level: float = 5.0):
    """Losses that fall along data, and faster with parameters."""
    return lambda parameters, tokens, distance, steps, candidates: (
        offset + level * tokens**-slope * parameters**-0.1 + 0.2 * distance
    )


def thought(parameters, tokens, distance, steps, candidates) -> float:
    """Two steps are as trained; thinking saves more where the shift is farther, candidates a little."""
    taken = steps or 2
    return 2.0 + 0.1 * distance - 0.05 * distance * math.log2(taken) - 0.01 * (candidates > 1)


def cells(kind: str, nats, costs: float = 1.0):
    return [
        planted(kind, layers, tokens, seed, nats, costs=costs)
        for tokens in DATA
        for layers in DEPTHS
        for seed in SEEDS
    ]


@pytest.fixture(scope="module")
def fits():
    both = [*cells("transformer", by_data(0.2)), *cells("pondering", by_data(0.3, level=11), 4.0)]
    return scale_fits(both, {0: 0.0}, n_resamples=500)


def test_exponents_along_data_parameters_and_depth_are_those_that_were_planted(fits) -> None:
    truth = {"data": {"transformer": 0.2, "pondering": 0.3}}
    along = [fit for fit in fits.fits if fit.axis == "data"]
    assert len(along) == 6
    for fit in along:
        assert fit.x == DATA
        expected = truth["data"][fit.kind]
        assert fit.exponent.low <= expected <= fit.exponent.high
        assert fit.exponent.value == pytest.approx(expected, abs=0.02)
    for axis in ("parameters", "depth"):
        held = [fit for fit in fits.fits if fit.axis == axis]
        assert [fit.kind for fit in held] == ["transformer", "pondering"]
        for fit in held:
            assert fit.exponent.value == pytest.approx(0.1, abs=0.03)


def test_an_offset_that_is_known_is_taken_off() -> None:
    planted_ones = cells("transformer", by_data(0.2, offset=1.5))
    for offset in (1.5, None):
        found = scale_fits(planted_ones, {0: offset}, n_resamples=300).fits[0]
        assert found.exponent.low <= 0.2 <= found.exponent.high
    without = scale_fits(planted_ones, {0: 0.0}, n_resamples=300).fits[0]
    assert without.exponent.high < 0.15


def test_losses_below_the_offset_are_said_not_to_be_fitted() -> None:
    found = scale_fits(cells("transformer", by_data(0.2)), {0: 3.0}, n_resamples=100)
    assert all(fit.exponent is None for fit in found.fits)
    assert "not fitted" in str(scale_section(findings(found)).tables)


def test_the_ratio_of_exponents_is_theirs(fits) -> None:
    ratios = [one for one in fits.ratios if one.axis == "data"]
    assert len(ratios) == 3  # nets of equal size, and no others
    for one in ratios:
        assert one.first.split()[1:] == one.second.split()[1:]
        assert (one.first.split()[0], one.second.split()[0]) == ("pondering", "transformer")
        assert one.ratio.low <= 1.5 <= one.ratio.high
        assert one.ratio.value == pytest.approx(1.5, abs=0.15)


def test_at_equal_flops_kinds_are_compared_between_their_best_trainings(fits) -> None:
    assert len(fits.equal) == 3
    low, high = max(1.0, 4.0) * 1000 * 1000, 4000 * 64000.0
    assert [one.flops for one in fits.equal] == pytest.approx([low, math.sqrt(low * high), high])
    for one in fits.equal:
        assert (one.first, one.second) == ("pondering", "transformer")
        first, second = (loss.value for loss in one.losses)
        assert one.difference.value == pytest.approx(first - second)
        assert one.difference.low <= one.difference.value <= one.difference.high
    # what was planted crosses: the steeper law loses where little is spent
    assert fits.equal[0].difference.low > 0
    assert fits.equal[-1].difference.high < 0


def test_at_equal_updates_nets_of_equal_size_are_compared_on_the_same_text(fits) -> None:
    losses = {
        (group.net, group.first.cell.tokens): own[0]
        for group, own in zip(fits.groups, fits.losses, strict=True)
    }
    assert len(fits.equal_updates) == len(DATA) * len(DEPTHS)
    for one in fits.equal_updates:
        assert one.first.replace("pondering", "transformer") == one.second
        pair = losses[one.first, one.tokens].value, losses[one.second, one.tokens].value
        assert tuple(loss.value for loss in one.losses) == pair
        assert one.difference.value == pytest.approx(pair[0] - pair[1])
        assert one.difference.low < one.difference.value < one.difference.high
        # windows are the same for both: what makes one hard cancels
        spread = one.losses[0].high - one.losses[0].low
        assert one.difference.high - one.difference.low < 1.5 * spread
    few, most = (
        [one.difference for one in fits.equal_updates if one.tokens == tokens]
        for tokens in (DATA[0], DATA[-1])
    )
    assert all(one.low > 0 for one in few)
    assert all(one.value < other.value for one, other in zip(most, few, strict=True))


def test_recipes_of_one_kind_are_told_apart() -> None:
    recipes = [
        dataclasses.replace(
            one, cell=dataclasses.replace(one.cell, sizes={**one.cell.sizes, "preset": preset})
        )
        for preset, slope in (("s1", 0.2), ("s2", 0.3))
        for one in cells("energy", by_data(slope))
    ]
    found = scale_fits(recipes, {0: 0.0}, n_resamples=100)
    assert {fit.kind for fit in found.fits} == {"energy s1", "energy s2"}
    assert {group.net for group in found.groups} == {
        f"energy {preset} layers {n}" for preset in ("s1", "s2") for n in DEPTHS
    }
    assert len([one for one in found.ratios if one.axis == "data"]) == len(DEPTHS)


def at_rate(one, rate: float, selection: float = 1.0, test: float = 1.0):
    """The same training at another rate, whose losses are scaled."""
    factors = {"selection": selection, "test": test}
    measures = tuple(
        dataclasses.replace(m, whole=tuple(x * factors[m.split] for x in m.whole))
        for m in one.measures
    )
    cell = dataclasses.replace(one.cell, learning_rate=rate)
    return dataclasses.replace(one, cell=cell, measures=measures)


def test_of_several_rates_the_best_on_selection_text_stands_for_each_net() -> None:
    usual = cells("transformer", by_data(0.2))
    small = {one.cell.id for one in usual if one.cell.sizes["layers"] == 1}
    # the other rate is better for one net on selection text, and worse on test text, which nobody asks
    other = [
        at_rate(
            one, 0.01, 0.9 if one.cell.id in small else 1.1, 1.3 if one.cell.id in small else 0.7
        )
        for one in usual
    ]
    found = at_chosen_rates([*usual, *other])
    rates = {(one.cell.sizes["layers"], one.cell.learning_rate) for one in found}
    assert rates == {(1, 0.01), (2, 0.1), (4, 0.1)}
    assert len(found) == len(usual)
    groups = grouped([*usual, *other])
    assert all(len(group.cells) == len(SEEDS) for group in groups)
    said = scale_section(
        dataclasses.replace(findings(scale_fits(found, {0: 0.0}, n_resamples=50)), rates=2)
    )
    assert "2 learning rates" in said.sentences[2]


def test_a_rate_with_fewer_seeds_or_without_selection_text_does_not_stand() -> None:
    usual = cells("transformer", by_data(0.2))
    better = [at_rate(one, 0.01, 0.5) for one in usual]
    half = [one for one in better if one.cell.seed == "0"]
    assert {one.cell.learning_rate for one in at_chosen_rates([*half, *usual])} == {0.1}
    unmeasured = [
        dataclasses.replace(one, measures=tuple(m for m in one.measures if m.split == "test"))
        for one in better
    ]
    assert {one.cell.learning_rate for one in at_chosen_rates([*unmeasured, *usual])} == {0.1}


def test_kinds_whose_costs_do_not_overlap_are_not_compared() -> None:
    both = [*cells("transformer", by_data(0.2)), *cells("pondering", by_data(0.3), 1e6)]
    assert scale_fits(both, {0: 0.0}, n_resamples=50).equal == ()


@pytest.fixture(scope="module")
def thinking():
    found = scale_fits(cells("pondering", thought), {0: 0.0}, n_resamples=200)
    return found, gains(found.groups)


def test_gains_are_paired_and_grow_with_the_distance_as_planted(thinking) -> None:
    found = {
        (one.distance, one.steps, one.candidates, one.over): one.gain
        for one in thinking[1]
        if one.tokens == DATA[0] and one.net.endswith("1")
    }
    for distance in (0, 1, 2):
        four, two = found[distance, 4, 1, "one step"], found[distance, 4, 1, "fewest trained"]
        assert four.value == pytest.approx(0.1 * distance, rel=0.1)
        assert two.value == pytest.approx(0.05 * distance, rel=0.1)
        assert found[distance, 2, 4, "fewest trained"].value == pytest.approx(0.01, rel=0.1)
        assert (distance, 2, 1, "fewest trained") not in found
        # windows differ by a tenth, the difference on one window does not
        assert two.high - two.low < 0.05 * max(distance, 1)
    assert found[1, 1, 1, "fewest trained"].value == pytest.approx(-0.05, rel=0.1)


def test_gains_grow_with_the_distance_as_planted_and_candidates_do_not(thinking) -> None:
    found = {
        (one.distance, one.steps, one.candidates): one.growth
        for one in growths(thinking[1])
        if (one.tokens, one.over) == (DATA[0], "fewest trained") and one.net.endswith("1")
    }
    for distance in (1, 2):
        grown = found[distance, 4, 1]
        assert grown.low <= 0.05 * distance <= grown.high
        assert grown.value == pytest.approx(0.05 * distance, rel=0.1)
        assert found[distance, 2, 4].value == pytest.approx(0, abs=2e-3)
    assert {distance for distance, _, _ in found} == {1, 2}


def test_losses_along_inner_steps_are_fitted_for_nets_that_have_them(thinking) -> None:
    by_steps = [fit for fit in thinking[0].fits if fit.axis == "inner steps"]
    assert [fit.x for fit in by_steps] == [(1.0, 2.0, 4.0)] * 3


def test_nets_that_answer_at_once_have_no_gains(fits) -> None:
    assert {one.net.split()[0] for one in gains(fits.groups)} == {"pondering"}


def test_characters_that_are_asked_are_read_apart(fits) -> None:
    both = cells("transformer", by_data(0.2))
    asked = scale_fits(both, {0: 0.0}, "asked", n_resamples=100)
    whole = scale_fits(both, {0: 0.0}, "whole", n_resamples=100)
    assert asked.losses[0][0].n == 35
    assert asked.losses[0][0].value == pytest.approx(2 * whole.losses[0][0].value, rel=0.1)


def findings(found, gained=()) -> ScaleFindings:
    shifts = tuple(Shift(d, f"shift {d}", 1.0 if d else None) for d in range(3))
    return ScaleFindings("a study", "planted", "whole", shifts, 30, 24, found, tuple(gained))


def test_the_section_names_nets_by_what_differs_and_json_has_no_infinity(thinking) -> None:
    section = scale_section(findings(*thinking))
    assert section.sentences[0].startswith("planted: 24 of 30 trainings finished.")
    by_name = {table.name: table for table in section.tables}
    assert by_name["losses"].rows[0].cells[0] == "pondering layers 1"
    most = [one for one in thinking[1] if one.tokens == max(DATA)]
    for over, name in (
        ("one step", "one step"),
        ("fewest trained", "the fewest steps that were trained"),
    ):
        own = [one for one in most if one.over == over]
        assert len(by_name[f"gain from thinking over {name}"].rows) == len(own) > 0
    said = json.dumps(scale_values(findings(*thinking)), allow_nan=False)
    told = json.loads(said)
    assert told["gains"][0]["gain"]["n"] == 40
    assert {fit["axis"] for fit in told["fits"]} >= {"data", "parameters", "inner steps"}


def test_one_seed_gives_intervals_over_windows_alone() -> None:
    one = [cell for cell in cells("transformer", by_data(0.2)) if cell.cell.seed == "0"]
    found = scale_fits(one, {0: 0.0}, n_resamples=200)
    assert all(fit.exponent is not None for fit in found.fits)
    assert found.fits[0].exponent.high - found.fits[0].exponent.low < 1e-9  # windows cancel
