"""Training by reward: what is learned, what it costs, what a kill leaves, and when it stops."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.made import Policy, Recipe
from modicum.model import resolve_backend
from modicum.nudge import Solver, weight_bytes
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.training.adapters import AdapterShape
from modicum.training.policy import policy_loss, ratio_terms
from modicum.training.reinforce import RolloutGroup, Trained, reinforce
from modicum.training.rollouts import RolloutRow, batch_rows, batches, join_equal
from modicum.training.scoring import score
from modicum.training.trainable import Trainable, TrainedVectors, TrainedWeights
from modicum.types import Grade
from tests.support.bench import bench_of, solver_of
from tests.support.tiny_models import ARCHITECTURES, tiny_module


@pytest.fixture(scope="module")
def organism() -> Local:
    return resolve_backend("organism").open()


def weights(organism: Local, parameters: str = "lora") -> TrainedWeights:
    return TrainedWeights(organism, AdapterShape(parameters, 2, 4.0), 1e-3, stream("test"))


def vectors(organism: Local) -> TrainedVectors:
    return TrainedVectors(organism, (), "first", 0.05)


BOTH = pytest.mark.parametrize("kind", [weights, vectors])
RECIPE = Recipe(steps=6, groups=2, rollouts=4, updates=1, learning_rate=1e-3, longest=8)


def groups_of(organism: Local, step: int, rewards: Callable[..., float]) -> list[RolloutGroup]:
    """Made-up rollouts of real tokens, another draw each step."""
    rng = stream("groups", step)
    prompts = [organism.encode(p.question) for p in resolve_task("row_pushes").problems("shots", 2)]
    return [
        RolloutGroup(
            tuple(prompt),
            tuple(tuple(rng.integers(3, 60, size=rng.integers(1, 8)).tolist()) for _ in range(4)),
            tuple(rewards(rng) for _ in range(4)),
            (False,) * 4,
        )
        for prompt in prompts
    ]


def coin(rng: np.random.Generator) -> float:
    return float(rng.random() < 0.5)


def trained(
    organism: Local,
    trainable: Trainable,
    recipe: Recipe = RECIPE,
    rewards: Callable[..., float] = coin,
    checkpoint: Path | None = None,
    stop_at: int | None = None,
) -> tuple[Trained, Ledger]:
    ledger = Ledger()

    def draw(_model: object, step: int) -> list[RolloutGroup]:
        if step == stop_at:
            raise KeyboardInterrupt
        return groups_of(organism, step, rewards)

    done = reinforce(
        trainable,
        recipe,
        draw,
        ledger,
        flops_per_token=organism.card.flops_per_token,
        checkpoint=checkpoint,
    )
    return done, ledger


@BOTH
@pytest.mark.parametrize("policy", [Policy(), Policy(kl=0.1, entropy=0.01)])
def test_a_killed_run_goes_on_to_the_same_bits(organism, kind, policy, tmp_path) -> None:
    recipe = replace(RECIPE, policy=policy, updates=2)
    whole = kind(organism)
    done, spent = trained(organism, whole, recipe)
    file = tmp_path / "policy.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trained(organism, kind(organism), recipe, checkpoint=file, stop_at=4)
    again = kind(organism)
    resumed, ledger = trained(organism, again, recipe, checkpoint=file)
    assert all(torch.equal(t, again.state()[n]) for n, t in whole.state().items())
    assert resumed.curves == done.curves
    assert (ledger.updates, ledger.tokens_trained) == (spent.updates, spent.tokens_trained)


def test_a_run_on_other_weights_begins_anew(organism, tmp_path) -> None:
    file = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trained(organism, vectors(organism), checkpoint=file, stop_at=2)
    changed = copy.deepcopy(organism.module)
    with torch.no_grad():
        next(changed.parameters()).mul_(1.01)
    other = organism.with_module(changed)
    fresh, again = vectors(other), vectors(other)
    trained(other, fresh)
    trained(other, again, checkpoint=file)
    assert all(torch.equal(t, again.state()[n]) for n, t in fresh.state().items())


def test_half_a_checkpoint_begins_anew(organism, tmp_path) -> None:
    file = tmp_path / "policy.safetensors"
    file.write_bytes(b"half")
    done, _ = trained(organism, vectors(organism), checkpoint=file)
    assert len(done.curves) == RECIPE.steps


@BOTH
def test_training_changes_what_is_trained_and_not_the_model(organism, kind) -> None:
    before = organism.card.weights
    trainable = kind(organism)
    first = trainable.state()
    trained(organism, trainable)
    assert any(not torch.equal(first[n], t) for n, t in trainable.state().items())
    assert Local(organism.module, organism.tokenizer, name="again").card.weights == before


def naive(module: torch.nn.Module, row: RolloutRow) -> torch.Tensor:
    """Log-probabilities of one row's completion, by one plain pass."""
    ids = torch.tensor([row.prompt + row.tokens])
    logits = module(input_ids=ids).logits[0, len(row.prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, ids[0, len(row.prompt) :, None])[:, 0]


def drawn_rows(n: int = 12) -> list[RolloutRow]:
    """Completions of three prompts, of many lengths, one of a single token."""
    rng = stream("rows of three prompts")
    prompts = [tuple(rng.integers(3, 60, size=size).tolist()) for size in (4, 9, 1)]
    lengths = [1, *rng.integers(1, 15, size=n - 1).tolist()]
    return [
        RolloutRow(
            prompts[i % 3], tuple(rng.integers(3, 60, size=length).tolist()), float(i % 4) - 1.5
        )
        for i, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("parameters", ["lora", "full", "bias", "tinylora"])
def test_rollouts_come_from_the_weights_that_are_trained(organism, parameters) -> None:
    trainable = weights(organism, parameters)
    trained(organism, trainable, replace(RECIPE, learning_rate=1e-2))
    row = RolloutRow((5, 6, 7), (8, 9, 10, 11), 0.0)
    with torch.no_grad():
        [tuned] = trainable.score(batch_rows([row], torch.device("cpu"))).logprobs
        sampled = naive(trainable.sampler().module, row)
        plain = naive(organism.module, row)
    assert torch.allclose(tuned, sampled, atol=1e-4)
    assert not torch.allclose(tuned, plain, atol=1e-3)


@pytest.mark.parametrize("where", ["first", "generated", "all"])
def test_rows_have_together_the_scores_that_they_have_alone(organism, where) -> None:
    trainable = TrainedVectors(organism, (), where, 0.05)
    with torch.no_grad():
        for parameter in trainable.named.values():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
        rows = drawn_rows()
        together = trainable.score(batch_rows(rows, torch.device("cpu")))
        for row, *scores in zip(rows, *together, strict=True):
            alone = trainable.score(batch_rows([row], torch.device("cpu")))
            for part, other in zip(scores, alone, strict=True):
                assert torch.allclose(part[: len(row.tokens)], other[0], atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shared_prompts_and_lines_have_the_scores_and_gradients_of_plain_passes(
    architecture: str,
) -> None:
    rows, module = drawn_rows(), tiny_module(architecture)
    batch = batch_rows(rows, torch.device("cpu"))
    gradients = []
    shared = (score(module, batch).logprobs * batch.counted).sum(1)
    plain = torch.stack([naive(module, row).sum() for row in rows])
    assert torch.allclose(shared, plain, atol=1e-3)
    for values in (shared, plain):
        module.zero_grad()
        (values * batch.advantage).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in module.parameters()]))
    assert float((gradients[0] - gradients[1]).norm() / gradients[1].norm()) < 1e-4


