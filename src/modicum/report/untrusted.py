"""Text of models and data made safe to show: nothing hidden, nothing endless."""

import re

__all__ = ["LIMIT", "cut", "pieces", "visible"]

LIMIT = 2000
"""Most characters of one text that are shown."""
TAIL = 600
"""Of these, taken from the end, where an answer mostly stands."""

# Everything that has no glyph of its own or moves its neighbours: controls except tab and line
# feed, bidi marks, zero-width characters, separators, lone surrogates, tags, private use.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


def cut(text: str, limit: int = LIMIT) -> tuple[str, int, str]:
    """Return the head of a text, how many characters are left out, and its tail.

    The tail is empty where nothing is left out.
    """
    if len(text) <= limit:
        return text, 0, ""
    return text[: limit - TAIL], len(text) - limit, text[-TAIL:]


def pieces(text: str) -> list[tuple[str, bool]]:
    """Return a text as pieces, each with whether it stands for a hidden character."""
    found: list[tuple[str, bool]] = []
    end = 0
    for match in _HIDDEN.finditer(text):
        if match.start() > end:
            found.append((text[end : match.start()], False))
        found.append((_name(match.group()), True))
        end = match.end()
    if end < len(text):
        found.append((text[end:], False))
    return found


def visible(text: str) -> str:
    r"""Return a text for one line of a terminal: cut, on one line, hidden characters spelled out.

    >>> visible("a" + chr(27) + "[31m" + chr(0x202e) + "b")
    'a\\x1b[31m\\u202eb'
    """
    head, left_out, tail = cut(text)
    joined = f"{head} … {left_out:,} characters left out … {tail}" if left_out else head
    flat = "".join(piece for piece, _ in pieces(joined))
    return flat.replace("\n", " ").replace("\t", " ")


def _name(character: str) -> str:
    """Return the escape of a character, as Python writes it."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
