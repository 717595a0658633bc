"""Errors go from process to process as they are, and say which layers a model has."""

import pickle

import pytest

from modicum.errors import (
    AccessError,
    CheckpointError,
    ConfigError,
    EndpointError,
    ModicumError,
    TrialError,
    TrustError,
    UnknownNameError,
)
from modicum.nudge.sites import chosen_layers
from tests.support.tiny_models import tiny_local


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("a", "b", "c"),
        CheckpointError("a", "b", "c"),
        AccessError("a", "b", "c"),
        TrustError("a", "b", "c"),
        UnknownNameError("model", "organisn", ["organism", "scripted"]),
        TrialError("it failed"),
        EndpointError("a refusal", status=429),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_kind_of_error_survives_the_way_from_a_worker(error: ModicumError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_layers_that_a_model_lacks_are_named() -> None:
    module = tiny_local().module
    n = module.config.num_hidden_layers
    assert chosen_layers(module, ()) == tuple(range(n))
    assert chosen_layers(module, (1, 0)) == (1, 0)
    for wrong in ((99,), (0, -1)):
        with pytest.raises(TrialError, match=f"0 to {n - 1}"):
            chosen_layers(module, wrong)
