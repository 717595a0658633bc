"""Study folders: the frozen plan and every cell of the database, and a stranger's whole study."""

import contextlib
import hashlib
import json
import re
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.bench import Input
from tests.fuzz.entries import REFERENCES, entries
from tests.fuzz.formats import Case, changed
from tests.fuzz.hostile import Set, edits
from tests.fuzz.pantry import SCRIPTED, Pantry
from tests.fuzz.values import VALUES

__all__ = ["COMMANDS", "Folders", "Plans", "opened", "packed"]

FILE = "study.sqlite"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "report": ("report", "@CASE@/@"),
    "report json": ("report", "@CASE@/@", "--json"),
    "show": ("show", "@CASE@/@"),
    "show all": ("show", "@CASE@/@", "--all"),
    "show json": ("show", "@CASE@/@", "--json"),
    "ask": ("ask", "@CASE@/@", "What is 2 + 3?"),
    "ask few_shot": ("ask", "@CASE@/@", "What is 2 + 3?", "--rung", "few_shot"),
    "export": ("export", "@CASE@/@", "--rung", "few_shot", "--form", "prompt"),
    "handoff": ("handoff", "@CASE@/@"),
    "run": tuple(map(str, (*SCRIPTED, "--out", "@CASE@/@"))),
}
TUNED: Mapping[str, tuple[str, ...]] = {
    "ask fine_tune": ("ask", "@CASE@/@", "What is 2 + 3?", "--rung", "fine_tune"),
    "ask vector": ("ask", "@CASE@/@", "What is 2 + 3?", "--rung", "steering_vector"),
    "export vector": ("export", "@CASE@/@", "--rung", "steering_vector", "--form", "vector"),
    "export merged": ("export", "@CASE@/@", "--rung", "fine_tune", "--form", "merged"),
}
_PLAN = {**entries("study.toml"), "grids": ("list", "text", "table")}
CELLS: Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]] = {
    "plan": ("SELECT value FROM meta WHERE key='plan'", _PLAN),
    "verdicts": ("SELECT value FROM meta WHERE key='kept verdicts'", entries("verdicts")),
    "trials": ("SELECT value FROM meta WHERE key='kept trials'", {"a": ("text",)}),
    "identity": ("SELECT identity FROM trials", entries("identity")),
    "summary": ("SELECT summary FROM trials", {**entries("prompt.json"), **entries("summary")}),
}
"""Texts of the database by name: where they stand, and the entries that suit them."""


def opened(path: Path) -> sqlite3.Connection:
    """Return a copy of a database in memory, out of the mode that needs files beside it."""
    whole = bytearray(path.read_bytes())
    whole[18:20] = b"\x01\x01"
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.deserialize(bytes(whole))
    return db


def packed(db: sqlite3.Connection) -> bytes:
    """Return the bytes of a database as a file holds them."""
    with contextlib.closing(db):
        return bytes(db.serialize())


@dataclass(frozen=True)
class Cell:
    """One text of a database."""

    table: str
    column: str
    rowid: int
    text: bytes


def cells(db: sqlite3.Connection, name: str) -> list[Cell]:
    """Return every text of a name."""
    query = CELLS[name][0].removeprefix("SELECT ")
    column, _, rest = query.partition(" FROM ")
    table = rest.split()[0]
    rows = db.execute(f"SELECT rowid, CAST({column} AS BLOB) FROM {rest}")
    # without its checksum, so that what stands behind that is tried too
    return [
        Cell(table, column, rowid, re.sub(rb', "check": \d+(?=}$)', b"", text))
        for rowid, text in rows
    ]


