"""Trains nets of several sizes on text, and says how loss falls and what thinking longer brings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click

from modicum.analysis.scale_fits import scale_fits
from modicum.analysis.scale_section import ScaleFindings, scale_section, scale_values
from modicum.analysis.scale_thinking import gains
from modicum.cli.progress import Steps, waiting
from modicum.cli.section_text import section_text
from modicum.doctor.costs import duration
from modicum.ledger import Ledger
from modicum.loading.device import Device, choose_place
from modicum.report.scale_page import write_scale_page
from modicum.stats.written import count
from modicum.study.scale_cells import MeasuredCell
from modicum.study.scale_plan import ScaleCell, read_scale_plan
from modicum.training.scale_cells import ScaleStudy, finished, run_cell, seconds_an_update

__all__ = ["command"]


@click.command("scale")
@click.argument("plan", type=click.Path(path_type=Path), metavar="FILE.toml")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Its folder. [runs/NAME]"
)
@click.option(
    "--device",
    type=click.Choice(get_args(Device)),
    default="cpu",
    help="Where nets are trained. [cpu]",
)
@click.option("--dry-run", is_flag=True, help="Say what it would take, and train nothing.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(
    plan: Path, out: Path | None, device: Device, *, dry_run: bool, wants_json: bool
) -> None:
    """Trains nets of several sizes on text, and says how loss falls and what thinking longer brings.

    Every net, amount of text and seed is a training; each is kept as it ends, and the same command resumes
    a stopped run. Then: power laws along text, parameters, depth, FLOPs and inner steps, losses at equal
    FLOPs, gains from thinking by the distance of the shift. scale.html in the folder has the pictures.

    Example: modicum scale studies/scale_text.toml
    """
    study = ScaleStudy.of(read_scale_plan(plan))
    folder = out or Path("runs") / study.plan.name
    place = choose_place(device, "float32", 0).device
    waited = [cell for cell in study.cells if finished(study, cell, folder) is None]
    if dry_run:
        _forecast(study, waited, place, wants_json=wants_json)
        return
    _run(study, waited, folder, place)
    cells = [finished(study, cell, folder) for cell in study.cells]
    found = _findings(study, [cell for cell in cells if cell is not None])
    with waiting("drawing the page"):
        write_scale_page(found, folder / "scale.html")
    if wants_json:
        said = {"schema": 1, "folder": str(folder), **scale_values(found)}
        click.echo(json.dumps(said, indent=1))
        return
    click.echo(section_text(scale_section(found)))
    click.echo(f"\nwritten to {folder / 'scale.html'}")


def _run(study: ScaleStudy, waited: Sequence[ScaleCell], folder: Path, place: str) -> None:
    """Train and measure what is missing, while a bar says how it stands."""
    before, tokens = 0, 0
    with Steps(sum(cell.steps for cell in waited), "updates") as steps:
        for number, cell in enumerate(waited, start=1):
            which = f"training {number} of {len(waited)}"

            def watch(
                ledger: Ledger, done: int = before, read: int = tokens, which: str = which
            ) -> None:
                said = ledger.said.partition("  ")[2] or ledger.said
                steps.at(done + ledger.updates, ", ".join(filter(None, (which, said))))
                steps.beat(read + ledger.tokens_trained)

            steps.at(before, which)
            run_cell(study, cell, folder, place, watch)
            before += cell.steps
            tokens += cell.steps * cell.batch * cell.length


def _forecast(
    study: ScaleStudy, waited: Sequence[ScaleCell], place: str, *, wants_json: bool
) -> None:
    """Print how many trainings there are, and how long they should take by a few timed updates each."""
    paces: dict[str, float] = {}
    with waiting("timing a few updates of each net"):
        for cell in waited:
            if cell.net not in paces:
                paces[cell.net] = seconds_an_update(study, cell, place)
    seconds = sum(paces[cell.net] * cell.steps for cell in waited)
    if wants_json:
        said = {
            "schema": 1,
            "trainings": len(study.cells),
            "finished": len(study.cells) - len(waited),
            "updates": sum(cell.steps for cell in waited),
            "seconds": seconds,
            "seconds_an_update": paces,
        }
        click.echo(json.dumps(said, indent=1))
        return
    done, updates = len(study.cells) - len(waited), sum(cell.steps for cell in waited)
    click.echo(
        f"{count(len(study.cells), 'training')}, {done} finished; the others take "
        f"{count(updates, 'update')}, about {duration(seconds)} here, and measuring"
    )
    for net, pace in paces.items():
        click.echo(f"  {net}: {1000 * pace:.0f} ms an update")


def _findings(study: ScaleStudy, cells: Sequence[MeasuredCell]) -> ScaleFindings:
    """Return what finished trainings say."""
    plan, fixed = study.plan, {"none": 0.0, "fitted": None}
    shifts = study.corpus.shifts
    offsets = {
        shift.distance: fixed[plan.offset]
        if plan.offset in fixed
        else _source(study, shift.entropy)
        for shift in shifts
    }
    with waiting("fitting"):
        fits = scale_fits(cells, offsets, plan.part)
        return ScaleFindings(
            plan.name,
            study.corpus.name,
            plan.part,
            shifts,
            len(study.cells),
            len(cells),
            fits,
            tuple(gains(fits.groups, plan.part)),
            max(1, len(plan.rates)),
        )


def _source(study: ScaleStudy, entropy: float | None) -> float:
    """Return what losses fall to by the source: of characters that are asked it is not known, so 0."""
    return entropy or 0.0 if study.plan.part == "whole" else 0.0
