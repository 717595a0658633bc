"""What a server refuses, learnt once: left out or renamed from then on, and said."""

import re
import threading
from collections.abc import Mapping, Sequence
from typing import final

from modicum.errors import ConfigError
from modicum.plain import JsonValue
from modicum.serving.told import Told, refused

__all__ = ["Habits", "Json", "names_of", "renames_of"]

Json = dict[str, JsonValue]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KEPT = ("prompt", "messages")
"""What no request can do without."""
_OTHER = {"max_tokens": "max_completion_tokens"}
"""What a newer server calls a parameter."""
_LEFT_OUT = {
    "seed": "the server refuses seed: it is left out, and no sample can be drawn again",
    "top_p": "the server refuses top_p: it is left out, and the server's own default may cut the "
    "distribution that is sampled",
    "n": "the server refuses n: one request a sample",
    "stop": "the server refuses stop strings: they are cut here, and tokens behind them are paid",
}
"""What may be left out, with what is said of it; nothing else is, for it would change what is
measured without being seen."""
_CHANGED = {
    "temperature": "temperature is left to the server: greedy answers are samples like any other",
    "top_p": "top_p is left to the server, whose default may cut the distribution",
    "max_tokens": "the length of answers is left to the server: --max-new-tokens does not hold",
}
"""What is said where the user leaves out what decides the answers."""
_THINKS = (
    "stop strings are not sent where the server's model thinks, lest they end its thinking: they are "
    "cut here, and tokens behind them are paid"
)
_MOST_WORDS = 4000
"""Characters of a server's words that are looked at."""
_LIMIT = re.compile(
    r"(?:max(?:imum)?(?: length| number)?|up to|at most|more than)\D{0,20}(\d{1,3})"
)


@final
class Habits:
    """What is known of a server's habits; shared by all threads that ask it."""

    def __init__(
        self,
        leave_out: Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        least_temperature: float = 0.0,
    ) -> None:
        """Begin with what the user said.

        Args:
            leave_out: Fields that no request holds.
            rename: Fields that requests hold under another name.
            least_temperature: Smallest temperature that is asked for.
        """
        self._left_out = set(leave_out)
        self._renamed = dict(rename or {})
        self._least = least_temperature
        self._stops: int | None = None
        self._thinks: set[str] = set()
        self._notes: dict[str, None] = {}
        self._lock = threading.Lock()
        if leave_out:
            self.note(f"left out of every request, as asked: {', '.join(leave_out)}")
        for name in leave_out:
            if name in _CHANGED:
                self.note(_CHANGED[name])
        for old, new in self._renamed.items():
            self.note(f"{old} is sent as {new}, as asked")
        if least_temperature:
            self.note(
                f"greedy answers are drawn at temperature {least_temperature:g}, as asked: "
                "they may differ from the likeliest"
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, each once, in the order in which it was learnt."""
        with self._lock:
            return tuple(self._notes)

    @property
    def is_single(self) -> bool:
        """Whether one request draws one sample, whatever is asked."""
        return "n" in self._left_out

    def note(self, words: str) -> None:
        """Say something once."""
        with self._lock:
            self._notes.setdefault(words)

    def give_one(self) -> None:
        """Learn that a request for several samples gives fewer."""
        self._leave_out("n", "the server gives fewer texts than asked: one request a sample")

    @property
    def thinking(self) -> frozenset[str]:
        """Paths at which the model was seen to think."""
        with self._lock:
            return frozenset(self._thinks)

    def think(self, path: str) -> None:
        """Learn that the model thinks where it is asked at this path."""
        with self._lock:
            self._thinks.add(path)

    def fit(self, path: str, body: Json) -> Json:
        """Return the body of a request in the form that the server takes."""
        with self._lock:
            left_out, renamed = set(self._left_out), dict(self._renamed)
            stops, thinks = self._stops, path in self._thinks
        if thinks and body.get("stop"):
            left_out.add("stop")
            self.note(_THINKS)
        fitted: Json = {}
        for name, value in body.items():
            if name in left_out:
                continue
            if name == "stop" and isinstance(value, list):
                value = value[:stops]  # noqa: PLW2901 - what is sent of it
            if name == "temperature" and isinstance(value, int | float):
                value = max(value, self._least)  # noqa: PLW2901
            fitted[renamed.get(name, name)] = value
        return fitted

    def learn(self, told: Told, sent: Json, status: int) -> None:
        """Learn from a refusal what to leave out or to rename; nothing where that would be no repair.

        Args:
            told: What the server said.
            sent: The body that it refused.
            status: Its status.
        """
        for name in refused(told, sent, status):
            stops, limit = sent.get("stop"), _LIMIT.search(told.words[:_MOST_WORDS])
            if name == "stop" and isinstance(stops, list) and limit is not None:
                most = int(limit[1])
                if 0 < most < len(stops):
                    with self._lock:
                        self._stops = min(most, self._stops or most)
                    self.note(f"the server takes {most} stop strings at most: others are cut here")
                    continue
            if name in _LEFT_OUT:
                self._leave_out(name, _LEFT_OUT[name])
            elif name in _OTHER:
                with self._lock:
                    self._renamed[name] = _OTHER[name]
                self.note(f"the server refuses {name}: it is sent as {_OTHER[name]}")

    def _leave_out(self, name: str, words: str) -> None:
        with self._lock:
            is_news = name not in self._left_out
            self._left_out.add(name)
        if is_news:
            self.note(words)


def names_of(text: str) -> tuple[str, ...]:
    """Read `leave_out`: names of parameters with commas between them.

    >>> names_of("seed, top_p")
    ('seed', 'top_p')

    Raises:
        ConfigError: no names, or one that no request can do without.
    """
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    for name in names:
        if not _NAME.fullmatch(name) or name in _KEPT:
            raise ConfigError(
                "leave_out with what is no parameter that could be left out",
                "names of parameters with commas between them",
                "such as leave_out=seed,top_p",
            )
    return names


def renames_of(text: str) -> dict[str, str]:
    """Read `rename`: pairs `OLD:NEW` with commas between them.

    >>> renames_of("max_tokens:max_completion_tokens")
    {'max_tokens': 'max_completion_tokens'}

    Raises:
        ConfigError: no pairs of names, or one name twice.
    """
    pairs = [pair.strip().split(":") for pair in text.split(",")] if text else []
    fit = all(len(pair) == 2 and all(map(_NAME.fullmatch, pair)) for pair in pairs)
    olds, news = [pair[0] for pair in pairs], [pair[-1] for pair in pairs]
    known = ("model", "max_tokens", "temperature", "top_p", "seed", "n", "stop", "logprobs", *_KEPT)
    if not fit or len({*olds, *news}) < 2 * len(pairs) or set(news) & set(known):
        raise ConfigError(
            "rename that gives no parameter another name",
            "pairs OLD:NEW with commas between them",
            "such as rename=max_tokens:max_completion_tokens",
        )
    return dict(zip(olds, news, strict=True))