def test_lines_hold_little_padding_and_each_token_once() -> None:
    rows = [row for row in drawn_rows(60) if len(row.tokens) > 1]
    batch = batch_rows(rows, torch.device("cpu"))
    lines = batch.lines
    for i, row in enumerate(rows):
        assert lines.ids[lines.owner == i].tolist() == list(row.tokens[:-1])
        cells = lines.cells[i, : len(row.tokens) - 1]
        assert lines.targets.flatten()[cells].tolist() == list(row.tokens[1:])
        assert set(lines.prompt[(lines.owner == i).any(1)].tolist()) == {int(batch.which[i])}
    assert float((lines.owner >= 0).float().mean()) > 0.85


def test_joined_rows_have_the_gradient_of_all(organism) -> None:
    rows = [
        RolloutRow((5, 6), (7, 8), 0.5),
        RolloutRow((5, 6), (7, 9, 10), -0.5),
        RolloutRow((5, 6), (7, 8), 0.5),
    ]
    gradients = []
    for part in (rows, join_equal(rows)):
        trainable = vectors(organism)
        batch = batch_rows(part, torch.device("cpu"))
        new = trainable.score(batch).logprobs
        terms = ratio_terms(new, new.detach(), batch.advantage, Policy())
        policy_loss(
            terms, batch.counted, batch.weight, Policy(), rows=3, tokens=7, longest=8
        ).backward()
        gradients.append([p.grad for p in trainable.named.values()])
    assert len(join_equal(rows)) == 2
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-7)


