"""Answer-span margins and votes equal their formulas, written naively."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.ledger import Ledger
from modicum.methods.cot_decoding import CotDecoding
from modicum.methods.self_consistency import SelfConsistency
from modicum.model import Model, ModelCard
from modicum.nudge import Direct, Nudge, Solver, read_nudge, write_folder
from modicum.nudge.rules import answer_margin
from modicum.types import Access, Completion, Problem, Style
from tests.support.bench import bench_of, judge_of, solver_of

STYLE = Style("raw", "{question}")
CARD = ModelCard("fixed", "0" * 16, 1, 2.0)


class Fixed(Model):
    """A model that always gives the same completions."""

    offers = frozenset({"branches"})

    def __init__(self, completions: tuple[Completion, ...]) -> None:
        self.completions = completions
        self.asked: list[tuple[int, float]] = []

    @property
    def card(self) -> ModelCard:
        return CARD

    def draw(self, requests, sampling, ledger):
        if sampling.branches is not None:
            self.asked += [(sampling.branches.k, sampling.branches.min_probability)]
            return [self.completions for _ in requests]
        self.asked += [(r.n, sampling.temperature) for r in requests]
        return [self.completions[: r.n] for r in requests]


def _spoken(pieces: list[str], margins: list[float], text: str | None = None) -> Completion:
    """A completion of given tokens; its text is theirs joined where not cut."""
    whole = "".join(pieces) if text is None else text
    return Completion(whole, len(pieces), "eos", tuple(pieces), tuple(margins), tuple(margins))


def _naive_margin(pieces: list[str], margins: list[float], start: int, end: int) -> float:
    """Equation 1: the mean margin over the tokens that hold a character of text[start:end]."""
    kept, at = [], 0
    for piece, margin in zip(pieces, margins, strict=True):
        if any(start <= place < end for place in range(at, at + len(piece))):
            kept.append(margin)
        at += len(piece)
    return sum(kept) / len(kept)


CASES = {
    "one token": (["So", " 12"], [0.1, 0.9], "12", 0.9),
    "leading space belongs to the token": (["x", " ", "12"], [0.1, 0.2, 0.9], "12", 0.9),
    "several tokens": (["So ", "1", "2", "3", "."], [0.1, 0.6, 0.8, 1.0, 0.0], "123", 0.8),
    "token reaches beyond the answer": (["So", " 12."], [0.1, 0.7], "12", 0.7),
    "last of repeated answers": (["12", " so ", "12"], [0.1, 0.2, 0.9], "12", 0.9),
    "thousands separator": (["It is ", "1", ",", "234"], [0.0, 0.3, 0.6, 0.9], "1234", 0.6),
    "separator inside one token": (["It is", " 1,234"], [0.0, 0.4], "1234", 0.4),
    "two separators": (["1", ",", "234", ",", "567"], [0.2, 0.4, 0.6, 0.8, 1.0], "1234567", 0.6),
    "money": (["$", "1,200", " "], [0.1, 0.5, 0.9], "1200", 0.5),
    "case": (["The ", "ANSWER ", "Yes"], [0.1, 0.2, 0.3], "yes", 0.3),
    "words with a space": (["red ", "fox", "!"], [0.4, 0.6, 0.9], "red fox", 0.5),
}


@pytest.mark.parametrize("name", CASES)
def test_margin_is_the_mean_over_the_answers_tokens(name: str) -> None:
    pieces, margins, answer, wanted = CASES[name]
    assert answer_margin(_spoken(pieces, margins), answer) == pytest.approx(wanted)


def test_margin_looks_no_further_than_the_stop_string() -> None:
    spoken = _spoken(["12", "\n", "Q: ", "12"], [0.9, 0.5, 0.5, 0.1], text="12")
    assert answer_margin(spoken, "12") == pytest.approx(0.9)


def test_margin_of_an_answer_before_a_cut_leading_space_is_found() -> None:
    spoken = _spoken([" ", "So ", "12", " end"], [0.1, 0.2, 0.9, 0.3], text="So 12")
    assert answer_margin(spoken, "12") == pytest.approx(0.9)


@pytest.mark.parametrize("answer", [None, "", "77"])
def test_answer_that_is_not_there_has_no_certainty(answer) -> None:
    assert answer_margin(_spoken(["So", " 12"], [0.1, 0.9]), answer) == 0.0


def test_completion_without_margins_has_no_certainty() -> None:
    assert answer_margin(Completion("12", 1, "eos"), "12") == 0.0


def test_decimal_is_no_place_of_its_whole_part() -> None:
    # the answer 5 stands last inside 2.5, but the model's answer was the 5 before it
    spoken = _spoken(["5", " = ", "2.5", " x 2"], [0.9, 0.1, 0.2, 0.1])
    assert answer_margin(spoken, "5") == pytest.approx(0.9)


def test_longer_number_is_no_place_of_a_shorter_one() -> None:
    spoken = _spoken(["Answer ", "12", " of ", "112"], [0.1, 0.9, 0.1, 0.2])
    assert answer_margin(spoken, "12") == pytest.approx(0.9)


@settings(max_examples=60)
@given(
    st.lists(st.text("0123456789abc ,.", min_size=1, max_size=4), min_size=1, max_size=8),
    st.data(),
)
def test_margin_equals_the_naive_formula(pieces: list[str], data) -> None:
    margins = data.draw(
        st.lists(st.floats(0, 1), min_size=len(pieces), max_size=len(pieces)), "margins"
    )
    answer = str(data.draw(st.integers(10**6, 10**12), "answer"))
    split = data.draw(st.integers(1, len(answer) - 1), "split")
    pieces = [*pieces, "x ", answer[:split], answer[split:], " end"]
    margins = [*margins, 0.5, 0.25, 0.75, 0.1]
    start = "".join(pieces).rindex(answer)
    naive = _naive_margin(pieces, margins, start, start + len(answer))
    assert answer_margin(_spoken(pieces, margins), answer) == pytest.approx(naive)


PROBLEM = Problem("p", "What is 1 + 2?")


def _solver(method, completions: list[Completion]) -> tuple[Solver, Fixed]:
    model = Fixed(tuple(completions))
    return solver_of(method, bench_of(model, "sums", style=STYLE)), model


def _chosen(method, completions: list[Completion]):
    solver, _ = _solver(method, completions)
    [solved] = solver.solve([PROBLEM], stream="s", ledger=Ledger())
    return solved


def _answers(*pairs: tuple[str, float]) -> list[Completion]:
    """Completions `Answer N` of given margins."""
    return [_spoken(["Answer ", number], [0.0, margin]) for number, margin in pairs]


def test_sum_of_margins_decides_between_answers() -> None:
    solved = _chosen(CotDecoding(), _answers(("5", 0.6), ("3", 0.4), ("3", 0.5)))
    assert solved.text == "Answer 3"


def test_surest_branch_of_the_winning_answer_stands() -> None:
    solved = _chosen(CotDecoding(), _answers(("3", 0.4), ("5", 0.6), ("3", 0.5)))
    assert solved.chosen == 2


def test_largest_margin_decides_where_nothing_is_added() -> None:
    solved = _chosen(CotDecoding(aggregate="max"), _answers(("5", 0.6), ("3", 0.4), ("3", 0.5)))
    assert solved.text == "Answer 5"


def test_equal_answers_written_differently_are_added() -> None:
    solved = _chosen(CotDecoding(), _answers(("5", 0.6), ("3", 0.4), ("03", 0.5)))
    assert solved.text != "Answer 5"


def test_first_branch_stands_where_nothing_can_be_read() -> None:
    solved = _chosen(CotDecoding(), [_spoken(["no"], [0.9]), _spoken(["never"], [0.95])])
    assert solved.chosen == 0


def test_unreadable_branch_has_no_vote() -> None:
    solved = _chosen(CotDecoding(), [_spoken(["no"], [0.99]), *_answers(("3", 0.1))])
    assert solved.text == "Answer 3"


def test_branching_asks_for_k_and_the_least_probability() -> None:
    solver, model = _solver(CotDecoding(k=4, min_probability=0.02), _answers(("3", 0.5)))
    solver.solve([PROBLEM], stream="s", ledger=Ledger())
    assert model.asked == [(4, 0.02)]


def test_majority_wins_the_vote() -> None:
    solved = _chosen(SelfConsistency(n=4), _answers(("5", 0), ("3", 0), ("3", 0), ("7", 0)))
    assert solved.text == "Answer 3"


def test_tie_goes_to_the_answer_drawn_first() -> None:
    solved = _chosen(SelfConsistency(n=4), _answers(("5", 0), ("3", 0), ("3", 0), ("5", 0)))
    assert solved.text == "Answer 5"


def test_unreadable_samples_have_no_vote() -> None:
    silent = [_spoken(["no"], [0.0])] * 3
    solved = _chosen(SelfConsistency(n=4), [*silent, *_answers(("3", 0))])
    assert solved.text == "Answer 3"


def test_votes_are_the_scores() -> None:
    solved = _chosen(SelfConsistency(n=3), _answers(("5", 0), ("3", 0), ("3", 0)))
    assert solved.scores == (1.0, 2.0, 2.0)


def test_vote_of_nothing_readable_takes_the_first() -> None:
    assert _chosen(SelfConsistency(n=2), [_spoken(["a"], [0.0]), _spoken(["b"], [0.0])]).chosen == 0


@pytest.mark.parametrize("n", [0, 1, 11])
def test_budget_of_the_vote_is_two_to_ten(n: int) -> None:
    with pytest.raises(ValueError, match=f"n = {n}"):
        SelfConsistency(n=n)


def test_forced_words_stand_in_the_marked_text() -> None:
    model = Fixed((Completion(" 1 + 2 = 3 Answer 3", 3, "eos"),))
    judge = judge_of(model, "sums", style=STYLE)
    solver = Solver.of(model, Nudge(STYLE, Direct(forced="Think")), judge)
    [solved] = solver.solve([PROBLEM], stream="s", ledger=Ledger())
    assert solved.text == " Think 1 + 2 = 3 Answer 3"


def test_saved_style_is_read_back(tmp_path) -> None:
    style = Style("x", "{question}!", "system", chat=True, stop=("\n", "Q:"))
    write_folder(Nudge(style).files(), tmp_path / "nudge")
    assert read_nudge(tmp_path / "nudge").style == style
    assert json.loads((tmp_path / "nudge" / "solver.json").read_text())["style"]["name"] == "x"


def test_decoding_needs_no_weights() -> None:
    assert (CotDecoding.needs.access, SelfConsistency.needs.access) == (
        Access.LOGPROBS,
        Access.TEXT,
    )
