"""Thousands of spoilt manifests, plans, adapters, configurations and heads: words, and nothing else."""

import contextlib
import json
import os
import resource
import shutil
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modicum.errors import ConfigError
from modicum.files.manifest import write_manifest, write_prompt
from modicum.marker import resolve_marker
from modicum.markers.python import Python
from modicum.model import resolve_backend
from modicum.models.export import Export
from modicum.models.huggingface import Huggingface
from modicum.models.openai import Openai
from modicum.seeds import stream
from modicum.study.plan import Plan, read_plan
from modicum.study.powers import marker_powers, model_powers, task_powers
from modicum.study.trust import powers_of
from modicum.task import resolve_task
from modicum.training.adapters import AdapterShape, attach, load_nudge, save_nudge
from modicum.types import Style
from tests.loading.test_gguf import write_gguf
from tests.support.tiny_models import tiny_local

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is told in kilobytes on Linux"),
]
MANY = {"suppress_health_check": list(HealthCheck), "deadline": None}
MOST_KILOBYTES = 2 << 20
CANARY = "CANARY-THAT-NO-FILE-MAY-LEAVE"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A model, an adapter and code that leaves a canary, wherever it lies and runs."""
    root = tmp_path_factory.mktemp("fuzz")
    tiny = tiny_local()
    tiny.module.save_pretrained(root / "model")
    tiny.tokenizer.save_pretrained(root / "model")
    write_gguf(root / "tiny.gguf")
    (root / "nudge").mkdir()
    save_nudge(tiny, attach(tiny, AdapterShape("lora", rank=2), stream("fuzz")), root / "nudge")
    for folder in (root, root / "model", root / "nudge"):
        (folder / "evil.py").write_text(f"open({str(root / CANARY)!r}, 'w').close()\n")
    write_prompt(root / "nudge", Style("raw", "{question}"))
    base = {"model": str(root / "model"), "weights": tiny.card.weights}
    write_manifest(root / "nudge", {"form": "peft", "base": base})
    return root


@pytest.fixture(autouse=True)
def watched(place, monkeypatch) -> Iterator[None]:
    """Fail where code ran, the network was asked, a key was read, or memory was taken."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("A_SECRET_KEY", "SECRET")
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    before = _peak()
    yield
    assert _peak() - before < MOST_KILOBYTES
    assert not list(place.rglob(CANARY))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


EVIL = st.sampled_from(
    ["evil.py", "./model?trust_remote_code=true", "openai:m?api_key_env=A_SECRET_KEY", "evil:C", "../..",
     "python:evil.py:f", "/etc/passwd", "evil/kernel", "\x1b[31m", "\ud800", "NaN", "x" * 300, "os.system"]
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18),
    st.floats(),
    st.sampled_from([0, -1, 10**6, 10**9, 2**63, 1e999]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=12), EVIL)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=8) | EVIL, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def spoilt(data, table: dict[str, object]) -> dict[str, object]:
    """Changes some entries of a table, at any depth, adds some and leaves some out."""
    found = dict(table)
    for key in data.draw(st.lists(st.sampled_from(sorted(found)), max_size=3)) if found else []:
        inner = found.get(key)
        if isinstance(inner, dict) and data.draw(st.booleans()):
            found[key] = spoilt(data, inner)
        elif data.draw(st.integers(0, 4)):
            found[key] = data.draw(JSON)
        else:
            found.pop(key, None)
    if not data.draw(st.integers(0, 3)):
        found[data.draw(st.text(max_size=8) | EVIL)] = data.draw(JSON)
    return found


def told(path: Path, table: object) -> None:
    path.write_bytes(json.dumps(table).encode("utf-8", "surrogatepass"))


@settings(max_examples=500, **MANY)
@given(data=st.data())
def test_any_manifest(data, place, tmp_path) -> None:
    folder = Path(shutil.copytree(place / "nudge", tmp_path / "nudge", dirs_exist_ok=True))
    name = data.draw(st.sampled_from(["nudge.json", "nudge.json", "prompt.json"]))
    told(folder / name, spoilt(data, json.loads((place / "nudge" / name).read_text())))
    try:
        resolve_backend(str(folder)).open()
    except ConfigError:
        return


@settings(max_examples=400, **MANY)
@given(data=st.data())
def test_any_configuration(data, place, tmp_path) -> None:
    folder = Path(shutil.copytree(place / "model", tmp_path / "model", dirs_exist_ok=True))
    for name in data.draw(st.sets(st.sampled_from(
        ["config.json", "generation_config.json", "tokenizer_config.json"]), min_size=1)):  # fmt: skip
        told(folder / name, spoilt(data, json.loads((place / "model" / name).read_text())))
    try:
        resolve_backend(str(folder)).open()
    except ConfigError:
        return


