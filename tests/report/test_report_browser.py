"""The report in a real browser: nothing asked, nothing complained of, everything answers."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from modicum.analysis.section import Plot, Point, Section, Series
from modicum.analysis.verdict import Verdict
from modicum.report import questions, untrusted
from modicum.report.page import write_report
from modicum.store.database import Answer, Outcome, Store
from modicum.types import Grade, Mark, Problem
from tests.report.test_report import Asked
from tests.support import verdicts as built
from tests.support.chromium import Chromium, Tab, chromium_or_skip
from tests.support.sources import PACKAGE

PROBLEMS, SAMPLES = 1000, 100
MANY = PROBLEMS * SAMPLES
FORMULA = '=HYPERLINK("http://x","y")'
FEW = (*built.HOSTILE, FORMULA)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium(chromium_or_skip()) as found:
        yield found


def written(folder: Path, verdicts: list[Verdict], store: Store, problems: list[Problem]) -> Path:
    """Write the report of a store whose task has these problems."""
    path = folder / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "resolve_task", lambda _: Asked(problems))
        write_report(list(map(built.with_sections, verdicts)), store, built.plan(), path)
    store.close()
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report in which every text of a model, and one name of a method, is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    name = "<img src=x onerror=alert(1)>"
    latent = built.latent()
    rungs = tuple(
        dataclasses.replace(row, method=name) if row.method == "self_consistency" else row
        for row in latent.rungs
    )
    verdicts = [dataclasses.replace(latent, rungs=rungs), built.absent()]
    store = built.stored(folder / "study", [latent, built.absent()], FEW)
    problems = list(built.problems(question="<script>q()</script>\u202e\x00\ud800"))
    return written(folder, verdicts, store, problems)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report of 100,000 answers and a few; every third is correct, every tenth unreadable."""
    folder = tmp_path_factory.mktemp("large")
    verdicts = [built.latent()]
    store = built.stored(folder / "study", verdicts)
    trial = store.heads()[verdicts[0].trials["samples"]].trial
    answers = []
    for p in range(PROBLEMS):
        said = [(p * 7919 + s * 104729) % 99991 for s in range(SAMPLES)]
        texts = tuple(f"We have {p} and {n} more, so the answer is {n}." for n in said)
        marks = tuple(
            Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)
            if s % 10 == 9
            else Mark(str(n), Grade(int(s % 3 == 0)), Grade.INCORRECT)
            for s, n in enumerate(said)
        )
        answers.append(Answer(f"p{p}", texts, marks, 0, (12,) * SAMPLES, ("eos",) * SAMPLES))
    store.write(Outcome(trial, tuple(answers)))
    return written(folder, verdicts, store, list(built.problems(PROBLEMS)))


def opened(tab: Tab) -> None:
    """Bring the browser of answers into view and waits for its first rows."""
    tab.run("document.querySelector('#answers').scrollIntoView()")
    tab.wait("document.querySelector('.rows .row') && !document.querySelector('.save').disabled")


