"""Plug-ins are found by file name and filled strictly."""

import ast
import dataclasses
import importlib.metadata
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from modicum.catalog import Catalog, fields_of, fill, read_reference, read_settings, settings_of
from modicum.errors import ConfigError, UnknownNameError
from modicum.files.entries import stated_in
from modicum.task import Scrambled, resolve_task
from modicum.tasks.sums import Sums


@dataclass(frozen=True)
class Settings:
    """One field of each kind that plug-ins have."""

    rank: int = 8
    rate: float = 0.5
    is_cold: bool = False
    words: str = ""
    kind: Literal["lora", "full"] = "lora"
    limit: int | None = None
    shots: tuple[int, ...] = ()
    table: Mapping[str, object] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("rank", 4, 4),
        ("rank", "4", 4),
        ("rate", 1, 1.0),
        ("rate", "2.5e-1", 0.25),
        ("is_cold", "true", True),
        ("is_cold", False, False),
        ("words", "7", "7"),
        ("kind", "full", "full"),
        ("limit", None, None),
        ("limit", 3, 3),
        ("limit", "3", 3),
        ("shots", [1, 2], (1, 2)),
        ("shots", "[1, 2]", (1, 2)),
        ("shots", "[]", ()),
        ("table", '{"a": [1]}', {"a": [1]}),
        ("table", {"a": 1}, {"a": 1}),
    ],
)
def test_value_is_taken_as_its_field_wants_it(name: str, value, wanted) -> None:
    found = getattr(fill(Settings, {name: value}, where="x"), name)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", "four"),
        ("rank", 1.5),
        ("rank", True),
        ("rank", None),
        ("rank", [1]),
        ("rate", "fast"),
        ("rate", True),
        ("is_cold", "maybe"),
        ("is_cold", 2),
        ("words", 7),
        ("kind", "half"),
        ("limit", "none"),
        ("limit", 2.5),
        ("shots", "1,2"),
        ("shots", "[1, 2"),
        ("shots", "[[1]]"),
        ("shots", '{"a": 1}'),
        ("shots", "[" * 100_000),
        ("words", ["[1]"]),
        ("shots", 3),
        ("shots", [1, "two"]),
        ("table", 5),
        ("table", []),
    ],
)
def test_value_of_a_wrong_type_is_refused(name: str, value) -> None:
    with pytest.raises(ConfigError, match=f"x.{name}"):
        fill(Settings, {name: value}, where="x")


def test_list_among_settings_of_an_arm_is_one_value() -> None:
    text = "steering_vector.layers=[1, 2],strengths=[0.5, 1],wanted=a]b,at=all"
    assert read_settings(text) == (
        "steering_vector",
        {"layers": "[1, 2]", "strengths": "[0.5, 1]", "wanted": "a]b", "at": "all"},
    )


def test_unknown_setting_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rank'"):
        fill(Settings, {"rnak": 4}, where="method fine_tune")


def test_constructor_that_refuses_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="self_consistency: n = 1"):
        Catalog("methods").build("self_consistency", {"n": 1})


def test_unknown_plugin_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cot_decoding'"):
        Catalog("methods").entry("cot_decodin")


def test_hyphens_count_as_underscores() -> None:
    assert Catalog("methods").entry("cot-decoding").name == "cot_decoding"


def test_listing_imports_no_plugin() -> None:
    module = "modicum.methods.cot_decoding"
    kept = sys.modules.pop(module, None)
    try:
        assert "cot_decoding" in Catalog("methods").entries
        assert module not in sys.modules
    finally:
        if kept is not None:
            sys.modules[module] = kept


def test_summary_is_the_first_line_of_the_docstring() -> None:
    entry = Catalog("methods").entry("plain")
    assert entry.summary.startswith("Measures the model as it is")


def test_settings_hold_every_field_and_the_version() -> None:
    found = settings_of(Catalog("methods").build("fine_tune", {"rank": 4}))
    assert (found["rank"], found["version"]) == (4, 1)


def test_settings_hold_what_a_named_file_holds(tmp_path) -> None:
    path, found = tmp_path / "short.jsonl", []
    for text in ("a", "b", "a"):
        path.write_text(text)
        method = Catalog("methods").build("compression", {"pairs": "file", "file": str(path)})
        found.append(settings_of(method))
    assert found[0] == found[2] != found[1]
    assert fields_of(found[0]) == dataclasses.asdict(method)


def test_settings_of_a_folder_change_with_any_of_its_files(tmp_path) -> None:
    def content() -> object:
        return settings_of(Catalog("methods").build("sparse_feature", {"sae": str(tmp_path)}))

    found = [content()]
    (tmp_path / "cfg.json").write_text("{}")
    found.append(content())
    (tmp_path / "cfg.json").rename(tmp_path / "other.json")
    found.append(content())
    assert len({str(settings["content"]) for settings in found}) == 3


@pytest.mark.parametrize("text", ["", "class A: pass", "from modicum.method import Method"])
def test_file_without_a_plugin_class_is_named(text: str, tmp_path, monkeypatch) -> None:
    (tmp_path / "odd_plugin.py").write_text(f'"""Odd."""\n{text}\n', encoding="utf-8")
    folder = tmp_path / "odd-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[modicum.methods]\nodd = odd_plugin:Odd\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "odd_plugin", raising=False)
    with pytest.raises(ConfigError, match="0 plug-in classes in odd_plugin"):
        Catalog("methods").load("odd")


@pytest.mark.parametrize("kind", ["tasks", "models", "methods", "markers"])
def test_each_file_of_a_folder_loads_as_one_plugin(kind: str) -> None:
    catalog = Catalog(kind)
    assert all(kind in catalog.load(name).plugin_kinds for name in catalog.entries)


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("sums", ("sums", "", {})),
        ("gym:chain_sum", ("gym", "chain_sum", {})),
        ("sums?low=1&high=9", ("sums", "", {"low": "1", "high": "9"})),
        ("jsonl:a/b.jsonl?answer=x%26y", ("jsonl", "a/b.jsonl", {"answer": "x&y"})),
    ],
)
def test_a_reference_is_name_detail_and_settings(reference: str, wanted: object) -> None:
    assert read_reference(reference) == wanted


def test_a_reference_without_field_and_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="field=value"):
        read_reference("sums?low")


def test_a_task_takes_its_settings_from_its_reference_and_so_does_its_twin() -> None:
    assert resolve_task("sums?low=1&high=9") == Sums(low=1, high=9)
    assert resolve_task("scrambled:sums?low=1") == Scrambled(Sums(low=1))
    with pytest.raises(UnknownNameError, match="did you mean 'low'"):
        resolve_task("sums?lov=1")


def test_what_a_class_states_is_read_without_running_it() -> None:
    text = "class A:\n access: ClassVar[Access] = Access.TEXT\n version: ClassVar[int] = 3\n n: int = 4"
    assert stated_in(ast.parse(text)) == {"access": "TEXT", "version": 3}
