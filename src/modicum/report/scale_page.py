"""The page of a study of scale: one self-contained file of pictures and tables, without a script."""

import html
from importlib import resources
from pathlib import Path
from string import Template

from modicum.analysis.scale_section import ScaleFindings, scale_section
from modicum.report.drawing import draw
from modicum.report.markup import element
from modicum.report.scale_charts import scale_charts
from modicum.report.sections import alone
from modicum.report.untrusted import visible

__all__ = ["write_scale_page"]


def write_scale_page(found: ScaleFindings, path: Path) -> None:
    """Write the page beside the old one, then in its place.

    Args:
        found: What it shows.
        path: The file.

    Raises:
        OSError: it cannot be written.
    """
    drawn = [draw(chart, "scale", "") for chart in scale_charts(found)]
    figures = element("div", *drawn, class_="charts") if drawn else ""
    parts = {
        "title": html.escape(visible(found.name)),
        "style": _file("style.css"),
        "section": alone(scale_section(found), figures),
    }
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(Template(_file("scale.html")).substitute(parts), encoding="utf-8")
    unfinished.replace(path)


def _file(name: str) -> str:
    return resources.files("modicum.report").joinpath(name).read_text(encoding="utf-8")
