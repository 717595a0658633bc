"""Markers as a user would write them: what `--mark-with` runs in a process of its own."""

import os
import time
from pathlib import Path


def is_last_word(text, answer):
    """Right where the last word is the gold."""
    words = text.replace("}", " ").replace("{", " ").split()
    if not words:
        return None
    return {"correct": words[-1] == answer, "answer": words[-1]}


def hangs(text, answer):
    """Hang on one word, for ever; counts its calls in a file that the text names."""
    del answer
    if "hang" in text:
        _count(text)
        while True:
            pass
    return True


def sleeps_once(text):
    """Hang at the first call only."""
    if _count(text) == 1:
        time.sleep(60)
    return True


def dies(text):
    """End its process."""
    _count(text)
    os._exit(3)


def shouts(text):
    """Return more than anyone wants, or prints it."""
    print("x" * 1_000_000)
    return "x" * 1_000_000 if "return" in text else 1.0


def raises(text):
    """Raises."""
    raise KeyError(text)


def says_nonsense(text):
    """Return what is no verdict."""
    del text
    return "maybe"


def wants_the_question(text, question):
    """Right where the text repeats the question."""
    return 1.0 if question in text else 0.5


def has_two_readings(text, answer):
    """A strict reading of its own."""
    return {"correct": answer in text, "strict": text == answer}


def _count(text) -> int:
    path = Path(text.split()[-1])
    n = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(n))
    return n
