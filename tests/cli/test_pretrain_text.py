"""`modicum pretrain transformer` trains on text, goes on, and prints nats beside the source's entropy."""

import json

import pytest

from modicum.training.text_pretraining import TextPlan, TextSchedule, pretrain_text
from modicum.training.transformer_learner import TransformerNet
from tests.support.commands import modicum

SMALL = ("--steps", 4, "--batch", 2, "--length", 16, "--tokens", 400, "--windows", 4)
SIZES = ("--width", 8, "--heads", 2, "--layers", 1)
LINE = ("pretrain", "transformer", "--corpus", "made:ledgers", *SMALL, *SIZES)


def test_a_stopped_training_says_where_it_goes_on_and_what_it_found(tmp_path, monkeypatch) -> None:
    def stop(ledger) -> None:
        if ledger.updates == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("modicum.cli.progress.BEAT_S", 0.0)
    schedule = TextSchedule(steps=4, batch=2, length=16, tokens=400)
    plan = TextPlan("made:ledgers", TransformerNet(8, 1, 2), schedule)
    with pytest.raises(KeyboardInterrupt):
        pretrain_text(plan, tmp_path / "net", "cpu", 4, stop)
    said = modicum(*LINE, "--out", tmp_path / "net")
    assert said.code == 0, said.err
    assert "going on after update" in said.err
    lines = said.out.splitlines()
    assert lines[0].startswith("transformer on made:ledgers: ")
    assert "400 unlabelled characters, 4 updates" in lines[0]
    assert [line.split()[0] for line in lines[1:6]] == [
        "split",
        "selection",
        "test",
        "test",
        "test",
    ]
    assert lines[-1] == f"written to {tmp_path / 'net'}; use it with --model {tmp_path / 'net'}"


def test_its_json_holds_settings_costs_and_figures(tmp_path) -> None:
    told = json.loads(modicum(*LINE, "--out", tmp_path / "net", "--json").out)
    assert (told["schema"], told["net"]["kind"], told["net"]["width"]) == (1, "transformer", 8)
    assert told["unlabelled"] == {"texts": 25, "tokens": 400}
    first = told["scores"][0]
    assert (first["split"], first["shift"]["distance"]) == ("selection", 0)
    assert first["whole"]["low"] < first["whole"]["value"] < first["whole"]["high"]


def test_a_text_file_is_learned_too(tmp_path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("".join(f"line {i} of a text\n" for i in range(200)), encoding="utf-8")
    line = ("pretrain", "transformer", "--corpus", path, *SMALL, *SIZES, "--out", tmp_path / "net")
    said = modicum(*line)
    assert said.code == 0, said.err
    assert "the file itself" in said.out


@pytest.mark.parametrize(
    ("corpus", "words"),
    [("made:bracket", "did you mean 'brackets'"), ("nowhere.txt", "no file nowhere.txt")],
)
def test_a_corpus_that_is_none_is_refused_in_words(corpus: str, words: str, tmp_path) -> None:
    said = modicum("pretrain", "transformer", "--corpus", corpus, "--out", tmp_path / "net")
    assert said.code == 2
    assert words in said.err
