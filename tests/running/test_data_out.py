"""A study's rows: a method, an answer, a problem; they join, and files hold what frames hold."""

import csv
import json

import pytest

import modicum
from modicum.errors import ConfigError
from modicum.running.data_files import frame, write_rows
from modicum.running.data_out import ANSWERS, METHOD_ROWS, PROBLEM_ROWS
from tests.support.commands import modicum as command

SIZES = {"test": 12, "selection": 5, "samples": 4}
ODD = dict.fromkeys(ANSWERS) | {
    "text": '=1+1 "q"\n\ud800\u202e<b>',
    "problem": "é",
    "sample": 3,
    "stands": True,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = modicum.Study(
        "scripted:latent", "sums", ["cot_decoding"], out=tmp_path_factory.mktemp("s"), **SIZES
    )
    made.run()
    return made


def test_tables_join_and_say_what_the_verdict_says(study) -> None:
    pytest.importorskip("pandas")
    methods, answers, problems = study.methods_df(), study.answers_df(), study.problems_df()
    assert [list(table) for table in (methods, answers, problems)] == [
        list(METHOD_ROWS), list(ANSWERS), list(PROBLEM_ROWS)
    ]  # fmt: skip
    own = answers[(answers.control == "") & answers.stands]
    joined = own.merge(methods, on=["task", "model", "method"]).merge(
        problems, on=["task", "problem"]
    )
    assert len(joined) == 3 * 12
    accuracy = joined.groupby("method").correct.mean()
    assert accuracy.to_dict() == methods.set_index("method").accuracy.to_dict()
    assert methods[methods.is_pick].method.tolist() == [study.verdict.pick.name]
    assert (joined.gold_x == joined.gold_y).all()
    assert len(answers[answers.method == "samples"]) == 12 * 4


def test_answers_of_one_method_alone(study) -> None:
    pytest.importorskip("pandas")
    own = study.answers_df("cot_decoding", standing=True)
    assert set(own.method) == {"cot_decoding"}
    assert own.stands.all()


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_the_verb_writes_every_answer(kind: str, study, tmp_path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / f"answers.{kind}"
    said = command("answers", study.folder, "--out", path)
    assert said.code == 0
    read = {"parquet": pandas.read_parquet, "csv": pandas.read_csv, "jsonl": _lines}[kind](path)
    answers = study.answers_df()
    assert list(read) == list(answers)
    assert len(read) == len(answers)
    assert read.text.fillna("").tolist() == answers.text.tolist()
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def _lines(path):
    import pandas

    return pandas.DataFrame(map(json.loads, path.read_text("utf-8").splitlines()))


def test_texts_are_written_as_they_are(tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for kind in ("parquet", "csv", "jsonl"):
        assert write_rows([ODD] * 3, ANSWERS, tmp_path / f"a.{kind}") == 3
    spelled = '=1+1 "q"\n\\ud800\u202e<b>'
    assert parquet.read_table(tmp_path / "a.parquet").to_pylist()[0]["text"] == spelled
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["text"] == spelled
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0]) == ODD


def test_another_kind_of_file_is_refused_before_anything_is_read(tmp_path) -> None:
    said = command("answers", tmp_path / "nowhere", "--out", tmp_path / "a.parq")
    assert said.code == 2
    assert "did you mean 'a.parquet'?" in said.err


def test_a_missing_package_is_told(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"modicum\[data\]"):
        frame([], ANSWERS)


def test_records_of_show_say_their_kind(study) -> None:
    said = command("show", study.folder, "--json", "--all").out.splitlines()
    kinds = {(row["kind"], "problem" in row) for row in map(json.loads, said)}
    assert kinds == {("trial", False), ("answer", True)}
