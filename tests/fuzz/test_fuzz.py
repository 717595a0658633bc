"""Nothing that a stranger hands over runs code, gets a secret out, hangs, or ends in a traceback.

Slow: every listed input of each format, and some hundreds drawn by hypothesis, behind the walls
of `walls`. A breach is told with the smallest input that was seen to cause it;
`python -m tests.fuzz.survey FORMAT N` tells the same without pytest.
"""

from collections.abc import Iterator

import pytest

from tests.fuzz.bench import Bench, Input
from tests.fuzz.every import DRAWN, FORMATS
from tests.fuzz.survey import surveyed, told
from tests.fuzz.walls import Breach

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Bench]:
    made = Bench.whole(tmp_path_factory.mktemp("fuzz") / "bench")
    yield made
    made.close()


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_breaks_through(name: str, bench: Bench) -> None:
    before = bench.tried
    found = surveyed(name, DRAWN[name], bench)
    assert bench.tried - before >= len(FORMATS[name].listed()) + DRAWN[name] * 0.9
    assert not found, told(found)


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_not_changed_is_taken(name: str, bench: Bench) -> None:
    """Else every input would be refused at once, and nothing behind that looked at."""
    for given in FORMATS[name].unchanged(bench.pantry):
        assert [told.code for told in bench.run(given)] == [0], given.commands


# What the walls see: each is asked for in so many words, on the command line


def _kinds(found: list[Breach]) -> set[str]:
    return {breach.kind for breach in found}


RUN = (
    "--task",
    "sums",
    "--test",
    "2",
    "--selection",
    "1",
    "--samples",
    "2",
    "--methods",
    "prompt_style",
    "--max-new-tokens",
    "4",
    "--no-check",
    "--no-reuse",
    "--workers",
    "1",
)


def test_wall_sees_code_that_the_user_trusts(bench: Bench) -> None:
    given = Input({}, (), (("run", "--model", "@EVIL@?trust_remote_code=true", *RUN),))
    assert _kinds(bench.try_(given)) == {"code"}


def test_wall_sees_code_in_a_process_apart(bench: Bench) -> None:
    command = ("check", "scripted:latent", "@PROBLEMS@", "--marker", "python:@MARKER@:f")
    assert "code" in _kinds(bench.try_(Input({}, (), (command,))))


def test_wall_sees_what_leaves_the_machine(bench: Bench) -> None:
    model = "openai:m?base_url=http://127.0.0.1:9/v1&retries=0"
    found = bench.try_(Input({}, (), (("run", "--model", model, *RUN),)))
    assert "network" in _kinds(found)


def test_wall_sees_files_that_are_written_outside(bench: Bench) -> None:
    command = ("run", "--model", "scripted:latent", *RUN, "--out", "/tmp/modicum-fuzz-outside")
    assert "outside" in _kinds(bench.try_(Input({}, (), (command,))))


def test_wall_sees_what_never_ends(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr("tests.fuzz.bench.MOST_CPU_S", 1.0)
    long = (
        "run",
        "--model",
        "scripted:latent",
        "--task",
        "sums",
        "--test",
        "4000",
        "--samples",
        "256",
        "--no-check",
        "--no-reuse",
        "--workers",
        "1",
    )
    assert _kinds(bench.try_(Input({}, (), (long,)))) == {"hang"}
