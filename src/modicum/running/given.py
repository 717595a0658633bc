"""What Python gives a study, as references that a plan can name: models, records, functions."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias, final, runtime_checkable

from modicum.errors import ConfigError
from modicum.marking.own_function import lend_function
from modicum.model import MODELS
from modicum.tables.lent_rows import lend_rows
from modicum.task import full_reference

__all__ = [
    "Given",
    "KeepsModel",
    "Problems",
    "Saying",
    "given_models",
    "given_tasks",
    "refuse_apart",
    "several",
]

Saying: TypeAlias = Callable[..., object]
"""A function of an answer's text and of the gold, and of the question if it wants that."""


@dataclass(frozen=True)
class Problems:
    """A task from records: a list of dictionaries, a data frame, a data set, or a file of them.

    Columns are guessed where they are not named, and the study says what was guessed.

    Example:
        task = modicum.Problems(rows, answer="target", marker=lambda text, answer: answer in text)
        modicum.Study(model="organism", task=task)
    """

    rows: object
    """A list of dictionaries; a table of columns; a pandas, polars or pyarrow table; a data set of the
    package datasets; or the path of a file."""
    _: KW_ONLY
    marker: str | Saying = ""
    """A marker by name, or a function of (text, answer) or (text, answer, question), called by position
    unless it has parameters of these names. It gives True, False, None where it finds no answer, or a
    number, right from 1.0. A function runs in this process and cannot be stopped while it looks at an
    answer. Chosen by the golds where empty."""
    marker_name: str = ""
    """Says what the function is, in place of its code: equal names, equal marks."""
    name: str = "rows"
    """What verdict and folder call the records."""
    test: object = None
    """Records of their own for the test; else the test is a part of `rows`."""
    question: str = ""
    """Column of the question."""
    answer: str = ""
    """Column of the gold."""
    solution: str = ""
    """Column of a worked solution, or `none`."""
    id: str = ""
    """Column of an id that is unique."""
    context: str = ""
    """Columns that stand above the question, parted by commas, or `none`."""
    choices: str = ""
    """Column of the options of a multiple-choice question, or several parted by commas, or `none`."""
    gold_is: Literal["", "label", "text", "from_0", "from_1"] = ""
    """How a gold names its option."""
    odd: Literal["", "refuse", "leave_out"] = ""
    """What becomes of records that cannot be read as the others are: refused where empty."""
    cluster: str = ""
    """Column that names what hangs together, or `near_equal`."""
    difficulty: str = ""
    """Column of the difficulty."""
    preset: Literal["", "gsm8k", "math"] = ""
    """`gsm8k`: the answer stands after `####`; `math`: in the last box of the solution."""
    form: Literal["", "line", "boxed", "hashes"] = ""
    """The answer's exact format: `Answer: X`, a box, `#### X`."""
    template: str = ""
    """The prompt with one `{question}`."""
    instruction: str = ""
    """What asks for the exact format."""
    stop: str = ""
    """Strings that end an answer, parted by `|`."""


@final
@dataclass(frozen=True)
class Given:
    """References, and what keeps alive the things of this process that they name."""

    references: tuple[str, ...]
    kept: tuple[object, ...] = ()
    functions: tuple[str, ...] = ()
    """Names of functions of this process that mark answers."""


@runtime_checkable
class KeepsModel(Protocol):
    """A backend of models that this process has loaded."""

    def lend(self, model: object, tokenizer: object) -> tuple[str, object]:
        """Lend a model; return its reference, and what keeps it in reach."""

    def borrowed(self) -> AbstractContextManager[None]:
        """Give the model back as it was at the end of the block."""

    def keep(self, folder: Path) -> None:
        """Write the model into a folder, unless one is known that holds it."""


def several(one: object, many: Sequence[object], what: str) -> list[object]:
    """Return what was given as one or as many, as a list.

    A list of names, paths, loaded models or `Problems` is several; a list of anything else is one: records.

    Raises:
        ConfigError: nothing, or both.
    """
    is_given = bool(one) if isinstance(one, str | list | tuple) else one is not None
    if is_given and len(many):
        raise ConfigError(f"{what} and {what}s", "one of the two", "leave one out")
    if not is_given and not len(many):
        raise ConfigError(f"no {what}", f"{what}=... or {what}s=[...]", f"give a {what}")
    if not is_given:
        return list(many)
    is_many = isinstance(one, list | tuple) and (
        what == "model" or all(isinstance(x, str | os.PathLike | Problems) for x in one)
    )
    is_pair = isinstance(one, tuple) and len(one) == 2 and not isinstance(one[1], str | os.PathLike)
    return list(one) if isinstance(one, list | tuple) and is_many and not is_pair else [one]


