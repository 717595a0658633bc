"""Plain torch hooks that steer as the card tells users to, written apart from modicum's own."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from modicum.errors import TrialError
from modicum.exporting.logits import Logits, LogitTrace
from modicum.nudge.sites import blocks, is_site, site_module
from modicum.nudge.steering import Where
from modicum.whitebox import cache_keyword

__all__ = ["lay", "lines", "step_by_step"]

_LAST = "torch.cat([out[:, :-1], out[:, -1:] + v], 1)"
_ADDED: Mapping[str, str] = {
    "all": "out + v",
    "generated": _LAST,
    "first": f"{_LAST} if out.shape[1] > 1 else out",
}


def lay(
    module: nn.Module, tensors: Mapping[str, Tensor], where: Where, offset: int
) -> list[RemovableHandle]:
    """Lay vectors on a module by forward hooks; right for one text, its prompt in one pass.

    Args:
        module: A causal language model.
        tensors: Vectors by their names in the file, `layer.I` or `layer.I.SITE`.
        where: Positions at which they act.
        offset: With `first`, generated tokens before that position.
    """
    handles = []
    for name, values in tensors.items():
        _, layer, *site = name.split(".")
        place = site[0] if site else "block"
        if not is_site(place):
            raise TrialError(f"a tensor {name!r:.80}, expected layer.I or layer.I.SITE")
        part = site_module(blocks(module)[int(layer)], place)
        home = next(part.parameters())
        handles.append(part.register_forward_hook(_hook(values.to(home), where, offset)))
    return handles


def _hook(values: Tensor, where: Where, offset: int) -> Callable[..., Any]:
    passes = 0

    def add(_module: nn.Module, _args: object, output: Any) -> Any:  # noqa: ANN401 - tensor or tuple
        nonlocal passes
        hidden = output[0] if isinstance(output, tuple) else output
        if where == "all":
            new = hidden + values
        elif where == "generated" or passes == offset:
            new = torch.cat([hidden[:, :-1], hidden[:, -1:] + values], 1)
        else:
            new = hidden
        passes += 1
        return (new, *output[1:]) if isinstance(output, tuple) else new

    return add


def step_by_step(module: nn.Module, probe: LogitTrace) -> Logits:
    """Return the scores of an answer as generation computes them: the prompt, then token by token."""
    keyword, home = cache_keyword(module), next(module.parameters()).device
    given: dict[str, Any] = {"use_cache": True}
    rows = []
    with torch.inference_mode():
        for tokens in (probe.prompt, *((token,) for token in probe.answer)):
            output = module(torch.tensor([tokens], device=home), **given)
            rows.append(output.logits[0, -1].float().cpu())
            given[keyword] = getattr(output, keyword, None) or output.past_key_values
    return torch.stack(rows)


def lines(module: nn.Module, where: Where, offset: int) -> str:
    """Return the few lines that steer a transformers model, as a card shows them."""
    found = blocks(module)
    path = next(name for name, part in module.named_modules() if part is found)
    arguments, added = "m, a, out, v=v", _ADDED[where]
    head = "import torch\nfrom safetensors.torch import load_file\n"
    if where == "first" and offset:
        head = f"import itertools\n{head}"
        arguments, added = f"{arguments}, n=itertools.count()", f"out + v * (next(n) == {offset})"
    return (
        f'{head}for name, v in load_file("FOLDER/vector.safetensors").items():\n'
        f'    layer = model.{path}[int(name.split(".")[1])]\n'
        f"    layer.register_forward_hook(lambda {arguments}: {added})"
    )
