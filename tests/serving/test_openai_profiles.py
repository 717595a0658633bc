"""Each kind of server carries a whole small study, with its oddities."""

import json

import pytest

from modicum.model import resolve_backend
from tests.support.commands import modicum
from tests.support.fake_server import fake_server
from tests.support.served import reference
from tests.support.server_profiles import KEY, PROFILES, settings_of, url_of


@pytest.fixture(params=sorted(PROFILES))
def profile(request):
    return PROFILES[request.param]


@pytest.fixture
def sums(tmp_path) -> str:
    """A file of sums, as users bring one: nothing is known of a worked form."""
    rows = [{"question": f"What is {a} + {7 * a}?", "answer": str(8 * a)} for a in range(1, 31)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"jsonl:{tmp_path / 'sums.jsonl'}"


def test_a_whole_study_runs_against_each_kind_of_server(
    profile, sums, tmp_path, monkeypatch
) -> None:
    settings = settings_of(profile, monkeypatch)
    with fake_server(**profile.manners) as (url, manners):
        name = reference(url_of(url, profile), **settings)
        said = modicum(
            "run", "--model", name, "--task", sums, "--test", 12, "--selection", 2,
            "--samples", 4, "--methods", "self_consistency", "--set", "self_consistency.n=2",
            "--out", tmp_path / "s", "--json",
        )  # fmt: skip
    assert said.code == 0, said.err
    [verdict] = json.loads(said.out)["verdicts"]
    assert [rung["method"] for rung in verdict["rungs"]] == ["prompt", "self_consistency"]
    assert manners.asked
    stored = b"".join(path.read_bytes() for path in (tmp_path / "s").rglob("*") if path.is_file())
    assert KEY.encode() not in stored
    assert KEY not in said.out + said.err


def test_the_card_says_what_was_adapted(profile, monkeypatch) -> None:
    with fake_server(**profile.manners) as (url, _):
        notes = resolve_backend(
            reference(url_of(url, profile), **settings_of(profile, monkeypatch))
        )
        said = notes.open().card.notes
    for beginning in profile.notes:
        assert len([note for note in said if note.startswith(beginning)]) == 1, said


@pytest.mark.parametrize("profile", ["azure", "llama_cpp", "vllm"], indirect=True)
def test_branching_works_where_log_probabilities_come(profile, tmp_path, monkeypatch) -> None:
    settings = {**settings_of(profile, monkeypatch), "logprobs": "true"}
    with fake_server(**profile.manners) as (url, _):
        said = modicum(
            "run", "--model", reference(url_of(url, profile), **settings), "--task", "sums",
            "--test", 8, "--selection", 2, "--samples", 4, "--methods", "cot_decoding",
            "--set", f"cot_decoding.k={profile.gives_logprobs}", "--out", tmp_path / "s",
        )  # fmt: skip
    assert said.code == 0, said.err
