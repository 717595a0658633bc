"""The options of `run`, in the groups that its help shows."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from modicum.cli.help_layout import in_group, option
from modicum.cli.option_types import counts, names
from modicum.cli.task_options import task_options

__all__ = ["run_options"]

F = TypeVar("F", bound=Callable[..., object])

PATH = click.Path(path_type=Path)


def _retained(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """Read names with commas, once or several times; the path of a file stays whole."""
    parts = [part for v in values for part in ([v] if Path(v).exists() else v.split(","))]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


WHAT = in_group(
    "What to run",
    option("--model", metavar="MODEL", help="A name, a folder or a hub id. [organism]"),
    option(
        "--task",
        metavar="TASK",
        help="A built-in task, gym:DATASET, or a file (.jsonl, .csv, .parquet). [all tasks of the "
        "built-in toy model]",
    ),
    option(
        "--twin",
        metavar="MODEL",
        help="A comparable model known to lack the ability: shows whether fine-tuning taught it or "
        "released it.",
    ),
    option(
        "--reference",
        metavar="MODEL",
        help="A second model to measure against, such as the reasoning version of this one.",
    ),
)
LADDER = in_group(
    "The ladder",
    option(
        "--methods",
        metavar="NAMES",
        callback=names,
        help="Methods to try, separated by commas; `modicum list methods` shows all. [those that "
        "fit the task]",
    ),
    option(
        "--shots",
        metavar="N,N,…",
        callback=counts,
        help="Numbers of labelled examples to try with each method that takes labels. [1,4,8]",
    ),
    option(
        "--set",
        "settings",
        metavar="METHOD.FIELD=VALUE",
        multiple=True,
        help="Change a setting of a method. Can be repeated.",
    ),
    option(
        "--prefer",
        type=click.Choice(["serve", "labels", "train"]),
        help="What to minimise when choosing what to ship: cost per answer (serve), labels, or "
        "training. [serve]",
    ),
    option(
        "--max-labels",
        metavar="N",
        type=int,
        help="Ship nothing that was made with more labels than this.",
    ),
    option(
        "--probes",
        metavar="NAMES",
        callback=names,
        help="Extra questions to ask of the model, separated by commas; `modicum list probes` "
        "shows all. [none]",
    ),
)
SIZES = in_group(
    "Sizes",
    option(
        "--quick",
        is_flag=True,
        help="A quick look: 60 problems, 16 samples, 1 seed. Sizes that you give count first.",
    ),
    option("--test", metavar="N", type=int, help="Number of test problems. [400]"),
    option(
        "--selection",
        metavar="N",
        type=int,
        help="Number of labelled problems used to choose the best plain prompt. [40]",
    ),
    option(
        "--samples",
        metavar="N",
        type=int,
        help="Number of samples drawn for each problem to find the ceiling. [64]",
    ),
    option(
        "--ceiling-test",
        metavar="N",
        type=int,
        help="Draw samples and branches for the first N test problems only. [all]",
    ),
    option(
        "--seeds",
        metavar="N",
        type=int,
        help="Number of different draws of examples for each method that takes labels. [3]",
    ),
    option(
        "--stream",
        metavar="NAME",
        help="Random seed by name; another name draws other problems, examples and samples.",
    ),
    option(
        "--max-new-tokens",
        metavar="N",
        type=int,
        help="Longest answer, in tokens. [the task's own limit]",
    ),
    option(
        "--retain",
        metavar="TASKS",
        multiple=True,
        callback=_retained,
        help="Also measure on this task or file, to see what a method breaks; `text` measures "
        "perplexity only, `none` skips it. Can be repeated. [the task's own, or text]",
    ),
    option(
        "--retain-test",
        metavar="N",
        type=int,
        help="Number of problems of each such task. [200]",
    ),
)
PROMPT = in_group(
    "Prompt",
    option(
        "--system",
        metavar="FILE",
        type=PATH,
        help="Your own system prompt, in a text file.",
    ),
    option(
        "--template",
        metavar="FILE",
        type=PATH,
        help="Your own prompt with {question} where the question goes, in a text file.",
    ),
    option(
        "--styles",
        type=click.Choice(["default", "all", "own"]),
        help="own: your own prompt is fixed; the floor and every method are asked in it. all: also "
        "try the task's own instruction among the plain prompts. [default]",
    ),
)
COST = in_group(
    "Cost",
    option(
        "--dry-run",
        is_flag=True,
        help="Print what would be run and what it would cost, and do nothing.",
    ),
    option(
        "--budget",
        metavar="TIME",
        help="Stop after this long (90s, 20m, 1h). The baseline is always measured first; skipped "
        "methods are listed.",
    ),
    option(
        "--max-tokens",
        metavar="N",
        type=int,
        help="Stop after this many tokens were sampled or trained.",
    ),
    option("--yes", is_flag=True, help="Do not ask before a study that takes over an hour."),
    option("--no-check", is_flag=True, help="Skip the check."),
    option("--force", is_flag=True, help="Run even where the check finds an error."),
    option(
        "--workers",
        metavar="N",
        type=int,
        help="Number of processes. [one a core for small models, otherwise 1]",
    ),
    option(
        "--executor",
        metavar="NAME",
        help="Where trials run, such as processes?workers=4. [set by --workers]",
    ),
    option(
        "--reuse",
        metavar="FOLDER",
        type=PATH,
        multiple=True,
        help="Reuse finished answers from this study. Can be repeated. [studies beside --out]",
    ),
    option("--no-reuse", is_flag=True, help="Do not reuse answers from other studies."),
)
OUTPUT = in_group(
    "Output",
    option(
        "--out",
        metavar="FOLDER",
        type=PATH,
        help="Study folder; run the same command again to resume. [runs/TASK--MODEL]",
    ),
    option(
        "--no-wait",
        is_flag=True,
        help="Exit if another run is using the folder, instead of waiting for it.",
    ),
    option(
        "--trust",
        is_flag=True,
        help="Allow the study file to run code, contact servers and read keys.",
    ),
)


def run_options(function: F) -> F:
    """Add all options of `run` but those of printing."""
    for group in reversed((WHAT, task_options, LADDER, SIZES, PROMPT, COST, OUTPUT)):
        function = group(function)
    return function
