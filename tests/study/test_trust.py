"""What a plan asks for that only the user may switch on: code, servers, keys, in every spelling."""

import dataclasses
import importlib.metadata
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.catalog import KINDS, Catalog
from modicum.errors import ConfigError, TrustError
from modicum.model import resolve_backend
from modicum.study import powers
from modicum.study.plan import Grid, Plan
from modicum.study.powers import KINDS_OF_POWER, model_powers, task_powers
from modicum.study.trust import powers_of, powers_of_trial, refuse_untrusted
from modicum.types import Trial

CODE = "./a-model?trust_remote_code=true"
SERVER = "openai:m?base_url=http://127.0.0.1:9/v1"
KEY = f"{SERVER}&api_key_env=AWS_SECRET_ACCESS_KEY"
MARKER = "jsonl:a.jsonl?marker=python:mine.py:f"


def based(reference: str) -> str:
    """An export's folder on a base that the reference names."""
    return f"export:./f?base={urllib.parse.quote(reference)}"


def plan(**changes: object) -> Plan:
    """A plan of nothing dangerous, with changes to its one grid or to itself."""
    grid = {"models": ("organism",), "tasks": ("sums",), "methods": ("fine_tune",)}
    own = {field.name for field in dataclasses.fields(Grid)}
    grid |= {name: value for name, value in changes.items() if name in own}
    rest = {name: value for name, value in changes.items() if name not in own}
    return Plan((Grid(**grid),), **rest)


def kinds(found) -> list[str]:
    return sorted(power.kind for power in found)


def test_ordinary_plans_ask_for_nothing() -> None:
    assert powers_of(plan()) == ()
    harmless = plan(
        models=("organism", "./folder?device=cuda&threads=2", "org/name", "smollm2-135m"),
        tasks=("jsonl:a.jsonl?marker=number", "gym:chain_sum", "scrambled:sums", "hub:gsm8k"),
        retain=("text",),
        settings={"rlvr": {"reward": "random?gamma=0.3"}, "compression": {"file": "x.jsonl"}},
        arms=("rlvr.clip=0",),
    )
    assert powers_of(harmless) == ()


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"models": (CODE,)}, ["code"]),
        ({"models": ("huggingface:./a?trust_remote_code=1",)}, ["code"]),
        ({"models": ("org/name?trust_remote_code=TRUE",)}, ["code"]),
        ({"models": (SERVER,)}, ["server"]),
        ({"models": (KEY,)}, ["environment", "server"]),
        ({"models": ("openai",)}, ["server"]),
        ({"twin": CODE}, ["code"]),
        ({"reference": KEY}, ["environment", "server"]),
        ({"tasks": (MARKER,)}, ["code"]),
        ({"tasks": ("a.jsonl?marker=python:mine.py:f",)}, ["code"]),
        ({"tasks": (f"scrambled:scrambled:{MARKER}",)}, ["code"]),
        ({"tasks": ("csv:a.csv?marker=python?name=mine.py:f",)}, ["code"]),
        ({"retain": (MARKER,)}, ["code"]),
        ({"settings": {"rlvr": {"server": KEY}}}, ["environment", "server"]),
        ({"settings": {"rl-steering": {"server": SERVER}}}, ["server"]),
        ({"arms": (f"rlvr.clip=0,server={SERVER}",)}, ["server"]),
        ({"aside": (f"rlvr.server={SERVER}",)}, ["server"]),
        ({"models": (based(CODE),)}, ["code"]),
        (
            {"models": (based(based(KEY)),)},
            ["environment", "server"],
        ),
        ({"models": (CODE, KEY), "tasks": (MARKER,)}, ["code", "code", "environment", "server"]),
    ],
)
def test_every_place_of_a_plan_is_looked_at(changes, wanted) -> None:
    found = powers_of(plan(**changes))
    assert kinds(found) == wanted
    assert powers_of(Plan.thawed(plan(**changes).as_dict())) == found


def test_a_folder_that_holds_an_export_passes_on_what_its_base_says(tmp_path) -> None:
    (tmp_path / "nudge.json").write_text("{}")
    assert kinds(model_powers(f"{tmp_path}?base={urllib.parse.quote(KEY)}")) == [
        "environment", "server",
    ]  # fmt: skip
    # what its own manifest says gives no power, and is looked at by the backend alone
    assert model_powers(str(tmp_path)) == ()


def _spelled(draw, text: str) -> str:
    """Percent-encode some characters of a text, those that part a reference among them."""
    parts = []
    for char in text:
        if char in "&%+" or draw(st.booleans()):
            parts.append(
                "".join(f"%{byte:02{draw(st.sampled_from('xX'))}}" for byte in char.encode())
            )
        else:
            parts.append(char)
    return "".join(parts)


@settings(max_examples=50)
@given(st.data(), st.sampled_from(["true", "True", "TRUE", "tRuE", "1"]), st.integers(0, 2))
def test_no_spelling_of_code_slips_by_that_a_backend_takes(data, value: str, depth: int) -> None:
    reference = f"./a-model?threads=1&trust_remote_code={_spelled(data.draw, value)}"
    for _ in range(depth):
        reference = f"export:./f?base={_spelled(data.draw, reference)}"
    assert kinds(model_powers(reference)) == ["code"]


