"""The page: one self-contained file that answers the question and only reads."""

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from modicum.analysis.meaning import shipped_name
from modicum.analysis.remarks import common_doubts
from modicum.analysis.short_names import model_title, references
from modicum.analysis.verdict import Verdict
from modicum.ledger import cost
from modicum.report import sections, tables, words
from modicum.report.axes import Palette
from modicum.report.browser import browser
from modicum.report.card import best_rung, card, dots, sentence
from modicum.report.charts import charts
from modicum.report.completions import completions
from modicum.report.drawing import CONFIG, Chart, draw, span
from modicum.report.evidence import anchor, cited, trials_table
from modicum.report.findings import findings
from modicum.report.markup import Markup, element, join
from modicum.report.packed import as_line, block, compressed, csp_hash, vega_bundle
from modicum.report.questions import Questions
from modicum.report.rows import arms_of, read_rows
from modicum.report.untrusted import visible
from modicum.store.database import Outcome, Store
from modicum.store.facts import FindingsKey
from modicum.study.editions import TaskVersions
from modicum.study.plan import Plan
from modicum.types import Finding

__all__ = ["write_report"]

LIMIT = 2_900_000
"""Bytes of the page at most; what is left beside everything else is the room for answers."""
CORE = ("lengths", "features", "worth", "arms", "reference", "contamination")
"""The verdict's own sections, in their order."""
QUESTION = "Is this ability latent, and how little unlocks it?"


def write_report(verdicts: Sequence[Verdict], store: Store, plan: Plan, path: Path) -> None:
    """Write the report of a study as one HTML file that needs no network, and no script to read.

    Scripts add what a still page cannot: charts that answer a pointer, and a search over all
    answers. The page's policy names them by their hashes, so that nothing else ever runs.

    Args:
        verdicts: One a subject, in the order in which they are told.
        store: The study's store; only read.
        plan: The study's plan, for its name and sizes.
        path: The file to write; links to nudges are relative to it.

    Cost: about 0.1 s a chart, four charts a subject; 1 s for Vega; 2 s for 100,000 answers.
    """
    heads = store.heads()
    streams = filter(None, (subject.plan.stream for subject in plan.subjects()))
    asked = Questions(next(streams, ""), TaskVersions.of(store))
    book = _Book(store, heads, Palette.of(verdicts), asked, common_doubts(verdicts))
    names = _anchors(verdicts)
    drawn = {
        name: charts(verdict, book.palette, _floor_serving(verdict, heads))
        for verdict, name in zip(verdicts, names, strict=True)
    }
    subjects = [
        _subject(verdict, book, name, drawn[name], is_open=i == 0)
        for i, (verdict, name) in enumerate(zip(verdicts, names, strict=True))
    ]
    table = trials_table(verdicts, heads, store.folder.absolute(), path.absolute())
    bundle, script = vega_bundle(), _script()
    specs = {f"{name}-{chart.name}": chart.spec for name in names for chart in drawn[name]}
    parts = {
        "title": html.escape(visible(f"{plan.name}: {QUESTION}")),
        "style": _file("style.css"),
        "scripts": f"{csp_hash(script)} {csp_hash(bundle)}",
        "script": script,
        "index": _index(verdicts, names),
        "head": _head(verdicts, plan),
        "overview": _overview(verdicts, names, book.palette),
        "subjects": join(subjects),
        "trials": tables.scrolled(table, "Trials"),
        "vega": block("vega", compressed([bundle])),
        "charts": block("charts", compressed([as_line({"specs": specs, "config": CONFIG})])),
    }
    room = LIMIT - sum(len(part.encode()) for part in parts.values())
    rows = read_rows(store, arms_of(verdicts, heads, book.asked.versions), heads, book.asked, room)
    parts["browser"] = browser(rows, store.folder)
    parts["rows"] = block("rows", rows.data)
    path.write_text(Template(_file("template.html")).substitute(parts), encoding="utf-8")


@dataclass(frozen=True)
class _Book:
    """What every section of the page draws on."""

    store: Store
    heads: Mapping[str, Outcome]
    palette: Palette
    asked: Questions
    doubted: tuple[str, ...]
    """Doubts of every verdict, which the overview says once."""


def _file(name: str) -> str:
    return resources.files("modicum.report").joinpath(name).read_text(encoding="utf-8")


def _script() -> str:
    """Return the page's own script: its parts in order, within one scope."""
    parts = "\n".join(_file(f"{name}.js") for name in ("page", "charts", "answers", "browser"))
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def _anchors(verdicts: Sequence[Verdict]) -> list[str]:
    """Return each subject its own anchor."""
    return [f"s{i + 1}-{anchor(f'{v.titled}-{v.model}')}" for i, v in enumerate(verdicts)]


