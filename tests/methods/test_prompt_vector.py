"""A vector from two prompts: no label is read, one token is steered, the model's own answers choose."""

import dataclasses

import numpy as np
import pytest
import torch

from modicum.bench import Bench
from modicum.errors import BudgetError, ConfigError, TrialError
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.method import METHODS
from modicum.model import Model, render, resolve_backend
from modicum.nudge import Nudge, Solver
from modicum.nudge.sites import blocks
from modicum.nudge.steering import Direction, Steering, load_steering
from modicum.sampling.llama_steps import LeanLlama
from modicum.seeds import stream
from modicum.task import Scrambled, resolve_task
from modicum.training.prompt_contrast import (
    PromptPairs,
    RatedDose,
    best_of,
    candidates,
    ranked,
    two_prompts,
)
from modicum.types import Grade, Request, Sampling, Style
from modicum.whitebox import cache_keyword, need_whitebox
from tests.support.bench import asked_bench, bench_of
from tests.support.tiny import tiny

FIXED = Style("own", "{question} Only Answer .")
"""Under it the organism never reasons."""
SMALL = {"wanted": "instruction", "layers": (1, 2), "strengths": (0.5, 1.0), "tries": 3}


@pytest.fixture(scope="module")
def organism() -> Model:
    return resolve_backend("organism").open()


@pytest.fixture(scope="module")
def control() -> Model:
    return resolve_backend("organism_control").open()


def _bench(model: Model, n: int = 4, task: object = "word_sums", **more: object) -> Bench[Model]:
    return asked_bench(bench_of(model, task, style=FIXED, **more), task, n)


def _found(bench: Bench[Model], **settings: object) -> Nudge:
    return METHODS.build("prompt_vector", {**SMALL, **settings}).elicit(bench)


def _steering(nudge: Nudge) -> Steering:
    [vectors] = nudge.changes
    return vectors.steering


def _score(nudge: Nudge, bench: Bench[Model], n: int = 100) -> float:
    task = resolve_task("word_sums")
    problems = task.problems("selection", n)
    solver = Solver.of(bench.model, nudge, bench.judge)
    solved = solver.solve([p.hidden() for p in problems], stream="s", ledger=Ledger())
    right = [
        task.mark(p, s.text).lenient == Grade.CORRECT for p, s in zip(problems, solved, strict=True)
    ]
    return float(np.mean(right))


@pytest.mark.parametrize("n", [1, 4])
def test_questions_alone_unlock_what_the_fixed_prompt_hides(organism, n) -> None:
    bench = _bench(organism, n)
    nudge = _found(bench)
    assert _score(Nudge(FIXED), bench) <= 0.05
    assert _score(nudge, bench) >= 0.6
    assert nudge.style == FIXED
    assert nudge.facts["pairs"] == n
    assert nudge.facts["agreement"] > nudge.facts["unsteered"]["agreement"]


def test_no_label_is_read(organism) -> None:
    bench = _bench(organism)
    _found(bench)
    assert bench.ledger.judge_calls == 0
    assert not bench.judge.shots
    assert all(not text.answer and text.solution is None for text in bench.texts)


def test_golds_that_are_moved_change_nothing(organism) -> None:
    plain = _found(_bench(organism))
    moved = _found(_bench(organism, task=Scrambled(resolve_task("word_sums"))))
    assert _steering(plain).digest == _steering(moved).digest


def test_the_control_organism_stays_at_the_floor(control) -> None:
    bench = _bench(control)
    assert _score(_found(bench), bench) <= 0.05


@pytest.mark.parametrize("direction", ["random", "questions"])
def test_another_direction_as_long_at_the_same_place_does_nothing(organism, direction) -> None:
    bench = _bench(organism, rng=stream("control"))
    own, other = _found(bench), _found(bench, direction=direction)
    [values], [others] = ([d.values for d in _steering(nudge).directions] for nudge in (own, other))
    assert float(others.norm()) == pytest.approx(float(values.norm()), rel=1e-4)
    assert abs(float(torch.nn.functional.cosine_similarity(values, others, dim=0))) < 0.7
    assert [own.facts[name] for name in ("layer", "strength", "where")] == [
        other.facts[name] for name in ("layer", "strength", "where")
    ]
    assert _score(other, bench) <= 0.1


def test_a_setting_of_steering_vector_finds_the_same(organism) -> None:
    settings = {"layers": (1, 2), "strengths": (0.5, 1.0), "wanted": "instruction"}
    bench = _bench(organism)
    method = METHODS.build("steering_vector", {**settings, "contrast": "prompts"})
    assert method.elicit(bench).facts == _found(_bench(organism), tries=8).facts
    assert (method.shown(4), method.texts(4), method.reads(4)) == (0, 4, 0)
    labelled = METHODS.build("steering_vector", {})
    assert (labelled.shown(4), labelled.texts(4), labelled.reads(4)) == (4, 0, 4)


