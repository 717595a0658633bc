"""What every method must do; a new file in `methods/` is tested the moment it exists."""

import dataclasses
import tempfile
from pathlib import Path

import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from modicum.bench import Bench
from modicum.catalog import settings_of
from modicum.errors import AccessError, BudgetError
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.method import METHODS, Method, Needs
from modicum.model import Model, Passed, resolve_backend
from modicum.nudge import Nudge, Solver, read_nudge, weight_bytes, write_folder
from modicum.task import resolve_task
from modicum.types import Access, Problem, Supervision
from modicum.whitebox import weights_hash
from tests.support.bench import asked_bench, bench_of, judge_of, solver_of

N_SHOTS = 3
ALL = sorted(METHODS.entries)


def _method(name: str) -> Method:
    quick = METHODS.load(name).quick
    return METHODS.build(name, dict(quick.settings))


@pytest.fixture(scope="module", params=ALL)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def method(name) -> Method:
    return _method(name)


@pytest.fixture(scope="module")
def subject(method) -> tuple[str, str]:
    """The scripted model, or the organism where weights are wanted."""
    # worked stories the organism can reach by sampling, so that rejection keeps something
    is_text = method.needs.access <= Access.LOGPROBS
    usual = ("scripted:latent", "sums") if is_text else ("organism", "line_moves")
    return method.quick.model or usual[0], method.quick.task or usual[1]


@pytest.fixture(scope="module")
def model(subject) -> Model:
    return resolve_backend(subject[0]).open()


@pytest.fixture(scope="module")
def task(subject):
    return resolve_task(subject[1])


def _shots(method: Method, task, n: int = N_SHOTS) -> tuple[Problem, ...]:
    """Shots as a trial gives them: none where no label is read."""
    return () if method.needs.supervision == Supervision.QUESTION else task.problems("shots", n)


def _bench(method: Method, model, task, shots=None, **more) -> Bench:
    bench = bench_of(model, task, _shots(method, task) if shots is None else shots, **more)
    return asked_bench(bench, task, n) if (n := method.texts(N_SHOTS)) else bench


def _elicit(method, model, task, shots=None, **more) -> Solver:
    return solver_of(method, _bench(method, model, task, shots, **more))


def _texts(solver: Solver, task) -> list[tuple[str, ...]]:
    hidden = [p.hidden() for p in task.problems("test", 6)]
    solved = solver.solve(hidden, stream="s", ledger=Ledger())
    return [(given.text, *(c.text for c in given.completions)) for given in solved]


def _weights(model: Model) -> str:
    module = getattr(model, "module", None)
    return weights_hash(module) if module is not None else model.card.weights


@pytest.fixture(scope="module")
def elicited(method, model, task) -> tuple[Solver, Bench, str, int]:
    """A solver, the bench that it came from, the weights' hash before, steps of optimisers."""
    before, steps = _weights(model), []
    bench = _bench(method, model, task)
    hook = register_optimizer_step_post_hook(lambda *given: steps.append(given))
    solver = solver_of(method, bench)
    hook.remove()
    return solver, bench, before, len(steps)


def test_same_seed_gives_the_same_answers(method, model, task, elicited) -> None:
    again = _elicit(method, model, task)
    assert _texts(again, task) == _texts(elicited[0], task)


def test_base_weights_are_unchanged(model, elicited) -> None:
    assert _weights(model) == elicited[2]


def test_base_answers_are_unchanged(method, model, task, elicited) -> None:
    plain = solver_of("plain", bench_of(model, task))
    fresh_model = resolve_backend(_reference(model)).open()
    fresh = dataclasses.replace(plain, model=fresh_model)
    assert _texts(plain, task) == _texts(fresh, task)


def _reference(model: Model) -> str:
    return model.card.name


def _read(method: Method, folder: Path) -> Nudge:
    return read_nudge(folder, method.answering, method.changes)


def test_nudge_survives_its_files(method, model, task, elicited, tmp_path) -> None:
    solver, bench, *_ = elicited
    write_folder(solver.nudge.files(), tmp_path / "nudge")
    again = Solver.of(model, _read(method, tmp_path / "nudge"), bench.judge)
    assert _texts(again, task) == _texts(solver, task)


