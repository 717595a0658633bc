r"""One grammar of answers: how people and models write them, and what is easily taken for them.

A symbol in angles stands for any of its productions; `<value>` is the spelling that a case names. A
case is right where its spellings mean the gold; it is a near miss where they mean another value, in
which the gold stands as a part, or beside which it stands. The spellings of near misses are those of
right answers with other digits, so that no text is in both lists.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["CASES", "GRAMMAR", "Case", "Said", "few", "printed", "said"]

GRAMMAR: Mapping[str, tuple[str, ...]] = {
    "place": (
        "Answer: <value>",
        "**Answer:** <value>",
        "So 2 of 7 are left.\nAnswer: <value>.",
        "<lead> <value>.",
        "\\boxed{<value>}",
        "It is $\\boxed{<value>}$, as it must be.",
        "<answer><value></answer>",
        "<answer>\n<value>\n</answer>",
        "### Final Answer\n<value>",
        "<value>",
        "<other-language><value>",
        '{"answer": "<value>"}',
        "First part: \\boxed{77}. Second part:\n**Answer:** <value>",
        "<answer>77</answer>\nBut no: the answer is <value>",
        "The answer is 77? No.\nFinal answer: <value>",
    ),
    "lead": ("So the answer is", "The final answer is:", "Hence my answer would be"),
    "other-language": ("答案：", "Ответ: ", "La respuesta es ", "Réponse : ", "Die Antwort ist "),
    "numeric-place": (
        "Answer: <value> (not 88)",
        "Answer: <value>, since there are 66 others",
        "Answer: <value>. There were 99 at first.",
        "Answer: 77, no, <value>",
        "Answer: 77. Wait, that is wrong. It should be <value>.",
        "Answer: ~~77~~ <value>",
        "Answer: x = <value>",
        "Answer: 70 + 7 = <value>",
        "#### <value>",
    ),
    "thousands": (
        "9500", "9,500", "9{,}500", "9\\,500", "9,\\!500", "9 500", "9\u00a0500", "9\u2009500",
        "9'500", "9’500", "9_500", "9.5k", "9.5 thousand", "9.5 \\times 10^3", "9.5×10³", "9.5e3",
        "95 hundred", "9500.00", "９，５００", "٩٥٠٠", "$9,500", "9,500 $", "€9.500,00", "USD 9,500",
        "9,500 <unit>", "+9500",
    ),
    "unit": ("cm^2", "cm²", "m/s^2", "apples", "\\text{cm}^3", "%", "percent", "kg·m^2"),
    "counted": ("9,500 of the 20,000 people", "9.5 thousand apples", "9 500 out of 20 000"),
    "large": (
        "2.5 million", "2,500,000", "25,00,000", "2.5M", "$2.5m", "2500k", "25 lakh", "2.500.000",
        "2.5 × 10^6", "2.5 \\cdot 10^{6}", "2.5e6", "250万", "2500 thousand", "0.0025 billion",
    ),
    "below-zero": (
        "-$300", "$-300", "-300", "- 300", "–300", "– 300", "−300", "−$300", "—300", "‑300",
        "－３００", "minus 300", "negative 300", "-3.00 \\times 10^2", "-\\$300", "$-$300",
    ),
    "fraction": (
        "3/8", "\\frac{3}{8}", "\\dfrac{3}{8}", "\\tfrac38", "\\frac 3 8", "\\frac{3}8", "{3 \\over 8}",
        "⅜", "3⁄8", "3 / 8 <unit>",
    ),
    "mixed": ("2 1/4", "2¼", "2 ¼", "2\\frac{1}{4}", "2 \\frac14", "2 and 1/4", "2.25", "2,25", "9/4"),
    "power": ("10^4", "10^{4}", "10⁴", "10**4", "1e4", "1 × 10^4", "100^2"),
    "words": ("twelve", "Twelve apples", "a dozen", "1 dozen", "twelve of them", "twelve, no more"),
    "compound": ("2 hours 30 minutes", "2 hours and 30 minutes", "2h 30m", "2 feet 6 inches"),
    "letter": (
        "B", "b", "(B)", "(b)", "[B]", "B)", "b)", "B.", "**B**", "(B) four", "b) four", "B: four",
        "\\text{B}", "\\textbf{(B)}", "Ｂ", "𝐁", "option B", "(B), by Theorem A",
    ),
    "letter-elsewhere": ("Б", "ب", "খ", "ख", "Ⓑ", "Β"),
    "letter-place": (
        "<value>\n\nExplanation: A is wrong because C is larger than D.",
        "<value>\nA and C are too small.",
        "The correct choice is <value>, by Theorem A.",
        "I choose <value> rather than A.",
        "Answer: A, no, <value>",
        "Answer: A. Wait, <value>",
        "Answer: <value>, not A",
    ),
    "yes": ("Yes", "yes.", "YES", "**Yes**", "Yes, it is.", "Yes, because it fits.", "“Yes”"),
    "no": ("No", "no.", "**No**", "No, it is not.", "No: it does not fit."),
    "accented": ("café", "cafe\u0301", "Café", "“café”", "CAFÉ.", "ｃａｆé", "*café*"),
    "quoted": ("don't stop-go", "don’t stop–go", "Don't  stop−go", "don‘t stop‑go"),
    "formula-place": (
        "$<value>$", "\\(<value>\\)", "\\[<value>\\]", "Answer: $<value>$", "so it is $<value>$",
        "The answer is $<value>$ because $1 + 1 = 2$.",
    ),
    "minus-five": ("-5", "–5", "−5", "- 5", "-5.0", "-\\frac{10}{2}", "x = -5"),
    "degrees": ("60°", "60^\\circ", "60^{\\circ}", "60", "60 \\text{ degrees}"),
    "charge": ("1.6\\times10^{-19}", "1.6 \\cdot 10^{-19}", "16 \\times 10^{-20}", "1.6e-19"),
    "square": ("x^2+2x+1", "(x+1)^2", "1 + 2x + x^2", "x²+2x+1", "x^{2}+2 x+1"),
    "half": ("\\frac{1}{2}", "\\dfrac12", "0.5", "1/2", "\\frac{2}{4}", "½"),
    "root": ("2\\sqrt{2}", "\\sqrt{8}", "2\\sqrt2", "2√2"),
    "anagram": ("listen", "\\text{listen}", "Listen"),
    "rival": (
        "Answer: <value> (12 is close)", "Answer: <value>, not 12", "There are 12.\nAnswer: <value>",
        "\\boxed{12} was wrong. Answer: <value>", "Answer: 12, no, <value>", "Answer: 12\nAnswer: <value>",
        "Answer: <value>. 12 was too small.", "<answer>12</answer> No: <answer><value></answer>",
        "\\boxed{<value>} and not 12", "Answer: <value> because 12 + 1 is more",
    ),
    "another": ("5", "13", "unknown", "-7", "14 million", "1/3"),
    "no-value": (
        "12 or 13", "12-13", "12 to 13", "between 12 and 13", "12, 13", "(12, 13)", "12:30", "12x", "12\\pi",
        "12\\sqrt{2}", "12 + 1", "3 × 4", "x > 12", "±12", "\\sqrt{12}", "\\frac{12}{5}", "12_8", "12/5/2024",
        "1.12.3", "f(12)", "x_{12}", "12i", "not 12", "12½", "twelve or thirteen", "12 hundred",
    ),
    "letters": (
        "A or B", "B or C", "A/B", "B, C", "AB", "both B and C", "C (not B)", "C, since B is wrong",
        "not B", "C rather than B", "all but B",
    ),
    "other-letter": (
        "C\n\nExplanation: B is too small.", "(c) because B fails", "The correct choice is C, by Theorem B.",
        "Answer: B, no, C", "B is wrong. C is correct.", "(B) seems right.\nAnswer: D", "D) four, not B",
        "\\boxed{B} is tempting. Answer: A", "I choose D rather than B", "Answer: Rome (B is Paris)",
    ),
    "not-yes": (
        "No, yes would be wrong", "yes and no", "yes or no", "Yes/no", "not yes", "Yesterday", "maybe",
        "no, it is not (yes)",
    ),
    "other-text": ("cafe", "caffé", "cafés", "the café", "cáfe"),
    "other-quoted": ("dont stop-go", "don't stop go", "don't stop--go", "don't stopgo"),
    "other-minus": ("5", "-6", "-50", "x = 5", "-5x", "-5, 5", "--5", "-\\sqrt{5}"),
    "other-degrees": ("61°", "60\\pi", "-60°", "60, 70", "600", "60x"),
    "other-charge": ("9.1\\times10^{-31}", "1.6\\times10^{-18}", "0", "1.6", "1.6\\times10^{19}", "1.61e-19"),
    "other-square": ("(x-1)^2", "x^2+2x", "x^2", "(x+1)^3", "2x+1"),
    "other-half": ("2", "1", "-\\frac{1}{2}", "0.50001", "\\frac{1}{2}x", "\\frac{1}{3}"),
    "other-root": ("2", "2.8", "\\sqrt{2}", "-2\\sqrt{2}", "2\\sqrt{3}"),
    "other-anagram": ("silent", "\\text{silent}", "enlist", "tinsel"),
}  # fmt: skip
"""Productions by symbol."""
_SYMBOL = re.compile(r"<([a-z-]+)>")
_FEW = 100
"""Texts of a case that are enough where not all are wanted."""
_TAGS = {"answer"}
"""What stands in angles and is no symbol."""


@dataclass(frozen=True)
class Case:
    """Texts of one value beside one gold."""

    marker: str
    gold: str
    places: tuple[str, ...]
    """Symbols of what the value stands in."""
    values: tuple[str, ...]
    """Symbols of its spellings."""
    is_right: bool = True
    """Whether the value is the gold's."""
    digits: tuple[str, str] = ("", "")
    """Digits that near misses have in the place of others: another value, spelled alike."""
    without: str = ""
    """Places that hold this are left out."""


