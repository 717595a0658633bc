"""A recipe of training by reward as a ready script for TRL, for those who scale it."""

import dataclasses
import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import fmean
from string import Template

from modicum.catalog import read_reference
from modicum.errors import ConfigError
from modicum.files.foreign import put_text
from modicum.made import Recipe, picked_of, recipe_of
from modicum.method import METHODS
from modicum.plain import JsonObject, JsonValue, table_of, thawed
from modicum.reward import REWARDS, Reward
from modicum.store.database import Outcome, Store
from modicum.study.plan import Plan
from modicum.study.problem_sets import shots_of
from modicum.study.trial import limited
from modicum.task import Task, resolve_task
from modicum.types import Grade, Problem, Style, Trial

__all__ = ["Handed", "hand_off", "winner"]

_COUNTS = ("groups", "rollouts", "updates", "steps", "longest")
_NUMBERS = ("temperature", "learning_rate", "clip_norm")
_POLICY = ("kl", "entropy", "clip", "clip_high")
_FREE = 1e6
"""Half-width of a clip range that never clips: TRL cannot turn clipping off."""


@dataclass(frozen=True)
class Handed:
    """What was written."""

    trial: Trial
    """Whose recipe it is."""
    score: float
    """Its lenient accuracy on the test problems."""
    files: tuple[Path, ...]


def winner(store: Store, n_shots: int | None = None) -> Outcome:
    """Return the trial whose recipe is handed off: of the best rung, the first seed.

    Rungs are compared by their mean lenient accuracy over seeds; of equals the one with fewer shots.

    Args:
        store: The study.
        n_shots: Only rungs with so many.

    Raises:
        ConfigError: none was trained by reward.
    """
    rungs: dict[tuple[object, ...], list[Outcome]] = {}
    for head in store.heads().values():
        trial = head.trial
        is_rung = not trial.control and not trial.is_twin and _is_by_reward(trial.method)
        if not is_rung or head.error or n_shots not in (None, trial.n_shots):
            continue
        outcome = store.read(trial, texts=False)
        if outcome is not None and outcome.answers:
            name = (trial.model, trial.task, trial.n_shots, json.dumps(trial.settings, default=str))
            rungs.setdefault(name, []).append(outcome)
    if not rungs:
        shots = "" if n_shots is None else f" with {n_shots} shots"
        own = [name for name, entry in METHODS.entries.items() if not entry.package]
        methods = list(filter(_is_by_reward, own))
        raise ConfigError(
            f"no finished trial of {' or '.join(methods)}{shots} in {store.folder}",
            "a rung that trains weights by reward",
            f"run the study with --methods {methods[0]} first",
        )
    best = max(
        rungs.values(), key=lambda found: (fmean(map(_score, found)), -found[0].trial.n_shots)
    )
    return min(best, key=lambda outcome: outcome.trial.seed)


def _is_by_reward(method: str) -> bool:
    """Return whether TRL can follow a method's recipe: it trains weights, by a reward."""
    entry = METHODS.entries.get(method)
    is_tuning = entry is not None and entry.stated.get("kind") == "tuning"
    return is_tuning and METHODS.powers(method).get("reward") == REWARDS.kind


