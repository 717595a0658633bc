"""What the check found before anything was spent."""

from collections.abc import Sequence

from modicum.analysis.printed import level_name
from modicum.report.markup import Markup, element, join
from modicum.types import Finding

__all__ = ["findings"]

_LEVELS = ("fault", "doubt", "fact")
"""In the order in which they are told."""


def findings(found: Sequence[Finding] | None) -> Markup:
    """Return the check's section, the gravest findings first.

    Args:
        found: What the check said of a subject; None where it was not run.
    """
    title = element("h3", "What the check found")
    if found is None:
        return join([title, element("p", "The check was not run.", class_="note")])
    if not found:
        return join([title, element("p", "Nothing that would mislead.", class_="note")])
    ordered = sorted(found, key=lambda f: _LEVELS.index(f.level) if f.level in _LEVELS else 9)
    items = [
        element(
            "li",
            element("b", level_name(finding.level), class_="level"),
            element(
                "div",
                element("p", finding.found),
                element("p", finding.action, class_="note") if finding.action else "",
            ),
            class_=f"finding {finding.level}",
        )
        for finding in ordered
    ]
    return join([title, element("ul", *items, class_="findings")])