_BOTH = ("place", "numeric-place")
CASES: tuple[Case, ...] = (
    Case("number", "9500", _BOTH, ("thousands",)),
    Case("number", "9500", ("numeric-place",), ("counted",), without="="),
    Case("number", "2500000", _BOTH, ("large",)),
    Case("number", "-300", _BOTH, ("below-zero",), without="="),
    Case("number", "3/8", _BOTH, ("fraction",)),
    Case("number", "2.25", _BOTH, ("mixed",)),
    Case("number", "10000", _BOTH, ("power",), without="="),
    Case("number", "12", ("place",), ("words",)),
    Case("number", "2.5", ("place",), ("compound",)),
    Case("choice", "B", ("place",), ("letter",), without="77"),
    Case("choice", "B", ("place",), ("letter-elsewhere",), without="77"),
    Case("choice", "B", ("letter-place",), ("letter",)),
    Case("exact", "yes", ("place",), ("yes",)),
    Case("exact", "no", ("place",), ("no",)),
    Case("exact", "café", ("place",), ("accented",)),
    Case("exact", "don't stop-go", ("place",), ("quoted",)),
    Case("math_verify", "-5", ("place", "formula-place"), ("minus-five",)),
    Case("math_verify", "60", ("place", "formula-place"), ("degrees",)),
    Case("math_verify", "1.6\\times10^{-19}", ("formula-place",), ("charge",)),
    Case("math_verify", "x^2+2x+1", ("formula-place",), ("square",)),
    Case("math_verify", "\\frac{1}{2}", ("place", "formula-place"), ("half",)),
    Case("math_verify", "2\\sqrt{2}", ("formula-place",), ("root",)),
    Case("math_verify", "listen", ("place",), ("anagram",)),
    Case("number", "400", _BOTH, ("thousands",), is_right=False, digits=("95", "84")),
    Case("number", "2", ("place",), ("thousands",), is_right=False, digits=("95", "76")),
    Case("number", "3.4", _BOTH, ("large",), is_right=False, digits=("25", "34")),
    Case("number", "700", _BOTH, ("below-zero",), is_right=False, digits=("3", "7")),
    Case("number", "7", _BOTH, ("fraction",), is_right=False, digits=("38", "57"), without="7"),
    Case("number", "3", _BOTH, ("mixed",), is_right=False, digits=("2", "3"), without="="),
    Case("number", "6", _BOTH, ("power",), is_right=False, digits=("4", "6"), without="="),
    Case("number", "12", ("rival",), ("another",), is_right=False),
    Case("number", "12", ("place",), ("no-value",), is_right=False),
    Case("choice", "B", ("place",), ("letters",), is_right=False, without="77"),
    Case("choice", "B", ("value",), ("other-letter",), is_right=False),
    Case("exact", "yes", ("place",), ("not-yes",), is_right=False),
    Case("exact", "café", ("place",), ("other-text",), is_right=False),
    Case("exact", "don't stop-go", ("place",), ("other-quoted",), is_right=False),
    Case("math_verify", "-5", ("formula-place",), ("other-minus",), is_right=False),
    Case("math_verify", "60", ("formula-place",), ("other-degrees",), is_right=False),
    Case("math_verify", "1.6\\times10^{-19}", ("formula-place",), ("other-charge",), is_right=False),
    Case("math_verify", "x^2+2x+1", ("formula-place",), ("other-square",), is_right=False),
    Case("math_verify", "\\frac{1}{2}", ("formula-place",), ("other-half",), is_right=False),
    Case("math_verify", "2\\sqrt{2}", ("formula-place",), ("other-root",), is_right=False),
    Case("math_verify", "listen", ("place",), ("other-anagram",), is_right=False),
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One text of the grammar."""

    case: Case
    text: str
    productions: frozenset[str]
    """What it was made by, as `symbol: production`."""


def said(case: Case) -> Iterator[Said]:
    """Yield every text of a case."""
    values = [found for symbol in case.values for found in _expanded(symbol)]
    places = _places(case)
    table = str.maketrans(*case.digits)
    for (place, one), (value, other) in itertools.product(places, values):
        moved = value.translate(table)
        if (moved != value or not table) and not (case.without and case.without in place):
            yield Said(case, place.replace("<value>", moved), one | other)


def few(case: Case) -> list[Said]:
    """Return some texts of a case, evenly spread, and others until all its productions are used."""
    every = list(said(case))
    kept = every[:: 1 + len(every) // _FEW]
    used = frozenset[str]().union(*(text.productions for text in kept))
    for text in every:
        if not text.productions <= used:
            used |= text.productions
            kept.append(text)
    return kept


def _places(case: Case) -> list[tuple[str, frozenset[str]]]:
    return [found for symbol in case.places for found in _expanded(symbol)]


def _expanded(symbol: str) -> list[tuple[str, frozenset[str]]]:
    """Every text of a symbol, with the productions that made it."""
    if symbol == "value":
        return [("<value>", frozenset())]
    found: list[tuple[str, frozenset[str]]] = []
    for production in GRAMMAR[symbol]:
        inner = [s for s in _SYMBOL.findall(production) if s != "value" and s not in _TAGS]
        own = frozenset({f"{symbol}: {production}"})
        for parts in itertools.product(*(_expanded(name) for name in inner)):
            text = production
            for name, (part, _) in zip(inner, parts, strict=True):
                text = text.replace(f"<{name}>", part, 1)
            found.append((text, own.union(*(used for _, used in parts))))
    return found


def printed() -> str:
    """Return the grammar, a symbol a paragraph."""
    lines = []
    for symbol, productions in GRAMMAR.items():
        shown = ["".join(map(_visible, text)) for text in productions]
        lines.append(f"{symbol:<16} ::= " + f"\n{'':<18}| ".join(shown))
    return "\n".join(lines)


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]
