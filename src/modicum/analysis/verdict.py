"""What a study says of one subject: ability, least data, what to ship, damage, how sure.

Plain frozen values that the command line prints, the report draws and machines read as JSON.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from modicum.analysis.measured import (
    Ceiling,
    Contamination,
    Curve,
    FixedPrompt,
    FrontPoint,
    LeastData,
    LeastDataRows,
    Lengths,
    NextCommand,
    Worth,
)
from modicum.analysis.printed import data_text
from modicum.analysis.section import Plot, Section, Series
from modicum.analysis.shown import Shown
from modicum.plain import JsonValue, plain, table_of
from modicum.stats import Figure
from modicum.types import PROMPT, Finding

__all__ = [
    "ArmRow",
    "Aside",
    "Ceiling",
    "Contamination",
    "Curve",
    "FixedPrompt",
    "FrontPoint",
    "LeastData",
    "Lengths",
    "Reference",
    "Retention",
    "RungRow",
    "Ship",
    "Verdict",
    "Worth",
    "as_json",
]

_RARE = ("strips", "are_shares", "is_bound", "is_log")
"""Entries of sections and charts that stand only where they say something."""
_WHERE_SET = (
    "variant",
    "contamination",
    "sections",
    "fixed_prompt",
    "unlocked_unlabelled",
    "unlabelled",
    "unit",
)
"""Entries of the JSON that stand there where they say something."""
SCHEMA = 1
"""Version of the JSON form."""


@dataclass(frozen=True)
class Reference:
    """A second model as yardstick, greedy in its own floor's style on the same problems."""

    model: str
    score: Figure
    """Lenient accuracy."""
    strict: Figure
    """Strict accuracy beside it."""
    style: str
    samples: int
    """Samples a problem that the studied model had."""
    beyond_samples: tuple[str, ...]
    """Ids of the problems that it solves and no sample of the studied model does."""
    samples_beyond: tuple[str, ...]
    """Ids of the problems that some sample solves and it does not."""
    trial: str


@dataclass(frozen=True)
class Retention:
    """What a nudge did to one ability that it did not target."""

    task: str
    before: Figure
    """Lenient accuracy without the nudge, greedy in that task's default style."""
    after: Figure
    damage: Figure
    """After minus before on the same problems (share); below 0 where something was lost."""
    seeds: tuple[float, ...] = ()
    """The same of each seed."""


