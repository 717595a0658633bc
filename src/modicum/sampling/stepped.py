"""One token of every row through the module's own forward pass, over the rows' own cache."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from modicum.sampling.cache import RowCache
from modicum.sampling.linear import FastLinear

__all__ = ["step_rows"]


def step_rows(
    module: nn.Module,
    ids: Int[Tensor, " rows"],
    places: Int[Tensor, " rows"],
    cache: RowCache,
    mask: Tensor | dict[str, Tensor],
    keyword: str,
) -> Float[Tensor, "rows vocab"]:
    """Give the scores after each row's newest token; its keys and values go into the cache.

    Args:
        module: The model, or PEFT's wrapper of it.
        ids: Newest token of each row.
        places: Its position.
        cache: Holds the rows.
        mask: What `cache.open_column` gave.
        keyword: What the module calls its cache.
    """
    with FastLinear():
        output = module(
            input_ids=ids[:, None],
            attention_mask=mask,
            position_ids=places[:, None],
            use_cache=True,
            **{keyword: cache},
        )
    logits: Tensor = output.logits
    return logits[:, -1]
