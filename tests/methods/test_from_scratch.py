"""A net that has learned nothing learns from n shots: what it sees, what it leaves alone, who is refused."""

from dataclasses import replace

import pytest
import torch

from modicum.errors import AccessError, BudgetError, ConfigError
from modicum.ledger import Ledger
from modicum.method import METHODS
from modicum.methods.from_scratch import FromScratch
from modicum.model import resolve_backend
from modicum.nudge import read_nudge, write_folder
from modicum.puzzles.queens import QueensPuzzle
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.training import recursive_learner
from modicum.training.autoregressive_learner import AutoregressiveLearner
from modicum.training.learned_net import LearnedNet
from modicum.training.learned_transformer import LearnedTransformer
from tests.support.autoregressive_nets import writing_model
from tests.support.bench import bench_of
from tests.support.recursive_nets import PUZZLE, recursive_model

TASK = resolve_task("sudoku")
QUICK = {"steps": 3, "batch": 4}


def method(**settings):
    return METHODS.build("from_scratch", {**QUICK, **settings})


def learned(bench, **settings) -> LearnedNet:
    [change] = method(**settings).elicit(bench).changes
    return change


def weights(change: LearnedNet) -> torch.Tensor:
    return torch.cat([part.flatten() for part in change.net.state_dict().values()])


def test_the_first_weights_are_the_seeds_own() -> None:
    model = recursive_model()
    found = [
        learned(bench_of(model, TASK, 2, rng=stream("trial", seed)), steps=1, learning_rate=1e-9)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(weights(found[0]), weights(found[1]))
    assert (weights(found[0]) - weights(found[2])).abs().max() > 0.1


def test_it_is_taught_symmetric_forms_of_its_shots_alone(monkeypatch) -> None:
    asked = []
    train = recursive_learner.train_recursive

    def spied(net, boards, *given):
        asked.append(boards)
        return train(net, boards, *given)

    monkeypatch.setattr(recursive_learner, "train_recursive", spied)
    learned(bench_of(recursive_model(), TASK, 2))
    shots = TASK.problems("shots", 2)
    forms = {PUZZLE.invariant(PUZZLE.encode(shot.question)) for shot in shots}
    [boards] = asked
    assert boards.checker is None  # what no shot says is not asked
    for number in range(3):
        questions, targets = boards.draw(number)
        for question, target in zip(questions.tolist(), targets.tolist(), strict=True):
            assert PUZZLE.invariant(tuple(question)) in forms
            assert PUZZLE.is_valid(question, target)


def test_answers_of_other_problems_are_taught_as_they_stand() -> None:
    """What the scrambled twin and the shuffled control give it: a question with another's answer."""
    one, other = TASK.problems("shots", 2)
    crossed = [replace(one, answer=other.answer), replace(other, answer=one.answer)]
    right, wrong = (
        learned(bench_of(recursive_model(), TASK, shots)) for shots in ([one, other], crossed)
    )
    assert not torch.equal(weights(right), weights(wrong))


def test_a_killed_trial_goes_on_to_the_same_bits(tmp_path, monkeypatch) -> None:
    class Killed(Ledger):
        __slots__ = ()

        def says(self, line: str) -> None:
            if self.updates == 2:
                raise KeyboardInterrupt
            super().says(line)

    whole = learned(bench_of(recursive_model(), TASK, 2))
    with pytest.raises(KeyboardInterrupt):
        learned(bench_of(recursive_model(), TASK, 2, scratch=tmp_path, ledger=Killed()))
    ledger = Ledger()
    again = learned(bench_of(recursive_model(), TASK, 2, scratch=tmp_path, ledger=ledger))
    assert torch.equal(weights(again), weights(whole))
    assert ledger.updates == 3


def test_what_was_learned_is_a_model_by_itself(tmp_path) -> None:
    nudge = method().elicit(bench_of(recursive_model(), TASK, 2))
    write_folder(nudge.files(), tmp_path / "nudge")
    [read] = read_nudge(tmp_path / "nudge", changes=(LearnedNet,)).changes
    assert torch.equal(weights(read), weights(nudge.changes[0]))
    opened = resolve_backend(f"recursive:{tmp_path / 'nudge'}").open()
    assert opened.card.weights == read.applied(recursive_model()).card.weights
    assert read.card.trained["boards"] == 2


def test_a_transformer_learns_the_same_boards_and_is_a_model_by_itself(tmp_path) -> None:
    model, ledger = writing_model(), Ledger()
    bench = bench_of(model, TASK, 2, ledger=ledger)
    nudge = method().elicit(bench)
    [change] = nudge.changes
    assert isinstance(change, LearnedTransformer)
    assert (ledger.updates, change.card.trained["boards"]) == (3, 2)
    assert {"loss", "exact"} <= set(nudge.facts["recursion"]["curves"][0])
    write_folder(nudge.files(), tmp_path / "nudge")
    [read] = read_nudge(tmp_path / "nudge", changes=FromScratch.changes).changes
    opened = resolve_backend(f"autoregressive:{tmp_path / 'nudge'}").open()
    assert opened.card.weights == read.applied(model).card.weights != model.card.weights
    with pytest.raises(AccessError, match="which was trained before"):
        method().elicit(bench_of(opened, TASK, 2))


def test_both_kinds_of_net_are_drawn_anew_and_taught_one_set_of_boards(monkeypatch) -> None:
    asked = []

    def spied(self, boards, recipe, name, ledger, kept):
        asked.append(boards.draw(0)[0])
        return self, ({"loss": 0.0},)

    first = []
    for kind, model in (
        (recursive_learner.RecursiveLearner, recursive_model()),
        (AutoregressiveLearner, writing_model()),
    ):
        monkeypatch.setattr(kind, "learned", spied)
        for seed in "ab":
            change = learned(bench_of(model, TASK, 2, rng=stream(seed)))
            first.append(next(iter(change.net.parameters())))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[2], first[3])
    assert torch.equal(asked[0], asked[2])
    assert torch.equal(asked[1], asked[3])


