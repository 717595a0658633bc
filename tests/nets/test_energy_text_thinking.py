"""Thinking of energy nets: the last state's energy picks, nothing leaks, the cache changes nothing."""

from unittest.mock import patch

import pytest
import torch

from modicum.errors import ConfigError
from modicum.nets import energy_text_thinking
from modicum.nets.energy_text import EnergyTextNet
from modicum.nets.energy_text_thinking import first_states, generated, position_keys, think
from modicum.nets.thinking import Thinking
from tests.support.energy_text_nets import LENGTH, VOCABULARY, drawn, ids_of, naive_step, tiny

SHAPES = {
    "s1": tiny(),
    "s2": tiny("paper_s2"),
    "token": tiny(conditioning="token", landscapes=2),
    "logits": tiny("paper_s2", update="logit_accumulate"),
}


def naive(net, ids, steps: int, candidates: int):
    """Return last states and their energies by torch's own gradients, candidate by candidate."""
    shape, states, weighed = net.shape, [], []
    begun = first_states(position_keys(ids), candidates, VOCABULARY)
    for one in begun.double().unbind(1):
        state = one
        for number in range(steps):
            size = torch.as_tensor(net.size_of_step()).detach()
            state = naive_step(net, ids, state, shape.landscape(number), size, learned=False)[0]
            state = state.detach()
        last = shape.landscapes - 1
        places, softened = net.places(ids.shape[1]), state.softmax(-1)
        states.append(state)
        weighed.append(net.energies(net.observe(ids, last), softened, places, last))
    return torch.stack(states, 1), torch.stack(weighed, 1)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_candidate_whose_last_state_has_least_energy_is_taken(name) -> None:
    net, ids = drawn(SHAPES[name]), ids_of()
    states, weighed = naive(net, ids, 3, 4)
    best = weighed.argmin(1, keepdim=True)
    assert len(best.unique()) > 1
    found = think(net, ids, Thinking(3, 4))
    torch.testing.assert_close(found.logits, states.take_along_dim(best[..., None], 1)[:, 0])
    torch.testing.assert_close(found.energies[..., -1], weighed.amin(1))
    assert found.energies.shape[-1] == 4
    assert (found.steps == 3).all()
    alone = think(net, ids, Thinking(3))
    torch.testing.assert_close(alone.logits, states[:, 0])


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_what_follows_changes_no_thought_before_it(name) -> None:
    net, ids = drawn(SHAPES[name]), ids_of()
    other, place = ids.clone(), 2
    other[:, place + 1 :] = (other[:, place + 1 :] + 1) % VOCABULARY
    one, two = (think(net, each, Thinking(3, 2)).logits for each in (ids, other))
    torch.testing.assert_close(one[:, : place + 1], two[:, : place + 1])
    assert not torch.isclose(one[:, place + 1 :], two[:, place + 1 :]).all(-1).any()


def test_more_candidates_begin_where_fewer_do() -> None:
    ids = ids_of()
    keys = position_keys(ids)
    few, many = first_states(keys, 2, 5), first_states(keys, 4, 5)
    assert torch.equal(few, many[:, :2])
    first = position_keys(ids[:, :2])
    later = position_keys(ids[:, 2:], first)
    assert [a + b for a, b in zip(first, later, strict=True)] == keys
    assert len(many.flatten(0, 2).unique(dim=0)) == 3 * 4 * LENGTH


def test_a_position_settles_where_its_energy_no_longer_falls() -> None:
    net, ids = drawn(tiny("paper_s2", step_size=30.0)), ids_of()
    found = think(net, ids, Thinking(9), stops=True)
    settled = found.steps < 9
    assert 0 < settled.sum() < settled.numel() or settled.all()
    assert (found.energies.diff(dim=-1) <= 0).all()
    candidates = found.logits.softmax(-1)
    weighed = net.energies(net.observe(ids), candidates, net.places(LENGTH))
    torch.testing.assert_close(weighed[settled], found.energies[..., -1][settled])
    # the step behind the last that was kept would have risen
    further = think(net, ids, Thinking(9)).energies
    for row, place in settled.nonzero().tolist():
        taken = int(found.steps[row, place])
        assert further[row, place, taken - 1] >= further[row, place, taken - 2]
        assert (further[row, place, : taken - 1].diff() < 0).all()


def test_a_position_that_never_settles_thinks_as_it_does_without_stopping() -> None:
    # small steps from the logits themselves fall; from the candidates the first goes towards even ones
    shape = tiny("paper_s2", update="logit_accumulate", step_size=1e-3)
    net, ids = drawn(shape), ids_of()
    one, two = (think(net, ids, Thinking(4), stops=stops) for stops in (True, False))
    assert (one.steps == 4).all()
    torch.testing.assert_close(one.logits, two.logits)
    assert (one.energies.diff(dim=-1) < 0).all()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("name", sorted(SHAPES))
def test_what_is_kept_of_observed_ids_changes_nothing_that_is_written(name, temperature) -> None:
    net, ids, thinking = drawn(SHAPES[name]), ids_of(places=2), Thinking(2, 2)
    found = generated(net, ids, LENGTH - 1, thinking, temperature)
    for place in range(2, found.shape[1]):
        if temperature == 0:
            logits = think(net, found[:, :place], thinking).logits[:, -1]
            assert torch.equal(logits.argmax(-1), found[:, place])
        else:
            again = generated(net, found[:, :place], 1, thinking, temperature)
            assert torch.equal(again, found[:, : place + 1])


def test_the_last_thought_with_what_was_kept_is_the_recomputed_one_to_rounding() -> None:
    net, ids, thoughts = drawn(tiny()), ids_of(places=2), []
    plain = energy_text_thinking._drawn

    def spied(logits, keys, temperature):
        thoughts.append(logits)
        return plain(logits, keys, temperature)

    with patch.object(energy_text_thinking, "_drawn", spied):
        found = generated(net, ids, 4, Thinking(3, 2))
    assert len(thoughts) == 4
    for count, logits in enumerate(thoughts, ids.shape[1]):
        wanted = think(net, found[:, :count], Thinking(3, 2)).logits[:, -1]
        torch.testing.assert_close(logits, wanted)


@pytest.mark.parametrize(("name", "times"), [("s1", 1), ("s2", 1), ("token", 2)])
def test_ids_are_observed_once_for_all_steps_and_candidates(name, times) -> None:
    net = drawn(SHAPES[name])
    with patch.object(
        EnergyTextNet, "observe", autospec=True, side_effect=EnergyTextNet.observe
    ) as told:
        think(net, ids_of(), Thinking(5, 3))
    assert told.call_count == times


def test_no_more_is_written_than_the_net_sees() -> None:
    net = drawn(tiny())
    assert generated(net, ids_of(), 0, Thinking()).shape == (3, LENGTH)
    assert generated(net, ids_of(), 1, Thinking()).shape == (3, LENGTH + 1)
    with pytest.raises(ConfigError, match="sees 6"):
        generated(net, ids_of(), 2, Thinking())
