"""What headings call tasks and models whose references are long: a file by its stem, a folder by its name.

A name stands for one reference of those it is read beside; the whole reference is said once.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence

from modicum.analysis.verdict import Verdict

__all__ = ["heading", "model_title", "references", "short_names", "with_short_names"]

_LONG = 32
"""Characters of a reference that a heading still takes as it is."""
_DATA = re.compile(r"\.(jsonl?|csv|tsv|parquet)$")
_MADE = re.compile(
    r"(?P<made>(?:scrambled:|varied:[^:?]*:)*)(?P<head>[^?]*)\??(?P<settings>.*)", re.S
)


def short_names(references: Iterable[str]) -> dict[str, str]:
    """Return what each reference is called beside the others; a short one as it is.

    >>> whole = "jsonl:data/multiarith.jsonl?question=input&answer=target"
    >>> list(short_names([whole, "sums"]).values())
    ['multiarith', 'sums']
    >>> list(short_names([whole, whole.replace("target", "value")]).values())
    ['multiarith?answer=target', 'multiarith?answer=value']
    """
    known = list(dict.fromkeys(references))
    return {one: _short(one, [other for other in known if other != one]) for one in known}


def with_short_names(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts of a study, each with the names that set it apart from the others."""
    tasks = short_names(verdict.task for verdict in verdicts)
    models = short_names(verdict.model for verdict in verdicts)
    return [dataclasses.replace(v, short=(tasks[v.task], models[v.model])) for v in verdicts]


def model_title(verdict: Verdict) -> str:
    """Return what a heading calls the model."""
    return verdict.short[1] or verdict.model


def heading(verdict: Verdict) -> str:
    """Return what a verdict is about: the task, with what sets it apart, and the model."""
    return f"{verdict.titled} on {model_title(verdict)}"


def references(verdict: Verdict) -> str:
    """Return the whole references of a task and a model whose headings are shorter; empty where none is."""
    pairs = zip(("task", "model"), (verdict.task, verdict.model), verdict.short, strict=True)
    return ", ".join(f"{what} {whole}" for what, whole, name in pairs if name not in ("", whole))


def _short(reference: str, others: Sequence[str]) -> str:
    if len(reference) <= _LONG:
        return reference
    made, head, settings = _parts(reference)
    alike = [_parts(other) for other in others if _stem(other) == _stem(reference)]
    if alike and all(one[:2] == (made, head) and {*one[2]} > {*settings} for one in alike):
        return _stem(reference)  # each of the others says what it has besides
    taken = {name for other in others for name in (other, *_names(other, [reference]))}
    fit = (name for name in _names(reference, others) if name and name not in taken)
    return next(fit, reference)


def _names(reference: str, others: Sequence[str]) -> Iterator[str]:
    """Yield names of a reference, the shortest first."""
    made, head, settings = _parts(reference)
    *_, last = head.split(":")
    is_file = "/" in last or _DATA.search(last) is not None
    name = last.rstrip("/").rpartition("/")[2] if is_file else head
    stem = f"{made}{_DATA.sub('', name)}"
    yield stem
    beside = [_parts(other) for other in others if _stem(other) == stem]
    own = [one for one in settings if not beside or any(one not in other[2] for other in beside)]
    if beside and own:
        yield f"{stem}?{'&'.join(own)}"
    yield f"{made}{name}"
    yield f"{made}{head}"


def _stem(reference: str) -> str:
    return next(_names(reference, []))


def _parts(reference: str) -> tuple[str, str, list[str]]:
    """Return what a task is made by, its name without settings, and those."""
    found = _MADE.fullmatch(reference)
    if found is None:
        return "", reference, []
    return found["made"], found["head"], [one for one in found["settings"].split("&") if one]
