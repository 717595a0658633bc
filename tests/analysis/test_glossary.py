"""The glossary: every word that is printed is explained, under its new and its old names."""

import json

import pytest

from modicum.analysis.glossary import GLOSSARY, explained
from modicum.analysis.meaning import DECISIONS
from modicum.analysis.printed import LEVELS, PRINTED, control_name
from modicum.cli.verdict_text import overview_text, verdict_text
from modicum.errors import ConfigError
from tests.support import verdicts as built
from tests.support.commands import modicum

OLD = (
    "n50", "n90", "rung", "subject", "default", "floor", "ceiling", "gap", "luck", "near miss",
    "forced form", "damage", "worth", "elicitation", "serving", "front", "on the front", "twin",
    "scrambled", "shuffled", "organism", "latent", "doctor", "measuring labels", "break-even",
    "beyond format", "lenient", "strict", "near_miss", "gap_recovered", "n_shots",
)  # fmt: skip


@pytest.mark.parametrize("word", [*OLD, *DECISIONS, *LEVELS, *LEVELS.values()])
def test_old_and_new_words_are_explained(word: str) -> None:
    assert explained(word).text


@pytest.mark.parametrize("name", PRINTED)
def test_a_printed_name_and_its_code_name_are_one_entry(name: str) -> None:
    assert explained(name) == explained(PRINTED[name])


@pytest.mark.parametrize("entry", GLOSSARY.values(), ids=GLOSSARY)
def test_an_entry_is_one_to_three_sentences(entry) -> None:
    assert 1 <= entry.text.count(". ") + 1 <= 3
    assert entry.text.endswith(".")


def test_no_name_has_two_entries() -> None:
    names = [name for e in GLOSSARY.values() for name in (e.term, *e.also)]
    assert len(names) == len(set(names))


def test_the_heads_of_the_verdicts_tables_are_explained() -> None:
    text = verdict_text(built.latent())
    head = next(line for line in text.splitlines() if ("labels" in line and "serving" in line) or
                ("method" in line and "correct" in line))  # fmt: skip
    over = overview_text([built.latent()]).splitlines()[0]
    known = {"task", "model", "ability"}
    words = [w for line in (head, over) for w in line.split("  ") if w.strip()]
    assert len(words) > 6
    for word in words:
        assert word.strip() in known or explained(word.strip()).text


def test_a_control_with_its_own_labels_keeps_them() -> None:
    assert control_name("twin n=128") == "model without the ability n=128"
    assert explained("twin n=128") == explained("twin")


def test_an_unknown_word_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="latent"):
        explained("ladent")


def test_the_verb_explains_words_and_methods() -> None:
    said = modicum("explain", "near", "miss")
    assert said.out.startswith("chance, wrong-answer prior\n")
    assert modicum("explain", "fine-tune").out.startswith("fine_tune\n")
    assert modicum("explain", "ladent").code == 2
    assert max(map(len, modicum("explain", "n90").out.splitlines())) <= 80


def test_the_verb_lists_every_word_and_gives_json() -> None:
    lines = modicum("explain").out.splitlines()
    first = [line for line in lines if not line.startswith("  ")]
    assert all(line.startswith(term) for line, term in zip(first, GLOSSARY, strict=True))
    assert max(map(len, lines)) <= 80
    found = json.loads(modicum("explain", "--json", "n90").out)["terms"]
    assert found[0]["term"] == "labels for 90 % of the gap"
