"""A transformer learns text: as its formula says, to the same bits after a kill, in a folder that opens."""

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from modicum.corpora.naming import resolve_corpus
from modicum.errors import ConfigError, UnknownNameError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nets.thinking import Thinking
from modicum.seeds import stream
from modicum.training.text_learner import TextBatches
from modicum.training.text_nets import text_net
from modicum.training.text_pretraining import TextPlan, TextSchedule, costs_of, pretrain_text
from modicum.training.transformer_learner import TEXT_CARD, TransformerNet
from modicum.types import Request, Sampling

CORPUS = "made:brackets?trees=1"
PLAN = TextPlan(
    CORPUS,
    TransformerNet(width=16, layers=2, heads=2),
    TextSchedule(steps=6, batch=4, length=24, tokens=900),
)


def train(out, until: int = 99, plan: TextPlan = PLAN):
    def watch(ledger: Ledger) -> None:
        if ledger.updates > until:
            raise KeyboardInterrupt

    return pretrain_text(plan, out, "cpu", 4, watch)


def net(places: int = 24, name: str = "a"):
    alphabet = resolve_corpus(CORPUS).alphabet
    return PLAN.net.drawn(alphabet, places, stream("tests", name), "cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("nets") / "whole"
    return out, *train(out)


def test_a_killed_training_goes_on_to_the_same_bits(trained, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "net", until=3)
    assert not (tmp_path / "net" / TEXT_CARD).exists()
    assert train(tmp_path / "net") == trained[1:]
    names = {path.name for path in trained[0].iterdir()}
    assert {path.name for path in (tmp_path / "net").iterdir()} == names
    for name in names:
        assert (tmp_path / "net" / name).read_bytes() == (trained[0] / name).read_bytes()


def test_a_folder_with_a_net_or_another_training_is_refused(trained, tmp_path) -> None:
    with pytest.raises(ConfigError, match="holds a net already"):
        train(trained[0])
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "net", until=1)
    other = TextPlan(CORPUS, PLAN.net, TextSchedule(steps=7, batch=4, length=24, tokens=900))
    with pytest.raises(ConfigError, match="other settings"):
        train(tmp_path / "net", plan=other)


def test_its_texts_are_unlabelled_and_its_operations_counted(trained) -> None:
    told = json.loads((trained[0] / TEXT_CARD).read_text())["trained"]
    assert told["unlabelled"] == {"texts": 38, "tokens": 900}
    assert told["labels"] == 0
    assert told["flops"] == 6 * 4 * 24 * net().training_flops
    assert told["tokens_trained"] == 6 * 4 * 24
    assert [score["split"] for score in told["scores"]] == ["selection", *["test"] * 3]
    assert len(told["curves"]["curves"]) == 6


def test_the_folder_is_a_model_that_keeps_every_character(trained) -> None:
    model = resolve_backend(str(trained[0])).open()
    assert model.language.can_encode("a(b[c])\n")
    assert model.language.count_tokens("a(b[c])\n") == 8
    [[said]] = model.generate([Request("a(b", "q", 1)], Sampling(9, 1.0, ids=True), Ledger())
    alphabet = resolve_corpus(CORPUS).alphabet
    assert set(said.text) <= set(alphabet) | set("<eosunk>")
    [score] = model.logprob(["a("], ["b)"])
    assert math.isfinite(score)


def test_nats_are_those_of_one_character_at_a_time() -> None:
    learner = net()
    ids = torch.from_numpy(resolve_corpus(CORPUS).windows("test", 1, 2, 24))
    found = learner.nats(ids, Thinking())
    for row, costs in zip(ids, found, strict=True):
        for place in range(24):
            with torch.no_grad():
                logits = learner.net(row[None, : place + 1]).logits[0, -1]
            expected = -functional.log_softmax(logits, -1)[row[place + 1]]
            assert costs[place] == pytest.approx(float(expected), abs=2e-5)


def test_what_comes_later_changes_nothing_before_it() -> None:
    learner = net()
    ids = torch.from_numpy(resolve_corpus(CORPUS).windows("test", 1, 1, 24))
    other = ids.clone()
    other[0, 13:] = 1
    before, after = (learner.nats(one, Thinking())[0] for one in (ids, other))
    assert torch.equal(before[:12], after[:12])
    assert not torch.equal(before[12:], after[12:])


