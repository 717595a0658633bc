"""Outcomes of whole studies, simulated from a known truth about the ability.

Every truth is a distribution over three things: what a sample answers, what greedy decoding
answers, and how often each rung, control and twin is right. As in the built-in organism a
direct answer is wrong in two ways: half of the direct answers copy a start value of the
problem (greedy always does), the other half are another problem's gold. With few answers both
hit the gold by chance, as a guess does.
"""

from dataclasses import dataclass, replace

import numpy as np

from modicum.analysis.ability import Ability
from modicum.analysis.evidence import ControlScores, Evidence, RungEvidence, Samples, Twin
from modicum.analysis.nulls import luck_scores

CHOICES = {"wide": 1000, "four": 4, "yes_no": 2}
"""Count of possible answers by width."""


@dataclass(frozen=True)
class Design:
    """Size of a simulated study."""

    width: str = "wide"
    """`wide` (1,000 possible answers), `four` (choices) or `yes_no`."""
    problems: int = 400
    """Test problems."""
    n_samples: int = 64
    """Samples a problem."""
    seeds: int = 3
    """Seeds of each tuned arm."""
    pass1: float = 0.03
    """Chance that a sample of a latent ability is worked, hence right."""
    has_twin: bool = True
    """Whether the control organism was tuned, at {8, 128} labels."""
    has_forced: bool = True
    """Whether the task has a forced worked form."""


@dataclass(frozen=True)
class Truth:
    """One truth: chances to be *able* on a problem; who is not able guesses."""

    name: str
    right: frozenset[str]
    """Words that are right; `undecided` is never wrong."""
    sampled: float = 0.0
    """Chance that a sample is worked; -1 stands for the design's `pass1`."""
    greedy: float = 0.0
    """Chance that greedy decoding is worked."""
    strict: float = 1.0
    """Chance that a right greedy answer is also right when read strictly."""
    share: float = 1.0
    """Share of the problems to which the ability extends at all."""
    label_free: float = 0.0
    """Chance that cot_decoding is right."""
    tuned: tuple[tuple[int, float, float], ...] = ((1, 0.0, 0.0), (4, 0.0, 0.0), (8, 0.0, 0.0))
    """Budgets with the chance to be right and its deviation between seeds."""
    twin: tuple[tuple[int, float, float], ...] = ((8, 0.0, 0.0), (128, 0.5, 0.1))
    """The same for the control organism."""
    forced: float = 0.0
    """Chance that the forced worked form is right."""
    accident: float = 0.0
    """Share of the problems whose start value happens to be the gold."""
    size: str = ""
    """Where guesses know the size: `even` or `normal` spread around the gold."""


UNLOCKED = ((1, 0.6, 0.2), (4, 0.93, 0.03), (8, 0.97, 0.02))
TAUGHT = ((8, 0.0, 0.0), (128, 0.7, 0.08))
LATENT = frozenset({"latent"})

TRUTHS = {
    truth.name: truth
    for truth in (
        Truth("latent", LATENT, sampled=-1, label_free=0.9, tuned=UNLOCKED, forced=0.97),
        Truth(
            "half_latent",
            LATENT,
            sampled=-1,
            share=0.5,
            label_free=0.9,
            tuned=UNLOCKED,
            forced=0.97,
        ),
        Truth("latent_tuned_only", LATENT, sampled=-1, tuned=UNLOCKED, forced=0.97),
        Truth(
            "half_latent_tuned_only",
            LATENT,
            sampled=-1,
            share=0.5,
            tuned=UNLOCKED,
            forced=0.97,
        ),
        Truth("latent_sampled_only", LATENT, sampled=-1),
        Truth("sealed", frozenset({"sealed"}), tuned=UNLOCKED, forced=0.97, accident=0.03),
        Truth("taught", frozenset({"taught"}), tuned=TAUGHT, twin=TAUGHT),
        Truth(
            "absent", frozenset({"absent"}), accident=0.03, twin=((8, 0.0, 0.0), (128, 0.0, 0.0))
        ),
        Truth(
            "size_even", frozenset({"absent"}), size="even", twin=((8, 0.0, 0.0), (128, 0.0, 0.0))
        ),
        Truth(
            "size_normal",
            frozenset({"absent"}),
            size="normal",
            twin=((8, 0.0, 0.0), (128, 0.0, 0.0)),
        ),
        Truth(
            "shown",
            frozenset({"shown"}),
            sampled=0.9,
            greedy=0.92,
            label_free=0.92,
            tuned=((1, 0.92, 0.01), (4, 0.93, 0.01), (8, 0.93, 0.01)),
            forced=0.95,
        ),
        Truth(
            "format_only",
            frozenset({"shown"}),
            sampled=0.85,
            greedy=0.92,
            strict=0.05,
            label_free=0.92,
            tuned=((1, 0.92, 0.01), (4, 0.93, 0.01), (8, 0.93, 0.01)),
            forced=0.95,
        ),
    )
}
"""All truths by name."""


