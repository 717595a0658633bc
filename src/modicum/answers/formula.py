"""Reading formulas: what is set off as one where an answer is said, cut where prose goes on."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import final

from modicum.answers.characters import SETTING, flat, plain, tidy
from modicum.answers.number import Numbers
from modicum.answers.places import Place, last_line
from modicum.answers.quantity import next_quantity
from modicum.answers.reading import Reading, Said, amended

__all__ = ["Formulas", "latex", "value_of", "words_of"]

_FORMULA = re.compile(
    r"\$\$?([^$]{1,600}?)\$\$?|\\\((.{1,600}?)\\\)|\\\[(.{1,600}?)\\\]", re.DOTALL
)
_JOINT = re.compile(r"\s*(?:,|;|and|or|,\s*(?:and|or))\s*")
_LINE = 200
"""Characters of the longest line that may be a formula without saying so."""
_MACRO = re.compile(r"\\[A-Za-z]+(?:\{[^{}]*\})?")
_SENTENCE = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]{2,}")
_PROSE = re.compile(r"[a-z]{3,}\s+[a-z]{2,}|^\s*(?:[0-9.,]+\s+[a-z]{2,})")
_CUT = re.compile(
    r"\n|[.!?;](?=\s|$)|\s\((?=[a-z]{2})|,\s(?=[a-z]{2})|\s(?:because|since|so|which|where|given|hence|"
    r"thus|therefore|but|not|instead)\s"
)
_STARTS = re.compile(r"[\s$(]*(?:[-0-9.\\√π]|[a-zA-Z]\b)")
_UNIT = re.compile(
    r"(?:[\s~]|\\[,;:! ])*(?:"
    r"\\(?:text|mathrm|mbox|textrm|rm)\s?\{[^{}]{0,40}\}"
    r"|(?:cm|mm|km|kg|mg|ml|mL|ft|in|lbs?|oz|hrs?|min|sec|mph|kph|rpm|cc|cl|dm|Hz|kHz)(?![A-Za-z])"
    r"|(?<=[\s~])(?!(?:and|or|to|by)\b)(?=[A-Za-z]*[aeiou])[A-Za-z]{3,20}(?:\s(?!(?:and|or|to)\b)[A-Za-z]{1,20}){0,3}"
    r")?(?:\s?/\s?[a-z]{1,4})?(?:\s?\^\s?\{?-?[0-9]\}?|[²³])?"
)
_BARE = re.compile(
    r"(?:[\s*$`\"'(){}\[\].]|\\[()\[\],;:!]|\\(?:left|right|displaystyle)(?![A-Za-z]))*"
)
_RELATION = re.compile(r"(?<![!<>=≠:\\])=")
_WRAPPED = re.compile(rf"\\(?:{SETTING})\s?\{{([^{{}}]*)\}}")
_LETTERS = re.compile(r"[^\W\d_](?:[^\W\d_]|[\s'’\-,.()])*")
_FUNCTIONS = re.compile(
    r"\b(?:sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|pi|infinity|inf|lim|max|min|gcd|lcm|mod|det)\b"
)
_SYMBOLS = {
    "×": r"\times ", "·": r"\cdot ", "÷": r"\div ", "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ",
    "≥": r"\ge ", "≠": r"\ne ", "±": r"\pm ", "°": r"^{\circ}", "∪": r"\cup ", "∩": r"\cap ",
    "∈": r"\in ", "∅": r"\emptyset ", "\u00a0": " ", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ",
    "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}",
    "¾": r"\frac{3}{4}",
}  # fmt: skip
_READ = 2000
"""Characters of a place that are read; a longer formula is not compared."""
_RAISED = re.compile(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_THOUSANDS = re.compile(r"(?<=[0-9])(?:\\[,;:!]\s?|\{,\}|,\\!\s?)(?=[0-9]{3}(?![0-9]))")
_ROOT = re.compile(r"√\s?(?:\(([^()]*)\)|([0-9]+|[a-z]))")


@final
@dataclass(frozen=True)
class Formulas(Reading):
    """Reads a formula as it stands; what it is worth is for the comparison to say."""

    def stated(self, place: Place) -> Said | None:
        r"""Gives the first formula that is set off in a place, else what stands before prose.

        >>> Formulas().stated(Place(0, r" \(\frac{1}{2}\).")).answer
        '\\frac{1}{2}'
        >>> Formulas().stated(Place(0, "$x=2$ and $x=3$")).answer
        'x=2, x=3'
        """
        text, corrections = amended(place.text.strip()[:_READ])
        for start in corrections:
            if _STARTS.match(text, start) and plain(text[start:]):
                text = text[start:]
                break
        found, rest = _set_off(text)
        if place.is_box or not found:
            cut = None if place.is_box else _CUT.search(text.strip())
            found, rest = _divided(text.strip(), cut.start() if cut and cut.start() else None)
        answer = plain(found)
        return Said(answer, is_whole=not plain(rest)) if answer else None

    def whole(self, text: str) -> str | None:
        """Gives a formula without what sets it off; any text is one."""
        found, rest = _set_off(text[:_READ])
        rest += text[_READ:]
        return plain(text if plain(rest) or not found else found) or None

    def alone(self, text: str) -> str | None:
        """Gives a text that is one formula, or one line without prose."""
        found, rest = _set_off(text[:_READ])
        if found and not plain(rest + text[_READ:]):
            return plain(found) or None
        line = text.strip()
        is_prose = "\n" in line or len(line) > _LINE or _SENTENCE.search(_MACRO.sub("", line))
        return None if is_prose or "$" in line.strip("$") else plain(line) or None

    def anywhere(self, text: str) -> str | None:
        """Gives the last formula that is set off, else the last number, else the last line."""
        found = [next(filter(None, m.groups())) for m in _FORMULA.finditer(text[-_READ:])]
        last = next((one for one in reversed(found) if plain(one)), "")
        return plain(last) or Numbers().anywhere(text) or plain(last_line(text)) or None


def value_of(formula: str) -> Fraction | None:
    r"""Gives what a formula is worth where it is one rational number, units aside; else None.

    >>> value_of(r"x = 9\,500"), value_of(r"15\mbox{ cm}^2"), value_of(r"2\sqrt{3}"), value_of("2k")
    (Fraction(9500, 1), Fraction(15, 1), None, None)
    """
    if len(formula) > _READ:
        return None
    text = flat(formula).strip()
    signs = [*_RELATION.finditer(text)]
    start = signs[-1].end() if len(signs) == text.count("=") and signs else 0
    found = next_quantity(text, start)
    if found is None or found.answer is None or found.decimals or found.letter:
        return None
    unit = _UNIT.match(text, found.end)
    rest = text[unit.end() if unit else found.end :]
    around = text[start : found.start] + " " + rest
    return Fraction(found.answer) if _BARE.fullmatch(around) else None


def words_of(formula: str) -> str | None:
    r"""Gives the words that a formula is, or None where it is a formula.

    Three letters or more are a word, not a product; so is what `\text` sets.

    >>> words_of(r"\text{Evelyn}"), words_of("listen"), words_of("ab"), words_of("sin x")
    ('Evelyn', 'listen', None, None)
    """
    text = plain(formula[: _READ + 1])
    wrapped = _WRAPPED.fullmatch(text)
    found = plain(wrapped[1] if wrapped else text).strip("() ")
    if not found or len(text) > _READ or not _LETTERS.fullmatch(found):
        return None
    if wrapped is None and (_FUNCTIONS.search(found) or not re.search(r"[^\W\d_]{3}", found)):
        return None
    return tidy(found)


def latex(formula: str) -> str:
    r"""Gives a formula in LaTeX alone: signs of other keyboards become macros.

    >>> latex("9\\,500 · 10⁻²"), latex("60°")
    ('9500 \\cdot  10^{-2}', '60^{\\circ}')
    """
    text = _RAISED.sub(lambda m: f"^{{{m.group().translate(_DIGITS)}}}", flat(formula))
    text = _ROOT.sub(lambda m: rf"\sqrt{{{m[1] or m[2]}}}", text)
    for sign, macro in _SYMBOLS.items():
        text = text.replace(sign, macro)
    return _THOUSANDS.sub("", text)


def _divided(text: str, place: int | None) -> tuple[str, str]:
    """A text before and behind a place; all before where there is none."""
    return (text, "") if place is None else (text[:place], text[place:])


def _set_off(text: str) -> tuple[str, str]:
    """The first formula between delimiters, joined with those that only `and` parts from it.

    And what stands around them; two empty texts where there is none.
    """
    held: list[str] = []
    first = last = -1
    for found in _FORMULA.finditer(text):
        inside = next(part for part in found.groups() if part is not None)
        if not inside.strip() or _PROSE.search(_MACRO.sub("", inside)):
            continue  # `$5 for $3` are prices
        if held and not _JOINT.fullmatch(text, last, found.start()):
            break
        first = found.start() if first < 0 else first
        held.append(inside.strip())
        last = found.end()
    return (", ".join(held), text[:first] + text[last:]) if held else ("", "")
