"""Energy nets of text: nothing leaks, two streams are one transformer, slopes are those of the energy."""

from dataclasses import replace

import pytest
import torch

from modicum.errors import CheckpointError, ConfigError, UnknownNameError
from modicum.nets.energy_text_blocks import split_attention, turned
from modicum.nets.energy_text_folder import EnergyTextCard, read_energy_text
from modicum.nets.energy_text_shape import EnergyTextShape, energy_text_preset
from modicum.nets.energy_text_slopes import Slopes
from tests.support.energy_text_nets import LENGTH, VOCABULARY, drawn, ids_of, normal, tiny

TOLD = ("none", "added", "token")


def told(conditioning: str, **changed: object) -> EnergyTextShape:
    landscapes = 1 if conditioning == "none" else 2
    return tiny(conditioning=conditioning, landscapes=landscapes, **changed)


def landscape_of(shape: EnergyTextShape) -> int:
    return shape.landscapes - 1


@pytest.mark.parametrize("conditioning", TOLD)
def test_its_weights_are_known_from_its_shape(conditioning) -> None:
    shape = told(conditioning)
    assert sum(part.numel() for part in drawn(shape).parameters()) == shape.numbers


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 18},
        {"vocabulary": 1},
        {"conditioning": "none", "landscapes": 2},
        {"is_truncated": True, "loss": "every"},
        {"least_steps": 3, "most_steps": 2},
        {"jitter": 0.5},
    ],
)
def test_what_cannot_be_built_is_refused(changed) -> None:
    with pytest.raises(ConfigError):
        replace(tiny(), **changed)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        energy_text_preset("paper_s3", 9, 9)


@pytest.mark.parametrize("conditioning", TOLD)
@pytest.mark.parametrize("place", [0, 2, LENGTH - 2])
def test_ids_that_follow_change_no_energy_before_them(conditioning, place) -> None:
    net, ids = drawn(told(conditioning)), ids_of()
    candidates, landscape = normal(3, LENGTH, VOCABULARY).softmax(-1), landscape_of(net.shape)
    other = ids.clone()
    other[:, place + 1 :] = (other[:, place + 1 :] + 1) % VOCABULARY
    found = [
        net.energies(net.observe(one, landscape), candidates, net.places(LENGTH), landscape)
        for one in (ids, other)
    ]
    assert torch.equal(found[0][:, : place + 1], found[1][:, : place + 1])
    assert not torch.isclose(found[0][:, place + 1], found[1][:, place + 1]).any()


@pytest.mark.parametrize("conditioning", TOLD)
def test_a_candidate_changes_no_energy_but_its_own(conditioning) -> None:
    net, place = drawn(told(conditioning)), 2
    observed = net.observe(ids_of())
    candidates = normal(3, LENGTH, VOCABULARY).softmax(-1)
    other = candidates.clone()
    other[:, place] = other[:, place].roll(1, -1)
    one, two = (net.energies(observed, each, net.places(LENGTH)) for each in (candidates, other))
    changed = ~torch.isclose(one, two, rtol=0, atol=1e-12)
    assert changed[:, place].all()
    assert changed.sum() == len(one)


