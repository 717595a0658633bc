"""An OpenAI-compatible server in this process that samples from the organism, adapters included."""

import contextlib
import json
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.sampling.local import Local
from modicum.training.adapters import load_nudge
from modicum.types import Request, Sampling

NAME = "organism-0.4M"


@dataclass
class Desk:
    """What the server holds; tests look into it and make it misbehave."""

    base: Local
    loaded: dict[str, Local] = field(default_factory=dict)
    loads: list[str] = field(default_factory=list)
    """Names, as often as they were loaded."""
    stale_after: int | None = None
    """Loads after which it says that it replaced, and goes on with what it had."""
    drawn: dict[str, int] = field(default_factory=dict)
    """Answers of more than a few tokens given under each name."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, path: str, body: dict) -> None:
        """Load or unloads an adapter."""
        name = body["lora_name"]
        if path == "/unload_lora_adapter":
            del self.loaded[name]
            return
        self.loads.append(name)
        is_stale = self.stale_after is not None and len(self.loads) > self.stale_after
        if not (is_stale and name in self.loaded):
            module = load_nudge(self.base, Path(body["lora_path"]))
            self.loaded[name] = self.base.with_module(module)

    def answer(self, body: dict) -> dict:
        """Sample an answer, with log-probabilities where asked."""
        model = self.base if body["model"] == NAME else self.loaded[body["model"]]
        sampling = Sampling(
            body["max_tokens"], body["temperature"], tuple(body.get("stop", ())),
            stream=str(body.get("seed", 0)), ids=True,
        )  # fmt: skip
        [drawn] = model.generate(
            [Request(body["prompt"], "", body.get("n", 1))], sampling, Ledger()
        )
        if body["max_tokens"] > 16:
            self.drawn[body["model"]] = self.drawn.get(body["model"], 0) + len(drawn)
        choices = [
            {
                "index": i,
                "text": c.text,
                "finish_reason": "length" if c.stop == "length" else "stop",
            }
            for i, c in enumerate(drawn)
        ]
        if "logprobs" in body:
            choices[0]["logprobs"] = said(model, body, list(drawn[0].ids))
        sampled = sum(c.n_tokens for c in drawn)
        usage = {"prompt_tokens": len(model.encode(body["prompt"])), "completion_tokens": sampled}
        return {"model": body["model"], "choices": choices, "usage": usage}


def said(model: Local, body: dict, drawn: list[int]) -> dict:
    """Log-probabilities in the older form, of the prompt's tokens too where they are echoed."""
    before = model.encode(body["prompt"])
    ids = [*before, *drawn]
    with torch.inference_mode():
        logprobs = model.module(torch.tensor([ids])).logits[0].log_softmax(-1)
    values = [math.log(0.5), *(float(logprobs[i, t]) for i, t in enumerate(ids[1:]))]
    start = 0 if body.get("echo") else len(before)
    names = [model.decode([token]) or "<end>" for token in ids][start:]
    values = values[start:]
    return {
        "tokens": names,
        "token_logprobs": values,
        "top_logprobs": [{n: v} for n, v in zip(names, values, strict=True)],
        "text_offset": [0] * len(names),
    }


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *given) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._send(json.dumps({"data": [{"id": NAME}, *({"id": n} for n in self.desk.loaded)]}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.removeprefix("/v1")
        if path == "/chat/completions":
            self._send('{"error": "no chat"}', 404)
            return
        with self.desk.lock:
            if path.endswith("_lora_adapter"):
                self.desk.change(path, body)
                self._send("Success")
            else:
                self._send(json.dumps(self.desk.answer(body)))

    @property
    def desk(self) -> Desk:
        return self.server.desk  # type: ignore[attr-defined]

    def _send(self, text: str, status: int = 200) -> None:
        raw = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(raw)


@contextlib.contextmanager
def organism_server() -> Iterator[tuple[str, Desk]]:
    """Run the server for a while; gives the reference of its model, and what it holds."""
    base = resolve_backend("organism").open()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.desk = Desk(base)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield f"openai:{NAME}?base_url={url}&batch=16&retries=0", server.desk  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
