"""Names of study folders: plain, readable, without a secret."""

import pytest

from modicum.files.foreign import is_name
from modicum.running.homes import home_name
from modicum.study.grid import Grid
from modicum.study.plan import Plan


def _name(model: str, task: str = "sums") -> str:
    return home_name(Plan((Grid((model,), (task,)),)))


@pytest.mark.parametrize(
    ("model", "task", "name"),
    [
        ("scripted:latent", "sums", "sums--scripted-latent"),
        (
            "Qwen/Qwen2.5-0.5B-Instruct",
            "gym:chain_sum",
            "gym-chain_sum--Qwen-Qwen2.5-0.5B-Instruct",
        ),
        ("/models/mine", "jsonl:data/my rows.jsonl", "my-rows--mine"),
        ("organism", "scrambled:word_sums", "scrambled-word_sums--organism"),
        ("organism?x=y", "sums", "sums--organism-x-y"),
        ("openai:gpt-4?base_url=http://host:8000/v1&api_key_env=KEY", "sums", "sums--openai-gpt-4"),
        ("scripted", "gym:chain_sum?max_terms=3", "gym-chain_sum-max_terms-3--scripted"),
        ("..", "sums", None),
    ],
)
def test_name_is_readable_and_no_path(model: str, task: str, name: str | None) -> None:
    found = _name(model, task)
    assert is_name(found)
    assert name in (None, found)


@pytest.mark.parametrize(
    "model",
    [
        "openai:m?base_url=http://user:hunter2@host/v1",
        "openai:http://user:hunter2@host/v1",
        "openai:m?api_key=hunter2",
        "openai:m?token=hunter2&seed=3",
        "openai:m?extra=sk-hunter2abc",
    ],
)
def test_name_holds_no_secret(model: str) -> None:
    assert "hunter2" not in _name(model)


def test_many_models_are_counted() -> None:
    grid = Grid(("a", "b", "c"), ("sums",))
    assert home_name(Plan((grid,))) == "sums--3-models"


def test_long_names_are_cut() -> None:
    assert len(_name("m" * 400, "t" * 400)) < 120
