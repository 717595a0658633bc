"""A user's script: records, a lambda that marks and a loaded model, from study to tables and export.

`python -m tests.support.live_study FOLDER FORM` prints what it found as JSON.
"""

import json
import sys
import warnings
from pathlib import Path

import modicum
from tests.support.tiny_models import byte_tokenizer, tiny_module

WORDS = ("area", "ocean", "idea", "queue", "Iowa", "audio", "eerie", "aorta", "oasis", "union")
ROWS = [
    {
        "question": f"Say {word} {i} times.",
        "answer": word,
        "solution": f"{word} {word}\nAnswer: {word}",
    }
    for i in range(6)
    for word in WORDS
]
SIZES = {"test": 16, "selection": 6, "samples": 4, "max_new_tokens": 12, "retain": ["none"]}


def make(folder: Path, **more: object) -> "modicum.Study":
    """Return the study; nothing has run."""
    given = {"methods": ["cot_decoding", "fine_tune"], **SIZES, **more}
    return modicum.Study(
        model=tiny_module("llama", scale=0.2),
        tokenizer=byte_tokenizer(),
        task=ROWS,
        marker=lambda text, gold: any(letter in text for letter in gold),
        shots=[2],
        seeds=1,
        settings={"fine_tune": {"steps": 2}},
        out=folder,
        check=False,
        progress=False,
        **given,
    )


def main(folder: Path, form: str) -> dict[str, object]:
    """Run it to its end, export it in a form, and return what it found."""
    warnings.simplefilter("ignore", UserWarning)
    study = make(folder / "study")
    verdict = study.run()
    [exported] = study.export(form, method="floor" if form == "prompt" else "fine_tune n=2")
    solved = study.solver("fine_tune n=2").solve("Say area 9 times.")
    answers = study.answers_df()
    return {
        "ability": verdict.ability,
        "methods": json.loads(study.methods_df().to_json()),
        "answers": int(answers.correct.sum()),
        "texts": sorted(answers.text),
        "trials": sorted(answers.trial.unique()),
        "problems": sorted(study.problems_df().problem),
        "solved": solved[0].text,
        "exported": sorted(path.name for path in exported.folder.iterdir()),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