def naive_two_tokens(net, ids, candidates):
    """One id and one candidate as two tokens of an ordinary causal transformer, layer by layer."""

    def norm(rows, scale):
        return rows / (rows.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * scale

    def turn(rows):  # [2, part]: neighbouring numbers are turned by place * 10000 ** (-2 i / part)
        part, out = rows.shape[-1], rows.clone()
        for place in range(2):
            for i in range(0, part, 2):
                angle = torch.tensor(place * 10000 ** (-i / part), dtype=rows.dtype)
                a, b = rows[place, i], rows[place, i + 1]
                out[place, i] = a * angle.cos() - b * angle.sin()
                out[place, i + 1] = a * angle.sin() + b * angle.cos()
        return out

    energies = []
    for one, candidate in zip(ids[:, 0], candidates[:, 0], strict=True):
        rows = torch.stack((net.ids[one], candidate @ net.candidates))
        for layer in net.blocks:
            normed, drawn_ = norm(rows, layer.before_mixing.scale), []
            parts = [p.chunk(layer.heads, -1) for p in (normed @ layer.read.T).chunk(3, -1)]
            for q, k, v in zip(*parts, strict=True):
                scores = turn(q) @ turn(k).T / q.shape[-1] ** 0.5
                scores[0, 1] = -torch.inf
                drawn_.append(scores.softmax(-1) @ v)
            rows = rows + torch.cat(drawn_, -1) @ layer.write.T
            gate, up = (norm(rows, layer.before_rise.scale) @ layer.rise.T).chunk(2, -1)
            rows = rows + (gate * torch.sigmoid(gate) * up) @ layer.fall.T
        energies.append(norm(rows, net.last.scale)[1] @ net.head[0])
    return torch.stack(energies)[:, None]


def test_of_one_id_it_is_an_ordinary_transformer_over_two_tokens() -> None:
    net, ids = drawn(tiny("paper_s2")), ids_of(places=1)
    candidates = normal(3, 1, VOCABULARY).softmax(-1)
    found = net.energies(net.observe(ids), candidates, net.places(1))
    torch.testing.assert_close(found, naive_two_tokens(net, ids, candidates))


def attention_parts(places: int = 3, part: int = 2):
    return [normal(1, 2, places, part, name=name).requires_grad_() for name in "qkvab"]


def mask(places: int):
    return torch.full((places, places), -torch.inf, dtype=torch.float64).triu(1)


def test_split_attention_is_that_of_both_streams_under_one_mask() -> None:
    query, key, value, keys, values = parts = attention_parts()
    places = query.shape[2]
    # rows of candidates; columns: observed ids, then candidates
    whole = torch.cat((mask(places), torch.full((places, places), -torch.inf)), 1)
    whole[torch.arange(places), places + torch.arange(places)] = 0
    scores = query @ torch.cat((keys, key), 2).mT + whole
    naive = scores.softmax(-1) @ torch.cat((values, value), 2)
    own = split_attention((query, key, value), (keys, values), mask(places))
    torch.testing.assert_close(own, naive)
    for _ in range(2):
        once = [
            torch.autograd.grad(found.pow(2).sum(), parts, create_graph=True)
            for found in (own, naive)
        ]
        torch.testing.assert_close(*once)
        own, naive = (torch.cat([g.flatten() for g in each]) for each in once)


def test_gradients_of_split_attention_have_gradients() -> None:
    parts, bias = attention_parts(places=2), mask(2)

    def attended(query, key, value, keys, values):
        return split_attention((query, key, value), (keys, values), bias)

    assert torch.autograd.gradcheck(attended, parts)
    assert torch.autograd.gradgradcheck(attended, parts)


@pytest.mark.parametrize("conditioning", TOLD)
@pytest.mark.parametrize("count", [1, 2])
def test_written_out_slopes_and_their_gradients_are_torchs_own(conditioning, count) -> None:
    net, ids, landscape = drawn(told(conditioning)), ids_of(), 0
    candidates = normal(3, count * LENGTH, VOCABULARY).softmax(-1).requires_grad_()
    direction = normal(*candidates.shape, name="d")
    places = net.places(LENGTH, count)
    wanted = [candidates, *net.parameters()]
    energies = net.energies(net.observe(ids), candidates, places, landscape)
    (slope,) = torch.autograd.grad(energies.sum(), candidates, create_graph=True)
    ours, weighed = Slopes(net)((net.observe(ids), places), candidates, landscape, is_learned=True)
    torch.testing.assert_close(ours, slope)
    torch.testing.assert_close(weighed, energies)
    found = [
        torch.autograd.grad((one * direction).sum(), wanted, allow_unused=True)
        for one in (ours, slope)
    ]
    assert [one is None for one in found[0]] == [one is None for one in found[1]]
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)
    with torch.no_grad():
        alone = Slopes(net)((net.observe(ids), places), candidates, landscape, is_learned=False)
        torch.testing.assert_close(alone[0], slope)


def test_the_candidate_of_the_last_place_alone_has_the_energy_it_has_among_all() -> None:
    net, ids = drawn(told("token")), ids_of()
    candidates = normal(3, LENGTH, VOCABULARY).softmax(-1)
    whole = net.energies(net.observe(ids), candidates, net.places(LENGTH))
    alone = net.energies(net.observe(ids), candidates[:, -1:], net.last_place(1 + LENGTH))
    torch.testing.assert_close(alone, whole[:, -1:])


def test_ids_observed_one_by_one_are_those_observed_at_once() -> None:
    net, ids = drawn(told("token")), ids_of()
    kept = net.observe(ids[:, :2], 1)
    for place in range(2, LENGTH):
        kept = net.observe(ids[:, place : place + 1], 1, kept)
    torch.testing.assert_close(kept, net.observe(ids, 1))
    with pytest.raises(ConfigError, match="sees 6"):
        net.observe(ids[:, :1], 1, kept)


def test_turns_keep_scores_where_both_move() -> None:
    rows, table = normal(2, 1, 4), drawn(tiny(width=8)).turns[:, None]
    scores = [(turned(rows[0], table[a]) * turned(rows[1], table[a + 2])).sum() for a in (0, 3)]
    torch.testing.assert_close(*scores)


def test_a_folder_gives_the_net_back_and_refuses_another(tmp_path) -> None:
    net = drawn(tiny()).float()
    card = EnergyTextCard(net.shape, "abcdefg", {"steps": 3})
    for name, held in card.files(net).items():
        (tmp_path / name).write_bytes(held)
    again, read = read_energy_text(tmp_path)
    assert again == card
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), read.parameters(), strict=True))
    for name, held in EnergyTextCard(net.shape, "abcdeff").files(net).items():
        (tmp_path / name).write_bytes(held)
    with pytest.raises(CheckpointError, match="characters"):
        read_energy_text(tmp_path)
