"""What every model promises, whatever stands behind it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from modicum.errors import AccessError, ConfigError
from modicum.ledger import Ledger
from modicum.marking.marks import mark_safely
from modicum.model import (
    MODELS,
    Backend,
    Model,
    ModelCard,
    backend_version,
    render,
    resolve_backend,
)
from modicum.sampling.local import Local
from modicum.sampling.text_net_model import TextNetModel
from modicum.stock import Stock
from modicum.study.held_out import text_loss
from modicum.study.styles import closed_list
from modicum.task import resolve_task
from modicum.types import Access, Branches, Completion, Grade, Request, Sampling, Style
from tests.support.bench import bench_of, solver_of
from tests.support.text_nets import text_folder
from tests.support.tiny_models import tiny_local

QUESTIONS = ("What is 12 + 30?", "What is 200 + 457?", "Is it?")
FOREIGN = tuple(name for name in sorted(MODELS.entries) if MODELS.entry(name).package)
"""Models of other packages that are installed."""
REFERENCES = (
    *("scripted:latent", "scripted:sealed", "organism", "organism-control", "folder"),
    *(
        "recursive:new?task=sudoku&width=3&selector=majority",
        "autoregressive:new?task=sudoku&width=2",
        "energy:new?task=sudoku&steps=2&candidates=2",
    ),
    *("text_net:energy", "text_net:looped"),  # folders of nets that think
    *FOREIGN,
)


@pytest.fixture(scope="module", params=REFERENCES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    if request.param == "folder":
        folder: Path = tmp_path_factory.mktemp("tiny")
        tiny = tiny_local("qwen2")
        tiny.module.save_pretrained(folder)
        tiny.tokenizer.save_pretrained(folder)
        return resolve_backend(str(folder)).open()
    if request.param.startswith("text_net:"):
        kind = request.param.partition(":")[2]
        folder = text_folder(kind, tmp_path_factory.mktemp(kind) / "net")
        return resolve_backend(f"text_net:{folder}?steps=3").open()
    return resolve_backend(request.param).open()


def requests(n: int = 1) -> list[Request]:
    return [Request(question, f"q{i}", n) for i, question in enumerate(QUESTIONS)]


def test_every_request_gets_its_samples(model: Model) -> None:
    drawn = model.generate(requests(3), Sampling(6, 1.0, stream="s"), Ledger())
    assert [len(group) for group in drawn] == [3, 3, 3]
    assert all(1 <= c.n_tokens <= 6 for group in drawn for c in group)


def test_the_same_addresses_draw_the_same_completions(model: Model) -> None:
    sampling = Sampling(8, 1.0, stream="s")
    first, second = (model.generate(requests(4), sampling, Ledger()) for _ in range(2))
    assert first == second
    alone = model.generate(requests(4)[1:2], sampling, Ledger())
    assert [c.text for c in alone[0]] == [c.text for c in first[1]]


def test_more_samples_begin_with_the_fewer(model: Model) -> None:
    sampling = Sampling(8, 1.0, stream="s")
    few = model.generate(requests(2), sampling, Ledger())
    many = model.generate(requests(5), sampling, Ledger())
    assert [[c.text for c in g] for g in few] == [[c.text for c in g[:2]] for g in many]


def test_greedy_ignores_the_stream(model: Model) -> None:
    drawn = [model.generate(requests(), Sampling(8, 0.0, stream=s), Ledger()) for s in "ab"]
    assert drawn[0] == drawn[1]


def test_margins_come_aligned_and_only_when_asked(model: Model) -> None:
    [(plain,), *_] = model.generate(requests(), Sampling(8, 0.0), Ledger())
    [(full,), *_] = model.generate(requests(), Sampling(8, 0.0, margins=True), Ledger())
    assert plain.pieces == plain.margins == plain.probabilities == ()
    sizes = {len(full.pieces), len(full.margins), len(full.probabilities), full.n_tokens}
    assert len(sizes) == 1
    assert "".join(full.pieces) == full.text == plain.text
    assert all(0 <= x <= 1 for x in (*full.margins, *full.probabilities))


def test_branches_come_likeliest_first_or_are_refused(model: Model) -> None:
    if "branches" not in model.offers:
        with pytest.raises(AccessError, match="branching at the first token"):
            model.generate(requests(), Sampling(6, branches=Branches(5)), Ledger())
        return
    for group in model.generate(requests(), Sampling(6, branches=Branches(5, 0.01)), Ledger()):
        chances = [c.probabilities[0] for c in group]
        assert 1 <= len(group) <= 5
        assert chances == sorted(chances, reverse=True)
        assert all(chance >= 0.01 for chance in chances[1:])


def test_scores_come_for_every_token_or_are_refused(model: Model) -> None:
    sampling = Sampling(8, 1.0, stream="s", scores=True)
    if "scores" not in model.offers:
        with pytest.raises(AccessError, match="the log-probability of each token"):
            model.generate(requests(2), sampling, Ledger())
        return
    for group in model.generate(requests(2), sampling, Ledger()):
        assert all(len(c.logprobs) == c.n_tokens and max(c.logprobs) <= 0 for c in group)


def test_it_goes_on_from_token_ids_or_refuses(model: Model) -> None:
    whole = replace(requests()[0], n=1)
    sampling = Sampling(8, 0.0, ids=True)
    if "begun" not in model.offers:
        with pytest.raises(AccessError, match="going on from token ids"):
            model.generate([replace(whole, begun=(1,))], sampling, Ledger())
        return
    [(c,)] = model.generate([whole], sampling, Ledger())
    shorter = replace(sampling, max_new_tokens=7)
    [(rest,)] = model.generate([replace(whole, begun=c.ids[:1])], shorter, Ledger())
    assert rest.ids == c.ids[1:]


def test_tokens_are_counted(model: Model) -> None:
    ledger = Ledger()
    drawn = model.generate(requests(2), Sampling(5, 1.0, stream="s"), ledger)
    assert ledger.tokens_sampled == sum(c.n_tokens for group in drawn for c in group)
    assert ledger.tokens_prompt > 0
    assert ledger.flops > 0


def test_log_probabilities_are_at_most_zero_or_refused(model: Model) -> None:
    if resolve_backend(model.card.name).access < Access.LOGPROBS:
        with pytest.raises(AccessError, match="scoring a given text"):
            model.logprob(QUESTIONS, (" Answer 42", " no", " Think"))
        return
    scores = model.logprob(QUESTIONS, (" Answer 42", " no", " Think"))
    assert len(scores) == 3
    assert all(score <= 0 for score in scores)


def test_the_card_says_what_it_is(model: Model) -> None:
    card = model.card
    assert card.name
    assert len(card.weights) == 16
    assert card.parameters > 0
    assert card.flops_per_token > 0
    # a net that takes its step again and again spends more
    if model.language is not None and not isinstance(model, TextNetModel):
        assert card.flops_per_token <= 2 * card.parameters
    assert card == model.card


def test_it_knows_language_where_its_backend_says_so(model: Model) -> None:
    assert (model.language is not None) == resolve_backend(model.card.name).speaks


def test_text_is_encoded_or_refused(model: Model) -> None:
    if model.language is None:
        assert text_loss(model) == ()
        return
    if not isinstance(model, (Local, TextNetModel)):
        assert model.language.can_encode("What is 12 + 30?")
    assert model.language.can_encode("")


def test_nothing_is_answered_when_nothing_is_asked(model: Model) -> None:
    assert model.generate([], Sampling(4), Ledger()) == []
    if "branches" in model.offers:
        assert model.generate([], Sampling(4, branches=Branches(2)), Ledger()) == []
        assert model.logprob([], []) == []


def test_every_backend_says_what_it_offers() -> None:
    for name in MODELS.entries:
        backend = MODELS.load(name)
        assert issubclass(backend, Backend)
        assert isinstance(backend.access, Access)


@pytest.mark.parametrize("name", sorted(MODELS.entries))
def test_what_a_file_states_is_what_its_class_says(name: str) -> None:
    backend, stated = MODELS.load(name), MODELS.entry(name).stated
    assert issubclass(backend, Backend)
    assert stated.get("version", 1) == backend.version == backend_version(name)
    assert "access" not in stated or Access[str(stated["access"])] == backend.access
    assert bool(stated.get("light", False)) == backend.light
    assert stated.get("speaks", True) == backend.speaks


# A net that knows no language


class Adder(Model):
    """Adds the numbers of its prompt: a whole model."""

    card = ModelCard("adder", "0" * 16, 3, 6.0)

    def draw(self, requests, sampling, ledger):
        ledger.ran(prompt=len(requests), sampled=len(requests), flops_per_token=6.0)
        sums = [sum(map(int, re.findall(r"\d+", request.prompt))) for request in requests]
        return [
            (Completion(f" Answer {total}", 1, "eos"),) * request.n
            for total, request in zip(sums, requests, strict=True)
        ]


def test_a_model_of_two_members_is_studied_like_any_other() -> None:
    task = resolve_task("sums")
    styles, skipped = closed_list(Adder(), task.sheet, own=None, instruction=False)
    assert (styles, skipped) == ((Style("raw", task.sheet.template),), ())
    assert text_loss(Adder()) == ()
    solver = solver_of("plain", bench_of(Adder(), "sums", style=styles[0]))
    problems = task.problems("test", 8)
    solved = solver.solve([p.hidden() for p in problems], stream="s", ledger=Ledger())
    marks = [mark_safely(task, p, s.text) for p, s in zip(problems, solved, strict=True)]
    assert all(mark.lenient == Grade.CORRECT for mark in marks)
    assert _in_stock(Adder()) == ["Answer 42", "Answer 657"]


def _in_stock(model: Model) -> list[str]:
    """What it answers from a stock where all was put before."""
    stock, ledger = Stock(), Ledger()
    asked = [replace(request, split="test") for request in requests()[:2]]
    model.stocked(stock).generate(asked, Sampling(4), Ledger())
    drawn = model.stocked(stock).generate(asked, Sampling(4), ledger)
    assert (ledger.completions_reused, ledger.tokens_sampled) == (2, 0)
    return [c.text.strip() for (c,) in drawn]


def test_what_a_model_does_not_offer_is_refused_in_words() -> None:
    with pytest.raises(AccessError, match="branching at the first token on 'adder'"):
        Adder().generate(requests(), Sampling(4, branches=Branches(2)), Ledger())
    with pytest.raises(AccessError, match="the log-probability of each token on 'adder'"):
        Adder().generate(requests(), Sampling(4, scores=True), Ledger())
    with pytest.raises(AccessError, match="going on from token ids on 'adder'"):
        Adder().generate([Request("a", "q", begun=(1,))], Sampling(4), Ledger())
    with pytest.raises(AccessError, match="scoring a given text on 'adder'"):
        Adder().logprob(["a"], ["b"])
    with pytest.raises(ConfigError, match="needs a chat template"):
        render(Adder(), Style("chat", "{question}", chat=True), "?")
