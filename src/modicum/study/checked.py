"""Under which name a study keeps what its check says of a model on a task."""

from modicum.store.facts import FindingsKey
from modicum.study.plan import Subject

__all__ = ["findings_key"]


def findings_key(subject: Subject) -> FindingsKey:
    """Return the name: another size, prompt or content of the task is looked at for itself."""
    return FindingsKey(subject.model, subject.task, subject.scope().checked)
