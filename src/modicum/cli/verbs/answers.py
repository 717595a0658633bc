"""Writes every answer of a study with its mark into a file for data frames: Parquet, CSV or JSON lines."""

from pathlib import Path

import click

from modicum.cli.folder import reading
from modicum.running.data_files import check_suffix, write_rows
from modicum.running.data_out import ANSWERS, answer_rows

__all__ = ["command"]


@click.command("answers")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="FILE.parquet, .csv or .jsonl."
)
@click.option("--method", default="", help="Only answers of this method.")
@click.option("--standing", is_flag=True, help="Only the answer that counts, one a problem.")
@click.option("--trust", is_flag=True, help="Let the study's plan start code, servers and keys.")
def command(folder: Path, out: Path, method: str, *, standing: bool, trust: bool) -> None:
    """Writes one row an answer: question, gold, text, what was read, whether it is correct.

    Texts of models are written as they are: look at them as data, and never run them.

    Example: modicum answers runs/organism --out answers.parquet
    """
    check_suffix(out)
    with reading(folder, trusted=trust, read_only=True) as (store, _):
        rows = answer_rows(store, standing=standing, method=method)
        n = write_rows(rows, ANSWERS, out)
    click.echo(f"{n:,} answers in {out}: {', '.join(ANSWERS)}")
