"""Vega-Lite specs rendered to small static SVG that follows the page's colours."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from modicum.plain import JsonValue
from modicum.report.markup import Markup, element, escaped
from modicum.stats import Figure

__all__ = [
    "CONFIG",
    "FAINT",
    "HUES",
    "INK",
    "QUIET",
    "RULE",
    "SHAPES",
    "Chart",
    "Key",
    "draw",
    "glyph",
    "span",
    "strip",
]

HUES = 8
"""Hues of the page's palette, `--m0` to `--m7` in the style sheet."""
INK, QUIET, RULE, FAINT = "var(--ink)", "var(--quiet)", "var(--rule)", "var(--faint)"
SHAPES = ("circle", "square", "diamond", "triangle-up")

CONFIG = {
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET,
        "titleColor": QUIET,
        "domainColor": RULE,
        "tickColor": RULE,
        "gridColor": FAINT,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "tickSize": 4,
        "labelPadding": 4,
        "titlePadding": 8,
    },
    "axisY": {"domain": False, "ticks": False},
    "axisX": {"grid": False},
    "text": {"fontSize": 11, "color": QUIET},
}


@dataclass(frozen=True)
class Key:
    """One entry of a legend."""

    label: str
    color: str
    shape: str = "circle"
    is_hollow: bool = False
    dash: str = ""
    """Dash pattern of the line; `none` for no line at all."""


@dataclass(frozen=True)
class Chart:
    """A chart before it is drawn: a spec of our own words and numbers, no text of models."""

    name: str
    """Part of its anchor: `gap`, `pass`, `cost`, `retention`."""
    caption: str
    """What it shows, as a sentence; the picture's title."""
    description: str
    """What a reader who cannot see it should know."""
    spec: dict[str, JsonValue]
    """Vega-Lite, made by altair."""
    keys: tuple[Key, ...] = field(default=())
    """Legend."""
    owner: str = ""
    """The reading whose section it stands in; empty where it stands among the verdict's figures."""


def draw(chart: Chart, anchor: str, subject: str) -> Markup:
    """Return the figure: caption, legend, still picture with title and description.

    Args:
        chart: What to draw.
        anchor: The subject's anchor; with the chart's name it is the figure's.
        subject: Task and model as JSON, by which a script finds the answers behind a mark.
    """
    import vl_convert

    spec = {**chart.spec, "config": CONFIG}
    svg = _cleaned(vl_convert.vegalite_to_svg(spec), chart, f"{anchor}-{chart.name}")
    keys = element("ul", *(_key(key) for key in chart.keys), class_="keys") if chart.keys else ""
    caption = element("figcaption", chart.caption)
    still = element("div", svg, class_="still")
    name = f"{anchor}-{chart.name}"
    return element("figure", caption, keys, still, id=name, class_="chart", data_subject=subject)


def glyph(color: str, shape: str, *, is_hollow: bool = False, dash: str = "none") -> Markup:
    """Return a small picture of a mark, as it stands in the charts."""
    fill = "none" if is_hollow else color
    paths = {
        "circle": '<circle cx="11" cy="6" r="3.4"/>',
        "square": '<rect x="8" y="3" width="6" height="6"/>',
        "diamond": '<path d="M11 1.6 15.4 6 11 10.4 6.6 6Z"/>',
        "triangle-up": '<path d="M11 2 15 9.4H7Z"/>',
        "triangle-down": '<path d="M11 10 7 2.6H15Z"/>',
        "cross": '<path d="M9 3v2H7v2h2v2h4V7h2V5h-2V3Z"/>',
        "none": "",
    }
    line = "" if dash == "none" else f'<path d="M0 6H22" stroke-dasharray="{dash}"/>'
    return Markup(
        f'<svg class="glyph" viewBox="0 0 22 12" aria-hidden="true" fill="{fill}" '
        f'stroke="{color}" stroke-width="1.3">{line}{paths[shape]}</svg>'
    )


