"""Forms whose golds are numbers, formulas or words: ten rows each, with the golds they mean."""

import gzip
import json

from tests.support.forms import ASKED, CITIES, NUMBERS, STORIES, Form, N, array, cells, each, lines

__all__ = ["OPEN"]


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


OPEN: tuple[Form, ...] = (
    Form("GSM8K", "gsm8k.jsonl", lines(each(_gsm8k)), NUMBERS, "number"),
    Form(
        "MATH", "math.jsonl", lines(each(_math)), _MATH_GOLDS, "math_verify",
        unused=("level", "type"),
    ),
    Form(
        "MATH-500", "math500.jsonl",
        lines(each(lambda i: {**_math(i), "answer": _MATH_GOLDS[i]})),  # type: ignore[dict-item]
        _MATH_GOLDS, "math_verify",
    ),
    Form(
        "boxed golds", "boxed.jsonl",
        lines(each(lambda i: {"question": ASKED[i], "answer": f"\\boxed{{{NUMBERS[i]}}}"})),
        NUMBERS, "math_verify",
    ),
    Form(
        "BoolQ", "boolq.jsonl",
        lines(each(lambda i: {"question": f"did {i} burn", "passage": STORIES[i][0], "answer": bool(i % 2)})),
        tuple("true" if i % 2 else "false" for i in range(N)), "exact", holds=STORIES,
    ),
    Form("DROP", "drop.jsonl", lines(each(_drop)),
         tuple((NUMBERS[i], f"{NUMBERS[i]} bridges") for i in range(N)), "exact", holds=STORIES),
    Form("DROP, as first published", "drop.json",
         json.dumps({f"nfl_{i}": _drop_raw(i) for i in range(N)}).encode(), NUMBERS, "number", holds=STORIES),
    Form(
        "SVAMP", "svamp.json",
        array(each(lambda i: {
            "ID": f"chal-{i}", "Body": STORIES[i][0], "Question": f"How many of {i} are left?",
            "Equation": f"( {i} - 0 )", "Answer": 3.0 * i + 1, "Type": "Subtraction",
        })),
        NUMBERS, "number", holds=STORIES,
    ),
    Form(
        "BIG-bench hard", "bbh.json",
        json.dumps({
            "canary": "none",
            "examples": each(lambda i: {"input": f"{i} * 3 + 1 =", "target": NUMBERS[i]}),
        }).encode(),
        NUMBERS, "number",
    ),
    Form(
        "TriviaQA", "trivia.jsonl",
        lines(each(lambda i: {
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
        lines(each(lambda i: {"question": ASKED[i], "answer": [CITIES[i], f"town {i}"]})),
        tuple((c, f"town {i}") for i, c in enumerate(CITIES)), "exact",
    ),
    Form(
        "Alpaca", "alpaca.json",
        array(each(lambda i: {
            "instruction": "Name the capital of the country below.",
            "input": f"Country {i}" if i % 4 else "", "output": CITIES[i],
        })),
        CITIES, "exact",
        holds=tuple(("Name the capital", *([f"Country {i}"] if i % 4 else [])) for i in range(N)),
    ),
    Form(
        "ShareGPT", "sharegpt.json",
        array(each(lambda i: {
            "id": f"s{i}",
            "conversations": [
                {"from": "human", "value": f"Add {i} thrice, and one."}, {"from": "gpt", "value": NUMBERS[i]},
            ],
        })),
        NUMBERS, "number", holds=tuple((f"Add {i} thrice",) for i in range(N)),
    ),
    Form(
        "verl", "verl.jsonl",
        lines(each(lambda i: {
            "data_source": "sums", "ability": "math",
            "prompt": [{"role": "user", "content": f"Triple {i} and one?"}],
            "reward_model": {"style": "rule", "ground_truth": NUMBERS[i]},
            "extra_info": {"split": "train", "index": i, "answer": f"So.\n#### {NUMBERS[i]}"},
        })),
        NUMBERS, "number", unused=("reward_model.style", "data_source"),
    ),
    Form(
        "TRL, prompt and completion", "trl.jsonl",
        lines(each(lambda i: {
            "prompt": [{"role": "user", "content": f"Triple {i} and one?"}],
            "completion": [{"role": "assistant", "content": NUMBERS[i]}],
        })),
        NUMBERS, "number",
    ),
    Form(
        "TRL, solutions that are golds", "trlsolution.jsonl",
        lines(each(lambda i: {"prompt": f"Solve $7x = {i}$.", "solution": f"$\\frac{{{i}}}{{7}}$"})),
        tuple(f"\\frac{{{i}}}{{7}}" for i in range(N)), "math_verify",
    ),
    Form(
        "TRL, ground_truth", "trlgrpo.jsonl",
        lines(each(lambda i: {"prompt": f"Triple {i} and one?", "ground_truth": NUMBERS[i]})),
        NUMBERS, "number",
    ),
    Form("OpenAI chat", "chat.jsonl", lines(each(lambda i: {"messages": _chat(i, NUMBERS[i])})),
         NUMBERS, "number", holds=_CHAT),
    Form(
        "OpenAI chat, content in parts", "parts.jsonl",
        lines(each(lambda i: {
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": f"Triple {i}"},
                    {"type": "text", "text": f"and one, for clerk {i}."},
                ]},
                {"role": "assistant", "content": [{"type": "text", "text": NUMBERS[i]}]},
            ],
        })),
        NUMBERS, "number", holds=tuple((f"Triple {i}", f"for clerk {i}") for i in range(N)),
    ),
    Form(
        "OpenAI evals", "ideal.jsonl",
        lines(each(lambda i: {"input": _chat(i, "")[:2], "ideal": NUMBERS[i]})), NUMBERS, "number",
        holds=tuple((f"You are clerk {i}.", f"What is {i} and {i}?") for i in range(N)),
    ),
    Form(
        "MGSM", "mgsm_en.tsv",
        cells([[f"Triple {i} and one?", NUMBERS[i]] for i in range(N)], "\t"), NUMBERS, "number",
    ),
    Form("GSM8K, gzip", "gsm8k.jsonl.gz", gzip.compress(lines(each(_gsm8k)), mtime=0), NUMBERS, "number"),
    Form(
        "SQuAD", "squad.json",
        json.dumps({"version": "1", "data": [{
            "title": f"t{i}",
            "paragraphs": [{"context": STORIES[i][0], "qas": [
                {"id": f"q{i}", "question": ASKED[i], "answers": [{"text": CITIES[i], "answer_start": 0}]}]}],
        } for i in range(N)]}).encode(),
        CITIES, "exact", holds=STORIES,
    ),
    Form(
        "answers in a list that is written out", "popqa.csv",
        cells([
            ["question", "possible_answers"],
            *([ASKED[i], json.dumps([CITIES[i], f"town {i}"])] for i in range(N)),
        ]),
        tuple((c, f"town {i}") for i, c in enumerate(CITIES)), "exact",
    ),
    Form(
        "DAPO", "dapo.jsonl",
        lines(each(lambda i: {
            "data_source": "sums", "prompt": [{"content": f"Triple {i} and one?", "role": "user"}],
            "ability": "MATH", "reward_model": {"ground_truth": NUMBERS[i], "style": "rule-lighteval"},
            "extra_info": {"index": str(i)},
        })),
        NUMBERS, "number",
    ),
    Form(
        "Search-R1", "search.jsonl",
        lines(each(lambda i: {
            "question": ASKED[i], "golden_answers": [CITIES[i], f"town {i}"],
            "reward_model": {"style": "rule", "ground_truth": {"target": [CITIES[i], f"town {i}"]}},
        })),
        tuple((c, f"town {i}") for i, c in enumerate(CITIES)), "exact",
    ),
    Form(
        "Dolly", "dolly.jsonl",
        lines(each(lambda i: {
            "instruction": ASKED[i], "context": STORIES[i][0] if i % 2 else "", "response": CITIES[i],
            "category": "closed_qa",
        })),
        CITIES, "exact", holds=tuple(STORIES[i] if i % 2 else () for i in range(N)), unused=("category",),
    ),
)  # fmt: skip