def _head(verdicts: Sequence[Verdict], plan: Plan) -> Markup:
    """Return the question, and the answer in one sentence."""
    counts = Counter(v.ability for v in verdicts)
    order = ("latent", "sealed", "learned", "taught", "shown", "absent", "undecided")
    said = [f"{_number(counts[word])} {word}" for word in order if counts[word]]
    if len(verdicts) == 1:
        answer = words.headline(verdicts[0])
    elif said:
        verb = "is" if said[0].startswith("one ") else "are"
        first = said[0].replace(" ", f" {verb} ", 1)
        listed = " and ".join(filter(None, [", ".join([first, *said[1:-1]]), *said[1:][-1:]]))
        answer = f"Of {_number(len(verdicts))} verdicts, {listed}."
    else:
        answer = "No verdict yet: measures are missing."
    seconds, tokens = sum(v.seconds for v in verdicts), sum(v.tokens for v in verdicts)
    failed = sum(v.failed for v in verdicts)
    facts = [
        plan.name,
        *_sizes(plan),
        f"{words.duration(seconds)}, {words.count(tokens)} tokens",
        *([words.trials_failed(failed)] if failed else []),
    ]
    return join(
        [
            element("p", " · ".join(facts), class_="facts"),
            element("h1", QUESTION),
            element("p", answer, class_="answer"),
        ]
    )


def _sizes(plan: Plan) -> list[str]:
    """Return the sizes of a study; of one that was run in several, those of each subject stand by it."""
    if any(subject.plan is not plan for subject in plan.subjects()):
        return []
    first = f" on the first {plan.ceiling_test}" if plan.ceiling_test else ""
    return [
        f"{plan.test} test problems",
        f"{plan.samples} samples a problem{first}",
        words.count(plan.seeds, "seed"),
    ]


def _index(verdicts: Sequence[Verdict], names: Sequence[str]) -> Markup:
    items = [
        element(
            "li",
            element(
                "a",
                element("span", verdict.titled, class_="task"),
                element("span", f"{model_title(verdict)} ", element("b", verdict.ability,
                        class_=f"word-{verdict.ability}"), class_="model"),
                href=f"#{name}",
            ),
        )
        for verdict, name in zip(verdicts, names, strict=True)
    ]  # fmt: skip
    answers = element("li", element("a", "Every answer", href="#answers"))
    last = element("li", element("a", "Trials", href="#trials"))
    first = element("li", element("a", "Overview", href="#overview"))
    return element("ol", first, *items, answers, last)


def _overview(verdicts: Sequence[Verdict], names: Sequence[str], palette: Palette) -> Markup:
    """Return one line a subject."""
    titles = (
        "task on model",
        "ability",
        "from 0 to 100 %",
        "as given → floor → ceiling",
        "least data",
        "ship",
    )
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    rows = [
        element(
            "tr",
            element(
                "th",
                element("a", verdict.titled, href=f"#{name}"),
                element("small", model_title(verdict)),
                scope="row",
            ),
            element("td", sentence(verdict)),
            element("td", _span(verdict, palette)),
            element("td", dots(verdict)),
            element("td", words.least_data(verdict)),
            element("td", shipped_name(verdict), class_="id" if verdict.pick else None),
        )
        for verdict, name in zip(verdicts, names, strict=True)
    ]
    table = element("table", element("thead", head), element("tbody", *rows), class_="overview")
    key = element(
        "p",
        "On each line: as given (ring), the floor (disc), the best method (diamond) and the "
        "ceiling (bar); between floor and ceiling lies the gap.",
        class_="note",
    )
    shared = _listed("Holds for every task", common_doubts(verdicts), "")
    return join([tables.scrolled(table, "Overview"), key, shared])


def _span(verdict: Verdict, palette: Palette) -> Markup:
    i = best_rung(verdict)
    rung = verdict.rungs[i] if i is not None else None
    best = (rung.score, palette.color(rung.method)) if rung is not None else None
    ceiling = verdict.ceiling.figure if verdict.ceiling is not None else None
    return span(verdict.default, verdict.floor, best, ceiling)


