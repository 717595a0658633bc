"""Opens models behind the fake server, and asks them."""

import urllib.parse

from modicum.ledger import Ledger
from modicum.model import Model, resolve_backend
from modicum.types import Completion, Request, Sampling

QUESTION = "What is 12 + 30?"


def reference(url: str, **settings: object) -> str:
    """Name the fake server's model."""
    values = {"base_url": url, **settings}
    pairs = (f"{k}={urllib.parse.quote(str(v))}" for k, v in values.items())
    return f"openai:tiny-1B?{'&'.join(pairs)}"


def opened(url: str, **settings: object) -> Model:
    """Open it."""
    return resolve_backend(reference(url, **settings)).open()


def ask(model: Model, n: int = 4, **sampling: object) -> tuple[Completion, ...]:
    """Draws n answers to one question."""
    settings = {"max_new_tokens": 8, "stream": "s", **sampling}
    [group] = model.generate([Request(QUESTION, "q", n)], Sampling(**settings), Ledger())
    return group
