"""A decoding rule as a generation config with `custom_generate/generate.py`, as transformers loads it."""

import ast
import dataclasses
import inspect
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, final

import torch

from modicum import answers, exporting
from modicum.answers import Rule
from modicum.errors import ConfigError
from modicum.export import ExportForm, LoadedBack, Parcel
from modicum.exporting.asking import save_settings
from modicum.exporting.logits import whitebox_of
from modicum.exporting.weights import quiet
from modicum.ledger import Ledger
from modicum.model import render
from modicum.nudge import Decoding, Solver
from modicum.nudge.answering import Choose
from modicum.nudge.parts import method_of
from modicum.types import Problem, Solved
from modicum.whitebox import WhiteBox

__all__ = ["DecodingRule"]

FILE = "custom_generate/generate.py"
_SOURCE = "custom_generate.py"
_OWN = re.compile(r"^from modicum\.answers\.(\w+) import", re.MULTILINE)
"""Imports from here: of files that travel along."""


@final
@dataclass(frozen=True)
class DecodingRule(ExportForm):
    """For nudges that choose among several answers: a function that `model.generate` is told to run.

    Answers are read as the study reads them: the task's reading travels along as source. Where it is
    code of the task's own, `read=` takes a function of the user's.
    """

    is_model: ClassVar[bool] = False

    def check(self, parcel: Parcel) -> None:
        """Refuse what is no decoding rule that the file knows.

        Raises:
            ConfigError: another nudge, or a model that transformers does not load.
        """
        if parcel.nudge.answering.decoding() is None:
            raise ConfigError(
                f"{parcel.trial.method}, which is no decoding rule",
                "one such as cot_decoding or self_consistency",
                "use the form that fits: prompt, vector, peft or merged",
            )
        if parcel.nudge.changes:
            raise ConfigError(
                f"{parcel.trial.method}, which changes the model beside its decoding rule",
                "a rule alone: this form holds no weights",
                "export what is changed as a nudge of its own, or use it from Python: Study.solver",
            )
        if not parcel.origin:
            raise ConfigError(
                f"the model {parcel.base}, which transformers does not load",
                "a folder, a GGUF file or a hub id",
                "ask the server for several answers and vote",
            )

    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Write the function with its settings filled in, and the generation config."""
        decoding, stop = _decoding(parcel), parcel.sheet.stop + parcel.style.stop
        values = {
            **decoding.constants,
            "LONGEST": parcel.sheet.max_new_tokens,
            "STOP": stop,
            "READS": parcel.rule,
            "THINKING": parcel.style.thinking,
            "IS_OPENED": parcel.style.is_opened,
        }
        text = resources.files(exporting).joinpath(_SOURCE).read_text(encoding="utf-8")
        for name, value in values.items():
            line = re.compile(rf"^{name}(: [^=\n]+)? = .*$", re.MULTILINE)
            start, end = next(line.finditer(text)).span()
            text = f"{text[:start]}{name} = {value!r}{text[end:]}"
        if decoding.choose is not None:
            text = _with_choice(text, decoding.choose)
        path = folder / FILE
        path.parent.mkdir()
        _carry(path, _with_imports(text, parcel.rule))
        save_settings(whitebox_of(solver), parcel.sheet.max_new_tokens, stop, folder)

    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Have transformers load and run it; the same answers stand.

        Samples come from transformers' own random stream there, so that of self-consistency the
        vote is compared, on the samples drawn here.
        """
        whitebox = whitebox_of(solver)
        problems = [Problem(f"export/{i}", q) for i, q in enumerate(parcel.questions)]
        solved = solver.solve(problems, stream="export", ledger=Ledger())
        with quiet():
            loaded = method_of(whitebox.module, "load_custom_generate")(
                str(folder), trust_remote_code=True
            )
        is_vote = _decoding(parcel).is_sampled
        try:
            if is_vote:
                read = _reader(parcel, solver) or loaded.__globals__["read_answer"]
                apart = sum(_voted(loaded, given, read) != given.chosen for given in solved)
                _run(whitebox, parcel, folder, problems[0], _reader(parcel, solver))
            else:
                apart = sum(
                    _run(whitebox, parcel, folder, problem, _reader(parcel, solver)).strip()
                    != given.text.strip()
                    for problem, given in zip(problems, solved, strict=True)
                )
        finally:
            _forget(loaded)
        measure = "votes that differ" if is_vote else "answers that differ"
        return LoadedBack(
            "transformers, custom_generate", f"{measure}, of {len(problems)}", float(apart), 0.0
        )

    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """Transformers runs the code of the folder, and hence wants to be told to trust it."""
        del solver
        read = "" if parcel.rule is not None else ", read=READ"
        return {
            "transformers": 'inputs = tokenizer(PROMPT, return_tensors="pt")\n'
            'out = model.generate(**inputs, custom_generate="FOLDER", trust_remote_code=True, '
            f"tokenizer=tokenizer{read})\nprint(tokenizer.decode(out[0]))"
        }


