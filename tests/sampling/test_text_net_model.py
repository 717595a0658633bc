"""Nets of text that think are models: they write what their own probabilities say, thinking as named."""

import json
import math

import numpy as np
import pytest
import torch

from modicum.errors import CheckpointError, ConfigError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nets.energy_text_folder import read_energy_text
from modicum.nets.energy_text_thinking import generated
from modicum.nets.thinking import Thinking
from modicum.types import Request, Sampling
from tests.support.text_nets import TEXT_FOLDERS, text_folder

THINKING = {"energy": "steps=3&candidates=2", "looped": "steps=4"}


@pytest.fixture(scope="module", params=TEXT_FOLDERS)
def folder(request, tmp_path_factory):
    return text_folder(request.param, tmp_path_factory.mktemp(request.param) / "net")


@pytest.fixture(scope="module")
def model(folder):
    kind = json.loads((folder / "text_net.json").read_text())["kind"]
    return resolve_backend(f"text_net:{folder}?{THINKING[kind]}").open()


def sampled(model, prompts, n: int = 3, temperature: float = 1.0, stop: tuple[str, ...] = ()):
    asked = [Request(prompt, prompt, n) for prompt in prompts]
    how = Sampling(9, temperature, stop, "s", margins=True, ids=True, scores=True)
    return model.generate(asked, how, Ledger())


def test_what_it_writes_costs_what_scoring_says_also_where_other_rows_end_first(model) -> None:
    prompts = ["a(b", "{[", "a(b[c", "("]
    groups = sampled(model, prompts, 4, stop=(")", "<c", "d"))
    ends = {one.stop for group in groups for one in group}
    assert {"stop", "length"} <= ends
    compared = 0
    for prompt, group in zip(prompts, groups, strict=True):
        for one in group:
            text = "".join(one.pieces)
            if all(one.pieces):  # an id that is no character has no text to be scored
                [told] = model.logprob([prompt], [text])
                assert sum(one.logprobs) == pytest.approx(told, abs=1e-4)
                compared += 1
            assert len(one.ids) == len(one.pieces) == one.n_tokens <= 9
            if one.stop == "stop":
                assert text[len(one.text) :] in {")", "<c", "d"}
    assert compared >= 6


def test_first_characters_come_as_often_as_they_are_likely(model) -> None:
    alphabet = "()[]{}<>abcd\n"
    [group] = model.generate([Request("a(", "q", 600)], Sampling(1, 0.8, stream="t"), Ledger())
    shares = np.exp(np.array(model.logprob(["a("] * len(alphabet), list(alphabet))) / 0.8)
    shares /= shares.sum()
    found = np.array([sum(one.text == c for one in group) for c in alphabet])
    # a looped net has two ids more, which no text teaches it
    assert found.sum() >= 480
    shares *= found.sum() / 600
    assert float((np.square(found - 600 * shares) / (600 * shares)).sum()) < 40


def test_samples_go_by_their_address_and_not_by_what_is_drawn_beside(model) -> None:
    asked = [Request("a(b", "one", 3), Request("a(b", "two", 3), Request("{", "three", 2)]
    how = Sampling(8, 1.0, stream="s")
    whole = model.generate(asked, how, Ledger())
    assert whole[0] != whole[1]
    [alone] = model.generate([Request("a(b", "two", 1, first=2)], how, Ledger())
    assert alone[0].text == whole[1][2].text


def test_greedy_is_the_likeliest_each_time(model) -> None:
    [(one, again)] = sampled(model, ["a(b"], 2, temperature=0.0)
    assert one == again
    so_far = "a(b"
    for taken in one.pieces[:3]:
        chances = model.logprob([so_far] * 13, list("()[]{}<>abcd\n"))
        assert "()[]{}<>abcd\n"[int(np.argmax(chances))] == taken
        so_far += taken


def test_thinking_is_part_of_its_name_its_costs_and_what_it_says(folder, model) -> None:
    other = resolve_backend(f"text_net:{folder}?steps=2").open()
    assert other.card.weights == model.card.weights
    assert other.card.reading != model.card.reading
    assert other.card.flops_per_token < model.card.flops_per_token
    assert other.logprob(["a("], ["b)"]) != model.logprob(["a("], ["b)"])
    assert resolve_backend(model.card.name).open().card == model.card
    ledger = Ledger()
    model.generate([Request("a(b", "q", 2)], Sampling(5, 1.0), ledger)
    assert ledger.tokens_prompt == 3
    assert ledger.flops == (3 + ledger.tokens_sampled) * model.card.flops_per_token


def test_of_a_prompt_it_reads_what_it_knows_and_the_end_of_that(model) -> None:
    """It sees 24 characters: of a longer prompt the last that leave room for those that follow."""
    long = "(a" * 30
    [[one]] = model.generate([Request(long, "q")], Sampling(9, 0.0, scores=True), Ledger())
    short = long[-(24 - 9 + 1) :]
    [[other]] = model.generate([Request(short, "q")], Sampling(9, 0.0, scores=True), Ledger())
    assert one == other
    [[strange]] = model.generate([Request("What? (a", "q")], Sampling(3, 0.0), Ledger())
    [[known]] = model.generate([Request("a(a", "q")], Sampling(3, 0.0), Ledger())
    assert strange == known
    assert model.language.can_encode("a(b)\n")
    assert not model.language.can_encode("What?")
    assert model.language.count_tokens("What? (a") == 3
    assert model.logprob(["a("], ["?"]) == [-math.inf]
    [[lost]] = model.generate([Request("???", "q")], Sampling(500, 0.0), Ledger())
    assert (lost.n_tokens, lost.stop) == (24, "length")


def test_an_energy_net_writes_what_its_own_writing_says(tmp_path) -> None:
    folder = text_folder("energy", tmp_path / "net")
    card, net = read_energy_text(folder)
    ids = torch.tensor([[card.alphabet.index(one) for one in "a(b"]])
    expected = generated(net, ids, 9, Thinking(3, 2))[0, 3:].tolist()
    model = resolve_backend(f"text_net:{folder}?steps=3&candidates=2").open()
    [[one]] = model.generate([Request("a(b", "q")], Sampling(9, 0.0, ids=True), Ledger())
    assert list(one.ids) == expected


def test_what_cannot_be_opened_is_refused_before_weights_load(tmp_path) -> None:
    folder = text_folder("looped", tmp_path / "net")
    (folder / "looped_text.safetensors").unlink()  # nothing here may read it
    refusals = [
        ("text_net", ConfigError, "without a folder"),
        (f"text_net:{tmp_path / 'nowhere'}", CheckpointError, "nowhere"),
        (f"text_net:{folder}?candidates=2", ConfigError, "draws nothing"),
        (f"text_net:{folder}?steps=-1", ConfigError, "-1 steps"),
    ]
    for reference, error, words in refusals:
        with pytest.raises(error, match=words):
            resolve_backend(reference)
    card = json.loads((folder / "text_net.json").read_text())
    (folder / "text_net.json").write_text(json.dumps({**card, "kind": "transformer"}))
    with pytest.raises(CheckpointError, match="opened as a folder"):
        resolve_backend(f"text_net:{folder}")