def test_a_transformer_of_another_shape_or_kind_takes_no_learned_one() -> None:
    change = learned(bench_of(writing_model(), TASK, 2))
    with pytest.raises(ConfigError, match="another shape"):
        change.applied(writing_model("n_queens", QueensPuzzle(8)))
    with pytest.raises(AccessError, match="which is no autoregressive net"):
        change.applied(recursive_model())


def test_the_facts_say_how_training_went() -> None:
    facts = method().elicit(bench_of(recursive_model(), TASK, 2)).facts["recursion"]
    assert facts["every"] == 1
    assert [{"loss", "ce"} <= set(point) for point in facts["curves"]] == [True] * 3


def test_models_that_learned_before_are_refused_in_words() -> None:
    trained = learned(bench_of(recursive_model(), TASK, 2)).applied(recursive_model())
    with pytest.raises(AccessError, match="which was trained before"):
        method().elicit(bench_of(trained, TASK, 2))
    with pytest.raises(AccessError, match="no net that reads boards"):
        method().elicit(bench_of(resolve_backend("scripted:latent").open(), "sums", 2))


def test_a_net_of_another_shape_takes_no_learned_one() -> None:
    change = learned(bench_of(recursive_model(), TASK, 2))
    with pytest.raises(ConfigError, match="another shape"):
        change.applied(recursive_model(width=32))


def test_shots_that_are_no_boards_are_refused_in_words() -> None:
    with pytest.raises(BudgetError, match="no board that the net reads"):
        learned(bench_of(recursive_model(), "sums", 2))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"learning_rate": 0.0}])
def test_settings_that_train_nothing_are_refused(wrong) -> None:
    with pytest.raises(ConfigError, match="at least 1 step"):
        method(**wrong).check()
