"""The rows of the page's browser: every answer once, within what a page may weigh."""

import base64
import dataclasses
import itertools
import json
import random
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from modicum.report.packed import as_line, block, compressed, size_in_page
from modicum.report.page import write_report
from modicum.report.questions import Questions
from modicum.report.rows import CAPS, LONG, SHORT, Rows, arms_of, read_rows
from modicum.store.database import Answer, Outcome, Store
from modicum.types import Grade, Mark, Trial
from tests.support import verdicts as built

ROOMY = 10_000_000


def answer(problem: str, texts: Sequence[str], chosen: int = 0) -> Answer:
    """Return an answer of which the chosen text is correct."""
    marks = tuple(
        Mark(t[-3:], Grade(int(i == chosen)), Grade.INCORRECT) for i, t in enumerate(texts)
    )
    return Answer(
        problem, tuple(texts), marks, chosen, tuple(map(len, texts)), ("eos",) * len(texts)
    )


def rows_of(store: Store, room: int = ROOMY) -> Rows:
    heads = store.heads()
    return read_rows(store, arms_of([], heads), heads, Questions(), room)


def lines(rows: Rows) -> list[dict]:
    text = zlib.decompress(rows.data, 31).decode()
    return [json.loads(line) for line in text.splitlines()]


def noise(n: int, length: int) -> list[str]:
    """Return texts that hardly compress."""
    draw = random.Random(n)
    return [
        "".join(draw.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length)) for _ in range(n)
    ]


def test_every_answer_is_in_the_rows_with_its_mark(tmp_path: Path) -> None:
    store = Store(tmp_path)
    trial = Trial("m", "t", "self_consistency", 0, 0)
    store.write(Outcome(trial, (answer("p0", ["a 1", "b 2", "a 1"], 1), answer("p1", ["c 3"]))))
    rows = rows_of(store)
    head, first, second = lines(rows)
    assert (rows.kept, rows.stored, rows.cap) == (4, 4, CAPS[0])
    assert head["arms"] == [[trial.id, 0, "self_consistency", "", 0]]
    assert first["x"] == ["a 1", "b 2"]
    assert first["m"] == ["11", "21"]
    assert first["r"] == [[0, 3, 1, 0, 1, 0]], "equal answers are held once"
    assert second["q"][0] == "p1"
    store.close()


def test_failed_trials_have_no_rows_and_scrambled_golds_stand_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(Outcome(Trial("m", "t", "fine_tune", 4, 0), error="TrialError: no"))
    store.write(Outcome(Trial("m", "t", "fine_tune", 4, 1), (answer("p0", ["x"]),)))
    store.write(Outcome(Trial("m", "scrambled:t", "fine_tune", 4, 1), (answer("p0", ["x"]),)))
    head, *groups = lines(rows_of(store))
    assert [arm[2:4] for arm in head["arms"]] == [
        ["fine_tune n=4", ""],
        ["fine_tune n=4", "scrambled"],
    ]
    assert head["subjects"] == [["t", "m"]]
    assert len(groups) == 2
    store.close()


@pytest.mark.parametrize("room", [200_000, 60_000, 9_000, 1_000, 0])
def test_rows_fit_into_any_room_and_keep_what_stands(room: int, tmp_path: Path) -> None:
    store = Store(tmp_path)
    texts = noise(400, 900)
    answers = [answer(f"p{i}", texts[8 * i : 8 * i + 8], 7) for i in range(50)]
    store.write(Outcome(Trial("m", "t", "self_consistency", 0, 0), tuple(answers)))
    rows = rows_of(store, room)
    assert size_in_page(rows.data) <= max(room, 200), "an empty list has a head line"
    assert rows.stored == 400
    kept = 0
    for group in lines(rows)[1:]:
        for _, drawn, chosen, *entries in group["r"]:
            kept += len(entries)
            assert (drawn, chosen) == (8, 7)
            assert group["m"][entries[-1]][0] == "2", "the one that stands is among them"
    assert kept == rows.kept
    assert (kept > 0) == (room >= 9_000)
    store.close()


def test_caps_only_shrink() -> None:
    def size(cap) -> tuple[float, float, int]:
        endless = float("inf")
        samples = endless if cap.samples is None else cap.samples
        return (endless if cap.problems is None else cap.problems, samples, cap.text)

    assert all(size(a) >= size(b) and a != b for a, b in itertools.pairwise(CAPS))
    assert CAPS[-1].problems == 0


