"""Study files in TOML: those of the repository and one with every field; stopped before weights load."""

import json
import re
import tomllib
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.bench import Input
from tests.fuzz.entries import REFERENCES, entries
from tests.fuzz.formats import Case
from tests.fuzz.hostile import Notation, Set, applied, edits, filled_in
from tests.fuzz.pantry import Pantry
from tests.support.sources import ROOT

__all__ = ["Studies"]

OWN = """
name = "own"
test = 4
selection = 2
samples = 2
ceiling_test = 2
sampled = 0
stream = "s"
seeds = 1
styles = "default"
retain = ["none"]
retain_test = 2
reference = ""
controls = true
prefer = "serve"
max_labels = 100
margin = 0.05
max_new_tokens = 24
system = "Be brief."
template = "{question}"
[[grid]]
models = ["scripted:latent"]
tasks = ["sums"]
methods = ["self_consistency", "few_shot"]
shots = [1]
twin = "scripted:absent"
twin_shots = [1]
seeds = 1
aside = ["self_consistency.n=3"]
arms = ["few_shot.form=answer"]
[settings.self_consistency]
n = 3
"""
SEEDS = ("own", "one_verdict", "organism_full", "sparse_feature_organism", "style_compression")
OWN_WORDS = frozenset(REFERENCES[:10]) | {"evils", "servers", "markers", "hub"}
"""Values by which whoever runs a study file names code or a server in so many words."""
KEYS = entries("study.toml")


def _toml(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if value is None:
        return '""'  # TOML has no word for nothing
    if isinstance(value, float):
        return repr(value)
    # json writes characters beyond 16 bits as two escapes, which TOML does not know
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else json.dumps(value)


def _escaped(text: str) -> str:
    """Spell out control characters, which TOML's texts must not hold as they are."""
    return re.sub(r"[\x7f]", r"\\u007f", text)


def _read(text: bytes, held: list[str]) -> Any:
    del held
    return tomllib.loads(text.decode())


def _write(whole: Any, held: list[str]) -> bytes:
    if not isinstance(whole, dict):
        return filled_in(_toml(whole), held)
    lines = [
        f"{json.dumps(k)} = {_toml(v)}"
        for k, v in whole.items()
        if not isinstance(v, dict) and k != "grid"
    ]
    grids = whole.get("grid")
    if isinstance(grids, list) and all(isinstance(g, dict) for g in grids):
        for grid in grids:
            lines += ["[[grid]]", *(f"{json.dumps(k)} = {_toml(v)}" for k, v in grid.items())]
    elif grids is not None:
        lines.append(f"grid = {_toml(grids)}")
    for name, table in whole.items():
        if isinstance(table, dict):
            lines += [
                f"[{json.dumps(name)}]",
                *(f"{json.dumps(k)} = {_toml(v)}" for k, v in table.items()),
            ]
    return filled_in(_escaped("\n".join(lines)), held)


TOML = Notation(_read, _write)


class Studies:
    """The format of study files."""

    def cases(self) -> st.SearchStrategy[Case]:
        """Return cases with one to three changes."""
        changes = st.lists(
            edits(KEYS).map(lambda edit: ("study.toml", edit)), min_size=1, max_size=3
        )
        return st.builds(Case, st.sampled_from(SEEDS), changes.map(tuple), st.just("run"))

    def listed(self) -> list[Case]:
        """Return a case for each entry and each value that suits it."""
        pairs = [(key, value) for key, values in KEYS.items() for value in dict.fromkeys(values)]
        return [
            Case(SEEDS[0] if n % 3 else SEEDS[n % len(SEEDS)], (("study.toml", Set(*pair)),), "run")
            for n, pair in enumerate(pairs)
        ]

    def unchanged(self, pantry: Pantry) -> list[Input]:
        """Return every seed."""
        return [self.input_of(Case(seed, (), "run"), pantry) for seed in SEEDS]

    def input_of(self, case: Case, pantry: Pantry) -> Input:
        """Return the file and the command."""
        path = ROOT / "studies" / f"{case.seed}.toml"
        text = OWN.encode() if case.seed == "own" else path.read_bytes()
        text = applied(text, tuple(edit for _, edit in case.changes), TOML)
        values = {getattr(edit, "value", "") for _, edit in case.changes}
        said = {"code", "network"} if values & OWN_WORDS else set[str]()
        command = ("run", "@CASE@/study.toml", "--no-check", "--no-reuse", "--workers", "1")
        return Input(
            {"study.toml": pantry.filled(text)}, (), (command,), frozenset(said), stops=True
        )
