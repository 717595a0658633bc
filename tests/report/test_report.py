"""The report: self-contained, harmless whatever a model writes, every statement linked."""

import dataclasses
import html.parser
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from modicum.analysis.verdict import Verdict
from modicum.report import completions, questions
from modicum.report.evidence import trials_table
from modicum.report.markup import Markup, element, join
from modicum.report.page import write_report
from modicum.report.untrusted import LIMIT
from modicum.stats import Figure
from modicum.types import Problem
from tests.support import verdicts as built

VOID = {"meta", "link", "br", "img", "input", "hr"}
REQUESTS = {"src", "srcset", "data", "poster", "action", "formaction", "background", "xlink:href"}
OURS = ["script"] * 4
"""Vega, the charts' specs, the rows, and the one script that runs."""


class Page(html.parser.HTMLParser):
    """Reads a page as a browser would: elements, anchors, links, text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.requests: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in REQUESTS or name == "href":
                self.requests.append(value or "")
            elif name.startswith("on"):
                self.handlers.append(name)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


class Asked:
    """A task that only gives its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.given = tuple(problems)

    def problems(self, split: str, n: int) -> tuple[Problem, ...]:
        assert split == "test"
        return self.given[:n]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a report of verdicts over a store of texts, and give its path."""

    def build(
        verdicts: Sequence[Verdict],
        texts: Sequence[str] = (),
        question: str = "How many apples are left?",
    ) -> Path:
        task = Asked(built.problems(question=question))
        monkeypatch.setattr(questions, "resolve_task", lambda _: task)
        store = built.stored(tmp_path / "study", verdicts, texts)
        path = tmp_path / "study" / "report.html"
        write_report(list(map(built.with_sections, verdicts)), store, built.plan(), path)
        store.close()
        return path

    return build


@dataclasses.dataclass(frozen=True)
class Written:
    """The report of nine subjects and the processor time it took."""

    path: Path
    seconds: float


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Return the report of nine subjects, written once."""
    folder = tmp_path_factory.mktemp("study")
    verdicts = built.study()
    store = built.stored(folder, verdicts)
    path = folder / "report.html"
    start = time.process_time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "resolve_task", lambda _: Asked(built.problems()))
        write_report(list(map(built.with_sections, verdicts)), store, built.plan(), path)
    spent = time.process_time() - start
    store.close()
    return Written(path, spent)


def test_page_is_well_formed_and_asks_for_nothing(whole: Written) -> None:
    page = Page(whole.path.read_text(encoding="utf-8"))
    assert not page.open
    assert [name for name in page.names if name == "script"] == OURS
    assert "iframe" not in page.names
    assert page.requests == ["data:,"]
    assert not page.handlers
    text = whole.path.read_text(encoding="utf-8")
    assert not re.search(r"https?://", text)
    assert not re.search(r"url\(|@import|@font-face", text)


def test_page_is_small_and_quick(whole: Written) -> None:
    assert whole.path.stat().st_size < 1_000_000
    # the goal is 6 s; this test shares its machine with others
    assert whole.seconds < 12


def test_every_link_leads_somewhere(whole: Written) -> None:
    page = Page(whole.path.read_text(encoding="utf-8"))
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link.startswith("#") or link.startswith("artefacts/"), link
        assert not link.startswith("#") or link[1:] in page.ids, link


def test_every_trial_behind_a_verdict_is_linked_and_listed(whole: Written) -> None:
    page = Page(whole.path.read_text(encoding="utf-8"))
    for verdict in built.study():
        ids = {trial for row in verdict.rungs for trial in row.trials}
        ids |= {t for row in verdict.rungs for c in row.control_trials.values() for t in c}
        for trial in ids | set(verdict.trials.values()):
            assert f"trial-{trial}" in page.ids
            assert f"#trial-{trial}" in page.links


def test_report_says_the_verdict_with_its_intervals(write) -> None:
    text = Page(write([built.latent()]).read_text(encoding="utf-8")).text
    for said in (
        "Is this ability latent, and how little unlocks it?",
        "Latent, unlocked by cot_decoding with 0 labels.",
        "Share of the gap 98 % [96, 99], 95 % interval, n = 400",
        "97 % [95, 98]",
        "ceiling at k = 64",
        "41 % [22, 63]",
        "fine_tune: 4 [3, 6] labels for 90 % of the gap",
        "cot_decoding pays below 1,200 queries",
        "Questions it leaves open",
        "−1.2 [−2.2, 0.0]",
        "model without the ability n=128",
    ):
        assert said in text, said


def test_failed_trials_are_named_and_escaped(write) -> None:
    source = write([built.latent()]).read_text(encoding="utf-8")
    assert "failed</strong>: TrialError: &lt;b&gt;burst&lt;/b&gt;" in source


def test_a_verdict_without_gap_says_so(write) -> None:
    text = Page(write([built.absent()]).read_text(encoding="utf-8")).text
    assert "The share of the gap is undefined here: there is no gap to close." in text
    assert "none: nothing tried reaches above the floor" in text
    assert "1 trial failed" in text


def test_the_rung_that_is_the_ceiling_claims_no_share(write) -> None:
    verdict = built.latent()
    *others, last = verdict.rungs
    gain = Figure(0.86, 0.83, 0.89, 400)
    last = dataclasses.replace(
        last, gap_recovered=None, is_ceiling=True, gain=gain, unreadable=(0.6, 0.05)
    )
    path = write([dataclasses.replace(verdict, rungs=(*others, last))])
    page = Page(path.read_text(encoding="utf-8")).text
    assert "is the ceiling" in page
    assert "gain 86.0 [83.0, 89.0] points" in page
    assert "unreadable 60 % → 5 %" in page
    assert "Share of the gap 98 %" in page
    assert "The ceiling is fine_tune with 8 labelled problems" in page
    assert "read by version" in page


