"""What torch leaves untyped is looked at before it is given."""

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from modicum.errors import TrialError
from modicum.nudge.parts import base_model, method_of, tensor_of


class _Wrapped(nn.Module):
    """A wrapper as PEFT's."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def get_base_model(self) -> nn.Module:
        return self.inner


def _tiny() -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=8,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
        )
    )


def test_a_wrapper_gives_the_model_within_and_a_plain_model_itself() -> None:
    model = _tiny()
    assert base_model(_Wrapped(model)) is model
    assert base_model(model) is model


def test_what_is_no_model_of_transformers_is_named() -> None:
    with pytest.raises(TrialError, match="Linear, expected a model of transformers"):
        base_model(_Wrapped(nn.Linear(2, 2)))


def test_a_method_is_given_bound() -> None:
    layer = nn.Linear(2, 3)
    assert method_of(layer, "extra_repr")() == layer.extra_repr()


def test_a_missing_method_and_a_tensor_of_its_name_are_refused() -> None:
    with pytest.raises(AttributeError, match="generate"):
        method_of(nn.Linear(2, 2), "generate")
    with pytest.raises(TypeError, match=r"Linear\.weight is no method"):
        method_of(nn.Linear(2, 2), "weight")


def test_a_tensor_is_the_parameter_and_nothing_else_is() -> None:
    layer = nn.Linear(2, 2, bias=False)
    assert tensor_of(layer, "weight") is layer.weight
    assert isinstance(tensor_of(nn.BatchNorm1d(2), "running_mean"), torch.Tensor)
    for name in ("bias", "in_features"):
        with pytest.raises(TypeError, match=f"Linear.{name} is no tensor"):
            tensor_of(layer, name)
