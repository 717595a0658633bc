"""The formats that are JSON: what each begins with, which entries suit it, which commands read it."""

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz.bench import Input
from tests.fuzz.entries import REFERENCES, entries
from tests.fuzz.hostile import Edit, Set, applied, edits
from tests.fuzz.pantry import Pantry

__all__ = ["Case", "Format", "adapters", "autoencoders", "configurations", "exports"]

DANGEROUS = frozenset(REFERENCES[:5]) | {"auto_map", "foreign auto_map", "mapping", "module"}
"""Values that are tried with every command."""
RUN = (
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
    "--retain",
    "none",
    "--no-reuse",
    "--workers",
    "1",
    "--out",
    "out",
)


@dataclass(frozen=True)
class Case:
    """An input in short: what it begins with, what is changed, which command reads it."""

    seed: str
    changes: tuple[tuple[str, Edit], ...]
    command: str


@dataclass(frozen=True)
class Format:
    """One kind of file."""

    seeds: Mapping[str, tuple[str, ...]]
    """Names of what it begins with, each with the files that are changed."""
    keys: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Entries that each file may have, with the names of values that suit them."""
    commands: Mapping[str, tuple[str, ...]]
    """Commands by name; `@` stands for the folder."""
    finish: Callable[[Mapping[str, bytes], Path], Mapping[str, bytes]] = lambda files, _: files
    """What a stranger would do at last, so that his files are looked into: sign them, say."""
    lay: Callable[[str], str] = lambda seed: seed

    def cases(self) -> st.SearchStrategy[Case]:
        """Return cases with one to three changes."""
        return st.sampled_from(list(self.seeds)).flatmap(self._of_seed)

    def _of_seed(self, seed: str) -> st.SearchStrategy[Case]:
        change = st.sampled_from(self.seeds[seed]).flatmap(
            lambda name: st.tuples(st.just(name), edits(self.keys[name]))
        )
        changes = st.lists(change, min_size=1, max_size=3).map(tuple)
        return st.builds(Case, st.just(seed), changes, st.sampled_from(list(self.commands)))

    def listed(self) -> list[Case]:
        """Return a case for each entry and each value that suits it, seeds and commands in turn."""
        found = []
        for name, known in self.keys.items():
            holders = [seed for seed, names in self.seeds.items() if name in names]
            commands = list(self.commands)
            for key, values in known.items():
                for value in dict.fromkeys(values):
                    n = len(found)
                    changes = ((name, Set(key, value)),)
                    wanted = commands if value in DANGEROUS else [commands[n % len(commands)]]
                    found += [Case(holders[n % len(holders)], changes, one) for one in wanted]
        return found

    def unchanged(self, pantry: Pantry) -> list[Input]:
        """Return every seed with the command that runs it; of untaught models the doctor says no."""
        bare = [Case(seed, (), "run") for seed in self.seeds if seed != "evil"]
        return [self.input_of(case, pantry) for case in bare]

    def input_of(self, case: Case, pantry: Pantry) -> Input:
        """Return the files and the command of a case."""
        laid = self.lay(case.seed)
        start = pantry.folder / laid
        files: dict[str, bytes] = {}
        for name, change in case.changes:
            files[name] = changed(files.get(name) or (start / name).read_bytes(), name, change)
        files = {name: pantry.filled(text) for name, text in files.items()}
        where = Path(laid).name
        given = {f"{where}/{name}": text for name, text in self.finish(files, start).items()}
        command = tuple(
            part.replace("@", f"@CASE@/{where}") for part in self.commands[case.command]
        )
        return Input(given, (laid,), (command,))


def changed(text: bytes, name: str, change: Edit) -> bytes:
    """Change a JSON file, or the JSON head of a safetensors file."""
    if not name.endswith(".safetensors"):
        return applied(text, (change,))
    (length,) = struct.unpack("<Q", text[:8]) if len(text) >= 8 else (0,)
    head, rest = text[8 : 8 + length], text[8 + length :]
    changed = applied(head, (change,))
    said = len(changed)
    if len(changed) == len(head) and changed != head:  # one byte: the length lies at times, too
        said = change.more * 2**40 if getattr(change, "more", 0) > 12 else said
    return struct.pack("<Q", min(said, 2**64 - 1)) + changed + rest


def signed(files: Mapping[str, bytes], start: Path) -> Mapping[str, bytes]:
    """Write the hashes of changed files into the manifest, as whoever changed them would."""
    manifest = files.get("nudge.json", (start / "nudge.json").read_bytes())
    try:
        facts = json.loads(manifest)
        listed = dict(facts["files"])
        for name, text in files.items():
            if name in listed:
                listed[name] = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
        signed = json.dumps({**facts, "files": listed}).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return files
    return files if listed == facts["files"] else {**files, "nudge.json": signed}


def _of(*names: str) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """Return the entries of files; those of tensors are alike."""
    return {n: entries("*.safetensors" if n.endswith(".safetensors") else n) for n in names}


exports = Format(
    seeds={
        "peft": ("nudge.json", "prompt.json"),
        "vector": ("nudge.json", "prompt.json", "vector.safetensors"),
        "prompt": ("nudge.json", "prompt.json"),
        "merged": ("nudge.json", "prompt.json"),
        "gguf": ("nudge.json", "prompt.json"),
    },
    keys=_of("nudge.json", "prompt.json", "vector.safetensors"),
    commands={
        "run": ("run", "--model", "@", "--task", "word_sums", "--no-check", *RUN),
        "check": ("check", "@", "word_sums"),
        "looked at": ("run", "--model", "@", "--task", "word_sums", *RUN),
        "base said": ("check", "@?base=organism", "word_sums"),
    },
    finish=signed,
    lay=lambda seed: f"exports/{seed}/{seed}",
)


adapters = Format(
    seeds={"peft": ("adapter_config.json", "adapter_config.json", "adapter_model.safetensors")},
    keys=_of("adapter_config.json", "adapter_model.safetensors"),
    commands={
        "check": ("check", "@", "word_sums"),
        "run": ("run", "--model", "@", "--task", "word_sums", "--no-check", *RUN),
    },
    finish=signed,
    lay=lambda seed: f"exports/{seed}/{seed}",
)


configurations = Format(
    seeds={
        "tiny": (
            "config.json",
            "config.json",
            "tokenizer_config.json",
            "tokenizer.json",
            "generation_config.json",
            "model.safetensors",
        ),
        "evil": ("config.json", "tokenizer_config.json"),
    },
    keys=_of(
        "config.json",
        "tokenizer_config.json",
        "tokenizer.json",
        "generation_config.json",
        "model.safetensors",
    ),
    commands={
        "check": ("check", "@", "sums"),
        "run": ("run", "--model", "@", "--task", "sums", "--no-check", *RUN),
        "looked at": ("run", "--model", "@", "--task", "sums", *RUN),
    },
)


autoencoders = Format(
    seeds={"sae": ("cfg.json", "cfg.json", "sae_weights.safetensors")},
    keys=_of("cfg.json", "sae_weights.safetensors"),
    commands={
        "run": (
            "run",
            "--model",
            "organism",
            "--task",
            "word_sums",
            "--methods",
            "sparse_feature",
            "--shots",
            "2",
            "--seeds",
            "1",
            "--set",
            "sparse_feature.sae=@",
            "--set",
            "sparse_feature.samples=1",
            "--set",
            "sparse_feature.candidates=1",
            "--set",
            "sparse_feature.tokens=200",
            "--set",
            "sparse_feature.selection=2",
            "--no-check",
            "--test",
            "2",
            "--selection",
            "1",
            "--samples",
            "2",
            "--max-new-tokens",
            "4",
            "--retain",
            "none",
            "--no-reuse",
            "--workers",
            "1",
            "--out",
            "out",
        ),
    },
)
