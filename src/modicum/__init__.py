"""modicum: the least data that unlocks a model's reasoning.

>>> import modicum
>>> study = modicum.Study(model="scripted:latent", task="sums", methods=["cot_decoding"])
>>> study.plan.name
'sums'
"""

import os
from importlib import import_module

__all__ = ["Plan", "Problems", "Study", "Verdict", "Verdicts", "__version__", "compare", "load"]

__version__ = "0.1.0"

# Large tensors lie in pages of 2 MiB where the system leaves that to programs (Linux, "madvise"): in
# pages of 4 KiB, fresh memory costs a pass over activations three times what the pass itself does.
# torch reads it once, at its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_HOMES = {
    "Plan": "modicum.study.plan",
    "Problems": "modicum.running.given",
    "Study": "modicum.workbench",
    "Verdict": "modicum.analysis.verdict",
    "Verdicts": "modicum.analysis.verdicts",
    "compare": "modicum.cli.told_comparison",
    "load": "modicum.workbench",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that importing stays instant."""
    if name not in _HOMES:
        msg = f"module 'modicum' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, so that Tab finds them before they are loaded."""
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]
