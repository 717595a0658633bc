"""Golds as texts: after `####`, in a box, as formulas; and the marker and form that fit a column."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modicum.answers import FORMS, PAIRS, Form, boxes, plain
from modicum.marker import Marker, resolve_marker
from modicum.tables.records import few

__all__ = [
    "HASHES",
    "Marking",
    "choose_marking",
    "gsm8k_parts",
    "has_box",
    "is_latex",
    "is_prose",
    "last_box",
    "unboxed",
]

HASHES = "####"
"""What GSM8K's answers stand behind."""
MUCH = 0.2
"""Share of golds with LaTeX from which a column holds formulas, whatever the others are."""
_PROSE_WORDS = 25
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
_BARE_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]+(?P<held>[^{\s$][^$\n]*)")
"""A box without braces, as MATH has a few: all up to the dollar or the end of the line."""
_LATEX = re.compile(
    r"\\(?:[dt]?frac|sqrt|left|right|text|math\w+|pi|theta|alpha|beta|infty|cdot|times|div|pm|le|ge"
    r"|leq|geq|neq|in|cup|cap|circ|angle|begin|end|boxed|fbox|overline|log|ln|sin|cos|tan|sum|int"
    r"|binom|emptyset|ldots|dots|degree|quad|%|\$|[,;!({\[])(?![a-z])|\w\^|\w_\{|\d\{,\}"
)
_SENTENCE = re.compile(r"[.!?](?:\s|$)")


@dataclass(frozen=True)
class Marking:
    """How the answers to a column of golds are marked."""

    marker: Marker
    name: str
    """The marker's name, without settings."""
    form: Form
    """The exact format that is asked for."""
    why: str
    """In words; empty where the user named the marker."""
    odd: dict[int, str] = field(default_factory=dict)
    """Places of golds that are not as the others, with what is odd."""
    is_formulas: bool = False
    """Whether the golds themselves, and no preset, asked for math_verify."""
    hint: str = ""
    """What else the question must say of the answer; empty where nothing."""
    known: dict[str, str | None] = field(default_factory=dict, compare=False)
    """Canonical forms of the golds that were read so far."""

    def gold(self, text: str) -> str | None:
        """Return a gold in the marker's canonical form, read once; None where it cannot be."""
        if text not in self.known:
            self.known[text] = self.marker.gold(text)
        return self.known[text]


def gsm8k_parts(text: str) -> tuple[str, str]:
    r"""Return solution and answer of GSM8K's form: what stands before and after the last `####`.

    Calculator marks `<<3*4=12>>` are left out; the answer ends with its line. It is empty where
    there are no hashes.

    >>> gsm8k_parts("3 * 4 = <<3*4=12>>12 pears.\n#### 12")
    ('3 * 4 = 12 pears.', '12')
    """
    before, found, after = text.rpartition(HASHES)
    if not found:
        return text.strip(), ""
    return _CALCULATOR.sub("", before).strip(), after.strip().partition("\n")[0].strip()


def last_box(text: str) -> str:
    r"""Return what stands in the last box of a text, with braces or without; empty for none.

    >>> last_box(r"so $\boxed{3}$, no: $\boxed 5$."), last_box("none")
    ('5', '')
    """
    held = boxes(text)
    bare = [m["held"].strip().rstrip(".").strip() for m in _BARE_BOX.finditer(text)]
    if not bare:
        return held[-1].strip() if held else ""
    is_last = not held or text.rfind(bare[-1]) > text.rfind(held[-1] + "}")
    return bare[-1] if is_last else held[-1].strip()


def has_box(text: str) -> bool:
    """Whether a text holds a box."""
    return bool(last_box(text))


def unboxed(gold: str) -> str:
    r"""Return a gold without the box that it is as a whole.

    >>> unboxed(r"$\boxed{10}$"), unboxed("10")
    ('10', '10')
    """
    bare = plain(gold)
    if not bare.startswith(("\\boxed", "\\fbox")):
        return gold
    held = last_box(bare)
    rest = bare.removeprefix("\\boxed").removeprefix("\\fbox").strip()
    return held if held and rest in ("{" + held + "}", held) else gold


def is_latex(gold: str) -> bool:
    r"""Whether a gold is written as a formula.

    >>> is_latex(r"\frac{1}{2}"), is_latex("x^2"), is_latex("New York")
    (True, True, False)
    """
    return _LATEX.search(gold) is not None


def is_prose(gold: str) -> bool:
    """Whether a gold is a text of sentences, which no answer will equal."""
    return len(gold.split()) >= _PROSE_WORDS and _SENTENCE.search(gold) is not None


def choose_marking(
    golds: Sequence[Sequence[str]],
    *,
    wanted: str,
    form: str,
    options: int,
    math: str,
) -> Marking:
    """Return the marker that the user named, or the one that fits the golds.

    Args:
        golds: Golds of each row.
        wanted: The user's marker, or empty.
        form: The user's form, or empty.
        options: Most options of a row; 0 where there are none.
        math: Why the golds are formulas already: a preset, boxes; empty where nothing says so.

    Raises:
        UnknownNameError: no such marker.
        ConfigError: the marker's own check refuses.
    """
    found = _Fit(wanted, "") if wanted else _fit(golds, options, math)
    name, why, odd, is_formulas = found.name, found.why, dict(found.odd), found.is_formulas
    marker = resolve_marker(name)
    is_boxed = name == "math_verify" and not wanted
    if wanted and math == "preset math":
        is_boxed = True
    asked = FORMS[form or ("boxed" if is_boxed else "line")]
    if any("\n" in text for i, texts in enumerate(golds) if i not in odd for text in texts):
        asked = dataclasses.replace(asked, is_long=True)
    known = dict(found.known)
    for i, texts in enumerate(golds):
        known.update({text: marker.gold(text) for text in texts if text not in known})
        if i not in odd and all(known[text] is None for text in texts):
            odd[i] = f"the gold {texts[0][:80]!r}, which the marker {_named(marker)!r} cannot read"
    plain_name = name.partition(":")[0].partition("?")[0]
    if is_boxed and is_formulas and not form:
        why += "; asked for in a box"
    is_truth = plain_name == "exact" and golds and all(_is_truth(texts) for texts in golds)
    hint = "X is true or false." if is_truth and not asked.after else ""
    return Marking(marker, plain_name, asked, why, odd, is_formulas, hint, known)


def _is_truth(texts: Sequence[str]) -> bool:
    """Whether a gold is a truth value, which a question that may be answered by yes does not say."""
    return len(texts) == 1 and texts[0].casefold() in ("true", "false")


@dataclass(frozen=True)
class _Fit:
    """The marker that fits golds, and those golds that it does not fit."""

    name: str
    why: str
    odd: Mapping[int, str] = field(default_factory=dict)
    is_formulas: bool = False
    known: Mapping[str, str | None] = field(default_factory=dict)
    """Golds that this marker has read already."""


def _fit(golds: Sequence[Sequence[str]], options: int, math: str) -> _Fit:
    """Choose a marker by all golds of a column."""
    if options:
        return _Fit(f"choice?last={chr(ord('A') + options - 1)}", "the problems have options")
    if math:
        return _Fit("math_verify", math, is_formulas=math != "preset math")
    every = [texts[0] for texts in golds]
    number = resolve_marker("number")
    formulas = [is_latex(text) for text in every]
    read: dict[str, str | None] = {}
    strange: dict[int, str] = {}
    for i, texts in enumerate(golds):
        for text in texts:
            read[text] = read[text] if text in read else number.gold(text)
            if read[text] is None:
                strange[i] = f"the gold {texts[0][:60]!r} is not a number, unlike the others"
                break
    n = sum(formulas)
    others = sum(not formulas[i] for i in strange)
    if n and (not others or few(others, len(every)) or n >= MUCH * len(every)):
        return _Fit(
            "math_verify", f"{n} of {len(every)} gold answers are formulas", is_formulas=True
        )
    if not strange:
        return _Fit("number", "every gold answer is a number", known=read)
    if few(len(strange), len(golds)):
        why = f"all gold answers but {len(strange)} are numbers"
        return _Fit("number", why, strange, known=read)
    return _words(golds)


def _words(golds: Sequence[Sequence[str]]) -> _Fit:
    """Read one of two words where every gold is one of them, else any text."""
    for pair in PAIRS:
        words = pair.split("|")
        if all(text.casefold() in words for texts in golds for text in texts):
            return _Fit(f"exact?among={pair}", f"every gold answer is {' or '.join(words)}")
    return _Fit("exact", "not all gold answers are numbers")


def _named(marker: Marker) -> str:
    return type(marker).__name__.lower()
