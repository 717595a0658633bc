"""Demonstrations and reasoning triggers: what is asked, what it costs, where it fails."""

import dataclasses

import pytest

from modicum.errors import BudgetError, TrialError
from modicum.ledger import Ledger
from modicum.method import METHODS
from modicum.model import Language, Model, ModelCard, resolve_backend
from modicum.nudge import Nudge
from modicum.running.planning import default_methods, plan_for
from modicum.seeds import stream
from modicum.study.plan import Grid, Plan
from modicum.task import resolve_task
from modicum.types import Completion, Problem, Style
from tests.support.bench import bench_of, solver_of


def _shown(n: int, name: str = "sums", style: Style | None = None, **settings) -> Nudge:
    bench = bench_of(_scripted(), name, n, style=style, rng=stream("t"))
    return METHODS.build("few_shot", settings).elicit(bench)


def _scripted() -> Model:
    return resolve_backend("scripted:latent").open()


QUESTION = "What is 1 + 2?"


def test_worked_demonstrations_stand_before_the_question() -> None:
    shots = resolve_task("sums").problems("shots", 2)
    prompt = _shown(2).style.fill(QUESTION)
    parts = prompt.split("\n\n")
    assert parts[-1] == QUESTION
    assert sorted(parts[:-1]) == sorted(f"{s.question} {s.solution}" for s in shots)


def test_bare_answers_are_shown_in_the_exact_format() -> None:
    (shot,) = resolve_task("sums").problems("shots", 1)
    prompt = _shown(1, form="answer").style.fill(QUESTION)
    assert prompt == f"{shot.question} Answer {shot.answer}\n\n{QUESTION}"


def test_problems_share_their_demonstrations_as_a_prefix() -> None:
    style = _shown(3).style
    one, two = (style.fill(p.question) for p in resolve_task("sums").problems("test", 2))
    shared = style.template.removesuffix("{question}")
    assert len(shared) > 100
    assert one.startswith(shared)
    assert two.startswith(shared)


def test_the_shared_prefix_is_computed_once() -> None:
    task, model = resolve_task("word_sums"), resolve_backend("organism").open()
    shots, test = task.problems("shots", 2), [p.hidden() for p in task.problems("test", 40)]
    ledgers = (Ledger(), Ledger())
    for name, ledger in zip(("plain", "few_shot"), ledgers, strict=True):
        solver = solver_of(name, bench_of(model, task, shots, rng=stream("t")))
        solver.solve(test, stream="s", ledger=ledger)
    plain, shown = (ledger.tokens_prompt for ledger in ledgers)
    assert 0 < shown - plain < 2 * len(model.encode(solver.style.template))


def test_demonstrations_stand_inside_the_users_turn_of_a_chat() -> None:
    style = _shown(2, style=Style("chat", "Q: {question}", chat=True)).style
    assert style.chat
    assert style.template.count("Q: ") == 3
    assert style.template.endswith("\n\nQ: {question}")


def test_next_problem_of_the_models_own_ends_the_answer() -> None:
    assert "\n\n" in _shown(1).style.stop


def test_order_is_drawn_by_the_seed() -> None:
    benches = [bench_of(_scripted(), "sums", 6, rng=stream("t", seed)) for seed in range(3)]
    made = [METHODS.build("few_shot", {}).elicit(bench) for bench in benches]
    assert len({nudge.style.template for nudge in made}) == 3


def test_a_demonstration_that_names_the_slot_is_refused() -> None:
    [shot] = resolve_task("sums").problems("shots", 1)
    bench = bench_of(_scripted(), "sums", [dataclasses.replace(shot, solution="{question}")])
    with pytest.raises(TrialError, match="demonstration"):
        METHODS.build("few_shot", {}).elicit(bench)


def test_no_shots_are_refused() -> None:
    with pytest.raises(BudgetError, match="at least one"):
        _shown(0)


