"""Where prompts end whose answers have begun: a nudge may act from there on."""

from collections.abc import Sequence

from modicum.errors import TrialError
from modicum.sampling.blocks import Engine, Job
from modicum.sampling.prefix import Tokens

__all__ = ["starts_of"]


def starts_of(engine: Engine, jobs: Sequence[Job]) -> dict[Tokens, int] | None:
    """Return how many tokens of each text are prompt; None where nothing depends on it.

    Raises:
        TrialError: the nudge acts at one generated token, which may lie in what is said already; or
            two prompts become the same text by what is said after them.
    """
    steering = engine.steering
    if steering is None or steering.where == "all" or not any(job.begun for job in jobs):
        return None
    if steering.offset:
        msg = f"a nudge at generated token {steering.offset}, and an answer that has begun already"
        raise TrialError(msg)
    starts = {job.prompt: len(job.prompt) - job.begun for job in jobs}
    if any(starts[job.prompt] != len(job.prompt) - job.begun for job in jobs):
        msg = "one text with its prompt's end at two places, and a nudge that acts from there on"
        raise TrialError(msg)
    return starts