@dataclass(frozen=True)
class ArmRow:
    """A rung, or the same method with other settings at its budget and on its shots."""

    name: str
    """What is set: `with reward=random`; empty for the rung itself."""
    labels: int
    score: Figure
    """Lenient greedy accuracy."""
    gain: Figure
    """Score minus the floor's."""
    sampled: Figure | None
    """Accuracy of one sample at temperature 1; None where the nudged model was not sampled."""
    sampled_gain: Figure | None
    """The same minus that of plain sampling."""
    seeds: int
    learning: Mapping[str, tuple[float, ...]]
    """Curves of training by name, a mean over seeds each step; empty where nothing was trained."""
    scalars: int | None
    """Numbers that were trained."""
    damage: Figure | None
    """The worst change on a retained task, as a share of accuracy; None where not measured."""
    trials: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class RungRow:
    """One method at one budget."""

    method: str
    n_shots: int
    labels: int
    """Labels really used, selection included."""
    score: Figure
    """Lenient accuracy."""
    strict: Figure
    """Strict accuracy beside it."""
    seed_scores: tuple[float, ...]
    """Accuracy of each seed."""
    gap_recovered: Figure | None
    """Share of the gap; None where undefined, and of the rung that is the ceiling."""
    controls: Mapping[str, Figure]
    """Score of each control by name: `scrambled`, `shuffled`, `twin n=8`."""
    control_gaps: Mapping[str, Figure]
    """Gap recovered by each control, on the studied model's floor and ceiling."""
    elicitation_flops: float
    serving_flops: float
    """FLOPs a query."""
    costs: Mapping[str, float]
    """Mean ledger of eliciting: judge calls, tokens, updates, seconds, bytes."""
    seeds: int
    trials: tuple[str, ...]
    """Ids of the trials behind the row."""
    control_trials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids of the trials behind each control."""
    note: str = ""
    """What a reader must know: `format only`, `measuring labels`."""
    retention: tuple[Retention, ...] = ()
    """Abilities that it did not target, the worst first; empty where not measured."""
    text_loss: Figure | None = None
    """Nats a token on the held-out text; None where not measured."""
    text_perplexity_ratio: Figure | None = None
    """Perplexity of the held-out text over that before the nudge; above 1 where it is worse."""
    gap_against_reference: Figure | None = None
    """Share of the way from floor to reference; None where undefined or no reference was asked."""
    beyond_format: Figure | None = None
    """Score minus that of the best format-only arm; None where none was run."""
    reward_attributable: Figure | None = None
    """Score minus that of the arm whose reward is random; None where none was run."""
    worth: Worth | None = None
    """In samples of the plain model."""
    sampled: Figure | None = None
    """Accuracy of one sample at temperature 1; None where the nudged model was not sampled."""
    arms: tuple[ArmRow, ...] = ()
    """The rung and its arms with other settings; empty where it has none."""
    learning: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Curves of training by name, a mean over seeds each step; empty where nothing was trained."""
    scalars: int | None = None
    """Numbers that were trained; None where it does not say."""
    curve: Curve | None = None
    """Pass@k after the nudge with its nulls; None where the rung answers once a problem, or where
    its several texts are branches or votes of the plain model rather than samples."""
    lengths: Lengths | None = None
    """Of a rung that is to shorten answers."""
    gain: Figure | None = None
    """Score minus the floor's (of a prompt style, minus the default's)."""
    is_ceiling: bool = False
    """Whether the rung is the ceiling itself: then it claims no share of the gap."""
    gain_kind: str = "accuracy"
    """`format` where its gain is within what more readable answers explain, else `accuracy`."""
    unreadable: tuple[float, float] | None = None
    """Share of the answers that could not be read: of the floor, and of the rung."""
    unlabelled: int = 0
    """Questions without labels that it was shown."""

    @property
    def name(self) -> str:
        """Name for a table, such as `fine_tune  n=4`."""
        return f"{self.method} n={self.n_shots}" if self.n_shots else self.method

    def __repr__(self) -> str:
        """Name it, with its accuracy and its labels."""
        low, high = 100 * self.score.low, 100 * self.score.high
        figure = f"{100 * self.accuracy:.0f} % right [{low:.0f}, {high:.0f}]"
        return f"<{self.name}: {figure}, {data_text(self.labels, self.unlabelled)}>"

    @property
    def accuracy(self) -> float:
        """Share of the test problems that it answers rightly, read leniently; `score` has its interval."""
        return self.score.value

    @property
    def is_prompt(self) -> bool:
        """Whether it is the floor's own prompt, which nudges nothing."""
        return self.method == PROMPT

    @property
    def damage(self) -> Figure | None:
        """The worst change on a retained task, as a share of accuracy."""
        return self.retention[0].damage if self.retention else None

    @property
    def control(self) -> Figure | None:
        """Gap recovered by the veto control that every rung has, the scrambled twin."""
        return self.control_gaps.get("scrambled")


@dataclass(frozen=True)
class Ship:
    """What to ship."""

    name: str | None
    """The pick, or None where nothing is better than the floor."""
    why: str
    prefer: str
    margin: float
    front: tuple[FrontPoint, ...] = ()
    works: bool = True
    """False where nothing is worth shipping: the plain prompt is named for want of anything better."""


@dataclass(frozen=True)
class Aside:
    """A figure that is printed beside the verdict and kept out of it."""

    setting: str
    """What was set: `cot_decoding.min_probability=0`."""
    score: Figure
    trial: str


