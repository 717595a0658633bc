"""A net that had learned nothing gets no word of ability, however well or badly it learned."""

from dataclasses import replace

import numpy as np
import pytest

from modicum.analysis.ability import ability_from
from modicum.analysis.case import UNTRAINED
from modicum.stats import resample
from tests.simulation.truths import TRUTHS, Design, draw_evidence


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS.keys())
def test_no_word_is_named_where_a_rung_learned_from_nothing(truth) -> None:
    evidence = draw_evidence(truth, Design(), np.random.default_rng(3))
    rungs = tuple(replace(r, is_tuned=False, is_scratch=r.is_tuned) for r in evidence.rungs)
    resamples = resample(np.random.default_rng(1), Design().problems, n_resamples=200)
    answer = ability_from(replace(evidence, rungs=rungs), resamples)
    assert (answer.word, answer.sentence) == ("undecided", UNTRAINED)
    assert (answer.unlocked_by, answer.needs) == (None, ())
    plain = ability_from(evidence, resamples)
    assert plain.sentence != UNTRAINED
    assert [r.gain for r in plain.rungs] == [r.gain for r in answer.rungs]
