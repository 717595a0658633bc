"""How answers are read: verdicts of published files, the grammar of answers, and other parsers beside ours.

python -m benchmarks.reading [--gsm8k FILE] [--math500 FILE] [--grammar] [--json]

`--gsm8k` (or MODICUM_GSM8K_SOLUTIONS) names `example_model_solutions.jsonl` of openai/grade-school-math,
whose verdicts ours should agree with; `--math500` (or MODICUM_MATH500) a file of MATH problems with
`answer` and `solution`, whose golds should be read in their own solutions and in no other's. Parsers of
numbers that are installed (quantulum3, pint, babel, price-parser, number-parser, numerizer, text2num,
word2number) read the grammar's numbers beside ours; none is needed.
"""

import argparse
import importlib
import importlib.util
import json
import logging
import operator
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType

from benchmarks import Figure, Report
from benchmarks.answer_grammar import CASES, GRAMMAR, Case, printed, said
from modicum.answers import FORMS, Numbers, value_of
from modicum.marker import Marker, resolve_marker
from modicum.types import Grade, Problem

Parser = Callable[[str], object]
SHIFTS = (1, 7, 101)
"""Places by which solutions are moved to make wrong pairs."""
NUMBERS: Mapping[str, str] = {
    "thousands": "9500",
    "large": "2500000",
    "below-zero": "-300",
    "fraction": "3/8",
    "mixed": "2.25",
    "power": "10000",
    "words": "12",
    "compound": "2.5",
}
"""Symbols of the grammar that spell one number."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gsm8k", default=os.environ.get("MODICUM_GSM8K_SOLUTIONS"))
    parser.add_argument("--math500", default=os.environ.get("MODICUM_MATH500"))
    parser.add_argument("--grammar", action="store_true", help="Print the grammar as well.")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report = Report(threads=1)
    report.figures += grammar_figures()
    if given.gsm8k:
        report.figures += gsm8k_figures(Path(given.gsm8k))
    if given.math500:
        report.figures += math_figures(Path(given.math500))
    report.show(as_json=given.json)
    if not given.json:
        print("\n".join(["", *peers_table()]))
        if given.grammar:
            print("\n" + printed())


def _is_right(marker: Marker, gold: str, text: str, form: str = "line") -> bool:
    return marker.mark(Problem("p", "?", gold), text, FORMS[form]).lenient == Grade.CORRECT


def _share(name: str, hits: int, n: int, *, goal: float, seconds: float) -> Figure:
    note = f"{hits:,} of {n:,}, {1e3 * seconds / max(n, 1):.2f} ms each"
    return Figure.of_value(name, hits / max(n, 1), goal=goal, note=note)


def _markers() -> Mapping[str, Marker]:
    found = {case.marker for case in CASES}
    if importlib.util.find_spec("math_verify") is None:
        found.discard("math_verify")
    return {n: resolve_marker(f"{n}?timeout_s=20" if n == "math_verify" else n) for n in found}


def grammar_figures() -> list[Figure]:
    """Mark every text of the grammar."""
    figures = []
    for name, marker in sorted(_markers().items()):
        for is_right in (True, False):
            begun, n, hits = time.process_time(), 0, 0
            for case in (c for c in CASES if (c.marker, c.is_right) == (name, is_right)):
                gold = marker.gold(case.gold)
                assert gold is not None
                for text in said(case):
                    n += 1
                    hits += _is_right(marker, gold, text.text)
            what = "right answers read as right" if is_right else "near misses read as right"
            took = time.process_time() - begun
            figures.append(_share(f"{name}: {what}", hits, n, goal=float(is_right), seconds=took))
    return figures


def _rows(path: Path) -> list[dict[str, object]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def gsm8k_figures(path: Path) -> list[Figure]:
    """Compare our verdicts with those that were published with the model solutions."""
    marker, n, agree = resolve_marker("number"), 0, 0
    begun = time.process_time()
    for row in _rows(path):
        gold = marker.gold(str(row["ground_truth"]).rpartition("A: ")[2])
        assert gold is not None
        for given in row.values():
            if isinstance(given, dict):
                n += 1
                agree += _is_right(marker, gold, given["solution"]) == given["is_correct"]
    took = time.process_time() - begun
    return [_share("GSM8K: published verdicts agreed with", agree, n, goal=1.0, seconds=took)]


def math_figures(path: Path) -> list[Figure]:
    """Read golds in their own solutions, and in those of other problems."""
    rows, marker = _rows(path), resolve_marker("math_verify?timeout_s=20")
    golds = [str(marker.gold(str(row["answer"]))) for row in rows]
    texts = [str(row["solution"]) for row in rows]
    begun = time.process_time()
    own = sum(_is_right(marker, g, t, "boxed") for g, t in zip(golds, texts, strict=True))
    figures = [
        _share(
            "MATH: golds read in their own solutions",
            own,
            len(rows),
            goal=1.0,
            seconds=time.process_time() - begun,
        )
    ]
    begun, pairs = time.process_time(), list(_wrong_pairs(golds))
    taken = sum(_is_right(marker, golds[i], texts[j], "boxed") for i, j in pairs)
    took = time.process_time() - begun
    name = "MATH: golds read in other problems' solutions"
    return [*figures, _share(name, taken, len(pairs), goal=0.0, seconds=took)]


def _wrong_pairs(golds: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of a gold and a solution with another gold; `x=5` is none beside `5`."""
    bare = [gold.rpartition("=")[2] for gold in golds]
    for shift in SHIFTS:
        for i in range(len(golds)):
            j = (i + shift) % len(golds)
            while bare[j] == bare[i]:
                j = (j + 1) % len(golds)
            yield i, j


