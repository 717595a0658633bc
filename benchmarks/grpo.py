"""Our GRPO step beside that of TRL's GRPOTrainer: equal batch, length, adapter and threads.

python -m benchmarks.grpo [--json] [--quick] [--case NAME] [--threads N] [--rounds N]

A step is rollouts, rewards, loss, gradient and optimiser step; the two sides take turns within one
run of TRL's own training loop. One example is repeated to fill the batch, as in one-shot training;
both train LoRA of rank 8 from the same weights, with the same loss (Dr. GRPO, one update), at a rate
so small that lengths stay what they are. A coin thrown by the text rewards both alike, so that no
group is constant. TRL runs without gradient checkpointing and in single precision: its fastest
setting here. `half`: both in bfloat16, TRL on transformers' own module, and ours beside our own step
in single precision. `equal` and `half`: nothing ends an answer before the limit, on either side. The
last figures are one example's whole training on the organism, by processor seconds and by what it
recovers.
"""

import argparse
import copy
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import datasets
import torch
import trl
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
)

from benchmarks import Figure, Report
from modicum.bench import Bench
from modicum.ledger import Ledger
from modicum.made import Recipe
from modicum.marking.judge import Judge
from modicum.method import METHODS, Method
from modicum.model import render, resolve_backend
from modicum.nudge import Nudge, Solver
from modicum.sampling.local import Local
from modicum.seeds import key, stream
from modicum.study.styles import closed_list
from modicum.task import Task, resolve_task
from modicum.training.adapters import AdapterShape
from modicum.training.reinforce import RolloutGroup, reinforce
from modicum.training.trainable import TrainedWeights
from modicum.types import Grade, Problem, Request, Sampling, Style
from modicum.whitebox import WhiteBox

RATE = 1e-8
RANK, ALPHA = 8, 16.0
HALF_KNOWN = "gym:chain_sum?config=min_terms=2,max_terms=2,min_digits=1,max_digits=2"


@dataclass(frozen=True)
class Case:
    """What is compared."""

    name: str
    model: str
    task: str
    chat: bool
    groups: int
    rollouts: int
    longest: int
    goal: float
    is_equal: bool = False
    """Nothing ends an answer before the limit."""
    rounds: int = 5
    quick_rounds: int = 1
    dtype: str | None = None
    """Of both sides; what each model opens in if not given."""


CASES = (
    Case("organism", "organism", "row_pushes", False, 8, 32, 72, 4.0, rounds=15, quick_rounds=5),
    Case("natural", "smollm2-135m", HALF_KNOWN, True, 1, 16, 48, 2.0),
    Case("equal", "smollm2-135m", HALF_KNOWN, True, 1, 16, 48, 1.3, is_equal=True),
    Case(
        "half",
        "qwen2.5-coder-0.5b",
        HALF_KNOWN,
        True,
        1,
        16,
        128,
        3.0,
        is_equal=True,
        rounds=2,
        dtype="bfloat16",
    ),
)
OVER_SINGLE = 2.0
"""How many times as fast a step in bfloat16 is to be as ours in single precision."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--case", choices=[case.name for case in CASES] + ["one-example"])
    parser.add_argument("--threads", type=int, help="for both sides; the model's own if not given")
    parser.add_argument("--rounds", type=int)
    given = parser.parse_args()
    report = Report(threads=given.threads or 0)
    for case in CASES:
        if given.case in (None, case.name):
            compare(case, given, report)
            if case.dtype is not None:
                compare_formats(case, given, report)
    report.threads = max(1, report.threads)
    if given.case in (None, "one-example"):
        for method in ("rlvr", "rl_steering"):
            one_example(method, report)
    report.show(as_json=given.json)


def compare(case: Case, given: argparse.Namespace, report: Report) -> None:
    """Run one case and adds its figure."""
    cores = cores_of(case, given)
    ours, theirs = (opened(case, cores, case.dtype) for _ in range(2))
    report.threads = max(report.threads, cores)
    torch.set_num_threads(cores)
    prompt = prompt_of(case, ours)
    rounds, warm = rounds_of(case, given)
    mine = Ours(case, ours, prompt)
    turns = Turns(mine.step)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = plain_module(case) if case.dtype else copy.deepcopy(theirs.module)
        peer = Peer(case, module, theirs.tokenizer, prompt)
        peer.trainer(folder, warm + rounds, turns).train()
    speeds = [[1 / seconds for seconds in side[warm:]] for side in (turns.ours, turns.theirs)]
    note = (
        f"{case.groups}x{case.rollouts} rollouts, <= {case.longest} tokens, prompt "
        f"{len(ours.encode(prompt))}; mean length {statistics.fmean(mine.lengths):.1f} and "
        f"{statistics.fmean(peer.lengths):.1f}, longest {max(mine.lengths)} and "
        f"{max(peer.lengths)}; load {os.getloadavg()[0]:.1f}"
    )
    name = f"GRPO steps/s, {named(case)}" + (", equal lengths" if case.is_equal else "")
    report.figures.append(Figure.of_rounds(name, *speeds, goal=case.goal, note=note))


def compare_formats(case: Case, given: argparse.Namespace, report: Report) -> None:
    """Add the figure of our step in the case's format over ours in single precision."""
    cores = cores_of(case, given)
    models = [opened(case, cores, dtype) for dtype in (case.dtype, "float32")]
    torch.set_num_threads(cores)
    sides = [Ours(case, model, prompt_of(case, model)) for model in models]
    rounds, warm = rounds_of(case, given)
    clocks: list[list[float]] = [[], []]
    work: list[list[float]] = [[], []]
    for _ in range(warm + rounds):
        for side, clock, spent in zip(sides, clocks, work, strict=True):
            start, before = time.perf_counter(), time.process_time()
            side.step()
            clock.append(1 / (time.perf_counter() - start))
            spent.append(1 / (time.process_time() - before))
    for kind, measured in (("", clocks), (", processor time", work)):
        name = f"GRPO steps/s, {named(case)} over ours in float32{kind}"
        speeds = [side[warm:] for side in measured]
        report.figures.append(Figure.of_rounds(name, *speeds, goal=OVER_SINGLE))