def given_models(models: Sequence[object], tokenizer: object = None) -> Given:
    """Return the references of models.

    Args:
        models: Names, paths, loaded transformers models, pairs (model, tokenizer), or pipelines.
        tokenizer: That of loaded models that come without one.

    Raises:
        ConfigError: a loaded model without its tokenizer, or something else.
    """
    references, kept = [], []
    for one in models:
        if isinstance(one, str | os.PathLike):
            references.append(os.fspath(one))
            continue
        model, own = _pair(one, tokenizer)
        backend = MODELS.build("live")
        if not isinstance(backend, KeepsModel):
            raise TypeError("live")
        reference, loan = backend.lend(model, own)
        references.append(reference)
        kept.append(loan)
    return Given(tuple(references), tuple(kept))


def given_tasks(tasks: Sequence[object], marker: str | Saying = "", marker_name: str = "") -> Given:
    """Return the references of tasks.

    Args:
        tasks: Names, paths, `Problems`, or records.
        marker: How all of them are marked that do not say it themselves; see `Problems.marker`.
        marker_name: See `Problems.marker_name`.

    Raises:
        ConfigError: records that are none, or a function that cannot mark.
    """
    found = [_task(one, marker, marker_name) for one in tasks]
    return Given(
        tuple(reference for given in found for reference in given.references),
        tuple(loan for given in found for loan in given.kept),
        tuple(name for given in found for name in given.functions),
    )


def refuse_apart(given: Sequence[Given], executor: str, workers: int | None) -> None:
    """Refuse other processes for what only this one has.

    Args:
        given: The models and tasks.
        executor: Where trials are to run; here where empty.
        workers: Processes; one where None.

    Raises:
        ConfigError: a loaded model, records or a function, and more than this process.
    """
    lent = [name for one in given if one.kept for name in one.references]
    if lent and (executor not in ("", "here") or (workers or 1) > 1):
        raise ConfigError(
            f"{', '.join(lent)} with {f'executor={executor!r}' if executor else f'workers={workers}'}",
            "this process alone: others do not have its loaded models, records and functions",
            "leave workers and executor out, or give names and paths",
        )


def _pair(one: object, tokenizer: object) -> tuple[object, object]:
    """Return a loaded model and its tokenizer, as they were given."""
    if isinstance(one, tuple) and len(one) == 2:
        return one
    inner, own = getattr(one, "model", None), getattr(one, "tokenizer", None)
    return (inner, own) if own is not None and inner is not None else (one, tokenizer)


def _task(one: object, marker: str | Saying, marker_name: str) -> Given:
    """Return the reference of one task."""
    problems = one if isinstance(one, Problems) else Problems(one)
    kept: list[object] = []
    said = {
        field.name: str(value)
        for field in fields(Problems)
        if field.name not in _OWN and (value := getattr(problems, field.name))
    }
    if problems.test is not None:
        is_file = isinstance(problems.test, str | os.PathLike)
        own_test = problems.test if is_file else _lent(problems.test, f"{problems.name}-test", kept)
        said["test"] = str(own_test)
    own, named = problems.marker or marker, problems.marker_name or marker_name
    functions = []
    if own and not isinstance(own, str):
        loan = lend_function(own, named)
        kept.append(loan)
        functions.append(loan.name)
        own = f"function:{loan.name}"
    if own:
        said["marker"] = own
    if isinstance(problems.rows, str | os.PathLike):
        reference = _with(full_reference(os.fspath(problems.rows)), said)
    else:
        reference = f"records:{_lent(problems.rows, problems.name, kept, said)}"
    return Given((reference,), tuple(kept), tuple(functions))


_OWN = frozenset({"rows", "marker", "marker_name", "name", "test"})
"""Fields of `Problems` that are no settings of a task."""


def _lent(
    rows: object, name: str, kept: list[object], settings: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return the name of records, which are lent."""
    loan = lend_rows(rows, name, settings)
    kept.append(loan)
    return loan.name


def _with(reference: str, settings: Mapping[str, str]) -> str:
    """Return a reference with settings behind it."""
    pairs = [f"{name}={_quoted(value)}" for name, value in settings.items()]
    return reference + ("&" if "?" in reference else "?") * bool(pairs) + "&".join(pairs)


def _quoted(value: str) -> str:
    """Hide the two characters that a reference reads as its own."""
    return value.replace("%", "%25").replace("&", "%26")
