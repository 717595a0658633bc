"""Answers a question plainly and with the recommended method, side by side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from modicum.analysis.verdict import Verdict
from modicum.cli.columns import WIDTH, beside, wrapped
from modicum.cli.folder import kept_tasks, open_study
from modicum.cli.pick_rung import pick, pick_options, row_of, subject_of, verdict_on
from modicum.cli.progress import waiting
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.plain import JsonValue
from modicum.report import words
from modicum.report.untrusted import visible
from modicum.running.kept_verdicts import recalled
from modicum.running.restoring import restored, rung
from modicum.seeds import key
from modicum.store.database import Store
from modicum.study.plan import Subject
from modicum.study.trust import refuse_untrusted
from modicum.types import Problem, Trial

__all__ = ["command"]

FLOOR = "floor"
"""Name of the answer without a nudge."""


@dataclass(frozen=True)
class _Said:
    """One answer to the question."""

    name: str
    """`floor`, or the rung's name."""
    text: str
    answer: str | None
    """The answer read."""
    drawn: int
    """Completions drawn for it."""
    ledger: Ledger
    """What answering cost."""


@click.command("ask")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("question")
@pick_options("Answer with this method, such as 'fine_tune n=4'. [the recommended one]")
@click.option(
    "--trust", is_flag=True, help="Allow the study to run code, contact servers and read keys."
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(folder: Path, question: str, **options: object) -> None:
    """Answers a question plainly and with the method that the study recommends, side by side.

    The question should be like those of the study's task: the built-in toy model knows no others.

    Example: modicum ask runs/organism "QUESTION"
    """
    if not question.strip():
        raise ConfigError("an empty question", "a question as the task asks it", "write one")
    store, plan = open_study(folder)
    refuse_untrusted(plan, trusted=bool(options["trust"]), where=str(folder))
    with kept_tasks(plan, store):
        verdicts = recalled(plan, store)
    subject = subject_of(plan, options["model"], options["task"], verdicts)
    verdict = verdict_on(subject, verdicts)
    row, why = pick(verdict, subject, options["name"], options["n_shots"])
    trials = [(FLOOR, subject.floor())]
    if row is not None:
        name, method, n_shots = row
        trials.append((name, rung(subject, method, n_shots, int(str(options["seed"])))))
    with waiting(f"loading {visible(subject.model)}"):
        said = [_ask(subject, trial, store, name, question) for name, trial in trials]
    store.close()
    serving = _serving(verdict, said)
    if options["wants_json"]:
        click.echo(json.dumps(_json(subject, question, said, why, serving), indent=1))
        return
    click.echo("\n".join(_text(subject, question, said, why, serving)))


def _ask(subject: Subject, trial: Trial, store: Store, name: str, question: str) -> _Said:
    """Restore one solver and lets it answer."""
    elicited, ledger = restored(subject, trial, store), Ledger()
    problem = Problem(f"asked/{key(question):016x}", question)
    [solved] = elicited.solve([problem], ledger)
    return _Said(name, solved.text, elicited.read(solved.text), len(solved.completions), ledger)


def _serving(verdict: Verdict | None, said: Sequence[_Said]) -> str:
    """Say what serving the nudge costs: for this question, and a query of the test set."""
    if len(said) < 2:
        return ""
    floor, nudged = said
    here = words.multiple(nudged.ledger.flops / floor.ledger.flops if floor.ledger.flops else None)
    row, base = (
        (row_of(verdict, nudged.name), words.serving_base(verdict)) if verdict else (None, None)
    )
    there = words.multiple(row.serving_flops / base) if row is not None and base else words.MISSING
    return f"{nudged.name} took {here} the floor's FLOPs here, {there} per answer on the test set"


def _text(
    subject: Subject, question: str, said: Sequence[_Said], why: str, serving: str
) -> list[str]:
    """Lay both answers out side by side."""
    half = (WIDTH - 3) // 2
    lines = [f"{visible(subject.task)} on {visible(subject.model)}", "", *wrapped(question), ""]
    sides = [_side(one, half if len(said) > 1 else WIDTH) for one in said]
    lines += beside(sides[0], sides[1]) if len(sides) > 1 else sides[0]
    if serving:
        lines += ["", *wrapped(f"Cost     {serving}")]
    return [*lines, "", *wrapped(f"Why      {why}")]


def _side(said: _Said, width: int) -> list[str]:
    drawn = f", chosen of {said.drawn} drawn" if said.drawn > 1 else ""
    read = "nothing could be read" if said.answer is None else f"read as {said.answer}"
    tokens = f"{said.ledger.tokens_sampled:,} tokens sampled, {said.ledger.tokens_prompt:,} prompt"
    head = [*wrapped(f"{said.name}{drawn}", width), *wrapped(read, width), *wrapped(tokens, width)]
    return [*head, "", *wrapped(said.text, width)]


def _json(
    subject: Subject, question: str, said: Sequence[_Said], why: str, serving: str
) -> dict[str, JsonValue]:
    return {
        "schema": 1,
        "model": subject.model,
        "task": subject.task,
        "question": question,
        "answers": [
            {
                "rung": one.name,
                "text": one.text,
                "answer": one.answer,
                "drawn": one.drawn,
                "tokens_sampled": one.ledger.tokens_sampled,
                "tokens_prompt": one.ledger.tokens_prompt,
                "flops": one.ledger.flops,
            }
            for one in said
        ],
        "why": why,
        "serving": serving,
    }