def named(case: Case) -> str:
    """Name a case's model and format."""
    return case.model if case.dtype is None else f"{case.model} in {case.dtype}"


def cores_of(case: Case, given: argparse.Namespace) -> int:
    """Return the threads of both sides."""
    return given.threads or (len(os.sched_getaffinity(0)) if case.chat else 1)


def rounds_of(case: Case, given: argparse.Namespace) -> tuple[int, int]:
    """Return the steps that count, and those before them that do not."""
    rounds = given.rounds or (case.quick_rounds if given.quick else case.rounds)
    return rounds, 0 if given.quick and case.chat else 1


def prompt_of(case: Case, model: Local) -> str:
    """Return the one example's prompt."""
    task = resolve_task(case.task)
    style = Style("bench", task.sheet.template, chat=case.chat)
    return render(model, style, task.problems("shots", 1)[0].question)


def opened(case: Case, threads: int, dtype: str | None) -> Local:
    """Return the model."""
    settings = {"threads": threads, "dtype": dtype}
    given = {name: value for name, value in settings.items() if value is not None}
    model = resolve_backend(case.model, given).open()
    assert isinstance(model, Local)
    return model


def plain_module(case: Case) -> PreTrainedModel:
    """Return transformers' own module in the case's format: none of its layers is ours."""
    folder = resolve_backend(case.model).origin
    module: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=case.dtype)
    module.eval()
    return module


def coin(text: str) -> float:
    """Pay for half of all texts."""
    return float(key("coin", text) % 2)


@dataclass
class Ours:
    """Our side."""

    case: Case
    model: Local
    prompt: str
    lengths: list[int] = field(default_factory=list)
    turn: int = 0

    def __post_init__(self) -> None:
        """Attach the adapter."""
        if self.case.is_equal:
            module = self.model.module
            for holder in (module.generation_config, module.config, self.model.tokenizer):
                holder.eos_token_id = None
        shape = AdapterShape("lora", RANK, ALPHA)
        self.trainable = TrainedWeights(self.model, shape, RATE, stream("bench", "adapter"))

    def step(self) -> None:
        """Take one step of the loop that studies train with."""
        case = self.case
        recipe = Recipe(1, case.groups, case.rollouts, 1, RATE, case.longest)
        reinforce(
            self.trainable,
            recipe,
            self._draw,
            Ledger(),
            flops_per_token=self.model.card.flops_per_token,
        )
        self.turn += 1

    def _draw(self, model: WhiteBox, step: int) -> list[RolloutGroup]:
        del step
        case = self.case
        requests = [Request(self.prompt, str(i), case.rollouts) for i in range(case.groups)]
        sampling = Sampling(case.longest, 1.0, stream=f"turn-{self.turn}", ids=True)
        drawn = model.generate(requests, sampling, Ledger())
        self.lengths += [c.n_tokens for group in drawn for c in group]
        return [
            RolloutGroup(
                tuple(model.encode(self.prompt)),
                tuple(c.ids for c in group),
                tuple(coin(c.text) for c in group),
                tuple(c.stop == "length" for c in group),
            )
            for group in drawn
        ]


