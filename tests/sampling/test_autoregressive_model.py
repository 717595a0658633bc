"""An autoregressive net as a model: a cell a token, samples by address, FLOPs by tokens."""

from dataclasses import replace

import pytest

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.nets.board_tokens import prompt_of
from modicum.puzzles.colouring import ColouringPuzzle
from modicum.puzzles.queens import QueensPuzzle
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.sampling.autoregressive_model import AutoregressiveModel, Writing, commonest
from modicum.task import resolve_task
from modicum.types import Completion, Request, Sampling
from tests.support.autoregressive_nets import random_writer, writer_card, writing_model

PUZZLE = SudokuPuzzle(4)
PROBLEMS = resolve_task("sudoku").problems("test", 4)
SAMPLED = Sampling(64, 1.0, stream="s")


def requests(n: int = 1, first: int = 0) -> list[Request]:
    return [Request(p.question, p.id, n, first) for p in PROBLEMS]


def texts(model, asked, sampling=SAMPLED) -> list[list[str]]:
    return [[c.text for c in group] for group in model.generate(asked, sampling, Ledger())]


def test_a_sample_is_the_same_alone_and_among_others() -> None:
    model = writing_model()
    drawn = texts(model, requests(5))
    assert len({text for group in drawn for text in group}) > 10
    assert texts(model, requests(2, first=3)[1:2]) == [drawn[1][3:]]


def test_another_stream_or_address_draws_other_samples() -> None:
    model = writing_model()
    drawn = texts(model, requests(3))
    assert texts(model, requests(3), replace(SAMPLED, stream="t")) != drawn
    assert texts(model, [replace(r, address="other") for r in requests(3)]) != drawn


def test_greedy_answers_go_by_the_question_alone() -> None:
    model = writing_model()
    asked = [replace(r, prompt=f"Well:\n{r.prompt}\n", address="x") for r in requests(2)]
    greedy = texts(model, requests(2), Sampling(64, 0.0, stream="a"))
    assert texts(model, asked, Sampling(64, 0.0, stream="b")) == greedy


def test_a_token_is_a_cell_and_the_last_cell_ends_the_answer() -> None:
    model = writing_model()
    drawn = model.generate(requests(4), replace(SAMPLED, ids=True), Ledger())
    for said in (c for group in drawn for c in group):
        assert (said.text, said.stop) == (PUZZLE.decode(said.ids, said.ids), "eos")
        assert said.n_tokens == 16


def test_flops_are_those_of_each_prompt_once_and_of_every_cell() -> None:
    model, ledger = writing_model(), Ledger()
    drawn = model.generate(requests(4), SAMPLED, ledger)
    cells = sum(c.n_tokens for group in drawn for c in group)
    assert ledger.tokens_sampled == cells
    assert ledger.tokens_prompt == len(PROBLEMS) * 17
    whole = 2 * (model.card.parameters - 8 * 16)  # embeddings are looked up
    assert model.card.flops_per_token == whole
    assert ledger.flops == pytest.approx(whole * (cells + len(PROBLEMS) * 17))


def test_a_prompt_without_a_question_gets_a_readable_answer() -> None:
    asked = ["", "?", "1.3", "Sudoku: 12.. 34.. .... ...5", "\ud800", "1... ..3. ....", "x" * 9999]
    drawn = writing_model().generate([Request(p, "q", 2) for p in asked], SAMPLED, Ledger())
    assert {c.text for group in drawn for c in group} == {"?"}


def test_an_answer_of_width_w_is_the_vote_of_its_own_samples() -> None:
    single = texts(writing_model(), requests(12))
    voted = texts(writing_model(how=Writing(width=4)), requests(2, first=1))
    for draws, votes in zip(single, voted, strict=True):
        for vote, own in zip(votes, (draws[4:8], draws[8:12]), strict=True):
            assert own.count(vote) == max(map(own.count, own))
            assert vote == max(own, key=own.count)  # of equally common ones the first


def test_a_vote_takes_the_commonest_and_of_equals_the_first() -> None:
    said = [Completion(text, 1, "eos") for text in ("a", "b", "c", "b")]
    assert commonest(said) is said[1]
    assert commonest(said[:3]) is said[0]


def test_a_vote_asked_once_goes_by_the_question_alone() -> None:
    model = writing_model(how=Writing(width=5))
    asked = [replace(r, prompt=f"Well:\n{r.prompt}\n", address="x") for r in requests(2)]
    greedy = texts(model, requests(2), Sampling(64, 0.0, stream="a"))
    assert texts(model, asked, Sampling(64, 0.0, stream="b")) == greedy
    assert greedy != texts(writing_model(), requests(2), Sampling(64, 0.0))