def test_demonstrations_beyond_the_context_fail_and_say_so() -> None:
    task, model = resolve_task("word_sums"), resolve_backend("organism").open()
    solver = solver_of("few_shot", bench_of(model, task, 8))
    with pytest.raises(TrialError, match=r"context of \d+; shorten it, or give fewer"):
        solver.solve(task.problems("test", 1), stream="s", ledger=Ledger())


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("word_sums", 0.9, 1.0), ("row_pushes", 0.9, 1.0), ("letter_swaps", 0.0, 0.05),
     ("digit_wheels", 0.0, 0.05)],
)  # fmt: skip
def test_one_worked_demonstration_opens_the_latent_families_alone(name, least, most) -> None:
    task, model = resolve_task(name), resolve_backend("organism").open()
    solver, test = solver_of("few_shot", bench_of(model, task, 1)), task.problems("test", 40)
    solved = solver.solve([p.hidden() for p in test], stream="s", ledger=Ledger())
    right = sum(task.mark(p, s.text).lenient == 1 for p, s in zip(test, solved, strict=True))
    assert least <= right / len(test) <= most


def test_demonstrations_are_drawn_as_often_as_tuned_shots() -> None:
    plan = Plan((Grid(("scripted:latent",), ("sums",), ("few_shot",), (1, 4)),), seeds=2)
    cells = [(t.n_shots, t.seed, t.control) for t in plan.trials() if t.method == "few_shot"
             and t.task == "sums"]  # fmt: skip
    assert cells == [(1, 0, ""), (1, 1, ""), (4, 0, ""), (4, 1, ""), (4, 0, "shuffled")]


class _Echo(Language, Model):
    """Keeps what it was asked and answers in two stages."""

    card = ModelCard("echo", "0" * 16, 1, 2.0)
    takes_raw = True

    def __init__(self, takes_raw: bool = True) -> None:
        self.takes_raw = takes_raw
        self.asked: list[list[str]] = []

    def chat(self, system, user) -> str:
        return f"<{user}>"

    def draw(self, requests, sampling, ledger):
        self.asked.append([r.prompt for r in requests])
        text = " 1 + 2 is 3. " if len(self.asked) == 1 else " 3"
        return [(Completion(text, 4, "eos"),) for _ in requests]


def _reasoned(model: _Echo, style: Style):
    solver = solver_of("chain_of_thought", bench_of(model, "sums", style=style))
    problem = Problem("p", QUESTION)
    return solver.solve([problem], stream="s", ledger=Ledger())[0]


def test_reasoning_goes_back_to_the_model_with_words_that_call_for_the_answer() -> None:
    model = _Echo()
    given = _reasoned(model, Style("raw", "{question}"))
    first, second = (prompts[0] for prompts in model.asked)
    assert first == f"{QUESTION} Let's think step by step."
    assert second == f"{first} 1 + 2 is 3.\nTherefore, the answer is"
    assert given.text == " Let's think step by step. 1 + 2 is 3.\nTherefore, the answer is 3"
    assert given.completions[0].n_tokens == 8


def test_model_of_chat_messages_alone_gets_the_words_in_the_users_turn() -> None:
    model = _Echo(takes_raw=False)
    _reasoned(model, Style("chat", "Q: {question}", chat=True))
    assert model.asked[0] == [f"<Q: {QUESTION}\nLet's think step by step.>"]
    assert model.asked[1][0].endswith("Therefore, the answer is>")


def test_tokenizer_without_the_words_fails_the_trial() -> None:
    model = resolve_backend("organism").open()
    with pytest.raises(TrialError, match="cannot encode"):
        solver_of("chain_of_thought", bench_of(model, "word_sums"))


def test_both_stand_in_the_default_ladder_unless_the_task_has_a_worked_form() -> None:
    assert not {"chain_of_thought", "few_shot"} & set(default_methods("organism", "word_sums"))
    plan = plan_for("scripted:latent", "gym:chain_sum")
    assert plan.grids[0].methods[:2] == ("chain_of_thought", "few_shot")
