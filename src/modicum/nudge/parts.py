"""Typed access to what torch's modules keep by name, checked before it is given."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from modicum.errors import TrialError

__all__ = ["base_model", "method_of", "tensor_of"]


def base_model(module: nn.Module) -> PreTrainedModel:
    """Return the transformers model itself, out of PEFT's wrapper.

    Raises:
        TrialError: it is none.
    """
    unwrap = getattr(module, "get_base_model", None)
    base = module if unwrap is None else unwrap()
    if not isinstance(base, PreTrainedModel):
        raise TrialError(f"{type(base).__name__}, expected a model of transformers")
    return base


def method_of(owner: object, name: str) -> Callable[..., Any]:
    """Return a method that only some modules have, such as `generate`.

    Raises:
        AttributeError: it has none of that name.
        TypeError: what bears the name cannot be called.
    """
    found: object = getattr(owner, name)
    if not callable(found):
        raise TypeError(f"{type(owner).__name__}.{name} is no method")
    return found


def tensor_of(module: nn.Module, name: str) -> Tensor:
    """Return a parameter or buffer of a module.

    Raises:
        AttributeError: it has none of that name.
        TypeError: what bears the name is no tensor.
    """
    found: object = getattr(module, name)
    if not isinstance(found, Tensor):
        raise TypeError(f"{type(module).__name__}.{name} is no tensor")
    return found
