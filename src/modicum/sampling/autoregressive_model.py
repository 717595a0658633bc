"""An autoregressive net as a model: it reads the puzzle in a prompt and writes the answer cell by cell."""

import copy
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from transformers import LlamaForCausalLM

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import Model, ModelCard
from modicum.nets.autoregressive import answer_of
from modicum.nets.autoregressive_folder import AutoregressiveCard
from modicum.nets.board_tokens import board_tokenizer, prompt_of
from modicum.nets.grid import Ids
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.board_text import NO_BOARD, board_in, board_pieces
from modicum.sampling.local import Local
from modicum.stock import Group
from modicum.types import Completion, Request, Sampling, Stop

__all__ = ["AutoregressiveModel", "Writing", "commonest"]


@dataclass(frozen=True)
class Writing:
    """How answers are drawn; all of it is part of an answer's address."""

    width: int = 1
    """Samples of an answer, at least 1; the commonest stands."""
    temperature: float = 1.0
    """Factor of the sampling's own temperature, above 0."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ConfigError: no samples, or no temperature.
        """
        if self.width < 1 or not 0 < self.temperature < float("inf"):
            raise ConfigError(
                f"width = {self.width}, temperature = {self.temperature} of an autoregressive net",
                "at least 1 sample, and a temperature above 0",
                "such as width=20&temperature=1",
            )


