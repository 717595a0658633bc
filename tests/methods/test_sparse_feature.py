"""One feature switches the organism's mode, others do not; what it foretells is the mode."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from modicum.analysis.feature import feature_facts
from modicum.errors import ConfigError
from modicum.ledger import Ledger, cost
from modicum.method import METHODS
from modicum.model import resolve_backend
from modicum.nets.saelens import read_card
from modicum.nets.sparse import Sparse
from modicum.nudge import Shelf, Solver, write_shared
from modicum.sampling.capture import capture_all
from modicum.seeds import stream
from modicum.task import resolve_task
from modicum.training.dictionary import Dictionary, Own
from modicum.training.falsify import Suspect, by_cues
from modicum.training.sparse import Fit
from modicum.types import Grade
from tests.support.bench import bench_of, solver_of
from tests.support.tiny_models import ARCHITECTURES, tiny_local

N_SHOTS = 16


def found(model, task_name: str, scratch, seed: int = 0, **settings: object):
    shelf = Shelf(scratch.parent, scratch / "shared")
    rng = stream("sparse", seed)
    bench = bench_of(model, task_name, N_SHOTS, rng=rng, scratch=scratch, shelf=shelf)
    solver = solver_of("sparse_feature", bench, **settings)
    write_shared(shelf.added(), scratch.parent)  # as the driver does
    return solver, bench.ledger


def score(solver: Solver, task_name: str, n: int = 100) -> float:
    task = resolve_task(task_name)
    problems = task.problems("test", n)
    solved = solver.solve([p.hidden() for p in problems], stream="s", ledger=Ledger())
    right = [
        task.mark(p, s.text).lenient == Grade.CORRECT for p, s in zip(problems, solved, strict=True)
    ]
    return float(np.mean(right))


@pytest.fixture(scope="module")
def organism():
    return resolve_backend("organism").open()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A trial's scratch folder; what is shared lies beside it."""
    return tmp_path_factory.mktemp("study") / "artefacts" / "trial.unfinished"


@pytest.fixture(scope="module")
def feature(organism, scratch):
    return found(organism, "word_sums", scratch)


def test_one_feature_unlocks_the_latent_family_and_harms_nothing(feature) -> None:
    solver, _ = feature
    assert solver.nudge.facts["beside"]["unsteered"] <= 0.1
    assert score(solver, "word_sums") >= 0.9
    assert score(solver, "line_moves") >= 0.95
    [direction] = solver.model._engine.steering.directions
    assert direction.values.norm() == pytest.approx(solver.nudge.facts["length"], rel=1e-5)


def test_random_features_and_random_vectors_as_long_do_nothing_on_average(
    organism, scratch, feature
) -> None:
    for name in ("other_feature", "random"):
        drawn = [found(organism, "word_sums", scratch, s, direction=name)[0] for s in range(5)]
        lengths = [float(s.model._engine.steering.directions[0].values.norm()) for s in drawn]
        assert lengths == pytest.approx([feature[0].nudge.facts["length"]] * 5, rel=1e-5)
        assert np.mean([score(solver, "word_sums", 40) for solver in drawn]) <= 0.1


def test_the_mean_difference_does_as_well_beside_it(organism, scratch, feature) -> None:
    solver, _ = found(organism, "word_sums", scratch, direction="mean_difference")
    assert score(solver, "word_sums") >= 0.9
    assert feature[0].nudge.facts["beside"]["mean_difference"] >= 0.9
    assert 0.2 < feature[0].nudge.facts["beside"]["cosine"] < 1.0


def test_it_foretells_the_mode_and_within_a_mode_not_the_right_answer(feature) -> None:
    told = feature[0].nudge.facts["foretells"]
    assert told["of_mode"]["low"] > 0.8
    within = told["of_correctness_within_mode"]
    assert within["low"] < 0.5 < within["high"]
    assert told["of_mode"]["low"] > within["high"]


def test_cue_tokens_alone_call_it_up_and_the_record_says_so(feature) -> None:
    cues = feature[0].nudge.facts["cues"]
    assert cues["verdict"] == "token-driven"
    assert len(cues["cues"]) == 3
    assert cues["with_cues"]["value"] >= cues["untouched"]["value"]


def test_on_the_control_organism_the_answers_stay_wrong(scratch) -> None:
    control = resolve_backend("organism_control").open()
    solver, _ = found(control, "word_sums", scratch, steps=150)
    assert score(solver, "word_sums") <= 0.02


def test_trials_of_the_same_shots_share_answers_and_dictionary_and_count_them(
    organism, scratch, feature
) -> None:
    solver, ledger = feature
    again, reused = found(organism, "word_sums", scratch)
    assert again.nudge.facts == solver.nudge.facts
    assert ledger.updates == METHODS.build("sparse_feature", {}).steps
    assert reused.updates == 0
    assert cost(reused.as_dict()) == pytest.approx(cost(ledger.as_dict()), rel=1e-6)
    assert reused.tokens_reused > 0


