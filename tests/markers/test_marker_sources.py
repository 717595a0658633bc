"""What a marker's file imports beside it belongs to its identity: a changed helper is another trial."""

import json
import os
from pathlib import Path

import pytest

from modicum.answers import FORMS
from modicum.errors import ConfigError
from modicum.files.sources import local_files
from modicum.marker import resolve_marker
from modicum.task import resolve_task
from modicum.types import Grade, Problem
from tests.support.commands import modicum

MARK = "def f(text, answer):\n    return answer in text\n"


def _write(folder: Path, **files: str) -> Path:
    """Write files whose names have two underscores for a slash; gives the marker's file."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/").replace("/init/", "__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "mk.py"


def _print(path: Path) -> str:
    return resolve_marker(f"python:{path}:f").fingerprint


FORMS_OF_IMPORT = {
    "import h": ("import h", "h.py"),
    "import h as x": ("import os, h as x", "h.py"),
    "from h import y": ("from h import y", "h.py"),
    "from h import *": ("from h import *", "h.py"),
    "within a function": ("def g():\n    import h", "h.py"),
    "within a try": ("try:\n    import h\nexcept ImportError:\n    h = None", "h.py"),
    "a package": ("import p", "p/__init__.py"),
    "a package's module": ("import p.m", "p/m.py"),
    "from a package": ("from p import m", "p/m.py"),
    "from a package's module": ("from p.m import x", "p/m.py"),
    "a package's init on the way": ("import p.m", "p/__init__.py"),
    "a package within": ("from p.q import r", "p/q/r.py"),
    "a folder without init": ("import n.m", "n/m.py"),
    "from a folder without init": ("from n import m", "n/m.py"),
    "relative in a package": ("import rel", "rel/b.py"),
    "relative, dots alone": ("import rel", "rel/c.py"),
    "relative, two dots": ("import rel", "rel/sub/e.py"),
    "relative upwards": ("import rel", "rel/up.py"),
    "a chain": ("import chain1", "chain3.py"),
    "import_module": ("import importlib\nimportlib.import_module('h')", "h.py"),
    "import_module, bare": ("from importlib import import_module\nimport_module('p.m')", "p/m.py"),
    "__import__": ("__import__('h')", "h.py"),
    "a cycle": ("import cycle1", "cycle2.py"),
}
FILES = {
    "h.py": "y = 1\n",
    "p/__init__.py": "",
    "p/m.py": "x = 1\n",
    "p/q/__init__.py": "",
    "p/q/r.py": "z = 1\n",
    "n/m.py": "x = 1\n",
    "rel/__init__.py": "from .b import v\nfrom . import c\nfrom .sub import d\n",
    "rel/b.py": "v = 1\n",
    "rel/c.py": "v = 1\n",
    "rel/up.py": "v = 1\n",
    "rel/sub/__init__.py": "",
    "rel/sub/d.py": "from . import e\nfrom ..up import v\n",
    "rel/sub/e.py": "v = 1\n",
    "chain1.py": "import chain2\n",
    "chain2.py": "import chain3\n",
    "chain3.py": "x = 1\n",
    "cycle1.py": "import cycle2\n",
    "cycle2.py": "import cycle1\nimport mk\n",
    "unused.py": "x = 1\n",
}


@pytest.mark.parametrize("form", FORMS_OF_IMPORT)
def test_a_changed_helper_changes_the_marker_however_it_is_imported(form, tmp_path) -> None:
    line, changed = FORMS_OF_IMPORT[form]
    for place, text in FILES.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    path = tmp_path / "mk.py"
    path.write_text(f"{line}\n{MARK}")
    before = _print(path)
    assert _print(path) == before
    (tmp_path / "unused.py").write_text("x = 2\n")
    assert _print(path) == before
    with (tmp_path / changed).open("a") as opened:
        opened.write("w = 3\n")
    assert _print(path) != before


def test_a_marker_that_imports_nothing_beside_it_has_the_hash_of_its_file(tmp_path) -> None:
    one, other = tmp_path / "a" / "mk.py", tmp_path / "b" / "mk.py"
    for path in (one, other):
        path.parent.mkdir()
        path.write_text(f"import json, re\nimport numpy\n{MARK}")
    (tmp_path / "b" / "helper.py").write_text("x = 1\n")
    assert _print(one) == _print(other)
    assert list(local_files(one)) == ["mk.py"]


def test_a_helper_that_comes_goes_or_breaks_changes_the_marker(tmp_path) -> None:
    path = tmp_path / "mk.py"
    path.write_text(f"try:\n    import h\nexcept Exception:\n    h = None\n{MARK}")
    found = [_print(path)]
    for raw in (b"x = 1\n", b"x = (\n", b"x = '\xff'\n", b"\0"):
        (tmp_path / "h.py").write_bytes(raw)
        found.append(_print(path))
    (tmp_path / "h.py").unlink()
    assert _print(path) == found[0]
    assert len(set(found)) == 5


def test_links_are_followed_and_end(tmp_path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "mk.py").write_text(f"import h, loop.a\n{MARK}")
    (real / "h.py").write_text("x = 1\n")
    (real / "loop").symlink_to(real, target_is_directory=True)
    (real / "a.py").write_text("import loop.loop.loop.a, dangling, self_link\n")
    (real / "dangling.py").symlink_to(real / "nowhere.py")
    (real / "self_link.py").symlink_to(real / "self_link.py")
    link = tmp_path / "mk.py"
    link.symlink_to(real / "mk.py")
    before = _print(link)
    assert sorted(p.resolve().name for p in local_files(link).values()) == ["a.py", "h.py", "mk.py"]
    (real / "h.py").write_text("x = 2\n")
    assert _print(link) != before


def test_a_pipe_in_a_helper_s_place_does_not_hold_the_reader(tmp_path) -> None:
    path = tmp_path / "mk.py"
    path.write_text(f"import h\n{MARK}")
    os.mkfifo(tmp_path / "h.py")
    assert list(local_files(path)) == ["mk.py"]


def test_too_many_and_too_large_helpers_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("modicum.files.sources.MOST_FILES", 20)
    monkeypatch.setattr("modicum.files.sources.MOST_BYTES", 10_000)
    path = tmp_path / "mk.py"
    path.write_text("".join(f"import h{i}\n" for i in range(30)) + MARK)
    for i in range(30):
        (tmp_path / f"h{i}.py").write_text("")
    with pytest.raises(ConfigError, match="more than 20 files"):
        resolve_marker(f"python:{path}:f").fingerprint  # noqa: B018
    path.write_text(f"import h1\n{MARK}")
    (tmp_path / "h1.py").write_text("x = 1\n" * 5000)
    with pytest.raises(ConfigError, match=r"h1\.py: larger than"):
        resolve_marker(f"python:{path}:f").fingerprint  # noqa: B018


def test_reading_the_imports_runs_nothing(tmp_path) -> None:
    path = tmp_path / "mk.py"
    path.write_text(f"import h\n{MARK}")
    (tmp_path / "h.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert _print(path)
    assert not (tmp_path / "ran").exists()


def test_a_changed_helper_is_loaded_anew_in_the_same_process(tmp_path) -> None:
    path = tmp_path / "mk.py"
    path.write_text("import h\ndef f(text, answer):\n    return h.says\n")
    problem, form = Problem("a", "q", "1"), FORMS["line"]
    for says, grade in ((True, Grade.CORRECT), (False, Grade.INCORRECT)):
        (tmp_path / "h.py").write_text(f"says = {says}\n")
        marker = resolve_marker(f"python:{path}:f")
        assert marker.mark(problem, "1", form).lenient == grade
    assert not (tmp_path / "__pycache__").exists()


def _table(tmp_path: Path, n: int = 40) -> Path:
    rows = [{"question": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(n)]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_task_marks_by_the_files_that_it_found(tmp_path) -> None:
    marker = _write(tmp_path, mk=f"import h\n{MARK}", h="x = 1\n")
    reference = f"jsonl:{_table(tmp_path)}?marker=python:{marker}:f"
    first = resolve_task(reference)
    before = first.fingerprint
    (tmp_path / "h.py").write_text("x = 'other'\n")
    assert first.fingerprint == before
    assert resolve_task(reference).fingerprint != before


def test_a_study_with_a_changed_helper_draws_its_trials_anew(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("modicum.cli.told_run.write", lambda *given: None)  # the report
    marker = _write(tmp_path, mk=f"from h import inside as f\n\n\n{MARK}", h="")
    (tmp_path / "h.py").write_text("def inside(text, answer):\n    return answer in text\n")

    def run():
        return modicum(
            "run", "--model", "scripted:latent", "--task", _table(tmp_path), "--mark-with",
            f"{marker}:f", "--methods", "self_consistency", "--samples", 4, "--no-check",
            "--no-reuse", "--out", tmp_path / "s",
        )  # fmt: skip

    assert run().code == 0
    again = run()
    assert "none done yet" not in again.err
    with (tmp_path / "h.py").open("a") as opened:
        opened.write("\n\nx = 1\n")
    changed = run()
    assert changed.code == 0, changed.err
    assert "none done yet" in changed.err
