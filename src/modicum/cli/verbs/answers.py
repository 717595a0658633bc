"""Writes every answer of a study with its mark to a file: Parquet, CSV or JSON lines."""

from pathlib import Path

import click

from modicum.cli.folder import reading
from modicum.running.data_files import check_suffix, write_rows
from modicum.running.data_out import ANSWERS, answer_rows

__all__ = ["command"]


@click.command("answers")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="File to write: .parquet, .csv or .jsonl.",
)
@click.option("--method", metavar="NAME", default="", help="Write only answers of this method.")
@click.option(
    "--standing", is_flag=True, help="Write only the answer that counts, one for each problem."
)
@click.option(
    "--trust", is_flag=True, help="Allow the study to run code, contact servers and read keys."
)
def command(folder: Path, out: Path, method: str, *, standing: bool, trust: bool) -> None:
    """Writes a row for each answer: question, correct answer, text, what was read, its mark.

    What models wrote is written as it is: treat it as data, and never run it.

    Example: modicum answers runs/organism --out answers.parquet
    """
    check_suffix(out)
    with reading(folder, trusted=trust, read_only=True) as (store, _):
        rows = answer_rows(store, standing=standing, method=method)
        n = write_rows(rows, ANSWERS, out)
    click.echo(f"{n:,} answers in {out}: {', '.join(ANSWERS)}")
