"""Forms of multiple-choice questions: ten rows each, with options and golds in the source's order."""

import json

from tests.support.forms import (
    ASKED,
    CITIES,
    FOURS,
    LETTERS,
    PLACES,
    STORIES,
    Form,
    N,
    array,
    cells,
    each,
    four,
    lettered,
    lines,
)

__all__ = ["CHOICE", "WRONG"]

CHOICE: tuple[Form, ...] = (
    Form(
        "MMLU, Hendrycks", "towns_test.csv",
        cells([[ASKED[i], *four(i), LETTERS[i]] for i in range(N)]), LETTERS, "choice", FOURS,
    ),
    Form(
        "MMLU, hub", "mmlu.jsonl",
        lines(each(lambda i: {
            "question": ASKED[i], "subject": "towns", "choices": four(i), "answer": PLACES[i],
        })),
        LETTERS, "choice", FOURS, unused=("subject",),
    ),
    Form(
        "MMLU, options that are digits", "digits.jsonl",
        lines(each(lambda i: {
            "question": ASKED[i], "answer": PLACES[i],
            "choices": ["1", "2", "infinitely many", "0"] if i % 2 else ["7", "8", "9", "many"],
        })),
        LETTERS, "choice",
    ),
    Form(
        "MMLU-Pro", "pro.jsonl",
        lines(each(lambda i: {
            "question_id": i, "question": ASKED[i], "options": four(i), "answer": LETTERS[i],
            "answer_index": PLACES[i], "cot_content": "", "category": "towns",
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "MMLU, as pandas writes it", "pandas.csv",
        cells([
            ["question", "subject", "choices", "answer"],
            *([ASKED[i], "towns", "[" + " ".join(map(repr, four(i))) + "]", PLACES[i]] for i in range(N)),
        ]),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "ARC", "arc.jsonl",
        lines(each(lambda i: {
            "id": f"T{i}", "question": ASKED[i],
            "choices": {"text": four(i), "label": list("1234") if i % 3 else list("ABCD")},
            "answerKey": str(PLACES[i] + 1) if i % 3 else LETTERS[i],
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "ARC, digits everywhere", "arcdigits.jsonl",
        lines(each(lambda i: {
            "id": f"T{i}", "question": ASKED[i], "answerKey": str(PLACES[i] + 1),
            "choices": {"text": list("4321"), "label": list("1234")},
        })),
        LETTERS, "choice", (tuple("4321"),) * N,
    ),
    Form(
        "ARC, as first published", "arcfirst.jsonl",
        lines(each(lambda i: {
            "id": f"T{i}", "answerKey": LETTERS[i],
            "question": {
                "stem": ASKED[i],
                "choices": [{"text": t, "label": a} for a, t in zip("ABCD", four(i), strict=True)],
            },
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "CommonsenseQA", "csqa.jsonl",
        lines(each(lambda i: {
            "id": f"c{i}", "question": ASKED[i], "question_concept": "town",
            "choices": {"label": list("ABCD"), "text": four(i)}, "answerKey": LETTERS[i],
        })),
        LETTERS, "choice", FOURS, unused=("id", "question_concept"),
    ),
    Form(
        "CommonsenseQA, as first published", "csqafirst.jsonl",
        lines(each(lambda i: {
            "answerKey": LETTERS[i], "id": f"c{i}",
            "question": {
                "question_concept": "town", "stem": ASKED[i],
                "choices": [{"label": a, "text": t} for a, t in zip("ABCD", four(i), strict=True)],
            },
        })),
        LETTERS, "choice", FOURS, unused=("id", "question.question_concept"),
    ),
    Form(
        "GPQA, letters in the question", "gpqa.jsonl",
        lines(each(lambda i: {
            "question": ASKED[i] + "\n\n" + "\n".join(lettered(i, "{}.")),
            "answer": LETTERS[i],
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "AQuA", "aqua.jsonl",
        lines(each(lambda i: {
            "question": ASKED[i],
            "options": [f"{a}){t}" for a, t in zip("ABCD", four(i), strict=True)],
            "rationale": "One looks it up.", "correct": LETTERS[i],
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "MathQA", "mathqa.json",
        array(each(lambda i: {
            "Problem": ASKED[i], "Rationale": "One looks it up.", "correct": LETTERS[i].lower(),
            "options": " , ".join(f"{a} ) {t}" for a, t in zip("abcd", four(i), strict=True)),
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "BIG-bench hard, lettered", "lettered.json",
        json.dumps({"canary": "none", "examples": each(lambda i: {
            "input": ASKED[i] + "\nOptions:\n" + "\n".join(lettered(i, "({})")),
            "target": f"({LETTERS[i]})",
        })}).encode(),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "BIG-bench, scored options", "scored.json",
        json.dumps({"name": "towns", "examples": each(lambda i: {
            "input": ASKED[i],
            "target_scores": {t: int(k == PLACES[i]) for k, t in enumerate(four(i))},
        })}).encode(),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "WinoGrande", "wino.jsonl",
        lines(each(lambda i: {
            "sentence": f"_ town has {i} bridges.", "answer": str(1 + i % 2),
            "option1": CITIES[i], "option2": CITIES[i - 1],
        })),
        tuple("AB"[i % 2] for i in range(N)), "choice", tuple((CITIES[i], CITIES[i - 1]) for i in range(N)),
    ),
    Form(
        "HellaSwag", "swag.jsonl",
        lines(each(lambda i: {"ctx": ASKED[i], "endings": four(i), "label": str(PLACES[i])})),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "Social IQa", "siqa.jsonl",
        lines(each(lambda i: {
            "context": STORIES[i][0], "question": ASKED[i], "answerA": four(i)[0], "answerB": four(i)[1],
            "answerC": four(i)[2], "label": str(1 + i % 3),
        })),
        tuple("ABC"[i % 3] for i in range(N)), "choice", tuple(f[:3] for f in FOURS), holds=STORIES,
    ),
    Form(
        "MMLU, columns of options and places", "places.csv",
        cells([["question", *"ABCD", "answer"], *([ASKED[i], *four(i), PLACES[i]] for i in range(N))]),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "OpenBookQA", "openbook.jsonl",
        lines(each(lambda i: {
            "id": f"o{i}", "question_stem": ASKED[i], "answerKey": LETTERS[i],
            "choices": {"text": four(i), "label": list("ABCD")},
        })),
        LETTERS, "choice", FOURS,
    ),
    Form(
        "MedQA", "medqa.jsonl",
        lines(each(lambda i: {
            "question": ASKED[i], "answer": four(i)[PLACES[i]], "answer_idx": LETTERS[i],
            "options": dict(zip("ABCD", four(i), strict=True)),
        })),
        LETTERS, "choice", FOURS, unused=("answer_idx",),
    ),
    Form(
        "MedMCQA", "medmcqa.jsonl",
        lines(each(lambda i: {
            "question": ASKED[i], "exp": "One looks it up.", "cop": PLACES[i],
            **dict(zip(("opa", "opb", "opc", "opd"), four(i), strict=True)),
        })),
        LETTERS, "choice", FOURS, unused=("exp",),
    ),
    Form(
        "RACE", "race.jsonl",
        lines(each(lambda i: {
            "article": STORIES[i][0], "question": ASKED[i], "options": four(i), "answer": LETTERS[i],
        })),
        LETTERS, "choice", FOURS, holds=STORIES,
    ),
    Form(
        "PIQA", "piqa.jsonl",
        lines(each(lambda i: {"goal": ASKED[i], "sol1": CITIES[i], "sol2": CITIES[i - 1], "label": i % 2})),
        tuple("AB"[i % 2] for i in range(N)), "choice", tuple((CITIES[i], CITIES[i - 1]) for i in range(N)),
    ),
    Form(
        "AGIEval", "agieval.jsonl",
        lines(each(lambda i: {
            "passage": STORIES[i][0], "question": ASKED[i], "options": lettered(i, "({})"),
            "label": LETTERS[i], "answer": None,
        })),
        LETTERS, "choice", FOURS, holds=STORIES,
    ),
    Form(
        "options shown twice", "twice.jsonl",
        lines(each(lambda i: {
            "question": "\n".join([ASKED[i], *(f"{k}. {t}" for k, t in enumerate(four(i), 1))]),
            "choices": four(i), "answer": PLACES[i],
        })),
        LETTERS, "choice", FOURS,
    ),
)  # fmt: skip

_TITLES = ["Record ID", "Question", "Correct Answer", *(f"Incorrect Answer {k}" for k in (1, 2, 3))]

WRONG = Form(
    "GPQA", "gpqa_main.csv",
    cells([_TITLES, *([f"rec{i}", ASKED[i], *four(i)] for i in range(N))]),
    CITIES, "choice", FOURS,
)  # fmt: skip
"""Its right answer stands first, and is lettered in an order drawn by hash."""