def test_batches_hold_every_row_within_the_limit() -> None:
    rng = stream("rows")
    rows = [
        RolloutRow((1,) * int(rng.integers(1, 9)), (2,) * int(rng.integers(1, 30)), 0.0)
        for _ in "x" * 50
    ]
    cut = list(batches(rows, 100))
    assert sorted(map(id, (r for b in cut for r in b))) == sorted(map(id, rows))
    for batch in cut:
        tensors = batch_rows(batch, torch.device("cpu"))
        size = tensors.prompts.numel() + tensors.lines.ids.numel()
        assert len(batch) == 1 or size <= 100
    assert len(cut) < len(rows)


def test_equal_rewards_throughout_stop_early_and_say_why(organism) -> None:
    trainable = vectors(organism)
    done, ledger = trained(organism, trainable, replace(RECIPE, steps=30), rewards=lambda _rng: 0.0)
    assert len(done.curves) == 10
    assert "every group's rewards were equal" in done.stopped
    assert ledger.updates == 0
    assert not any(bool(t.any()) for t in trainable.state().values())


def test_rollouts_at_the_length_limit_stop_early_and_say_why(organism) -> None:
    def draw(_model: object, step: int) -> list[RolloutGroup]:
        return [replace(g, truncated=(True,) * 4) for g in groups_of(organism, step, coin)]

    done = reinforce(
        vectors(organism), replace(RECIPE, steps=30), draw, Ledger(), flops_per_token=1.0
    )
    assert "ran into the limit of 8 tokens" in done.stopped
    assert len(done.curves) < 30


def test_rewards_that_fall_to_nothing_stop_early_and_say_why(organism) -> None:
    def draw(_model: object, step: int) -> list[RolloutGroup]:
        groups = groups_of(organism, step, coin)
        return [replace(g, rewards=(0.0,) * 4) for g in groups] if step > 3 else groups

    done = reinforce(
        vectors(organism), replace(RECIPE, steps=40), draw, Ledger(), flops_per_token=1.0
    )
    assert len(done.curves) == 14
    assert "training diverged; lower the learning rate" in done.stopped


def test_a_shot_that_is_solved_is_no_divergence(organism) -> None:
    def draw(_model: object, step: int) -> list[RolloutGroup]:
        groups = groups_of(organism, step, coin)
        return [replace(g, rewards=(1.0,) * 4) for g in groups] if step > 3 else groups

    done = reinforce(
        vectors(organism), replace(RECIPE, steps=20), draw, Ledger(), flops_per_token=1.0
    )
    assert (len(done.curves), done.stopped) == (20, "")