def put(tab: Tab, name: str, value: str) -> None:
    """Return a filter a value as a reader would, and wait for what it finds."""
    tab.run(
        f"(() => {{ const i = document.querySelector('#answers [name={name}]'); i.value = {value!r};"
        "document.querySelector('.count').textContent = 'waiting';"
        "i.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    tab.wait("document.querySelector('.count').textContent.includes(' of ')")


def count(tab: Tab) -> int:
    said = str(tab.run("document.querySelector('.count').textContent"))
    return int(said.partition(" of ")[0].replace(",", ""))


def style(tab: Tab, selector: str, name: str) -> str:
    return str(tab.run(f"getComputedStyle(document.querySelector({selector!r})).{name}"))


def test_it_asks_for_nothing_and_complains_of_nothing(browser: Chromium, hostile: Path) -> None:
    with browser.tab(hostile) as tab:
        tab.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        for i in range(int(str(tab.run("document.querySelectorAll('figure.chart').length")))):
            tab.run(f"document.querySelectorAll('figure.chart')[{i}].scrollIntoView()")
            tab.wait(f"document.querySelectorAll('figure.chart')[{i}].matches('.is-live')")
        opened(tab)
        put(tab, "samples", "")
        for _ in range(len(FEW)):
            tab.run("document.querySelector('.rows').focus()")
            tab.press("ArrowDown")
        assert tab.run("document.querySelectorAll('figure.is-live svg').length") >= 14
        assert not tab.complaints()
        assert tab.requests() == [hostile.as_uri()]
        # ours: three blocks, the script, and Vega once it was unpacked
        assert tab.run("document.querySelectorAll('script').length") == 5
        assert tab.run("document.querySelectorAll('img, iframe, object, [onerror]').length") == 0


def test_charts_tell_their_figures_as_text(browser: Chromium, hostile: Path) -> None:
    with browser.tab(hostile) as tab:
        tab.run("document.querySelector('figure.chart').scrollIntoView()")
        tab.wait("document.querySelector('figure.chart').matches('.is-live')")
        told = set()
        spots = tab.run(
            "[...document.querySelectorAll('figure.is-live')[0].querySelectorAll('.mark-symbol path')]"
            ".map(p => p.getBoundingClientRect()).map(r => [r.x + r.width / 2, r.y + r.height / 2])"
        )
        for x, y in spots:  # type: ignore[attr-defined]
            tab.point(x, y)
            told.add(tab.run("document.querySelector('.tip').textContent"))
        assert (
            "cot_decoding\nshare of the gap 98 % [96, 99]\ncorrect 95 % [92, 98]\n0 labels, 1 seed"
            in told
        )
        assert any(str(text).startswith("<img src=x onerror=alert(1)>\n") for text in told)
        assert tab.run("document.querySelectorAll('img').length") == 0
        assert tab.run("document.querySelector('.tip').hidden") is False
        assert not tab.complaints()


def test_a_mark_leads_to_its_answers(browser: Chromium, large: Path) -> None:
    with browser.tab(large) as tab:
        tab.run("document.querySelector('figure[id$=cost]').scrollIntoView({block: 'center'})")
        tab.wait("document.querySelector('figure[id$=cost]').matches('.is-live')")
        x, y = tab.run(  # type: ignore[misc]
            "(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector("
            "'figure[id$=cost] .live .mark-symbol path').getBoundingClientRect())"
        )
        tab.point(x, y, click=True)
        tab.wait("document.querySelector('#answers [name=arm]').value")
        assert tab.run("document.querySelector('#answers [name=arm]').value") == "self_consistency"
        tab.wait("document.querySelector('.count').textContent.includes(' of ')")
        assert count(tab) == 24


def test_filters_find_what_they_say_among_100_000(browser: Chromium, large: Path) -> None:
    with browser.tab(large) as tab:
        opened(tab)
        put(tab, "samples", "")
        assert count(tab) > MANY
        put(tab, "arm", "plain samples")
        assert count(tab) == MANY
        put(tab, "mark", "unreadable")
        assert count(tab) == MANY // 10
        put(tab, "mark", "strict")
        right = sum(s % 3 == 0 and s % 10 != 9 for s in range(SAMPLES))
        assert count(tab) == PROBLEMS * right
        put(tab, "mark", "")
        put(tab, "problem", "p77")
        assert count(tab) == 11 * SAMPLES, "p77 and p770 to p779"
        put(tab, "text", "WE HAVE 77 AND")
        assert count(tab) == SAMPLES
        put(tab, "text", "no such words")
        assert count(tab) == 0
        assert "No answer matches" in str(tab.run("document.querySelector('.chosen').textContent"))
        put(tab, "text", "")
        put(tab, "problem", "")
        put(tab, "samples", "stands")
        assert count(tab) == PROBLEMS
        assert not tab.complaints()


def test_100_000_rows_never_stall(browser: Chromium, large: Path) -> None:
    watch = """(() => {
      window.turns = 0; window.longest = 0; window.began = performance.now(); let last = began;
      const turn = () => { const now = performance.now(); longest = Math.max(longest, now - last);
        last = now; turns++; window.spent = now - began; if (!window.done) setTimeout(turn); };
      window.done = false; turn(); })()"""
    with browser.tab(large) as tab:
        tab.run(watch)
        opened(tab)
        put(tab, "samples", "")
        for words in ("answer is 7", "more, so", "we have 9"):
            put(tab, "text", words)
        put(tab, "text", "")
        tab.run("window.done = true")
        # shares, not seconds: the machine is shared. Work is split, so that no turn takes much of it
        assert tab.run("longest / spent") < 0.5
        assert tab.run("turns") > 20
        for place in (0.1, 0.9, 0.5, 1.0):
            tab.run(
                f"(l => {{ l.scrollTop = {place} * l.scrollHeight; }})(document.querySelector('.rows'))"
            )
            tab.run(
                "new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame))"
            )
            assert (
                5
                < int(str(tab.run("document.querySelectorAll('.rows .row:not([hidden])').length")))
                < 100
            )
        assert tab.run("document.querySelectorAll('.rows .row').length") < 100
        assert int(str(tab.run("document.querySelector('.rows').scrollHeight"))) > 30 * MANY


def test_everything_works_by_keyboard(browser: Chromium, large: Path) -> None:
    where = "document.activeElement.name || document.activeElement.className"
    chosen = "document.querySelector('.rows').getAttribute('aria-activedescendant')"
    with browser.tab(large) as tab:
        tab.press("Tab")
        assert tab.run("document.activeElement.textContent") == "Skip to the overview"
        tab.press("/")
        assert tab.run(where) == "text"
        tab.wait("document.querySelector('.count').textContent.includes(' of ')")
        before = tab.run("document.querySelector('.count').textContent")
        tab.type("answer is")
        tab.wait(f"document.querySelector('.count').textContent !== {before!r}")
        tab.press("ArrowDown")
        assert tab.run(where) == "rows"
        first = tab.run("document.querySelector('.chosen').textContent")
        tab.press("ArrowDown")
        tab.press("ArrowDown")
        assert tab.run(chosen) == "row-2"
        assert tab.run("document.querySelector('.chosen').textContent") != first
        tab.press("End")
        tab.wait(f"document.getElementById({chosen}) && {chosen} !== 'row-2'")
        assert tab.run(f"document.getElementById({chosen}).ariaSelected") == "true"
        tab.press("Home")
        assert tab.run(chosen) == "row-0"
        tab.press("Enter")
        assert tab.run(where) == "chosen"
        tab.press("Escape")
        assert tab.run(where) == "rows"
        tab.press("Escape")
        assert tab.run(where) == "text"


def test_chosen_answer_shows_question_gold_mark_and_text(browser: Chromium, large: Path) -> None:
    with browser.tab(large) as tab:
        opened(tab)
        put(tab, "text", "we have 42 and")
        shown = str(tab.run("document.querySelector('.chosen').innerText"))
        for said in ("How many apples are left? (42)", "gold 142", "strictly incorrect", "read as",
                     "sample 1 of 100, the final answer", "problem p42", "modicum show"):  # fmt: skip
            assert said in shown
        tab.run("document.querySelector('.chosen button').click()")
        tab.wait("document.querySelector('#answers [name=problem]').value === 'p42'")


def test_hidden_and_endless_texts_are_shown_as_such(browser: Chromium, hostile: Path) -> None:
    with browser.tab(hostile) as tab:
        opened(tab)
        put(tab, "text", "right to left")
        shown = str(tab.run("document.querySelector('.chosen').textContent"))
        assert "\\u202e drowssap \\u2066" in shown
        rows = str(tab.run("document.querySelector('.rows').textContent"))
        assert not re.search("[\x00-\x08\u200b-\u200f\u202a-\u202e\u2066-\u2069]", shown + rows)
        assert tab.run("document.querySelectorAll('.chosen .hidden').length") > 3
        put(tab, "text", "xxxxxxxxxx")
        assert "characters left out" in str(
            tab.run("document.querySelector('.chosen').textContent")
        )
        assert not tab.complaints()


def test_scripts_and_page_agree_on_what_is_hidden(browser: Chromium, hostile: Path) -> None:
    source = (PACKAGE / "report" / "page.js").read_text(encoding="utf-8")
    pattern = re.search(r"const HIDDEN =\s*(/.*/)gu;", source)
    assert pattern is not None
    with browser.tab(hostile) as tab:
        found = tab.run(
            f"(() => {{ const found = []; for (let c = 0; c < 0x110000; c++)"
            f" if ({pattern[1]}u.test(String.fromCodePoint(c))) found.push(c); return found; }})()"
        )
    hidden = [c for c in range(0x110000) if untrusted.pieces(chr(c))[0][1]]
    assert found == hidden


def test_csv_holds_no_formula_and_nothing_hidden(browser: Chromium, hostile: Path) -> None:
    with browser.tab(hostile) as tab:
        opened(tab)
        tab.run("URL.createObjectURL = (blob) => { window.made = blob; return '#'; }")
        tab.run("document.querySelector('.save').click()")
        tab.wait("window.made")
        text = str(tab.run("window.made.text()"))
    assert text.startswith('"task","model","rung"')
    assert '"\'=HYPERLINK(""http://x"",""y"")"' in text
    assert not re.search(r'(^|,)"[=+\-@]', text, re.MULTILINE)
    assert not re.search("[\x00-\x08\x1b\u202a-\u202e\u2066-\u2069]", text)
    assert "<script>alert(1)</script>" in text


def test_dark_and_light_follow_the_system_and_the_button(browser: Chromium, hostile: Path) -> None:
    with browser.tab(hostile, prefers_color_scheme="dark") as tab:
        dark = style(tab, "body", "backgroundColor")
        tab.run("document.querySelector('button.theme').click()")
        assert style(tab, "body", "backgroundColor") != dark
        tab.run("localStorage.clear()")
    with browser.tab(hostile, prefers_color_scheme="light") as tab:
        light = style(tab, "body", "backgroundColor")
        ink = style(tab, "figure.chart .still path[stroke^=var]", "stroke")
        tab.run("document.querySelector('button.theme').click()")
        assert style(tab, "body", "backgroundColor") == dark != light
        assert style(tab, "figure.chart .still path[stroke^=var]", "stroke") != ink
        tab.run("localStorage.clear()")


def test_print_is_still_and_whole(browser: Chromium, hostile: Path) -> None:
    with browser.tab(hostile) as tab:
        tab.run("document.querySelector('figure.chart').scrollIntoView()")
        tab.wait("document.querySelector('figure.chart').matches('.is-live')")
        assert style(tab, "figure.chart .still", "display") == "none"
        tab.ask("Emulation.setEmulatedMedia", media="print")
        assert style(tab, "figure.chart .still", "display") == "block"
        assert style(tab, "figure.chart .live", "display") == "none"
        assert style(tab, "#answers", "display") == "none"
        assert style(tab, "nav.index", "display") == "none"
        pages = str(tab.ask("Page.printToPDF")["data"])
        assert len(pages) > 50_000


def test_charts_of_readings_answer_and_ask_for_nothing(browser: Chromium, tmp_path: Path) -> None:
    """Every kind of mark, whatever stands in their texts."""
    text = " ".join(built.HOSTILE)
    points = (Point(text, 0.5, 0.4, 0.6), Point("b", 0.25))
    charts = tuple(
        Plot(mark, text, text, text, text, (Series(text, points), Series("b", points)), mark)
        for mark in ("points", "line", "bars", "curve", "rows")
    )
    verdict = dataclasses.replace(built.latent(), sections={"own": Section(text, charts=charts)})
    store = built.stored(tmp_path / "study", [verdict])
    path = written(tmp_path, [verdict], store, list(built.problems()))
    with browser.tab(path) as tab:
        tab.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        for chart in charts:
            figure = f"document.querySelector('figure[id$=-own-{chart.name}]')"
            tab.run(f"{figure}.scrollIntoView()")
            tab.wait(f"{figure}.matches('.is-live')")
        assert not tab.complaints()
        assert tab.requests() == [path.as_uri()]


def test_without_scripts_it_is_a_whole_still_page(browser: Chromium, hostile: Path) -> None:
    with browser.tab(hostile, scripts=False) as tab:
        assert style(tab, "figure.chart .still", "display") == "block"
        assert tab.run("document.querySelectorAll('figure .still svg').length") == 7
        assert tab.run("document.querySelector('.scripted').hidden") is True
        assert tab.run("document.querySelector('button.theme').hidden") is True
        assert "needs scripts" in str(tab.run("document.querySelector('.unscripted').innerText"))


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_no_width_scrolls_sideways(browser: Chromium, hostile: Path, width: int) -> None:
    with browser.tab(hostile, width=width) as tab:
        tab.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        opened(tab)
        assert int(str(tab.run("document.documentElement.scrollWidth"))) <= width


def test_links_open_closed_subjects(browser: Chromium, hostile: Path) -> None:
    with browser.tab(hostile) as tab:
        tab.run("document.querySelectorAll('nav.index a')[2].click()")
        tab.wait("document.querySelectorAll('details.subject')[1].open")


def test_the_large_page_stays_small(large: Path) -> None:
    assert large.stat().st_size < 3_000_000
