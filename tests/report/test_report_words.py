"""What the report shows keeps to the printed names: its page, its templates and what its scripts make."""

import html.parser
import re
from importlib import resources

import pytest

from tests.support.old_words import REPORT, old_words

SCRIPTS = ("page", "charts", "answers", "browser")
SHOWN = {"alt", "aria-label", "placeholder", "title"}
"""Attributes that a reader sees or hears."""
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`')
UNSEEN = re.compile(r"(?m)^ *//[^\n]*|(?s:/\*\*.*?\*/|const CSV = \[.*?\];)")
"""What of a script is never shown: comments, and the columns of a saved file."""
FIELD = re.compile(r"\$\{?\w+[^}\s]*\}?")
"""Where a template or a text takes a value in."""


class Visible(html.parser.HTMLParser):
    """Gathers what a page shows or reads aloud."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self.hidden = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")
        self.said += [value for name, value in attrs if name in SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden and data.strip():
            self.said.append(" ".join(data.split()))


def _found(texts: list[str]) -> dict[str, set[str]]:
    return {text: found for text in texts if (found := old_words(text, REPORT))}


def _file(name: str) -> str:
    return resources.files("modicum.report").joinpath(name).read_text(encoding="utf-8")


def _literals(script: str) -> list[str]:
    """Return the texts of a script that are more than a name of its own."""
    found = (FIELD.sub("", text[1:-1]) for text in LITERAL.findall(UNSEEN.sub("", script)))
    return [text for text in found if not re.fullmatch(r"[\w.#:\[\]-]*", text)]


def test_old_words_are_found_wherever_a_page_shows_them() -> None:
    page = '<p title="luck">the <b>rung</b></p><script>"damage"</script><svg><desc>n90</desc></svg>'
    assert set().union(*_found(Visible(page).said).values()) == {"luck", "rung", "n90"}
    assert _found(_literals('make("p", {}, `every ${subject} rung`); // luck')) != {}


def test_the_page_uses_printed_names(golden_page: str) -> None:
    said = Visible(golden_page).said
    assert len(said) > 1000
    assert _found(said) == {}


@pytest.mark.parametrize("name", ["template.html", "browser.html"])
def test_templates_use_printed_names(name: str) -> None:
    said = [FIELD.sub("", text) for text in Visible(_file(name)).said]
    assert said
    assert _found(said) == {}


@pytest.mark.parametrize("name", SCRIPTS)
def test_texts_made_by_scripts_use_printed_names(name: str) -> None:
    literals = _literals(_file(f"{name}.js"))
    assert literals
    assert _found(literals) == {}