class Plans:
    """Texts of the database: plan, identities, summaries and what was kept, a node at a time."""

    seeds = ("study", "organism")

    def cases(self) -> st.SearchStrategy[Case]:
        """Return cases of one to three changes; a name is that of a cell and its number."""
        change = st.sampled_from(list(CELLS)).flatmap(
            lambda name: st.tuples(
                st.integers(0, 12).map(lambda n: f"{name}:{n}"), edits(CELLS[name][1])
            )
        )
        changes = st.lists(change, min_size=1, max_size=3).map(tuple)
        return st.sampled_from(self.seeds).flatmap(
            lambda seed: st.builds(Case, st.just(seed), changes, st.sampled_from(_commands(seed)))
        )

    def listed(self) -> list[Case]:
        """Return a case for each entry and each value that suits it; of every trial at once."""
        found: list[Case] = []
        for name, (_, known) in CELLS.items():
            for key, values in known.items():
                for value in dict.fromkeys(values):
                    n = len(found)
                    seed = self.seeds[n % 2]
                    commands = _commands(seed)
                    change = (f"{name}:all", Set(key, value))
                    found.append(Case(seed, (change,), commands[n % len(commands)]))
        return found

    def input_of(self, case: Case, pantry: Pantry) -> Input:
        """Return the database and the command."""
        db = opened(pantry.folder / case.seed / FILE)
        kept = {name.partition(":")[0] for name, _ in case.changes}
        if "verdicts" not in kept:
            db.execute("DELETE FROM meta WHERE key LIKE 'kept %'")  # so that all is computed afresh
        for name, change in case.changes:
            kind, _, number = name.partition(":")
            held = cells(db, kind)
            chosen = (
                held if number == "all" else held[int(number) % len(held) :][:1] if held else []
            )
            for cell in chosen:
                text = pantry.filled(changed(cell.text, "", change))
                db.execute(
                    f"UPDATE {cell.table} SET {cell.column}=CAST(? AS TEXT) WHERE rowid=?",
                    (text, cell.rowid),
                )
        return _input(case, packed(db))

    def unchanged(self, pantry: Pantry) -> list[Input]:
        """Return both seeds with every command that suits them."""
        return [
            self.input_of(Case(seed, (), name), pantry)
            for seed in self.seeds
            for name in _commands(seed)
            if (seed, name) != ("study", "handoff")  # nothing in it was trained by reward
        ]


def _commands(seed: str) -> list[str]:
    return list(COMMANDS) if seed == "study" else [*(c for c in COMMANDS if c != "run"), *TUNED]


def _input(case: Case, database: bytes, more: Mapping[str, bytes] | None = None) -> Input:
    command = tuple(
        part.replace("/@", f"/{case.seed}") for part in {**COMMANDS, **TUNED}[case.command]
    )
    return Input({f"{case.seed}/{FILE}": database, **(more or {})}, (case.seed,), (command,))


class Folders:
    """A whole study as a stranger would make it: his model or task under every name, and artefacts."""

    files: Mapping[str, tuple[str, str, Mapping[str, tuple[str, ...]]]] = {
        "solver.json": (
            "study",
            "few_shot",
            {**entries("prompt.json"), "forced": ("list", "null", "1 MB")},
        ),
        "vector.safetensors": ("organism", "steering_vector", entries("*.safetensors")),
        "adapter_model.safetensors": ("organism", "fine_tune", entries("*.safetensors")),
        "adapter_config.json": ("organism", "fine_tune", entries("adapter_config.json")),
    }

    def cases(self) -> st.SearchStrategy[Case]:
        """Return cases of changed artefacts."""
        return st.sampled_from(list(self.files)).flatmap(self._of_file)

    def _of_file(self, name: str) -> st.SearchStrategy[Case]:
        seed, method, keys = self.files[name]
        changes = st.lists(st.tuples(st.just(name), edits(keys)), min_size=1, max_size=2).map(tuple)
        return st.builds(Case, st.just(seed), changes, st.sampled_from(_readers(method)))

    def listed(self) -> list[Case]:
        """Return a case for every reference as model or task with every command, and artefacts."""
        found = [
            Case("study", ((whose, Set("reference", value)),), command)
            for whose in ("model", "task")
            for value in REFERENCES[:12]
            for command in COMMANDS
        ]
        for name, (seed, method, keys) in self.files.items():
            for key, values in keys.items():
                for value in dict.fromkeys(values):
                    readers = _readers(method)
                    found.append(
                        Case(seed, ((name, Set(key, value)),), readers[len(found) % len(readers)])
                    )
        return found

    def input_of(self, case: Case, pantry: Pantry) -> Input:
        """Return the folder and the command."""
        whose, change = case.changes[0]
        if whose in ("model", "task"):
            assert isinstance(change, Set)
            reference = pantry.filled(str(VALUES[change.value]).encode("utf-8", "replace")).decode()
            database, more = renamed(pantry.folder / case.seed, whose, reference)
            return _input(case, database, more)
        files: dict[str, bytes] = {}
        place = _artefact(pantry.folder / case.seed, self.files[whose][1])
        for name, one in case.changes:
            path = f"{case.seed}/{place}/{name}"
            files[path] = changed(files.get(path) or (pantry.folder / path).read_bytes(), name, one)
        return _input(case, (pantry.folder / case.seed / FILE).read_bytes(), files)

    def unchanged(self, pantry: Pantry) -> list[Input]:
        """Return a study that bears another name of the same model, with every command."""
        same = pantry.filled(b"scripted:latent?name=latent").decode()
        database, more = renamed(pantry.folder / "study", "model", same)
        cases = [Case("study", (), name) for name in COMMANDS if name not in ("handoff", "run")]
        return [_input(case, database, more) for case in cases]