def test_a_heavy_study_is_cut_and_the_page_says_so_and_stays_small(tmp_path: Path) -> None:
    verdicts = [built.latent()]
    store = built.stored(tmp_path / "study", verdicts)
    heads = store.heads()
    sampled = heads[verdicts[0].trials["samples"]].trial
    texts = noise(1600, 2500)
    answers = [answer(f"p{i}", texts[16 * i : 16 * i + 16]) for i in range(100)]
    store.write(Outcome(sampled, tuple(answers)))
    path = tmp_path / "report.html"
    write_report(verdicts, store, built.plan(), path)
    store.close()
    source = path.read_text(encoding="utf-8")
    assert len(source.encode()) < 3_000_000
    said = re.search(r"([\d,]+) of ([\d,]+) answers of \d+ trials: the first \d+ samples", source)
    assert said is not None
    kept, stored = (int(number.replace(",", "")) for number in said.groups())
    assert 400 < kept < stored
    assert "The command under each answer shows the rest." in source


@pytest.mark.parametrize(("room", "shown"), [(ROOMY, LONG), (5_000, SHORT)])
def test_texts_are_cut_with_their_head_and_tail(room: int, shown: int, tmp_path: Path) -> None:
    store = Store(tmp_path)
    text = "head" + noise(1, 50_000)[0] + "x" * 10_000_000 + noise(1, 1000)[0] + "tail"
    store.write(Outcome(Trial("m", "t", "plain", 0, 0), (answer("p0", [text]),)))
    [[head, left_out, tail]] = lines(rows_of(store, room))[1]["x"]
    assert head.startswith("head")
    assert tail.endswith("tail")
    assert len(head) + len(tail) == shown
    assert left_out == len(text) - shown
    store.close()


def test_hostile_text_survives_and_cannot_leave_its_block(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(Outcome(Trial("m", "t", "plain", 0, 0), (answer("p</script>", built.HOSTILE),)))
    rows = rows_of(store)
    assert lines(rows)[1]["x"] == list(built.HOSTILE)
    made = block("rows", rows.data)
    inside = re.fullmatch(
        r'<script id="data-rows" type="text/plain">([A-Za-z0-9+/=]*)</script>', made
    )
    assert inside is not None
    assert base64.b64decode(inside[1]) == rows.data
    store.close()


def test_packing_is_the_same_every_time_and_its_size_is_known() -> None:
    data = compressed([as_line({"a": "\ud800"}), "more"])
    assert data == compressed([as_line({"a": "\ud800"}) + "more"])
    assert zlib.decompress(data, 31).decode() == '{"a":"\\ud800"}\nmore'
    assert size_in_page(data) == len(base64.b64encode(data))


def test_doctor_findings_stand_in_the_report_gravest_first(tmp_path: Path) -> None:
    from modicum.store.facts import FindingsKey
    from modicum.types import Finding

    verdicts = [built.latent()]
    store = built.stored(tmp_path / "study", verdicts)
    found = (
        Finding("memory", "fact", "needs 1.2 GB"),
        Finding("truncated", "fault", "half of <b>texts</b> are cut off", "raise the limit"),
    )
    store.keep_findings(FindingsKey(verdicts[0].model, verdicts[0].task), found)
    write_report(verdicts, store, built.plan(), tmp_path / "report.html")
    store.close()
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert source.index("half of &lt;b&gt;texts&lt;/b&gt;") < source.index("needs 1.2 GB")
    assert "raise the limit" in source


def test_a_nudge_that_was_sampled_has_its_own_curve_and_nulls(tmp_path: Path) -> None:
    from modicum.analysis.verdict import Curve
    from modicum.report.axes import Palette
    from modicum.report.pass_chart import pass_chart

    verdict = built.latent()
    curve = Curve((1, 2, 4), (0.5, 0.7, 0.9), (0.01, 0.02, 0.03), (0.02, 0.04))
    rows = [
        dataclasses.replace(row, curve=curve) if row.name == "fine_tune n=8" else row
        for row in verdict.rungs
    ]
    nudged = dataclasses.replace(verdict, rungs=tuple(rows))
    for given, names in (
        (verdict, []),
        (nudged, ["pass@k", "chance", "chance, wrong-answer prior"]),
    ):
        chart = pass_chart(given, Palette.of([given]))
        assert chart is not None
        text = json.dumps(chart.spec)
        assert [
            n
            for n in ("pass@k", "chance", "chance, wrong-answer prior")
            if f"fine_tune n=8 {n}" in text
        ] == names
        assert "cot_decoding, pass@k" not in [key.label for key in chart.keys], (
            "branches are no samples"
        )
        assert "cot_decoding" in [key.label for key in chart.keys], "its accuracy is a level line"
