"""What every reading must do; a new file in `readings/` is tested the moment it exists."""

import json
from collections.abc import Iterator

import pytest

from modicum.analysis.judgement import judged
from modicum.analysis.section import Section
from modicum.analysis.verdict import as_json
from modicum.cli.section_text import core_text, section_text
from modicum.plain import plain, thawed
from modicum.reading import READINGS, Material, Reading, resolve_reading
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, run
from modicum.store.database import Store

SIZES = {"test": 24, "selection": 4, "samples": 8, "reference": "scripted:shown"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Material]:
    """A study of text rungs, read."""
    store = Store(tmp_path_factory.mktemp("readings"))
    plan = plan_for("scripted:latent", "sums", ["cot_decoding", "few_shot"], [2], **SIZES)
    run(plan, store, Silent())
    material = judged(plan.subjects()[0], store)
    assert material is not None
    yield material
    store.close()


@pytest.fixture(params=sorted(READINGS.entries))
def reading(request: pytest.FixtureRequest) -> Reading:
    return resolve_reading(request.param)


def _section(reading: Reading, found: Material) -> Section:
    section = reading.read(found)
    if section is None:
        pytest.skip("says nothing of this study")
    return section


def test_it_says_the_same_each_time(reading: Reading, found: Material) -> None:
    assert reading.read(found) == reading.read(found)


def test_it_survives_the_store(reading: Reading, found: Material) -> None:
    section = _section(reading, found)
    assert thawed(Section, json.loads(json.dumps(plain(section)))) == section


def test_it_is_plain_json(reading: Reading, found: Material) -> None:
    text = json.dumps(as_json(_section(reading, found)), allow_nan=False)
    assert json.loads(text)["title"]


def test_it_is_printed_within_a_hundred_columns(reading: Reading, found: Material) -> None:
    section = _section(reading, found)
    text = "\n".join(core_text(section)) if section.is_core else section_text(section)
    assert text.strip() or section.brief
    assert max(map(len, text.splitlines()), default=0) <= 100
