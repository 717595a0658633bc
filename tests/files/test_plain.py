"""Typed values made plain and rebuilt; what does not fit is refused with its place."""

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NewType

import pytest

from modicum.plain import plain, table_of, thawed

Name = NewType("Name", str)


class Colour(enum.IntEnum):
    RED = 1


@dataclass(frozen=True)
class Part:
    pair: tuple[float, float]
    many: tuple[int, ...] = ()


@dataclass(frozen=True)
class Whole:
    name: Name
    part: Part
    by_name: Mapping[str, Part]
    colour: Colour
    word: Literal["one", "two"] = "one"
    other_word: Literal["three"] | None = "three"
    maybe: Part | None = None
    either: tuple[int, ...] | str = ""
    flag: bool = False
    open: object = None


WHOLE = Whole(
    Name("n"),
    Part((math.inf, 2), (3,)),
    {"a": Part((0.5, 1.0))},
    Colour.RED,
    "two",
    None,
    Part((1.0, 1.0)),
    (4, 5),
    True,
    {"any": [1, None]},
)


def test_what_was_made_plain_is_rebuilt() -> None:
    assert thawed(Whole, json.loads(json.dumps(plain(WHOLE)))) == WHOLE
    assert thawed(list[Whole], json.loads(json.dumps(plain([WHOLE])))) == [WHOLE]


def test_a_record_is_a_table_of_its_fields() -> None:
    assert table_of(WHOLE) == plain(WHOLE)
    assert list(table_of(WHOLE)) == [field.name for field in dataclasses.fields(Whole)]
    with pytest.raises(TypeError, match="no fields"):
        table_of(3)


def test_values_are_rewritten_before_they_are_made_plain() -> None:
    def named(value: object) -> object:
        return "a part" if isinstance(value, Part) else value

    assert plain({"x": (Part((1, 2)), 3)}, named) == {"x": ["a part", 3]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"flag": 1}, r"Whole\.flag = 1, expected true or false"),
        ({"name": 3}, r"Whole\.name = 3, expected a text"),
        ({"colour": 7}, r"Whole\.colour = 7, expected a Colour"),
        ({"word": "three"}, r"Whole\.word = 'three', expected one of one, two"),
        ({"other_word": "four"}, r"Whole\.other_word = 'four', expected one of three"),
        ({"part": None}, r"Whole\.part = None, expected a table"),
        ({"part": {"pair": [1]}}, r"Whole\.part\.pair = \[1\], expected a list of 2"),
        ({"part": {"pair": [1, True]}}, r"pair\[1\] = True, expected a number"),
        ({"part": {"pair": [1, 2], "many": [1.5]}}, r"many\[0\] = 1\.5, expected a whole number"),
        ({"part": {}}, r"Whole\.part: .*missing .*'pair'"),
        ({"by_name": {"a": 1}}, r"Whole\.by_name\.a = 1, expected a table"),
        ({"by_name": [1]}, r"Whole\.by_name = \[1\], expected a table"),
        ({"either": 3}, r"Whole\.either = 3, expected a text"),
        ({"other": 3}, r"Whole: 'other' is none of its fields"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(changes, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        thawed(Whole, {**table_of(WHOLE), **changes})
