"""How fast a model answers: as the check measured it, or roughly from its size and this machine."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from modicum.errors import ModicumError
from modicum.files.foreign import at
from modicum.files.headers import gguf_head, safetensors_head
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.plain import plain, thawed
from modicum.store.database import Store
from modicum.study.completing import LIMITS
from modicum.study.forecast import TrialDraws
from modicum.types import Completion, Trial

__all__ = [
    "Speed",
    "keep_speed",
    "kept_speed",
    "rough_speed",
    "seconds_of",
    "speed_of",
    "tokens_of",
    "updates_of",
]

CORE_FLOPS = 8e9
"""Operations a second of one core, as small models were seen to reach; machines differ threefold."""
_LARGE, _LARGE_FLOPS = 50_000_000, 8e10
"""Parameters from which a block of rows keeps the units of a processor busy, and what a core reaches then."""
TOKEN_S = 1e-5
"""Seconds that a token takes whatever the model's size."""
_PROMPT = 30.0
"""Tokens of a prompt, where none was seen."""
_GPUS = ("/dev/nvidia0", "/dev/kfd")


@dataclass(frozen=True)
class Speed:
    """What an answer of one model takes."""

    token_s: float
    """Seconds a token, run or sampled, in one process."""
    answer: float
    """Tokens of an answer; infinite where none was seen: then it counts at its limit."""
    prompt: float
    """Tokens of a prompt, which is run once for all answers to it."""
    is_measured: bool = True
    """Whether it was seen, and not guessed from the model's size."""


def speed_of(drawn: Sequence[Completion], spent: Ledger, prompts: int) -> Speed | None:
    """Return the speed of answers and what drawing them took; None where nothing was drawn.

    Args:
        drawn: Answers whose lengths are typical.
        spent: Tokens and seconds of a drawing that was warm.
        prompts: Prompts of that drawing.
    """
    tokens = spent.tokens_prompt + spent.tokens_sampled
    if not drawn or not tokens or not spent.seconds:
        return None
    answer = sum(c.n_tokens for c in drawn) / len(drawn)
    return Speed(spent.seconds / tokens, answer, spent.tokens_prompt / max(1, prompts))


def tokens_of(ahead: TrialDraws, speed: Speed) -> float:
    """Return about how many tokens a trial runs, prompts included."""
    answers = ahead.answers * min(speed.answer, ahead.limit)
    return answers + ahead.completed * LIMITS[1] + ahead.prompts * speed.prompt


def seconds_of(ahead: TrialDraws, trial: Trial, speed: Speed) -> float:
    """Return about how long a trial takes in one process.

    A token trained counts three times: forward once, backward twice. Texts are trained on side by side,
    so that none takes longer than the model's size lets one expect of a full batch: the check, whose
    few answers end one by one, sees a slower token.
    """
    text = min(speed.answer, ahead.limit) + speed.prompt
    trained = 3 * _trained(trial) * text
    batched = rough_speed(trial.model) if trained and speed.is_measured else None
    trained_s = speed.token_s if batched is None else min(speed.token_s, batched.token_s)
    return tokens_of(ahead, speed) * speed.token_s + trained * trained_s


def updates_of(trial: Trial) -> int:
    """Return the optimiser steps that a trial's settings name; 0 where they name none."""
    steps, batch = trial.settings.get("steps"), trial.settings.get("batch")
    return steps if isinstance(steps, int) and isinstance(batch, int) else 0


def keep_speed(store: Store, model: str, task: str, speed: Speed | None) -> None:
    """Keep the measured speed of a subject in its study."""
    if speed is not None:
        store.keep(_name(model, task), "", json.dumps(plain(speed)))


def kept_speed(store: Store, model: str, task: str) -> Speed | None:
    """Return the speed that was measured of a subject; None where it was not checked."""
    text = store.kept(_name(model, task), None)
    return None if text is None else thawed(Speed, json.loads(text))


@lru_cache
def rough_speed(model: str) -> Speed | None:
    """Return the speed that a model's size lets one expect on this machine's processor.

    None where its files do not say, for a server, and on a machine with a GPU.
    """
    try:
        origin = resolve_backend(model).origin
        count = _parameters(at(origin)) if origin else 0
    except (ModicumError, OSError, ValueError, LookupError):
        return None
    if not count or any(Path(name).exists() for name in _GPUS):
        return None
    cores = len(os.sched_getaffinity(0))
    rate = _LARGE_FLOPS if count >= _LARGE else CORE_FLOPS
    return Speed(2.0 * count / (rate * cores) + TOKEN_S, math.inf, _PROMPT, False)


def _parameters(path: Path) -> int:
    """Return the numbers in a model's files; 0 where there are none."""
    if path.is_file():
        return gguf_head(path).numbers
    return sum(safetensors_head(file).numbers for file in path.glob("*.safetensors"))


def _trained(trial: Trial) -> float:
    """Return the texts that go through a training step: updates times the batch."""
    steps, batch = trial.settings.get("steps"), trial.settings.get("batch")
    if not isinstance(steps, int) or not isinstance(batch, int):
        return 0.0
    passes = trial.settings.get("passes")
    again = trial.n_shots * (passes if isinstance(passes, int) else 0)
    return float(max(steps * batch, again))


def _name(model: str, task: str) -> str:
    return json.dumps(["speed", model, task])
