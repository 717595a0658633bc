"""A model card in the form of the Hugging Face hub, filled from an export's manifest."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

from modicum.analysis.printed import control_name
from modicum.plain import JsonObject

__all__ = ["card_text", "escaped"]

Facts = JsonObject

_LICENCES = {"apache-2.0": "apache-2.0", "mit": "mit"}
"""Names of licences as the hub knows them."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]()!|<>~&$@]|:(?=//)|(?<=www)\.|^[-+#=.]|^\d+[.)])")
_LONGEST = 300
_MISSING = "–"


def card_text(facts: Facts, uses: Mapping[str, str]) -> str:
    """Return the card as Markdown with YAML front matter; all foreign text is escaped.

    Args:
        facts: The manifest's values, as `exported` gathers them.
        uses: Lines of use by runtime, ours.
    """
    base, method, task = (_table(facts, name) for name in ("base", "method", "task"))
    title = f"{escaped(method.get('name'))} for {escaped(base.get('name'))}"
    what = (
        f"A nudge found by modicum {escaped(facts.get('modicum'))}, in the form "
        f"`{facts.get('form')}`: {escaped(method.get('name'))} on the task "
        f"{escaped(task.get('name'))}, {_shown(facts, method)}, "
        f"seed {_count(method.get('seed'))}."
    )
    parts = [
        _front(facts),
        f"# {title}\n\n{what}",
        _base(base),
        _results(facts),
        _costs(facts),
        _examples(facts),
        _settings(method),
        _checked(facts),
        _uses(uses, base),
        "Every figure stands in `nudge.json` as well, with the hashes of the files.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(facts: Facts, method: Facts) -> str:
    """Say what it was made from: labelled examples, or questions without labels."""
    questions = _table(facts, "costs").get("texts")
    if questions:
        return f"{_counted(questions, 'question')} without labels"
    return _counted(method.get("n_shots"), "labelled example")


def escaped(value: object) -> str:
    r"""Return foreign text as plain words within Markdown: nothing in it is a mark, a link or a tag.

    >>> print(escaped("<b>[x](y)</b>"))
    &lt;b&gt;\[x\]\(y\)&lt;/b&gt;
    """
    text = str(value)
    plain = "".join(
        letter if unicodedata.category(letter)[0] != "C" else f"U+{ord(letter):04X}"
        for letter in " ".join(text.split())
    )
    cut = plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"
    return _SPECIAL.sub(_marked, cut)


_TAGS = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def _marked(found: re.Match[str]) -> str:
    """Put a backslash before a mark; before the point of a number that would begin a list."""
    text = found[1]
    return _TAGS.get(text, f"{text[:-1]}\\{text[-1]}")


def _front(facts: Facts) -> str:
    """Return the front matter; JSON texts are YAML texts."""
    base = _table(facts, "base")
    name, relation = str(base.get("name", "")), str(facts.get("relation") or "")
    form, library = str(facts.get("form")), str(facts.get("library"))
    licence = str(base.get("licence") or "")
    known = _LICENCES.get(licence.lower())
    tags = ["modicum", f"modicum-{form}", *([f"base_model:{relation}:{name}"] if relation else [])]
    lines = [f"base_model: {json.dumps(name)}"]
    lines += [f"base_model_relation: {relation}"] if relation else []
    if licence:
        lines.append(f"license: {known or 'other'}")
        lines += [] if known else [f"license_name: {json.dumps(licence)}"]
    lines += [f"library_name: {library}", "pipeline_tag: text-generation", "tags:"]
    lines += [f"- {json.dumps(tag)}" for tag in tags]
    return "\n".join(["---", *lines, "---"])


def _base(base: Facts) -> str:
    licence = str(base.get("licence") or "")
    said = (
        f"{escaped(licence)}; what is made from it is under the same terms"
        if licence
        else "not known to modicum: look it up before you pass this on"
    )
    notes = [escaped(note) for note in _list(base.get("notes"))]
    return (
        "## Base model\n\n"
        f"- Name: {escaped(base.get('name'))}, {_count(base.get('parameters'))} parameters, "
        f"weights hash `{_hex(base.get('weights'))}`\n"
        f"- Licence: {said}" + (f"\n- Notes: {'; '.join(notes)}" if notes else "")
    )


def _results(facts: Facts) -> str:
    rung, gap, score = (_table(facts, name) for name in ("rung", "gap", "score"))
    rows = [
        ("Accuracy of this nudge", _figure(score.get("lenient"))),
        ("The same, read strictly", _figure(score.get("strict"))),
        ("Floor: the best plain prompt", _figure(gap.get("floor"))),
        ("Ceiling", _figure(gap.get("ceiling"))),
    ]
    if rung:
        seeds = _counted(rung.get("seeds"), "seed")
        rows += [
            (f"Accuracy of the method, {seeds}", _figure(rung.get("score"))),
            ("Gain over the floor", _figure(rung.get("gain"))),
            ("Share of the gap", _gap(rung)),
        ]
        gaps = _table(rung, "control_gaps")
        rows += [
            (f"Control {escaped(control_name(str(name)))}: share of the gap", _figure(f))
            for name, f in gaps.items()
        ]
        bare = {k: v for k, v in _table(rung, "controls").items() if k not in gaps}
        rows += [
            (f"Control {escaped(control_name(str(name)))}: accuracy", _figure(f))
            for name, f in bare.items()
        ]
        rows += _damage(rung, _table(facts, "method"))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    n = _table(score, "lenient").get("n")
    head = f"## What was measured\n\nOn {_count(n)} test problems of the study; 95 % intervals."
    note = f"\n\nNote: {escaped(rung['note'])}." if rung.get("note") else ""
    return f"{head}\n\n| figure | value |\n|---|---|\n{table}{note}"


def _gap(rung: Facts) -> str:
    return "it is the ceiling" if rung.get("is_ceiling") else _figure(rung.get("gap_recovered"))


def _damage(rung: Facts, method: Facts) -> list[tuple[str, str]]:
    rows = []
    for kept in _list(rung.get("retention")):
        if isinstance(kept, dict):
            name = f"Effect elsewhere, on {escaped(kept.get('task'))}: change of accuracy"
            rows.append((name, _figure(kept.get("damage"))))
    ratio = rung.get("text_perplexity_ratio")
    rows += (
        [("Effect elsewhere, on held-out text: ratio of perplexities", _figure(ratio))]
        if ratio
        else []
    )
    unchanged = "none: weights and activations are as they were"
    return rows or [
        (
            "Effect elsewhere",
            "not measured in this study" if method.get("changes_model") else unchanged,
        )
    ]


def _costs(facts: Facts) -> str:
    costs = _table(facts, "costs")
    measuring = costs.get("measuring_labels")
    beside = f" (and {_count(measuring)} to measure)" if measuring is not None else ""
    questions = costs.get("texts")
    unlabelled = f"- Questions without labels: {_count(questions)}\n" if questions else ""
    return (
        "## What it cost\n\n"
        f"- Labels: {_count(costs.get('labels'))}{beside}\n"
        f"{unlabelled}"
        f"- One-off: {_number(costs.get('flops'))} FLOPs, {_count(costs.get('updates'))} "
        f"updates, {_count(costs.get('tokens_sampled'))} tokens sampled, "
        f"{_count(costs.get('tokens_trained'))} trained, {_count(costs.get('judge_calls'))} answers "
        f"marked, {_number(costs.get('seconds'))} s\n"
        f"- An answer: {_number(costs.get('serving_flops'))} FLOPs\n"
        f"- Size: {_count(costs.get('bytes'))} bytes"
    )


def _examples(facts: Facts) -> str:
    shots = [shot for shot in _list(facts.get("shots")) if isinstance(shot, dict)]
    if not shots:
        return "## Examples used\n\nNone."
    lines = [f"- {escaped(shot.get('id'))} `{_hex(shot.get('sha256'))}`" for shot in shots]
    where = (
        "their texts are the prompt itself"
        if facts.get("shots_in_prompt")
        else "their texts are not part of this"
    )
    head = f"By id and SHA-256 of question, answer and solution; {where}."
    return "## Examples used\n\n" + head + "\n\n" + "\n".join(lines)


def _settings(method: Facts) -> str:
    settings = {**_table(method, "settings"), **_table(method, "found")}
    lines = [f"- {escaped(name)}: {escaped(value)}" for name, value in settings.items()]
    return "## Settings\n\n" + "\n".join(lines) if lines else ""


def _checked(facts: Facts) -> str:
    back = _table(facts, "loaded_back")
    return (
        "## Loaded back\n\n"
        f"{escaped(back.get('target'))}: {escaped(back.get('measure'))} "
        f"{_number(back.get('value'))}, allowed {_number(back.get('limit'))}."
    )


def _uses(uses: Mapping[str, str], base: Facts) -> str:
    name = str(base.get("name", ""))
    is_hub = re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None
    blocks = []
    for runtime, lines in uses.items():
        code = lines.replace("BASE", name) if is_hub else lines
        kind = "python" if "import" in lines or "(" in lines else "sh"
        blocks.append(f"{runtime}:\n\n```{kind}\n{code}\n```")
    other = "" if is_hub else " `BASE` is the folder or the hub id of the base model."
    head = (
        f"## Use\n\n`FOLDER` is this folder.{other} The prompt that the figures were measured in stands in "
        "`prompt.json`."
    )
    return "\n\n".join([head, *blocks])


def _figure(value: object) -> str:
    """Write an estimate with its interval."""
    if not isinstance(value, dict) or not isinstance(value.get("value"), int | float):
        return _MISSING
    ends = [value.get("low"), value.get("high")]
    said = ", ".join(f"{e:.3f}" if isinstance(e, int | float) else "∞" for e in ends)
    return f"{value['value']:.3f} [{said}]"


def _count(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else _MISSING


def _counted(value: object, what: str) -> str:
    return f"{_count(value)} {what}{'' if value == 1 else 's'}"


def _number(value: object) -> str:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return f"{value:.3g}" if is_number else _MISSING


def _hex(value: object) -> str:
    """Return a hash, or nothing that could end a code mark."""
    text = str(value)
    return text if re.fullmatch(r"[0-9a-f]{1,128}", text) else _MISSING


def _table(facts: Facts, name: str) -> Facts:
    value = facts.get(name)
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else []