def strip(
    value: Figure | None,
    *,
    color: str = INK,
    ends: tuple[float, float] = (0.0, 1.0),
    ticks: Sequence[float] = (),
) -> Markup:
    """Return a cell's picture of an estimate and its interval on a line between two ends."""
    if value is None:
        return Markup("")

    def place(number: float) -> str:
        return _place(number, ends)

    marks = "".join(
        f'<line x1="{place(t)}" x2="{place(t)}" y1="2" y2="12" stroke="{RULE}"/>' for t in ticks
    )
    return Markup(
        f'<svg class="strip" aria-hidden="true" height="14"><line x1="2%" x2="98%" y1="7" y2="7" '
        f'stroke="{FAINT}"/>{marks}<line x1="{place(value.low)}" x2="{place(value.high)}" y1="7" '
        f'y2="7" stroke="{color}" stroke-width="2"/><circle cx="{place(value.value)}" cy="7" '
        f'r="3" fill="{color}"/></svg>'
    )


def span(
    default: Figure, floor: Figure, best: tuple[Figure, str] | None, ceiling: Figure | None
) -> Markup:
    """Return a cell's picture of a subject: default, floor, best rung and ceiling from 0 to 1.

    Args:
        default: Drawn as a hollow circle.
        floor: Drawn as a full circle, where the gap begins.
        best: Score and colour of the best rung, a diamond.
        ceiling: Drawn as a bar, where the gap ends; None where there is none.
    """

    def place(figure: Figure) -> str:
        return _place(figure.value, (0.0, 1.0))

    parts = [f'<line x1="2%" x2="98%" y1="8" y2="8" stroke="{RULE}"/>']
    if ceiling is not None:
        ends = f'x1="{place(floor)}" x2="{place(ceiling)}" y1="8" y2="8"'
        at = f'x1="{place(ceiling)}" x2="{place(ceiling)}" y1="2" y2="14"'
        parts.append(f'<line {ends} stroke="{QUIET}" stroke-width="3" opacity=".45"/>')
        parts.append(f'<line {at} stroke="{INK}" stroke-width="1.6"/>')
    parts.append(f'<circle cx="{place(floor)}" cy="8" r="3.4" fill="{INK}"/>')
    ring = f'r="3.4" fill="var(--paper)" stroke="{INK}" stroke-width="1.2"'
    parts.append(f'<circle cx="{place(default)}" cy="8" {ring}/>')
    if best is not None:
        # a nested picture places the diamond, whose path cannot be in percent
        path = f'<path d="M0-4.6 4.6 0 0 4.6-4.6 0Z" fill="{best[1]}"/>'
        parts.append(f'<svg x="{place(best[0])}" y="8" overflow="visible">{path}</svg>')
    return Markup(f'<svg class="strip" aria-hidden="true" height="16">{"".join(parts)}</svg>')


def _place(number: float, ends: tuple[float, float]) -> str:
    """Return the place of a number between two ends, in percent, a little from the edges."""
    if math.isnan(number):
        return "0%"
    inside = (min(max(number, ends[0]), ends[1]) - ends[0]) / (ends[1] - ends[0])
    return f"{2 + 96 * inside:.1f}%"


def _key(key: Key) -> Markup:
    picture = glyph(key.color, key.shape, is_hollow=key.is_hollow, dash=key.dash)
    return element("li", picture, key.label)


def _cleaned(svg: str, chart: Chart, anchor: str) -> Markup:
    """Return the picture without fonts, name spaces and clutter, with title and description."""
    found = re.search(r'viewBox="([^"]*)"', svg)
    box = found.group(1) if found else "0 0 1 1"
    width = box.split()[2]
    inner = re.sub(r"^<svg[^>]*>", "", svg)
    inner = re.sub(r' font-family="[^"]*"', "", inner)
    inner = re.sub(r' (class|role|aria-[a-z]+|pointer-events|stroke-miterlimit)="[^"]*"', "", inner)
    inner = re.sub(r'<path d="M0,0h0v0h0Z"(?: [a-z-]+="[^"]*")*/?>(?:</path>)?', "", inner)
    inner = re.sub(r"-?\d+\.\d{3,}(?:e-?\d+)?", lambda m: f"{float(m.group()):.1f}", inner)
    inner = re.sub(r"\b(clip|gradient)_?(\d+)\b", rf"{anchor}-\1\2", inner)
    inner = re.sub(r"<g></g>|<g/>", "", inner)
    head = (
        f'<svg role="img" width="{width}" viewBox="{box}" '
        f'aria-labelledby="{anchor}-t {anchor}-d">'
        f'<title id="{anchor}-t">{escaped(chart.caption)}</title>'
        f'<desc id="{anchor}-d">{escaped(chart.description)}</desc>'
    )
    return Markup(head + inner)
