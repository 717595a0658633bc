"""All plans of a folder as one: what is joined, and what gets a label."""

from dataclasses import replace

from modicum.study.grid import Grid
from modicum.study.plan import Plan
from modicum.study.whole import declared, part_of, whole_of

SUMS = Grid(("scripted:latent",), ("sums",), ("self_consistency",))
WIDE = Grid(("scripted:latent",), ("sums",), ("self_consistency", "cot_decoding"))
OTHER = Grid(("scripted:absent",), ("sums",), ("self_consistency",))


def test_single_plan_is_itself() -> None:
    plan = Plan((SUMS,))
    assert whole_of([plan]) is plan


def test_equal_plan_of_another_name_adds_nothing() -> None:
    assert whole_of([Plan((SUMS,), "new"), Plan((SUMS,), "old")]) == Plan((SUMS,), "new")


def test_wider_ladder_stays() -> None:
    whole = whole_of([Plan((SUMS,)), Plan((WIDE,))])
    [subject] = whole.subjects()
    assert {trial.method for trial in subject.rungs()} == {"self_consistency", "cot_decoding"}
    assert len({t.id for t in subject.rungs()}) == len(subject.rungs())


def test_seeds_of_a_joined_plan_stay_its_own() -> None:
    tuned = Grid(("organism",), ("word_sums",), ("fine_tune",))
    whole = whole_of([Plan((tuned,), seeds=1), Plan((tuned,), seeds=3)])
    assert [grid.seeds or whole.seeds for grid in whole.grids] == [1, 3]
    assert len(whole_of([Plan((tuned,), seeds=3), Plan((tuned,), seeds=1)]).grids) == 1


def test_other_model_in_the_same_sizes_is_joined_without_a_label() -> None:
    whole = whole_of([Plan((OTHER,)), Plan((SUMS,))])
    assert [s.model for s in whole.subjects()] == ["scripted:absent", "scripted:latent"]
    assert {s.plan.label for s in whole.subjects()} == {""}


def test_other_sizes_of_another_subject_need_no_label() -> None:
    whole = whole_of([Plan((OTHER,), test=20), Plan((SUMS,), test=40)])
    assert [s.plan.test for s in whole.subjects()] == [20, 40]
    assert {s.plan.label for s in whole.subjects()} == {""}


def test_other_sizes_of_one_subject_are_labelled_by_what_differs() -> None:
    whole = whole_of([Plan((SUMS,), test=20), Plan((SUMS,), stream="b", test=20)])
    assert [s.plan.label for s in whole.subjects()] == ["stream=none", "stream=b"]


def test_other_prompts_and_limits_of_one_subject_are_labelled_too() -> None:
    plain = Plan((SUMS,))
    for change in ({"styles": "all"}, {"system": "Be brief."}, {"max_new_tokens": 40}):
        whole = whole_of([replace(plain, **change), plain])
        [(name, value)] = change.items()
        assert [s.plan.label.split("=")[0] for s in whole.subjects()] == [name, name]
        assert str(value) in whole.subjects()[0].plan.label


def test_other_setting_of_a_method_that_both_use_is_another_line() -> None:
    own = {"self_consistency": {"samples": 5}}
    whole = whole_of([Plan((SUMS,), settings=own), Plan((SUMS,))])
    labels = [s.plan.label for s in whole.subjects()]
    assert labels == ["self_consistency.samples=5", "self_consistency.samples=default"]
    unused = {"cot_decoding": {"branches": 4}}
    assert len(whole_of([Plan((SUMS,), settings=unused), Plan((SUMS,))]).subjects()) == 1


def test_part_of_a_whole_is_that_of_the_same_sizes() -> None:
    old, new = Plan((SUMS,), test=40), Plan((SUMS,), test=20)
    whole = whole_of([new, old])
    assert part_of(whole, old).test == 40
    assert part_of(whole, new).test == 20
    assert declared(whole) == new
