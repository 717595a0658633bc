"""The contract of a probe: a reading of trials of its own, over paired variants of a task."""

import dataclasses
from abc import abstractmethod
from typing import ClassVar, final

from modicum.catalog import read_reference
from modicum.method import Quick
from modicum.reading import Material, Reading
from modicum.study.plan import Subject
from modicum.task import PROBES
from modicum.types import Problem, Trial

__all__ = ["PROBES", "Material", "Probe", "resolve_probe"]


class Probe(Reading):
    """Asks the same problems in other forms. Final subclasses are frozen dataclasses in `probes/`.

    A study runs it where it says so: `probes = ["NAME"]`, or `--probes NAME`. Its trials then stand
    among the study's, run and go on as they do, and `read` finds their outcomes in `found.outcome`.
    """

    plugin_kinds: ClassVar[tuple[str, ...]] = ("probes",)
    quick: ClassVar[Quick] = Quick()
    """Small settings for the contract suite, with a model and a task where it is for those alone."""

    @abstractmethod
    def trials(self, subject: Subject) -> tuple[Trial, ...]:
        """Return the trials that it reads; those that the study runs anyway are not run twice.

        Args:
            subject: The model and the task of the verdict in which its section stands.
        """

    def varied(self, problem: Problem, variant: str) -> Problem:
        """Return a problem in another form, with the gold and worked solution that it has there.

        A pure function of the two, the probe's settings aside: a change of it is another `version`.
        Return the problem itself where it has no such form. Id, difficulty and cluster stay.

        Args:
            problem: One of the task's.
            variant: A name of this probe's own, of letters, digits, hyphens and underscores.
        """
        del variant
        return problem

    @final
    @property
    def name(self) -> str:
        """The name of its file, by which users and references call it."""
        return type(self).__module__.rpartition(".")[2]

    @final
    def in_variant(self, task: str, variant: str) -> str:
        """Return the reference of a task in one of this probe's forms."""
        return f"varied:{self.name}.{variant}:{task}"

    @final
    def on(self, subject: Subject, *, model: str = "", variant: str = "") -> Subject:
        """Return the subject with another model or in another form, whose trials may be declared.

        `probe.on(subject, variant="swapped").default()` is greedy in the style as given.

        Args:
            subject: The studied one.
            model: Reference of another model; the studied one where empty.
            variant: Name of a form; as the task has it where empty.
        """
        task = self.in_variant(subject.task, variant) if variant else subject.task
        return dataclasses.replace(subject, model=model or subject.model, task=task)


def resolve_probe(reference: str) -> Probe:
    """Return the probe of a reference such as `NAME?second=scripted:absent`.

    Raises:
        UnknownNameError: no such probe.
        ConfigError: a setting that it does not have, or that is none.
    """
    name, _, settings = read_reference(reference)
    probe = PROBES.build(name, settings)
    if not isinstance(probe, Probe):
        raise TypeError(reference)
    return probe
