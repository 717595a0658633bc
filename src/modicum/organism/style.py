"""The style organism: two families solved at length by default, and tersely when asked.

It knows both forms of one and the same work, so that what a nudge takes away is length and nothing
else: no bare answers, no hidden skill. Both forms begin with the same word and part at the next one.
"""

from dataclasses import replace
from functools import partial

from modicum.organism.blueprint import Blueprint, Document, Phase, Shape
from modicum.organism.families import FAMILIES
from modicum.organism.stories import DIRECT, OPENER, Story, named_stream
from modicum.organism.tokenizer import Vocabulary

__all__ = [
    "LONG",
    "LONGEST",
    "SHORT",
    "STYLE_FAMILIES",
    "STYLE_WORDS",
    "draw_styled",
    "style_blueprint",
    "verbose",
]

SHORT = "Short ."
"""Asks for the terse form; goes after the question."""
LONG = "Long ."
"""Asks for the verbose form; goes after the question."""

STYLE_WORDS = Vocabulary(
    "Ann Bob",
    "Think Answer Short Long has pears loses gets How many row back front Which "
    "so now we look at and see that it is here take then get check",
    symbols=",.?=+-:",
)
"""The words of the style organism."""

LONGEST = 184
"""Most tokens of an answer: a verbose one has at most 170; what is longer went astray."""
STYLE_FAMILIES = ("word_sums", "row_pushes")
"""The families it knows."""

_SHARES = dict.fromkeys(STYLE_FAMILIES, 0.5)
_VERBOSE_BY_DEFAULT = 0.85
_ASKED_LONG, _ASKED_SHORT = 0.20, 0.20  # of all documents
_PHASES = (
    Phase(
        name="style",
        steps=2400,
        shares=_SHARES,
        worked=dict.fromkeys(_SHARES, 1.0),
        has_contexts=True,
        peak_rate=2e-3,
        last_rate=2e-5,
        warm_up=200,
    ),
)
_INTERMEDIATE = {64: 172, 96: 256}


def style_blueprint(seed: str, hidden: int = 96, *, steps: int = 0) -> Blueprint:
    """Return the plan of a style organism.

    Args:
        seed: names the random streams of weights and documents.
        hidden: width of the net, 64 or 96.
        steps: training steps, for shorter runs; 2,400 where 0.
    """
    phases = tuple(replace(phase, steps=steps or phase.steps) for phase in _PHASES)
    return Blueprint(
        f"style-{hidden}",
        seed,
        Shape(hidden=hidden, intermediate=_INTERMEDIATE[hidden]),
        STYLE_WORDS,
        phases,
        partial(draw_styled, seed),
        documents_per_step=40,
    )


def draw_styled(seed: str, phase: Phase, index: int) -> Document:
    """Return one document: a question, in two of five with an instruction, and its worked form.

    Args:
        seed: names the stream.
        phase: which part of the stream.
        index: place of the document within the phase.
    """
    rng = named_stream("style", "document", seed, phase.name, index)
    name = rng.choices(tuple(phase.shares), tuple(phase.shares.values()))[0]
    story = FAMILIES[name].story(rng, "stream")
    place = rng.random()
    if place < _ASKED_LONG:
        return Document(f"{story.question} {LONG}", f" {verbose(story)}")
    if place < _ASKED_LONG + _ASKED_SHORT:
        return Document(f"{story.question} {SHORT}", f" {story.worked()}")
    form = verbose(story) if rng.random() < _VERBOSE_BY_DEFAULT else story.worked()
    return Document(story.question, f" {form}")


def verbose(story: Story) -> str:
    """Return the worked form with a sentence and a check for each step."""
    before, sentences = story.start, []
    for step, after in zip(story.steps, story.states, strict=True):
        done = step.strip()
        sentences.append(
            f" so now we look at {before} and see that it is {done} here, we take {before} then "
            f"{done}, so we get {after}. check it: {after} it is."
        )
        before = after
    return f"{OPENER}{''.join(sentences)} {DIRECT} {story.answer}"
