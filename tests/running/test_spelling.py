"""Errors name keywords where the command line has options."""

import re

import pytest

from modicum.errors import AccessError, ConfigError
from modicum.running.spelling import as_python, python_words
from tests.support.sources import files


@pytest.mark.parametrize(
    ("told", "python"),
    [
        ("set --max-new-tokens 64", "set max_new_tokens=64"),
        ("lower --ceiling-test or raise --test", "lower ceiling_test or raise test"),
        ("or run anyway with --force", "or run anyway: check=False"),
        ("leave them out: --odd leave_out", "leave them out: odd='leave_out'"),
        ("such as --mark-with my_marks.py:is_right", 'such as marker="python:my_marks.py:is_right"'),
        ("choose of: --model a --task b; --model c --task d",
         "choose of: model='a', task='b'; model='c', task='d'"),
        ("--budget 20m", "budget='20m'"),
        ("a -- b, x--y", "a -- b, x--y"),
    ],
)  # fmt: skip
def test_options_become_keywords(told: str, python: str) -> None:
    assert as_python(told) == python


def test_no_option_of_an_error_in_the_code_is_left_as_it_is() -> None:
    options = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
    told = {found for path in files("src") for found in options.findall(path.read_text("utf-8"))}
    assert {"--max-new-tokens", "--force"} <= told
    assert not [one for one in told if "--" in as_python(f"set {one} now")]


def test_an_error_keeps_its_kind() -> None:
    with pytest.raises(AccessError, match="give model"), python_words():
        raise AccessError("a", "b", "give --model")
    with pytest.raises(ConfigError, match="plain"), python_words():
        raise ConfigError("plain", "words", "stay")
