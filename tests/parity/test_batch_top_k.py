"""Our BatchTopK net against the paper's formulas, written naively number by number."""

import numpy as np
import pytest
import torch

from modicum.nets.sparse import BatchTopK, Sparse, keep_largest
from modicum.seeds import stream

HIDDEN, FEATURES, K, ROWS = 5, 9, 2, 7


@pytest.fixture
def net() -> BatchTopK:
    made = BatchTopK(HIDDEN, FEATURES, K, stream("net"))
    rng = stream("biases")
    with torch.no_grad():
        made.encoder_bias.copy_(torch.from_numpy(rng.normal(0, 0.3, FEATURES)))
        made.decoder_bias.copy_(torch.from_numpy(rng.normal(0, 0.3, HIDDEN)))
    return made


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.from_numpy(stream("rows").normal(0, 1, (ROWS, HIDDEN))).to(torch.float32)


def _naive(net: BatchTopK, rows: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """relu(W_enc (x - b_dec) + b_enc), then the n k largest of the batch; x' = W_dec f + b_dec."""
    encoder, decoder = net.encoder.detach().numpy(), net.decoder.detach().numpy()
    b_enc, b_dec = net.encoder_bias.detach().numpy(), net.decoder_bias.detach().numpy()
    seen = np.zeros((ROWS, FEATURES))
    for i in range(ROWS):
        for j in range(FEATURES):
            total = sum((rows[i, h].item() - b_dec[h]) * encoder[h, j] for h in range(HIDDEN))
            seen[i, j] = max(0.0, total + b_enc[j])
    border = sorted(seen.ravel(), reverse=True)[K * ROWS - 1]
    fired = np.where(seen >= border, seen, 0.0)
    rebuilt = np.array(
        [
            [
                b_dec[h] + sum(fired[i, j] * decoder[j, h] for j in range(FEATURES))
                for h in range(HIDDEN)
            ]
            for i in range(ROWS)
        ]
    )
    return fired, rebuilt


def test_what_fires_and_what_is_rebuilt_are_the_papers(net, rows) -> None:
    seen, fired = net(rows)
    expected, rebuilt = _naive(net, rows)
    assert np.allclose(fired.detach(), expected, atol=1e-6)
    assert np.allclose(net.decode(fired).detach(), rebuilt, atol=1e-6)
    assert int((fired > 0).sum()) == K * ROWS
    assert bool((seen >= fired).all())


def test_reconstruction_loss_and_its_gradient_are_the_papers(net, rows) -> None:
    _, fired = net(rows)
    loss = (rows - net.decode(fired)).pow(2).mean()
    loss.backward()
    expected, rebuilt = _naive(net, rows)
    missed = rows.numpy() - rebuilt
    assert float(loss.detach()) == pytest.approx(float((missed**2).mean()), rel=1e-5)
    # d loss / d W_dec = -2 f^T (x - x') / numbers
    gradient = -2 * expected.T @ missed / missed.size
    assert np.allclose(net.decoder.grad, gradient, atol=1e-6)


def test_dead_features_learn_what_the_living_miss(net, rows) -> None:
    seen, fired = net(rows)
    missed = rows - net.decode(fired)
    dead = torch.zeros(FEATURES, dtype=torch.bool)
    dead[[1, 4, 6]] = True
    loss = net.rescue(seen, missed, dead)
    # at most half of the width of them stand, the largest of each row
    own = seen.detach().numpy()[:, [1, 4, 6]]
    kept = np.where(own >= np.sort(own, axis=1)[:, [-2]], own, 0.0)
    rebuilt = kept @ net.decoder.detach().numpy()[[1, 4, 6]]
    expected = ((rebuilt - missed.detach().numpy()) ** 2).mean()
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    loss.backward()
    living = [i for i in range(FEATURES) if i not in (1, 4, 6)]
    assert float(net.decoder.grad[living].abs().sum()) == 0.0
    assert float(net.rescue(seen, missed, torch.zeros_like(dead))) == 0.0


def test_a_batch_with_fewer_numbers_than_wanted_keeps_all() -> None:
    seen = torch.tensor([[1.0, 0.5]])
    assert torch.equal(keep_largest(seen, 4), seen)


def test_in_use_a_feature_fires_above_its_threshold_only() -> None:
    net = Sparse(
        torch.eye(2), torch.tensor([0.1, -0.1]), torch.eye(2), torch.zeros(2), torch.full((2,), 0.5)
    )
    fired = net.encode(torch.tensor([[0.5, 0.5], [0.4, 0.7]]))
    assert torch.allclose(fired, torch.tensor([[0.6, 0.0], [0.0, 0.6]]))
