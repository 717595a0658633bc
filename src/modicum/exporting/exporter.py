"""From a finished rung to folders that others can load: every form that fits, each loaded back."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modicum import __version__
from modicum.analysis.verdict import RungRow, Verdict, as_json
from modicum.catalog import fields_of
from modicum.errors import CheckpointError, ConfigError
from modicum.export import EXPORTS, PROBES, ExportForm, LoadedBack, Parcel
from modicum.exporting.hub_card import card_text
from modicum.files.manifest import is_export, write_manifest, write_prompt
from modicum.ledger import cost
from modicum.method import method_of
from modicum.model import resolve_backend
from modicum.nudge import Solver, read_nudge
from modicum.outcome import Outcome
from modicum.plain import JsonObject, JsonValue, table_of
from modicum.running.restoring import nudge_folder, restored
from modicum.seeds import key
from modicum.stats import Figure, proportion
from modicum.store.database import Store
from modicum.study.plan import Subject
from modicum.study.problem_sets import problems_of, shots_of
from modicum.study.trial import limited
from modicum.task import resolve_task
from modicum.types import Grade, Problem, Supervision, Trial

__all__ = ["Exported", "Finished", "export", "finished", "fitting"]


@dataclass(frozen=True)
class Finished:
    """A rung that has run, with what the study says of it."""

    subject: Subject
    outcome: Outcome
    parcel: Parcel
    verdict: Verdict | None

    @property
    def trial(self) -> Trial:
        """The rung's trial."""
        return self.outcome.trial

    @property
    def row(self) -> RungRow | None:
        """Its row of the verdict; None where there is none."""
        rows = self.verdict.rungs if self.verdict is not None else ()
        return next((row for row in rows if self.trial.id in row.trials), None)


@dataclass(frozen=True)
class Exported:
    """One folder that was written."""

    form: str
    folder: Path
    bytes: int
    """Of the nudge's own files, card and manifest left out."""
    loaded_back: LoadedBack


def finished(subject: Subject, trial: Trial, store: Store, verdict: Verdict | None) -> Finished:
    """Return a rung as forms see it; loads no weights.

    Raises:
        ConfigError: it has not run, or left nothing.
    """
    outcome = store.read(trial, texts=False)
    if outcome is None or outcome.error:
        raise ConfigError(f"{trial.method} has not run", "a finished rung", "run the study first")
    folder = nudge_folder(outcome, store)
    task = resolve_task(subject.task)
    origin = resolve_backend(subject.model).origin
    problems = problems_of(task, "test", trial.scope)[:PROBES]
    method = method_of(trial)
    parcel = Parcel(
        trial=trial,
        nudge=read_nudge(folder, method.answering, method.changes),
        style=outcome.style,
        sheet=limited(task.sheet, subject.plan),
        questions=tuple(problem.question for problem in problems),
        origin=origin,
        base=_plain(subject.model),
        rule=task.rule,
    )
    return Finished(subject, outcome, parcel, verdict)


def fitting(
    found: Finished, names: Sequence[str] = ()
) -> tuple[dict[str, ExportForm], dict[str, ConfigError]]:
    """Return the forms that fit a nudge, by name, and why the others do not; loads no weights.

    Args:
        found: The rung.
        names: Forms that are wanted; all where empty.

    Raises:
        UnknownNameError: no such form.
    """
    fits: dict[str, ExportForm] = {}
    refused: dict[str, ConfigError] = {}
    for name in names or sorted(EXPORTS.entries):
        form = EXPORTS.build(name)
        if not isinstance(form, ExportForm):
            raise TypeError(name)
        try:
            form.check(found.parcel)
        except ConfigError as error:
            refused[name] = error
        else:
            fits[name] = form
    return fits, refused


def export(
    found: Finished, forms: Mapping[str, ExportForm], store: Store, out: Path
) -> list[Exported]:
    """Write each form into a folder of its own below `out`, once it was loaded back and is right.

    A folder gets its name in one move when it is whole; a former export of the same form gives way.

    Raises:
        ConfigError: `out` cannot be written, or something else lies there.
        CheckpointError: an export that is not what it was made from; nothing of it is left.
    """
    targets = {name: out / name for name in forms}
    for target in targets.values():
        if target.exists() and not is_export(target):
            raise ConfigError(
                f"{target}, which is no export", "a free place", "choose another --out"
            )
    solver = restored(found.subject, found.trial, store).solver
    return [_write(found, name, form, solver, targets[name]) for name, form in forms.items()]


