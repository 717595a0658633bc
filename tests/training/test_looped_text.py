"""A looped transformer learns text: loops as the formula says, the same bits after a kill, a folder."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from modicum.corpora.naming import resolve_corpus
from modicum.errors import CheckpointError, ConfigError
from modicum.ledger import Ledger
from modicum.nets.looped_text import LOOPED_TEXT_CONFIG, read_looped_text
from modicum.nets.thinking import Thinking
from modicum.seeds import stream
from modicum.study.scale_plan import ScalePlan
from modicum.training.looped_text_learner import LoopedTextKind
from modicum.training.scale_cells import ScaleStudy, run_cell
from modicum.training.text_learner import TextBatches
from modicum.training.text_pretraining import TextPlan, TextSchedule, pretrain_text

CORPUS = "made:brackets?trees=1"
KIND = LoopedTextKind(width=16, layers=2, heads=2, inner_steps=3)
PLAN = TextPlan(CORPUS, KIND, TextSchedule(steps=5, batch=4, length=24, tokens=900))


def train(out, until: int = 99):
    def watch(ledger: Ledger) -> None:
        if ledger.updates > until:
            raise KeyboardInterrupt

    return pretrain_text(PLAN, out, "cpu", 4, watch)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("nets") / "whole"
    return out, *train(out)


@pytest.fixture(scope="module")
def learner():
    found = KIND.drawn(resolve_corpus(CORPUS).alphabet, 24, stream("tests", "looped"), "cpu")
    with torch.no_grad():  # columns that differ, so that what returns is not one number
        found.net.back.mul_(torch.linspace(0.5, 2, 16))
    return found


@pytest.fixture(scope="module")
def ids():
    return torch.from_numpy(resolve_corpus(CORPUS).windows("test", 1, 2, 24))


def test_one_loop_is_the_transformer_that_it_is_made_of(learner, ids) -> None:
    with torch.no_grad():
        logits = learner.net.inner(ids[:, :-1]).logits
    expected = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    assert torch.equal(learner.nats(ids, Thinking(1)), expected)


@torch.no_grad()
def naive(learner, row, place: int, steps: int) -> float:
    """Minus the log-probability of one character by the formula, its prefix alone in sight."""
    inner = learner.net.inner
    seen = inner.model.embed_tokens(row[None, : place + 1])
    said = torch.zeros_like(seen)
    for _ in range(steps):
        hidden = seen + learner.net.back * said
        places = torch.arange(place + 1)[None]
        turned = inner.model.rotary_emb(hidden, places)
        mask = torch.full((place + 1, place + 1), -torch.inf).triu(1)[None, None]
        for layer in inner.model.layers:
            hidden = layer(hidden, attention_mask=mask, position_embeddings=turned)
        said = inner.model.norm(hidden)
    logits = said[0, -1] @ inner.lm_head.weight.T
    return -float(functional.log_softmax(logits, -1)[row[place + 1]])


@pytest.mark.parametrize("steps", [2, 5])
def test_later_loops_read_the_text_and_what_was_said_last(learner, ids, steps: int) -> None:
    found = learner.nats(ids, Thinking(steps))
    for place in (0, 7, 23):
        expected = naive(learner, ids[1], place, steps)
        assert found[1, place] == pytest.approx(expected, abs=2e-5)


def test_what_comes_later_changes_nothing_before_it(learner, ids) -> None:
    other = ids.clone()
    other[0, 13:] = 1
    before, after = (learner.nats(one, Thinking(4))[0] for one in (ids, other))
    assert torch.equal(before[:12], after[:12])
    assert not torch.equal(before[12:], after[12:])


def test_it_is_trained_to_answer_after_every_loop(trained, ids) -> None:
    """The loss of the first update is the mean over loops, which each count alike."""
    told = json.loads((trained[0] / LOOPED_TEXT_CONFIG).read_text())["trained"]
    losses, last = (told["curves"]["curves"][0][name] for name in ("loss", "last"))
    corpus = resolve_corpus(CORPUS)
    fresh = KIND.drawn(corpus.alphabet, 24, stream("text net", "looped", "0"), "cpu")
    text = torch.from_numpy(corpus.train(900))
    batches = TextBatches(text, 4, 24, f"{corpus.name}/0")
    [first, second] = [batches.drawn(number, torch.device("cpu")) for number in (0, 1)]
    means = [
        [float(fresh.nats(drawn, Thinking(steps)).mean()) for steps in (1, 2, 3)]
        for drawn in (first, second)
    ]
    assert any(
        losses == pytest.approx(sum(one) / 3, abs=1e-4) and last == pytest.approx(one[-1], abs=1e-4)
        for one in means
    )


def test_its_size_and_its_operations_are_those_of_the_net_that_is_built(learner) -> None:
    assert learner.parameters == sum(p.numel() for p in learner.net.parameters())
    inner = learner.net.inner
    table = inner.get_input_embeddings().weight.numel()
    head = 2 * inner.lm_head.weight.numel()
    layers = 2 * (learner.parameters - 16 - table) - head
    assert learner.flops(Thinking(1)) == layers + head
    assert learner.flops(Thinking(4)) == 4 * layers + head
    assert learner.flops(Thinking()) == 3 * layers + head
    assert learner.training_flops == 3 * 3 * (layers + head)


def test_a_killed_training_goes_on_to_the_same_bits(trained, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "net", until=3)
    assert train(tmp_path / "net") == trained[1:]
    for path in trained[0].iterdir():
        assert (tmp_path / "net" / path.name).read_bytes() == path.read_bytes()


def test_its_folder_holds_it(trained, ids, tmp_path) -> None:
    card, net = read_looped_text(trained[0])
    assert (card.inner_steps, card.shape.alphabet) == (3, resolve_corpus(CORPUS).alphabet)
    again = replace(KIND.drawn(card.shape.alphabet, 24, stream("t"), "cpu"), net=net)
    told = card.trained["scores"][0]["whole"]["value"]
    rows = torch.from_numpy(resolve_corpus(CORPUS).windows("selection", 0, 4, 24))
    assert float(again.nats(rows, Thinking()).double().mean()) == pytest.approx(told, abs=1e-6)
    for name, wrong in (
        ("kind", "energy"),
        ("inner_steps", "many"),
        ("inner_steps", 0),
        ("inner_steps", 10**9),
        ("shape", {}),
    ):
        said = json.loads((trained[0] / LOOPED_TEXT_CONFIG).read_text())
        for path in trained[0].iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / LOOPED_TEXT_CONFIG).write_text(json.dumps({**said, name: wrong}))
        with pytest.raises(CheckpointError, match="looped net of text"):
            read_looped_text(tmp_path)


def test_candidates_and_loops_that_none_has_are_refused(learner, ids) -> None:
    for ask in (learner.flops, lambda asked: learner.nats(ids, asked)):
        with pytest.raises(ConfigError, match="candidates of a looped net"):
            ask(Thinking(2, 4))
    with pytest.raises(ConfigError, match="inner_steps = 0"):
        LoopedTextKind(inner_steps=0).drawn("ab", 8, stream("t"), "cpu")


def test_a_study_asks_it_for_loops_and_no_candidates(tmp_path) -> None:
    net = {"kind": "looped", "width": 8, "layers": 1, "heads": 2}
    asked = ScalePlan(
        CORPUS, (net,), (300,), ("0",), 2, batch=2, length=12, windows=3, inner_steps=(1, 4),
        candidates=(1, 4),
    )  # fmt: skip
    study = ScaleStudy.of(asked)
    found = run_cell(study, study.cells[0], tmp_path, "cpu", lambda _: None)
    ways = {(one.steps, one.candidates) for one in found.measures}
    assert ways == {(0, 1), (1, 1), (2, 1), (4, 1)}
