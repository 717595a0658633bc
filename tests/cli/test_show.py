"""`modicum show`: trials in a list, one trial with its completions; hostile text cannot act."""

import json
import re
from pathlib import Path

import pytest

from modicum.store.database import Answer, Outcome, Store
from modicum.study.plan import Plan
from modicum.types import Grade, Mark, Style, Trial
from tests.support import verdicts as made
from tests.support.commands import SMALL, Said, modicum

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f\ud800-\udfff]"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("study")
    assert modicum("run", *SMALL, "--out", out).code == 0
    return out


@pytest.fixture(scope="module")
def trials(folder) -> list[dict]:
    return [json.loads(line) for line in modicum("show", folder, "--json").out.splitlines()]


def _rows(*arguments: object) -> list[dict]:
    said = modicum("show", *arguments, "--json")
    assert said.code == 0, said.err
    return [row for row in map(json.loads, said.out.splitlines()) if "problem" in row]


def _id(trials: list[dict], method: str, **settings: object) -> str:
    return next(
        t["trial"]
        for t in trials
        if t["method"] == method
        and not t["task"].startswith("scrambled:")
        and all(t["settings"][k] == v for k, v in settings.items())
    )


def _listed(lines: list[str]) -> list[str]:
    """Return the lines of a list of trials below its heads."""
    start = next(i for i, line in enumerate(lines) if line.startswith("trial "))
    return lines[start + 1 :]


def test_list_says_once_what_all_trials_share(folder) -> None:
    first, _, heads, *_ = modicum("show", folder).out.splitlines()
    assert first.startswith("model scripted")
    assert "model" not in heads


def test_list_has_a_line_for_every_trial(folder, trials) -> None:
    lines = modicum("show", folder).out.splitlines()
    assert [line[:8] for line in _listed(lines)] == [t["trial"][:8] for t in trials]
    store = Store(folder)
    assert {t["trial"] for t in trials} == set(store.heads())
    store.close()


def test_list_names_the_columns_of_the_issue(trials) -> None:
    wanted = {"trial", "model", "task", "method", "n_shots", "seed", "control", "labels", "seconds"}
    assert all(wanted | {"scores", "error"} <= set(t) for t in trials)
    assert set(trials[0]["scores"]["lenient"]) == {"value", "low", "high", "n"}


def test_list_can_be_narrowed_to_a_method(folder, trials) -> None:
    lines = modicum("show", folder, "--method", "cot_decoding").out.splitlines()
    assert len(_listed(lines)) == sum(t["method"] == "cot_decoding" for t in trials) > 0


def test_first_digits_name_a_trial(folder, trials) -> None:
    name = _id(trials, "cot_decoding")
    text = modicum("show", folder, name[:8], "--limit", 2).out
    assert text.startswith(f"trial       {name}\n")
    assert "question    What is" in text
    assert "gold " in text
    assert text.count("completion  ") == 2


def test_trial_shows_settings_ledger_prompt_and_both_scores(folder, trials) -> None:
    text = modicum("show", folder, _id(trials, "cot_decoding")).out
    for label in ("settings", "to make it", "to answer", "style", "prompt", "scores"):
        assert re.search(f"^{label} ", text, re.MULTILINE), label
    assert "lenient" in text
    assert "strict" in text


def test_completions_agree_with_the_score(folder, trials) -> None:
    name = _id(trials, "cot_decoding")
    rows = _rows(folder, name)
    score = next(t for t in trials if t["trial"] == name)["scores"]["lenient"]["value"]
    assert len(rows) == 64
    assert sum(row["lenient"] == "correct" for row in rows) / 64 == pytest.approx(score)
    assert all((row["answer"] == row["gold"]) == (row["lenient"] == "correct") for row in rows)


def test_wrong_gives_the_incorrect_ones_alone(folder, trials) -> None:
    name = _id(trials, "plain", style="default", samples=1, forced=False)
    every, wrong = _rows(folder, name), _rows(folder, name, "--wrong")
    assert wrong == [row for row in every if row["lenient"] == "incorrect"]
    assert 0 < len(wrong) < 65


def test_problem_and_grep_narrow_the_completions(folder, trials) -> None:
    name = _id(trials, "plain", samples=16)
    every = _rows(folder, name, "--all")
    one = every[0]["problem"]
    assert _rows(folder, name, "--all", "--problem", one) == every[:16]
    found = _rows(folder, name, "--all", "--grep", "tHiNk")
    assert found == [row for row in every if "think" in row["text"].casefold()]
    assert 0 < len(found) < len(every)


def test_limit_counts_over_all_trials(folder) -> None:
    assert len(_rows(folder, "--all", "--limit", 70)) == 70
    said = modicum("show", folder, "--all", "--limit", 70)
    assert said.out.count("\ncompletion  ") == 70
    assert "more fit" in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["zzzz"], "no trial zzzz"),
        (["--method", "nothing"], "no trial of nothing"),
        ([""], "trials begin with ''"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_wrong_use_is_named(folder, arguments: list[str], words: str) -> None:
    said = modicum("show", folder, *arguments)
    assert said.code == 2
    assert words in said.err


def test_folder_without_a_study_is_named(tmp_path) -> None:
    said = modicum("show", tmp_path)
    assert (said.code, "no study in" in said.err) == (2, True)


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A study of one trial whose model, task and answers are hostile, and whose task is gone."""
    store = Store(tmp_path)
    store.freeze(Plan(grids=()).as_dict())
    answers = tuple(
        Answer(f"p{i}\x1b[31m", (text,), (Mark(text[:9], Grade.INCORRECT, Grade.INCORRECT),))
        for i, text in enumerate((*made.HOSTILE, made.HUGE))
    )
    trial = Trial("m\x1b]0;title\x07", "no-such\u202etask", "plain", 0, 0, {"a\x00": "\x1b[2J"})
    store.write(Outcome(trial, answers, asked_in=Style("\x1b[1m", "\u2066")))
    failed = Trial("m", "t", "plain", 0, 1)
    store.write(Outcome(failed, error="KeyError: \x1b[31m\nTraceback"))
    store.close()
    return tmp_path


@pytest.mark.parametrize("more", [[], ["--all"], ["--all", "--json"], ["--json"]])
def test_hostile_text_reaches_no_terminal(hostile, more: list[str]) -> None:
    said: Said = modicum("show", hostile, *more)
    assert said.code == 0
    assert not UNSAFE.search(said.out + said.err)


def test_hidden_characters_are_spelled_out(hostile) -> None:
    out = modicum("show", hostile, "--all").out
    assert r"\x1b[31m" in out
    assert r"\u202e" in out


def test_endless_text_is_cut_unless_the_whole_is_asked(hostile) -> None:
    assert len(modicum("show", hostile, "--all").out) < 30_000
    whole = modicum("show", hostile, "--all", "--whole", "--problem", "p7\x1b[31m").out
    assert len(whole) > len(made.HUGE)


def test_trial_whose_task_is_gone_still_shows_what_is_stored(hostile) -> None:
    said = modicum("show", hostile, "--all", "--grep", "</script>")
    assert said.code == 0
    assert "questions and golds cannot be read" in said.err
    assert "alert(1)" in said.out


def test_failed_trial_says_why(hostile) -> None:
    assert "failed: KeyError" in modicum("show", hostile).out
