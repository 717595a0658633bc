"""Cards and manifests: foreign text is plain text, and nothing in a manifest is trusted."""

import json

import pytest
import yaml

from modicum.errors import CheckpointError, ConfigError
from modicum.exporting.hub_card import card_text, escaped
from modicum.files.manifest import (
    check_files,
    is_export,
    read_manifest,
    read_prompt,
    write_manifest,
    write_prompt,
)
from modicum.model import resolve_backend
from modicum.types import Style


def test_foreign_text_is_no_mark_in_a_card() -> None:
    hostile = "x](javascript:alert(1)) <script>\n# Head\n---\n`rm` | a | \u202e @me https://a.b"
    facts = {
        "form": "vector",
        "library": "transformers",
        "relation": "",
        "modicum": "0",
        "method": {"name": hostile, "settings": {hostile: hostile}},
        "base": {"name": hostile, "licence": hostile, "notes": [hostile], "weights": hostile},
        "task": {"name": hostile},
        "rung": {"note": hostile, "control_gaps": {hostile: {"value": 1.0, "low": 0, "high": 1}}},
        "shots": [{"id": hostile, "sha256": hostile}],
    }
    _, front, body = card_text(facts, {}).split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["base_model"] == hostile
    assert head["license"] == "other"
    assert "<script" not in body
    assert "](" not in body.replace(r"\]\(", "")
    assert "\n# Head" not in body
    assert "\u202e" not in body
    assert "https://" not in body
    assert "`rm`" not in body


def test_escaped_text_is_one_line_and_short() -> None:
    assert escaped("a\n\nb") == "a b"
    assert len(escaped("x" * 10_000)) < 400
    assert escaped("1. a") == r"1\. a"
    assert escaped("0.5 of a_b") == r"0\.5 of a\_b"


@pytest.mark.parametrize(
    "facts",
    [
        {"schema": 2, "kind": "nudge"},
        {"schema": 1, "kind": "other"},
        {"schema": 1, "kind": "nudge", "form": "peft"},
        {"schema": 1, "kind": "nudge", "form": 3, "base": {"model": "a", "weights": "b"}, "files": {}},
        {
            "schema": 1, "kind": "nudge", "form": "peft", "base": {"model": "a", "weights": "b"},
            "files": {"../../etc/passwd": {"sha256": "0"}},
        },
        {
            "schema": 1, "kind": "nudge", "form": "peft", "base": {"model": "a", "weights": "b"},
            "files": {"/etc/passwd": {"sha256": "0"}},
        },
        [],
    ],
)  # fmt: skip
def test_manifest_that_is_none_is_refused(facts: object, tmp_path) -> None:
    (tmp_path / "nudge.json").write_text(json.dumps(facts))
    assert is_export(tmp_path)
    with pytest.raises(CheckpointError):
        read_manifest(tmp_path)
    with pytest.raises(CheckpointError):
        resolve_backend(str(tmp_path))


def test_missing_file_is_said(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("a")
    write_manifest(tmp_path, {"form": "x", "base": {"model": "a", "weights": "b"}})
    manifest = read_manifest(tmp_path)
    check_files(tmp_path, manifest)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(CheckpointError, match="missing"):
        check_files(tmp_path, manifest)


@pytest.mark.parametrize("text", ["{", "[]", '{"style": {"template": "no place", "name": "x"}}',
    '{"style": {"nonsense": 1}}', '{"style": 3}'])  # fmt: skip
def test_broken_prompt_is_refused(text: str, tmp_path) -> None:
    (tmp_path / "prompt.json").write_text(text)
    with pytest.raises(CheckpointError):
        read_prompt(tmp_path)


def test_nudge_without_its_model_is_no_base(tmp_path) -> None:
    write_prompt(tmp_path, Style("raw", "{question}"))
    own = {"model": str(tmp_path), "weights": "x"}
    write_manifest(tmp_path, {"form": "prompt", "base": own})
    with pytest.raises(ConfigError, match="itself a nudge"):
        resolve_backend(str(tmp_path))


def test_adapter_of_pickles_is_refused(tmp_path) -> None:
    write_prompt(tmp_path, Style("raw", "{question}"))
    (tmp_path / "adapter_model.bin").write_bytes(b"\x80\x04.")
    write_manifest(tmp_path, {"form": "peft", "base": {"model": "organism", "weights": "x"}})
    with pytest.raises(CheckpointError, match=r"no adapter_model\.safetensors"):
        resolve_backend(str(tmp_path))
