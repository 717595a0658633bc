"""What a folder holds beside trials: every plan that it was run with, and the tasks of all of them."""

import pytest

from modicum.store.database import Store
from modicum.store.kept_tasks import record_of
from modicum.task import resolve_task


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "study")
    yield opened
    opened.close()


def test_plans_are_kept_with_the_newest_first(store) -> None:
    for test in (8, 6, 8, 4):
        store.freeze({"name": "x", "test": test})
    assert [plan["test"] for plan in store.plans] == [4, 8, 6]
    assert store.plan == store.plans[0]


def test_folder_with_one_plan_holds_no_other(store) -> None:
    assert store.plans == []
    store.freeze({"name": "x", "retain": ("none",)})
    store.freeze({"name": "x", "retain": ["none"]})
    assert store.plans == [{"name": "x", "retain": ["none"]}]


def test_kept_task_with_more_problems_stays(store) -> None:
    task = resolve_task("sums")
    small, large = (record_of(task, task.problems("test", n)) for n in (4, 9))
    for record in (small, large, small):
        store.keep_task("sums", record)
    assert store.kept_tasks() == {"sums": large}
