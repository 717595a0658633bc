"""Errors in Python's words: options of the command line as the keywords that Python has for them."""

import contextlib
import re
from collections.abc import Iterator

from modicum.errors import ConfigError

__all__ = ["as_python", "python_words"]

_WHOLE = (
    (r"with --force\b|--force\b", "check=False"),
    (r"--no-check\b", "check=False"),
    (r"--no-reuse\b", "reuse=[]"),
    (r"--trust\b", "trust=True"),
    (r"--mark-with (\S+)", r'marker="python:\1"'),
    (r"--mark-with\b", "marker="),
    (r"--rung\b", "method"),
    (r"--set\b", "settings"),
    (r"--task FILE\b", "task="),
    (r"--model (\S+) --task ([^\s;]+)", r"model='\1', task='\2'"),
    (r"`modicum run` with the same folder", "`run()` once more"),
    (r"the same `modicum run` command", "`run()` of the same study"),
)
"""What is said otherwise as a whole, by the words of the command line."""
_NUMBER = re.compile(r"--([a-z][a-z-]*)[ =](\d[\d.]*[smh]?)(?![\w.])")
_CHOICE = re.compile(r"--([a-z][a-z-]*)[ =]('[^']*'|[a-z]+_[a-z_]+|all|none|text)(?!\w)")
_PLACE = re.compile(r"--([a-z][a-z-]*) [A-Z]{2,}(?:[.:][A-Z]+)*\b")
_BARE = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")


def as_python(text: str) -> str:
    """Return words for the command line as a Python user would type them.

    >>> as_python("set --max-new-tokens 64; or run anyway with --force")
    'set max_new_tokens=64; or run anyway: check=False'
    >>> as_python("leave them out: --odd leave_out; or lower --test")
    "leave them out: odd='leave_out'; or lower test"
    """
    text = text.replace("run anyway with --force", "run anyway: check=False")
    for pattern, words in _WHOLE:
        text = re.sub(pattern, words, text)
    text = _NUMBER.sub(lambda m: f"{_name(m[1])}={_value(m[2])}", text)
    text = _CHOICE.sub(lambda m: f"{_name(m[1])}={m[2].strip(chr(39))!r}", text)
    text = _PLACE.sub(lambda m: f"{_name(m[1])}=", text)
    return _BARE.sub(lambda m: _name(m[1]), text)


@contextlib.contextmanager
def python_words() -> Iterator[None]:
    """Let errors about what was given speak of keywords.

    Raises:
        ConfigError: whatever is raised inside, of the same kind, in these words.
    """
    try:
        yield
    except ConfigError as error:
        raise error.reworded(as_python).with_traceback(error.__traceback__) from error.__cause__


def _name(option: str) -> str:
    return option.replace("-", "_")


def _value(number: str) -> str:
    """Return a number as it stands, and a time with its unit as a text."""
    return number if number[-1].isdigit() else repr(number)