def hand_off(plan: Plan, store: Store, outcome: Outcome, folder: Path) -> Handed:
    """Write `train.py` and `shots.jsonl`, the recipe's figures filled in.

    Args:
        plan: The study's plan.
        store: The study.
        outcome: A finished trial that `winner` gives.
        folder: Where the files go; made here, files of these names are written over.

    Raises:
        ConfigError: the record lacks the recipe, or TRL cannot follow it.
    """
    trial = outcome.trial
    recipe, settings = _recipe_of(outcome), trial.settings
    if recipe.groups * recipe.rollouts % recipe.updates:
        raise ConfigError(
            f"{recipe.groups} x {recipe.rollouts} rollouts in {recipe.updates} updates",
            "parts of equal size, which TRL needs",
            "choose updates that divide the rollouts",
        )
    task = resolve_task(trial.task)
    style, sheet = outcome.style, limited(task.sheet, plan)
    policy = recipe.policy
    name, _, own = read_reference(str(settings["reward"]))
    model = outcome.card.name if outcome.card is not None else trial.model
    is_clipped = policy.clip > 0
    values = {
        "name": _bare(trial.model), "method": trial.method, "folder": _bare(store.folder),
        "score": f"{_score(outcome):.3f}", "test": len(outcome.answers), "task": _bare(trial.task),
        "n_shots": trial.n_shots, "model": _bare(model), "seed": trial.seed,
        **{k: v for k, v in table_of(recipe).items() if k in (*_COUNTS, *_NUMBERS)},
        "task_reference": repr(trial.task), "style": repr(dataclasses.asdict(style)),
        "stops": repr((*sheet.stop, *style.stop)), "reward_name": repr(name),
        "reward_settings": repr(dict(own)), "reward_says": _says(name, own),
        "loss_type": repr(policy.average), "scale": repr(policy.scale),
        "kl": policy.kl, "entropy": policy.entropy,
        "epsilon": policy.clip if is_clipped else _FREE,
        "epsilon_note": "" if is_clipped else "  # the study did not clip; so wide a range never does",
        "epsilon_high": policy.high if is_clipped else _FREE,
        "trainer_seed": trial.seed, "model_reference": repr(trial.model), "peft": _peft(settings),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    files = (folder / "train.py", folder / "shots.jsonl")
    text = resources.files("modicum").joinpath("texts/trl_script.txt").read_text(encoding="utf-8")
    put_text(files[0], Template(text).substitute(values))
    lines = [
        json.dumps(_row(shot, style), ensure_ascii=False) for shot in _trained_on(outcome, task)
    ]
    put_text(files[1], "\n".join(lines) + "\n")
    return Handed(trial, _score(outcome), files)


def _trained_on(outcome: Outcome, task: Task) -> tuple[Problem, ...]:
    """Return the shots that a trial was trained on: those it picked from its pool where it picked."""
    picked = picked_of(outcome.made)
    if not picked:
        return shots_of(outcome.trial, task)
    trial = outcome.trial
    pool = shots_of(trial, task, max(trial.n_shots, thawed(int, trial.settings["pool"], "pool")))
    known = {shot.id: shot for shot in pool}
    return tuple(known[name] for name in picked)


def _bare(name: object) -> str:
    """Return a name as it may stand in the script's docstring, which nothing in it can end."""
    return "".join(c if c.isprintable() and c not in "\\\"'" else "?" for c in str(name))


def _score(outcome: Outcome) -> float:
    return fmean(answer.mark.lenient == Grade.CORRECT for answer in outcome.answers)


def _recipe_of(outcome: Outcome) -> Recipe:
    """Return the recipe that training wrote down, every choice made.

    Its figures stand in a script that is run: numbers, whatever the database says.
    """
    trial = outcome.trial
    try:
        recipe = recipe_of(outcome.made)
        thawed(tuple[int, int], (trial.seed, trial.n_shots), "seed and shots")
    except TypeError as error:
        raise _odd(trial, str(error)) from error
    if recipe is None:
        raise ConfigError(
            f"trial {trial.id} without its recipe",
            "a study of this version",
            "run it again in another folder",
        )
    figures = {**table_of(recipe), **table_of(recipe.policy)}
    odd = [
        name for name in (*_NUMBERS, *_POLICY) if not math.isfinite(thawed(float, figures[name]))
    ]
    if odd:
        raise _odd(trial, f"{odd[0]} = {figures[odd[0]]}")
    return recipe


def _odd(trial: Trial, said: str) -> ConfigError:
    return ConfigError(
        f"{said}, in the recipe of trial {trial.id}",
        "a number, as training writes it",
        "do not use this study: its database was changed",
    )


def _says(name: str, settings: JsonObject) -> str:
    """Return the reward's own first line.

    Raises:
        ConfigError: it needs answers of the initial model before training begins.
    """
    reward = REWARDS.build(name, settings)
    if not isinstance(reward, Reward):
        raise TypeError(name)
    if reward.initial_samples:
        raise ConfigError(
            f"reward {name!r}, whose key is drawn up from the initial model's answers",
            "a reward of single answers",
            "hand off an arm with reward true, format, random or none",
        )
    return str(type(reward).__doc__).partition("\n")[0].rstrip(".") + "."


def _peft(settings: JsonObject) -> str:
    """Return the adapter's configuration as source; None for all weights.

    Raises:
        ConfigError: parameters that TRL would not train alike.
    """
    rank = thawed(int, settings["rank"], "rank") or 8
    alpha = thawed(float, settings["alpha"], "alpha")
    if settings["parameters"] == "full":
        return "None"
    if settings["parameters"] != "lora":
        raise ConfigError(
            f"parameters = {settings['parameters']}", "lora or full", "hand off such an arm"
        )
    alpha = alpha or 2.0 * rank
    return (
        f'LoraConfig(r={rank}, lora_alpha={alpha:g}, target_modules="all-linear", '
        'task_type="CAUSAL_LM")'
    )


def _row(shot: Problem, style: Style) -> dict[str, JsonValue]:
    """Return a row of the data: what is asked, and the problem for the marker."""
    text = style.fill(shot.question)
    turns = [{"role": "system", "content": style.system}] if style.system else []
    prompt = [*turns, {"role": "user", "content": text}] if style.chat else text
    return {"prompt": prompt, "problem": json.dumps(dataclasses.asdict(shot), sort_keys=True)}