@given(st.text(st.sampled_from("trueTRUE10falsFAL %2"), max_size=8))
def test_what_is_no_power_is_no_trust_either(value: str) -> None:
    reference = f"org/name?trust_remote_code={value}"
    try:
        trusts = resolve_backend(reference).trust_remote_code
    except ConfigError:
        return  # nothing is opened
    assert bool(model_powers(reference)) >= trusts


@settings(max_examples=50)
@given(st.data(), st.sampled_from(["jsonl", "csv", "parquet", "hub"]), st.integers(0, 3))
def test_no_spelling_of_a_marker_slips_by(data, kind: str, twins: int) -> None:
    words = _spelled(data.draw, data.draw(st.sampled_from(["python:m.py:f", "python?name=m.py:f"])))
    reference = "scrambled:" * twins + f"{kind}:x?question=q&marker={words}"
    assert kinds(task_powers(reference)) == ["code"]


@given(st.text(st.sampled_from("openaithugfc:/.?&=%_ml~3d6x\x00é"), max_size=30))
def test_any_text_is_read_without_an_error(reference: str) -> None:
    model_powers(reference)
    task_powers(reference)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_plugin_states_is_what_its_class_says(kind: str) -> None:
    catalog = Catalog(kind)
    for name in catalog.entries:
        said = dict(getattr(catalog.load(name), "powers", {}))
        assert catalog.powers(name) == said, name
        assert set(said.values()) <= {*KINDS_OF_POWER, *KINDS}, name
        fields = {f.name for f in dataclasses.fields(catalog.load(name))}
        assert set(said) <= {"", *fields}, name


def test_settings_that_name_plugins_are_all_stated() -> None:
    """A new plug-in with a setting of such a name has to say what it switches on."""
    telling = {"trust_remote_code", "api_key_env", "marker", "base", "server", "reward"}
    for kind in KINDS:
        catalog = Catalog(kind)
        for name in catalog.entries:
            fields = {f.name for f in dataclasses.fields(catalog.load(name))}
            assert fields & telling <= set(catalog.powers(name)), name


def test_a_plugin_of_another_package_states_its_own(monkeypatch, tmp_path) -> None:
    (tmp_path / "foreign_models.py").write_text(
        '"""A backend that runs a file."""\n'
        "from dataclasses import dataclass\nfrom typing import ClassVar, final\n"
        "from modicum.model import Backend\n"
        "class _Shared(Backend):\n    powers: ClassVar[dict] = {'script': 'code'}\n"
        "@final\n@dataclass(frozen=True)\nclass Runner(_Shared):\n"
        '    """Runs."""\n    name: str = ""\n    script: str = ""\n'
        "    def check(self): ...\n    def open(self): raise NotImplementedError\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    point = importlib.metadata.EntryPoint("runner", "foreign_models", "modicum.models")
    real = importlib.metadata.entry_points
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group: [point] if group == "modicum.models" else real(group=group),
    )
    monkeypatch.setitem(powers._CATALOGS, "models", Catalog("models"))
    monkeypatch.setattr("modicum.model.MODELS", Catalog("models"))
    assert kinds(model_powers("runner:x?script=x.sh")) == ["code"]
    assert model_powers("runner:x") == ()


def test_a_trial_of_a_database_is_looked_at_as_well() -> None:
    trial = Trial(CODE, f"scrambled:{MARKER}", "rlvr", 1, 0, {"server": KEY})
    assert kinds(powers_of_trial(trial)) == ["code", "code", "environment", "server"]
    assert powers_of_trial(Trial("organism", "sums", "no_such_method", 1, 0)) == ()


def test_the_refusal_names_each_power_and_what_to_do() -> None:
    asked = plan(models=(CODE, KEY), tasks=(MARKER,))
    with pytest.raises(TrustError) as refused:
        refuse_untrusted(asked, trusted=False, where="the study st.toml")
    said = str(refused.value)
    for words in (
        "the study st.toml", "./a-model", "trust_remote_code", "http://127.0.0.1:9",
        "AWS_SECRET_ACCESS_KEY", "python:mine.py:f", "none of them was done", "--trust",
    ):  # fmt: skip
        assert words in said
    refuse_untrusted(asked, trusted=True, where="st.toml")
    refuse_untrusted(plan(), trusted=False, where="st.toml")


def test_the_refusal_prints_no_password_and_no_hidden_character() -> None:
    asked = plan(
        models=(
            "openai:m?base_url=http://u:SECRET@h/v1%3Fkey=SECRET",
            "openai:m\x1b[31m\u202e?base_url=http%3A%2F%2Fu%3ASECRET%40h%2Fv1",
        )
    )
    with pytest.raises(TrustError) as refused:
        refuse_untrusted(asked, trusted=False, where="st.toml")
    assert "SECRET" not in str(refused.value)
    assert "http://h" in str(refused.value)
    assert not {"\x1b", "\u202e"} & set(str(refused.value))


def test_nothing_is_run_and_no_file_read_to_see_it(tmp_path, monkeypatch) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "mark.py").write_text(f"open({str(canary)!r}, 'w')\ndef f(text): return True\n")
    monkeypatch.chdir(tmp_path)
    found = powers_of(plan(tasks=("jsonl:gone.jsonl?marker=python:mark.py:f",)))
    assert kinds(found) == ["code"]
    assert not Path(canary).exists()
