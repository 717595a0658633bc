"""Writes the best training by reward as a ready-to-run script for TRL."""

import json
from pathlib import Path

import click

from modicum.cli.folder import open_study
from modicum.exporting.handoff import hand_off, winner
from modicum.files.foreign import refuse_links
from modicum.stats.written import percent
from modicum.study.trust import refuse_untrusted

__all__ = ["command"]


@click.command("handoff")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--shots",
    type=click.IntRange(1),
    metavar="N",
    help="Hand over the run with N examples. [the best one]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder to write. [STUDY/handoff]",
)
@click.option(
    "--trust", is_flag=True, help="Allow the study to run code, contact servers and read keys."
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(
    folder: Path, shots: int | None, out: Path | None, *, trust: bool, wants_json: bool
) -> None:
    """Writes train.py, which trains with TRL's GRPOTrainer, and its examples, shots.jsonl.

    The hyper-parameters are those of the best `rlvr` of the study: it must have run that method.

    Example: modicum handoff runs/organism --out to-scale
    """
    store, plan = open_study(folder)
    refuse_untrusted(plan, trusted=trust, where=str(folder))
    outcome = winner(store, shots)
    refuse_untrusted(plan, trusted=trust, where=str(folder), trials=[outcome.trial])
    place = out or folder / "handoff"
    if out is None:
        refuse_links(folder, place)
    handed = hand_off(plan, store, outcome, place)
    store.close()
    if wants_json:
        files = [str(path) for path in handed.files]
        found = {"trial": handed.trial.id, "score": handed.score, "files": files}
        click.echo(json.dumps(found))
        return
    trial = handed.trial
    click.echo(
        f"Recipe       {trial.method} n={trial.n_shots} on {trial.model}: {percent(handed.score)} "
        "correct"
    )
    click.echo(f"Script       {handed.files[0]}")
    click.echo(f"Data         {handed.files[1]}")
