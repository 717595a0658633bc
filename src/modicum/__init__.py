"""modicum: the least data that unlocks a model's reasoning.

>>> import modicum
>>> study = modicum.Study(model="scripted:latent", task="sums", methods=["cot_decoding"])
>>> study.plan.name
'sums'
"""

from importlib import import_module

__all__ = ["Plan", "Study", "Verdict", "__version__"]

__version__ = "0.1.0"

_HOMES = {
    "Plan": "modicum.study.plan",
    "Study": "modicum.workbench",
    "Verdict": "modicum.analysis.verdict",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that importing stays instant."""
    if name not in _HOMES:
        msg = f"module 'modicum' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)