@dataclass(frozen=True, repr=False)
class Verdict(Shown):
    """What a study says of one model on one task; `print(verdict)` gives what the terminal shows."""

    task: str
    model: str
    ability: str  # shown, latent, sealed, learned, taught, absent or undecided
    sentence: str
    """The ability in the words of the design."""
    unlocked_by: str | None
    unlocked_labels: int | None
    share: Figure | None
    """The share that the word rests on."""
    default: Figure
    default_strict: Figure
    default_style: str
    floor: Figure
    floor_strict: Figure
    floor_style: str
    luck: Figure
    near_miss: Figure
    forced: Figure | None
    majority: Figure | None
    """Majority of all samples."""
    ceiling: Ceiling | None
    curve: Curve
    rungs: tuple[RungRow, ...]
    least_data: tuple[LeastData, ...]
    ship: Ship
    doubts: tuple[str, ...]
    next: tuple[str, ...]
    test: int
    """Test problems."""
    seeds: int
    measuring_labels: int
    """Labels that chose the floor and score the test."""
    trials: Mapping[str, str]
    """Ids of the measures: floor, default, samples, forced."""
    seconds: float
    tokens: float
    """Tokens sampled or trained for it."""
    asides: tuple[Aside, ...] = ()
    """Figures outside the verdict."""
    failed: int = 0
    """Trials that failed."""
    notes: tuple[str, ...] = ()
    """What is known of the model: instruct-tuned, threads, skipped styles."""
    ceiling_strict: Figure | None = None
    """The ceiling at the same k, read strictly; None where it is a vote or there is none."""
    reference: Reference | None = None
    """The second model, where one was asked for and could be scored."""
    findings: tuple[Finding, ...] = ()
    """What the doctor said before anything was spent; forecasts of time are left out."""
    check_costs: Mapping[str, float] = field(default_factory=dict)
    """Ledger of the doctor's look; empty where it was not asked."""
    text_loss: Figure | None = None
    """Nats a token on the held-out text before any nudge; None where not measured."""
    tokens_reused: float = 0.0
    """Tokens of answers that were drawn before, with their share of the prompts."""
    candidates: tuple[str, ...] = ()
    """Of learned: the words that it may stand for."""
    majority_class: Figure | None = None
    """What always giving the commonest gold scores."""
    rules: int = 1
    """Version of the rules that said the word."""
    read_before: str = ""
    """The word that earlier rules said of the same outcomes; empty where it is the same."""
    sections: Mapping[str, Section] = field(default_factory=dict)
    """What readings say of the subject, by their names."""
    means: str = ""
    """What the word means for a decision, with its figures."""
    do: str = ""
    """What to do about it."""
    next_command: NextCommand | None = None
    """What would decide it where it is undecided, with its cost; else the export; None for neither."""
    contamination: Contamination | None = None
    """How well test questions are known by heart; None where not measured, and then no key in JSON."""
    variant: str = ""
    """What sets it apart from others on the same model and task in its folder, such as `test=40`."""
    unlocked_unlabelled: int = 0
    """Questions without labels that `unlocked_by` was shown."""
    fixed_prompt: FixedPrompt | None = None
    """With `styles = own`: that the prompt is fixed, and what was left out for it."""
    short: tuple[str, str] = ("", "")
    """What headings call task and model where their references are long; not in JSON."""

    def __post_init__(self) -> None:
        """Let the least data say itself, also where no labels are needed."""
        by = self.unlocked_by if self.unlocked_labels == 0 else None
        free = None if by is None else (by, self.unlocked_unlabelled)
        rows = LeastDataRows.told(self.least_data, free, is_shown=self.ability == "shown")
        object.__setattr__(self, "least_data", rows)

    @property
    def brief(self) -> str:
        """The word of ability, and what it is about."""
        return f"{self.ability}: {self.titled} on {self.short[1] or self.model}"

    @property
    def titled(self) -> str:
        """The task, with what sets this verdict apart where its folder holds several on it."""
        return f"{self.short[0] or self.task}{self.variant and f' ({self.variant})'}"

    @property
    def serving_base(self) -> float | None:
        """FLOPs a query that multiples of cost refer to: the floor's, else the cheapest method's."""
        rows = [row for row in self.rungs if row.serving_flops > 0]
        plain = [row.serving_flops for row in rows if row.is_prompt]
        return plain[0] if plain else min((row.serving_flops for row in rows), default=None)

    @property
    def pick(self) -> RungRow | None:
        """The method to ship, the plain prompt where that suffices; None where nothing works."""
        named = self.ship.name if self.ship.works else None
        return next((row for row in self.rungs if row.name == named), None)


def as_json(value: object) -> JsonValue:
    """Return plain JSON values; figures as value, low, high and n; NaN and infinity as null."""
    return plain(value, _shown)


def _shown(value: object) -> object:
    """Rewrite what machines read otherwise than it is kept."""
    if isinstance(value, Ceiling):
        return {**table_of(value.figure), "k": value.k, "source": value.source}
    if isinstance(value, Section | Plot | Series):
        return {
            n: e for n, e in _entries(value).items() if n != "is_core" and (e or n not in _RARE)
        }
    if isinstance(value, Verdict | RungRow | LeastData):
        table = {**_entries(value), **_more(value)}
        table.pop("short", None)
        return {n: entry for n, entry in table.items() if n not in _WHERE_SET or entry}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _entries(
    value: Section | Plot | Series | Verdict | RungRow | LeastData,
) -> dict[str, object]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def _more(value: Verdict | RungRow | LeastData) -> dict[str, object]:
    """Return what stands beside the fields, or in place of one."""
    if isinstance(value, RungRow):
        gain = value.gain and {**table_of(value.gain), "kind": value.gain_kind}
        return {"control": value.control, "damage": value.damage, "gain": gain}
    sections = value.sections.items() if isinstance(value, Verdict) else ()
    return {"sections": {name: one for name, one in sections if not one.is_core}}