def test_a_word_that_rests_on_the_ceilings_own_rung_names_its_gain(write) -> None:
    verdict = built.latent()
    *others, last = verdict.rungs
    gain = Figure(0.86, 0.83, 0.89, 400)
    last = dataclasses.replace(last, gap_recovered=None, is_ceiling=True, gain=gain)
    verdict = dataclasses.replace(
        verdict, rungs=(*others, last), unlocked_by="fine_tune", share=gain
    )
    page = Page(write([verdict]).read_text(encoding="utf-8")).text
    assert "Gain over the floor 86.0 [83.0, 89.0] points" in page
    assert not re.search(r"Share of the gap \d", page)


def test_figures_that_are_not_finite_are_drawn(write) -> None:
    nan, wide = float("nan"), Figure(0.5, float("-inf"), float("inf"), 400)
    rows = [
        dataclasses.replace(
            row,
            gap_recovered=gap,
            retention=built.kept(gap),
            control_gaps={"scrambled": gap or wide},
        )
        for row, gap in zip(
            built.latent().rungs,
            (wide, Figure(nan, nan, nan, 0), None, Figure(-40.0, -90.0, 7.0, 400), wide, wide),
            strict=True,
        )
    ]
    text = write([dataclasses.replace(built.latent(), rungs=tuple(rows))]).read_text()
    assert "50 % (−∞, ∞)" in text
    assert "−4000 % [−9000, 700]" in text
    assert not re.search(r'="[^"]*NaN', text)


def test_hostile_completions_stay_text(write) -> None:
    source = write(
        [built.latent()], built.HOSTILE, "<script>q()</script>\u202e\x00\ud800"
    ).read_text(encoding="utf-8")
    page = Page(source)
    assert not page.open
    assert [name for name in page.names if name in ("script", "iframe", "img")] == OURS
    assert not page.handlers
    assert page.requests == ["data:,"]
    assert "<script>alert(1)</script>" in page.text
    assert "</script><img src=x onerror=alert(1)>" in page.text
    assert "&lt;b&gt; &amp;amp; $title ${style} {question} %s" in page.text


def test_hidden_characters_are_made_visible(write) -> None:
    source = write([built.latent()], built.HOSTILE).read_text(encoding="utf-8")
    hidden = [c for c in source if ord(c) < 32 and c not in "\n\t"]
    assert not hidden
    assert not re.search("[\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", source)
    for name in ("\\x00", "\\x1b", "\\x85", "\\u202e", "\\u2066", "\\u200b", "\\ud800"):
        assert f'<span class="hidden">{name}</span>' in source


def test_a_huge_answer_is_cut_and_said_to_be(write) -> None:
    path = write([built.latent()], built.HOSTILE)
    source = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 1_000_000
    assert max(map(len, re.findall("x+", source))) <= LIMIT
    assert f"{len(built.HUGE) - LIMIT:,} characters left out" in source


def test_completions_that_differ_come_first(write) -> None:
    source = write([built.latent()]).read_text(encoding="utf-8")
    kinds = re.findall(r'<article class="pair (\w+)">', source)
    assert len(kinds) == completions.SHOWN
    assert kinds == sorted(kinds, key=["gained", "lost", "neither", "both"].index)
    assert {"gained", "lost"} <= set(kinds)


def test_a_report_survives_without_its_task_and_without_its_trials(tmp_path: Path) -> None:
    verdicts = [built.latent("no-such-task")]
    store = built.stored(tmp_path / "full", verdicts)
    write_report(
        list(map(built.with_sections, verdicts)), store, built.plan(), tmp_path / "full.html"
    )
    assert "(the question cannot be read)" in (tmp_path / "full.html").read_text(encoding="utf-8")
    empty = built.stored(tmp_path / "empty", [])
    write_report(verdicts, empty, built.plan(), tmp_path / "empty.html")
    assert "not in the store" in (tmp_path / "empty.html").read_text(encoding="utf-8")
    write_report([], empty, built.plan(), tmp_path / "none.html")
    for s in (store, empty):
        s.close()


def test_the_same_study_gives_the_same_page(tmp_path: Path) -> None:
    verdicts = [built.latent()]
    store = built.stored(tmp_path / "study", verdicts)
    for name in ("a.html", "b.html"):
        write_report(list(map(built.with_sections, verdicts)), store, built.plan(), tmp_path / name)
    store.close()
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_links_to_nudges_are_relative_and_stay_inside(tmp_path: Path) -> None:
    verdicts = [built.latent()]
    store = built.stored(tmp_path / "study", verdicts)
    trial = built.trial("word-sums", "fine_tune", 1)
    outcome = store.read(trial)
    assert outcome is not None
    for artefact in ("../../etc", "javascript:alert(1)", "/etc"):
        store.write(dataclasses.replace(outcome, artefact=artefact))
        table = trials_table(verdicts, store.heads(), store.folder, tmp_path / "report.html")
        assert all(link.startswith("study/") for link in Page(table).links)
    store.close()


def test_children_and_attributes_are_escaped_unless_markup() -> None:
    made = element("p", "<i>", Markup("<b>x</b>"), title='"><script>', data_x=None, tabindex=0)
    assert made == '<p title="&quot;&gt;&lt;script&gt;" tabindex="0">&lt;i&gt;<b>x</b></p>'
    assert join(["<a>", Markup("<u></u>")], " & ") == "&lt;a&gt; &amp; <u></u>"