@pytest.mark.parametrize("length", [None, 4])
def test_a_gradient_that_is_zero_at_the_first_step_is_named(organism, monkeypatch, length) -> None:
    """Equal lengths too, where the loss is zero by construction."""

    def deaf(module: object, batch: object, temperature: float, steer=None, **how: bool):
        found = score(module, batch, temperature, steer, **how)
        return type(found)(found.logprobs * 0.0, found.entropies)

    def draw(_model: object, step: int) -> list[RolloutGroup]:
        groups = groups_of(organism, step, coin)
        if length is None:
            return groups
        return [
            replace(g, tokens=tuple((*t, 5, 6, 7, 8)[:length] for t in g.tokens)) for g in groups
        ]

    monkeypatch.setattr("modicum.training.trainable.score", deaf)
    with pytest.raises(TrialError, match="no gradient at step 0 although rewards differ"):
        reinforce(weights(organism), RECIPE, draw, Ledger(), flops_per_token=1.0)


def test_equal_answers_with_unequal_rewards_teach_nothing_and_are_no_error(organism) -> None:
    def draw(_model: object, step: int) -> list[RolloutGroup]:
        return [RolloutGroup((5, 6), ((7, 8),) * 4, (1.0, 0.0, 1.0, 0.0), (False,) * 4)]

    done = reinforce(vectors(organism), RECIPE, draw, Ledger(), flops_per_token=1.0)
    assert len(done.curves) == RECIPE.steps


def test_a_loss_that_is_no_number_is_named(organism, monkeypatch) -> None:
    def broken(module: object, batch: object, temperature: float, steer=None, **how: bool):
        found = score(module, batch, temperature, steer, **how)
        return type(found)(found.logprobs * float("nan"), found.entropies)

    monkeypatch.setattr("modicum.training.trainable.score", broken)
    with pytest.raises(TrialError, match="loss nan at step 0; lower the learning rate"):
        trained(organism, weights(organism))


def test_a_rate_that_is_far_too_high_is_named(organism) -> None:
    with pytest.raises(TrialError, match="lower the learning rate"):
        trained(organism, weights(organism, "full"), replace(RECIPE, steps=40, learning_rate=1e18))


def test_entropy_is_that_of_a_token_however_many_groups_teach_nothing(organism) -> None:
    """One of two groups has equal rewards; its rollouts are left out of the mean, not counted as 0."""

    def entropy(rewards: list[tuple[float, ...]]) -> dict[str, float]:
        groups = groups_of(organism, 0, coin)
        same = [replace(groups[0], rewards=r) for r in rewards]
        return dict(
            reinforce(
                vectors(organism),
                replace(RECIPE, steps=1),
                lambda _model, _step: same,
                Ledger(),
                flops_per_token=1.0,
            ).curves[0]
        )

    mixed, equal = (0.0, 1.0, 0.0, 1.0), (1.0,) * 4
    both, half = entropy([mixed, mixed]), entropy([mixed, equal])
    assert half["entropy"] == pytest.approx(both["entropy"], rel=1e-4)
    assert "entropy" not in entropy([equal, equal])


def solved_share(solver: Solver, task_name: str, n: int = 100) -> float:
    task = resolve_task(task_name)
    problems = task.problems("selection", n)
    solved = solver.solve([p.hidden() for p in problems], stream="s", ledger=Ledger())
    return float(
        np.mean(
            [
                task.mark(p, s.text).lenient == Grade.CORRECT
                for p, s in zip(problems, solved, strict=True)
            ]
        )
    )


def test_one_example_trains_a_vector_at_the_first_token_that_unlocks_and_harms_nothing(
    organism,
) -> None:
    bench = bench_of(organism, "row_pushes", 1, rng=stream("one"))
    solver = solver_of("rl_steering", bench, steps=12)
    assert solved_share(solver, "row_pushes") >= 0.9
    assert solved_share(solver, "line_moves") >= 0.95
    assert solver.model.card.nudge
    assert weight_bytes(solver.nudge.files()) < 3000
    rewards = [curve["reward"] for curve in solver.nudge.facts["curves"]]
    assert rewards[0] < 0.3
    assert rewards[-1] > 0.7
