"""Six kinds of short word problems, each worked out state by state.

A story starts from a short string (three digits or four letters), applies three operations to it and asks
for the result. Every operation works digit by digit or letter by letter, because a net of this size does not
learn carries or modular tables from a few million tokens.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

__all__ = [
    "DIRECT",
    "DRAWS",
    "LETTERS",
    "OPENER",
    "Story",
    "draw_dial_marks",
    "draw_digit_wheels",
    "draw_letter_swaps",
    "draw_line_moves",
    "draw_row_pushes",
    "draw_word_sums",
    "named_stream",
]

OPENER = "Think"
"""First word of the worked form."""
DIRECT = "Answer"
"""First word of the direct form, and the word before the answer in the worked form."""
LETTERS = "BCDFGHJK"
"""Letters of which rows and words are made; each is one token at every place."""

_N_STEPS = 3
_ROW_LENGTH = 4
_MOVES: Mapping[str, tuple[int, ...]] = {
    "flip": (3, 2, 1, 0),
    "roll": (1, 2, 3, 0),
    "swap": (1, 0, 2, 3),
    "cross": (3, 1, 2, 0),
}


def named_stream(*names: str | int) -> Random:
    """Return the random stream that belongs to these names and to no others.

    Names are hashed with their lengths, so that no two lists of names share a stream and no stream is reached
    by adding to the seed of another.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        encoded = str(name).encode()
        digest.update(len(encoded).to_bytes(4, "little") + encoded)
    return Random(int.from_bytes(digest.digest(), "little"))


@dataclass(frozen=True)
class Story:
    """One problem before it is written down: a start, three operations, the states they lead to."""

    question: str
    """The word problem, without any instruction."""
    start: str
    """The value the problem begins with."""
    steps: tuple[str, ...]
    """Each operation as the worked form writes it, between one state and the next."""
    states: tuple[str, ...]
    """The value after each operation; the last one is the answer."""

    @property
    def answer(self) -> str:
        """The right answer."""
        return self.states[-1]

    def worked(self, states: tuple[str, ...] | None = None) -> str:
        """Return the worked form, with these states in place of the right ones if given.

        Args:
            states: one per operation; the answer copies the last.
        """
        shown = self.states if states is None else states
        work = "".join(f"{step}={state}" for step, state in zip(self.steps, shown, strict=True))
        return f"{OPENER} {self.start}{work} {DIRECT} {shown[-1]}"


def draw_word_sums(rng: Random) -> Story:
    """Return a problem of sums and differences without carry or borrow.

    The answer is drawn first, from the 512 numbers without 0 and 9, and the work is drawn backwards from it:
    extreme digits can be told from the signs alone, and a digit that can be guessed is a wrong direct answer
    that is right by accident.
    """
    answer = tuple(rng.randint(1, 8) for _ in range(3))
    values, steps, phrases = [answer], list[str](), list[str]()
    while len(steps) < _N_STEPS:
        after = values[0]
        is_loss = rng.random() < 0.5
        # A leading zero would read as a two-digit number, so the first digit must really change.
        if after[0] == (9 if is_loss else 1):
            continue
        if is_loss:
            before = (
                rng.randint(after[0] + 1, 9),
                rng.randint(after[1], 9),
                rng.randint(after[2], 9),
            )
        else:
            before = (
                rng.randint(1, after[0] - 1),
                rng.randint(0, after[1]),
                rng.randint(0, after[2]),
            )
        amount = "".join(str(abs(a - b)) for a, b in zip(after, before, strict=True))
        steps.insert(0, ("-" if is_loss else "+") + amount)
        phrases.insert(0, ("loses " if is_loss else "gets ") + amount)
        values.insert(0, before)
    start, *states = ("".join(map(str, value)) for value in values)
    question = f"Ann has {start} pears, {', '.join(phrases)}. How many?"
    return Story(question, start, tuple(steps), tuple(states))


def draw_row_pushes(rng: Random) -> Story:
    """Return a problem of letters pushed in at either end of a row, the far end falling off."""
    row = start = _draw_row(rng)
    steps, states = list[str](), list[str]()
    for _ in range(_N_STEPS):
        letter, is_back = rng.choice(LETTERS), rng.random() < 0.5
        row = row[1:] + letter if is_back else letter + row[:-1]
        steps.append(f" {'back' if is_back else 'front'} {letter}")
        states.append(row)
    question = f"Bob has row {start}, gets{','.join(steps)}. Which row?"
    return Story(question, start, tuple(steps), tuple(states))


def draw_dial_marks(rng: Random) -> Story:
    """Return a problem of digitwise maxima and minima."""
    value = start = _draw_number(rng)
    steps, states = list[str](), list[str]()
    for _ in range(_N_STEPS):
        amount, word = _draw_number(rng), rng.choice(("max", "min"))
        pick = max if word == "max" else min
        value = "".join(pick(pair) for pair in zip(value, amount, strict=True))
        steps.append(f" {word} {amount}")
        states.append(value)
    question = f"Cat has dial {start}, sets{','.join(steps)}. Which dial?"
    return Story(question, start, tuple(steps), tuple(states))


def draw_line_moves(rng: Random) -> Story:
    """Return a problem of permutations of four letters."""
    line = start = _draw_row(rng)
    steps, states = list[str](), list[str]()
    for _ in range(_N_STEPS):
        move = rng.choice(tuple(_MOVES))
        line = "".join(line[place] for place in _MOVES[move])
        steps.append(f" {move}")
        states.append(line)
    question = f"Dan has line {start}, does{','.join(steps)}. Which line?"
    return Story(question, start, tuple(steps), tuple(states))


def draw_letter_swaps(rng: Random) -> Story:
    """Return a problem of letters that are replaced wherever they stand."""
    word = start = _draw_row(rng)
    steps, phrases, states = list[str](), list[str](), list[str]()
    for _ in range(_N_STEPS):
        old = rng.choice(word)
        new = rng.choice([letter for letter in LETTERS if letter != old])
        word = word.replace(old, new)
        steps.append(f" {old}>{new}")
        phrases.append(f"{old} to {new}")
        states.append(word)
    question = f"Eve has word {start}, turns {', '.join(phrases)}. Which word?"
    return Story(question, start, tuple(steps), tuple(states))


def draw_digit_wheels(rng: Random) -> Story:
    """Return a problem of three wheels, each moved by three times a digit and wrapping round at ten."""
    value = start = _draw_number(rng)
    steps, states = list[str](), list[str]()
    for _ in range(_N_STEPS):
        amount = _draw_number(rng)
        value = "".join(str((int(a) + 3 * int(b)) % 10) for a, b in zip(value, amount, strict=True))
        steps.append(f" spin {amount}")
        states.append(value)
    question = f"Fay reads wheels {start}, tries{','.join(steps)}. What reads?"
    return Story(question, start, tuple(steps), tuple(states))


DRAWS: Mapping[str, Callable[[Random], Story]] = {
    "word_sums": draw_word_sums,
    "row_pushes": draw_row_pushes,
    "letter_swaps": draw_letter_swaps,
    "dial_marks": draw_dial_marks,
    "line_moves": draw_line_moves,
    "digit_wheels": draw_digit_wheels,
}
"""How each family draws a story; some of its answers equal the start, which `families` leaves out."""


def _draw_row(rng: Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(_ROW_LENGTH))


def _draw_number(rng: Random) -> str:
    return str(rng.randint(100, 999))
