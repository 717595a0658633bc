"""What a study will cost: said of what is missing, with nothing loaded, drawn or written."""

import pytest

from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.running.spending import BASELINE, plan_text, spending
from modicum.store.database import Store
from modicum.study import speed
from modicum.study import trial as trials
from modicum.study.forecast import draws, forecast
from modicum.study.speed import Speed, keep_speed, seconds_of, tokens_of, updates_of

PLAN = plan_for(
    "scripted:latent", "sums", ("self_consistency", "few_shot"), (1, 4), test=30, samples=8,
    retain=("none",),
)  # fmt: skip


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path)
    yield store
    store.close()


def test_rungs_add_up_to_the_forecast() -> None:
    ahead = spending(PLAN)
    known = forecast(PLAN, PLAN.trials())
    assert sum(rung.answers for rung in ahead.rungs) == known.completions
    assert sum(rung.tokens for rung in ahead.rungs) == known.tokens


def test_labels_of_a_rung_are_its_largest_budget() -> None:
    labels = {rung.name: rung.labels for rung in spending(PLAN).rungs}
    assert labels == {BASELINE: 0, "self_consistency": 0, "few_shot": 4}


def test_what_has_run_is_not_spent_again(store: Store) -> None:
    run(PLAN, store, Silent())
    assert (spending(PLAN, store).rungs, spending(PLAN, store).done) == ((), len(PLAN.trials()))


def test_time_follows_the_measured_speed(store: Store) -> None:
    keep_speed(store, "scripted:latent", "sums", Speed(0.1, 4.0, 0.0))
    ahead = spending(PLAN, store)
    answers = sum(rung.answers for rung in ahead.rungs)
    assert ahead.seconds == pytest.approx(answers * 4 * 0.1)


def test_answers_to_one_problem_share_its_prompt(store: Store) -> None:
    keep_speed(store, "scripted:latent", "sums", Speed(0.1, 0.0, 6.0))
    ahead = {rung.name: rung for rung in spending(PLAN, store).rungs}["self_consistency"]
    assert ahead.seconds < 0.5 * ahead.answers * 6 * 0.1


def test_processes_share_the_time(store: Store) -> None:
    keep_speed(store, "scripted:latent", "sums", Speed(0.1, 4.0, 6.0))
    assert spending(PLAN, store, 2).seconds == pytest.approx(spending(PLAN, store).seconds / 2)


def test_time_of_a_model_of_unknown_speed_is_not_made_up() -> None:
    assert spending(PLAN).seconds is None
    assert "not known" in plan_text(PLAN)


def test_plan_is_written_without_a_model(monkeypatch) -> None:
    monkeypatch.setattr(trials, "open_model", lambda name: pytest.fail(f"{name} was loaded"))
    assert "few_shot" in plan_text(PLAN)


def test_plan_fits_eighty_columns(store: Store) -> None:
    keep_speed(store, "scripted:latent", "sums", Speed(100.0, 4.0, 6.0))
    assert max(map(len, plan_text(PLAN, store, 4).splitlines())) <= 80


def test_texts_trained_on_side_by_side_take_no_longer_than_a_full_batch(
    store: Store, monkeypatch
) -> None:
    """Few answers, each to its end, show a slow token; a batch of an update is none of them."""
    plan = plan_for("scripted:latent", "sums", ("fine_tune",), (1,), test=1, retain=("none",))
    [trial, *_] = [t for t in plan.trials() if t.method == "fine_tune" and not t.control]
    ahead, slow = draws(plan, trial), Speed(0.5, 4.0, 6.0)
    drawn = tokens_of(ahead, slow) * 0.5
    trained = 3 * max(updates_of(trial) * trial.settings["batch"], trial.settings["passes"]) * 10
    assert seconds_of(ahead, trial, slow) == pytest.approx(drawn + trained * 0.5)
    quick = Speed(0.01, 4.0, 6.0, is_measured=False)
    monkeypatch.setattr(speed, "rough_speed", lambda _: quick)
    assert seconds_of(ahead, trial, slow) == pytest.approx(drawn + trained * 0.01)
    faster = Speed(0.001, 4.0, 6.0)
    assert seconds_of(ahead, trial, faster) == pytest.approx((2 * drawn + trained) * 0.001)
