"""Answers a new question with the floor and with the recommended nudge, side by side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from modicum.analysis.recall import recalled
from modicum.cli.columns import WIDTH, beside, wrapped
from modicum.cli.folder import open_study
from modicum.cli.progress import waiting
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.report import words
from modicum.report.untrusted import visible
from modicum.seeds import key
from modicum.store import Store
from modicum.study import Plan, Subject
from modicum.types import Problem, Trial
from modicum.verdict import RungRow, Verdict
from modicum.workbench import restored, rung

__all__ = ["command"]

FLOOR = "floor"
"""Name of the answer without a nudge."""
PROMPT = "prompt"
"""What a verdict calls the floor's own prompt."""


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
@click.option("--rung", "name", help="Another rung than the recommended, such as cot_decoding.")
@click.option("--n-shots", type=click.IntRange(0), help="Its shots. [the most that were tried]")
@click.option("--seed", type=click.IntRange(0), default=0, help="Which draw of its shots. [0]")
@click.option("--model", help="Where the study has several.")
@click.option("--task", help="Where the study has several.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(folder: Path, question: str, **options: object) -> None:
    """Answers a question with the floor and with the nudge that the study recommends.

    Example: modicum ask runs/organism "Ann has 5 pears, gets 3. How many?" --task word_sums
    """
    if not question.strip():
        raise ConfigError("an empty question", "a question as the task asks it", "write one")
    store, plan = open_study(folder)
    subject = _subject(plan, options["model"], options["task"])
    verdict = next(
        (v for v in recalled(plan, store) if (v.model, v.task) == (subject.model, subject.task)),
        None,
    )
    row, why = _pick(verdict, subject, options["name"], options["n_shots"])
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


def _subject(plan: Plan, model: object, task: object) -> Subject:
    """Gives the one subject that is meant."""
    fits = [s for s in plan.subjects() if model in (None, s.model) and task in (None, s.task)]
    if len(fits) == 1:
        return fits[0]
    known = "; ".join(f"--model {s.model} --task {s.task}" for s in plan.subjects())
    raise ConfigError(
        f"{len(fits)} subjects of this study fit", "one model and one task", f"choose of: {known}"
    )


def _pick(
    verdict: Verdict | None, subject: Subject, name: object, n_shots: object
) -> tuple[tuple[str, str, int] | None, str]:
    """Gives the rung to set beside the floor as (name, method, shots), and why it is this one.

    Raises:
        ConfigError: a rung that the study does not have, or no verdict to recommend one.
    """
    if name is not None:
        method, _, shots = str(name).replace("-", "_").partition(" n=")
        known = sorted(t.n_shots for t in subject.rungs() if t.method == method)
        wanted = n_shots if isinstance(n_shots, int) else int(shots) if shots.isdigit() else None
        chosen = wanted if wanted is not None else max(known, default=0)
        return (f"{method} n={chosen}" if chosen else method, method, chosen), "chosen by --rung"
    if n_shots is not None:
        raise ConfigError("--n-shots without --rung", "both", "name the rung")
    if verdict is None:
        raise ConfigError(
            f"no verdict on {subject.model}, {subject.task} yet",
            "a study whose measures have run",
            "run it on: `modicum run` with the same folder; or name a rung with --rung",
        )
    if verdict.ship.name == PROMPT:
        return None, f"the study recommends the floor's own prompt: {verdict.ship.why}"
    row = _row(verdict, verdict.ship.name)
    if row is None:
        return None, f"the study recommends no nudge: {verdict.ship.why}"
    return (row.name, row.method, row.n_shots), verdict.ship.why


def _row(verdict: Verdict, name: str | None) -> RungRow | None:
    return next((row for row in verdict.rungs if row.name == name), None)


def _ask(subject: Subject, trial: Trial, store: Store, name: str, question: str) -> _Said:
    """Restores one solver and lets it answer."""
    elicited, ledger = restored(subject, trial, store), Ledger()
    problem = Problem(f"asked/{key(question):016x}", question)
    [solved] = elicited.solve([problem], ledger)
    return _Said(name, solved.text, elicited.read(solved.text), len(solved.completions), ledger)


def _serving(verdict: Verdict | None, said: Sequence[_Said]) -> str:
    """Says what serving the nudge costs: for this question, and a query of the test set."""
    if len(said) < 2:
        return ""
    floor, nudged = said
    here = words.multiple(nudged.ledger.flops / floor.ledger.flops if floor.ledger.flops else None)
    row, base = (
        (_row(verdict, nudged.name), words.serving_base(verdict)) if verdict else (None, None)
    )
    there = words.multiple(row.serving_flops / base) if row is not None and base else words.MISSING
    return f"{nudged.name} took {here} the floor's FLOPs here, {there} a query on the test set"


def _text(
    subject: Subject, question: str, said: Sequence[_Said], why: str, serving: str
) -> list[str]:
    """Lays both answers out side by side."""
    half = (WIDTH - 3) // 2
    lines = [f"{visible(subject.task)} on {visible(subject.model)}", "", *wrapped(question), ""]
    sides = [_side(one, half if len(said) > 1 else WIDTH) for one in said]
    lines += beside(sides[0], sides[1]) if len(sides) > 1 else sides[0]
    if serving:
        lines += ["", *wrapped(f"Serving  {serving}")]
    return [*lines, "", *wrapped(f"Why      {why}")]


def _side(said: _Said, width: int) -> list[str]:
    drawn = f", chosen of {said.drawn} drawn" if said.drawn > 1 else ""
    read = "nothing could be read" if said.answer is None else f"read as {said.answer}"
    tokens = f"{said.ledger.tokens_sampled:,} tokens sampled, {said.ledger.tokens_prompt:,} prompt"
    head = [*wrapped(f"{said.name}{drawn}", width), *wrapped(read, width), *wrapped(tokens, width)]
    return [*head, "", *wrapped(said.text, width)]


def _json(
    subject: Subject, question: str, said: Sequence[_Said], why: str, serving: str
) -> dict[str, object]:
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