def _readers(method: str) -> list[str]:
    return {
        "few_shot": ["ask few_shot", "export"],
        "steering_vector": ["ask vector", "export vector"],
        "fine_tune": ["ask fine_tune", "export merged"],
    }[method]


def _artefact(study: Path, method: str) -> str:
    """Return the folder of a method's nudge, of the first trial that is no control."""
    with contextlib.closing(opened(study / FILE)) as db:
        for identity, summary in db.execute("SELECT identity, summary FROM trials"):
            trial = json.loads(identity)
            if (
                trial["method"] == method
                and not trial["control"]
                and "scrambled" not in trial["task"]
            ):
                return str(json.loads(summary)["artefact"])
    raise LookupError(method)


def renamed(study: Path, whose: str, reference: str) -> tuple[bytes, dict[str, bytes]]:
    """Return a study whose model or task has another name throughout: plan, trials, ids, artefacts.

    So it would look had the stranger run it under that name.
    """
    db = opened(study / FILE)
    db.execute("DELETE FROM meta WHERE key LIKE 'kept %'")
    [plan] = [json.loads(cell.text) for cell in cells(db, "plan")]
    for grid in plan["grids"]:
        grid[f"{whose}s"] = [reference]
    db.execute("UPDATE meta SET value=? WHERE key='plan'", (json.dumps(plan),))
    moved = dict(_moved(db, whose, reference))
    more: dict[str, bytes] = {}
    for old, (new, identity, summary) in moved.items():
        if summary["artefact"]:
            place = f"artefacts/{new}"
            for path in (study / summary["artefact"]).iterdir():
                more[f"{study.name}/{place}/{path.name}"] = path.read_bytes()
            summary["artefact"] = place
        summary.get("notes", {}).get("model", {})["name"] = reference
        db.execute(
            "UPDATE trials SET id=?, identity=?, summary=? WHERE id=?",
            (new, identity, json.dumps(summary), old),
        )
        for table in ("answers", "marks"):
            db.execute(f"UPDATE {table} SET trial=? WHERE trial=?", (new, old))
    return packed(db), more


def _moved(
    db: sqlite3.Connection, whose: str, reference: str
) -> Iterator[tuple[str, tuple[str, str, Any]]]:
    """Yield the new id, identity and summary of every trial by its old id."""
    for old, identity, summary in db.execute("SELECT id, identity, summary FROM trials").fetchall():
        trial = json.loads(identity)
        twin = "scrambled:" if whose == "task" and trial["task"].startswith("scrambled:") else ""
        trial[whose] = twin + reference
        if whose == "model":
            trial["scope"]["versions"][0] = _version("models", reference)
        else:
            trial["scope"]["versions"] = [trial["scope"]["versions"][0], *_edition(reference)]
        text = json.dumps(trial, sort_keys=True)
        name = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        values = json.loads(summary)
        values.pop("check", None)  # a stranger would write his own
        yield old, (name, text, values)


def _version(kind: str, reference: str) -> int:
    del kind
    from modicum.model import backend_version

    with contextlib.suppress(Exception):
        return backend_version(reference)
    return 1


def _edition(reference: str) -> list[object]:
    """Return version and content of a task, which enter the identity of its trials."""
    from modicum.task import resolve_task

    with contextlib.suppress(Exception):
        task = resolve_task(reference)
        return [task.version, *([task.fingerprint] if task.fingerprint else [])]
    return [1]


@lru_cache
def bomb(size: int, text: bytes = b"[") -> bytes:
    """Return little that unpacks to much: one block, flushed, so that it can stand many times."""
    block = text * ((1 << 26) // len(text))
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = press.compress(block) + press.flush(zlib.Z_FULL_FLUSH)
    check = 1
    for _ in range(size >> 26):
        check = zlib.adler32(block, check)
    return b"\x78\xda" + once * (size >> 26) + press.flush() + check.to_bytes(4, "big")