def test_nudge_that_was_read_has_the_same_files(method, elicited, tmp_path) -> None:
    files = elicited[0].nudge.files()
    write_folder(files, tmp_path / "nudge")
    assert _read(method, tmp_path / "nudge").files() == files


def test_changes_are_those_that_the_method_names(method, elicited) -> None:
    assert {type(change) for change in elicited[0].nudge.changes} <= set(method.changes)
    assert bool(method.changes) == method.changes_model


def test_answering_is_the_one_that_the_method_names(method, elicited) -> None:
    assert type(elicited[0].nudge.answering) is type(method.answering)
    assert elicited[0].nudge.answering.draws == method.answering.draws


def test_nudge_holds_no_pickle(elicited) -> None:
    suffixes = {Path(name).suffix for name in elicited[0].nudge.files()}
    assert not suffixes & {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


def test_making_files_leaves_the_solver_as_it_was_and_nothing_behind(
    elicited, task, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = _texts(elicited[0], task)
    elicited[0].nudge.files()
    assert _texts(elicited[0], task) == before
    assert not list(tmp_path.iterdir())


def test_eliciting_leaves_no_temporary_folder(method, model, task, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _elicit(method, model, task)
    assert not list(tmp_path.iterdir())


def test_judge_calls_name_shots_only(method, model, task, monkeypatch) -> None:
    asked: list[str] = []
    mark = Judge.mark

    def spy(self: Judge, problem_id: str, text: str):
        asked.append(problem_id)
        return mark(self, problem_id, text)

    monkeypatch.setattr(Judge, "mark", spy)
    shots = _shots(method, task)
    _elicit(method, model, task)
    assert set(asked) <= {shot.id for shot in shots}


def test_judge_calls_are_counted(method, model, task, monkeypatch) -> None:
    counted: list[None] = []
    mark = Judge.mark
    monkeypatch.setattr(
        Judge, "mark", lambda self, *given: counted.append(None) or mark(self, *given)
    )
    ledger = Ledger()
    _elicit(method, model, task, ledger=ledger)
    assert ledger.judge_calls == len(counted)


def test_limit_on_judge_calls_holds(method, model, task) -> None:
    ledger = Ledger()
    _elicit(method, model, task, ledger=ledger)
    needed = ledger.judge_calls
    if not needed:
        pytest.skip("asks the judge nothing")
    with pytest.raises(BudgetError):
        _elicit(method, model, task, ledger=Ledger(max_judge_calls=needed - 1))


def test_judge_refuses_a_problem_that_is_no_shot(method, model, task) -> None:
    judge = judge_of(model, task, 2)
    with pytest.raises(BudgetError, match="not among the 2 shots"):
        judge.mark(task.problems("test", 1)[0].id, "x")


def test_no_shots_work_or_are_a_budget_error(method, model, task) -> None:
    try:
        nudge = method.elicit(bench_of(model, task))
    except BudgetError:
        assert method.has_budgets
    else:
        assert isinstance(nudge, Nudge)


def test_hidden_solution_is_not_read_below_its_supervision(method, model, task) -> None:
    if method.needs.supervision != Supervision.ANSWER or method.needs.reads_solutions:
        pytest.skip("reads solutions, or nothing")
    shots = tuple(dataclasses.replace(s, solution=None) for s in _shots(method, task))
    bare = _elicit(method, model, task, shots)
    assert _texts(bare, task) == _texts(_elicit(method, model, task), task)


def test_questions_alone_suffice_where_no_label_is_read(method, model, task) -> None:
    if method.needs.supervision != Supervision.QUESTION:
        pytest.skip("reads labels")
    shots = tuple(s.hidden() for s in task.problems("shots", N_SHOTS))
    bare = _elicit(method, model, task, shots)
    assert _texts(bare, task) == _texts(_elicit(method, model, task), task)


class Offering(Passed):
    """A model that offers text, or text and log-probabilities, and refuses what is above that."""

    def __init__(self, inner: Model, access: Access) -> None:
        super().__init__(inner)
        self._access = access

    def _need_logprobs(self) -> None:
        if self._access < Access.LOGPROBS:
            raise AccessError(self._access.name, Access.LOGPROBS.name, "a test's model")

    def draw(self, requests, sampling, ledger):
        if sampling.branches is not None:
            self._need_logprobs()
        return super().draw(requests, sampling, ledger)

    def logprob(self, *given):
        self._need_logprobs()
        return super().logprob(*given)


def test_a_model_that_offers_the_declared_access_and_no_more_suffices(
    method, model, task, elicited
) -> None:
    if method.needs.access > Access.LOGPROBS:
        pytest.skip("needs a white box, which offers everything")
    if method.kind == "scratch":
        pytest.skip("trains the net of the model itself, which nothing around it offers")
    solver = _elicit(method, Offering(model, method.needs.access), task)
    assert _texts(solver, task) == _texts(elicited[0], task)


def test_a_model_that_offers_less_than_the_declared_access_is_refused(method, model, task) -> None:
    if method.needs.access == Access.TEXT:
        pytest.skip("every model offers text")
    less = min(Access(method.needs.access - 1), Access.LOGPROBS)
    with pytest.raises(AccessError):
        _texts(_elicit(method, Offering(model, less), task), task)


def test_updates_are_the_steps_that_optimisers_took(method, elicited) -> None:
    assert elicited[1].ledger.updates == elicited[3]
    assert elicited[3] > 0 or method.needs.access < Access.WEIGHTS


def test_size_is_counted_of_nudges_of_weights_and_activations_alone(method, elicited) -> None:
    assert (weight_bytes(elicited[0].nudge.files()) > 0) == method.changes_model


def test_solving_is_counted(elicited, task) -> None:
    ledger = Ledger()
    hidden = [p.hidden() for p in task.problems("test", 4)]
    solved = elicited[0].solve(hidden, stream="s", ledger=ledger)
    # end tokens and rows that another drew first may be counted by the model, never fewer
    assert ledger.tokens_sampled >= sum(c.n_tokens for s in solved for c in s.completions)
    assert ledger.flops > 0


def test_solver_gives_one_answer_a_problem_in_order(elicited, task) -> None:
    hidden = [p.hidden() for p in task.problems("test", 5)]
    forth = elicited[0].solve(hidden, stream="s", ledger=Ledger())
    back = elicited[0].solve(hidden[::-1], stream="s", ledger=Ledger())
    assert [s.text for s in forth] == [s.text for s in back][::-1]


def test_settings_are_plain_values(method) -> None:
    plain = (int, float, str, bool, type(None), tuple, list)
    assert all(isinstance(value, plain) for value in settings_of(method).values())


def test_method_is_frozen(method) -> None:
    assert dataclasses.is_dataclass(method)
    assert hash(method) == hash(_same(method))


def _same(method: Method) -> Method:
    return dataclasses.replace(method)


def test_declared_controls_are_known_to_trials(method) -> None:
    names = [control.name for control in method.controls]
    assert len(set(names)) == len(names)
    for control in method.controls:
        own = settings_of(dataclasses.replace(method, **control.settings))
        assert (own != settings_of(method)) == (
            control.name not in ("majority", "shuffled", "format")
        )


def test_what_the_file_states_is_what_the_class_says(name, method) -> None:
    stated = METHODS.entry(name).stated
    assert stated.get("kind") == method.kind
    needs = {**dataclasses.asdict(Needs()), **stated.get("needs", {})}
    known = {k: v if isinstance(v, str | bool) else v.name for k, v in needs.items()}
    own = dataclasses.asdict(method.needs)
    assert known == {k: v if isinstance(v, str | bool) else v.name for k, v in own.items()}
    assert bool(stated.get("is_usual")) == method.is_usual
    assert stated.get("proposals", {}) == method.proposals


def test_document_names_the_source(name) -> None:
    text = (METHODS.load(name).__doc__ or "") + (METHODS.module(name).__doc__ or "")
    assert "Source:" in text
