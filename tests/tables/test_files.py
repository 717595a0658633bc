"""Files are opened in every usual layout, within limits, and by whatever name they bear."""

import csv
import gzip
import json
import time
from pathlib import Path

import pytest

from modicum.errors import ConfigError
from modicum.tables import files
from modicum.tables.cells import literal
from modicum.task import full_reference, resolve_task
from tests.support.tables import numbers, write_jsonl

N = 12
ROWS = numbers(N)
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
WANTED = [(row["question"], str(row["answer"])) for row in ROWS]


def found(reference: object) -> list[tuple[str, str]]:
    """Questions and golds of a file in its order."""
    return [(p.question, p.answer) for p in resolve_task(str(reference)).in_order()]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(reference: object) -> str:
    with pytest.raises(ConfigError) as error:
        resolve_task(str(reference))
    return str(error.value)


LAYOUTS = {
    "own.json": json.dumps(ROWS),
    "pretty.json": json.dumps(ROWS, indent=2),
    "array.jsonl": json.dumps(ROWS),
    "lines.json": LINES,
    "lines.ndjson": LINES,
    "within.json": json.dumps({"version": 2, "data": ROWS}),
    "only.json": json.dumps({"canary": "x", "lines": ROWS}),
    "bykey.json": json.dumps({f"k{i}": row for i, row in enumerate(ROWS)}),
    "bycolumn.json": json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}),
    "pandas.json": json.dumps(
        {key: {str(i): row[key] for i, row in enumerate(ROWS)} for key in ROWS[0]}
    ),
    "own.tsv": "question\tanswer\n" + "".join(f"{q}\t{a}\n" for q, a in WANTED),
    "semicolons.csv": "question;answer\n" + "".join(f"{q};{a}\n" for q, a in WANTED),
    "bare.csv": "".join(f"{q},{a}\n" for q, a in WANTED),
    "own.jsonl.gz": gzip.compress(LINES.encode()),
    "own.json.gz": gzip.compress(json.dumps(ROWS).encode()),
    "own.csv.gz": gzip.compress(("question,answer\n" + "".join(f"{q},{a}\n" for q, a in WANTED)).encode()),
    "members.jsonl.gz": gzip.compress(LINES[:40].encode()) + gzip.compress(LINES[40:].encode()),
    "unnamed.jsonl": gzip.compress(LINES.encode()),
    "crlf.jsonl": b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_is_read(name: str, tmp_path) -> None:
    assert found(written(tmp_path, name, LAYOUTS[name])) == WANTED


@pytest.mark.parametrize(
    "name",
    [
        "what?.jsonl",
        "a?b=c&d.jsonl",
        "100%.jsonl",
        "a%20b.jsonl",
        "a#b c.jsonl",
        "a:b.jsonl",
        "ä?.csv",
    ],
)
def test_file_of_any_name_is_found_with_and_without_settings(
    name: str, tmp_path, monkeypatch
) -> None:
    text = (
        LINES
        if name.endswith("jsonl")
        else "question,answer\n" + "".join(f"{q},{a}\n" for q, a in WANTED)
    )
    path = written(tmp_path, name, text)
    monkeypatch.chdir(tmp_path)
    kind = path.suffix.removeprefix(".")
    for given in (str(path), name, f"{kind}:{name}"):
        assert found(given) == found(f"{given}?answer=answer") == WANTED
        assert full_reference(full_reference(given)) == full_reference(given)
    assert resolve_task(f"scrambled:{name}").task.name == name


def test_file_that_is_not_there_is_named_as_it_was_given(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no file what?.jsonl" in refused("what?.jsonl")
    assert full_reference("what?.jsonl?answer=a") == "jsonl:what%3F.jsonl?answer=a"
    assert full_reference("gym:chain_sum?config=a") == "gym:chain_sum?config=a"


def test_two_files_that_one_name_means_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "a?b.jsonl", LINES)
    written(tmp_path, "a%3Fb.jsonl", LINES)
    assert "two files" in refused("a?b.jsonl")


def test_lists_of_an_object_are_told_apart_by_the_users_word(tmp_path) -> None:
    path = written(tmp_path, "own.json", json.dumps({"easy": ROWS, "hard": numbers(N, first=50)}))
    assert "?part=easy" in refused(path)
    assert found(f"{path}?part=easy") == WANTED


def test_long_cells_of_csv_are_read_and_the_limit_of_others_stays(tmp_path) -> None:
    limit = csv.field_size_limit()
    long = "word " * 40_000
    path = written(
        tmp_path, "own.csv", "question,answer\n" + "".join(f'"{long}{i}",{i}\n' for i in range(N))
    )
    assert [len(q) > 131_072 for q, _ in found(path)] == [True] * N
    assert csv.field_size_limit() == limit