# The place: one token, in one pass.

PROMPTS = ("Tom has 2 cars and", "The red", "Anna lost 3 cars , then found 5 more . How many")


def _by_hand(model: Model, prompt: str, layer: int, values: torch.Tensor, n: int) -> list[int]:
    """Return greedy tokens by transformers alone: the vector is added once, where the prompt ends."""
    white = need_whitebox(model, "test")
    module, ids = white.module, torch.tensor([white.encode(prompt)])

    def add(_module: object, _args: object, output: object) -> object:
        hidden = output[0] if isinstance(output, tuple) else output
        steered = hidden.clone()
        steered[:, -1] += values
        return (steered, *output[1:]) if isinstance(output, tuple) else steered

    tokens: list[int] = []
    with torch.inference_mode():
        handle = blocks(module)[layer].register_forward_hook(add)
        output = module(ids, use_cache=True)
        handle.remove()
        while len(tokens) < n:
            tokens.append(int(output.logits[0, -1].argmax()))
            past = {cache_keyword(module): output.past_key_values}
            output = module(torch.tensor([tokens[-1:]]), use_cache=True, **past)
    return tokens


@pytest.mark.parametrize("path", ["pages", "lean", "hooks", "own cache"])
@pytest.mark.parametrize("layer", [0, 1])
def test_every_path_adds_it_once_at_the_prompts_last_token(path, layer, monkeypatch) -> None:
    model = tiny()
    if path == "lean":
        monkeypatch.setattr("modicum.sampling.llama_steps.load_kernel", lambda _shape: None)
    if path == "hooks":
        monkeypatch.setattr(LeanLlama, "fits", staticmethod(lambda _module: False))
    if path == "own cache":
        model._engine = dataclasses.replace(model._engine, windows=None)
    drawn = np.random.default_rng(5).standard_normal(32)
    values = torch.from_numpy(4 * drawn).float()
    steered = model.with_steering(Steering((Direction(layer, values),), "first"))
    steered._engine = dataclasses.replace(steered._engine, windows=model._engine.windows)
    asked = [Request(prompt, str(i)) for i, prompt in enumerate((*PROMPTS, *PROMPTS))]
    given = steered.generate(asked, Sampling(12, 0.0, ids=True), Ledger())
    wanted = [_by_hand(model, prompt, layer, values, 12) for prompt in PROMPTS]
    plain = model.generate(asked, Sampling(12, 0.0, ids=True), Ledger())
    found = [list(group[0].ids) for group in given]
    assert found == [ids[: len(own)] for own, ids in zip(found, [*wanted, *wanted], strict=True)]
    assert found != [list(group[0].ids) for group in plain]


def test_prompts_that_share_their_beginning_share_it_unsteered() -> None:
    model = tiny()
    opening = "Tom has 2 cars and Anna has 3 cars . " * 6
    prompts = [f"{opening}{end}" for end in ("How many cars", "Tom", "Anna lost")]
    values = torch.from_numpy(4 * np.random.default_rng(6).standard_normal(32)).float()
    steered, ledger = model.with_steering(Steering((Direction(0, values),), "first")), Ledger()
    given = steered.generate(
        [Request(p, str(i)) for i, p in enumerate(prompts)], Sampling(8, 0.0, ids=True), ledger
    )
    assert ledger.tokens_prompt < sum(len(model.encode(p)) for p in prompts)
    for prompt, group in zip(prompts, given, strict=True):
        own = list(group[0].ids)
        assert own == _by_hand(model, prompt, 0, values, 8)[: len(own)]


def test_the_file_carries_place_and_dose(organism, tmp_path) -> None:
    nudge = _found(_bench(organism))
    (tmp_path / "vector.safetensors").write_bytes(nudge.files()["vector.safetensors"])
    read = load_steering(tmp_path / "vector.safetensors")
    assert (read.where, read.offset) == ("first", 0)
    assert read.place == "the last token of the prompt, once"
    assert read.digest == _steering(nudge).digest


