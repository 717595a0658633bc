"""What enters a trial's identity: typed, and to the letter what was stored."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modicum.scope import Retain, Scope, Versions
from modicum.types import Trial
from tests.support.texts import anything

NAMES = ("test", "selection", "samples", "styles", "own", "max_new_tokens", "retain", "versions",
         "stream", "subject", "sampled", "text", "first", "others")  # fmt: skip
values = st.recursive(
    anything | st.none() | st.booleans() | st.integers(-2, 2**60) | st.floats(allow_nan=False),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(anything, each, max_size=2),
    max_leaves=5,
)
WHOLE = Scope(
    test=20,
    selection=4,
    samples=8,
    styles="all",
    own=("", "{question}"),
    max_new_tokens=0,
    retain=Retain(("a",), 5, {"a": (2, "f")}),
    versions=Versions(1, 2, "e"),
    stream="s",
    subject="scrambled:t",
    sampled=4,
    text="d",
    first=6,
)


@given(st.dictionaries(st.sampled_from(NAMES) | anything, values, max_size=6))
def test_whatever_was_stored_is_read_and_keeps_its_id(stored) -> None:
    again = Scope.thawed(json.loads(json.dumps(stored)))
    assert json.dumps(again.plain(), sort_keys=True) == json.dumps(stored, sort_keys=True)


def test_a_scope_that_was_written_is_read_back_with_nothing_left_over() -> None:
    assert Scope.thawed(json.loads(json.dumps(WHOLE.plain()))) == WHOLE


def test_identity_is_that_of_the_tables_before_scopes_had_a_type() -> None:
    """A hash that was taken of the same facts as a plain table."""
    trial = Trial("m", "scrambled:t", "plain", 4, 1, {"k": 4}, "", WHOLE)
    assert trial.id == "129fa6c61bf6c20c"
    assert WHOLE.plain()["retain"] == [["a"], 5, {"a": [2, "f"]}]
    assert WHOLE.plain()["versions"] == [1, 2, "e"]


def test_what_is_not_set_leaves_no_trace() -> None:
    assert Scope().plain() == {}
    assert Scope(retain=Retain((), 5), versions=Versions(1, 1)).plain() == {
        "retain": [[], 5],
        "versions": [1, 1],
    }


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("test", "2"),
        ("test", True),
        ("sampled", 0),
        ("versions", [1]),
        ("retain", [["a"], 5, {}]),
        ("styles", "some"),
        ("own", ["a"]),
    ],
)
def test_an_odd_entry_stands_aside_as_it_is(name: str, odd) -> None:
    assert Scope.thawed({name: odd}).others == {name: odd}


def test_a_trial_without_its_number_of_problems_says_so() -> None:
    with pytest.raises(KeyError, match="selection"):
        Scope(test=2).size("selection")


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"model": 1}', '{"scope": []}', '{"model": "m", "scope": {}, "more": 1}'],
)
def test_what_is_no_trial_is_refused(text: str) -> None:
    with pytest.raises(TypeError):
        Trial.thawed(text)
