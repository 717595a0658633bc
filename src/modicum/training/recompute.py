"""Layers that keep their input alone for the gradient, and run again for it: less memory, more time."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from modicum.nudge.sites import blocks

__all__ = ["recomputed"]


@contextmanager
def recomputed(module: nn.Module) -> Iterator[None]:
    """Let the layers of a model forget, in passes that begin here, all but what comes into them.

    The gradient runs each layer a second time, from the same numbers to the same bits. Hooks stand
    around a layer and run once.

    Source: Chen et al. 2016 (1604.06174), a checkpoint at every layer.
    """
    layers = list(blocks(module))
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