def test_rows_of_broken_quotes_or_other_widths_are_named_one_by_one(tmp_path) -> None:
    lines = [f'"{q}","{a}"\n' for q, a in WANTED]
    lines[2], lines[5] = '"The "wise" one","3"\n', '"a","b","c"\n'
    path = written(tmp_path, "own.csv", '"question","answer"\n' + "".join(lines))
    said = refused(path)
    assert "line 4 of" in said
    assert "its quotes are broken" in said
    assert "line 7 of" in said
    assert found(f"{path}?odd=leave_out") == [w for i, w in enumerate(WANTED) if i not in (2, 5)]


def test_quotes_in_tsv_are_characters_where_they_do_not_pair(tmp_path) -> None:
    rows = "".join(f'5" of {q}\t{a}\n' for q, a in WANTED)
    path = written(tmp_path, "own.tsv", "question\tanswer\n" + rows.replace('5"', '"5'))
    assert found(path) == [(f'"5 of {q}', a) for q, a in WANTED]


def test_bytes_and_names_of_classes_in_parquet_are_texts(tmp_path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "own.parquet"
    table = pa.table(
        {"question": [q.encode() for q, _ in WANTED], "answer": [a.encode() for _, a in WANTED]}
    )
    parquet.write_table(table, path)
    assert found(path) == WANTED
    named = {"info": {"features": {"answer": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    table = pa.table({"question": [q for q, _ in WANTED], "answer": [i % 2 for i in range(N)]})
    parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(named)}), path)
    assert [a for _, a in found(path)] == ["no", "yes"] * (N // 2)


def test_compressed_file_that_swells_beyond_reason_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "ALWAYS_READ", 2**16)
    path = written(tmp_path, "bomb.jsonl.gz", gzip.compress(b"a" * 2**24))
    assert "and more, decompressed" in refused(path)


@pytest.mark.parametrize("content", [gzip.compress(LINES.encode())[:-9], b"\x1f\x8bno gzip"])
def test_broken_gzip_is_named(content: bytes, tmp_path) -> None:
    assert "a whole gzip file" in refused(written(tmp_path, "own.jsonl.gz", content))


def test_file_of_too_many_bytes_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    assert "at most 100 bytes" in refused(written(tmp_path, "own.jsonl", LINES))


def test_pipe_is_refused_and_not_waited_for(tmp_path) -> None:
    import os

    os.mkfifo(tmp_path / "own.jsonl")
    assert "not a regular file" in refused(tmp_path / "own.jsonl")


HOSTILE = {
    "deep lists": '{"question": "x", "answer": ' + "[" * 800 + "]" * 800 + "}",
    "deeper lists": '{"question": "x", "answer": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep question": '{"question": ' + "[" * 800 + '"a"' + "]" * 800 + ', "answer": 1}',
    "deep tables": '{"question": "x", "answer": ' + '{"value": ' * 800 + "1" + "}" * 800 + "}",
    "NaN": '{"question": "x", "answer": NaN}',
    "infinity": '{"question": "x", "answer": 1e999}',
    "many digits": '{"question": "x", "answer": ' + "9" * 5000 + "}",
    "long question": '{"question": "' + "x" * 2_000_000 + '", "answer": 1}',
    "long gold": '{"question": "x", "answer": "' + "9" * 1_000_000 + '"}',
    "null": "null",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_line_is_told_with_its_number(name: str, tmp_path) -> None:
    path = written(tmp_path, "own.jsonl", LINES + HOSTILE[name] + "\n")
    assert f"line {N + 1} of" in refused(path)
    assert found(f"{path}?odd=leave_out") == WANTED


@pytest.mark.parametrize(
    "text", ["[" * 10_000, "{" * 10_000, "['a' " * 5_000, "array([" * 5_000, "['" * 5_000]
)
def test_lists_that_are_written_badly_are_no_lists_and_cost_no_time(text: str) -> None:
    assert literal(text) is None


def test_lone_surrogates_and_hidden_characters_are_texts(tmp_path) -> None:
    rows = [{"question": f"\ud800 \u202e{i}", "answer": i} for i in range(N)]
    assert found(write_jsonl(tmp_path / "own.jsonl", rows))[3] == ("\ud800 \u202e3", "3")


def test_file_of_1500_lines_is_read_in_a_second_of_processor_time(tmp_path) -> None:
    rows = [
        {
            "question": "word " * 60 + str(i),
            "choices": {"text": [f"{k}{i}" for k in "wxyz"], "label": list("ABCD")},
            "answerKey": "ABCD"[i % 4],
        }
        for i in range(1500)
    ]
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    start = time.process_time()
    resolve_task(str(path))
    assert time.process_time() - start < 1


def test_many_columns_do_not_make_a_message_long_or_move_the_cursor(tmp_path) -> None:
    row = {f"\x1b[31mc{i}": i for i in range(5_000)}
    said = refused(write_jsonl(tmp_path / "own.jsonl", [row]))
    assert len(said) < 2_000
    assert "\x1b" not in said