@dataclass
class Peer:
    """TRL's side."""

    case: Case
    module: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prompt: str
    lengths: list[int] = field(default_factory=list)

    def reward(
        self, completions: list[str], completion_ids: list[list[int]], **_: object
    ) -> list[float]:
        """Throw the coin; keeps the lengths."""
        self.lengths += [len(ids) for ids in completion_ids]
        return [coin(text) for text in completions]

    def trainer(self, folder: str, steps: int, turns: TrainerCallback) -> Any:  # noqa: ANN401
        """Return TRL's trainer with the settings that equal ours."""
        case = self.case
        settings = trl.GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=case.groups * case.rollouts,
            num_generations=case.rollouts,
            max_completion_length=case.longest,
            max_steps=steps,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            loss_type="dr_grpo",
            scale_rewards="none",
            beta=0.0,
            temperature=1.0,
            top_k=0,
            generation_kwargs={"min_new_tokens": case.longest} if case.is_equal else None,
            logging_steps=10_000,
            save_strategy="no",
            disable_tqdm=True,
            report_to=[],
        )
        adapter = LoraConfig(
            r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        made = trl.GRPOTrainer(
            model=self.module,
            reward_funcs=self.reward,
            args=settings,
            train_dataset=datasets.Dataset.from_dict(
                {"prompt": [self.prompt] * case.groups * steps}
            ),
            processing_class=self.tokenizer,
            peft_config=adapter,
            callbacks=[turns],
        )
        made.remove_callback(PrinterCallback)
        return made


class Turns(TrainerCallback):
    """Times TRL's steps, and after each of them one of ours."""

    def __init__(self, step: Callable[[], None]) -> None:
        """Take our side."""
        self._step, self._start = step, 0.0
        self.ours: list[float] = []
        self.theirs: list[float] = []

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_step_end(self, *_: object, **__: object) -> None:
        """Stop the clock, and take our turn."""
        self.theirs.append(time.perf_counter() - self._start)
        start = time.perf_counter()
        self._step()
        self.ours.append(time.perf_counter() - start)


def one_example(name: str, report: Report) -> None:
    """Add the processor seconds of a whole training from one example, and what it recovers."""
    model = resolve_backend("organism").open()
    task = resolve_task("row_pushes")
    styles, _ = closed_list(model, task.sheet, own=None, instruction=False)
    shots = task.problems("shots", 1)
    ledger = Ledger()
    judge = Judge(task, task.sheet, {s.id: s for s in shots}, styles[0], styles, ledger)
    method = cast(Method, METHODS.build(name))
    start = time.process_time()
    nudge = method.elicit(Bench(name, model, judge, stream("bench", name)))
    seconds = time.process_time() - start
    problems = task.problems("test", 400)
    before, solver = (Solver.of(model, n, judge) for n in (Nudge(styles[0]), nudge))
    floor, after = (accuracy(s, task, problems) for s in (before, solver))
    gap = (after - floor) / (1 - floor)
    note = f"one example of row_pushes; greedy {floor:.3f} before, {after:.3f} after, 400 problems"
    report.figures += [
        Figure.of_value(f"{name}: processor seconds, at most", round(seconds, 1), goal=50),
        Figure.of_value(f"{name}: share of the gap to 1", round(gap, 3), goal=0.9, note=note),
    ]


def accuracy(solver: Solver, task: Task, problems: Sequence[Problem]) -> float:
    """Return the lenient greedy accuracy."""
    solved = solver.solve([p.hidden() for p in problems], stream="bench", ledger=Ledger())
    marks = [task.mark(p, s.text) for p, s in zip(problems, solved, strict=True)]
    return statistics.fmean(mark.lenient == Grade.CORRECT for mark in marks)


if __name__ == "__main__":
    main()
