"""Trials and their completions as plain text for a terminal; what models wrote is made visible."""

from collections.abc import Iterator, Mapping, Sequence

from modicum.analysis.feature import feature_facts
from modicum.analysis.gather import correctness
from modicum.analysis.printed import control_name, printed
from modicum.cli.columns import WIDTH, columns, wrapped
from modicum.plain import JsonObject, thawed
from modicum.report import words
from modicum.report.untrusted import visible
from modicum.stats import Figure, proportion
from modicum.store.database import Outcome, StoredAnswer
from modicum.types import Grade, Problem, Style, Trial

__all__ = ["completion_text", "scores", "spent", "trial_text", "trials_text"]

ID = 8
"""Digits of a trial's id in the list; enough of them to name it."""
LABEL = 12
"""Columns before a fact."""
INDENT = 4
"""Columns before a completion's text."""
HEADS = (
    "trial",
    "model",
    "task",
    "method",
    "shots",
    "seed",
    "control",
    "correct",
    "labels",
    "time",
)


def scores(outcome: Outcome) -> dict[str, Figure]:
    """Return lenient and strict accuracy of the answers that stand; nothing for a failed trial."""
    if not outcome.answers:
        return {}
    return {
        "lenient": proportion(correctness(outcome.answers)),
        "strict": proportion(correctness(outcome.answers, strict=True)),
    }


def spent(outcome: Outcome, name: str) -> float:
    """Return what eliciting and serving spent together."""
    return float(outcome.elicitation.get(name, 0)) + float(outcome.serving.get(name, 0))


def trials_text(outcomes: Sequence[Outcome], width: int) -> str:
    """Return one line a trial, and below them why some failed.

    What all of them share is said once above; where they are still too wide, figures that the page
    of a trial holds as well give way, then names. What tells trials apart is never shortened.
    """
    named = {"model": [o.trial.model for o in outcomes], "task": [_task(o.trial) for o in outcomes]}
    shared = [head for head, names in named.items() if len(set(names)) == 1]
    heads = [head for head in HEADS if head not in shared]
    rows = [dict(zip(HEADS, cells, strict=True)) for cells in (HEADS, *map(_row, outcomes))]
    for spare in ("time", "labels"):
        if _needed(rows, heads) > width:
            heads.remove(spare)
    right = [i for i, head in enumerate(heads) if head in ("shots", "seed", "labels", "time")]
    elastic = [i for i, head in enumerate(heads) if head in ("model", "task", "control")]
    cells = [[row[head] for head in heads] for row in rows]
    lines = columns(cells, right=right, elastic=elastic, width=width)
    if shared and outcomes:
        same = [f"{head} {named[head][0]}" for head in shared]
        lines = [*wrapped(", ".join(same), width), "", *lines]
    for outcome in outcomes:
        if outcome.error:
            first = f"{outcome.trial.id[:ID]} failed: {outcome.error.partition(chr(10))[0]}"
            lines += wrapped(first)
    return "\n".join(lines)


def _task(trial: Trial) -> str:
    """Return the task whose problems a trial answers; that its golds are moved stands under control."""
    return trial.task.removeprefix("scrambled:") if trial.is_twin else trial.task


def _needed(rows: Sequence[Mapping[str, str]], heads: Sequence[str]) -> int:
    """Return the columns that a table of these heads takes."""
    return sum(max(len(row[head]) for row in rows) + 2 for head in heads) - 2


def _row(outcome: Outcome) -> tuple[str, ...]:
    trial, figures = outcome.trial, scores(outcome)
    score = words.percents(figures["lenient"]) if figures else words.MISSING
    method = f"{trial.method}, {_measured(trial)}" if trial.method == "plain" else trial.method
    return (
        trial.id[:ID],
        visible(trial.model),
        visible(_task(trial)),
        visible(method),
        str(trial.n_shots),
        str(trial.seed),
        visible(control_name("scrambled" if trial.is_twin else trial.control)) or words.MISSING,
        "failed" if outcome.error else score,
        words.count(outcome.elicitation.get("labels", 0)),
        words.duration(spent(outcome, "seconds")),
    )


