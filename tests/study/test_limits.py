"""Absurd numbers are refused in words before anything runs."""

import math

import pytest

from modicum.catalog import fill
from modicum.errors import ConfigError
from modicum.files.limits import LIMITS, MOST_BUDGETS, check_number, shown
from modicum.study.grid import Grid
from modicum.study.plan import Plan, read_plan
from tests.support.commands import modicum

GRID = "\n[[grid]]\nmodels = ['scripted:latent']\ntasks = ['sums']\nmethods = []\n"
PLAN = [name for name in LIMITS if name not in ("shots", "workers")]


@pytest.mark.parametrize("name", PLAN)
@pytest.mark.parametrize(
    "value",
    [10**30, 99999999999, -1, -(10**30), True, False, math.nan, math.inf, 2.5, "7"],
    ids=repr,
)
def test_a_plan_refuses_what_is_no_sensible_number(name, value) -> None:
    with pytest.raises(ConfigError, match=name):
        Plan((), **{name: value})


@pytest.mark.parametrize("name", PLAN)
def test_the_largest_number_is_named_with_its_reason(name) -> None:
    limit = LIMITS[name]
    with pytest.raises(ConfigError) as raised:
        check_number(name, limit.most + 1)
    assert f"{limit.most:,}" in raised.value.expected
    assert limit.why in raised.value.expected
    check_number(name, limit.most)
    check_number(name, limit.least)


@pytest.mark.parametrize("shots", [(-1,), (10**30,), (True,), (1.5,), tuple(range(1, 99))])
def test_a_grid_refuses_absurd_budgets(shots) -> None:
    for name in ("shots", "twin_shots"):
        with pytest.raises(ConfigError, match="shots"):
            Grid(("m",), ("t",), **{name: shots})
    assert len(shots) == 1 or len(shots) > MOST_BUDGETS


@pytest.mark.parametrize("seeds", [-1, 10**30, True])
def test_a_grid_refuses_absurd_seeds(seeds) -> None:
    with pytest.raises(ConfigError, match="seeds"):
        Grid(("m",), ("t",), seeds=seeds)


def test_more_answers_than_memory_holds_are_refused() -> None:
    with pytest.raises(ConfigError, match="answers of 1,000,000 problems"):
        Plan((), test=1_000_000, samples=1024)
    with pytest.raises(ConfigError, match="answers of 1,000,000 problems"):
        Plan((), test=1_000_000, samples=16, sampled=1000)


@pytest.mark.parametrize("margin", [math.nan, -0.1, 1.5, True, math.inf, 10**400])
def test_a_margin_is_a_share(margin) -> None:
    with pytest.raises(ConfigError, match="margin"):
        Plan((), margin=margin)


@pytest.mark.parametrize(
    "line",
    [
        "test = 99999999999999999999",
        "test = -5",
        "test = true",
        "test = nan",
        "test = 1e30",
        f"test = {'9' * 5000}",
        f"test = 0x{'f' * 9000}",
        "seeds = 0",
        "samples = 0b1111111111111111111111111111",
        "margin = nan",
        f"margin = 0x{'f' * 9000}",
        "selection = 0",
        "retain_test = -1",
        "max_new_tokens = 1000000000000",
        "ceiling_test = 401",
        f"test = {'[' * 5000}{']' * 5000}",
    ],
)
def test_absurd_numbers_in_a_study_file_are_refused_in_words(line, tmp_path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(line + GRID)
    with pytest.raises(ConfigError) as raised:
        read_plan(path)
    assert len(str(raised.value)) < 600
    said = modicum("run", path, "--out", tmp_path / "s")
    assert said.code == 2
    assert "Traceback" not in said.err
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("line", ["shots = [99999999999]", "shots = [-1]", "seeds = 100000"])
def test_absurd_numbers_in_a_grid_are_refused_in_words(line, tmp_path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(GRID + line)
    assert modicum("run", path, "--out", tmp_path / "s").code == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--test", 99999999999),
        ("--selection", -1),
        ("--samples", 2**40),
        ("--seeds", 10**30),
        ("--ceiling-test", -1),
        ("--retain-test", 10**12),
        ("--max-new-tokens", 10**12),
        ("--shots", "1,99999999999"),
        ("--max-labels", -3),
        ("--workers", 10**6),
        ("--workers", 0),
    ],
)
def test_absurd_options_are_refused_in_words(options, tmp_path) -> None:
    said = modicum(
        "run", "--model", "scripted:latent", "--task", "sums", *options, "--out", tmp_path / "s"
    )
    assert said.code == 2
    assert "expected: " in said.err
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("value", [math.nan, "nan", 10**30, -(10**30), f"{10**30}", "9" * 5000])
def test_absurd_settings_of_plugins_are_refused(value) -> None:
    for method, name in (("fine_tune", "rank"), ("cot_decoding", "min_probability")):
        said = modicum("run", "--model", "organism", "--task", "word_sums", "--set",
                       f"{method}.{name}={value}", "--methods", method)  # fmt: skip
        assert said.code == 2
        assert f"{method}.{name} = " in said.err
    with pytest.raises(ConfigError, match="margin = "):
        fill(Plan, {"grids": (), "margin": value}, where="x")


def test_a_huge_number_is_written_briefly() -> None:
    assert shown(10**30) == "about 10^30"
    assert shown(-(1 << 40000)) == "about -10^12041"
    assert len(shown("x" * 10**6)) <= 80
    assert shown([10**6000]).startswith("a list")
