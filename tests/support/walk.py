"""What every rung needs of an architecture, tried on a tiny module and held against plain passes."""

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel

from modicum.errors import ModicumError, TrialError
from modicum.exporting.weights import load_folder, save_folder
from modicum.ledger import Ledger
from modicum.loading.checkpoint import Running, check_source, open_source
from modicum.made import Recipe
from modicum.nudge import write_folder
from modicum.nudge.sites import blocks
from modicum.nudge.steering import Direction, Steering
from modicum.sampling.capture import capture
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.training.adapters import AdapterShape, load_nudge
from modicum.training.loop import Example, Schedule, tune
from modicum.training.reinforce import RolloutGroup, reinforce
from modicum.training.rollouts import RolloutRow, batch_rows
from modicum.training.trainable import TrainedVectors, TrainedWeights
from modicum.types import Branches, Request, Sampling
from tests.support.architectures import tiny_module_of
from tests.support.families import COLUMNS, Family
from tests.support.tiny_models import byte_tokenizer

PROMPTS = ("What is 12 + 30?", "Is it?", "Say how many there are of 3 and 4 in all.")
STEPS = 10
_NEUTRAL = {"do_sample": False, "pad_token_id": 0, "max_new_tokens": STEPS, "min_new_tokens": STEPS}
_NEAR = 2e-3
_DRAWN = ("greedy", "sampling", "branching", "vector")


class NotApplicable(Exception):  # noqa: N818 - no error
    """Carries the letter of a reason."""


def walk(kind: str, columns: Sequence[str] = COLUMNS) -> Family:
    """Try columns of an architecture, all of them if not told which."""
    family = Family(kind)
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = tiny_module_of(kind)
        except ImportError as error:
            return _all(family, "c", error)
        except Exception as error:  # noqa: BLE001 - whatever is raised is the finding
            return _all(family, _why_unbuilt(error), error)
        broken = _broken(module)
        try:
            local = Local(module, byte_tokenizer(), name=kind, threads=1)
        except ModicumError as error:
            said = {"later tokens": "d", "one pass to the next": "i", "generate": "e"}
            found = [letter for words, letter in said.items() if words in str(error)]
            return _all(family, [*found, broken or "FAULT"][0], error)
        except Exception as error:  # noqa: BLE001 - whatever is raised is the finding
            return _all(family, "FAULT", error)
        trials: dict[str, Callable[[Local], None]] = dict(zip(COLUMNS, _TRIALS, strict=True))
        for column in columns:
            family.columns[column] = _outcome(family, column, trials[column], local)
    family.notes += [n for n in local.card.notes if "slower" in n]
    return family


def _broken(module: PreTrainedModel) -> str:
    """The letter of a module whose own forward pass fails on tokens alone; empty where it does not."""
    try:
        _plain(module, [5, 6, 7])
    except ValueError as error:
        return _why_unbuilt(error).replace("FAULT", "e")
    except Exception:  # noqa: BLE001 - whatever is raised is the finding
        return "e"
    return ""


def _why_unbuilt(error: Exception) -> str:
    text = str(error)
    if "inputs_embeds" in text or "shared_kv" in text or "hidden_size_per_layer" in text:
        return "b"
    return "a" if "Musicgen" in text else "FAULT"


def _all(family: Family, value: str, error: Exception) -> Family:
    family.columns = dict.fromkeys(COLUMNS, value)
    family.notes.append(f"{type(error).__name__}: {str(error)[:160]}".replace("\n", " "))
    return family


def _outcome(family: Family, column: str, trial: Callable[[Local], None], local: Local) -> str:
    try:
        trial(local)
    except NotApplicable as reason:
        return str(reason)
    except Exception as error:  # noqa: BLE001 - whatever is raised is the finding
        if column in _DRAWN and _contradicts(local.module, local.encode(PROMPTS[0])):
            return "e"
        said = f"{column}: {type(error).__name__}: {str(error)[:200]}".replace("\n", " ")
        family.notes.append(said)
        return "FAULT"
    return "ok"


