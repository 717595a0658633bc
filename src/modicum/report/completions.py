"""Real completions: the floor's answer beside the elicited one, on the same problems."""

from dataclasses import dataclass

from modicum.analysis.printed import method_name, printed
from modicum.analysis.verdict import Verdict
from modicum.report.card import best_rung
from modicum.report.evidence import cited
from modicum.report.markup import Markup, element
from modicum.report.questions import Questions
from modicum.report.untrusted import LIMIT
from modicum.store.database import Answer, Outcome, Store
from modicum.types import Grade, Mark, Problem

__all__ = ["completions"]

SHOWN = 12
"""Problems that are shown."""
_QUOTAS = (("gained", 6), ("lost", 3), ("neither", 2), ("both", 1))
"""Most of each kind before others fill up: losses are shown even where gains abound."""
_MEANING = {
    "gained": "right only after",
    "lost": "right only before",
    "neither": "wrong both times",
    "both": "right both times",
}
_BEFORE = {"default": printed("default"), "floor": "the floor"}


@dataclass(frozen=True)
class _Pair:
    """One problem answered twice."""

    kind: str
    before: Answer
    after: Answer


def completions(verdict: Verdict, store: Store, asked: Questions) -> Markup:
    """Return a dozen problems with both answers, those that differ first.

    Args:
        verdict: Names the trials: the floor's, and the best rung's first seed.
        store: Where their answers lie.
        asked: The problems that the tasks still give.
    """
    best = best_rung(verdict)
    row = verdict.rungs[best] if best is not None else None
    # a prompt that unlocks is the floor itself; what it changed is the default
    name = "default" if row is not None and row.is_prompt else "floor"
    style = verdict.default_style if name == "default" else verdict.floor_style
    floor = _outcome(store, verdict.trials.get(name, ""))
    tried = [_outcome(store, trial) for trial in row.trials] if row is not None else []
    after = next((outcome for outcome in tried if outcome is not None), None)
    if floor is None or row is None or after is None:
        return element("p", "No method has answers to set beside the floor's.", class_="note")
    pairs = _pairs(floor, after)
    counts = {kind: sum(p.kind == kind for p in pairs) for kind, _ in _QUOTAS}
    told = ", ".join(f"{counts[kind]} {_MEANING[kind]}" for kind, _ in _QUOTAS)
    problems = asked.of(asked.versions.named(floor.trial), len(floor.answers))
    chosen = _chosen(pairs)
    intro = element(
        "p",
        f"Of {len(pairs)} test problems: {told}. Below are {len(chosen)}, the first of each kind "
        f"in the order of the test set. Before: {_BEFORE[name]}, style “{style}”. "
        f"After: {method_name(row.name)}, seed {after.trial.seed}. ",
        cited((floor.trial.id, after.trial.id), "trials"),
        class_="note",
    )
    shown = [_shown(pair, problems.get(pair.before.problem)) for pair in chosen]
    return element("div", intro, *shown, class_="pairs")


def _outcome(store: Store, trial: str) -> Outcome | None:
    """Return an outcome that has answers, or None."""
    outcome = store.by_id(trial) if trial else None
    return outcome if outcome is not None and outcome.answers else None


def _pairs(floor: Outcome, after: Outcome) -> list[_Pair]:
    """Pairs answers by the problem's id, in the order of the test set."""
    second = {answer.problem: answer for answer in after.answers}
    found = []
    for before in floor.answers:
        other = second.get(before.problem)
        if other is None:
            continue
        was, is_now = (a.mark.lenient == Grade.CORRECT for a in (before, other))
        kind = {(False, True): "gained", (True, False): "lost", (False, False): "neither"}
        found.append(_Pair(kind.get((was, is_now), "both"), before, other))
    return found


def _chosen(pairs: list[_Pair]) -> list[_Pair]:
    """Take each kind up to its quota, fill up in the same order, and sort by kind."""
    picked: list[_Pair] = []
    for kind, quota in _QUOTAS:
        picked += [p for p in pairs if p.kind == kind][:quota]
    order = [kind for kind, _ in _QUOTAS]
    rest = sorted((p for p in pairs if p not in picked), key=lambda p: order.index(p.kind))
    picked += rest[: max(0, SHOWN - len(picked))]
    return sorted(picked[:SHOWN], key=lambda p: order.index(p.kind))


def _shown(pair: _Pair, problem: Problem | None) -> Markup:
    question = problem.question if problem is not None else "(the question cannot be read)"
    gold = problem.answer if problem is not None else "?"
    head = element(
        "header",
        element("p", _MEANING[pair.kind], class_="kind"),
        element("pre", question, dir="auto", class_="question"),
        element("p", "gold ", element("b", gold), " ", element("small", pair.before.problem)),
    )
    sides = element("div", _side("before", pair.before), _side("after", pair.after), class_="sides")
    return element("article", head, sides, class_=f"pair {pair.kind}")


def _side(label: str, answer: Answer) -> Markup:
    """Return one answer with its mark; texts of models are cut and escaped by `element`."""
    mark = answer.mark
    word = {Grade.CORRECT: "correct", Grade.INCORRECT: "incorrect"}.get(
        Grade(mark.lenient), "unreadable"
    )
    many, text = len(answer.texts), answer.texts[answer.chosen]
    cut = f", {LIMIT:,} of {len(text):,} characters shown" if len(text) > LIMIT else ""
    drawn = f", number {answer.chosen + 1} of {many} drawn" if many > 1 else ""
    tokens = answer.tokens[answer.chosen] if answer.tokens else 0
    length = f", {tokens:,} tokens" if tokens else ""
    return element(
        "div",
        element("p", element("b", label), f"{length}{drawn}{cut}", class_="side"),
        element("pre", text, dir="ltr"),
        element("p", element("span", word, class_=f"mark {word}"), _read(mark)),
    )


def _read(mark: Mark) -> Markup | str:
    """Say which answer was read, and where the strict reading differs."""
    strict = "" if mark.strict == mark.lenient else f", strictly {Grade(mark.strict).name.lower()}"
    if mark.answer is None:
        return strict
    return element("span", " read as ", element("b", mark.answer), strict)
