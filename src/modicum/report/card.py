"""The verdict card: the word, as given to ceiling, least data, what to ship."""

import math

from modicum.analysis.printed import method_name, printed
from modicum.analysis.verdict import Verdict
from modicum.report import words
from modicum.report.axes import Palette
from modicum.report.drawing import INK, QUIET, strip
from modicum.report.evidence import behind, cited
from modicum.report.markup import Markup, element, join
from modicum.stats import Figure

__all__ = ["best_rung", "card", "dots", "sentence"]

WISHES = {
    "serve": "a low cost per answer",
    "labels": "few labels",
    "train": "a low one-off cost",
}
"""What `--prefer` asks for, in words."""


def card(verdict: Verdict, palette: Palette) -> Markup:
    """Return the card that answers the question for one subject."""
    return element(
        "section",
        element("p", sentence(verdict), class_="sentence"),
        *([element("p", f"{verdict.means} {verdict.do}")] if verdict.means else []),
        *([element("p", verdict.fixed_prompt.said)] if verdict.fixed_prompt is not None else []),
        *_next(verdict),
        _share(verdict),
        _scale(verdict, palette),
        element("div", _least_data(verdict), _ship(verdict), class_="answers"),
        class_="card",
    )


def _next(verdict: Verdict) -> list[Markup]:
    """Return the command that would decide what is undecided, with its cost."""
    command = verdict.next_command
    if command is None or verdict.ability != "undecided":
        return []
    text = command.text()
    shown = [" ", element("code", text)] if text else []
    return [element("p", element("b", "Next "), f"{command.said}.", *shown)]


def sentence(verdict: Verdict) -> Markup:
    """Return the ability as a sentence whose word stands out."""
    whole = words.headline(verdict)
    end = next((i for i, letter in enumerate(whole) if not letter.isalpha()), len(whole))
    return join([element("b", whole[:end], class_=f"word-{verdict.ability}"), whole[end:]])


def dots(verdict: Verdict) -> Markup:
    """Return as given, floor and ceiling in words, such as `8 % → 10 % → 97 % at k = 64`."""
    said = f"{words.percent(verdict.default.value)} → {words.percent(verdict.floor.value)} → "
    ceiling = verdict.ceiling
    if ceiling is None:
        return element("span", f"{said}none", class_="figures")
    source = words.ceiling_source(ceiling)
    figure = f"{said}{words.percent(ceiling.figure.value)} "
    return element("span", figure, element("small", source), class_="figures")


def best_rung(verdict: Verdict) -> int | None:
    """Return the index of the rung that unlocks the ability, else of the highest score.

    A prompt is only the best rung where it unlocks the ability: it is the floor.
    """
    for i, row in enumerate(verdict.rungs):
        took = (row.method, row.labels, row.unlabelled)
        if took == (verdict.unlocked_by, verdict.unlocked_labels, verdict.unlocked_unlabelled):
            return i
    scored = [
        (row.score.value, -i)
        for i, row in enumerate(verdict.rungs)
        if not row.is_prompt and math.isfinite(row.score.value)
    ]
    return -max(scored)[1] if scored else None


def _share(verdict: Verdict) -> Markup:
    """Say the share that the word rests on, with what stands behind it."""
    ids = [i for name, i in verdict.trials.items() if name != "forced"]
    if verdict.unlocked_by is not None:
        ids += behind(verdict, verdict.unlocked_by)
    if verdict.share is None:
        return element("p", cited(ids, "trials"), class_="rests")
    meaning = _meaning(verdict)
    write = words.in_points if meaning.startswith("Gain") else words.percents
    said = f"{meaning} {write(verdict.share)}, 95 % interval, n = {verdict.share.n}"
    return element("p", said, " ", cited(ids, "trials"), class_="rests")


def _meaning(verdict: Verdict) -> str:
    """Name the figure that the word rests on; the rung that is the ceiling claims no share of it."""
    if verdict.ability in ("shown", "absent"):
        return "As given / ceiling" if verdict.ability == "shown" else "Gain over its control"
    if verdict.unlocked_by is None:
        return "Ceiling, corrected for guessing,"
    is_gain = any(row.is_ceiling and row.gain == verdict.share for row in verdict.rungs)
    return "Gain over the floor" if is_gain else "Share of the gap"


def _scale(verdict: Verdict, palette: Palette) -> Markup:
    """Lay as given, floor, ceiling and what stands beside them on one line from 0 to 1."""
    ceiling, trials = verdict.ceiling, verdict.trials
    samples = _ids(verdict, "samples")
    rows = [
        _measure(f"as given, style “{verdict.default_style}”", verdict.default, "default", verdict),
        _measure(f"floor, style “{verdict.floor_style}”", verdict.floor, "floor", verdict),
    ]
    best = best_rung(verdict)
    if best is not None:
        rung = verdict.rungs[best]
        label = method_name(rung.name)
        label = f"best method, {label}" if verdict.unlocked_by is None else label
        rows.append(_line(label, rung.score, rung.trials, palette.color(rung.method)))
    if ceiling is not None:
        where = words.ceiling_source(ceiling)
        ids = behind(verdict, ceiling.source) or _ids(verdict, "forced")
        if ceiling.source in ("sampling", "majority"):
            ids = samples
        rows.append(_line(f"ceiling {where}", ceiling.figure, ids, INK, class_="main"))
    else:
        none = element("td", "none: nothing tried reaches above the floor", colspan=3)
        rows.append(element("tr", element("th", "ceiling", scope="row"), none, class_="main"))
    k = f", k = {ceiling.k}" if ceiling is not None and ceiling.source == "sampling" else ""
    for name, guessed in (("luck", verdict.luck), ("near miss", verdict.near_miss)):
        rows.append(_line(f"{printed(name)}{k}", guessed, samples, QUIET, class_="null"))
    if verdict.majority_class is not None:
        always = _line("commonest answer", verdict.majority_class, (), QUIET, class_="null")
        rows.append(always)
    if verdict.forced is not None:
        rows.append(_line(printed("forced"), verdict.forced, _ids(verdict, "forced"), QUIET))
    if verdict.majority is not None:
        rows.append(_line(printed("majority"), verdict.majority, samples, QUIET))
    titles = ("", "correct", "0 to 100 %", "trials")
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    table = element("table", element("thead", head), element("tbody", *rows), class_="scale")
    return join([table, element("p", _below(verdict, bool(trials)), class_="note")])


