"""What a computed value rests on: the code, the plan and what is stored, as one short text.

A value that was kept in the store under a stamp holds as long as the stamp is the same.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

from modicum.catalog import KINDS, read_settings
from modicum.files.content import content_hash
from modicum.files.entries import foreign_in, source_hash
from modicum.method import METHODS
from modicum.store.database import Store
from modicum.study.plan import Plan, Subject

__all__ = ["plan_stamp", "store_stamp"]


def plan_stamp(plan: Plan) -> str:
    """Return the stamp of a plan's trials; loads tasks, but no model and no method.

    Raises:
        UnknownNameError: a model or task that does not exist.
    """
    scopes = [
        Subject(subject.plan, model, subject.task).scope().plain()
        for subject in plan.subjects()
        for model in filter(None, (subject.model, subject.twin, subject.plan.reference))
    ]
    probed = [trial.identity for subject in plan.subjects() for trial in subject.probed()]
    return _digest(
        _code(),
        _foreign(),
        *probed,
        json.dumps([plan.as_dict(), scopes, _files(plan)], default=str),
    )


def store_stamp(plan: Plan, store: Store) -> str:
    """Return the stamp of what a plan and all that is stored lead to: verdicts and report."""
    return _digest(plan_stamp(plan), str(store.writes))


def _files(plan: Plan) -> list[str]:
    """Return hashes of the files that settings name."""
    plans = list({id(s.plan): s.plan for s in plan.subjects()}.values())
    arms = [read_settings(text) for one in plans for grid in one.grids for text in grid.arms]
    own_settings = [pair for one in plans for pair in one.settings.items()]
    named = [
        own.get(name) for method, own in (*own_settings, *arms) for name in METHODS.files(method)
    ]
    return [content_hash(Path(str(name))) for name in named if name]


@cache
def _code() -> str:
    """Return the hash of the package's own files."""
    package = Path(__file__).parent.parent
    own = [
        path.relative_to(package).as_posix() + path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(package.rglob("*"))
        if path.suffix in (".py", ".html", ".css", ".js", ".txt")
    ]
    return _digest(*own)


def _foreign() -> str:
    """Return the hash of the packages that add plug-ins: their versions and their code."""
    return _digest(
        *(
            f"{kind} {name} {entry.module} {entry.release} {source_hash(entry)}"
            for kind in KINDS
            for name, entry in foreign_in(kind).items()
        )
    )


def _digest(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()
