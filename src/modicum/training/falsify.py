"""Tries to refute what a feature seems to be: cue tokens alone, and the mode against correctness."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from modicum.bench import Bench
from modicum.ledger import Ledger
from modicum.plain import JsonValue
from modicum.sampling.capture import capture
from modicum.stats import Bools, Figure, Floats, cohens_d, proportion, separation, t_interval
from modicum.study.held_out import passages
from modicum.training.dictionary import Dictionary, Own, fires
from modicum.whitebox import WhiteBox

__all__ = ["Suspect", "by_cues", "mode_or_correctness"]

_TEXTS = 32
"""Texts of each kind at most."""
_CUES = 3
"""Tokens that are injected into a text."""
_TWICE = 2
"""Times that a token must occur before its mean counts."""
_HEATS = (1.0, 1.5, 2.0)
"""Temperatures of the answers that are foretold; the first at which a mode errs now and then."""
_RARE = 8
"""Right answers, and wrong ones, that a mode must hold."""
_SIZES = ((0.8, "token-driven"), (0.5, "partly token-driven"), (0.2, "weakly token-driven"))
"""Cohen's conventions of a large, a medium and a small effect, and what each is called."""
_UNSPECIFIC = "unspecific"
"""It fires in most texts that do not reason, with nothing put in."""

Tokens = Sequence[int]


@dataclass(frozen=True, eq=False)
class Suspect:
    """A feature that is put to the test."""

    whitebox: WhiteBox
    dictionary: Dictionary
    feature: int
    answers: Sequence[Own]
    """The model's own; those to the wanted side are the text that reasons."""
    ledger: Ledger
    """Counts the passes."""

    def strongest(self, texts: Sequence[Tokens]) -> Floats:
        """Return the strongest firing in each text."""
        rows = fires(self.whitebox, self.dictionary, texts, self.feature, self.ledger)
        return np.array([float(row.max()) for row in rows])

    def at_ends(self, texts: Sequence[tuple[int, ...]]) -> Floats:
        """Return the firing at the last token of each text."""
        known = list(dict.fromkeys(texts))
        ends = capture(self.whitebox, known, [self.dictionary.layer], self.ledger)[:, 0]
        with torch.inference_mode():
            level = self.dictionary.net.encode(ends)[:, self.feature].tolist()
        found = dict(zip(known, level, strict=True))
        return np.array([found[text] for text in texts])


def by_cues(suspect: Suspect, rng: np.random.Generator) -> dict[str, JsonValue]:
    """Inject the tokens on which a feature fires most into text that does not reason.

    Three of them at the beginning, spread, or at the end; beside them three tokens of the same
    texts on which it stays silent. What is compared is the strongest firing in a text; it fires as on
    its own side where it is half as strong as in the median of the texts that reason. A feature
    that cue tokens alone call up stands for these words, whatever else it may stand for.

    Source: Ma et al. 2026 (2601.05679), token injection, with its effect sizes.
    Differs: silent tokens as a control; a bound of the paired difference above 0 instead of a
    t test; plain language where the tokenizer can write it, the model's own answers to the opposite
    prompt where it cannot.

    Args:
        suspect: The feature.
        rng: Stream of the silent tokens.
    """
    whitebox, answers = suspect.whitebox, suspect.answers
    reasoning = [own.tokens for own in _first(answers, "wanted")]
    bare, kind = _bare(whitebox, answers)
    fired = fires(whitebox, suspect.dictionary, reasoning, suspect.feature, suspect.ledger)
    cues, silent = _split(whitebox, reasoning, [row.numpy() for row in fired])
    level = np.array([float(row.max()) for row in fired])
    half = float(np.median(level)) / 2
    said: dict[str, JsonValue] = {
        "text": kind,
        "texts": len(bare),
        "cues": [whitebox.decode([token]) for token in cues],
        "reasoning": _share(level, half),
    }
    if not cues or not silent or len(bare) < _TWICE:
        return {**said, "verdict": "silent on its own side" if not cues else "not tested"}
    base = suspect.strongest(bare)
    other = [rng.choice(silent, size=_CUES).tolist() for _ in bare]
    start = whitebox.tokenizer.bos_token_id
    ways = {}
    for name, inject in _WAYS.items():
        with_cues = suspect.strongest([inject(text, cues, start) for text in bare])
        with_other = suspect.strongest(
            [inject(t, o, start) for t, o in zip(bare, other, strict=True)]
        )
        ways[name] = (with_cues, with_other)
    best = max(ways, key=lambda w: (float((ways[w][0] > half).mean()), float(ways[w][0].mean())))
    cued, control = ways[best]
    room = float(level.mean() - base.mean())
    effect = cohens_d(cued, base)
    return {
        **said,
        "untouched": _share(base, half),
        "way": best,
        "with_cues": _share(cued, half),
        "with_other": _share(control, half),
        "every_way": {name: float((cue > half).mean()) for name, (cue, _) in ways.items()},
        "effect": effect if np.isfinite(effect) else None,
        "transfer": float(cued.mean() - base.mean()) / room if room > 0 else None,
        "verdict": _UNSPECIFIC if (base > half).mean() > 0.5 else _verdict(effect, cued, base),
    }