def _peers() -> Iterator[tuple[str, Parser]]:
    """The parsers that are installed, each as a function from a text to a number."""
    yield "ours, first number said", lambda text: Numbers().whole(text) or _first(text)
    yield "ours, of a formula", value_of
    for name, make in _MAKERS.items():
        try:
            yield name, make(importlib.import_module(name))
        except ImportError:
            print(f"{name} is not installed")


def _quantulum(module: ModuleType) -> Parser:
    return lambda text: module.parse(text)[0].value


def _pint(module: ModuleType) -> Parser:
    units = module.UnitRegistry()
    return lambda text: units.Quantity(text).magnitude


def _babel(module: ModuleType) -> Parser:
    return lambda text: module.parse_decimal(text, locale="en_US")


def _price(module: ModuleType) -> Parser:
    return lambda text: module.Price.fromstring(text).amount


def _text_to_num(module: ModuleType) -> Parser:
    return lambda text: module.text2num(text, "en")


def _math_verify(module: ModuleType) -> Parser:
    logging.disable(logging.WARNING)
    return lambda text: module.parse(text, parsing_timeout=None)[0]


_MAKERS: Mapping[str, Callable[[ModuleType], Parser]] = {
    "quantulum3.parser": _quantulum,
    "pint": _pint,
    "babel.numbers": _babel,
    "price_parser": _price,
    "number_parser": operator.attrgetter("parse_number"),
    "numerizer": operator.attrgetter("numerize"),
    "text_to_num": _text_to_num,
    "word2number.w2n": operator.attrgetter("word_to_num"),
    "math_verify": _math_verify,
}
"""What makes a parser of a module."""


def _first(text: str) -> object:
    return Numbers().read(f"Answer: {text}", FORMS["line"])


def _value(parser: Parser, text: str) -> Fraction | None:
    try:
        return Fraction(str(parser(text)))
    except Exception:  # noqa: BLE001 - parsers raise whatever they like
        return None


def peers_table() -> list[str]:
    """Return how many spellings of each kind each parser reads as the number they mean."""
    bare = [(s, text, Fraction(gold)) for s, gold in NUMBERS.items() for text in _spelled(s)]
    misses = [text for text in _spelled("no-value") if not text.startswith("not")]
    names = [*NUMBERS, "no number"]
    lines = [f"{'read as the number it means':<28}" + "".join(f"{name:>11}" for name in names)]
    counts = [sum(kind == s for kind, *_ in bare) for s in NUMBERS]
    lines.append(f"{'spellings':<28}" + "".join(f"{n:>11}" for n in [*counts, len(misses)]))
    for name, parser in _peers():
        hits = [
            sum(_value(parser, text) == gold for kind, text, gold in bare if kind == symbol)
            for symbol in NUMBERS
        ]
        taken = sum(_value(parser, text) == 12 for text in misses)
        lines.append(f"{name:<28}" + "".join(f"{n:>11}" for n in [*hits, taken]))
    return [
        *lines,
        "(no number: texts such as 12 or 13, 12x, 3 × 4 that are read as 12; fewer is better)",
    ]


def _spelled(symbol: str) -> list[str]:
    """The spellings of a symbol, without a place around them."""
    case = Case("number", "", ("value",), (symbol,))
    assert symbol in GRAMMAR
    return list(dict.fromkeys(text.text for text in said(case)))


if __name__ == "__main__":
    main()
