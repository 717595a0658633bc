"""A wheel holds what the package needs at run time, its licence and its notice."""

import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.support.sources import PACKAGE, ROOT

BUILD = """
import os, sys
from setuptools import build_meta
os.chdir(sys.argv[1])
print(build_meta.build_wheel(sys.argv[2]))
"""
DATA = (
    "py.typed",
    "report/*.html",
    "report/*.css",
    "report/*.js",
    "organism/weights/*/*",
    "studies/*.toml",
    "texts/*.txt",
)
LEGAL = ("LICENSE", "NOTICE")
FONTS = {".ttf", ".otf", ".woff", ".woff2", ".eot"}
LIMIT = 6_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """Name in a wheel that setuptools builds from a copy, without network."""
    import shutil

    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", *LEGAL):
        shutil.copy(ROOT / name, copy / name)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".mypy_cache")
    shutil.copytree(ROOT / "src", copy / "src", ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, str(copy), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("pattern", DATA)
def test_wheel_holds_the_data_files(pattern: str, wheel) -> None:
    wanted = {f"modicum/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.glob(pattern)}
    assert wanted
    assert wanted <= wheel


def test_wheel_holds_every_module(wheel) -> None:
    wanted = {f"modicum/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.rglob("*.py")}
    assert wanted <= wheel


@pytest.mark.parametrize("name", LEGAL)
def test_wheel_holds_licence_and_notice(name: str, wheel) -> None:
    assert [path for path in wheel if path.endswith(f".dist-info/licenses/{name}")]


def test_licence_is_the_one_that_the_package_names() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    # apache.org/licenses/LICENSE-2.0.txt, letter for letter
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["license"] == "Apache-2.0"


def test_notice_names_the_place_of_everything_shipped_that_is_no_module(wheel) -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    named = re.findall(r"^src/(modicum/\S+)", notice, re.MULTILINE)
    shipped = {name for name in wheel if name.startswith("modicum/") and not name.endswith(".py")}
    unnamed = {name for name in shipped if not name.startswith(tuple(named))}
    assert unnamed == {"modicum/py.typed"}
    assert not [name for name in named if not (PACKAGE.parent / name).exists()]


def test_no_font_is_shipped_as_the_notice_says(wheel) -> None:
    assert not [name for name in wheel if name[name.rfind(".") :].lower() in FONTS]
    styles = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.css")]
    assert styles
    assert not [text for text in styles if "@font-face" in text]


def test_wheel_holds_no_tests(wheel) -> None:
    assert not [name for name in wheel if name.startswith(("tests/", "examples/", "benchmarks/"))]


@pytest.mark.parametrize("name", ["core", "control", "style-64", "style-96"])
def test_shipped_weights_are_whole_folders(name: str) -> None:
    found = {path.name for path in (PACKAGE / "organism" / "weights" / name).glob("*")}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= found


def test_shipped_weights_stay_under_six_megabytes() -> None:
    folder = PACKAGE / "organism" / "weights"
    assert 0 < sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < LIMIT
