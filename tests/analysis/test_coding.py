"""Codes, luck, votes and the commonest gold where several answers are right."""

import numpy as np
import pytest

from modicum.analysis.coding import coded
from modicum.analysis.evidence import Evidence, Samples
from modicum.analysis.nulls import luck, near_miss
from modicum.stats import pass_curve
from modicum.stats.votes import vote, vote_of_marked
from modicum.types import Grade, Mark


def _marks(rows: list[str], right: list[set[str]]) -> list[list[Mark]]:
    """One-letter answers as marks; `-` is unreadable."""
    found = []
    for row, own in zip(rows, right, strict=True):
        grades = [Grade.CORRECT if c in own else Grade.INCORRECT for c in row]
        pairs = zip(row, grades, strict=True)
        found.append(
            [Mark(None, Grade(-1), Grade(-1)) if c == "-" else Mark(c, g, g) for c, g in pairs]
        )
    return found


RIGHT = [{"a", "b"}, {"b", "c", "d"}, {"e"}]
ROWS = ["aabxc-", "bcdxyz", "edabxx"]


@pytest.fixture
def samples() -> Samples:
    return coded(_marks(ROWS, RIGHT), ["a", "b", "e"], [sorted(r) for r in RIGHT], [0, 0, 0])


def test_different_right_answers_keep_different_codes(samples) -> None:
    assert len(set(samples.answers[1, :3].tolist())) == 3
    assert samples.correct[1, :3].all()


def test_spellings_of_one_answer_share_the_golds_code() -> None:
    found = coded(_marks(["ab"], [{"a", "b"}]), ["a"], [()], [0])
    assert found.answers[0].tolist() == [0, 0]
    assert found.accepted is None


def test_luck_counts_every_answer_that_the_other_problem_takes(samples) -> None:
    expected = np.zeros((3, 2))
    for i, row in enumerate(ROWS):
        for j in {0, 1, 2} - {i}:
            hits = np.array([sum(c in RIGHT[j] for c in row)])
            expected[i] += pass_curve(hits, 6, (1, 3))[0] / 2
    assert luck(samples, (1, 3)) == pytest.approx(expected)


def test_luck_stays_within_the_stratum() -> None:
    found = coded(_marks(ROWS, RIGHT), ["a", "b", "e"], [sorted(r) for r in RIGHT], [0, 1, 1])
    hits = np.array([sum(c in RIGHT[2] for c in ROWS[1]), sum(c in RIGHT[1] for c in ROWS[2])])
    assert luck(found, (2,))[1:] == pytest.approx(pass_curve(hits, 6, (2,)))


def test_luck_is_one_where_every_answer_is_right_everywhere() -> None:
    everywhere = {"a", "b"}
    found = coded(_marks(["ab", "ba"], [everywhere] * 2), ["a", "b"], [("a", "b")] * 2, [0, 0])
    assert luck(found, (1, 2)).tolist() == [[1, 1], [1, 1]]


def test_one_right_answer_each_gives_the_luck_of_single_golds() -> None:
    right = [{"a"}, {"b"}, {"a"}]
    marks = _marks(["abx", "aab", "bba"], right)
    several = coded(marks, ["a", "b", "a"], [sorted(r) for r in right], [0, 0, 0])
    single = coded(marks, ["a", "b", "a"], [()] * 3, [0, 0, 0])
    assert luck(several, (1, 2)) == pytest.approx(luck(single, (1, 2)))
    assert near_miss(several, (1,)) == pytest.approx(near_miss(single, (1,)))
    assert several.voted(0, 3).tolist() == single.voted(0, 3).tolist()


def test_right_answers_that_differ_do_not_vote_together(samples) -> None:
    assert samples.voted(0, 6).tolist() == [1, pytest.approx(3 / 6), 0]
    assert samples.voted(0, 3).tolist() == [1, 1, pytest.approx(1 / 3)]


def test_the_vote_of_marked_is_the_vote_where_one_answer_is_right() -> None:
    rng = np.random.default_rng(0)
    answers, gold = rng.integers(-1, 4, size=(50, 7)), rng.integers(0, 4, size=50)
    assert vote_of_marked(answers, answers == gold[:, None]) == pytest.approx(vote(answers, gold))


def test_nothing_read_wins_no_vote() -> None:
    unread = np.full((1, 3), -1)
    assert vote_of_marked(unread, np.zeros((1, 3), dtype=bool)).tolist() == [0]


def test_a_right_answer_beyond_the_listed_ones_is_accepted() -> None:
    found = coded(_marks(["zz"], [{"z"}]), ["a"], [("a",)], [0])
    assert found.accepted is not None
    assert [0, int(found.answers[0, 0])] in found.accepted.tolist()


def test_the_commonest_gold_is_the_answer_that_most_problems_take(samples) -> None:
    zeros = np.zeros(3)
    assert Evidence(default=zeros, floor=zeros, samples=samples).modal.tolist() == [1, 1, 0]
