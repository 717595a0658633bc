"""What a study hands to the rule of ability: outcomes as plain arrays, nothing else."""

from dataclasses import dataclass

import numpy as np

from modicum.stats import Bools, Floats, Ints, vote, vote_of_marked

__all__ = [
    "ControlScores",
    "Evidence",
    "RungEvidence",
    "Samples",
    "Twin",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """Sampled answers in the floor's style at temperature 1, top-p 1."""

    answers: Ints
    """Answer codes `[problems, samples]`, at least 0; -1 where no answer could be read. Equal
    answers have equal codes across problems, and gold answers share the coding."""
    gold: Ints
    """Code of each problem's gold answer."""
    correct: Bools
    """Whether each sample was marked correct (lenient), `[problems, samples]`."""
    strata: Ints
    """One code for each combination of cluster, difficulty and gold answer length: the luck
    null compares with golds of the same stratum only."""
    accepted: Ints | None = None
    """Where problems may have several right answers: each of them as problem and code, `[pairs, 2]`.
    None where a correct answer has its gold's code."""

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises:
            ValueError: If the arrays do not cover the same problems and samples.
        """
        if self.answers.ndim != 2 or self.answers.shape != self.correct.shape:
            raise ValueError(
                f"found answers {self.answers.shape}, correct {self.correct.shape}; "
                "expected both [problems, samples]"
            )
        if not self.gold.shape == self.strata.shape == self.answers.shape[:1]:
            raise ValueError("expected one gold code and one stratum a problem")

    @property
    def n_samples(self) -> int:
        """Samples drawn a problem."""
        return int(self.answers.shape[1])

    def voted(self, first: int, n: int) -> Floats:
        """Return what the vote of n samples from `first` on scores on each problem, `[problems]`."""
        part = slice(first, first + n)
        if self.accepted is None:
            return vote(self.answers[:, part], self.gold)
        return vote_of_marked(self.answers[:, part], self.correct[:, part])

    @property
    def hits(self) -> Ints:
        """Count of correct samples of each problem."""
        return np.asarray(self.correct.sum(axis=1), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class ControlScores:
    """A twin arm that should not work if the claim is true, on the same test problems."""

    name: str
    """Such as `scrambled`, `control_organism`, `random_vector`, `luck`."""
    scores: Floats
    """Its lenient scores, `[problems]` or `[seeds, problems]`."""
    before: Floats | None = None
    """What the same twin scored without the nudge (its own floor, `[problems]`; of a prompt
    style its own default). Where given,
    gains are compared instead of levels: a model that knows the size of an answer scores
    above zero without being nudged, its scrambled twin does not."""


@dataclass(frozen=True, eq=False)
class Twin:
    """A twin of equal learnability, mostly the control organism, tuned by the same method."""

    method: str
    """Method that tuned it; compared with rungs of this method only."""
    n_shots: int
    """Labelled problems it was tuned on."""
    scores: Floats
    """Its lenient scores on the same test problems, `[problems]` or `[seeds, problems]`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RungEvidence:
    """The outcome of one method at one budget, with its controls."""

    method: str
    """Plug-in name of the method."""
    n_shots: int
    """Labelled problems it was given, 0 or more."""
    labels: int
    """Labels it really used (training, selection, stopping); 0 makes it label-free."""
    scores: Floats
    """Lenient scores in [0, 1], `[seeds, problems]` or `[problems]`."""
    is_tuned: bool
    """True where weights were updated on the shots."""
    is_scratch: bool = False
    """True where the model had learned nothing before, so that it has no ability to name."""
    unlabelled: int = 0
    """Questions without labels that it was shown."""
    is_prompt: bool = False
    """True for a prompt style, whose gap counts from the default, not from the floor."""
    vetoes: tuple[ControlScores, ...] = ()
    """Veto controls at this budget: scrambled twin, random vectors; for a rung that tunes
    nothing also the control organism (for a tuned one that is a `Twin`)."""
    unread: Floats | None = None
    """Whether its answers could not be read, of the shape of `scores`; None where not known."""
    telltales: tuple[ControlScores, ...] = ()
    """Tell-tale controls at this budget: shuffled solutions, random reward, format only."""

    @property
    def is_label_free(self) -> bool:
        """Whether no label was used."""
        return self.labels == 0

    @property
    def name(self) -> str:
        """Name for sentences, such as `fine_tune n=4`."""
        return f"{self.method} n={self.n_shots}" if self.n_shots else self.method


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """All that the rule of ability looks at; every array covers the same test problems.

    Samples, and rungs that tune nothing, may cover the first of them only: comparisons then pair
    on the problems that both sides cover.
    """

    default: Floats
    """Greedy, in the style as given, lenient: 0 or 1 a problem."""
    floor: Floats
    """Greedy, in the best plain style, lenient: 0 or 1 a problem."""
    samples: Samples
    """Sampled answers in the floor's style."""
    default_strict: Floats | None = None
    """As `default`, read strictly; it decides nothing, and says when a gain is format only."""
    floor_strict: Floats | None = None
    """As `floor`, read strictly."""
    default_moved: Floats | None = None
    """Whether the default's answers are the scrambled twin's golds: what guessing gave it."""
    default_unread: Floats | None = None
    """Whether the default's answers could not be read."""
    floor_unread: Floats | None = None
    """As `default_unread`, of the floor."""
    forced: Floats | None = None
    """Greedy with the worked form forced, where the task has one: 0 or 1 a problem."""
    forced_control: Floats | None = None
    """The same for the control organism."""
    rungs: tuple[RungEvidence, ...] = ()
    """Rungs in ladder order, the cheapest first."""
    twins: tuple[Twin, ...] = ()
    """Twins of equal learnability, at each budget that was run."""
    clusters: Ints | None = None
    """Cluster code of each problem; None where each problem stands alone."""

    def __post_init__(self) -> None:
        """Check that everything covers the same problems, or the first that were sampled on.

        Raises:
            ValueError: If an array covers another number of problems.
        """
        expected, sampled = self.default.shape[-1], self.samples.gold.size
        arrays = [self.floor, self.forced, self.forced_control, self.clusters]
        arrays += [self.default_moved, self.default_unread, self.floor_unread]
        arrays += [twin.scores for twin in self.twins]
        partial = [rung.scores for rung in self.rungs]
        partial += [c.scores for rung in self.rungs for c in rung.vetoes + rung.telltales]
        found = {a.shape[-1] for a in arrays if a is not None} - {expected}
        found |= {a.shape[-1] for a in partial} - {expected, sampled}
        if found or sampled > expected:
            raise ValueError(
                f"found arrays over {found or sampled} problems; expected {expected} everywhere"
            )

    @property
    def modal(self) -> Floats:
        """What always giving the commonest gold scores, on the problems that were sampled on.

        Of several that are as common the first; in a task whose golds all differ it is right once.
        """
        gold, accepted = self.samples.gold, self.samples.accepted
        if accepted is not None:
            codes, counts = np.unique(accepted[:, 1], return_counts=True)
            right = accepted[accepted[:, 1] == codes[int(np.argmax(counts))], 0]
            return np.bincount(right, minlength=gold.size).astype(np.float64)
        values, counts = np.unique(gold, return_counts=True)
        return np.asarray(gold == values[int(np.argmax(counts))], dtype=np.float64)

    @property
    def sampled_clusters(self) -> Ints | None:
        """Cluster codes of the problems that were sampled on."""
        return None if self.clusters is None else self.clusters[: self.samples.gold.size]
