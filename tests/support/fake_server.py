"""A small OpenAI-compatible server in this process, which can be made to misbehave."""

import contextlib
import itertools
import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from modicum.seeds import key

SUM = re.compile(r"What is (\d+) \+ (\d+)\?")
_COUNTER = itertools.count()
CHANCES = (("Answer", 0.6), ("Think", 0.3), ("So", 0.1))


@dataclass
class Manners:
    """How the server behaves; tests change it while it runs."""

    model: str = "tiny-1B"
    listed: tuple[str, ...] = ("tiny-1B",)
    names: str = "tiny-1B"
    """The model that its answers name."""
    delay: float = 0.0
    failures: int = 0
    """Answers that fail with status 500 before one comes."""
    dies_after: int | None = None
    """Answers after which every further one fails."""
    malformed: bool = False
    offers: tuple[str, ...] = ("/completions", "/chat/completions")
    logprobs: bool = True
    echoes: bool = True
    samples: bool = True
    repeats: bool = True
    knows_n: bool = True
    usage: bool = True
    text: str | None = None
    reasoning: str | None = None
    finish: str = "stop"
    key: str = ""
    leak: str = ""
    """Written wherever `leaks` says: what a server that repeats its key writes."""
    leaks: tuple[str, ...] = ()
    """Of `refusal`, `reason`, `header`, `listed`, `names`, `text`, `reasoning`, `finish`, `tokens`."""
    adapters: dict[str, float] | None = None
    """Shift of the log-probabilities under each loaded name; None: it knows no adapters."""
    has_lora_routes: bool = True
    replaces_in_place: bool = True
    is_stale: bool = False
    """Says that it replaced, and goes on with what it had."""
    base: str = "/v1"
    """What stands before its paths."""
    query: str = ""
    """What must follow the question mark of every request."""
    key_header: str = "Authorization"
    instead: list[object] = field(default_factory=list)
    """Answers of status 200 that come one by one before any right one."""
    refuse: Callable[[str, dict], tuple[int, object] | None] | None = None
    """Gives the status and the answer of a refusal, from the path and the body."""
    edit: Callable[[dict, dict], None] | None = None
    """Changes an answer, which it gets with the body of the request."""
    most_logprobs: int = 1024
    """A step has no more of them, whatever is asked."""
    obeys_stops: bool = False
    """Ends a text, its thinking too, at the stop strings that it is sent."""
    asked: list[dict] = field(default_factory=list)
    """Bodies of all posts, in the order of their coming."""
    in_flight: int = 0
    most_in_flight: int = 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # a full queue would cost its clients a second
    manners: Manners
    lock: threading.Lock

    def handle_error(self, request, client_address) -> None:
        """Say nothing when a client has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *given) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        manners = self.server.manners
        time.sleep(manners.delay)
        path, _, query = self.path.partition("?")
        if path != f"{manners.base}/models" or query != manners.query or not manners.listed:
            self._say(404, {"error": "no such place"})
            return
        leaked = [manners.leak] * ("listed" in manners.leaks)
        names = (*manners.listed, *(manners.adapters or ()), *leaked)
        self._say(200, {"object": "list", "data": [{"id": name} for name in names]})

    def do_POST(self) -> None:
        manners = self.server.manners
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            manners.asked.append({**body, "_path": self.path})
            instead = manners.instead.pop(0) if manners.instead else None
            manners.in_flight += 1
            manners.most_in_flight = max(manners.most_in_flight, manners.in_flight)
            is_failing = manners.failures > 0 or (
                manners.dies_after is not None and len(manners.asked) > manners.dies_after
            )
            manners.failures = max(0, manners.failures - 1)
        time.sleep(manners.delay)
        # no longer in flight before it is answered: the client sends the next at once
        with self.server.lock:
            manners.in_flight -= 1
        if instead is not None and not is_failing:
            self._say(200, instead)
        else:
            self._answer(manners, body, is_failing)

    def _answer(self, manners: Manners, body: dict, is_failing: bool) -> None:
        path, _, query = self.path.removeprefix(manners.base).partition("?")
        refusal = manners.refuse(path, body) if manners.refuse and path in manners.offers else None
        if is_failing:
            self._say(500, {"error": "out of order"})
        elif "refusal" in manners.leaks:
            self._send(400, f'{{"error": "bad key: Bearer {manners.leak}"}}'.encode())
        elif self._lacks_key(manners):
            self._say(401, {"error": "no key"})
        elif path.endswith("_lora_adapter") and manners.adapters is not None:
            self._change(manners, manners.adapters, path, body)
        elif path not in manners.offers or query != manners.query:
            self._say(404, {"error": {"code": "404", "message": "Resource not found"}})
        elif refusal is not None:
            self._say(*refusal)
        elif manners.malformed:
            self._send(200, b'{"choices": [')
        else:
            self._say(200, self._drawn(manners, body, path))

    def _lacks_key(self, manners: Manners) -> bool:
        key = f"{'Bearer ' * (manners.key_header == 'Authorization')}{manners.key}"
        return bool(manners.key) and self.headers.get(manners.key_header) != key

    def _drawn(self, manners: Manners, body: dict, path: str) -> dict:
        body.setdefault("max_tokens", body.get("max_completion_tokens", 16))
        body.setdefault("model", manners.model)
        n = body.get("n", 1) if manners.knows_n else 1
        choices = [_choice(manners, body, path, i) for i in range(n)]
        is_adapter = body["model"] in (manners.adapters or ())
        name = body["model"] if is_adapter else manners.names
        name += f"@{manners.leak}" if "names" in manners.leaks else ""
        answer = {"model": name, "choices": choices}
        if manners.usage:
            sampled = sum(len(_words(manners, body, i)) for i in range(n))
            answer["usage"] = {"prompt_tokens": 7, "completion_tokens": sampled}
        if manners.edit is not None:
            manners.edit(answer, body)
        return answer

    def _change(self, manners: Manners, adapters: dict, path: str, body: dict) -> None:
        """Load and unloads as vLLM does: success is words, not JSON."""
        name = body["lora_name"]
        if not manners.has_lora_routes:
            self._say(404, {"detail": "Not Found"})
        elif path == "/unload_lora_adapter":
            if adapters.pop(name, None) is None:
                self._say(404, {"error": f"The lora adapter '{name}' cannot be found."})
            else:
                self._send(200, f"Success: LoRA adapter '{name}' removed.".encode())
        elif name in adapters and not (body.get("load_inplace") and manners.replaces_in_place):
            self._say(400, {"error": f"The lora adapter '{name}' has already been loaded."})
        else:
            shift = float(Path(body["lora_path"], "adapter_model.safetensors").read_text())
            adapters[name] = adapters.get(name, 0.0) if manners.is_stale else shift
            self._send(200, f"Success: LoRA adapter '{name}' added.".encode())

    def _say(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode())

    def _send(self, status: int, raw: bytes) -> None:
        leaks = self.server.manners.leaks
        leak = "".join(c for c in self.server.manners.leak if c.isprintable())
        self.send_response(status, leak if "reason" in leaks else None)
        if "header" in leaks:
            self.send_header("Retry-After", leak)
            self.send_header("X-Key", leak)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(raw)


def _words(manners: Manners, body: dict, place: int) -> list[str]:
    """The tokens of an answer: the right sum behind `Think`, a wrong one without it."""
    if "tokens" in manners.leaks:
        thirds = max(1, len(manners.leak) // 3 + 1)
        cut = [manners.leak[i : i + thirds] for i in range(0, len(manners.leak), thirds)]
        return [*cut, " Answer", " 1"][: max(1, body["max_tokens"])]
    if "text" in manners.leaks:
        luck = key(body.get("seed", 0) + place, "leak") % 100
        return [f"Answer {luck} {manners.leak} end"][: body["max_tokens"]]
    if manners.text is not None:
        return re.findall(r"\s*\S+", manners.text)[: body["max_tokens"]]
    asked = _asked(body)
    numbers = SUM.findall(asked)
    total = sum(map(int, numbers[-1])) if numbers else 0
    is_greedy = body.get("temperature", 1) == 0 or not manners.samples
    luck = 99 if is_greedy else key(body.get("seed", 0) + place, asked) % 100
    if "seed" not in body and not is_greedy:
        luck = key(next(_COUNTER), asked) % 100  # as a server does that is given none
    if not manners.repeats and not is_greedy:
        luck = 40 + next(_COUNTER) % 60  # no two answers alike, whatever their seeds
    if asked.endswith("Think"):
        words = [" Answer", f" {total}"]
    elif asked.endswith("Answer"):
        words = [f" {1000 + luck}"]
    elif luck < 40:
        words = ["Think", " Answer", f" {total}"]
    else:
        words = ["Answer", f" {1000 + luck}"]
    return words[: body["max_tokens"]]


def _asked(body: dict) -> str:
    return body["prompt"] if "prompt" in body else body["messages"][-1]["content"]


def _choice(manners: Manners, body: dict, path: str, place: int) -> dict:
    words = _words(manners, body, place)
    choice: dict = {"index": place, "finish_reason": manners.finish}
    if len(words) == body["max_tokens"]:
        choice["finish_reason"] = "length"
    if "finish" in manners.leaks:
        choice["finish_reason"] = choice["stop_reason"] = manners.leak
    if "reasoning" in manners.leaks:
        manners.reasoning = f"I was asked with {manners.leak}"
    if path == "/completions":
        choice["text"] = "".join(words)
        if body.get("logprobs") and manners.logprobs:
            is_echoed = manners.echoes and "echo" in body
            choice["logprobs"] = _logprobs(manners, {**body, "echo": is_echoed}, words)
    else:
        choice["message"] = {"role": "assistant", "content": "".join(words)}
        if manners.reasoning is not None:
            choice["message"]["reasoning_content"] = manners.reasoning
    if manners.obeys_stops:
        _stop(choice, body.get("stop") or ())
    return choice


def _stop(choice: dict, stops: Sequence[str]) -> None:
    """End a choice at the first stop string: its thinking is the beginning of its text."""
    place = choice.get("message", choice)
    names = [n for n in ("reasoning_content", "content", "text") if place.get(n)]
    for i, name in enumerate(names):
        found = [at for stop in stops if (at := place[name].find(stop)) >= 0]
        if found:
            place[name], choice["finish_reason"] = place[name][: min(found)], "stop"
            for later in names[i + 1 :]:
                place[later] = ""
            return


def token_value(before: str, token: str, shift: float) -> float:
    """Log-probability of a token where adapters are known; the shift is all the weights there are."""
    return -1.0 - shift * (key(before, token) % 1000) / 1000


def _logprobs(manners: Manners, body: dict, words: list[str]) -> dict:
    """Log-probabilities in the older form: the first token has few likely ones, others are sure."""
    is_sure = body["prompt"].endswith("Think")
    later = {"?": 0.05} if is_sure else {"?": 0.4}
    chance = 0.9 if is_sure else 0.5
    tops = [{word: chance, **later} for word in words]
    if "tokens" in manners.leaks:
        tops[0] = {manners.leak: 0.5, words[0]: 0.4}
    elif not body["prompt"].endswith(("Think", "Answer", "So")):
        tops[0] = dict(CHANCES[: min(body["logprobs"], manners.most_logprobs)])
    if body.get("echo"):
        said = re.findall(r"\s*\S+", body["prompt"])
        words, tops = [*said, *words], [*({w: 0.5, "?": 0.1} for w in said), *tops]
    values = [math.log(top.get(word, 0.5)) for word, top in zip(words, tops, strict=True)]
    if manners.adapters is not None:
        shift = manners.adapters.get(body["model"], 0.0)
        start = "" if body.get("echo") else body["prompt"]
        befores = [start + "".join(words[:i]) for i in range(len(words))]
        values = [token_value(b, word, shift) for b, word in zip(befores, words, strict=True)]
    return {
        "tokens": words,
        "token_logprobs": values,
        "top_logprobs": [{w: math.log(c) for w, c in top.items()} for top in tops],
        "text_offset": [sum(map(len, words[:i])) for i in range(len(words))],
    }


@contextlib.contextmanager
def fake_server(**manners: object) -> Iterator[tuple[str, Manners]]:
    """Run the server for a while; gives its address and its manners."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.manners, server.lock = Manners(**manners), threading.Lock()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", server.manners
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
