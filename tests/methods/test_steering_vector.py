"""One vector from a few pairs unlocks what is latent, and nothing else; the dose is the smallest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modicum.errors import BudgetError, ConfigError
from modicum.ledger import Ledger
from modicum.method import METHODS
from modicum.model import resolve_backend
from modicum.nudge import Solver, weight_bytes
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.training.contrast import least_dose, pairs_of, parted, sides_of
from modicum.types import Grade, Problem
from tests.support.bench import bench_of, solver_of


@pytest.fixture(scope="module")
def organism():
    return resolve_backend("organism").open()


@pytest.fixture(scope="module")
def control():
    return resolve_backend("organism_control").open()


def found(model, task_name: str, n: int, seed: int = 0, **settings: object):
    bench = bench_of(model, task_name, n, rng=stream("vector", seed))
    return solver_of("steering_vector", bench, **settings), bench


def score(solver: Solver, task_name: str, n: int = 200) -> float:
    task = resolve_task(task_name)
    problems = task.problems("selection", n)
    solved = solver.solve([p.hidden() for p in problems], stream="s", ledger=Ledger())
    right = [
        task.mark(p, s.text).lenient == Grade.CORRECT for p, s in zip(problems, solved, strict=True)
    ]
    return float(np.mean(right))


@pytest.mark.parametrize("task_name", ["word_sums", "row_pushes"])
@pytest.mark.parametrize("contrast", ["instructions", "demonstrations"])
def test_sixteen_pairs_unlock_a_latent_family_and_harm_nothing(
    organism, task_name, contrast
) -> None:
    solver, bench = found(organism, task_name, 16, contrast=contrast)
    assert score(solver, task_name) >= 0.9
    assert score(solver, "line_moves") >= 0.95
    assert solver.nudge.facts["cosine"] > 0.8
    assert solver.nudge.facts["separability"] > 0.9
    assert not solver.nudge.facts["sign_test"]["flipped"]
    assert bench.ledger.judge_calls > 0
    assert weight_bytes(solver.nudge.files()) < 1000


def test_twenty_random_vectors_as_long_do_nothing_on_average(organism) -> None:
    scores = [
        score(found(organism, "word_sums", 16, seed, direction="random")[0], "word_sums", 100)
        for seed in range(20)
    ]
    assert np.mean(scores) <= 0.1


def test_the_control_organism_stays_at_the_floor(control) -> None:
    solver, _ = found(control, "word_sums", 16)
    assert score(solver, "word_sums") <= 0.02


def test_the_opposite_instructions_are_set_right_by_the_sign_test(organism) -> None:
    task = resolve_task("word_sums")
    wanted, unwanted = task.sheet.contrast
    solver, _ = found(organism, "word_sums", 8, wanted=unwanted, unwanted=wanted)
    assert solver.nudge.facts["sign_test"]["flipped"]
    assert score(solver, "word_sums") >= 0.9


def test_forms_that_begin_alike_part_after_what_they_share(organism) -> None:
    # the visible family works under both instructions: the answers never part before their end
    bench = bench_of(organism, "word_sums", 4)
    texts = sides_of(bench, "instructions")
    longer, shared = parted(bench, texts)
    assert shared == 0
    assert longer == pairs_of(bench, "instructions")


def test_chat_marks_are_asked_as_they_stand_where_answers_part(organism, monkeypatch) -> None:
    # decoded tokens lack special ones: a chat prompt would lose its turns
    bench = bench_of(organism, "word_sums", 2)
    texts = sides_of(bench, "instructions")
    marked = [tuple(f"{side}<eos>" for side in both) for both in texts]
    asked: list[str] = []
    generate = type(organism).generate

    def spy(self, requests, sampling, ledger):
        asked.extend(r.prompt for r in requests)
        return generate(self, requests, sampling, ledger)

    monkeypatch.setattr(type(organism), "generate", spy)
    parted(bench, marked)
    assert asked == [side for both in marked for side in both]


def test_demonstrations_differ_in_the_solved_problem_alone(organism) -> None:
    bench = bench_of(organism, "word_sums", 3)
    for pair, shot in zip(pairs_of(bench, "demonstrations"), bench.shots, strict=True):
        wanted, unwanted = organism.decode(list(pair.wanted)), organism.decode(list(pair.unwanted))
        assert wanted.endswith(shot.question)
        assert unwanted.endswith(shot.question)
        assert len(wanted) > len(unwanted)


def test_completions_need_worked_solutions(organism) -> None:
    shots = resolve_task("word_sums").problems("shots", 1)
    bare = [Problem(s.id, s.question, s.answer) for s in shots]
    bench = bench_of(organism, "word_sums", bare)
    with pytest.raises(BudgetError, match="worked solutions"):
        pairs_of(bench, "completions")
    with pytest.raises(BudgetError, match="1 shots for a contrast of demonstrations"):
        pairs_of(bench, "demonstrations")


def test_a_strength_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="strengths above 0"):
        METHODS.build("steering_vector", {"strengths": [0.0]})


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 3), st.sampled_from([0.25, 0.5, 1.0, 2.0])),
        st.floats(0, 0.99),
    )
)
def test_the_dose_is_the_smallest_that_scores_best(scores: dict) -> None:
    best, tried = least_dose(
        [0, 1, 2, 3],
        [2.0, 0.5, 0.25, 1.0],
        lambda layers, s: [scores.get((layer, s), 0.0) for layer in layers],
    )
    assert len(tried) == 16
    top = max(dose.score for dose in tried)
    assert best.score == top
    assert best.strength == min(dose.strength for dose in tried if dose.score == top)