def test_a_vote_costs_all_of_its_samples() -> None:
    spent = {}
    for width in (1, 6):
        model, ledger = writing_model(how=Writing(width=width)), Ledger()
        drawn = model.generate(requests(2), SAMPLED, ledger)
        assert ledger.tokens_sampled == 16 * sum(map(len, drawn))
        spent[width] = ledger.flops, model.card.flops_per_token
    prompts = len(PROBLEMS) * 17 * spent[1][1]
    assert spent[6][1] == 6 * spent[1][1]
    assert spent[6][0] - prompts == pytest.approx(6 * (spent[1][0] - prompts))


def test_less_heat_makes_samples_more_alike() -> None:
    cold = texts(writing_model(how=Writing(temperature=1e-6)), requests(3))
    assert cold == [[text] * 3 for (text,) in texts(writing_model(), requests(), Sampling(64, 0.0))]


@pytest.mark.parametrize("wrong", [{"width": 0}, {"temperature": 0.0}, {"temperature": -1.0}])
def test_what_cannot_be_drawn_is_refused(wrong) -> None:
    with pytest.raises(ConfigError, match="of an autoregressive net"):
        Writing(**wrong)


def test_what_is_no_board_changes_nothing_beside_it() -> None:
    model = writing_model()
    mixed = [Request("?", "q"), *requests(2), Request("!", "r", 3)]
    assert texts(model, mixed)[1:-1] == texts(model, requests(2))


def test_an_answer_is_cut_at_the_limit_and_at_stop_strings() -> None:
    model = writing_model()
    [(whole,), *_] = model.generate(requests(), SAMPLED, Ledger())
    [(cut,), *_] = model.generate(requests(), replace(SAMPLED, max_new_tokens=6), Ledger())
    assert (cut.n_tokens, cut.stop, cut.text) == (6, "length", whole.text[:7])
    [(ended,), *_] = model.generate(requests(), replace(SAMPLED, stop=(" ",)), Ledger())
    assert (ended.stop, ended.text) == ("stop", whole.text[:4])


def test_an_answer_that_ends_early_is_as_short_as_it_was_written() -> None:
    card = writer_card()
    net = random_writer(card, may_end=True)
    model = AutoregressiveModel(net, PUZZLE, card, Writing(), "x")
    drawn = model.generate(requests(20), replace(SAMPLED, margins=True, ids=True), Ledger())
    short = [c for group in drawn for c in group if c.ids[-1] == card.shape.ends]
    assert short
    for said in short:
        assert len(said.pieces) == len(said.margins) == said.n_tokens == len(said.ids)
        assert len(said.text.replace(" ", "")) == said.n_tokens - 1
        assert said.stop == "eos"


@pytest.mark.parametrize(
    ("task", "puzzle"),
    [("n_queens?n=8", QueensPuzzle(8)), ("graph_colouring?nodes=6", ColouringPuzzle(6))],
)
def test_answers_of_other_puzzles_are_what_their_task_reads(task, puzzle) -> None:
    own, model = resolve_task(task), writing_model(task, puzzle)
    asked = [Request(p.question, p.id, 20) for p in own.problems("test", 2)]
    drawn = model.generate(asked, SAMPLED, Ledger())
    full = [c for group in drawn for c in group if "." not in c.text]  # ids 4 and 5 are no colours
    assert full
    assert all(own.read(c.text) == c.text for c in full)


def test_what_decides_an_answer_is_part_of_its_address() -> None:
    hows = (Writing(), Writing(width=2), Writing(temperature=0.5))
    cards = [writing_model(how=how).card for how in hows]
    assert len({card.reading for card in cards}) == len(hows)
    assert len({card.weights for card in cards}) == 1
    one = writing_model()
    net = random_writer(writer_card(), "other")
    assert one.with_net(net, one.made).card.weights != one.card.weights


def test_a_net_for_another_board_is_refused() -> None:
    card = writer_card()
    with pytest.raises(ConfigError, match="16 positions, 16 of them answered, and 5 ids"):
        AutoregressiveModel(random_writer(card), QueensPuzzle(8), card, Writing(), "x")


def test_a_prompt_is_what_its_tokenizer_reads() -> None:
    assert prompt_of(PUZZLE.encode(PROBLEMS[0].question)).split()[-1] == "="
