"""Prompts and answers of nets that know boards alone: what is read, and an answer in pieces."""

import re

from modicum.nets.grid import Ids
from modicum.puzzles.puzzle import Puzzle

__all__ = ["NO_BOARD", "board_in", "board_pieces"]

NO_BOARD = "?"
"""What is answered where a prompt holds no board."""


def board_in(puzzle: Puzzle, prompt: str) -> Ids | None:
    """Return the question in a prompt; None where there is none."""
    try:
        return puzzle.encode(prompt)
    except ValueError:
        return None


def board_pieces(text: str, n: int) -> tuple[str, ...]:
    """Return a text in n pieces: its words, its signs, or even parts.

    >>> board_pieces("12 21", 4), board_pieces("10 2", 2), board_pieces("abc", 2)
    (('1', '2', ' 2', '1'), ('10', ' 2'), ('a', 'bc'))
    """
    for form in (r"\s*\S+", r"\s*\S"):
        found = re.findall(form, text)
        if len(found) == n and "".join(found) == text:
            return tuple(found)
    return tuple(text[len(text) * i // n : len(text) * (i + 1) // n] for i in range(n))
