"""Tokens of prompts, with those of answers that have begun; a nudge may act from there on."""

from collections.abc import Sequence

from modicum.errors import TrialError
from modicum.sampling.blocks import Engine, SamplingJob
from modicum.sampling.prefix import Tokens
from modicum.seeds import ahead, key
from modicum.types import Request
from modicum.whitebox import WhiteBox

__all__ = ["prompt_tokens", "starts_of", "stream_key", "text_tokens"]


def starts_of(engine: Engine, jobs: Sequence[SamplingJob]) -> dict[Tokens, int] | None:
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


def prompt_tokens(whitebox: WhiteBox, vocab: int, text: str) -> Tokens:
    """Return the tokens of a prompt; an empty one begins with the beginning or end token.

    Raises:
        TrialError: a token that the model does not know, or none to begin with.
    """
    ids = whitebox.encode(text)
    if ids and max(ids) >= vocab:
        msg = f"token {max(ids)} in a prompt, and a model of {vocab} tokens: "
        msg += f"{whitebox.decode([max(ids)])!r} stands for what it cannot read"
        raise TrialError(msg)
    if ids:
        return tuple(ids)
    named = (whitebox.tokenizer.bos_token_id, whitebox.tokenizer.eos_token_id)
    first = next((token for token in named if token is not None), None)
    if first is None:
        msg = "an empty prompt, and a tokenizer without a first or an end token to begin with"
        raise TrialError(msg)
    return (first,)


def text_tokens(whitebox: WhiteBox, vocab: int, request: Request) -> Tokens:
    """Return the tokens of a request: its prompt's, and those of the answer that has begun.

    Raises:
        TrialError: a token that the model does not know.
    """
    begun = request.begun
    if begun and not 0 <= min(begun) <= max(begun) < vocab:
        msg = f"token ids from {min(begun)} to {max(begun)}, and a model of {vocab} tokens"
        raise TrialError(msg)
    return (*prompt_tokens(whitebox, vocab, request.prompt), *begun)


def stream_key(request: Request, sample: int, stream: str) -> int:
    """Return the name of a sample's random stream; behind tokens that it has already, it goes on."""
    return ahead(key(stream, request.address, request.first + sample), len(request.begun))
