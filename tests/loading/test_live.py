"""A loaded model is known by its weights, as the same checkpoint on disk is, and refused once they change."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.loading.live import lend_model
from modicum.model import resolve_backend
from modicum.types import Request, Sampling
from tests.support.tiny_models import byte_tokenizer, tiny_module


def test_it_has_the_hashes_and_answers_of_its_checkpoint(tmp_path) -> None:
    tiny_module("qwen2").save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    module = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    loan = lend_model(module, AutoTokenizer.from_pretrained(tmp_path))
    ours = resolve_backend(f"live:{loan.name}").open()
    theirs = resolve_backend(f"{tmp_path}?threads=1").open()
    assert (ours.card.weights, ours.card.reading) == (theirs.card.weights, theirs.card.reading)
    asked, sampling = [Request("What?", "q", 3)], Sampling(6, 1.0, stream="s")
    assert ours.generate(asked, sampling, Ledger()) == theirs.generate(asked, sampling, Ledger())


def test_equal_weights_have_one_name_and_others_another() -> None:
    loans = [lend_model(tiny_module("llama", name=n), byte_tokenizer()) for n in ("a", "a", "b")]
    assert loans[0].name == loans[1].name != loans[2].name
    assert loans[0].name.startswith("llama-")


def test_a_model_that_was_trained_since_is_refused() -> None:
    module = tiny_module("llama")
    loan = lend_model(module, byte_tokenizer())
    weight = next(module.parameters())
    with torch.no_grad():
        weight.mul_(1.0)
    resolve_backend(f"live:{loan.name}")  # written to, and the same
    with torch.no_grad():
        weight.add_(0.1)
    with pytest.raises(ConfigError, match="weights have changed since"):
        resolve_backend(f"live:{loan.name}")


@pytest.mark.parametrize(
    ("model", "tokenizer", "said"),
    [
        (object(), object(), "a model of type object"),
        (tiny_module("llama"), None, "with no tokenizer"),
        (tiny_module("llama"), "gpt2", "with a str"),
    ],
)
def test_what_is_no_model_with_its_tokenizer_is_refused(model, tokenizer, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        lend_model(model, tokenizer)


def test_a_model_of_another_process_is_told_in_words() -> None:
    with pytest.raises(
        ConfigError, match=r"give it again: Study\(model=model, tokenizer=tokenizer"
    ):
        resolve_backend("live:llama-0123456789abcdef0123")