def test_it_is_the_difference_of_the_two_prompts_at_their_last_token(organism) -> None:
    bench = _bench(organism, 3)
    white = need_whitebox(organism, "test")
    nudge = _found(bench)
    layer, strength = nudge.facts["layer"], nudge.facts["strength"]
    wanted = next(style for style in bench.prompts if style.name == "instruction")
    rows = []
    for text in bench.texts:
        ends = []
        for style in (wanted, FIXED):
            ids = torch.tensor([white.encode(render(organism, style, text.question))])
            with torch.inference_mode():
                states = white.module(ids, output_hidden_states=True).hidden_states
            ends.append(states[layer + 1][0, -1])
        rows.append(ends[0] - ends[1])
    [direction] = _steering(nudge).directions
    torch.testing.assert_close(
        direction.values, torch.stack(rows).mean(0) * strength, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("place", ["parting", "generated", "all"])
def test_the_other_places_stay(organism, place) -> None:
    nudge = _found(_bench(organism, 2), at=place, layers=(1,), strengths=(1.0,), tries=1)
    where = "first" if place == "parting" else place
    assert (_steering(nudge).where, nudge.facts["where"]) == (where, where)
    assert _steering(nudge).offset == nudge.facts["offset"]


# The choice: by the model's own answers.


def test_the_dose_agrees_with_the_models_own_answers(organism) -> None:
    bench = _bench(organism, 8)
    nudge = _found(bench, tries=4)
    wanted = next(style for style in bench.prompts if style.name == "instruction")
    questions = list(bench.texts)
    own = [bench.judge.read(c.text) for c in bench.answers(organism, questions, "x", wanted)]
    steered = nudge.applied(organism)
    given = [bench.judge.read(c.text) for c in bench.answers(steered, questions, "x", FIXED)]
    kept = [(a, b) for a, b in zip(own, given, strict=True) if a is not None]
    assert nudge.facts["agreement"] == np.mean([a == b for a, b in kept])
    assert nudge.facts["agreement"] == max(score for *_, score in nudge.facts["tried"])
    assert nudge.facts["unread"] == len(questions) - len(kept)


def test_the_likeliest_are_tried_first(organism) -> None:
    facts = _found(_bench(organism), tries=2).facts
    scored = [RatedDose(*one) for one in facts["likelihoods"]]
    assert len(scored) == 4
    assert scored == ranked(scored, facts["unsteered"]["likelihood"])
    assert [one[:2] for one in facts["tried"]] == [one[:2] for one in facts["likelihoods"][:2]]


def test_the_difference_itself_comes_first_where_it_does_nearly_as_much() -> None:
    strong, own, weak, feeble = (
        RatedDose(12, strength, likelihood)
        for strength, likelihood in ((3.0, -1.0), (1.0, -1.09), (0.5, -1.05), (1.5, -1.2))
    )
    other = RatedDose(10, 1.0, -1.05)
    assert ranked([strong, own, weak, feeble, other], -2.0) == [other, own, weak, strong, feeble]


def test_a_vote_of_samples_may_stand_for_the_greedy_answer(organism) -> None:
    bench = _bench(organism, 2)
    _found(bench, samples=3)
    greedy = _bench(organism, 2)
    _found(greedy)
    assert bench.ledger.tokens_sampled > greedy.ledger.tokens_sampled


def test_what_agrees_most_stands_and_of_equals_the_first() -> None:
    doses = [
        RatedDose(1, 1.0, -2.0, 0.5),
        RatedDose(2, 2.0, -3.0, 1.0),
        RatedDose(3, 1.0, -1.0, 1.0),
    ]
    assert best_of(doses).layer == 2
    assert best_of(doses[::-1]).layer == 3


def test_every_layer_is_tried_at_every_strength() -> None:
    assert set(candidates([0, 1], [1.0, 2.0])) == {(0, 1.0), (0, 2.0), (1, 1.0), (1, 2.0)}


# What is refused.


def test_prompts_are_named_or_written(organism) -> None:
    bench = _bench(organism).on(need_whitebox)
    assert [s.name for s in two_prompts(bench, "", "")] == ["raw", "own"]
    assert [s.name for s in two_prompts(bench, "instruction", "raw")] == ["instruction", "raw"]
    given, _ = two_prompts(bench, "{question} Show steps .", "")
    assert given.fill("A ?") == "A ? Show steps ."
    with pytest.raises(ConfigError, match="one of raw, instruction, own"):
        two_prompts(bench, "chat", "")
    alone = dataclasses.replace(bench, prompts=())
    with pytest.raises(ConfigError, match="one prompt alone, 'own'"):
        two_prompts(alone, "", "")


def test_two_equal_prompts_have_no_contrast(organism) -> None:
    with pytest.raises(TrialError, match="no contrast to steer by"):
        _found(_bench(organism), wanted="own")


def test_answers_that_cannot_be_read_are_no_guide(organism, monkeypatch) -> None:
    monkeypatch.setattr(Judge, "read", lambda _judge, _text: None)
    with pytest.raises(
        TrialError, match="none of the model's 2 answers in the prompt 'instruction'"
    ):
        _found(_bench(organism, 2))


def test_questions_are_needed(organism) -> None:
    with pytest.raises(BudgetError, match="without a question"):
        _found(bench_of(organism, "word_sums", style=FIXED))


@pytest.mark.parametrize("settings", [{"strengths": [0.0]}, {"tries": 0}, {"samples": 0}])
def test_settings_out_of_range_are_refused(settings) -> None:
    with pytest.raises(ConfigError):
        METHODS.build("prompt_vector", settings)


def test_a_search_has_the_methods_own_defaults() -> None:
    method = METHODS.build("prompt_vector", {})
    own = {f.name: getattr(method, f.name) for f in dataclasses.fields(method)}
    assert own == dataclasses.asdict(PromptPairs())