def _write(found: Finished, name: str, form: ExportForm, solver: Solver, target: Path) -> Exported:
    partial = target.with_name(f".{name}.partial-{key(target, found.trial.id):016x}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        form.write(found.parcel, solver, partial)
        write_prompt(partial, found.parcel.style, _stages(found))
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        back = form.load_back(found.parcel, solver, partial)
        if not back.holds:
            raise CheckpointError(
                f"the form {name}, loaded by {back.target}: {back.measure} {back.value:g}",
                f"at most {back.limit:g}",
                "choose another form; nothing of this one was left",
            )
        facts = _facts(found, name, form, back, size)
        card = card_text(facts, _uses(found, form, solver))
        (partial / "README.md").write_text(card, encoding="utf-8")
        write_manifest(partial, facts)
        _put(partial, target)
    except OSError as error:
        raise ConfigError(
            f"{target}: {error.strerror or error}", "a writable folder", "choose another --out"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(name, target, size, back)


def _put(partial: Path, target: Path) -> None:
    """Return a whole folder its name; a former export stands until the new one is whole."""
    if not target.exists():
        partial.rename(target)
        return
    former = partial.with_name(f"{partial.name}.former")
    shutil.rmtree(former, ignore_errors=True)
    target.rename(former)
    partial.rename(target)
    shutil.rmtree(former, ignore_errors=True)


def _facts(
    found: Finished, name: str, form: ExportForm, back: LoadedBack, size: int
) -> dict[str, JsonValue]:
    """Return everything that is known of an export, as plain JSON values."""
    trial, outcome, plan = found.trial, found.outcome, found.subject.plan
    task = resolve_task(found.subject.task)
    is_bare = method_of(trial).supervision == Supervision.QUESTION
    shots = () if is_bare else shots_of(trial, task)
    return {
        "form": name,
        "library": form.library,
        "relation": form.relation,
        "modicum": __version__,
        "method": {
            "name": trial.method,
            "settings": as_json(fields_of(trial.settings)),
            "version": trial.settings.get("version", 1),
            "n_shots": trial.n_shots,
            "seed": trial.seed,
            "changes_model": method_of(trial).changes_model,
            "found": as_json(_found(outcome)),
        },
        "base": {"model": found.subject.model, "name": found.parcel.base, **_base(outcome)},
        "task": {
            "name": found.subject.task,
            "version": task.version,
            "fingerprint": task.fingerprint,
        },
        "study": {"name": plan.name, "trial": str(trial.id), "stream": plan.stream},
        "style": found.parcel.style.name,
        "score": _scores(outcome),
        "rung": _rung(found.row),
        "gap": _gap(found.verdict),
        "costs": _costs(outcome, found.verdict, size),
        "shots": _shots(shots),
        "shots_in_prompt": any(shot.question in found.parcel.style.template for shot in shots),
        "loaded_back": {**dataclasses.asdict(back), "holds": back.holds},
    }


def _uses(found: Finished, form: ExportForm, solver: Solver) -> dict[str, str]:
    """Return the lines of use by runtime, modicum's own first where it opens the form."""
    opens = form.is_model and not _stages(found)
    own = {"modicum": "modicum run --model FOLDER --task TASK"} if opens else {}
    return {**own, **form.uses(found.parcel, solver)}


def _found(outcome: Outcome) -> JsonObject:
    """Return what the method says of its nudge, curves and lists of trials left out."""
    return {k: v for k, v in outcome.made.items() if isinstance(v, str | int | float | bool | dict)}


def _base(outcome: Outcome) -> dict[str, JsonValue]:
    known = {} if outcome.card is None else table_of(outcome.card)
    names = ("weights", "reading", "parameters", "licence", "notes")
    return {name: known.get(name, "") for name in names}


def _scores(outcome: Outcome) -> dict[str, JsonValue]:
    """Return this nudge's accuracy on the study's test problems, read leniently and strictly."""
    marks = [answer.mark for answer in outcome.answers]
    readings = {
        "lenient": [mark.lenient == Grade.CORRECT for mark in marks],
        "strict": [mark.strict == Grade.CORRECT for mark in marks],
    }
    return {
        name: proportion(np.array(right, dtype=np.float64)).as_dict()
        for name, right in readings.items()
        if right
    }


def _rung(row: RungRow | None) -> JsonValue:
    """Return what the verdict says of the rung over all its seeds."""
    if row is None:
        return {}
    return as_json(
        {
            "name": row.name,
            "seeds": row.seeds,
            "score": row.score,
            "gain": row.gain,
            "gap_recovered": row.gap_recovered,
            "is_ceiling": row.is_ceiling,
            "controls": row.controls,
            "control_gaps": row.control_gaps,
            "retention": row.retention,
            "text_perplexity_ratio": row.text_perplexity_ratio,
            "note": row.note,
        }
    )


def _gap(verdict: Verdict | None) -> JsonValue:
    if verdict is None:
        return {}
    ceiling: Figure | None = verdict.ceiling.figure if verdict.ceiling is not None else None
    return as_json(
        {
            "ability": verdict.ability,
            "floor": verdict.floor,
            "ceiling": ceiling,
            "shipped": verdict.ship.name,
        }
    )


def _costs(outcome: Outcome, verdict: Verdict | None, size: int) -> dict[str, JsonValue]:
    spent, served = outcome.elicitation, outcome.serving
    queries = max(1, len(outcome.answers))
    names = ("labels", "judge_calls", "tokens_sampled", "tokens_trained", "updates", "seconds")
    return {
        **{name: spent.get(name, 0) for name in names},
        **{name: spent[name] for name in ("texts", "tokens_texts") if name in spent},
        "measuring_labels": verdict.measuring_labels if verdict is not None else None,
        "flops": cost(spent),
        "serving_flops": cost(served) / queries,
        "bytes": size,
    }


def _shots(shots: Sequence[Problem]) -> list[dict[str, str]]:
    """Return the id of each labelled problem that the nudge saw, and a hash of its content alone."""
    return [{"id": shot.id, "sha256": _digest(shot)} for shot in shots]


def _digest(shot: Problem) -> str:
    text = json.dumps([shot.question, shot.answer, shot.solution], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _stages(found: Finished) -> JsonObject:
    """Return what a prompt that asks in turn needs; empty where it asks once."""
    return found.parcel.nudge.answering.stages() or {}


def _plain(reference: str) -> str:
    """Return a model's name without the path of this machine: a hub id stays as it is."""
    head = reference.partition("?")[0]
    return Path(head).expanduser().resolve().name if Path(head).expanduser().exists() else head