def _subject(
    verdict: Verdict, book: _Book, name: str, drawn: Sequence[Chart], *, is_open: bool
) -> Markup:
    """Return the section of one subject."""
    palette = book.palette
    pair = json.dumps([_browsed(verdict, book), verdict.model], separators=(",", ":"))
    title = element(
        "h2",
        element("span", verdict.titled),
        element("small", f"on {model_title(verdict)}"),
        element("b", verdict.ability, class_=f"word-{verdict.ability}"),
        title=references(verdict) or None,
    )
    failed = f" · {words.trials_failed(verdict.failed)}" if verdict.failed else ""
    facts = element(
        "p",
        f"{verdict.test} test problems · {words.count(verdict.seeds, 'seed')} · "
        f"{words.duration(verdict.seconds)}{failed}",
        class_="facts",
    )
    browse = element(
        "a", "Browse every answer of this task on this model", href="#answers", data_browse=pair
    )
    own = [said for said in verdict.doubts if said not in book.doubted]
    body = [
        facts,
        card(verdict, palette),
        element("h3", "Figures"),
        element("div", *(draw(c, name, pair) for c in drawn if not c.owner), class_="charts"),
        _no_gap(verdict),
        _curve(verdict),
        element("h3", "Methods and their controls"),
        _rungs(verdict, palette, _floor_serving(verdict, book.heads)),
        *(sections.core(verdict, name) for name in CORE),
        sections.others(verdict, drawn, name, pair),
        element("h3", "Completions, before and after"),
        completions(verdict, book.store, book.asked),
        element("p", browse, class_="note"),
        _asides(verdict),
        findings(_found(verdict, book)),
        _listed("Warnings", own, "None of its own."),
        _listed("Questions it leaves open", verdict.next, "None that more trials would answer."),
        element("h3", "Costs in full"),
        tables.costs(verdict),
        _listed("Notes", _notes(verdict), ""),
    ]
    summary = element("summary", title)
    return element(
        "details",
        summary,
        element("div", *body, class_="body"),
        id=name,
        class_="subject",
        **({"open": ""} if is_open else {}),
    )


def _notes(verdict: Verdict) -> list[str]:
    """Return what a reader may want to know at last, with whole references where headings are shorter."""
    whole = references(verdict)
    rules = f"read by version {verdict.rules} of the rules"
    return [*([whole] if whole else []), *verdict.notes, rules]


def _browsed(verdict: Verdict, book: _Book) -> str:
    """Return the verdict's task as the answer browser calls it."""
    floor = book.heads.get(verdict.trials.get("floor", ""))
    return verdict.task if floor is None else book.asked.versions.named(floor.trial)


def _found(verdict: Verdict, book: _Book) -> tuple[Finding, ...] | None:
    """Return what the check said of the verdict's subject in its sizes; None where it was not asked."""
    floor = book.heads.get(verdict.trials.get("floor", ""))
    scope = floor.trial.scope.checked if floor is not None else ""
    return book.store.findings(FindingsKey(verdict.model, verdict.task, scope))


def _rungs(verdict: Verdict, palette: Palette, floor_serving: float | None) -> Markup:
    if not verdict.rungs:
        return element("p", "No method was tried here.", class_="note")
    return tables.rungs(verdict, palette, floor_serving)


def _no_gap(verdict: Verdict) -> Markup:
    """Say why there is no curve of the share of the gap."""
    is_defined = any(row.gap_recovered is not None or row.is_ceiling for row in verdict.rungs)
    if is_defined or not verdict.rungs:
        return Markup("")
    why = "there is no gap to close" if verdict.ceiling is None else "the gap is within noise"
    return element("p", f"The share of the gap is undefined here: {why}.", class_="note")


def _curve(verdict: Verdict) -> Markup:
    if not verdict.curve.ks:
        return Markup("")
    ids = [verdict.trials["samples"]] if "samples" in verdict.trials else []
    summary = element("summary", "Figures of the pass@k chart")
    return element("details", summary, tables.curve(verdict), cited(ids, "trials"), class_="small")


def _asides(verdict: Verdict) -> Markup:
    """Return the figures outside the verdict, each with its trial, or nothing."""
    if not verdict.asides:
        return Markup("")
    items = [
        element("li", f"{a.setting}: {words.percents(a.score)} ", cited([a.trial], "trial"))
        for a in verdict.asides
    ]
    return join([element("h3", "Measured as well, not part of the verdict"), element("ul", *items)])


def _listed(title: str, items: Sequence[str], none: str) -> Markup:
    """Return a titled list, a sentence where it is empty, or nothing."""
    if not items and not none:
        return Markup("")
    said = element("ul", *(element("li", item) for item in items)) if items else None
    return join([element("h3", title), said or element("p", none, class_="note")])


def _floor_serving(verdict: Verdict, heads: Mapping[str, Outcome]) -> float | None:
    """Return the floor's FLOPs a query, from its ledger."""
    outcome = heads.get(verdict.trials.get("floor", ""))
    if outcome is None or not verdict.test:
        return None
    return cost(outcome.serving) / verdict.test or None


def _number(count: int) -> str:
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return names[count] if count < len(names) else str(count)
