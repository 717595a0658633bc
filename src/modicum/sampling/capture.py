"""Reads activations at chosen positions; the forward pass stops at the last layer that is wanted."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.nudge.sites import Site, blocks, site_module
from modicum.sampling.whole import whole_pass
from modicum.whitebox import WhiteBox

__all__ = ["capture", "capture_all"]

_MOST_TOKENS = 4096
"""Tokens, padding included, in one batch."""


class _EnoughError(Exception):
    """Ends a forward pass whose later layers nobody asked for."""


def capture(
    whitebox: WhiteBox,
    texts: Sequence[Sequence[int]],
    layers: Sequence[int],
    ledger: Ledger,
    *,
    site: Site = "block",
) -> Float[Tensor, "texts layers hidden"]:
    """Return the activation at the last token of each text, single precision, on the processor.

    Args:
        whitebox: The model.
        texts: Tokens, at least one each.
        layers: Indices of layers, ascending.
        ledger: Counts the tokens as prompt tokens, by the share of layers that ran.
        site: Part of the layer.
    """
    found: list[Tensor | None] = [None] * len(texts)
    for batch in _batches(texts):
        rows = [texts[i] for i in batch]
        kept = _run(whitebox, rows, layers, site, ledger)
        for place, i in enumerate(batch):
            found[i] = kept[:, place, len(rows[place]) - 1].clone()
    return torch.stack([row for row in found if row is not None])


def capture_all(
    whitebox: WhiteBox,
    texts: Sequence[Sequence[int]],
    layer: int,
    ledger: Ledger,
    *,
    site: Site = "block",
) -> list[Float[Tensor, "tokens hidden"]]:
    """Return the activations at every token of each text."""
    found: dict[int, Tensor] = {}
    for batch in _batches(texts):
        rows = [texts[i] for i in batch]
        [kept] = _run(whitebox, rows, [layer], site, ledger)
        for place, i in enumerate(batch):
            found[i] = kept[place, : len(rows[place])].clone()
    return [found[i] for i in range(len(texts))]


def _run(
    whitebox: WhiteBox,
    rows: Sequence[Sequence[int]],
    layers: Sequence[int],
    site: Site,
    ledger: Ledger,
) -> Float[Tensor, "layers rows width hidden"]:
    """Run one batch, padded on the right, as far as the last layer that is wanted."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    parts = blocks(whitebox.module)
    kept: dict[int, Tensor] = {}

    def keeper(layer: int) -> Callable[..., None]:
        def keep(_module: nn.Module, _args: object, output: Any) -> None:  # noqa: ANN401 - tensor or tuple
            hidden: Tensor = output[0] if isinstance(output, (tuple, list)) else output
            kept[layer] = hidden.detach().to("cpu", torch.float32)
            if layer == layers[-1]:
                raise _EnoughError

        return keep

    handles = [
        site_module(parts[layer], site).register_forward_hook(keeper(layer)) for layer in layers
    ]
    try:
        with whitebox.threaded(), torch.inference_mode():
            whole_pass(whitebox.module, ids.to(whitebox.device), mask.to(whitebox.device))
    except _EnoughError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    odd = [tuple(part.shape) for part in kept.values() if part.ndim != 3]
    if odd:
        msg = (
            f"activations of shape {odd[0]} in {type(whitebox.module).__name__}: several residual "
        )
        msg += "streams abreast, where a vector needs one; tune weights instead"
        raise TrialError(msg)
    share = (layers[-1] + 1) / len(parts)
    ledger.ran(prompt=sum(map(len, rows)), flops_per_token=whitebox.card.flops_per_token * share)
    return torch.stack([kept[layer] for layer in layers])


def _batches(texts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cut the places of texts, those of like length together, into batches of few enough tokens."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    batches: list[list[int]] = [[]]
    for i in order:
        if batches[-1] and (len(batches[-1]) + 1) * len(texts[i]) > _MOST_TOKENS:
            batches.append([])
        batches[-1].append(i)
    return batches if texts else []
