"""Tries whether a module's rows can share one cache of keys and values, or need the module's own.

Nothing is decided by an architecture's name: a few tokens go through the shared cache, with
padding, with a shared beginning and step by step, and must have the scores that the plain module
gives them alone. Recurrences, convolutions, chunks, position biases and layers that read other
layers' keys fail that, and are drawn with the module's own cache (`own`): slower, and right.
"""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel

from modicum.errors import CheckpointError
from modicum.nudge.parts import base_model, method_of
from modicum.sampling.cache import PrefixCache, RowCache, Window, layer_windows
from modicum.sampling.decoder import decoder_of
from modicum.sampling.prefix import Tokens, forward_segments, joined_pairs
from modicum.sampling.stepped import step_rows
from modicum.sampling.threads import is_memory
from modicum.sampling.whole import whole_logits
from modicum.whitebox import cache_keyword

__all__ = ["row_windows", "runs_alone"]

_COMMON, _OWN, _NEXT = 3, (4, 9), 4
"""Tokens that the tried rows share, that each has of its own, and that are stepped."""
_APART, _APART_HALF = 0.002, 0.3
"""Difference of a score that counts as rounding, in standard deviations of the scores."""
_CAUSAL = "a causal language model, whose scores depend on the tokens before alone"
_TRIED: dict[tuple[type, str, torch.dtype], tuple[Window, ...] | None] = {}
_ALONE: dict[tuple[type, str, torch.dtype], bool] = {}
_LOCK = threading.Lock()


def row_windows(module: nn.Module) -> tuple[Window, ...] | None:
    """Give how far each layer looks where rows can share a cache; None where they cannot.

    Tried once for each class, configuration and number format.

    Args:
        module: A causal language model, in a PEFT wrapper or not.

    Raises:
        CheckpointError: the module does not run on tokens alone, or looks at later ones.
    """
    base = base_model(module)
    if decoder_of(base) is not None:
        return tuple(layer_windows(base.config))
    name = _name(base)
    with _LOCK:
        if name not in _TRIED:
            training = base.training
            base.eval()
            try:
                with torch.inference_mode():
                    found = _tried(base, base.config)
                    if found is None:
                        _ALONE[name] = _needs_one_row(base)
                    _TRIED[name] = found
            finally:
                base.train(training)
        return _TRIED[name]


def runs_alone(module: nn.Module) -> bool:
    """Say whether `generate` is right for one row at a time only: of what shares no cache.

    Args:
        module: A module for which `row_windows` gave None.
    """
    row_windows(module)  # a configuration that changed since, as saving changes it, is tried again
    return _ALONE.get(_name(base_model(module)), False)


def _name(base: PreTrainedModel) -> tuple[type, str, torch.dtype]:
    settings = base.config.to_json_string(use_diff=False)
    return type(base), settings, next(base.parameters()).dtype


def _needs_one_row(module: PreTrainedModel) -> bool:
    """Hold `generate` with the module's own cache against plain passes, two rows and one.

    Raises:
        CheckpointError: it fails, or contradicts the plain pass even for one row.
    """
    rows = [row[-min(_OWN) - _NEXT :] for row in _rows(module.config)]
    if _is_right(module, rows):
        return False
    if not _is_right(module, rows[:1]):
        raise CheckpointError(
            f"{type(module).__name__}, whose own generate contradicts its forward pass",
            "the same scores with and without its cache",
            "serve this model from an OpenAI-compatible server",
        )
    return True


