"""One word for one thing: near-words of the word list name nothing public."""

import ast
import re

import pytest

from tests.support.sources import files, short, tree

FORBIDDEN_MODULES = {"utils", "util", "common", "helpers", "helper", "core", "misc", "base"}

NEAR_WORDS = {
    "verifier": "Judge, or Task.mark",
    "grader": "Judge, or Task.mark",
    "evaluator": "Judge, or Task.mark",
    "trainer": "Method, or training.tune",
    "dataset": "Task",
    "benchmark": "Task",
    "example_id": "Problem.id",
    "few_shot_examples": "shots",
    "n_examples": "n_shots",
    "prompt_template": "Style",
    "hyperparameters": "settings",
    "experiment": "Study or Trial",
    "registry": "Catalog",
    "wrapper": "the thing itself",
    "manager": "the thing itself",
    "params": "settings, or parameters of a model",
    "result": "Outcome, Solved or Mark",
    "generation": "Completion",
}
"""Words that must not name a public class or function, and the right ones."""


def _snake(name: str) -> str:
    """Return a name as words with underscores."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _near_words(name: str) -> list[str]:
    """Near-words that stand in a name as whole words."""
    words = f"_{_snake(name)}_"
    return [word for word in NEAR_WORDS if f"_{word}_" in words or f"_{word}s_" in words]


def _public_names(path) -> list[str]:
    """Public classes, functions and methods of a file."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    top = [node for node in tree(path).body if isinstance(node, kinds)]
    inner = [
        node
        for owner in top
        if isinstance(owner, ast.ClassDef) and not owner.name.startswith("_")
        for node in owner.body
        if isinstance(node, kinds)
    ]
    return [node.name for node in (*top, *inner) if not node.name.startswith("_")]


@pytest.mark.parametrize("path", files("src"), ids=short)
def test_module_names_say_what_the_module_is(path) -> None:
    assert path.stem not in FORBIDDEN_MODULES


@pytest.mark.parametrize("path", files("src"), ids=short)
def test_public_names_use_the_word_list(path) -> None:
    wrong = {
        name: [NEAR_WORDS[word] for word in _near_words(name)]
        for name in _public_names(path)
        if _near_words(name)
    }
    assert not wrong


def test_near_words_are_found_within_names() -> None:
    assert _near_words("RewardVerifier") == ["verifier"]