def _measured(trial: Trial) -> str:
    """Say what a trial without a nudge measures."""
    if trial.settings.get("forced"):
        return printed("forced")
    if trial.scope.cut:
        return "first words"
    n = thawed(int, trial.settings.get("samples", 1), "samples")
    return f"{n} samples" if n > 1 else printed(str(trial.settings.get("style", "")))


def trial_text(outcome: Outcome) -> str:
    """Return what is known of one trial: settings, costs, prompt and scores."""
    trial = outcome.trial
    shots = f" n={trial.n_shots}" if trial.n_shots else ""
    control = f", control {control_name(trial.control)}" if trial.control else ""
    facts = {
        "trial": trial.id,
        "": f"{trial.method}{shots}, seed {trial.seed}{control}, on {trial.model}, {trial.task}",
        "settings": _pairs(trial.settings),
        "scope": _pairs(trial.scope.plain()),
        "to make it": _costs(outcome.elicitation),
        "to answer": _costs(outcome.serving),
        **_prompt(outcome.asked_in),
        "nudge": outcome.artefact,
        **feature_facts(outcome.made),
        "scores": _scored(outcome),
        "retention": ", ".join(
            f"{task} {words.percent(sum(right) / max(1, len(right)))}"
            for task, right in outcome.retention.items()
        ),
        "error": outcome.error,
    }
    return "\n".join(_fact(label, said) for label, said in facts.items() if said)


def completion_text(
    row: StoredAnswer, problem: Problem | None, n_drawn: int, *, whole: bool = False
) -> Iterator[str]:
    """Yield the lines of one completion: question, gold, mark, text.

    Args:
        row: The completion.
        problem: Its problem; None where the task's data cannot be read.
        n_drawn: How many were drawn for that problem.
        whole: Cut nothing, however long.
    """
    yield f"{'─' * 3} {visible(row.problem)} "
    if problem is not None:
        for i, line in enumerate(wrapped(problem.question, WIDTH - LABEL, whole=whole)):
            yield f"{'' if i else 'question':<{LABEL}}{line}".rstrip()
        yield f"{'gold':<{LABEL}}{visible(problem.answer)}"
    read = words.MISSING if row.mark.answer is None else visible(row.mark.answer)
    strict = "" if row.mark.strict == row.mark.lenient else f", strictly {_word(row.mark.strict)}"
    yield f"{_word(row.mark.lenient):<{LABEL}}read as {read}{strict}"
    place = f"{row.sample + 1} of {n_drawn}{', stands' if row.stands else ''}"
    length = f"{row.tokens:,} tokens, ended by {row.stop}" if row.tokens else ""
    yield f"{'completion':<{LABEL}}{'; '.join(filter(None, [place, length]))}"
    for line in wrapped(row.text, WIDTH - INDENT, whole=whole):
        yield f"{' ' * INDENT}{line}".rstrip()
    yield ""


def _word(grade: Grade) -> str:
    return Grade(grade).name.lower()


def _fact(label: str, said: str) -> str:
    lines = wrapped(said, WIDTH - LABEL)
    return "\n".join(
        f"{'' if i else label:<{LABEL}}{line}".rstrip() for i, line in enumerate(lines)
    )


def _pairs(settings: JsonObject) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def _costs(ledger: Mapping[str, float]) -> str:
    """Name what was spent, zeros left out."""
    kept = {name: value for name, value in ledger.items() if value}
    return ", ".join(f"{name.replace('_', ' ')} {_amount(value)}" for name, value in kept.items())


def _amount(value: float) -> str:
    """Write a cost: whole below a million, else in powers of ten."""
    if value >= 1e6:
        return f"{value:.2e}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def _prompt(style: Style | None) -> dict[str, str]:
    """Name the style and shows its prompt."""
    if style is None:
        return {}
    chat = " in the chat template" if style.chat else ""
    shown = {"style": f"{style.name}{chat}", "prompt": style.template}
    return {**shown, **({"system": style.system} if style.system else {})}


def _scored(outcome: Outcome) -> str:
    figures = scores(outcome)
    if not figures:
        return ""
    unreadable = sum(a.mark.lenient == Grade.UNREADABLE for a in outcome.answers)
    said = ", ".join(f"{name} {words.percents(figure)}" for name, figure in figures.items())
    return f"{said}; {unreadable} of {len(outcome.answers)} unreadable"
