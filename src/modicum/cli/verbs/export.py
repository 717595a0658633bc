"""Writes the recommended method in the forms that other tools load, and checks each."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from modicum.cli.columns import columns, wrapped
from modicum.cli.folder import kept_tasks, open_study
from modicum.cli.pick_rung import pick_options, picked_trial, place_of, subject_of, verdict_on
from modicum.cli.progress import waiting
from modicum.errors import ConfigError
from modicum.export import EXPORTS
from modicum.exporting.exporter import Exported, Finished, export, finished, fitting
from modicum.files.foreign import refuse_links
from modicum.plain import JsonValue
from modicum.report.untrusted import visible
from modicum.running.kept_verdicts import recalled
from modicum.study.trust import refuse_untrusted

__all__ = ["command"]

AUTO = "auto"
"""Every form that fits."""
FORMS = (AUTO, *EXPORTS.entries)


@click.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@pick_options("Export this method, such as 'fine_tune n=4', or `prompt`. [the recommended one]")
@click.option(
    "--form",
    metavar="FORM",
    multiple=True,
    type=click.Choice(FORMS),
    help=f"Form to write: {', '.join(FORMS)}. Can be repeated. [auto: all that fit]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder to write. [STUDY/exports/METHOD]",
)
@click.option(
    "--trust", is_flag=True, help="Allow the study to run code, contact servers and read keys."
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(folder: Path, **options: object) -> None:
    """Writes the method that the study recommends in every form that fits, one folder a form.

    Each is loaded back by the tool that it is for, and its answers are compared, before it gets
    its name. `modicum run --model FOLDER` opens it again.

    Example: modicum export runs/organism --rung fine_tune --form peft
    """
    store, plan = open_study(folder)
    refuse_untrusted(plan, trusted=bool(options["trust"]), where=str(folder))
    with kept_tasks(plan, store):
        verdicts = recalled(plan, store)
    subject = subject_of(plan, options["model"], options["task"], verdicts)
    verdict = verdict_on(subject, verdicts)
    seed = int(str(options["seed"]))
    trial, why = picked_trial(verdict, subject, options["name"], options["n_shots"], seed)
    found = finished(subject, trial, store, verdict)
    wanted = [str(form) for form in options["form"] if form != AUTO]  # type: ignore[attr-defined]
    fits, refused = fitting(found, wanted)
    if wanted and refused:
        raise next(iter(refused.values()))
    if not fits:
        raise ConfigError(
            f"{trial.method}, which fits no form",
            "a prompt, a decoding rule, a vector or tuned weights",
            "; ".join(f"{name}: {error.found}" for name, error in refused.items()),
        )
    given = options["out"]
    out = given if isinstance(given, Path) else place_of(store, trial)
    if given is None:
        for name in fits:
            refuse_links(store.folder, out / name)
    with waiting(f"loading {visible(subject.model)}"):
        written = export(found, fits, store, out)
    store.close()
    if options["wants_json"]:
        click.echo(json.dumps(_json(found, written, refused, why), indent=1))
        return
    click.echo("\n".join(_text(found, written, refused, why)))


def _text(
    found: Finished,
    written: Sequence[Exported],
    refused: Mapping[str, ConfigError],
    why: str,
) -> list[str]:
    """Lay out what was written, how far each is from what it was made from, and what does not fit."""
    trial, subject = found.trial, found.subject
    shots = f" n={trial.n_shots}" if trial.n_shots else ""
    head = f"{trial.method}{shots}, seed {trial.seed}, of {subject.task} on {subject.model}"
    rows = [["form", "bytes", "loaded back by", "compared", "found", "allowed"]]
    for one in written:
        back = one.loaded_back
        rows.append(
            [
                one.form,
                f"{one.bytes:,}",
                back.target,
                back.measure,
                f"{back.value:.1e}" if back.value else "0",
                f"{back.limit:g}",
            ]
        )
    lines = [*wrapped(head), *wrapped(f"Why      {why}"), ""]
    lines += columns(rows, right=(1, 4, 5), elastic=(2, 3))
    lines += ["", *(f"Folder   {visible(str(one.folder))}" for one in written)]
    if refused:
        lines += wrapped(f"No fit   {', '.join(refused)}; try --form NAME to see why")
    return lines


def _json(
    found: Finished,
    written: Sequence[Exported],
    refused: Mapping[str, ConfigError],
    why: str,
) -> dict[str, JsonValue]:
    trial = found.trial
    return {
        "schema": 1,
        "model": found.subject.model,
        "task": found.subject.task,
        "method": trial.method,
        "n_shots": trial.n_shots,
        "seed": trial.seed,
        "why": why,
        "exports": [
            {
                "form": one.form,
                "folder": str(one.folder),
                "bytes": one.bytes,
                "loaded_back": {
                    **dataclasses.asdict(one.loaded_back),
                    "holds": one.loaded_back.holds,
                },
            }
            for one in written
        ],
        "refused": {
            name: {"found": e.found, "expected": e.expected, "do": e.action}
            for name, e in refused.items()
        },
    }
