"""Printed names: what terminal and report call the things whose code names are short or old.

JSON keys, code names and what `--methods` takes stay as they are; only what a reader sees is here.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from modicum.stats.written import count
from modicum.types import PROMPT

__all__ = [
    "LEVELS",
    "PRINTED",
    "control_name",
    "data_text",
    "level_name",
    "method_name",
    "printed",
]

PRINTED: Mapping[str, str] = MappingProxyType(
    {
        PROMPT: "asked plainly",
        "rung": "method",
        "arm": "variant",
        "subject": "task on model",
        "damage": "effect elsewhere",
        "gap recovered": "share of the gap",
        "luck": "chance",
        "near miss": "chance, wrong-answer prior",
        "commonest gold": "commonest answer",
        "default": "as given",
        "forced": "worked form given",
        "forced form": "worked form given",
        "majority": "majority of the samples",
        "worth votes": "equals the majority of N samples",
        "worth pass@k": "equals the best of N samples",
        "n50": "labels for 50 % of the gap",
        "n90": "labels for 90 % of the gap",
        "measuring labels": "labels spent on measuring",
        "doctor": "check",
        "elicitation": "one-off cost",
        "serving": "cost per answer",
        "front": "best trade-offs",
        "on the front": "best trade-offs",
        "break-even": "answers at which the costs are equal",
        "scrambled": "answers permuted",
        "shuffled": "solutions permuted",
        "format": "format only",
        "random": "random direction",
        "questions": "direction between questions",
        "random_feature": "random feature",
        "mean_difference": "mean difference",
        "twin": "model without the ability",
        "control_organism": "model without the ability",
    }
)
"""Printed name by code name or by the word that was printed before."""
LEVELS: Mapping[str, str] = MappingProxyType({"fault": "error", "doubt": "warning", "fact": "info"})
"""What each level of a finding of the check is called, by its name in JSON."""
_SIZE = re.compile(r"^(?P<name>.+?)(?P<size> n=\d+)?$")


def printed(name: str) -> str:
    """Return the printed name of a thing; the name itself where it has no other.

    >>> printed("luck"), printed("cot_decoding")
    ('chance', 'cot_decoding')
    """
    return PRINTED.get(name, name)


def method_name(name: str, *, is_fixed: bool = False) -> str:
    """Return how a table calls a method: its own name, the plain prompt in words.

    Args:
        name: Of the method, with its budget.
        is_fixed: Whether the user's own prompt is fixed, and hence the plain one.

    >>> method_name("prompt"), method_name("fine_tune n=4"), method_name("prompt", is_fixed=True)
    ('asked plainly', 'fine_tune n=4', 'your own prompt')
    """
    if name != PROMPT:
        return name
    return "your own prompt" if is_fixed else PRINTED[PROMPT]


def data_text(labels: int, unlabelled: int = 0) -> str:
    """Say how much data a method took: labels, and questions without any where it was shown some.

    >>> data_text(1), data_text(0, 1), data_text(0, 4)
    ('1 label', '1 unlabelled question, 0 labels', '4 unlabelled questions, 0 labels')
    """
    said = count(labels, "label")
    return f"{count(unlabelled, 'unlabelled question')}, {said}" if unlabelled else said


def control_name(name: str) -> str:
    """Return how a table calls a control, with its own number of labels where it has one.

    >>> control_name("scrambled"), control_name("twin n=8"), control_name("with reward=random")
    ('answers permuted', 'model without the ability n=8', 'with reward=random')
    """
    found = _SIZE.match(name)
    if found is None:
        return name
    return f"{printed(found['name'])}{found['size'] or ''}"


def level_name(level: str) -> str:
    """Return what a level of a finding is called: error, warning or info.

    >>> level_name("doubt")
    'warning'
    """
    return LEVELS.get(level, level)
