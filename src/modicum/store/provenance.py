"""What made a trial: hashes of the plug-ins of other packages and of a local model's weights.

A trial bears its model's name alone; other weights under it are noticed by these hashes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from modicum.catalog import read_reference
from modicum.errors import ConfigError
from modicum.files.entries import foreign_in, source_hash
from modicum.files.fingerprint import fingerprint
from modicum.files.foreign import at
from modicum.model import plugin_of
from modicum.outcome import Outcome
from modicum.stats.written import count
from modicum.task import full_reference
from modicum.task_names import split_task
from modicum.types import Trial

__all__ = [
    "changed_plugins",
    "changed_weights",
    "has_foreign",
    "has_same_weights",
    "mixed_weights",
    "plugin_sources",
    "weights_source",
]

_WEIGHTS = "weights"
"""Name of the hash of a model's files among a trial's sources."""

_LOCAL = frozenset({"autoregressive", "energy", "export", "huggingface", "recursive"})
"""Plug-ins of models that open a folder or file of the user's."""

_GROUPS: Mapping[str, str] = {
    "method": "methods",
    "model": "models",
    "task": "tasks",
    "marker": "markers",
    "reward": "rewards",
    "probe": "probes",
}


def has_foreign() -> bool:
    """Whether another package adds a plug-in whose code could change."""
    return any(foreign_in(group) for group in _GROUPS.values())


def plugin_sources(trial: Trial) -> dict[str, str]:
    """Return hashes of the code behind the plug-ins of other packages that a trial names.

    Own plug-ins are left out: their numbers are held by their versions, and a hash of theirs would
    change with every release. A marker from a file of the user's is part of the task's identity.

    Returns:
        Hashes by kind and name, such as `method median_vote`.
    """
    found = {}
    for kind, name in dict.fromkeys(_named(trial)):
        entry = foreign_in(_GROUPS[kind]).get(name.replace("-", "_"))
        if entry is not None and (value := source_hash(entry)):
            found[f"{kind} {entry.name}"] = value
    return found


def weights_source(reference: str) -> dict[str, str]:
    """Return the hash of the weights that a reference names by their folder or file, by `weights`.

    Empty for a plug-in's own model, a hub id or a server.
    """
    try:
        plugin, settings = plugin_of(reference)
    except ConfigError:
        return {}
    if plugin not in _LOCAL:
        return {}
    value = fingerprint(at(str(settings.get("name", ""))))
    return {_WEIGHTS: value} if value else {}


def changed_weights(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Say which local models have other weights now than when trials ran.

    Trials of before these hashes were kept say nothing, nor do models that are gone.
    """
    ran: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        if then := outcome.sources.get(_WEIGHTS):
            ran.setdefault(outcome.trial.model, Counter())[then] += 1
    said = []
    for model, times in ran.items():
        now = weights_source(model).get(_WEIGHTS)
        stale = times.total() - times[now] if now else 0
        if stale:
            said.append(
                f"the weights in {model!r:.80} have changed since {count(stale, 'trial')} ran, and "
                "those stand as they are: put the old weights back, or start again with another --out"
            )
    return tuple(said)


def mixed_weights(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Say of which local models trials ran on different weights under one name."""
    ran: dict[str, Counter[str]] = {}
    for outcome in {str(o.trial.id): o for o in outcomes}.values():
        if then := outcome.sources.get(_WEIGHTS):
            ran.setdefault(outcome.trial.model, Counter())[then] += 1
    return tuple(
        f"trials on {model!r:.80} ran on {len(times)} different weights under that name "
        f"({' and '.join(map(str, times.values()))} trials): their figures are not comparable; start "
        "again with another --out"
        for model, times in ran.items()
        if len(times) > 1
    )


def has_same_weights(outcome: Outcome) -> bool:
    """Say whether a trial's model has the weights that it ran on, as far as is known."""
    then, now = outcome.sources.get(_WEIGHTS), weights_source(outcome.trial.model).get(_WEIGHTS)
    return then == now or not (then and now)


def changed_plugins(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Say which plug-ins have other code now than when trials ran, though their versions are the same.

    Trials of before these hashes were kept, and those whose plug-in is not installed here, say
    nothing.
    """
    now: dict[str, str] = {}
    stale: Counter[str] = Counter()
    for outcome in {str(o.trial.id): o for o in outcomes}.values():
        for plugin, then in outcome.sources.items():
            if plugin == _WEIGHTS:
                continue
            if plugin not in now:
                kind, _, name = plugin.partition(" ")
                entry = foreign_in(_GROUPS.get(kind, "")).get(name)
                now[plugin] = source_hash(entry) if entry is not None else ""
            stale[plugin] += bool(now[plugin]) and now[plugin] != then
    return tuple(
        f"the code of the {plugin} has changed since {count(n, 'trial')} ran, but not its version: "
        "raise its version, or start again with another --out"
        for plugin, n in sorted(stale.items())
        if n
    )


def _named(trial: Trial) -> Iterable[tuple[str, str]]:
    """Yield every plug-in that a trial names, by kind."""
    yield "method", trial.method
    yield "model", read_reference(trial.model)[0]
    reward = trial.settings.get("reward")
    if isinstance(reward, str):
        yield "reward", read_reference(reward)[0]
    others = trial.scope.retain.tasks if trial.scope.retain is not None else ()
    for reference in (trial.task, *others):
        made, task = split_task(full_reference(reference))
        yield from (("probe", name) for name in re.findall(r"varied:([^:.]*)", made))
        kind, _, settings = read_reference(task)
        yield "task", kind
        if "marker" in settings:
            yield "marker", settings["marker"].partition(":")[0].partition("?")[0]
