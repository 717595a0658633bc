"""A small study of the organism with a rung for every form, and nudges laid on tiny models by hand."""

from dataclasses import dataclass
from pathlib import Path

from modicum.export import Parcel
from modicum.exporting.exporter import Finished, finished
from modicum.nudge import Nudge, Solver, write_folder
from modicum.nudge.steering import Steering
from modicum.running.restoring import rung
from modicum.running.runner import Silent, run
from modicum.sampling.local import Local
from modicum.store.database import Store
from modicum.study.plan import Grid, Plan, Subject
from modicum.task import Sheet
from modicum.training.changes import Vectors
from modicum.types import Style, Trial
from tests.support.bench import judge_of

TASK = "word_sums"
SIZES = {"test": 12, "selection": 2, "samples": 2, "seeds": 1, "controls": False}


@dataclass(frozen=True)
class Rung:
    """What is exported, and the forms that fit it."""

    method: str
    settings: dict[str, object]
    n_shots: int
    forms: tuple[str, ...]
    """Of the built-in ones."""


RUNGS = {
    "adapter": Rung("fine_tune", {"steps": 6}, 2, ("merged", "peft")),
    "few numbers": Rung(
        "rlvr",
        {"steps": 1, "groups": 2, "rollouts": 2, "parameters": "tinylora", "rank": 2},
        2,
        ("merged", "peft"),
    ),
    "all weights": Rung("fine_tune", {"steps": 3, "parameters": "full"}, 2, ("merged",)),
    "everywhere": Rung(
        "steering_vector",
        {"at": "all", "layers": [2], "strengths": [0.5]},
        4,
        ("baked", "gguf", "vector"),
    ),
    "first token": Rung("steering_vector", {"layers": [1, 2], "strengths": [1.0]}, 4, ("vector",)),
    "two prompts": Rung(
        "prompt_vector", {"layers": [1], "strengths": [1.0], "tries": 1}, 2, ("vector",)
    ),
    "branches": Rung("cot_decoding", {"k": 3}, 0, ("generation",)),
    "votes": Rung("self_consistency", {"n": 3}, 0, ("generation",)),
    "shown": Rung("few_shot", {}, 1, ("prompt",)),
    "floor": Rung("prompt_style", {}, 0, ("prompt",)),
}


@dataclass(frozen=True)
class Studied:
    """A finished rung of the study."""

    plan: Plan
    found: Finished
    store: Store


def study(folder: Path) -> dict[str, Studied]:
    """Run every rung into one folder."""
    store, made = Store(folder), {}
    for name, wanted in RUNGS.items():
        is_floor = wanted.method == "prompt_style"
        grid = Grid(("organism",), (TASK,), () if is_floor else (wanted.method,), (wanted.n_shots,))
        settings = {wanted.method: wanted.settings} if wanted.settings else {}
        plan = Plan((grid,), name="exports", retain=("none",), settings=settings, **SIZES)
        run(plan, store, Silent())
        assert not store.failed()
        subject = Subject(plan, "organism", TASK)
        trial = subject.floor() if is_floor else rung(subject, wanted.method, wanted.n_shots)
        made[name] = Studied(plan, finished(subject, trial, store, None), store)
    return made


def by_hand(model: Local, steering: Steering, folder: Path) -> tuple[Parcel, Solver]:
    """Lay a steering on a model that lies in `folder/base`, as a rung would have left it."""
    nudge = Nudge(Style("raw", "{question}"), changes=(Vectors(steering),))
    model.module.save_pretrained(folder / "base")
    model.tokenizer.save_pretrained(str(folder / "base"))
    sheet = Sheet(max_new_tokens=6)
    write_folder(nudge.files(), folder / "nudge")
    parcel = Parcel(
        trial=Trial("tiny", "sums", "steering_vector", 4, 0),
        nudge=nudge,
        style=nudge.style,
        sheet=sheet,
        questions=("What is 1 + 2?", "Why?"),
        origin=str(folder / "base"),
        base="tiny",
    )
    return parcel, Solver.of(model, nudge, judge_of(model, "sums", style=nudge.style, sheet=sheet))