def _plain(module: Any, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return module(input_ids=torch.tensor([ids])).logits[0].float()


@contextmanager
def _asked(module: PreTrainedModel) -> Iterator[None]:
    before, module.generation_config = module.generation_config, GenerationConfig()
    yield
    module.generation_config = before


def _generated(module: PreTrainedModel, ids: list[int], steps: int = STEPS) -> list[int]:
    """Transformers' own greedy continuation."""
    config = GenerationConfig(**{**_NEUTRAL, "max_new_tokens": steps, "min_new_tokens": steps})
    with _asked(module), torch.inference_mode():
        try:
            whole = module.generate(input_ids=torch.tensor([ids]), generation_config=config)
        except Exception as error:
            raise NotApplicable("e") from error
    return whole[0, len(ids) :].tolist()


def _contradicts(module: PreTrainedModel, ids: list[int]) -> bool:
    """Whether `generate` gives other scores than one plain pass over the same tokens."""
    config = GenerationConfig(**_NEUTRAL, output_logits=True, return_dict_in_generate=True)
    with _asked(module), torch.inference_mode():
        done = module.generate(input_ids=torch.tensor([ids]), generation_config=config)
    stepped = torch.cat([step.float() for step in done.logits])
    whole = _plain(module, done.sequences[0].tolist())[len(ids) - 1 : -1]
    return float((stepped - whole).abs().max()) > 0.02 * float(whole.std())


def _same(module: PreTrainedModel, ids: list[int], ours: list[int], theirs: list[int]) -> None:
    """Hold two greedy continuations together; where they part the two tokens must be a tie."""
    ours = ours[: len(theirs)]
    theirs = theirs[: len(ours)]
    for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one != other:
            scores = _plain(module, [*ids, *ours[:i]])[-1]
            if abs(float(scores[one] - scores[other])) < _NEAR * float(scores.std()):
                return
            if int(scores.argmax()) == one:
                raise NotApplicable("e")
            raise AssertionError(f"token {i}: {one} instead of {other}")


def _greedy(local: Local) -> None:
    requests = [Request(p, f"q{i}", 1) for i, p in enumerate(PROMPTS)]
    drawn = local.generate(requests, Sampling(STEPS, 0.0, ids=True), Ledger())
    theirs = [_generated(local.module, local.encode(p)) for p in PROMPTS]
    for prompt, [one], other in zip(PROMPTS, drawn, theirs, strict=True):
        assert one.stop == "eos" or len(one.ids) == STEPS
        _same(local.module, local.encode(prompt), list(one.ids), other)


def _logprob(local: Local) -> None:
    answers = (" 42", "no", " Seven.")
    found = local.logprob(PROMPTS, answers)
    for prompt, answer, value in zip(PROMPTS, answers, found, strict=True):
        assert abs(value - _naive(local, local.module, prompt, answer)) < 1e-2 * abs(value) + 1e-3


def _naive(local: Local, module: Any, prompt: str, answer: str) -> float:
    before, after = local.encode(prompt), local.encode_more(answer)
    scores = _plain(module, [*before, *after])[len(before) - 1 : -1].log_softmax(-1)
    return float(scores.gather(1, torch.tensor(after)[:, None]).sum())


def _sampling(local: Local) -> None:
    n, steps = 96, 4
    asked = [Request(PROMPTS[0], "s", n), Request(PROMPTS[1], "t", 3)]
    sampling = Sampling(steps, 1.0, stream="walk", ids=True)
    first, second = (local.generate(asked, sampling, Ledger()) for _ in range(2))
    assert first == second
    few = Local(local.module, local.tokenizer, name="few", rows=7, threads=1)
    other = few.generate(asked, sampling, Ledger())
    equal = [
        a.ids == b.ids for x, y in zip(first, other, strict=True) for a, b in zip(x, y, strict=True)
    ]
    assert np.mean(equal) > 0.9
    # What is drawn has, in the mean, the log-probability that the model's own entropy says.
    before = local.encode(PROMPTS[0])
    terms: list[float] = []
    for ids in {c.ids for c in first[0]}:
        scores = _plain(local.module, [*before, *ids])[len(before) - 1 : -1].log_softmax(-1)
        excess = scores.gather(1, torch.tensor(ids)[:, None])[:, 0] - (scores.exp() * scores).sum(
            -1
        )
        terms += [float(excess.mean())] * sum(c.ids == ids for c in first[0])
    error = np.std(terms) / np.sqrt(n) + 1e-6
    assert abs(np.mean(terms)) < 5 * error, f"mean {np.mean(terms):.3f}, error {error:.3f}"


def _branching(local: Local) -> None:
    request = [Request(p, f"b{i}", 1) for i, p in enumerate(PROMPTS[:2])]
    sampling = Sampling(6, 0.0, ids=True, branches=Branches(4))
    for prompt, group in zip(PROMPTS, local.generate(request, sampling, Ledger()), strict=False):
        ids = local.encode(prompt)
        chances = _plain(local.module, ids)[-1].softmax(-1)
        top = chances.topk(4)
        assert torch.allclose(
            torch.tensor([c.probabilities[0] for c in group]), top.values, atol=1e-3
        )
        for branch, begun in zip(group[:2], top.indices.tolist(), strict=False):
            assert branch.ids[0] == begun or chances[branch.ids[0]] > chances[begun] - 1e-3
            head = int(branch.ids[0])
            if branch.stop == "length":
                theirs = _generated(local.module, [*ids, head], 5)
                _same(local.module, [*ids, head], list(branch.ids[1:]), theirs)


def _vector(local: Local) -> None:
    module, at = local.module, 1
    try:
        layers = blocks(module)
    except TrialError as error:
        raise NotApplicable("f") from error
    try:
        width = capture(local, [[5, 6]], [at], Ledger()).shape[-1]
    except TrialError as error:
        raise NotApplicable("f") from error
    values = torch.from_numpy(stream("vector").normal(0, 2.0, size=width)).float()
    calls: list[int] = []

    def add(_part: Any, _args: Any, output: Any) -> Any:
        calls.append(1)
        if isinstance(output, (tuple, list)):
            return type(output)((output[0] + values, *output[1:]))
        return output + values

    handle = layers[at].register_forward_hook(add)
    try:
        _plain(module, [5, 6, 7])
        if len(calls) > 1:
            raise NotApplicable("f")
        assert calls
        wanted = [_generated(module, local.encode(p)) for p in PROMPTS]
        scores = [_naive(local, module, p, " 42") for p in PROMPTS]
        plain_ids = [local.encode(p) for p in PROMPTS]
        steered = local.with_steering(Steering((Direction(at, values),), "all"))
    finally:
        handle.remove()
    requests = [Request(p, f"v{i}", 1) for i, p in enumerate(PROMPTS)]
    drawn = steered.generate(requests, Sampling(STEPS, 0.0, ids=True), Ledger())
    for ids, [one], other in zip(plain_ids, drawn, wanted, strict=True):
        again = layers[at].register_forward_hook(add)
        try:
            _same(module, ids, list(one.ids), other)
        finally:
            again.remove()
    found = steered.logprob(PROMPTS, [" 42"] * len(PROMPTS))
    assert np.allclose(found, scores, rtol=1e-2, atol=1e-2)
    plain = [_naive(local, module, p, " 42") for p in PROMPTS]
    assert not np.allclose(plain, scores, rtol=1e-3)


def _imitation(local: Local) -> None:
    examples = [
        Example(tuple(local.encode(p)), tuple(local.encode_completion(a)))
        for p, a in zip(PROMPTS, (" 42", " no, no", " 7"), strict=True)
    ]
    schedule = Schedule(5e-3, steps=12, passes=1, batch=3)
    before = local.card.weights
    tuned = tune(local, examples, AdapterShape("lora", 4, 8.0), schedule, stream("im"), Ledger())
    assert tuned.losses[-1] < tuned.losses[0]
    assert Local(local.module, local.tokenizer, name="again", threads=1).card.weights == before
    with tempfile.TemporaryDirectory() as folder:
        write_folder(tuned.change.files(), Path(folder) / "nudge")
        loaded = load_nudge(local, Path(folder) / "nudge")
    ids, module = local.encode(PROMPTS[0]), tuned.change.module
    ours, theirs = _plain(module, ids), _plain(loaded, ids)
    assert torch.allclose(ours, theirs, atol=1e-3 * float(ours.std()))
    assert not torch.allclose(ours, _plain(local.module, ids), atol=1e-3)
    model = tuned.change.applied(local)
    [[one]] = model.generate([Request(PROMPTS[0], "q")], Sampling(4, 0.0, ids=True), Ledger())
    assert one.ids


def _reward(local: Local) -> None:
    trainable = TrainedWeights(local, AdapterShape("lora", 2, 4.0), 1e-2, stream("reward"))
    _rewarded(local, trainable)
    row = RolloutRow((5, 6, 7), (8, 9, 10, 11), 0.0)
    short = RolloutRow((15, 16), (8, 9), 0.0)
    with torch.no_grad():
        together = trainable.score(batch_rows([row, short], torch.device("cpu"))).logprobs
        sampled = _row_scores(trainable.sampler().module, row)
        brief = _row_scores(trainable.sampler().module, short)
        plain = _row_scores(local.module, row)
    assert torch.allclose(together[0], sampled, atol=5e-3)
    assert torch.allclose(together[1, :2], brief, atol=5e-3)
    assert not torch.allclose(together[0], plain, atol=1e-4)


def _row_scores(module: Any, row: RolloutRow) -> torch.Tensor:
    scores = _plain(module, [*row.prompt, *row.tokens])[len(row.prompt) - 1 : -1].log_softmax(-1)
    return scores.gather(1, torch.tensor(row.tokens)[:, None])[:, 0]


def _rewarded(local: Local, trainable: TrainedWeights | TrainedVectors) -> None:
    """Train a few steps on the policy's own rollouts, even tokens paid."""
    recipe = Recipe(steps=2, groups=2, rollouts=4, updates=1, learning_rate=1e-2, longest=5)

    def draw(model: Any, step: int) -> list[RolloutGroup]:
        asked = [Request(p, f"r{step}/{i}", 4) for i, p in enumerate(PROMPTS[:2])]
        drawn = model.generate(asked, Sampling(5, 1.0, stream="r", ids=True), Ledger())
        return [
            RolloutGroup(
                tuple(local.encode(prompt)),
                tuple(c.ids for c in group),
                tuple(float(i % 2) for i, _ in enumerate(group)),
                (False,) * len(group),
            )
            for prompt, group in zip(PROMPTS[:2], drawn, strict=True)
        ]

    done = reinforce(trainable, recipe, draw, Ledger(), flops_per_token=1.0)
    assert len(done.curves) == recipe.steps


def _loaded(folder: Path, local: Local) -> Any:
    try:
        loaded = load_folder(folder, local)
    except ValueError as error:
        raise NotApplicable("g") from error
    before, after = local.module.state_dict(), loaded.state_dict()
    if before.keys() != after.keys() or any(not torch.equal(before[n], after[n]) for n in before):
        raise NotApplicable("g")
    return loaded


def _export(local: Local) -> None:
    ids = local.encode(PROMPTS[0])
    wanted = _plain(local.module, ids)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "whole"
        save_folder(local, local.module, folder)
        check_source(str(folder))
        loaded = _loaded(folder, local)
        if not torch.allclose(_plain(loaded, ids), wanted, atol=1e-4 * float(wanted.std())):
            raise NotApplicable("g")
        opened = open_source(str(folder), name="again", running=Running(None, 1, "cpu", "float32"))
        assert opened.card.weights == local.card.weights
        asked = [Request(PROMPTS[1], "e", 2)]
        sampling = Sampling(4, 1.0, stream="e", ids=True)
        assert opened.generate(asked, sampling, Ledger()) == local.generate(
            asked, sampling, Ledger()
        )
        examples = [Example(tuple(ids), tuple(local.encode_completion(" 42")))]
        shape = AdapterShape("lora", 2, 4.0)
        tuned = tune(local, examples, shape, Schedule(1e-2, 3, 1, 1), stream("ex"), Ledger())
        write_folder(tuned.change.files(), Path(scratch) / "adapter")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            adapted = PeftModel.from_pretrained(loaded, str(Path(scratch) / "adapter")).eval()
        if any("missing adapter keys" in str(warning.message) for warning in said):
            raise NotApplicable("g")
        ours = _plain(tuned.change.module, ids)
        assert torch.allclose(_plain(adapted, ids), ours, atol=1e-3 * float(ours.std()))


_TRIALS = (_greedy, _logprob, _sampling, _branching, _vector, _imitation, _reward, _export)
