"""Hostile values and whole texts by name, from harmless to hostile.

`@EVIL@`, `@MARKER@`, `@PROBLEMS@` and `@FIFO@` stand for a stranger's files (`pantry`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["TEXTS", "VALUES", "Raw"]


@dataclass(frozen=True)
class Raw:
    """JSON text that Python would not write."""

    text: str


SECRET = "MODICUM_FUZZ_SECRET"
SERVER = f"openai:m?base_url=http://127.0.0.1:9/v1&api_key_env={SECRET}"
_DEEP = 100_000

VALUES: Mapping[str, Any] = {
    # wrong types
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "one": 1,
    "minus one": -1,
    "half": 0.5,
    "empty text": "",
    "text": "abc",
    "empty list": [],
    "empty table": {},
    "list": [1, "a", None],
    "table": {"a": 1},
    "nested": [[[]]],
    # numbers
    "2^31": 2**31,
    "2^63": 2**63,
    "10^12": 10**12,
    "10^30": 10**30,
    "-2^63": -(2**63),
    "infinity": Raw("1e999"),
    "Infinity": Raw("Infinity"),
    "-Infinity": Raw("-Infinity"),
    "NaN": Raw("NaN"),
    "5,000 digits": Raw("1" * 5000),
    "tiny": 1e-320,
    "-0.0": -0.0,
    # size and depth
    "1 MB": "x" * 1_000_000,
    "100,000 items": [0] * 100_000,
    "deep list": Raw("[" * _DEEP + "]" * _DEEP),
    "deep table": Raw('{"a":' * _DEEP + "1" + "}" * _DEEP),
    "half deep": Raw("[" * 900 + "]" * 900),
    # characters
    "NUL": "a\0b",
    "surrogate": Raw('"\\ud800"'),
    "ANSI": "\x1b[31m\x1b]0;owned\x07red",
    "bidi": "a\u202etxt.exe",
    "line feeds": "a\nmodicum: all is well\nb",
    "C1": "\x9b31m",
    "markup": "<img src=x onerror=alert(1)></script><script>alert(1)</script>",
    "percent": "%s%n{0.__class__}{question.__init__.__globals__}$HOME`id`",
    # paths
    "up": "../../../../outside",
    "root": "/etc/passwd",
    "absolute": "/tmp/modicum-fuzz-outside",
    "fifo": "@FIFO@",
    "directory": "/",
    "device": "/dev/zero",
    "home": "~/outside",
    "UNC": "\\\\h\\s",
    # code and servers
    "evil": "@EVIL@",
    "evil, trusted": "@EVIL@?trust_remote_code=true",
    "huggingface, trusted": "huggingface:@EVIL@?trust_remote_code=true",
    "server with a secret": SERVER,
    "server": "openai:m?base_url=http://127.0.0.1:9/v1",
    "password": "openai:m?base_url=http://u:hunter2@127.0.0.1:9/v1",
    "address": "http://127.0.0.1:9/x?key=hunter2",
    "hub": "modicum-fuzz/absent",
    "marker": "sums?marker=python:@MARKER@:f",
    "python": "python:@MARKER@:f",
    "file task": "jsonl:@PROBLEMS@?marker=python:@MARKER@:f",
    "module": "fuzz_canary",
    "fifo task": "jsonl:@FIFO@",
    "device task": "jsonl:/dev/zero",
    "evils": ["@EVIL@?trust_remote_code=true"],
    "servers": [SERVER],
    "markers": ["sums?marker=python:@MARKER@:f"],
    "unlike": ["no_such_thing"],
    "hundred": 100,
    "lists of texts": ["a", "\x1b]0;owned\x07", ""],
    "arms": ["few_shot.n=99999999999"],
    "negative": [-1],
    "huge": [10**18],
    "many": list(range(1, 5000)),
    "regex": "regex:(a+)+$",
    "zoo": "^(([a-z._0-9]+)+)+!$",
    "jinja": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "endless jinja": "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "large jinja": "{{ 'x' * 5000000000 }}",
    "auto_map": {
        "AutoConfig": "canary_config.CanaryConfig",
        "AutoModelForCausalLM": "canary_model.CanaryModel",
        "AutoTokenizer": ["canary_tokenizer.CanaryTokenizer", None],
    },
    "foreign auto_map": {"AutoModelForCausalLM": "modicum-fuzz/absent--canary_model.CanaryModel"},
    "copies": [[0, 2]] * 20_000,
    "slow": "LlamaTokenizer",
    "block 10^30": f"blocks.{10**30}.hook_resid_post",
    "quantized": {"quant_method": "bitsandbytes", "load_in_4bit": True},
    "charsmap": {"type": "Precompiled", "precompiled_charsmap": "/////w=="},
    "replace": {"type": "Replace", "pattern": {"Regex": "(a|a)*b"}, "content": "x" * 10_000},
    "split": {
        "type": "Split",
        "pattern": {"Regex": "(.*?)*?$"},
        "behavior": "Isolated",
        "invert": False,
    },
    "token": [
        {
            "id": 2**32 - 1,
            "content": "A",
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
    ],
    "large ids": {"a": 2**32 - 1, "b": 2**31},
    "pad": {
        "strategy": {"Fixed": 10**12},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "a",
    },
    "mapping": {"base_model_class": "Canary", "parent_library": "fuzz_canary"},
}
"""Values by name, from harmless to hostile: what shrinks goes to the first."""

TEXTS: Mapping[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "list": b"[]",
    "table": b"{}",
    "number": b"1",
    "text": b'"a"',
    "words": b"not JSON",
    "BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "NUL": b"\0" * 64,
    "latin-1": b'{"a": "\xe9"}',
    "NaN": b"NaN",
    "infinity": b"1e999",
    "deep list": b"[" * _DEEP,
    "deep table": b'{"a":' * _DEEP,
    "closed": b"[" * _DEEP + b"]" * _DEEP,
    "digits": b"9" * 100_000,
    "two": b"{}{}",
    "pickle": b"\x80\x04cposix\nsystem\n(S'true'\ntR.",
    "5 MB": b'{"a": "' + b"x" * 5_000_000 + b'"}',
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0",
}
"""Whole files."""
