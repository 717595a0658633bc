"""The recorded study and its page, once for all tests of what the report says."""

from pathlib import Path

import pytest

from tests.golden import record
from tests.support.commands import modicum


@pytest.fixture(scope="session")
def golden_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded study in a folder of its own."""
    return record.unpacked(tmp_path_factory.mktemp("recorded") / "study")


@pytest.fixture(scope="session")
def golden_page(golden_study: Path) -> str:
    """The source of its report, written by today's code."""
    said = modicum("report", golden_study)
    assert said.code == 0, said.err
    return (golden_study / "report.html").read_text(encoding="utf-8")
