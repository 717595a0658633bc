"""A real OpenAI-compatible server on the loopback, transformers' own, carries a study end to end."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from modicum.errors import ConfigError
from modicum.model import resolve_backend
from modicum.organism.shipped import CORE
from tests.support.commands import modicum

CHAT = "{% for m in messages %}{{ m.content }}{% endfor %}"


def folder(place: Path, *, samples: bool) -> Path:
    """Copy the organism with what a server needs: a chat template, and whether to sample."""
    shutil.copytree(CORE, place)
    config = json.loads((place / "config.json").read_text())
    config["architectures"] = ["LlamaForCausalLM"]
    (place / "config.json").write_text(json.dumps(config))
    settings = {"do_sample": samples, "eos_token_id": config["eos_token_id"]}
    settings |= {"pad_token_id": config["pad_token_id"], **({"top_k": 0} if samples else {})}
    (place / "generation_config.json").write_text(json.dumps(settings))
    (place / "chat_template.jinja").write_text(CHAT)
    return place


@contextlib.contextmanager
def serving(model: Path) -> Iterator[str]:
    """Run `transformers serve` for a while and gives its address."""
    for package in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(package, reason="pip install 'modicum[dev]' brings the server's parts")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(process: subprocess.Popen, url: str) -> None:
    for _ in range(240):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        assert process.poll() is None, "transformers serve ended"
        time.sleep(0.5)
    pytest.fail("transformers serve did not start within two minutes")


def test_transformers_serve_carries_a_study_end_to_end(tmp_path: Path) -> None:
    model = folder(tmp_path / "organism", samples=True)
    with serving(model) as url:
        said = modicum(
            "run", "--model", f"openai:{model}?base_url={url}&endpoint=completions",
            "--task", "line_moves", "--methods", "self_consistency", "--test", 8,
            "--selection", 2, "--samples", 4, "--set", "self_consistency.n=2",
            "--out", tmp_path / "study", "--json",
        )  # fmt: skip
    assert said.code == 0, said.err
    [verdict] = json.loads(said.out)["verdicts"]
    # the family is visible in the organism: a plain prompt answers it
    assert verdict["default"]["value"] >= 0.75
    assert [rung["method"] for rung in verdict["rungs"]] == ["prompt", "self_consistency"]
    assert (tmp_path / "study" / "report.html").exists()


@pytest.mark.slow
def test_transformers_serve_that_does_not_sample_is_refused(tmp_path: Path) -> None:
    model = folder(tmp_path / "organism", samples=False)
    with serving(model) as url, pytest.raises(ConfigError, match="one answer for 3 seeds"):
        resolve_backend(f"openai:{model}?base_url={url}").open()


@pytest.mark.slow
def test_transformers_serve_takes_chat_messages(tmp_path: Path) -> None:
    model = folder(tmp_path / "organism", samples=True)
    with serving(model) as url:
        card = resolve_backend(f"openai:{model}?base_url={url}").open().card
    assert "raw prompts and chat messages" in card.notes
