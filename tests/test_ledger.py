"""The ledger counts what was really spent."""

import pytest

from modicum.errors import BudgetError
from modicum.ledger import Ledger


def test_running_counts_tokens_and_flops() -> None:
    ledger = Ledger()
    ledger.ran(prompt=10, sampled=5, flops_per_token=2.0)
    assert (ledger.tokens_prompt, ledger.tokens_sampled, ledger.flops) == (10, 5, 30.0)


def test_training_counts_three_forward_passes_a_token() -> None:
    ledger = Ledger()
    ledger.trained(100, flops_per_token=2.0)
    assert (ledger.tokens_trained, ledger.updates, ledger.flops) == (100, 1, 600.0)


def test_judging_up_to_the_limit_is_allowed() -> None:
    ledger = Ledger(max_judge_calls=3)
    ledger.judged(3)
    assert ledger.judge_calls == 3


def test_judging_beyond_the_limit_is_a_budget_error() -> None:
    ledger = Ledger(max_judge_calls=3)
    with pytest.raises(BudgetError, match="4 judge calls, limit 3"):
        ledger.judged(4)


def test_observer_is_called_after_the_count() -> None:
    seen = []
    ledger = Ledger(observer=lambda spent: seen.append(spent.tokens_sampled))
    ledger.ran(sampled=5, flops_per_token=1.0)
    ledger.ran(sampled=2, flops_per_token=1.0)
    assert seen == [5, 7]


def test_time_counts_although_the_block_failed() -> None:
    ledger = Ledger()
    with pytest.raises(KeyError), ledger.timed():
        raise KeyError("x")
    assert ledger.seconds > 0


def test_plain_numbers_leave_out_what_is_no_counter() -> None:
    values = Ledger(observer=print, max_judge_calls=2).as_dict()
    assert all(isinstance(value, int | float) for value in values.values())
    assert not {"observer", "max_judge_calls"} & set(values)