def _below(verdict: Verdict, has_trials: bool) -> str:
    """Say the gap, the strict reading and what measuring took."""
    said = []
    if verdict.ceiling is not None:
        gap = verdict.ceiling.figure.value - verdict.floor.value
        said.append(f"The gap is {words.count(100 * gap, 'point')} wide.")
    strict = words.read_strictly(verdict)
    said.append(
        f"Read strictly: {strict}." if strict else "Strict answer format gives the same figures."
    )
    memory = verdict.sections.get("contamination")
    if memory is not None:
        said.append(f"Contamination: {memory.brief}.")
    said.append(f"{words.count(verdict.measuring_labels)} {printed('measuring labels')}.")
    if has_trials:
        said.append("Intervals are 95 %.")
    return " ".join(said)


def _measure(label: str, value: Figure, name: str, verdict: Verdict) -> Markup:
    return _line(label, value, _ids(verdict, name), INK, class_="main")


def _line(
    label: str, value: Figure, ids: tuple[str, ...], color: str, *, class_: str | None = None
) -> Markup:
    return element(
        "tr",
        element("th", label, scope="row"),
        element("td", words.percents(value), class_="figure"),
        element("td", strip(value, color=color, ticks=(0, 0.25, 0.5, 0.75, 1)), class_="line"),
        element("td", cited(ids)),
        class_=class_,
    )


def _ids(verdict: Verdict, name: str) -> tuple[str, ...]:
    return (verdict.trials[name],) if name in verdict.trials else ()


def _least_data(verdict: Verdict) -> Markup:
    """Return the first answer: how little unlocks it."""
    said = words.least_data(verdict)
    ids = [t for row in verdict.least_data for t in behind(verdict, row.method)]
    if verdict.unlocked_by is not None and verdict.unlocked_labels == 0:
        ids = [*behind(verdict, verdict.unlocked_by), *ids]
    parts = [element("h4", "Least data"), element("p", f"{_opened(said)}. ", cited(ids))]
    if verdict.least_data:
        head = element(
            "tr",
            *(
                element("th", title, scope="col", class_="figure" if i else None)
                for i, title in enumerate(("method", printed("n50"), printed("n90"), "tried up to"))
            ),
        )
        rows = [
            element(
                "tr",
                element("th", f"{row.method}{words.counted_in(row)}", scope="row", class_="id"),
                element("td", _reached(row.n50), class_="figure"),
                element("td", _reached(row.n90), class_="figure"),
                element("td", str(row.largest), class_="figure"),
            )
            for row in verdict.least_data
        ]
        parts.append(_scrolled(head, rows, "Least data by method"))
    return element("div", *parts)


def _ship(verdict: Verdict) -> Markup:
    """Return the second answer: what to ship, with its front."""
    choice = verdict.ship
    said = words.ship(verdict)
    limits = (
        f"Preferred: {WISHES.get(choice.prefer, choice.prefer)}; margin "
        f"{words.count(100 * choice.margin, 'point')}. Costs are equal at the number of answers for "
        "which a method costs as much in all as the one to ship."
    )
    ids = behind(verdict, choice.name) if choice.name is not None else ()
    parts = [
        element("h4", "What to ship"),
        element(
            "p", f"{said[:1].upper() if choice.name is None else said[:1]}{said[1:]}. ", cited(ids)
        ),
        element("p", limits, class_="note"),
    ]
    if choice.front:
        titles = (
            *("best trade-offs", "labels", "one-off cost", "cost per answer", "correct"),
            printed("break-even"),
        )
        head = element(
            "tr",
            *(
                element("th", title, scope="col", class_="figure" if i else None)
                for i, title in enumerate(titles)
            ),
        )
        rows = [
            element(
                "tr",
                element("th", method_name(point.name), scope="row", class_="id"),
                *(
                    element("td", cell, class_="figure")
                    for cell in (
                        words.count(point.labels),
                        words.flops(point.elicitation_flops),
                        words.flops(point.serving_flops),
                        words.percent(point.score),
                        _answers(point.breakeven_queries),
                    )
                ),
                class_="picked" if point.name == choice.name else None,
            )
            for point in choice.front
        ]
        parts.append(
            _scrolled(head, rows, "Best trade-offs of labels, one-off cost and cost per answer")
        )
    return element("div", *parts)


def _answers(number: float | None) -> str:
    if number is None or not math.isfinite(number):
        return words.MISSING
    return words.count(number, "answer")


def _opened(said: str) -> str:
    """Begin with a capital, but for the name of a method."""
    first = said.split(maxsplit=1)[0]
    return said if "_" in first else f"{said[:1].upper()}{said[1:]}"


def _reached(value: Figure | None) -> str:
    if value is None:
        return "not reached"
    if value.low == value.high:
        return f"≤ {words.amount(value.value)}"
    return words.figure(value, words.amount)


def _scrolled(head: Markup, rows: list[Markup], label: str) -> Markup:
    table = element("table", element("thead", head), element("tbody", *rows))
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=label)
