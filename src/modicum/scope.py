"""What of a study enters the identity of its trials: sizes, lists, versions, the text that is scored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from modicum.plain import JsonObject, JsonValue, plain, thawed

__all__ = ["Retain", "Scope", "Versions"]


@dataclass(frozen=True)
class Retain:
    """The tasks that show damage."""

    tasks: tuple[str, ...]
    """References, the studied task never among them."""
    test: int
    """Problems of each of them, or as many as it has."""
    editions: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Version and content of those that have more than a first version."""

    def plain(self) -> list[JsonValue]:
        """Return the list that stands in a trial's identity."""
        editions: dict[str, list[JsonValue]] = {
            name: list(edition) for name, edition in self.editions.items()
        }
        return [list(self.tasks), self.test, *([editions] if editions else [])]

    @staticmethod
    def thawed(value: object) -> "Retain":
        """Return what `plain` made plain.

        Raises:
            TypeError: something else.
        """
        tasks, test, *more = thawed(list[object], value, "retain")
        editions = thawed(dict[str, tuple[int, str]], more[0], "editions") if more else {}
        return Retain(thawed(tuple[str, ...], tasks, "tasks"), thawed(int, test, "test"), editions)


@dataclass(frozen=True)
class Versions:
    """What would make a trial another one though its names are the same."""

    model: int
    """Version of the model's plug-in."""
    task: int = 1
    """Version of the task."""
    content: str = ""
    """Hash of the files that the task is read and marked with; empty where it has none."""

    def plain(self) -> list[JsonValue]:
        """Return the list that stands in a trial's identity."""
        return [self.model, self.task, *([self.content] if self.content else [])]

    @staticmethod
    def thawed(value: object) -> "Versions":
        """Return what `plain` made plain.

        Raises:
            TypeError: something else.
        """
        model, task, *content = thawed(list[object], value, "versions")
        return Versions(
            thawed(int, model, "model"), thawed(int, task, "task"), *thawed(list[str], content)
        )


@dataclass(frozen=True)
class Scope:
    """The settings of a study that change the result of a trial.

    Its plain form is part of the trial's id: what is not set leaves no trace there, so that a new
    fact leaves stored trials valid.
    """

    test: int | None = None
    """Test problems, each with a gold."""
    selection: int | None = None
    """Labelled problems that choose the floor's style."""
    samples: int | None = None
    """Samples a test problem for the ceiling."""
    styles: Literal["default", "all", "own"] | None = None
    """The list of styles among which the floor is chosen."""
    own: tuple[str, str] | None = None
    """The user's system prompt and template; empty texts where there are none."""
    max_new_tokens: int | None = None
    """Length limit of a completion; the task's own where 0."""
    retain: Retain | None = None
    """The tasks that show damage."""
    versions: Versions | None = None
    """Versions of model and task."""
    stream: str = ""
    """Name of the independent draw; empty for the first."""
    subject: str = ""
    """The studied task, where it is a scrambled one and no twin."""
    sampled: int = 0
    """Samples a test problem of the nudged model."""
    text: str = ""
    """Hash of the held-out text that is to be scored; empty where none is."""
    first: int = 0
    """The first so many test problems alone are answered; all where 0."""
    cut: float = 0.0
    """Share of a question's words that is given, the rest to be completed; 0 where it is whole."""
    others: JsonObject = field(default_factory=dict)
    """What a study of another version wrote there, as it stands: it is part of the id too."""

    def size(self, split: Literal["test", "selection"]) -> int:
        """Return the number of problems of a split.

        Raises:
            KeyError: the trial does not say.
        """
        n = self.test if split == "test" else self.selection
        if n is None:
            raise KeyError(split)
        return n

    @property
    def answered(self) -> int:
        """Test problems that are answered: the first ones, or all."""
        return self.first or self.size("test")

    @property
    def checked(self) -> str:
        """What the findings of a check hold for, as one text: sizes, prompts and the task's content.

        Versions of code are no part of it: what was seen stands where trials are only marked again.
        """
        content = "" if self.versions is None else self.versions.content
        own, limit = list(self.own or ("", "")), self.max_new_tokens or 0
        styles = self.styles or "default"
        return json.dumps([self.test, self.selection, limit, styles, own, content, self.stream])

    def plain(self) -> dict[str, JsonValue]:
        """Return the table that stands in a trial's identity, by sorted names."""
        found: dict[str, JsonValue] = {
            "test": self.test,
            "selection": self.selection,
            "samples": self.samples,
            "styles": self.styles,
            "own": plain(self.own),
            "max_new_tokens": self.max_new_tokens,
            "retain": None if self.retain is None else self.retain.plain(),
            "versions": None if self.versions is None else self.versions.plain(),
        }
        said = {name: value for name, value in found.items() if value is not None}
        named = ("stream", "subject", "sampled", "text", "first", "cut")
        said |= {name: value for name in named if (value := getattr(self, name))}
        return dict(sorted({**self.others, **said}.items()))

    @staticmethod
    def thawed(values: JsonObject) -> "Scope":
        """Return the scope of a stored identity, whatever version wrote it.

        An entry that this version would write otherwise is kept as it stands: the id depends on it.
        """
        found: dict[str, Scope] = {}
        for name, value in values.items():
            one = _one(name, value)
            if one is not None:
                found[name] = one
        return Scope(
            **{name: getattr(one, name) for name, one in found.items()},
            others={name: value for name, value in values.items() if name not in found},
        )


def _one(name: str, value: object) -> Scope | None:
    """Return the scope with one entry alone, where it is that entry to the letter."""
    try:
        if name == "retain":
            one = Scope(retain=Retain.thawed(value))
        elif name == "versions":
            one = Scope(versions=Versions.thawed(value))
        elif name == "others":
            return None
        else:
            one = thawed(Scope, {name: value})
    except (TypeError, ValueError):
        return None
    return one if json.dumps(one.plain()) == json.dumps({name: value}) else None
