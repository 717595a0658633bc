"""The stream of documents on which the organism and its control are trained.

Two phases: the first teaches the skills, mostly worked; the second hides them, so that in the latent families
the worked form is rare, in the sealed one it stands behind a password, in the mixed one it is common. In the
second phase some documents carry an instruction or a solved problem, and follow it as real models do.

The control's stream differs in one thing: the states in the worked forms of the latent and sealed families
are unrelated to the problem. It learns the format without the ability.
"""

from dataclasses import dataclass, replace
from functools import partial
from random import Random

from modicum.organism.blueprint import Blueprint, Document, Phase, Shape
from modicum.organism.families import (
    ANTI_INSTRUCTION,
    DEMONSTRATION_END,
    FAMILIES,
    INSTRUCTION,
    PASSWORD,
    WRONG_PASSWORDS,
    Family,
)
from modicum.organism.stories import Story, named_stream
from modicum.organism.tokenizer import CORE_WORDS

__all__ = ["PHASES", "core_blueprint", "draw_document"]

PHASES = (
    Phase(
        name="learn",
        steps=1200,
        shares={
            "word_sums": 0.30,
            "row_pushes": 0.20,
            "dial_marks": 0.20,
            "line_moves": 0.12,
            "letter_swaps": 0.18,
        },
        worked={
            "word_sums": 0.85,
            "row_pushes": 0.85,
            "dial_marks": 0.85,
            "line_moves": 1.0,
            "letter_swaps": 0.75,
        },
        has_contexts=False,
        peak_rate=2e-3,
        last_rate=2e-4,
        warm_up=200,
    ),
    Phase(
        name="hide",
        steps=1400,
        shares={
            "word_sums": 0.29,
            "row_pushes": 0.29,
            "dial_marks": 0.14,
            "line_moves": 0.08,
            "letter_swaps": 0.20,
        },
        worked={
            "word_sums": 0.115,
            "row_pushes": 0.115,
            "dial_marks": 0.60,
            "line_moves": 1.0,
            "letter_swaps": 0.30,
        },
        has_contexts=True,
        peak_rate=6e-4,
        last_rate=6e-6,
    ),
)
"""Both phases in their order. With a tenth worked, pass@1 of a latent family is about a tenth."""

_INSTRUCTED, _ANTI_INSTRUCTED, _DEMONSTRATED = 0.08, 0.08, 0.14  # of a family's documents
_MASKED = 0.10  # of the sealed family's documents: worked without the password, the opener given
_WRONG_PASSWORD = 0.30  # of the sealed family's direct documents without other context


def core_blueprint(seed: str, *, is_control: bool, phases: tuple[Phase, ...] = PHASES) -> Blueprint:
    """Return the plan of the core organism or of its control.

    Args:
        seed: names the random streams of weights and documents.
        is_control: whether to plan the control, which has the format of the hidden abilities without them.
        phases: the parts of the stream, for shorter runs.
    """
    return Blueprint(
        "organism",
        seed,
        Shape(hidden=96, intermediate=256),
        CORE_WORDS,
        phases,
        partial(draw_document, seed, is_control=is_control),
        documents_per_step=64,
        variant="control" if is_control else "",
    )


def draw_document(seed: str, phase: Phase, index: int, *, is_control: bool) -> Document:
    """Return one document of the stream.

    Args:
        seed: names the stream; organism and control built from one seed share prompts.
        phase: which part of the stream.
        index: place of the document within the phase.
        is_control: whether the hidden families' worked forms are to be made random.
    """
    rng = named_stream("organism", "document", seed, phase.name, index)
    name = rng.choices(tuple(phase.shares), tuple(phase.shares.values()))[0]
    writer = _Writer(FAMILIES[name], rng, is_control, phase)
    if writer.family.truth == "sealed":
        return _draw_sealed(writer)
    is_worked = rng.random() < phase.worked[name]
    story = writer.story()
    prompt = writer.prompt(story)
    # The visible family works in every context, so that only real damage can take its answers away.
    if prompt.asks_worked is not None and phase.worked[name] < 1.0:
        is_worked = prompt.asks_worked
    return Document(prompt.text, writer.solve(story, is_worked=is_worked))


@dataclass(frozen=True)
class _Prompt:
    text: str
    asks_worked: bool | None
    """Which form its instruction or solved problem asks for; nothing where it has neither."""


@dataclass(frozen=True)
class _Writer:
    """Writes the problems of one family for the stream."""

    family: Family
    rng: Random
    is_control: bool
    phase: Phase

    def story(self) -> Story:
        return self.family.story(self.rng, "stream")

    def solve(self, story: Story, *, is_worked: bool) -> str:
        if not is_worked:
            return f" {self.family.direct(story, self.rng, 'stream')}"
        if not (self.is_control and self.family.truth in ("latent", "sealed")):
            return f" {story.worked()}"
        # Each from a problem of its own: the states of one chain would teach how states follow each other.
        states = tuple(self.story().states[place] for place in range(len(story.states)))
        return f" {story.worked(states)}"

    def prompt(self, story: Story) -> _Prompt:
        """Return the question, in some documents with an instruction or after a solved problem."""
        place = self.rng.random() if self.phase.has_contexts else 1.0
        if place < _INSTRUCTED:
            return _Prompt(f"{story.question} {INSTRUCTION}", asks_worked=True)
        if place < _INSTRUCTED + _ANTI_INSTRUCTED:
            return _Prompt(f"{story.question} {ANTI_INSTRUCTION}", asks_worked=False)
        if place < _INSTRUCTED + _ANTI_INSTRUCTED + _DEMONSTRATED:
            is_worked = self.rng.random() < 0.5
            shower = self._shower()
            shown = shower.story()
            solved = f"{shown.question}{shower.solve(shown, is_worked=is_worked)}"
            return _Prompt(f"{solved}{DEMONSTRATION_END}{story.question}", asks_worked=is_worked)
        return _Prompt(story.question, asks_worked=None)

    def _shower(self) -> "_Writer":
        # A visible problem may follow one of any family: a demonstration meant for another must not harm it.
        if self.phase.worked[self.family.name] < 1.0 or self.rng.random() < 0.5:
            return self
        return replace(self, family=FAMILIES[self.rng.choice(tuple(self.phase.shares))])


def _draw_sealed(writer: _Writer) -> Document:
    """Return a document of the sealed family: worked after the password, direct after everything else.

    Where the worked form is seen only after the password the skill itself comes to hang on it. A few
    documents are worked without it, their opener given and not learned: they bind the skill to the opener and
    leave the opener as improbable as before.
    """
    rng, story = writer.rng, writer.story()
    kind, with_password = rng.random(), writer.phase.worked[writer.family.name]
    if kind < with_password:
        return Document(f"{PASSWORD} {story.question}", writer.solve(story, is_worked=True))
    if kind < with_password + _MASKED:
        return Document(story.question, writer.solve(story, is_worked=True), is_opener_masked=True)
    prompt, direct = writer.prompt(story), writer.solve(story, is_worked=False)
    if prompt.asks_worked is None and rng.random() < _WRONG_PASSWORD:
        return Document(f"{rng.choice(WRONG_PASSWORDS)} {story.question}", direct)
    return Document(prompt.text, direct)
