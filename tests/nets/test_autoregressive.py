"""The transformer for boards: how large it is, what its tokens are, how a board comes out of them."""

import pytest
import torch

from modicum.errors import ConfigError
from modicum.model import resolve_backend
from modicum.nets.autoregressive import autoregressive_net, beside_gram, sequences
from modicum.nets.board_tokens import board_tokenizer, prompt_of
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_shape import PRESETS, sized
from modicum.puzzles.queens import QueensPuzzle, all_placements
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.training.recursive_boards import puzzle_of
from modicum.types import Grade
from tests.support.autoregressive_nets import tiny_shape
from tests.support.sources import ROOT

TASKS = ("sudoku", "sudoku?size=6", "sudoku?size=9", "n_queens?n=10", "graph_colouring")
QUICK = ("sudoku", "sudoku?size=6", "graph_colouring")


def weights(net: torch.nn.Module) -> int:
    return sum(part.numel() for part in net.parameters())


@pytest.mark.parametrize("task", TASKS)
def test_it_has_as_many_weights_as_gram_within_a_tenth(task) -> None:
    grid = puzzle_of(task).grid
    shape = beside_gram(grid, "mini")
    gram = RecursiveNet(sized("gram", "mini", grid.length, grid.vocabulary), stream("x"))
    own = weights(autoregressive_net(shape, stream("x")))
    assert own == shape.numbers
    assert own == pytest.approx(weights(gram), rel=0.1)
    large = beside_gram(grid, "full").numbers
    assert large == pytest.approx(
        sized("gram", "full", grid.length, grid.vocabulary).numbers, rel=0.1
    )


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_weights_of_a_recursive_net_are_known_from_its_shape(preset) -> None:
    shape = sized(preset, "mini", 16, 5)
    assert shape.numbers == weights(RecursiveNet(shape, stream("x")))


def test_first_weights_go_by_their_stream_and_leave_torch_alone() -> None:
    before = torch.random.get_rng_state()
    nets = [autoregressive_net(tiny_shape(), stream("w", name)) for name in "aab"]
    assert torch.equal(before, torch.random.get_rng_state())
    first, same, other = (next(iter(net.parameters())) for net in nets)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def texts(puzzle, question, answer) -> tuple[str, str]:
    """Question and answer as the tokenizer of a net writes them."""
    shape = tiny_shape(puzzle)
    tokenizer = board_tokenizer(shape)
    ids = tokenizer(prompt_of(question))["input_ids"]
    assert tuple(ids) == (*question, shape.begins)
    pairs = zip(answer, puzzle.grid.answered, strict=True)
    written = [one for one, counts in pairs if counts]
    return tokenizer.decode(ids), tokenizer.decode([*written, shape.ends], skip_special_tokens=True)


@pytest.mark.parametrize("task", QUICK)
def test_a_question_and_its_answer_go_through_the_tokenizer_and_come_back(task) -> None:
    puzzle, own = puzzle_of(task), resolve_task(task)
    for problem in own.problems("test", 3):
        question, answer = puzzle.encode(problem.question), puzzle.target(problem.answer)
        asked, told = texts(puzzle, question, answer)
        assert asked == prompt_of(question)
        assert own.mark(problem, told).lenient == Grade.CORRECT


def test_a_number_of_two_digits_is_one_token() -> None:
    puzzle = QueensPuzzle(10)
    placed = all_placements(10)[5]
    asked, told = texts(puzzle, (0, *placed[1:]), placed)
    assert (asked.split()[0], told) == (".", puzzle.decode(placed, placed))


def test_a_vote_of_equal_flops_is_as_wide_as_the_page_of_models_says() -> None:
    writer = resolve_backend("autoregressive:new?task=sudoku").open().card.flops_per_token
    deep = {
        name: resolve_backend(f"recursive:new?task=sudoku{how}").open().card.flops_per_token
        for name, how in {"wide": "&width=20", "long": "&depth=20"}.items()
    }
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"`width={deep['wide'] / writer:.0f}` costs what GRAM's 20 trajectories do" in page
    assert f"`width={deep['long'] / writer:.0f}` a single" in page


def test_a_sequence_is_question_sign_answer_end() -> None:
    shape = tiny_shape(answered=2)
    told = sequences(shape, torch.ones((3, 16), dtype=torch.long), torch.full((3, 2), 4))
    assert told[0].tolist() == [1] * 16 + [5, 4, 4, 6]
    assert told.shape == (3, shape.places)


@pytest.mark.parametrize(
    "wrong", [{"width": 18}, {"layers": 0}, {"answered": 17}, {"inner": 0}, {"heads": 0}]
)
def test_a_shape_that_cannot_be_built_is_refused(wrong) -> None:
    with pytest.raises(ConfigError, match="in the shape of an autoregressive net"):
        tiny_shape(**wrong)
