"""The dose spends the budget that it is given, and the closed form is never below what is spent."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.ledger import Ledger
from modicum.nudge.attach import attached
from modicum.nudge.dose import Slope, bisected, bound, bounded_dose, divergences, slope_of
from modicum.nudge.steering import Direction, Steering
from modicum.sampling import divergence
from modicum.sampling.divergence import Meter
from modicum.sampling.preference import Fork, preference
from tests.support.tiny import tiny
from tests.support.tiny_models import tiny_local

BUDGETS = st.floats(1e-5, 1.0)


def naive_divergence(plain: np.ndarray, steered: np.ndarray) -> float:
    """KL by its definition, one term at a time."""
    p, q = (np.exp(z - z.max()) / np.exp(z - z.max()).sum() for z in (plain, steered))
    return float(sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True)))


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 3.0))
def test_divergence_is_that_of_its_definition_and_within_the_bound(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    plain, moved = rng.normal(size=(5, 7)) * 2, rng.normal(size=(5, 7)) * size
    found = divergences(torch.tensor(plain), torch.tensor(plain + moved))
    for row in range(5):
        assert float(found[row]) == pytest.approx(
            naive_divergence(plain[row], plain[row] + moved[row]), rel=1e-3, abs=1e-6
        )
        free = moved[row] - moved[row].mean()
        assert float(found[row]) <= float(free @ free) / 4 + 1e-6


def test_slope_is_that_of_a_known_curve() -> None:
    rng = np.random.default_rng(0)
    base, first, second = (torch.tensor(rng.normal(size=(4, 6))) for _ in range(3))

    def logits(g: float) -> torch.Tensor:
        return base + g * first + g**2 / 2 * second + 5 * g  # a shift of all moves nothing

    read = slope_of(logits(-0.01), logits(0.0), logits(0.01), 0.01)
    p = base.softmax(-1)
    variance = (p * first.square()).sum(-1) - (p * first).sum(-1).square()
    wanted = [
        (first - first.mean(-1, keepdim=True)).square().sum(-1),
        (second - second.mean(-1, keepdim=True)).square().sum(-1),
        variance,
    ]
    assert torch.allclose(read.double(), torch.stack(wanted, -1), rtol=1e-3)


@given(BUDGETS, st.floats(0.01, 10), st.floats(0.01, 10), st.sampled_from(["speed", "curve", ""]))
def test_at_the_bounded_dose_the_bound_is_the_budget(
    budget: float, speed: float, curve: float, without: str
) -> None:
    slope = Slope(speed * (without != "speed"), curve * (without != "curve"), 1.0)
    assert bound(slope, bounded_dose(slope, budget)) == pytest.approx(budget, rel=1e-6)


def test_without_curvature_the_bounded_dose_is_the_linear_one() -> None:
    assert bounded_dose(Slope(2.0, 0.0, 1.0), 0.01) == pytest.approx(2 * 0.1 / 2.0)
    assert bounded_dose(Slope(0.0, 3.0, 1.0), 0.01) == pytest.approx((16 * 0.01) ** 0.25 / 3.0**0.5)
    assert math.isinf(bounded_dose(Slope(0.0, 0.0, 0.0), 0.01))


@given(BUDGETS, st.floats(0.05, 20), st.floats(1.0, 4.0), st.floats(0.01, 100))
def test_bisection_meets_the_budget_wherever_it_begins(
    budget: float, scale: float, power: float, start: float
) -> None:
    found = bisected(lambda g: scale * g**power, budget, start, most=60)
    assert found.is_met
    assert found.spent == pytest.approx(budget, rel=0.05)
    assert scale * found.dose**power == pytest.approx(found.spent)


def test_bisection_that_begins_thousands_of_times_too_short_says_that_it_fell_short() -> None:
    found = bisected(lambda g: g, 1.0, 1e-4)
    assert not found.is_met
    assert found.spent == found.dose < 1.0


def test_a_budget_out_of_reach_is_said_and_the_nearest_below_stands() -> None:
    found = bisected(lambda g: 0.5 * math.tanh(g), 0.8, 0.1)
    assert not found.is_met
    assert 0.4 < found.spent <= 0.5


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.fixture(scope="module")
def texts():
    return [((5, 6, 7, 8), (9, 10, 11)), ((7, 7), (3, 4, 5, 6, 9))]


@pytest.mark.parametrize(
    ("where", "offset"), [("generated", 0), ("first", 0), ("first", 2), ("all", 0)]
)
def test_meter_gives_what_a_plain_pass_gives(model, texts, where, offset) -> None:
    direction = torch.linspace(-1, 1, model.module.config.hidden_size)
    steering = Steering((Direction(0, direction),), where, offset)
    found = Meter(model, texts, Ledger()).spent(steering)
    each = []
    for prompt, answer in texts:
        ids = torch.tensor([[*prompt, *answer]])
        start = len(prompt) - 1
        whole = range(ids.shape[1])
        columns = {"all": whole, "generated": whole[start:], "first": [start + offset]}[where]

        def add(_module, _args, output, columns=columns):
            hidden = (output[0] if isinstance(output, tuple) else output).clone()
            for column in columns:
                hidden[:, column] += direction
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        with torch.no_grad():
            plain = model.module(input_ids=ids).logits[0, start:-1].numpy()
            handle = model.module.model.layers[0].register_forward_hook(add)
            steered = model.module(input_ids=ids).logits[0, start:-1].numpy()
            handle.remove()
        each.append([naive_divergence(a, b) for a, b in zip(plain, steered, strict=True)])
    assert found.token == pytest.approx(np.mean(np.concatenate(each)), rel=1e-3)
    assert found.answer == pytest.approx(np.mean([sum(one) for one in each]), rel=1e-3)


def test_a_prompts_opening_is_run_once_for_all_measurements(model, texts) -> None:
    ledger = Ledger()
    meter = Meter(model, texts, ledger)
    assert ledger.tokens_prompt == sum(len(prompt) + len(answer) - 1 for prompt, answer in texts)
    direction = Direction(0, torch.ones(model.module.config.hidden_size))
    for where, tokens in (("first", meter.tokens), ("all", ledger.tokens_prompt)):
        before = ledger.tokens_prompt
        meter.spent(Steering((direction,), where))
        assert ledger.tokens_prompt - before == tokens


@pytest.mark.parametrize("where", ["first", "all"])
@pytest.mark.parametrize("rows", [2, 32])
def test_a_batch_of_nudges_gives_and_counts_what_they_do_one_by_one(
    texts, where, rows, monkeypatch
) -> None:
    monkeypatch.setattr(divergence, "_MOST_ROWS", rows)
    model, rng = tiny_local("qwen2"), np.random.default_rng(3)
    values = torch.tensor(rng.normal(size=(2, 32)), dtype=torch.float32)
    doses = [
        Steering((Direction(layer, values[layer] * dose),), where)
        for dose in (0.5, 1.0, -2.0)
        for layer in (0, 1)
    ]
    counted, alone = Ledger(), Ledger()
    together, single = Meter(model, texts, counted), Meter(model, texts, alone)
    one_by_one = [single.likelihoods([dose])[0] for dose in doses]
    assert together.likelihoods(doses) == pytest.approx(one_by_one, rel=1e-5)
    assert (counted.tokens_prompt, counted.flops) == (alone.tokens_prompt, alone.flops)
    assert len({round(one, 3) for one in (*one_by_one, single.likelihood())}) == len(doses) + 1


def test_a_batch_of_nudges_is_what_a_plain_pass_with_each_of_them_gives(model, texts) -> None:
    direction = torch.linspace(-1, 1, model.module.config.hidden_size)
    doses = [Steering((Direction(layer, direction * 2),), "all") for layer in (0, 1)]
    found = Meter(model, texts, Ledger()).likelihoods(doses)
    for layer, nats in enumerate(found):
        total = 0.0
        with torch.no_grad(), attached(model.module, doses[layer]) as nudge:
            for prompt, answer in texts:
                with nudge.steering_one(slice(None)):
                    scores = model.module(input_ids=torch.tensor([[*prompt, *answer]])).logits[0]
                logprobs = scores[len(prompt) - 1 : -1].log_softmax(-1)
                total += sum(float(row[token]) for row, token in zip(logprobs, answer, strict=True))
        assert nats == pytest.approx(total / 8, rel=1e-5)


def test_rows_that_share_no_cache_are_scored_one_by_one(texts, monkeypatch) -> None:
    monkeypatch.setattr(divergence, "row_windows", lambda _module: None)
    model = tiny_local("llama")
    values = torch.linspace(-1, 1, 32)
    doses = [Steering((Direction(layer, values),), "first") for layer in (0, 1)]
    widths: list[int] = []
    model.module.register_forward_pre_hook(
        lambda _module, _args, given: widths.append(len(given["input_ids"])), with_kwargs=True
    )
    meter = Meter(model, texts, Ledger())
    found = meter.likelihoods(doses)
    assert set(widths) == {1}
    assert found[0] != found[1]


def test_a_small_dose_spends_what_fisher_says_and_less_than_the_bound(model, texts) -> None:
    direction = torch.ones(model.module.config.hidden_size)
    unit = Steering((Direction(0, direction / direction.norm()),), "generated")
    ledger = Ledger()
    meter = Meter(model, texts, ledger)
    slope = meter.slope(unit, 0.02)
    dose = slope.fisher_dose(1e-4)
    spent = meter.spent(unit.scaled(dose)).token
    assert spent == pytest.approx(1e-4, rel=0.2)
    assert spent <= bound(slope, dose)
    assert bounded_dose(slope, 1e-4) <= dose
    assert ledger.tokens_prompt > 0


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1), st.integers(3, 12), st.integers(3, 12))
def test_preference_is_the_slope_of_the_gap(model, layer: int, wanted: int, unwanted: int) -> None:
    [[pull]] = preference(model, [Fork((5, 6, 7), wanted, unwanted)], [layer], Ledger())
    ids, step = torch.tensor([[5, 6, 7]]), 1e-2
    direction = torch.linspace(-1, 1, pull.numel())

    def gap(dose: float) -> float:
        def add(_module, _args, output):
            hidden = (output[0] if isinstance(output, tuple) else output).clone()
            hidden[:, -1] += dose * direction
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        handle = model.module.model.layers[layer].register_forward_hook(add)
        with torch.no_grad():
            logits = model.module(input_ids=ids).logits[0, -1].double()
        handle.remove()
        return float(logits[wanted] - logits[unwanted])

    slope = (gap(step) - gap(-step)) / (2 * step)
    assert float(pull @ direction) == pytest.approx(slope, rel=0.02, abs=1e-3)
