"""The forms of the field's data sets, ten rows each, in our own words, with the golds they mean."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FORMS", "Form"]

N = 10
CITIES = ("Bern", "Oslo", "Rome", "Lima", "Kyiv", "Riga", "Doha", "Suva", "Bonn", "Cork")


@dataclass(frozen=True)
class Form:
    """A file in one form, and what its problems must be."""

    name: str
    file: str
    """Name of the file; its suffix names the task."""
    content: bytes
    golds: tuple[str | tuple[str, ...], ...]
    """Gold of each row in the order of the file; several where several count."""
    marker: str
    options: tuple[tuple[str, ...], ...] = ()
    """Options of each row, as they are lettered."""
    holds: tuple[tuple[str, ...], ...] = ()
    """Texts that each question must hold once."""
    unused: tuple[str, ...] = ()

    def written(self, folder: Path) -> Path:
        """Writes the file into a folder and gives its path."""
        path = folder / self.file
        path.write_bytes(self.content)
        return path


def _lines(rows: Sequence[object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _array(rows: Sequence[object]) -> bytes:
    return json.dumps(rows, indent=1).encode()


def _cells(rows: Sequence[Sequence[object]], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode()


def _each(make: Callable[[int], object]) -> list[object]:
    return [make(i) for i in range(N)]


def _four(i: int) -> list[str]:
    """Four different options of row i."""
    return [CITIES[(i + 3 * k) % N] for k in range(4)]


PLACES = tuple(i % 4 for i in range(N))
LETTERS = tuple("ABCD"[place] for place in PLACES)
FOURS = tuple(tuple(_four(i)) for i in range(N))
ASKED = tuple(f"Which town has the {i + 2} bridges?" for i in range(N))
STORIES = tuple((f"The {i + 2} bridges of a town burnt down.",) for i in range(N))
NUMBERS = tuple(str(3 * i + 1) for i in range(N))


def _gsm8k(i: int) -> dict[str, object]:
    worked = f"He has 3 * {i} = <<3*{i}={3 * i}>>{3 * i} nuts.\nWith one more {3 * i + 1}."
    return {
        "question": f"Sam packs {i} bags of 3 nuts and one more?",
        "answer": f"{worked}\n#### {NUMBERS[i]}",
    }


def _math(i: int) -> dict[str, object]:
    box = rf"\boxed{{\frac{{{i}}}{{7}}}}" if i % 2 else rf"\boxed {i + 2}"
    return {
        "problem": f"Solve $7x = {i}$.",
        "level": "Level 2",
        "type": "Algebra",
        "solution": f"Not $\\boxed{{x}}$ but ${box}$.",
    }


_MATH_GOLDS = tuple(rf"\frac{{{i}}}{{7}}" if i % 2 else str(i + 2) for i in range(N))


def _chat(i: int, gold: str) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": f"You are clerk {i}."},
        {"role": "user", "content": f"What is {i} and {i}?"},
        {"role": "assistant", "content": f"First {i}, then {i}."},
        {"role": "user", "content": f"And the sum of box {i}?"},
        {"role": "assistant", "content": gold},
    ]


_CHAT = tuple(
    (f"You are clerk {i}.", f"What is {i} and {i}?", f"First {i}, then {i}.", f"sum of box {i}?")
    for i in range(N)
)


def _drop(i: int) -> dict[str, object]:
    return {
        "section_id": f"nfl_{i}",
        "query_id": f"id{i}",
        "passage": STORIES[i][0],
        "question": f"How many burnt in year {i}?",
        "answers_spans": {
            "spans": [NUMBERS[i], f"{NUMBERS[i]} bridges"],
            "types": ["number", "span"],
        },
    }


def _drop_raw(i: int) -> dict[str, object]:
    date = {"day": "", "month": "", "year": ""}
    return {
        "passage": STORIES[i][0],
        "qa_pairs": [
            {
                "question": f"How many burnt in year {i}?",
                "answer": {"number": NUMBERS[i], "date": date, "spans": []},
                "query_id": f"q{i}",
            }
        ],
    }


_GPQA_TITLES = [
    "Record ID",
    "Question",
    "Correct Answer",
    *(f"Incorrect Answer {k}" for k in (1, 2, 3)),
]

FORMS: tuple[Form, ...] = (
    Form("GSM8K", "gsm8k.jsonl", _lines(_each(_gsm8k)), NUMBERS, "number"),
    Form(
        "MATH", "math.jsonl", _lines(_each(_math)), _MATH_GOLDS, "math_verify",
        unused=("level", "type"),
    ),
    Form(
        "MATH-500", "math500.jsonl",
        _lines(_each(lambda i: {**_math(i), "answer": _MATH_GOLDS[i]})),  # type: ignore[dict-item]
        _MATH_GOLDS, "math_verify",
    ),
    Form(
        "boxed golds", "boxed.jsonl",
        _lines(_each(lambda i: {"question": ASKED[i], "answer": f"\\boxed{{{NUMBERS[i]}}}"})),
        NUMBERS, "math_verify",
    ),
    Form(
        "MMLU, Hendrycks", "towns_test.csv",
        _cells([[ASKED[i], *_four(i), LETTERS[i]] for i in range(N)]), LETTERS, "choice", FOURS,
    ),
    Form(
        "MMLU, hub", "mmlu.jsonl",
        _lines(_each(lambda i: {"question": ASKED[i], "subject": "towns", "choices": _four(i), "answer": PLACES[i]})),
        LETTERS, "choice", FOURS, unused=("subject",),
    ),
    Form(
        "MMLU, options that are digits", "digits.jsonl",
        _lines(_each(lambda i: {
            "question": ASKED[i], "answer": PLACES[i],
            "choices": ["1", "2", "infinitely many", "0"] if i % 2 else ["7", "8", "9", "many"],
        })),
        LETTERS, "choice",
    ),
    Form(
        "MMLU-Pro", "pro.jsonl",
        _lines(_each(lambda i: {
            "question_id": i, "question": ASKED[i], "options": _four(i), "answer": LETTERS[i],
            "answer_index": PLACES[i], "cot_content": "", "category": "towns",
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "MMLU, as pandas writes it", "pandas.csv",
        _cells([
            ["question", "subject", "choices", "answer"],
            *([ASKED[i], "towns", "[" + " ".join(map(repr, _four(i))) + "]", PLACES[i]] for i in range(N)),
        ]),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "ARC", "arc.jsonl",
        _lines(_each(lambda i: {
            "id": f"T{i}", "question": ASKED[i],
            "choices": {"text": _four(i), "label": list("1234") if i % 3 else list("ABCD")},
            "answerKey": str(PLACES[i] + 1) if i % 3 else LETTERS[i],
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "ARC, digits everywhere", "arcdigits.jsonl",
        _lines(_each(lambda i: {
            "id": f"T{i}", "question": ASKED[i], "answerKey": str(PLACES[i] + 1),
            "choices": {"text": list("4321"), "label": list("1234")},
        })),
        LETTERS, "choice", (tuple("4321"),) * N,
    ),
    Form(
        "ARC, as first published", "arcfirst.jsonl",
        _lines(_each(lambda i: {
            "id": f"T{i}", "answerKey": LETTERS[i],
            "question": {
                "stem": ASKED[i],
                "choices": [{"text": t, "label": a} for a, t in zip("ABCD", _four(i), strict=True)],
            },
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "CommonsenseQA", "csqa.jsonl",
        _lines(_each(lambda i: {
            "id": f"c{i}", "question": ASKED[i], "question_concept": "town",
            "choices": {"label": list("ABCD"), "text": _four(i)}, "answerKey": LETTERS[i],
        })),
        LETTERS, "choice", FOURS, unused=("id", "question_concept"),
    ),
    Form(
        "CommonsenseQA, as first published", "csqafirst.jsonl",
        _lines(_each(lambda i: {
            "answerKey": LETTERS[i], "id": f"c{i}",
            "question": {
                "question_concept": "town", "stem": ASKED[i],
                "choices": [{"label": a, "text": t} for a, t in zip("ABCD", _four(i), strict=True)],
            },
        })),
        LETTERS, "choice", FOURS, unused=("id", "question.question_concept"),
    ),
    Form(
        "GPQA, letters in the question", "gpqa.jsonl",
        _lines(_each(lambda i: {
            "question": ASKED[i] + "\n\n" + "\n".join(f"{a}. {t}" for a, t in zip("ABCD", _four(i), strict=True)),
            "answer": LETTERS[i],
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "AQuA", "aqua.jsonl",
        _lines(_each(lambda i: {
            "question": ASKED[i],
            "options": [f"{a}){t}" for a, t in zip("ABCD", _four(i), strict=True)],
            "rationale": "One looks it up.", "correct": LETTERS[i],
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "MathQA", "mathqa.json",
        _array(_each(lambda i: {
            "Problem": ASKED[i], "Rationale": "One looks it up.", "correct": LETTERS[i].lower(),
            "options": " , ".join(f"{a} ) {t}" for a, t in zip("abcd", _four(i), strict=True)),
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "BoolQ", "boolq.jsonl",
        _lines(_each(lambda i: {"question": f"did {i} burn", "passage": STORIES[i][0], "answer": bool(i % 2)})),
        tuple("true" if i % 2 else "false" for i in range(N)), "exact", holds=STORIES,
    ),
    Form("DROP", "drop.jsonl", _lines(_each(_drop)),
         tuple((NUMBERS[i], f"{NUMBERS[i]} bridges") for i in range(N)), "exact", holds=STORIES),
    Form("DROP, as first published", "drop.json",
         json.dumps({f"nfl_{i}": _drop_raw(i) for i in range(N)}).encode(), NUMBERS, "number", holds=STORIES),
    Form(
        "SVAMP", "svamp.json",
        _array(_each(lambda i: {
            "ID": f"chal-{i}", "Body": STORIES[i][0], "Question": f"How many of {i} are left?",
            "Equation": f"( {i} - 0 )", "Answer": 3.0 * i + 1, "Type": "Subtraction",
        })),
        NUMBERS, "number", holds=STORIES,
    ),
    Form(
        "BIG-bench hard", "bbh.json",
        json.dumps({"canary": "none", "examples": _each(lambda i: {"input": f"{i} * 3 + 1 =", "target": NUMBERS[i]})}).encode(),
        NUMBERS, "number",
    ),
    Form(
        "BIG-bench hard, lettered", "lettered.json",
        json.dumps({"canary": "none", "examples": _each(lambda i: {
            "input": ASKED[i] + "\nOptions:\n" + "\n".join(f"({a}) {t}" for a, t in zip("ABCD", _four(i), strict=True)),
            "target": f"({LETTERS[i]})",
        })}).encode(),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "BIG-bench, scored options", "scored.json",
        json.dumps({"name": "towns", "examples": _each(lambda i: {
            "input": ASKED[i],
            "target_scores": {t: int(k == PLACES[i]) for k, t in enumerate(_four(i))},
        })}).encode(),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "TriviaQA", "trivia.jsonl",
        _lines(_each(lambda i: {
            "question": ASKED[i], "question_id": f"tc_{i}",
            "answer": {
                "value": CITIES[i], "aliases": [CITIES[i], f"{CITIES[i]} (town)"],
                "normalized_aliases": [CITIES[i].lower(), f"{CITIES[i].lower()} town"],
            },
        })),
        tuple((c, f"{c} (town)", f"{c.lower()} town") for c in CITIES), "exact",
    ),
    Form(
        "golds in a list", "several.jsonl",
        _lines(_each(lambda i: {"question": ASKED[i], "answer": [CITIES[i], f"town {i}"]})),
        tuple((c, f"town {i}") for i, c in enumerate(CITIES)), "exact",
    ),
    Form(
        "Alpaca", "alpaca.json",
        _array(_each(lambda i: {
            "instruction": "Name the capital of the country below.",
            "input": f"Country {i}" if i % 4 else "", "output": CITIES[i],
        })),
        CITIES, "exact",
        holds=tuple(("Name the capital", f"Country {i}") if i % 4 else ("Name the capital",) for i in range(N)),
    ),
    Form(
        "ShareGPT", "sharegpt.json",
        _array(_each(lambda i: {
            "id": f"s{i}",
            "conversations": [
                {"from": "human", "value": f"Add {i} thrice, and one."}, {"from": "gpt", "value": NUMBERS[i]},
            ],
        })),
        NUMBERS, "number", holds=tuple((f"Add {i} thrice",) for i in range(N)),
    ),
    Form(
        "verl", "verl.jsonl",
        _lines(_each(lambda i: {
            "data_source": "sums", "ability": "math", "prompt": [{"role": "user", "content": f"Triple {i} and one?"}],
            "reward_model": {"style": "rule", "ground_truth": NUMBERS[i]},
            "extra_info": {"split": "train", "index": i, "answer": f"So.\n#### {NUMBERS[i]}"},
        })),
        NUMBERS, "number", unused=("reward_model.style", "data_source"),
    ),
    Form(
        "TRL, prompt and completion", "trl.jsonl",
        _lines(_each(lambda i: {
            "prompt": [{"role": "user", "content": f"Triple {i} and one?"}],
            "completion": [{"role": "assistant", "content": NUMBERS[i]}],
        })),
        NUMBERS, "number",
    ),
    Form(
        "TRL, solutions that are golds", "trlsolution.jsonl",
        _lines(_each(lambda i: {"prompt": f"Solve $7x = {i}$.", "solution": f"$\\frac{{{i}}}{{7}}$"})),
        tuple(f"\\frac{{{i}}}{{7}}" for i in range(N)), "math_verify",
    ),
    Form(
        "TRL, ground_truth", "trlgrpo.jsonl",
        _lines(_each(lambda i: {"prompt": f"Triple {i} and one?", "ground_truth": NUMBERS[i]})), NUMBERS, "number",
    ),
    Form("OpenAI chat", "chat.jsonl", _lines(_each(lambda i: {"messages": _chat(i, NUMBERS[i])})),
         NUMBERS, "number", holds=_CHAT),
    Form(
        "OpenAI chat, content in parts", "parts.jsonl",
        _lines(_each(lambda i: {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": f"Triple {i}"}, {"type": "text", "text": f"and one, for clerk {i}."}]},
                {"role": "assistant", "content": [{"type": "text", "text": NUMBERS[i]}]},
            ],
        })),
        NUMBERS, "number", holds=tuple((f"Triple {i}", f"for clerk {i}") for i in range(N)),
    ),
    Form(
        "OpenAI evals", "ideal.jsonl",
        _lines(_each(lambda i: {"input": _chat(i, "")[:2], "ideal": NUMBERS[i]})), NUMBERS, "number",
        holds=tuple((f"You are clerk {i}.", f"What is {i} and {i}?") for i in range(N)),
    ),
    Form(
        "WinoGrande", "wino.jsonl",
        _lines(_each(lambda i: {
            "sentence": f"_ town has {i} bridges.", "option1": CITIES[i], "option2": CITIES[i - 1], "answer": str(1 + i % 2),
        })),
        tuple("AB"[i % 2] for i in range(N)), "choice", tuple((CITIES[i], CITIES[i - 1]) for i in range(N)),
    ),
    Form(
        "HellaSwag", "swag.jsonl",
        _lines(_each(lambda i: {"ctx": ASKED[i], "endings": _four(i), "label": str(PLACES[i])})),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "Social IQa", "siqa.jsonl",
        _lines(_each(lambda i: {
            "context": STORIES[i][0], "question": ASKED[i], "answerA": _four(i)[0], "answerB": _four(i)[1],
            "answerC": _four(i)[2], "label": str(1 + i % 3),
        })),
        tuple("ABC"[i % 3] for i in range(N)), "choice", tuple(f[:3] for f in FOURS), holds=STORIES,
    ),
    Form(
        "MGSM", "mgsm_en.tsv", _cells([[f"Triple {i} and one?", NUMBERS[i]] for i in range(N)], "\t"), NUMBERS, "number",
    ),
    Form("GSM8K, gzip", "gsm8k.jsonl.gz", gzip.compress(_lines(_each(_gsm8k)), mtime=0), NUMBERS, "number"),
    Form(
        "SQuAD", "squad.json",
        json.dumps({"version": "1", "data": [{
            "title": f"t{i}",
            "paragraphs": [{"context": STORIES[i][0], "qas": [
                {"id": f"q{i}", "question": ASKED[i], "answers": [{"text": CITIES[i], "answer_start": 0}]}]}],
        } for i in range(N)]}).encode(),
        CITIES, "exact", holds=STORIES,
    ),
)  # fmt: skip
"""Every form that the field's data sets have, as far as their golds stand at a known place."""

WRONG = Form(
    "GPQA", "gpqa_main.csv",
    _cells([_GPQA_TITLES, *([f"rec{i}", ASKED[i], *_four(i)] for i in range(N))]),
    CITIES, "choice", FOURS,
)  # fmt: skip
"""Its right answer stands first, and is lettered in an order drawn by hash."""