def _reader(parcel: Parcel, solver: Solver) -> Callable[[str], str | None] | None:
    """The task's own reader where none could travel."""
    return solver.judge.read if parcel.rule is None else None


def _with_imports(text: str, rule: Rule | None) -> str:
    """The file with the imports that its rule needs, below those that it has."""
    parts = sorted({(type(part).__module__, type(part).__name__) for part in _parts(rule)})
    lines = [f"from {module} import {name}" for module, name in parts]
    last = [*_OWN.finditer(text)][-1]
    end = text.index("\n", last.end())
    return "\n".join([text[:end], *lines]) + text[end:]


def _parts(rule: Rule | None) -> list[object]:
    """A rule and the values that it holds."""
    if rule is None:
        return []
    values = vars(rule).values()
    return [rule, *(value for value in values if dataclasses.is_dataclass(value))]


def _carry(path: Path, text: str) -> None:
    """Write a file, and beside it every file of `answers` that it needs, as transformers copies them."""
    seen: dict[str, str] = {path.stem: text}
    wanted = _OWN.findall(text)
    while wanted:
        name = wanted.pop()
        if name not in seen:
            source = resources.files(answers).joinpath(f"{name}.py")
            seen[name] = source.read_text(encoding="utf-8")
            wanted += _OWN.findall(seen[name])
    for name, found in seen.items():
        flat = _OWN.sub(r"from .\1 import", found)
        path.with_name(f"{name}.py").write_text(flat, encoding="utf-8")


def _run(
    whitebox: WhiteBox,
    parcel: Parcel,
    folder: Path,
    problem: Problem,
    read: Callable[[str], str | None] | None,
) -> str:
    """Return the answer that transformers gives with the folder's function."""
    prompt = render(whitebox, parcel.style, problem.question)
    ids = torch.tensor([whitebox.encode(prompt)], device=whitebox.device)
    with quiet(), torch.random.fork_rng():
        found = method_of(whitebox.module, "generate")(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            custom_generate=str(folder),
            trust_remote_code=True,
            tokenizer=whitebox.tokenizer,
            read=read,
        )
    text = whitebox.decode(found[0, ids.shape[1] :].tolist())
    stop = parcel.sheet.stop + parcel.style.stop
    places = [text.find(one) for one in stop if one in text]
    return text[: min(places)] if places else text


def _voted(
    loaded: Any,  # noqa: ANN401 - a function of another module
    solved: Solved,
    read: Callable[[str], str | None],
) -> int:
    """Return the place of the answer that the file's own vote chooses."""
    names = loaded.__globals__
    found = [read(completion.text) for completion in solved.completions]
    place: int = names["choose"](found, [0.0] * len(found))
    return place


def _forget(loaded: Any) -> None:  # noqa: ANN401 - a function of another module
    """Remove the copy of the file that transformers keeps under the folder's passing name."""
    copy = Path(loaded.__globals__["__file__"]).parents[2]
    if copy.parent.name == "transformers_modules" and "partial" in copy.name:
        shutil.rmtree(copy, ignore_errors=True)


def _decoding(parcel: Parcel) -> Decoding:
    found = parcel.nudge.answering.decoding()
    if found is None:
        raise ConfigError(
            f"{parcel.trial.method}, which is no decoding rule", "one", "use the form that fits"
        )
    return found


def _with_choice(text: str, choose: Choose) -> str:
    """Return the file's text with another choice between answers, whose source stands for its own."""
    [own] = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name == "choose"
    ]
    lines, source = text.splitlines(), inspect.getsource(choose).rstrip()
    name = choose.__name__
    alias = [] if name == "choose" else ["", "", f"choose = {name}"]
    before, after = lines[: own.lineno - 1], lines[own.end_lineno or own.lineno :]
    return "\n".join([*before, source, *alias, *after]) + "\n"