def _is_right(module: PreTrainedModel, rows: Sequence[Tokens]) -> bool:
    """Say whether each row that `generate` continues has the scores of a plain pass over it."""
    ids = torch.tensor(rows, device=module.device)
    settings = GenerationConfig(
        max_new_tokens=_NEXT, do_sample=False, use_cache=True, pad_token_id=0,
        output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    before, module.generation_config = module.generation_config, GenerationConfig()
    try:
        made: Any = method_of(module, "generate")(
            input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings
        )
    except Exception as error:
        if isinstance(error, (MemoryError, RuntimeError)) and is_memory(error):
            raise
        raise CheckpointError(
            f"transformers cannot generate with {type(module).__name__}: "
            f"{type(error).__name__}: {error}",
            _CAUSAL,
            "serve this model from an OpenAI-compatible server",
        ) from error
    finally:
        module.generation_config = before
    stepped = torch.stack(list(made.logits), 1)
    # Only what is wrong is refused: a recurrence rounds otherwise by steps than in one pass.
    limit = 3 * _apart(module)
    wholes = (_alone(module, tuple(row)) for row in made.sequences.tolist())
    return all(
        _are_near(one, whole[ids.shape[1] - 1 : -1], limit)
        for one, whole in zip(stepped, wholes, strict=True)
    )


def _tried(module: PreTrainedModel, config: PreTrainedConfig) -> tuple[Window, ...] | None:
    rows = _rows(config)
    short = [row[:-_NEXT] for row in rows]
    alone = [_alone(module, row) for row in rows]
    if not all(bool(torch.isfinite(scores).all()) for scores in alone):
        return None  # broken weights: whoever draws says so
    again = _alone(module, rows[0])
    limit = _apart(module)
    if not _are_near(again, alone[0], limit):
        raise CheckpointError(
            f"{type(module).__name__}, whose scores differ from one pass to the next",
            "a model that gives the same scores to the same tokens",
            "switch its random hashing or dropout off in config.json",
        )
    for begun, whole in zip((_alone(module, row) for row in short), alone, strict=True):
        if not _are_near(begun, whole[: len(begun)], limit):
            raise CheckpointError(
                f"{type(module).__name__}, whose scores depend on later tokens",
                _CAUSAL,
                "an encoder such as BERT is no model to ask; give a decoder (is_decoder=true)",
            )
    try:
        windows = tuple(layer_windows(config))
        shared = _shared(module, windows, rows)
    except CheckpointError:
        return None
    except Exception as error:
        if isinstance(error, (MemoryError, RuntimeError)) and is_memory(error):
            raise
        return None
    wanted = [scores[-_NEXT - 1 :] for scores in alone]
    fits = all(_are_near(a, b, limit) for a, b in zip(shared, wanted, strict=True))
    return windows if fits else None


def _apart(module: nn.Module) -> float:
    """Return how far rounding takes scores apart: by the weights, whose products are the coarsest."""
    is_single = next(module.parameters()).dtype == torch.float32
    return _APART if is_single else _APART_HALF


def _rows(config: PreTrainedConfig) -> list[Tokens]:
    """Give the tokens of two rows with one beginning; none that stands for an image or an end."""
    text = config.get_text_config(decoder=True)
    named = {v for k, v in vars(config).items() if k.endswith("_token_id") and isinstance(v, int)}
    named |= {v for k, v in vars(text).items() if k.endswith("_token_id") and isinstance(v, int)}
    free = [i for i in range(min(text.vocab_size, 512)) if i not in named]
    step = max(1, len(free) // 37)
    tokens = [free[(i * step * 5 + 3 * i) % len(free)] for i in range(64)]
    common, at = tuple(tokens[:_COMMON]), _COMMON
    rows = []
    for size in _OWN:
        end = at + size + _NEXT
        rows.append((*common, *tokens[at:end]))
        at = end
    return rows


def _alone(module: PreTrainedModel, row: Tokens) -> Tensor:
    """Give the scores at every token of one row.

    Raises:
        CheckpointError: the module does not run on tokens alone.
    """
    try:
        return whole_logits(module, [row])[0]
    except Exception as error:
        if isinstance(error, (MemoryError, RuntimeError)) and is_memory(error):
            raise
        raise CheckpointError(
            f"{type(module).__name__} does not run on tokens alone: {type(error).__name__}: {error}",
            _CAUSAL,
            "give a model of text, or serve this one from an OpenAI-compatible server",
        ) from error


def _shared(
    module: PreTrainedModel, windows: Sequence[Window], rows: Sequence[Tokens]
) -> list[Tensor]:
    """Give each row's last scores, by shared beginning, padded prompts and steps."""
    begun = PrefixCache(windows, None)
    forward_segments(module, [rows[0][:_COMMON]], begun, known=0, keep=1)
    own = [row[_COMMON:-_NEXT] for row in rows]
    cache = PrefixCache(windows, begun.pairs())
    scores = [forward_segments(module, own, cache, known=_COMMON, keep=1)[:, -1]]
    pairs = joined_pairs(begun.pairs(), cache.pairs(), [len(part) for part in own])
    lengths = torch.tensor([len(row) - _NEXT for row in rows])
    in_flight = RowCache(windows, rows=len(rows), longest_prompt=int(lengths.max()))
    in_flight.insert(pairs, slice(0, len(rows)), torch.arange(len(rows)), lengths)
    in_flight.settle(len(rows), is_final=False)
    keyword, device = cache_keyword(module), next(module.parameters()).device
    for i in range(_NEXT):
        ids = torch.tensor([row[i - _NEXT] for row in rows], device=device)
        mask = in_flight.open_column()
        places = (lengths + i).to(device)
        scores.append(step_rows(module, ids, places, in_flight, mask, keyword))
        in_flight.now += 1
    return [torch.stack([part[i] for part in scores]) for i in range(len(rows))]


def _are_near(one: Tensor, other: Tensor, limit: float) -> bool:
    """Say whether two sets of scores differ by rounding alone."""
    if one.shape != other.shape:
        return False
    spread = float(other.float().std())
    return float((one.float() - other.float()).abs().max()) <= limit * max(spread, 1e-6)
