"""Help and lists are instant: nothing heavy is imported before it is needed."""

import ast
import re
import resource
import subprocess
import sys
import time

import pytest

from modicum.catalog import Catalog
from tests.support.sources import PACKAGE, files, short, tree

HEAVY = (
    "torch",
    "transformers",
    "peft",
    "altair",
    "vl_convert",
    "scipy.stats",
    "reasoning_gym",
    "pyarrow",
    "datasets",
    "math_verify",
    "sympy",
)
MOST_SECONDS = 0.5
COMMANDS = {
    "import modicum": "import modicum",
    "modicum --help": "from modicum.cli.main import main; main(['--help'])",
    "modicum list": "from modicum.cli.main import main; main(['list'])",
    "modicum list methods": "from modicum.cli.main import main; main(['list', 'methods'])",
    "modicum models list": "from modicum.cli.main import main; main(['models', 'list'])",
}
LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def _imports(statement: str) -> dict[str, float]:
    """Seconds that each module's own import takes in a fresh process.

    `-X importtime` reads the clock; on a busy machine most of it is waiting. So its figures count
    by the share of the clock in which the process really ran.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    share = min(1.0, spent / (time.perf_counter() - start))
    return {name: int(own) * 1e-6 * share for own, name in LINE.findall(done.stderr)}


@pytest.fixture(scope="module")
def cold() -> dict[str, dict[str, float]]:
    return {name: _imports(statement) for name, statement in COMMANDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_cold_command_imports_nothing_heavy(name: str, cold) -> None:
    heavy = [m for m in cold[name] if m in HEAVY or m.startswith(tuple(f"{h}." for h in HEAVY))]
    assert not heavy


@pytest.mark.parametrize("name", COMMANDS)
def test_cold_command_takes_under_half_a_second_of_import_time(name: str, cold) -> None:
    times = [sum(cold[name].values())]
    while min(times) > MOST_SECONDS and len(times) < 3:
        times.append(sum(_imports(COMMANDS[name]).values()))
    assert min(times) < MOST_SECONDS


@pytest.mark.parametrize("path", files("src"), ids=short)
def test_scipy_stats_is_never_imported(path) -> None:
    named = [
        name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [f"{node.module}.{alias.name}" for alias in node.names]
        )
    ]
    assert not [name for name in named if name.startswith("scipy.stats")]


def test_listing_reads_plugins_of_every_folder() -> None:
    for kind in ("tasks", "models", "methods", "markers"):
        names = {p.stem for p in (PACKAGE / kind).glob("[!_]*.py")}
        assert names <= set(Catalog(kind).entries)