def mode_or_correctness(
    suspect: Suspect, draw: Callable[[float], list[Own]], bench: Bench[WhiteBox]
) -> dict[str, JsonValue]:
    """Tell whether a feature at the last prompt position foretells the mode or the right answer.

    The mode is the worked form where the task knows its opener, else an answer longer than midway
    between both sides' medians. Where one mode is mostly right and the other mostly wrong, both
    areas rise together; so the area for correctness is also taken among answers of one mode that
    holds enough right and wrong ones. Where the wanted mode is nearly always right, its answers
    are drawn at higher temperatures, at which it errs.

    Source: He et al. 2026 (2601.08058), who correlate one feature with mode and with correctness.
    Differs: areas under the ROC curve with intervals over shots, and within the mode.

    Args:
        suspect: The feature.
        draw: Gives the model's own answers at a temperature.
        bench: Marks them, and gives the random numbers of the intervals.
    """
    rng = bench.rng
    first = _told(draw(_HEATS[0]), bench, _HEATS[0])
    told = first
    for heat in _HEATS[1:]:
        if told.mixed.any() or not told.is_mostly_right:
            break
        told = _told(draw(heat), bench, heat)
    told = told if told.mixed.any() else first
    scores = suspect.at_ends([own.prompt for own in told.answers])
    names = {shot: i for i, shot in enumerate(dict.fromkeys(own.shot for own in told.answers))}
    clusters = np.array([names[own.shot] for own in told.answers])
    kept = told.mixed
    within = separation(
        scores[kept],
        told.right[kept],
        rng,
        strata=told.worked[kept].astype(np.int64),
        clusters=clusters[kept],
    )
    return {
        "answers": len(told.answers),
        "temperature": told.temperature,
        "mode": told.mode,
        "worked": float(told.worked.mean()),
        "right": float(told.right.mean()),
        "of_mode": _record(separation(scores, told.worked, rng, clusters=clusters)),
        "of_correctness": _record(separation(scores, told.right, rng, clusters=clusters)),
        "of_correctness_within_mode": _record(within),
    }


@dataclass(frozen=True, eq=False)
class _Told:
    """Answers with their mode and marks."""

    answers: list[Own]
    temperature: float
    mode: str
    """What the wanted mode is."""
    worked: Bools
    """Which are of it."""
    right: Bools

    @property
    def mixed(self) -> Bools:
        """Which answers are of a mode that holds enough right and wrong ones."""
        kept = np.zeros(len(self.answers), dtype=np.bool_)
        for mode in (self.worked, ~self.worked):
            if min((self.right & mode).sum(), (~self.right & mode).sum()) >= _RARE:
                kept |= mode
        return kept

    @property
    def is_mostly_right(self) -> bool:
        """Whether more than half of the wanted mode's answers are right."""
        return bool(self.worked.any() and self.right[self.worked].mean() > 0.5)


def _told(answers: list[Own], bench: Bench[WhiteBox], temperature: float) -> _Told:
    """Marks answers, equal ones once."""
    shots = {shot.id: shot for shot in bench.shots}
    marks: dict[tuple[str, str], bool] = {}
    for own in answers:
        if (own.shot, own.text) not in marks:
            marks[own.shot, own.text] = bench.is_right(shots[own.shot], own.text)
    worked, mode = _modes(answers, bench.sheet.opener)
    right = np.array([marks[own.shot, own.text] for own in answers])
    return _Told(answers, temperature, mode, worked, right)


