"""How answers are read: where they stand in texts, and what they say; standard library alone.

A reading is a value (`Numbers`, `Letters`, `Texts`, `Formulas`): markers, rewards, votes and exported
decoding rules read by the same one.
"""

from modicum.answers.characters import KEPT, flat, plain, tail, tidy
from modicum.answers.formula import Formulas, latex, value_of, words_of
from modicum.answers.letter import Letters
from modicum.answers.number import Numbers
from modicum.answers.places import FORMS, Form, Place, boxes, last_line, places
from modicum.answers.quantity import Quantity, quantities
from modicum.answers.reading import Reading, Said
from modicum.answers.rule import Announced, Rule, Stated, span_of
from modicum.answers.wording import PAIRS, Texts, same_text
from modicum.answers.worth import equal_numbers

__all__ = [
    "FORMS",
    "KEPT",
    "PAIRS",
    "Announced",
    "Form",
    "Formulas",
    "Letters",
    "Numbers",
    "Place",
    "Quantity",
    "Reading",
    "Rule",
    "Said",
    "Stated",
    "Texts",
    "boxes",
    "equal_numbers",
    "flat",
    "last_line",
    "latex",
    "places",
    "plain",
    "quantities",
    "same_text",
    "span_of",
    "tail",
    "tidy",
    "value_of",
    "words_of",
]
