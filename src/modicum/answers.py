"""Where answers stand in a text: tags, boxes, lines that say so; every search takes linear time."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

__all__ = [
    "FORMS",
    "KEPT",
    "NUMBER",
    "Form",
    "boxes",
    "equal_numbers",
    "last_line",
    "last_number",
    "places",
    "plain",
    "plain_number",
    "tail",
]

KEPT = 20_000
"""Characters of a text that are read, from its end; what stands before them is never an answer."""

NUMBER = re.compile(
    r"[-−]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?:/[0-9]+|[eE][-+]?[0-9]{1,3}(?![0-9]))?"
)
"""A number as people write it: commas between thousands only, a fraction or an exponent."""
_SPACES = " \t\n\r\f\v\u00a0\u2009\u202f\u3000"
_DECORATION = _SPACES + '*$`"'
_SAID = re.compile(r"answer[\s*_]*(?:is|:|=)[\s*_:]*([^\n]+)", re.IGNORECASE)
_COLON = re.compile(r"answer\s*:", re.IGNORECASE)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_LONGEST_COMPARED = 400
"""Digits up to which numbers are compared by value; longer ones by their text."""


def tail(text: str) -> str:
    """Gives the part of a text that is read: its last `KEPT` characters, however long it is."""
    return text[-KEPT:]


def plain(text: str) -> str:
    """Gives an answer without decoration: white space, asterisks, dollars, quotes, full stop.

    >>> plain("**Paris.** ")
    'Paris'
    """
    return text.lstrip(_DECORATION).rstrip(_DECORATION + ".")


def plain_number(text: str) -> str:
    """Gives a number's canonical digits: no commas, no zeros that say nothing, a plain minus.

    >>> plain_number("1,234.50"), plain_number("−007"), plain_number(".5")
    ('1234.5', '-7', '0.5')
    """
    text = text.replace(",", "").replace("−", "-")
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    if digits.replace(".", "", 1).isdecimal():
        whole, point, part = digits.partition(".")
        part = part.rstrip("0")
        digits = (whole.lstrip("0") or "0") + (point + part if part else "")
    return digits if digits == "0" else sign + digits


def equal_numbers(one: str, other: str) -> bool:
    """Says whether two texts are the same number: `1/2` and `0.5` are.

    >>> equal_numbers("1/2", "0.50"), equal_numbers("1/0", "1/0"), equal_numbers("1e3", "1000")
    (True, True, True)
    """
    if one == other:
        return True
    if max(len(one), len(other)) > _LONGEST_COMPARED:
        return False
    try:
        return Fraction(one) == Fraction(other)
    except (ValueError, ZeroDivisionError):
        return False


def last_number(text: str) -> str | None:
    """Gives the last number of a text as it is written, or None."""
    found = NUMBER.findall(text)
    return found[-1] if found else None


def last_line(text: str) -> str:
    """Gives the last line that is not blank; empty where there is none."""
    return text.rstrip().rpartition("\n")[2].strip()


def boxes(text: str) -> list[str]:
    r"""Gives what stands in each `\boxed{}` with balanced braces, the innermost ones, in order.

    >>> boxes(r"\boxed{\frac{1}{2}} and \boxed{3")
    ['\\frac{1}{2}']
    """
    found: list[str] = []
    opened: list[tuple[int, bool]] = []
    innermost = -1
    for piece in _BRACES.finditer(text):
        token = piece.group()
        if token == "}":
            start, is_box = opened.pop() if opened else (0, False)
            if is_box and start > innermost:
                innermost = start
                found.append(text[start : piece.start()])
        elif token[-1] == "{" and len(token) != 2:  # `\{` is a brace that is shown
            opened.append((piece.end(), len(token) > 1))
    return found


def places(text: str, form: "Form") -> Iterator[str]:
    """Gives what stands where an answer is said, the surest place first, the last of each kind.

    The form that was asked for, tags `<answer>`, a box, a line `answer is` or `Answer:`, a line
    `#### X`. Where an answer may take several lines, all after `Answer:` is its place.

    Args:
        text: The text, already cut by `tail`.
        form: The form that was asked for.
    """
    found = form.find(text)
    if found is not None:
        yield found
    tagged = _tagged(text)
    if tagged is not None:
        yield tagged
    boxed = boxes(text)
    if boxed:
        yield boxed[-1]
    if form.is_long:
        *_, end = [m.end() for m in _COLON.finditer(text)] or [-1]
        said = [text[end:]] if end >= 0 else []
    else:
        said = _SAID.findall(text.rstrip())
    if said:
        yield said[-1]
    marked = _HASHES.findall(text)
    if marked:
        yield marked[-1]


def _tagged(text: str) -> str | None:
    """What stands in the last `<answer>`; up to the line's end where a stop string cut it."""
    start = text.rfind("<answer>")
    if start < 0:
        return None
    rest = text[start + len("<answer>") :]
    inside, closed, _ = rest.partition("</answer>")
    return inside if closed else rest.strip().partition("\n")[0]


@dataclass(frozen=True)
class Form:
    """The exact format in which an answer is asked for."""

    name: str
    """Short name, as users type it."""
    instruction: str
    """What the question is followed by."""
    before: str
    """What stands before the answer."""
    after: str = ""
    """What stands after it."""
    is_long: bool = False
    """Whether an answer may take several lines."""

    def write(self, answer: str) -> str:
        r"""Gives an answer in this form.

        >>> FORMS["boxed"].write("7")
        '\\boxed{7}'
        """
        return self.before + answer + self.after

    def find(self, text: str) -> str | None:
        r"""Gives what stands in this form, or None: nothing else may follow it.

        Several boxes count only where they hold the same.

        >>> FORMS["line"].find("2 + 3\nAnswer: 5"), FORMS["line"].find("Answer: 5, I think\n:)")
        ('5', None)
        """
        if self.after:
            held = set(boxes(text))
            return held.pop() if len(held) == 1 else None
        text = text.rstrip()
        if self.is_long:
            _, found, rest = ("\n" + text).partition("\n" + self.before)
            return rest if found and rest else None
        line = text.rpartition("\n")[2]
        rest = line.removeprefix(self.before)
        return rest if rest not in ("", line) else None


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "line": Form("line", 'End with a line of the form "Answer: X".', "Answer: "),
        "boxed": Form("boxed", r"Put the final answer into \boxed{}.", "\\boxed{", "}"),
        "hashes": Form("hashes", 'End with a line of the form "#### X".', "#### "),
    }
)
"""The formats that a task may ask for, by name."""