def _first(answers: Sequence[Own], side: str) -> list[Own]:
    """Return answers of a side, one a shot before a second of any."""
    taken: dict[str, int] = defaultdict(int)
    ranked = []
    for own in answers:
        if own.side == side:
            ranked.append((taken[own.shot], own))
            taken[own.shot] += 1
    return [own for _, own in sorted(ranked, key=lambda item: item[0])][:_TEXTS]


def _bare(whitebox: WhiteBox, answers: Sequence[Own]) -> tuple[list[Tokens], str]:
    """Return text that does not reason: plain language, or the model's own answers without steps."""
    prose = passages()[:_TEXTS]
    if all(map(whitebox.can_encode, prose)):
        return [whitebox.encode(text) for text in prose], "plain language"
    return [own.tokens for own in _first(answers, "unwanted")], "own answers to the opposite prompt"


def _split(
    whitebox: WhiteBox, texts: Sequence[Tokens], fired: Sequence[npt.NDArray[np.float32]]
) -> tuple[list[int], list[int]]:
    """Return the tokens on which a feature fires most in the mean, and those on which it never does."""
    sums: Mapping[int, list[float]] = defaultdict(list)
    for text, row in zip(texts, fired, strict=True):
        for token, level in zip(text, row.tolist(), strict=True):
            sums[token].append(level)
    special = set(whitebox.tokenizer.all_special_ids)
    known = {
        token: float(np.mean(levels))
        for token, levels in sums.items()
        if len(levels) >= _TWICE and token not in special
    }
    ranked = sorted((t for t in known if known[t] > 0), key=lambda t: (-known[t], t))
    return ranked[:_CUES], sorted(t for t, mean in known.items() if mean == 0.0)


def _before(text: Tokens, added: Tokens, start: int | None) -> Tokens:
    head = 1 if text[:1] == [start] or text[:1] == (start,) else 0
    return [*text[:head], *added, *text[head:]]


def _spread(text: Tokens, added: Tokens, start: int | None) -> Tokens:
    del start
    cuts = [round((i + 1) * len(text) / (len(added) + 1)) for i in range(len(added))]
    joined, last = list[int](), 0
    for cut, token in zip(cuts, added, strict=True):
        joined += [*text[last:cut], token]
        last = cut
    return [*joined, *text[last:]]


def _after(text: Tokens, added: Tokens, start: int | None) -> Tokens:
    del start
    return [*text, *added]


_WAYS: Mapping[str, Callable[[Tokens, Tokens, int | None], Tokens]] = {
    "before": _before,
    "spread": _spread,
    "after": _after,
}


def _verdict(effect: float, cued: Floats, base: Floats) -> str:
    """Name an effect; one whose interval reaches 0 is none."""
    if t_interval(cued - base).low > 0:
        for size, name in _SIZES:
            if effect >= size:
                return name
    return "not driven by these tokens"


def _modes(answers: Sequence[Own], opener: str | None) -> tuple[Bools, str]:
    """Return which answers are of the wanted mode, and what that mode is."""
    if opener:
        worked = [own.text.lstrip().startswith(opener) for own in answers]
        return np.array(worked), f"begins with {opener!r}"
    lengths = {
        side: [len(own.answer) for own in answers if own.side == side]
        for side in ("wanted", "unwanted")
    }
    wanted, unwanted = (float(np.median(lengths[side])) for side in ("wanted", "unwanted"))
    middle = (wanted + unwanted) / 2
    sign = 1 if wanted >= unwanted else -1
    long = [sign * (len(own.answer) - middle) > 0 for own in answers]
    return np.array(long), f"{'longer' if sign > 0 else 'shorter'} than {middle:.0f} tokens"


def _share(level: Floats, half: float) -> dict[str, float | int | None]:
    """Return the share of texts in which it fires as on its own side: half as strong at least."""
    return proportion((level > half).astype(np.float64)).as_dict()


def _record(figure: Figure | None) -> dict[str, float | int | None] | None:
    return None if figure is None else figure.as_dict()