def test_its_size_and_its_operations_are_those_of_the_net_that_is_built() -> None:
    learner = net()
    assert learner.parameters == sum(p.numel() for p in learner.net.parameters())
    table = learner.net.get_input_embeddings().weight.numel()
    assert learner.flops(Thinking(1)) == 2 * (learner.parameters - table)
    assert learner.training_flops == 3 * learner.flops(Thinking())
    assert (learner.thinks, learner.fewest_steps) == (False, 1)


@pytest.mark.parametrize("thinking", [Thinking(2), Thinking(candidates=4)])
def test_it_refuses_to_think_longer(thinking: Thinking) -> None:
    ids = torch.zeros((1, 25), dtype=torch.int64)
    for ask in (net().flops, lambda asked: net().nats(ids, asked)):
        with pytest.raises(ConfigError, match="inner steps"):
            ask(thinking)


@pytest.mark.parametrize("given", [{"steps": -1}, {"candidates": 0}])
def test_thinking_that_no_net_can_do_is_refused(given) -> None:
    with pytest.raises(ConfigError):
        Thinking(**given)


def test_windows_lie_in_the_text_reach_all_of_it_and_go_by_seed_and_update() -> None:
    batches = TextBatches(torch.arange(30), 16, 8, "a")
    seen = torch.cat([batches.drawn(number, torch.device("cpu")) for number in range(40)])
    assert seen.shape == (640, 9)
    assert torch.equal(seen, seen[:, :1] + torch.arange(9))
    assert set(seen[:, 0].tolist()) == set(range(22))
    assert not torch.equal(seen[:16], seen[16:32])
    other = TextBatches(torch.arange(30), 16, 8, "b")
    assert not torch.equal(seen[:16], other.drawn(0, torch.device("cpu")))
    with pytest.raises(ConfigError, match="longer than its windows"):
        TextBatches(torch.arange(8), 1, 8, "a")


def test_costs_are_means_over_a_windows_characters_and_over_those_asked() -> None:
    corpus, learner = resolve_corpus(CORPUS), net()
    ids = corpus.windows("test", 2, 40, 24)
    nats = learner.nats(torch.from_numpy(ids), Thinking()).double().numpy()
    asked = corpus.asked(ids)
    found = costs_of(learner, corpus, "test", 2, (40, 24), Thinking())
    np.testing.assert_allclose(found.whole, nats.mean(1), rtol=1e-5)
    expected = [row[m].mean() if m.any() else np.nan for row, m in zip(nats, asked, strict=True)]
    np.testing.assert_allclose(found.asked, expected, rtol=1e-5)


def test_it_learns_what_follows_from_what_stands_before() -> None:
    """Of one kind of brackets without letters and of one depth, the next character is known."""
    corpus = resolve_corpus("made:brackets?kinds=1&depth=1&letters=1&gap=1&trees=9")
    drawn = PLAN.net.drawn(corpus.alphabet, 24, stream("tests", "learns"), "cpu")
    text = torch.from_numpy(corpus.train(3000))
    recipe = TextSchedule(steps=100, batch=8, learning_rate=1e-2).recipe
    learner, curves = drawn.learned(TextBatches(text, 8, 24, "l"), recipe, "l", Ledger(), None)
    entropy = corpus.shifts[0].entropy
    found = costs_of(learner, corpus, "test", 0, (40, 24), Thinking()).whole.mean()
    assert curves[0]["loss"] > 1.2
    assert entropy - 0.03 < found < entropy + 0.1


@pytest.mark.parametrize(("kind", "sizes"), [("wavenet", {}), ("transformer", {"colour": 1})])
def test_unknown_kinds_and_sizes_are_refused(kind: str, sizes) -> None:
    with pytest.raises(UnknownNameError):
        text_net(kind, sizes)


@pytest.mark.parametrize("sizes", [{"width": 10, "heads": 4}, {"layers": 0}, {"width": 10**9}])
def test_sizes_that_cannot_be_built_are_refused(sizes) -> None:
    with pytest.raises(ConfigError):
        text_net("transformer", sizes).drawn("ab", 8, stream("tests"), "cpu")
