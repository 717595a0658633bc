"""A study of scale as a TOML file: nets, amounts of text and seeds that are crossed, and what is measured."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from modicum.catalog import fill
from modicum.errors import ConfigError
from modicum.plain import JsonObject, JsonValue, plain

__all__ = ["ScaleCell", "ScalePlan", "net_of", "read_scale_plan"]

_MOST_CELLS = 10_000
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class ScaleCell:
    """One training of a study of scale."""

    corpus: str
    """Name of the corpus, with all of its settings."""
    kind: str
    """Kind of net."""
    sizes: JsonObject
    """Its settings, all of them."""
    tokens: int
    """Different characters that are learned from."""
    seed: str
    steps: int
    """Updates."""
    batch: int
    length: int
    learning_rate: float

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits of all that decides the training."""
        said = json.dumps(plain(self), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @property
    def family(self) -> str:
        """Kind and recipe: settings that are words, not numbers, such as `energy paper_s1`."""
        words = (self.sizes[name] for name in sorted(self.sizes))
        return " ".join([self.kind, *(word for word in words if isinstance(word, str) and word)])

    @property
    def numbers(self) -> dict[str, int | float]:
        """Settings that are numbers: its sizes."""
        return {
            name: size
            for name, size in self.sizes.items()
            if isinstance(size, (int, float)) and not isinstance(size, bool)
        }

    def is_as_large(self, other: "ScaleCell") -> bool:
        """Say whether all sizes that both have are equal."""
        mine, others = self.numbers, other.numbers
        return all(mine[name] == others[name] for name in mine.keys() & others.keys())

    @property
    def net(self) -> str:
        """The net in words, such as `transformer layers=2 width=32`."""
        return " ".join([self.kind, *(f"{name}={self.sizes[name]}" for name in sorted(self.sizes))])


@dataclass(frozen=True)
class ScalePlan:
    """What is crossed, and what is measured of each training."""

    corpus: str
    """Reference of a corpus."""
    nets: tuple[JsonObject, ...]
    """A table each: `kind`, and settings of that kind."""
    data: tuple[int, ...]
    """Amounts of text: different characters that are learned from."""
    seeds: tuple[str, ...] = ("0", "1")
    steps: int = 0
    """Updates of every training; 0 where `passes` says."""
    passes: float = 0.0
    """How often the text is gone through, so that updates grow with it; 0 where `steps` says."""
    batch: int = 16
    """Windows an update."""
    length: int = 128
    """Characters that are predicted in each."""
    rate: float = 3e-3
    """Peak learning rate."""
    rates: tuple[float, ...] = ()
    """Several that are tried instead: of each net and amount of text, all seeds together, the one of least
    loss on the selection split stands."""
    windows: int = 128
    """Windows that are measured at each shift."""
    inner_steps: tuple[int, ...] = (0,)
    """Inner steps that nets with such are asked with; 0 is as they were trained."""
    candidates: tuple[int, ...] = (1,)
    """Candidates that such nets are asked with."""
    offset: Literal["source", "none", "fitted"] = "source"
    """What losses fall to: the entropy of the source (0 where it is not known), 0, or a fitted number."""
    name: str = ""
    """Of the study; the file's where empty."""
    part: Literal["whole", "asked"] = field(default="whole")
    """Which characters the loss is of: all, or those that hang on what stands further back."""

    def __post_init__(self) -> None:
        """Refuse what measures nothing, or would never end.

        Raises:
            ConfigError: found such.
        """
        if (self.steps > 0) == (self.passes > 0):
            raise ConfigError(
                f"steps = {self.steps}, passes = {self.passes}",
                "one of both above 0",
                "say how many updates there are, or how often the text is gone through",
            )
        rules = {
            "data": bool(self.data) and min(self.data, default=0) > self.length,
            "seeds": bool(self.seeds),
            "nets": bool(self.nets),
            "batch": self.batch >= 1,
            "length": 1 <= self.length <= 2**16,
            "rate": 0 < self.rate < 1,
            "rates": all(0 < rate < 1 for rate in self.rates),
            "windows": 2 <= self.windows <= 10**6,
            "inner_steps": bool(self.inner_steps) and min(self.inner_steps, default=-1) >= 0,
            "candidates": bool(self.candidates) and min(self.candidates, default=0) >= 1,
        }
        for name, holds in rules.items():
            if not holds:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r:.60} of a study of scale",
                    "numbers that can be trained and measured",
                    f"correct {name}",
                )
        for name in ("data", "seeds", "rates", "inner_steps", "candidates"):
            given: Sequence[object] = getattr(self, name)
            if len(set(given)) < len(given):
                raise ConfigError(f"{name} = {given!r:.60}", "each once", f"correct {name}")
        crossed = len(self.nets) * len(self.data) * len(self.seeds) * max(1, len(self.rates))
        if crossed > _MOST_CELLS:
            raise ConfigError("too many trainings", f"at most {_MOST_CELLS:,}", "cross fewer")

    def updates(self, tokens: int) -> int:
        """Return the updates of a training on an amount of text, at least 1."""
        return self.steps or max(1, round(self.passes * tokens / (self.batch * self.length)))

    def cells(self, corpus: str, nets: Sequence[tuple[str, JsonObject]]) -> list[ScaleCell]:
        """Return all trainings, those of little text first.

        Args:
            corpus: Name of the corpus, with all of its settings.
            nets: Kind and all settings of each net.
        """
        fixed = (self.batch, self.length)
        return [
            ScaleCell(corpus, kind, sizes, tokens, seed, self.updates(tokens), *fixed, rate)
            for tokens in sorted(self.data)
            for kind, sizes in nets
            for rate in self.rates or (self.rate,)
            for seed in self.seeds
        ]


def read_scale_plan(path: Path) -> ScalePlan:
    """Read a plan.

    Raises:
        ConfigError: missing, too large, no TOML, or fields that are not a plan's.
        UnknownNameError: a field that a plan does not have.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path}, which is too large", "a plan", "give a TOML file")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", "a study of scale as TOML", "check the path"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", "TOML in UTF-8", "correct that place") from error
    given = {"name": path.stem, **table}
    if "net" in given:
        given["nets"] = given.pop("net")
    _need(given, path)
    return fill(ScalePlan, given, where=f"study of scale {path}")


def _need(given: Mapping[str, object], path: Path) -> None:
    """Refuse a plan without what has no default, or with nets that are no tables.

    Raises:
        ConfigError: found such.
    """
    for name in ("corpus", "nets", "data"):
        if name not in given:
            said = "[[net]] tables" if name == "nets" else name
            raise ConfigError(f"{path} without {said}", "a study of scale", f"add {said}")
    nets = given["nets"]
    if not isinstance(nets, list) or not all(
        isinstance(one, dict) and isinstance(one.get("kind"), str) for one in nets
    ):
        raise ConfigError(
            f"{path}: nets {nets!r:.60}",
            "a table [[net]] with kind for each net",
            'write [[net]] and below it kind = "transformer"',
        )


def net_of(table: JsonObject) -> tuple[str, dict[str, JsonValue]]:
    """Return kind and settings of a plan's net.

    >>> net_of({"kind": "transformer", "width": 32})
    ('transformer', {'width': 32})
    """
    return str(table["kind"]), {name: value for name, value in table.items() if name != "kind"}