@settings(max_examples=400, **MANY)
@given(data=st.data())
def test_any_adapter(data, place, tmp_path) -> None:
    folder = Path(shutil.copytree(place / "nudge", tmp_path / "nudge", dirs_exist_ok=True))
    name = "adapter_config.json"
    told(folder / name, spoilt(data, json.loads((place / "nudge" / name).read_text())))
    try:
        load_nudge(tiny_local(), folder)
    except ConfigError:
        return


@settings(max_examples=400, **MANY)
@given(data=st.data(), file=st.sampled_from(["tiny.gguf", "model/model.safetensors"]))
def test_any_bytes_of_weights(data, file: str, place, tmp_path) -> None:
    raw = bytearray((place / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 1200) | st.integers(0, len(raw)))
        junk = data.draw(st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 8))
        raw[at : at + len(junk)] = junk
    raw = raw[: data.draw(st.just(len(raw)) | st.integers(0, len(raw)))]
    folder = Path(shutil.copytree(place / "model", tmp_path / "model", dirs_exist_ok=True))
    target = folder / "model.safetensors" if "/" in file else tmp_path / "tiny.gguf"
    target.write_bytes(raw)
    try:
        resolve_backend(str(folder if "/" in file else target)).open()
    except ConfigError:
        return


PLAN = {
    "name": "study", "test": 8, "samples": 4, "reference": "organism", "retain": ["sums"],
    "settings": {"rlvr": {"server": "openai:m", "reward": "true"}, "compression": {"file": "x"}},
    "grids": [{"models": ["./model?trust_remote_code=1"], "tasks": ["jsonl:a?marker=python:evil.py:f"],
               "methods": ["rlvr"], "twin": "openai:m", "arms": ["rlvr.server=openai:m"]}],
}  # fmt: skip


@settings(max_examples=400, **MANY)
@given(data=st.data())
def test_any_plan(data, tmp_path) -> None:
    plan = spoilt(data, PLAN)
    with contextlib.suppress(ConfigError):
        powers_of(Plan.thawed(plan))
    text = (
        "\n".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in plan.items() if k != "grids")
        + '\n[[grid]]\nmodels = ["organism"]\ntasks = ["sums"]\n'
    )
    cut = data.draw(st.integers(0, len(text)))
    (tmp_path / "study.toml").write_bytes(
        (text[:cut] + data.draw(st.text(max_size=3)) + text[cut:]).encode("utf-8", "surrogatepass")
    )
    try:
        powers_of(read_plan(tmp_path / "study.toml"))
    except ConfigError:
        return


PIECES = st.sampled_from([
    "huggingface:", "export:", "openai:", "organism", "scripted:latent", "./model", "./nudge", "?", "&",
    "base=", "trust_remote_code=", "true", "True", "1", "0", "false", "name=", "api_key_env=", "A_SECRET_KEY",
    "threads=1", "%74rue", "%3F", "%26", "%3D", ":", "=", "org/name", "base_url=http://h/v1", "-", "_",
])  # fmt: skip


@settings(max_examples=800, **MANY)
@given(pieces=st.lists(PIECES, max_size=7), depth=st.integers(0, 2))
def test_a_reference_without_powers_gives_none(pieces: list[str], depth: int) -> None:
    reference = "".join(pieces)
    for _ in range(depth):
        reference = f"export:./nudge?base={urllib.parse.quote(reference)}"
    if model_powers(reference):
        return
    try:
        backend = resolve_backend(reference)
    except ConfigError:
        return
    while isinstance(backend, Export) and backend.base:
        backend = resolve_backend(backend.base)
    assert not isinstance(backend, Openai)
    assert not (isinstance(backend, Huggingface) and backend.trust_remote_code)


TASK_PIECES = st.sampled_from([
    "jsonl:", "csv:", "scrambled:", "sums", "a.jsonl", "?", "&", "marker=", "python:", "evil.py:f", "number",
    "%70ython", "%3A", "python?name=", "exact", "question=q", ":", "=", "regex:", "test=", "python",
])  # fmt: skip


@settings(max_examples=400, **MANY)
@given(pieces=st.lists(TASK_PIECES, max_size=7))
def test_a_task_without_powers_runs_no_marker(pieces: list[str], place) -> None:
    rows = [{"question": f"q{i}", "answer": str(i)} for i in range(30)]
    (place / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    reference = "".join(pieces)
    for powers, resolve in ((marker_powers, resolve_marker), (task_powers, resolve_task)):
        if powers(reference):
            continue
        try:
            found = resolve(reference)
        except ConfigError:
            continue
        inner = getattr(found, "task", found)
        loaded = getattr(inner, "_loaded", None)
        assert not isinstance(getattr(loaded, "marker", found), Python)
    assert os.environ["A_SECRET_KEY"] == "SECRET"
