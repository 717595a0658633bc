"""Statistics of small evaluations: every printed number gets its interval here.

All randomness comes in as a numpy Generator; nothing here seeds itself.
"""

from modicum.stats.arrays import Bools, Floats, Ints
from modicum.stats.contrasts import (
    SeedSpread,
    cluster_variance,
    contrast,
    disagree,
    paired_difference,
    seed_spread,
    t_interval,
    welch_degrees,
)
from modicum.stats.families import holm, mcnemar
from modicum.stats.figure import Figure
from modicum.stats.passk import pass_at_k, pass_curve, pass_table, powers_of_two
from modicum.stats.power import (
    equivalence_margin,
    gain_found,
    minimum_detectable_effect,
    minimum_detectable_effect_unpaired,
)
from modicum.stats.proportions import beta_interval, proportion
from modicum.stats.ranks import cohens_d, separation
from modicum.stats.resampling import (
    STREAMS,
    Resamples,
    bootstrap,
    percentile_figure,
    resample,
    resampled_mean,
)
from modicum.stats.scaling import (
    LossDraws,
    PowerLaw,
    drawn_losses,
    exponent_ratio,
    frontier,
    interpolated,
    power_law,
)
from modicum.stats.tost import Equivalence, equivalence, is_within
from modicum.stats.votes import UNREADABLE, Tally, majority, tally, vote, vote_of_marked

__all__ = [
    "STREAMS",
    "UNREADABLE",
    "Bools",
    "Equivalence",
    "Figure",
    "Floats",
    "Ints",
    "LossDraws",
    "PowerLaw",
    "Resamples",
    "SeedSpread",
    "Tally",
    "beta_interval",
    "bootstrap",
    "cluster_variance",
    "cohens_d",
    "contrast",
    "disagree",
    "drawn_losses",
    "equivalence",
    "equivalence_margin",
    "exponent_ratio",
    "frontier",
    "gain_found",
    "holm",
    "interpolated",
    "is_within",
    "majority",
    "mcnemar",
    "minimum_detectable_effect",
    "minimum_detectable_effect_unpaired",
    "paired_difference",
    "pass_at_k",
    "pass_curve",
    "pass_table",
    "percentile_figure",
    "power_law",
    "powers_of_two",
    "proportion",
    "resample",
    "resampled_mean",
    "seed_spread",
    "separation",
    "t_interval",
    "tally",
    "vote",
    "vote_of_marked",
    "welch_degrees",
]
