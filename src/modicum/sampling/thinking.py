"""Budget forcing: thinking is closed after so many tokens, or carried on where it would close.

Rounds of plain drawing, each going on from the token ids of the one before; what is put in between
is never drawn.

Source: Muennighoff et al. 2025 (2501.19393), section 3.1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from modicum.errors import ConfigError
from modicum.sampling.text import TextMaker
from modicum.types import Request, Sampling, Stop, ThinkingBudget
from modicum.whitebox import WhiteBox

__all__ = ["Piece", "ThinkingRow", "Words", "force", "rows_of", "words_of"]

Piece: TypeAlias = tuple[Sequence[int], Stop]
"""Tokens that were drawn, and why they ended."""


@dataclass
class ThinkingRow:
    """One answer on its way."""

    request: Request
    """One sample."""
    limit: int
    """Most tokens of the answer, those that are put in included."""
    is_opened: bool
    """Whether the prompt opens the thinking."""
    extensions: int
    """How often the thinking may still be carried on."""
    tokens: list[int] = field(default_factory=list)
    """Of the answer so far."""
    is_settled: bool = False
    """Whether nothing is forced any more."""
    stop: Stop | None = None
    """Why the answer ended; None while it has not."""

    @property
    def begun(self) -> tuple[int, ...]:
        """Everything after the prompt."""
        return (*self.request.begun, *self.tokens)

    def put(self, tokens: Sequence[int]) -> None:
        """Put tokens at the end; an answer that is full ends."""
        self.tokens = [*self.tokens, *tokens][: self.limit]
        if len(self.tokens) == self.limit:
            self.stop = "length"


@dataclass(frozen=True)
class Words:
    """What forcing must know of a model's words."""

    opening: str
    closing: str
    budget: ThinkingBudget
    encode: Callable[[str], list[int]]
    """Gives the tokens of a text that follows other text."""
    text: Callable[[Sequence[int]], str]
    """Gives the text of tokens, delimiters of thinking included."""
    is_stopped: Callable[[str], bool]
    """Whether a stop string of the user's stands in a text."""

    def is_open(self, text: str, *, is_opened: bool) -> bool:
        """Whether a text ends inside the thinking."""
        _, closed, rest = text.rpartition(self.closing)
        return self.opening in rest or (is_opened and not closed)


def words_of(
    whitebox: WhiteBox, budget: ThinkingBudget, sampling: Sampling, maker: TextMaker
) -> Words:
    """Return how a model tells its thinking.

    Raises:
        ConfigError: it does not think aloud, or figures of each token are asked for as well.
    """
    if whitebox.thinking is None:
        raise ConfigError(
            f"a budget of thinking for {whitebox.card.name!r}, which does not think aloud",
            "a chat template or a tokenizer with <think> or its like",
            "leave the budget out",
        )
    if sampling.margins or sampling.scores or sampling.branches is not None:
        raise ConfigError(
            "a budget of thinking beside margins, scores or branches",
            "one of them: what is put in was never drawn, and has no probability of its own",
            "leave the budget out",
        )
    stops = maker.stops(sampling.stop)
    return Words(
        *whitebox.thinking,
        budget,
        whitebox.encode_more,
        lambda tokens: maker.texts([tokens])[0],
        lambda text: stops is not None and stops.cut(text) != text,
    )


def rows_of(
    whitebox: WhiteBox,
    requests: Sequence[Request],
    limits: Sequence[int],
    budget: ThinkingBudget,
) -> list[ThinkingRow]:
    """Return a row for each sample, those of a request beside each other.

    Args:
        whitebox: Knows which prompts open the thinking.
        requests: What is asked.
        limits: Most tokens of each request's answers.
        budget: How often thinking may be carried on.
    """
    rows = []
    for request, limit in zip(requests, limits, strict=True):
        is_opened = whitebox.opens_thinking(request.prompt)
        ones = (replace(request, n=1, first=request.first + i) for i in range(request.n))
        rows += [ThinkingRow(one, limit, is_opened, budget.extensions) for one in ones]
    return rows


def force(
    rows: Sequence[ThinkingRow],
    words: Words,
    draw: Callable[[Sequence[Request], Sequence[int], tuple[str, ...]], Sequence[Piece]],
) -> None:
    """Draw every row to its end.

    Args:
        rows: What is wanted; receives tokens and reasons.
        words: How thinking is told, and what is forced.
        draw: Draws one sample a request, each up to its own limit, and ends it at further strings.
    """
    while True:
        for row in rows:
            _close(row, words)
        for is_watched in (True, False):
            live = [row for row in rows if row.stop is None and _is_watched(row) == is_watched]
            if not live:
                continue
            asked = [replace(row.request, begun=row.begun) for row in live]
            limits = [_room(row, words.budget) for row in live]
            further = (words.closing,) if is_watched else ()
            for row, (tokens, stop) in zip(live, draw(asked, limits, further), strict=True):
                _take(row, tokens, stop, words)
        if all(row.stop is not None for row in rows):
            return


def _is_watched(row: ThinkingRow) -> bool:
    """Say whether drawing must end where the thinking does."""
    return row.extensions > 0 and not row.is_settled


def _room(row: ThinkingRow, budget: ThinkingBudget) -> int:
    """Give the tokens that may be drawn before anything is to be looked at."""
    is_capped = budget.at_most > 0 and not row.is_settled
    most = min(row.limit, budget.at_most) if is_capped else row.limit
    return most - len(row.tokens)


def _close(row: ThinkingRow, words: Words) -> None:
    """Close thinking that has used its budget up."""
    budget = words.budget.at_most
    if row.stop is not None or row.is_settled or not budget or len(row.tokens) < budget:
        return
    row.is_settled = True
    if words.is_open(words.text(row.begun), is_opened=row.is_opened):
        row.put(words.encode(words.closing))


def _take(row: ThinkingRow, tokens: Sequence[int], stop: Stop, words: Words) -> None:
    """Take what was drawn, and carry the thinking on where it was to close and may not yet."""
    is_watched, before = _is_watched(row), words.text(row.begun)
    row.tokens = [*row.tokens, *tokens]
    text = words.text(row.begun)
    if stop == "eos" or words.is_stopped(text):
        row.stop = "eos" if stop == "eos" else "stop"
    elif stop == "length":
        row.stop = "length" if len(row.tokens) >= row.limit else None
    elif not is_watched:
        row.stop = stop
    else:
        place = text.find(words.closing, max(0, len(before) - len(words.closing)))
        # what closes nothing is a text like others
        if words.is_open(text[:place], is_opened=row.is_opened):
            row.extensions -= 1
            _carry_on(row, text[:place], words)


def _carry_on(row: ThinkingRow, text: str, words: Words) -> None:
    """Put the budget's text where the thinking would have closed.

    Args:
        row: Ends with the closing delimiter.
        text: What stands before it, as text.
        words: How it is told.
    """
    ahead, n = list(row.request.begun), len(row.tokens)
    while n and len(words.text([*ahead, *row.tokens[:n]])) > len(text):
        n -= 1
    lost = text[len(words.text([*ahead, *row.tokens[:n]])) :]
    row.tokens = row.tokens[:n]
    row.put(words.encode(lost + words.budget.text))
