"""Records of Python are read as a file of the same rows would be, whatever holds them."""

import json

import numpy as np
import pytest

from modicum.errors import ConfigError
from modicum.tables.lent_rows import lend_rows, plain_rows
from modicum.task import resolve_task

ROWS = [{"question": f"What is {i} + {i}?", "answer": 2 * i, "level": None} for i in range(60)]
SPLITS = ("shots", "selection", "test")


def test_records_are_the_task_that_a_file_of_them_is(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    loan = lend_rows(ROWS)
    ours, file = resolve_task(f"records:{loan.name}"), resolve_task(f"jsonl:{path}")
    assert ours.fingerprint == file.fingerprint
    for split in SPLITS:
        n = file.sheet.available[split]
        assert ours.problems(split, n) == file.problems(split, n)
    assert ours.origin(ours.problems("test", 1)[0]).startswith("record ")


def test_a_data_frame_and_columns_hold_the_same_records() -> None:
    pandas = pytest.importorskip("pandas")
    names = {
        lend_rows(data).name
        for data in (
            ROWS,
            iter(ROWS),
            {name: [row[name] for row in ROWS] for name in ROWS[0]},
            pandas.DataFrame(ROWS),
            [{**row, "answer": np.int64(row["answer"]), "level": float("nan")} for row in ROWS],
        )
    }
    assert len(names) == 1


def test_a_data_set_gives_its_classes_by_name() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"question": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    data = datasets.Dataset.from_list(
        [{"question": "Is it?", "label": 1}, {"question": "Is it not?", "label": 0}], features
    )
    assert [row["label"] for row in plain_rows(data)] == ["yes", "no"]
    with pytest.raises(ConfigError, match=r"data\['train'\]"):
        plain_rows(datasets.DatasetDict({"train": data, "test": data}))


def test_cells_become_what_json_can_hold() -> None:
    cell = {"a": np.float32(0.5), "b": (1, np.array([2, 3])), "c": b"x", "d": object()}
    assert plain_rows([{"q": cell}])[0]["q"] == {
        "a": 0.5,
        "b": [1, [2, 3]],
        "c": "x",
        "d": "(object)",
    }


@pytest.mark.parametrize("data", [[], 3, "rows", [1, 2], {"a": [1], "b": [1, 2]}, None])
def test_what_holds_no_records_is_refused(data) -> None:
    with pytest.raises(ConfigError):
        plain_rows(data)


def test_records_that_nobody_keeps_are_not_found() -> None:
    name = lend_rows([{"question": "Where?", "answer": "gone"}] * 3).name
    with pytest.raises(ConfigError, match=r"Study\(task=rows"):
        resolve_task(f"records:{name}")
