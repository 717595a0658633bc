"""One question, one answer: is adding latent in this model, and how little unlocks it?

Runs offline in seconds on the scripted model; put a folder, a hub id or `organism` in its place.
"""

import tempfile

import modicum
from modicum.types import Problem

with tempfile.TemporaryDirectory() as folder:
    study = modicum.Study(
        model="scripted:latent",
        task="sums",
        methods=["self_consistency", "cot_decoding"],
        out=folder,
        options={"test": 100, "samples": 16, "selection": 10},
    )
    verdict = study.run()
    print(f"{verdict.ability}: {verdict.sentence}")
    for rung in verdict.rungs:
        gap = f"{rung.gap_recovered.value:.2f}" if rung.gap_recovered else "undefined"
        print(f"  {rung.name:<18} labels {rung.labels}, gap recovered {gap}")
    print(f"ship: {verdict.ship.name} ({verdict.ship.why})")

    # What was found answers new questions, whose gold nobody knows.
    mine = Problem(id="mine", question="What is 120 + 305?")
    [solved] = study.solver("cot_decoding").solve([mine])
    print(f"{mine.question} {solved.text.strip()}")