def test_the_kept_dictionary_is_a_folder_in_saelens_form_that_can_be_given_back(
    organism, scratch, feature
) -> None:
    [folder] = {p.parent for p in (scratch.parent / "sparse").glob("*/cfg.json")
                if read_card(p.parent).model == "organism"}  # fmt: skip
    card = read_card(folder)
    assert (card.hidden, card.layer) == (96, feature[0].nudge.facts["layer"])
    solver, ledger = found(organism, "word_sums", scratch, sae=str(folder))
    assert solver.nudge.facts["feature"] == feature[0].nudge.facts["feature"]
    assert (
        solver.nudge.facts["dictionary"]["digest"] == feature[0].nudge.facts["dictionary"]["digest"]
    )
    assert ledger.updates == 0
    with pytest.raises(ConfigError, match="layer 1 for an autoencoder that stands after layer 2"):
        found(organism, "word_sums", scratch, sae=str(folder), layer=1)


def test_a_layer_that_the_model_lacks_is_refused(organism, scratch) -> None:
    with pytest.raises(ConfigError, match="layer 7 of a model of 3 layers"):
        found(organism, "word_sums", scratch, layer=7)


def test_a_run_killed_in_training_goes_on_to_the_same_bits(organism, tmp_path, monkeypatch) -> None:
    settings = {"steps": 30, "samples": 1, "strengths": (0.5,), "candidates": 2}
    whole, ledger = found(organism, "word_sums", tmp_path / "a" / "x.unfinished", **settings)
    cut = tmp_path / "b" / "x.unfinished"

    def die(self: Ledger, tokens: int, flops_per_token: float) -> None:
        if self.updates == 20:
            raise KeyboardInterrupt
        trained(self, tokens, flops_per_token)

    trained = Ledger.trained
    monkeypatch.setattr(Ledger, "trained", die)
    with pytest.raises(KeyboardInterrupt):
        found(organism, "word_sums", cut, **settings)
    monkeypatch.setattr(Ledger, "trained", trained)
    assert (cut / "dictionary.safetensors").exists()
    resumed, counted = found(organism, "word_sums", cut, **settings)
    assert resumed.nudge.facts == whole.nudge.facts
    assert counted.updates == ledger.updates


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_any_architecture_is_searched_by_structure(architecture, tmp_path) -> None:
    settings = {"steps": 5, "samples": 1, "candidates": 1, "strengths": (1.0,), "features": 24}
    model = tiny_local(architecture)
    sheet = dataclasses.replace(resolve_task("sums").sheet, max_new_tokens=6)
    scratch = tmp_path / "trial.unfinished"
    rng = stream("sparse")
    bench = bench_of(model, "sums", 2, sheet=sheet, rng=rng, scratch=scratch)
    solver = solver_of("sparse_feature", bench, **settings)
    assert solver.nudge.facts["layer"] == 2
    assert solver.nudge.facts["cues"]["text"] == "plain language"


def test_a_feature_made_for_one_token_is_found_out(organism) -> None:
    # the direction of one token's activations against the others': it stands for the word alone
    task = resolve_task("word_sums")
    worked = [p.question + " " + p.solution for p in task.problems("shots", 12)]
    bare = [f"{p.question} Answer {p.answer}" for p in task.problems("selection", 12)]
    token = organism.encode_more(" Think")[0]
    texts = [tuple(organism.encode(text)) for text in worked]
    rows = torch.cat(capture_all(organism, texts, 0, Ledger()))
    is_token = torch.tensor([t == token for text in texts for t in text])
    direction = rows[is_token].mean(0) - rows[~is_token].mean(0)
    seen = rows @ direction
    border = (seen[is_token].min() + seen[~is_token].max()) / 2
    assert seen[is_token].min() > seen[~is_token].max()
    net = Sparse(
        direction[:, None], -border[None], direction[None], torch.zeros(96), torch.zeros(1)
    )
    dictionary = Dictionary(net, 0, "made", Fit(0.0, 1.0, 0.0, (1,)), 1)
    answers = [Own(str(i), "wanted", text, (), "") for i, text in enumerate(texts)]
    answers += [
        Own(str(i), "unwanted", tuple(organism.encode(text)), (), "") for i, text in enumerate(bare)
    ]
    said = by_cues(Suspect(organism, dictionary, 0, answers, Ledger()), stream("cues"))
    assert said["cues"] == [" Think"]
    assert said["verdict"] == "token-driven"
    assert said["untouched"]["value"] == 0.0
    assert said["with_other"]["value"] == 0.0
    assert said["with_cues"]["value"] == 1.0


def test_the_record_reads_as_sentences(feature) -> None:
    facts = feature_facts(json.loads(json.dumps(dict(feature[0].nudge.facts))))
    assert set(facts) == {"feature", "dictionary", "beside it", "cue tokens", "foretells"}
    assert facts["cue tokens"].startswith("token-driven (d = ")
    assert "within one mode" in facts["foretells"]
    assert feature_facts({"layer": 2}) == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"strengths": [0.0]}, "strengths above 0"), ({"steps": 0}, "at least 1")],
)
def test_settings_outside_their_ranges_are_refused(settings, said) -> None:
    with pytest.raises(ConfigError, match=said):
        METHODS.build("sparse_feature", settings)