class Simulator:
    """Draws the outcomes of one study on one set of problems."""

    def __init__(self, truth: Truth, design: Design, rng: np.random.Generator) -> None:
        """Draw the problems: golds, start values, and where the ability extends to."""
        self.truth, self.design, self.rng = truth, design, rng
        self.choices = CHOICES[design.width]
        self.gold = rng.integers(0, self.choices, design.problems)
        self.start = rng.integers(0, self.choices, design.problems)
        is_accident = rng.random(design.problems) < truth.accident
        self.start = np.where(is_accident, self.gold, self.start)
        self.scrambled = self.gold[self._derangement()]
        self.strata = np.zeros(design.problems, dtype=np.int64)
        self.able = rng.random(design.problems) < truth.share
        # A model that knows the size spreads its guesses over 10 to 30 values near the gold.
        self.spread = int(rng.integers(10, 31))
        self.shift = rng.integers(0, self.spread, design.problems)

    def _derangement(self) -> np.ndarray:
        """Shift the problems by a random amount, so that none keeps its own gold."""
        return np.roll(np.arange(self.design.problems), self.rng.integers(1, self.design.problems))

    def guesses(self, n: int, *, greedy: bool = False) -> np.ndarray:
        """Draws unworked answers `[problems, n]`."""
        problems = self.design.problems
        if self.truth.size:
            return self._sized(n)
        copies = self.rng.random((problems, n)) < (1.0 if greedy else 0.5)
        other = self.gold[self.rng.integers(0, problems, (problems, n))]
        return np.where(copies, self.start[:, None], other)

    def _sized(self, n: int) -> np.ndarray:
        """Draws answers near the gold; with few answers, the gold or one fixed other."""
        problems = self.design.problems
        if self.choices <= 4:
            other = (self.gold + 1 + self.shift % (self.choices - 1)) % self.choices
            is_gold = self.rng.random((problems, n)) < 0.5
            return np.where(is_gold, self.gold[:, None], other[:, None])
        if self.truth.size == "even":
            offset = self.rng.integers(0, self.spread, (problems, n)) - self.shift[:, None]
        else:
            offset = np.rint(self.rng.normal(0, self.spread / 4, (problems, n))).astype(np.int64)
        return np.abs(self.gold[:, None] + offset)

    def answers(self, chance: float, n: int, *, greedy: bool = False) -> np.ndarray:
        """Draws answers `[problems, n]`, worked and right with a chance where able."""
        worked = (self.rng.random((self.design.problems, n)) < chance) & self.able[:, None]
        return np.where(worked, self.gold[:, None], self.guesses(n, greedy=greedy))

    def arm(self, chance: float, deviation: float, *, able: bool = True) -> np.ndarray:
        """Draws scores `[seeds, problems]` of a nudge; who is not able guesses afresh."""
        rows = []
        for _ in range(self.design.seeds):
            drawn = float(np.clip(self.rng.normal(chance, deviation), 0, 1)) if able else 0.0
            rows.append(self.answers(drawn, 1)[:, 0] == self.gold)
        return np.array(rows, dtype=np.float64)

    def veto(self) -> ControlScores:
        """Draw the scrambled twin: tuning it gives guesses, marked by other golds."""
        after = [self.guesses(1)[:, 0] == self.scrambled for _ in range(self.design.seeds)]
        before = self.guesses(1, greedy=True)[:, 0] == self.scrambled
        return ControlScores("scrambled", np.array(after, float), before.astype(np.float64))

    def rungs(self) -> tuple[RungEvidence, ...]:
        """Draw the ladder: two label-free rungs, then tuning at each budget."""
        truth = self.truth
        voted = self.answers(truth.greedy, 1, greedy=True)[:, 0]
        branched = self.answers(truth.label_free, 1)[:, 0]
        ladder = [
            RungEvidence(
                method=method,
                n_shots=0,
                labels=0,
                is_tuned=False,
                scores=(read == self.gold).astype(np.float64),
                vetoes=(ControlScores("luck", luck_scores(read, self.gold, self.strata)),),
            )
            for method, read in (("self_consistency", voted), ("cot_decoding", branched))
        ]
        for n, chance_right, deviation in truth.tuned:
            ladder.append(
                RungEvidence(
                    method="fine_tune", n_shots=n, labels=n, is_tuned=True,
                    scores=self.arm(chance_right, deviation), vetoes=(self.veto(),),
                )
            )  # fmt: skip
        return tuple(ladder)

    def evidence(self) -> Evidence:
        """Draw all outcomes of the study."""
        truth, design = self.truth, self.design
        chance = design.pass1 if truth.sampled < 0 else truth.sampled
        answers = self.answers(chance, design.n_samples)
        greedy = self.answers(truth.greedy, 1, greedy=True)[:, 0] == self.gold
        read = self.rng.random(design.problems) < truth.strict
        default = greedy.astype(np.float64)
        forced = self.arm(truth.forced, 0.0)[0] if design.has_forced else None
        twins = [Twin("fine_tune", n, self.arm(p, sd)) for n, p, sd in truth.twin]
        return Evidence(
            default=default,
            floor=default,
            default_strict=default * read,
            samples=Samples(
                answers=answers,
                gold=self.gold,
                correct=answers == self.gold[:, None],
                strata=self.strata,
            ),
            forced=forced,
            forced_control=None if forced is None else self.arm(0.0, 0.0)[0],
            rungs=self.rungs(),
            twins=tuple(twins) if design.has_twin else (),
        )


def draw_evidence(truth: Truth, design: Design, rng: np.random.Generator) -> Evidence:
    """Draw one study; twin and forced form are there in two of three and half of the draws."""
    drawn = replace(
        design,
        has_twin=design.has_twin and rng.random() < 2 / 3,
        has_forced=design.has_forced and rng.random() < 0.5,
    )
    return Simulator(truth, drawn, rng).evidence()


def is_wrong(truth: Truth, answer: Ability, evidence: Evidence) -> bool:
    """Say whether a word is wrong of a truth.

    `undecided` never is; `learned` is right of every word among its candidates, where no twin was run
    to tell them apart or guessing hides what sampling reaches.
    """
    if answer.word == "undecided" or answer.word in truth.right:
        return False
    is_open = not evidence.twins or "latent" in answer.candidates
    return not (answer.word == "learned" and is_open and truth.right & set(answer.candidates))