@final
class AutoregressiveModel(Model):
    """Answers what its puzzle reads in a prompt; any other prompt gets `?`.

    A token is a cell of the answer, or whatever stands at one answered position. Sampled by the same
    code as any local model, so that a sample goes by (stream, address, number) alone. An answer is the
    commonest of `width` samples, of equally common ones the first; sample i is that of draws `i * width`
    to `(i + 1) * width - 1`. Greedy, they go by the question alone, and one is the likeliest tokens.
    """

    def __init__(
        self,
        net: LlamaForCausalLM,
        puzzle: Puzzle,
        card: AutoregressiveCard,
        how: Writing,
        name: str,
    ) -> None:
        """Take a net as it stands.

        Args:
            net: On its device; of an untrained one the first weights.
            puzzle: What questions and answers are.
            card: What is known of the net; untrained where it says nothing of training.
            how: How answers are drawn.
            name: Reference of the model.

        Raises:
            ConfigError: a net whose positions or ids are not the puzzle's.
        """
        shape, grid = card.shape, puzzle.grid
        own = (shape.length, shape.vocabulary, shape.answered)
        if own != (grid.length, grid.vocabulary, grid.n_answered):
            raise ConfigError(
                f"an autoregressive net for {shape.length} positions, {shape.answered} of them answered, "
                f"and {shape.vocabulary} ids",
                f"{grid.length}, {grid.n_answered} and {grid.vocabulary}, as {card.task} has them",
                "give the task that the net was made for",
            )
        self.net, self.puzzle, self.made, self.how = net, puzzle, card, how
        self._local = Local(net, board_tokenizer(shape), name=name)

    @property
    def is_new(self) -> bool:
        """Whether nothing was learned yet."""
        return not self.made.trained

    @property
    def card(self) -> ModelCard:
        """What is known of the model; a token is a cell of the answer, with all that are voted over."""
        own, how = self._local.card, self.how
        decides = f"{own.reading} {self.puzzle!r} {how!r}".encode()
        voted = (f"each answer is a vote of {how.width} samples",) if how.width > 1 else ()
        said = f"autoregressive net, no language: writes boards of {self.made.task} cell by cell"
        untrained = ("untrained: its first weights are random",) if self.is_new else ()
        return dataclasses.replace(
            own,
            flops_per_token=how.width * own.flops_per_token,
            notes=(said, *voted, *own.notes, *untrained),
            reading=hashlib.blake2b(decides, digest_size=8).hexdigest(),
        )

    def with_net(self, net: LlamaForCausalLM, card: AutoregressiveCard) -> "AutoregressiveModel":
        """Return the same model around a net that was trained; it takes from no stock."""
        other = copy.copy(self)
        other.net, other.made, other._stock = net, card, None
        other._local = self._local.with_module(net)
        return other

    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Answer every request; an answer ends with its last cell."""
        read = {prompt: board_in(self.puzzle, prompt) for prompt in {r.prompt for r in requests}}
        asked = [
            (request, question)
            for request in requests
            if (question := read[request.prompt]) is not None
        ]
        inner = Ledger()
        with ledger.timed():
            drawn = self._drawn(asked, sampling, inner)
        done = iter(drawn)
        groups = [
            (_no_board(sampling),) * request.n if read[request.prompt] is None else next(done)
            for request in requests
        ]
        self._count(
            groups, inner, len({p for p, question in read.items() if question is None}), ledger
        )
        return groups

    def _drawn(
        self, asked: Sequence[tuple[Request, Ids]], sampling: Sampling, ledger: Ledger
    ) -> list[Group]:
        """Draw the answers to questions, each the vote of its samples."""
        width, is_one = self.how.width, sampling.is_greedy
        how = dataclasses.replace(
            sampling,
            max_new_tokens=min(sampling.max_new_tokens, self.puzzle.grid.n_answered),
            temperature=self.how.temperature * sampling.temperature,
            stop=(),
            ids=True,
        )
        if is_one and width > 1:
            how = dataclasses.replace(how, temperature=self.how.temperature, stream="greedy")
        wanted = [
            Request(prompt_of(question), " ".join(map(str, question)), width)
            if is_one
            else dataclasses.replace(
                request,
                prompt=prompt_of(question),
                n=request.n * width,
                first=request.first * width,
            )
            for request, question in asked
        ]
        groups = []
        for (request, question), group in zip(
            asked, self._local.draw(wanted, how, ledger), strict=True
        ):
            written = [self._completion(question, one, sampling) for one in group]
            votes = [commonest(written[i : i + width]) for i in range(0, len(written), width)]
            groups.append(tuple(votes) * request.n if is_one else tuple(votes))
        return groups

    def _count(self, groups: Sequence[Group], inner: Ledger, unread: int, ledger: Ledger) -> None:
        """Count what was run: real tokens, of which answers hold one sample each."""
        sampled = sum(one.n_tokens for group in groups for one in group)
        prompt = inner.tokens_prompt + unread
        flops = inner.flops + unread * self._local.card.flops_per_token
        ledger.ran(prompt=prompt, sampled=sampled, flops_per_token=flops / max(1, prompt + sampled))

    def _completion(self, question: Ids, drawn: Completion, sampling: Sampling) -> Completion:
        """Return what was written as the text of a board, a cell a token."""
        grid = self.puzzle.grid
        ends = self.made.shape.ends
        written = [token for token in drawn.ids if token != ends]
        text = self.puzzle.decode(question, answer_of(grid, question, written))
        pieces = board_pieces(text, grid.n_answered)[: len(written)]
        pieces = (*pieces, *[""] * (len(drawn.ids) - len(pieces)))
        text = "".join(pieces)
        stop: Stop = "eos" if len(written) == grid.n_answered else drawn.stop
        found = [place for end in sampling.stop if end and (place := text.find(end)) >= 0]
        if found:
            text, stop = text[: min(found)], "stop"
        return dataclasses.replace(
            drawn,
            text=text,
            stop=stop,
            pieces=pieces if sampling.margins else (),
            ids=drawn.ids if sampling.ids else (),
        )


def commonest(written: Sequence[Completion]) -> Completion:
    """Return the answer that most say; of equally common ones the first.

    >>> commonest([Completion(text, 1, "eos") for text in "abcb"]).text
    'b'
    """
    [(text, _)] = Counter(one.text for one in written).most_common(1)
    return next(one for one in written if one.text == text)


def _no_board(sampling: Sampling) -> Completion:
    if not sampling.margins:
        return Completion(NO_BOARD, 1, "eos")
    return Completion(NO_BOARD, 1, "eos", (NO_BOARD,), (1.0,), (1.0,))
