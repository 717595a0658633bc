"""The doctor's visit: once a subject, kept with its cost, quiet on the healthy study."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from modicum.doctor import visit as visits
from modicum.doctor.answers import recommended_limit
from modicum.doctor.costs import memory
from modicum.doctor.data import plain
from modicum.doctor.exam import Memory
from modicum.doctor.examine import memory_needed
from modicum.doctor.visit import check_subject, refuse_faults, unchecked, visit
from modicum.errors import ConfigError, JudgeError
from modicum.loading.footprint import footprint_of
from modicum.model import resolve_backend
from modicum.organism.shipped import CORE
from modicum.running.planning import plan_for
from modicum.seeds import stream
from modicum.store.database import Store
from modicum.study.checked import findings_key
from modicum.study.plan import Plan, read_plan
from modicum.types import Completion, Finding
from tests.support.sources import PACKAGE

DEFAULT = read_plan(PACKAGE / "studies" / "organism.toml")
SUBJECTS = {f"{s.task} on {s.model}": s for s in DEFAULT.subjects()}
SMALL = {"test": 64, "selection": 8, "samples": 16}


def _small(truth: str = "latent", **options: object) -> Plan:
    return plan_for(f"scripted:{truth}", "sums", **{**SMALL, **options})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "study")


@pytest.mark.parametrize("name", SUBJECTS)
def test_doctor_is_quiet_on_the_healthy_organism_study(name: str) -> None:
    findings = check_subject(SUBJECTS[name]).findings
    assert findings
    assert [f for f in findings if f.level != "fact"] == []


@pytest.mark.parametrize("truth", ["latent", "absent", "shown", "sealed"])
def test_doctor_is_quiet_on_the_scripted_model(truth: str) -> None:
    findings = check_subject(_small(truth).subjects()[0]).findings
    assert [f for f in findings if f.level != "fact"] == []


def test_look_at_the_scripted_model_takes_under_fifty_milliseconds() -> None:
    subject = _small().subjects()[0]
    spent = []
    for _ in range(5):
        start = time.process_time()
        check_subject(subject)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.05


def test_look_draws_64_samples_and_16_greedy_answers_and_counts_the_golds_it_read() -> None:
    checked = check_subject(_small().subjects()[0])
    assert checked.ledger.tokens_sampled >= 64 + 16
    # sixteen of the selection and sixteen of the shots: no method of this study reads labels
    assert checked.ledger.labels == 32


def test_findings_and_costs_are_kept(store: Store) -> None:
    subject = _small().subjects()[0]
    checked = visit(subject, store)
    assert store.findings(findings_key(subject)) == checked.findings
    assert store.findings_costs(findings_key(subject))["labels"] == 32


def test_subject_is_looked_at_once(store: Store) -> None:
    plan = _small()
    assert unchecked(plan, store) == plan.subjects()
    visit(plan.subjects()[0], store)
    assert unchecked(plan, store) == []


def test_other_size_is_looked_at_for_itself(store: Store) -> None:
    visit(_small().subjects()[0], store)
    for change in ({"test": 12}, {"max_new_tokens": 2}, {"template": "Say it: {question}"}):
        assert unchecked(_small(**change), store) == _small(**change).subjects()
    assert unchecked(_small(samples=2), store) == []


def test_faulty_subject_is_looked_at_again_unless_forced(store: Store) -> None:
    plan = _small(max_new_tokens=2)
    assert visit(plan.subjects()[0], store).faults
    assert unchecked(plan, store) == plan.subjects()
    assert unchecked(plan, store, force=True) == []


def test_fault_is_refused_with_what_to_do() -> None:
    checked = check_subject(_small(max_new_tokens=2).subjects()[0])
    with pytest.raises(ConfigError, match="--force") as refused:
        refuse_faults([checked])
    assert "cut off at the limit of 2 tokens" in refused.value.found


def test_doubts_and_facts_are_not_refused() -> None:
    refuse_faults([check_subject(_small(test=12).subjects()[0])])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JudgeError("marking hung twice"), "marker_fails"),
        (ConfigError("a server that is down", "one that answers", "start it"), "fails"),
        (RuntimeError("no more memory"), "fails"),
    ],
)
def test_what_breaks_while_asking_is_the_finding(error, code: str, monkeypatch) -> None:
    def broken(*given: object) -> None:
        raise error

    monkeypatch.setattr(visits, "examine", broken)
    (fault,) = check_subject(_small().subjects()[0]).faults
    assert fault.code == code
    assert str(error).partition("\n")[0].removeprefix("found: ") in fault.found


def test_too_little_memory_is_a_fault_before_anything_is_loaded(monkeypatch) -> None:
    monkeypatch.setattr(visits, "open_model", lambda name: pytest.fail("loaded"))
    monkeypatch.setattr(visits, "memory", lambda room: (Finding("memory", "fault", "x", "y"),))
    assert [f.code for f in check_subject(_small().subjects()[0]).faults] == ["memory"]


def test_footprint_of_a_folder_counts_its_numbers_without_loading_them() -> None:
    found = footprint_of(str(CORE), "cpu")
    assert found is not None
    assert found.weight_bytes == pytest.approx(4 * 370_752, rel=0.01)


def test_footprint_of_a_hub_id_or_a_gpu_is_not_guessed() -> None:
    assert footprint_of("some/model", "cpu") is None
    assert footprint_of(str(CORE), "cuda") is None


def test_tuning_counts_a_second_copy_of_the_weights() -> None:
    backend = resolve_backend(str(CORE))
    plans = [plan_for(str(CORE), "word_sums", [m]) for m in ("cot_decoding", "fine_tune")]
    needed = [memory_needed(plan.subjects()[0], backend) for plan in plans]
    assert [found.copies for found in needed if found] == [1, 2]


@pytest.mark.parametrize(("dtype", "each"), [("float32", 12), ("bfloat16", 16)])
def test_training_all_weights_counts_gradients_moments_and_masters(dtype: str, each: int) -> None:
    name = f"{CORE}?dtype={dtype}"
    backend, plain = resolve_backend(name), plan_for(name, "word_sums", ["fine_tune"])
    plans = [plain, replace(plain, settings={"fine_tune": {"parameters": "full"}})]
    needed = [memory_needed(plan.subjects()[0], backend) for plan in plans]
    assert [found.training for found in needed if found] == [
        0,
        pytest.approx(each * 370_752, rel=0.01),
    ]


def test_memory_counts_what_training_all_weights_takes() -> None:
    needed = Memory(weights=1 << 30, cache=0, copies=2, machine=8 << 30, training=8 << 30)
    (finding,) = memory(needed)
    assert finding.level == "fault"
    assert "training all of them 8.0" in finding.found


def test_recommended_limit_cuts_one_answer_in_a_hundred_of_an_exponential_tail() -> None:
    rng = stream("test", "limits")
    lengths = 1 + rng.exponential(40, size=640).astype(int)
    drawn = tuple(Completion("", min(n, 96), "length" if n > 96 else "eos") for n in lengths)
    limit = recommended_limit(drawn, 96)
    assert 0.001 < (lengths > limit).mean() < 0.03


def test_recommended_limit_of_short_answers_is_short() -> None:
    drawn = tuple(Completion("", 10 + i % 8, "eos") for i in range(64))
    assert recommended_limit(drawn, 512) <= 32


def test_signs_between_numbers_make_other_questions() -> None:
    assert plain("3 - 2?") != plain("3 + 2?")
    assert plain("Tom, 1,200  apples.") == plain("tom 1200 APPLES")
