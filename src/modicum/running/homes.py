"""Where a study lies when nobody says: below `runs`, in a folder named by its task and its model."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from modicum.errors import ModicumError
from modicum.files.foreign import is_name
from modicum.running.planning import plain_name
from modicum.secrecy import clean, is_key_name, learn_from, looks_like_key
from modicum.store.database import Store
from modicum.store.opening import DATABASE
from modicum.study.plan import Plan

__all__ = ["RUNS", "home_name", "home_of"]

RUNS = Path("runs")
"""Folder of the studies."""
_LONGEST = 48
"""Characters of a task's or a model's part of a name."""
_LONGEST_VALUE = 16
"""Characters of a setting that a name may bear."""
_NAMED = 2
"""Models or tasks that are named; of more, their number is."""
_MOST = 1000
"""Folders whose names differ in their number alone."""


def home_of(plan: Plan, root: Path = RUNS) -> tuple[Path, str]:
    """Return the folder of a plan, and a line to say where it is one of an earlier version.

    A folder of this name that holds other subjects is left to them: names that read alike get numbers.

    Args:
        plan: One that was named by its task and its model.
        root: Folder of the studies.
    """
    new = root
    for new in _candidates(root / home_name(plan)):
        if not (new / DATABASE).exists():
            break
        if _holds(new, plan):
            return new, ""
    old = root / plan.name
    if (old / DATABASE).exists() and _holds(old, plan):
        return old, f"going on in {old}, where this study lies since an earlier version"
    return new, ""


def home_name(plan: Plan) -> str:
    """Return the name of a plan's folder: its tasks, two dashes, its models.

    >>> from modicum.study.grid import Grid
    >>> home_name(Plan((Grid(("scripted:latent",), ("gym:chain_sum?max_terms=3",)),)))
    'gym-chain_sum-max_terms-3--scripted-latent'
    """
    subjects = plan.subjects()
    tasks = _few([_task_part(s.task) for s in subjects], "tasks")
    models = _few([_model_part(s.model) for s in subjects], "models")
    name = f"{tasks}--{models}"
    return name if is_name(name) else f"study-{name.strip('.- ')}"


def _candidates(folder: Path) -> Iterator[Path]:
    """Give a folder, then its name with numbers."""
    yield folder
    yield from (folder.with_name(f"{folder.name}-{n}") for n in range(2, _MOST))


def _holds(folder: Path, plan: Plan) -> bool:
    """Say whether a folder holds one of a plan's subjects; one that cannot be read is told by its opener."""
    wanted = {(s.model, s.task) for s in plan.subjects()}
    try:
        store = Store(folder, read_only=True)
        try:
            held = [Plan.thawed(one) for one in store.plans]
        finally:
            store.close()
    except ModicumError:
        return True
    return not held or any(
        (model, task) in wanted
        for one in held
        for grid in one.grids
        for model in grid.models
        for task in grid.tasks
    )


def _few(parts: Sequence[str], what: str) -> str:
    names = list(dict.fromkeys(parts))
    return "-".join(names) if len(names) <= _NAMED else f"{len(names)}-{what}"


def _task_part(task: str) -> str:
    """Return a task's part of a name: a file's without folders and suffix."""
    return _short(plain_name(task) + _settings(task))


def _model_part(model: str) -> str:
    """Return a model's part of a name: a folder's own name; nothing of a server but the model's."""
    learn_from(model)
    head = model.partition("?")[0]
    if head.startswith((".", "/", "~")) or _is_folder(head):
        head = Path(head).absolute().resolve().name
    head = re.sub(r"://[^/]*@", "://", clean(head))
    return _short(re.sub(r"[^\w.-]+", "-", head).strip("-.") + _settings(model)) or "model"


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # no name of a file
        return False


def _settings(reference: str) -> str:
    """Return the settings of a reference that are short words or numbers; no key, no address."""
    said = []
    for pair in filter(None, reference.partition("?")[2].split("&")):
        name, _, value = pair.partition("=")
        is_secret = is_key_name(name) or name.endswith("_env") or looks_like_key(value)
        is_plain = len(value) <= _LONGEST_VALUE and re.fullmatch(r"[\w.-]+", value) is not None
        if is_plain and not is_secret and clean(value) == value and re.fullmatch(r"\w+", name):
            said.append(f"-{name}-{value}")
    return "".join(said)


def _short(part: str) -> str:
    return part[:_LONGEST].rstrip("-. ")
