"""A handful of inputs of each format in this process; the slow suite tries thousands."""

import secrets
from collections.abc import Iterator

import pytest

from tests.fuzz.bench import Bench, Input
from tests.fuzz.every import DRAWN, FORMATS
from tests.fuzz.formats import Case
from tests.fuzz.headers import Entry, Number
from tests.fuzz.hostile import Set, Whole
from tests.fuzz.pages import Told, Zero
from tests.fuzz.walls import SECRETS

pytestmark = pytest.mark.filterwarnings("ignore")  # libraries' own, which are no errors for users


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("fuzz") / "bench"
    with pytest.MonkeyPatch.context() as patch:
        made = Bench.quick(folder)
        for name in SECRETS:
            patch.setenv(name, secrets.token_urlsafe(24))
        patch.setenv("TMPDIR", str(folder / "tmp"))
        patch.setenv("MODICUM_TRACEBACK", "1")
        patch.syspath_prepend(str(made.pantry.folder / "modules"))
        yield made


def _set(seed: str, file: str, key: str, value: str, command: str) -> Case:
    return Case(seed, ((file, Set(key, value)),), command)


INPUTS = {
    "exports": [
        _set("prompt", "nudge.json", "model", "evil, trusted", "run"),
        _set("prompt", "nudge.json", "model", "server with a secret", "check"),
        _set("vector", "prompt.json", "system", "list", "check"),
        Case("vector", (("nudge.json", Whole("deep list")),), "run"),
    ],
    "adapters": [
        _set("peft", "adapter_config.json", "auto_mapping", "mapping", "check"),
        _set("peft", "adapter_config.json", "peft_type", "text", "check"),
        _set("peft", "adapter_model.safetensors", "shape", "2^63", "check"),
    ],
    "configurations": [
        _set("evil", "config.json", "model_type", "text", "check"),
        _set("tiny", "config.json", "auto_map", "auto_map", "check"),
        _set("tiny", "config.json", "head_dim", "infinity", "check"),
        _set("tiny", "model.safetensors", "shape", "2^63", "check"),
    ],
    "headers": [
        Case("model", (("", Number(2, 2**60)),), "check"),
        Case("model", (("", Entry("general.architecture", 8, 4)),), "check"),
        Case("vector", (("", Number(3, 2**32)),), "check"),
    ],
    "autoencoders": [
        _set("sae", "cfg.json", "d_in", "infinity", "run"),
        _set("sae", "cfg.json", "architecture", "ANSI", "run"),
    ],
    "studies": [
        _set("own", "study.toml", "name", "up", "run"),
        _set("own", "study.toml", "test", "10^30", "run"),
        _set("own", "study.toml", "margin", "zero", "run"),
        _set("own", "study.toml", "shots", "deep list", "run"),
    ],
    "plans": [
        _set("study", "plan:all", "shots", "empty list", "report"),
        _set("study", "summary:all", "serving", "null", "show"),
    ],
    "folders": [
        _set("study", "model", "reference", "evil, trusted", "ask"),
        _set("study", "task", "reference", "file task", "report"),
        _set("study", "model", "reference", "server with a secret", "ask"),
    ],
    "pages": [
        Case("study", (("study.sqlite", Zero(2)),), "show"),
        Case("study", (("study.sqlite", Told("foreign")),), "report"),
        Case("study", (("study.sqlite", Told("marks cut")),), "ask"),
        Case("study", (("study.sqlite", Told("extension")),), "show"),
    ],
}


@pytest.mark.parametrize("name", INPUTS)
def test_nothing_breaks_through(name: str, bench: Bench) -> None:
    kind = FORMATS[name]
    found = {str(c): bench.try_(kind.input_of(c, bench.pantry)) for c in INPUTS[name]}
    assert not {case: breaches for case, breaches in found.items() if breaches}


def test_walls_see_what_the_user_asks_for(bench: Bench) -> None:
    """A wall that sees nothing would pass everything."""
    sizes = ("--test", "2", "--selection", "1", "--samples", "2", "--no-check", "--no-reuse")
    given = Input(
        {},
        (),
        (
            ("check", "scripted:latent", "@PROBLEMS@", "--marker", "python:@MARKER@:f"),
            (
                "run",
                "--model",
                "openai:m?base_url=http://127.0.0.1:9/v1&retries=0",
                "--task",
                "sums",
                *sizes,
                "--out",
                "a",
            ),
            ("run", "--model", "scripted:latent", "--task", "sums", *sizes, "--out", "../outside"),
        ),
    )
    code, network, outside = ({b.kind for b in told.breaches} for told in bench.run(given))
    assert "code" in code
    assert "network" in network
    assert "outside" in outside


def test_slow_suite_tries_at_least_two_thousand_inputs() -> None:
    listed = sum(len(kind.listed()) for kind in FORMATS.values())
    assert listed + sum(DRAWN.values()) >= 2000
