"""A decoding rule as a generation config with `custom_generate/generate.py`, as transformers loads it."""

import dataclasses
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, cast, final

import torch

from modicum import answers
from modicum.answers import Rule
from modicum.errors import ConfigError
from modicum.export import Form, LoadedBack, Nudge
from modicum.exports._asking import save_settings
from modicum.exports._logits import whitebox_of
from modicum.exports._weights import quiet
from modicum.ledger import Ledger
from modicum.model import render
from modicum.types import Problem, Solved
from modicum.whitebox import WhiteBox
from modicum.workbench import Elicited

__all__ = ["DecodingRule"]

FILE = "custom_generate/generate.py"
_SOURCE = "_custom_generate.py"
_OWN = re.compile(r"^from modicum\.answers\.(\w+) import", re.MULTILINE)
"""Imports from here: of files that travel along."""
_RULES = ("cot_decoding", "self_consistency")
"""Methods whose rule the file knows."""


@final
@dataclass(frozen=True)
class DecodingRule(Form):
    """For CoT-decoding and self-consistency: a function that `model.generate` is told to run.

    Answers are read as the study reads them: the task's reading travels along as source. Where it is
    code of the task's own, `read=` takes a function of the user's.
    """

    is_model: ClassVar[bool] = False

    def check(self, nudge: Nudge) -> None:
        """Refuses what is no decoding rule that the file knows.

        Raises:
            ConfigError: another nudge, or a model that transformers does not load.
        """
        if nudge.trial.method not in _RULES:
            raise ConfigError(
                f"{nudge.trial.method}, which is no decoding rule",
                " or ".join(_RULES),
                "use the form that fits: prompt, vector, peft or merged",
            )
        if not nudge.origin:
            raise ConfigError(
                f"the model {nudge.base}, which transformers does not load",
                "a folder, a GGUF file or a hub id",
                "ask the server for several answers and vote",
            )

    def write(self, nudge: Nudge, elicited: Elicited, folder: Path) -> None:
        """Writes the function with its settings filled in, and the generation config."""
        stop = nudge.sheet.stop + nudge.style.stop
        values = {
            **_settings(nudge),
            "RULE": nudge.trial.method,
            "LONGEST": nudge.sheet.max_new_tokens,
            "STOP": stop,
            "READS": nudge.rule,
            "THINKING": nudge.style.thinking,
            "IS_OPENED": nudge.style.is_opened,
        }
        text = resources.files("modicum.exports").joinpath(_SOURCE).read_text(encoding="utf-8")
        for name, value in values.items():
            line = re.compile(rf"^{name}(: [^=\n]+)? = .*$", re.MULTILINE)
            start, end = next(line.finditer(text)).span()
            text = f"{text[:start]}{name} = {value!r}{text[end:]}"
        path = folder / FILE
        path.parent.mkdir()
        _carry(path, _with_imports(text, nudge.rule))
        save_settings(whitebox_of(elicited), nudge.sheet.max_new_tokens, stop, folder)

    def load_back(self, nudge: Nudge, elicited: Elicited, folder: Path) -> LoadedBack:
        """Has transformers load and run it; the same answers stand.

        Samples come from transformers' own random stream there, so that of self-consistency the
        vote is compared, on the samples drawn here.
        """
        whitebox = whitebox_of(elicited)
        problems = [Problem(f"export/{i}", q) for i, q in enumerate(nudge.questions)]
        solved = elicited.solver.solve(problems, stream="export", ledger=Ledger())
        with quiet():
            loaded = cast(Any, whitebox.module).load_custom_generate(
                str(folder), trust_remote_code=True
            )
        is_vote = nudge.trial.method == "self_consistency"
        try:
            if is_vote:
                read = _reader(nudge, elicited) or loaded.__globals__["read_answer"]
                apart = sum(_voted(loaded, given, read) != given.chosen for given in solved)
                _run(whitebox, nudge, folder, problems[0], _reader(nudge, elicited))
            else:
                apart = sum(
                    _run(whitebox, nudge, folder, problem, _reader(nudge, elicited)).strip()
                    != given.text.strip()
                    for problem, given in zip(problems, solved, strict=True)
                )
        finally:
            _forget(loaded)
        measure = "votes that differ" if is_vote else "answers that differ"
        return LoadedBack(
            "transformers, custom_generate", f"{measure}, of {len(problems)}", float(apart), 0.0
        )

    def uses(self, nudge: Nudge, elicited: Elicited) -> Mapping[str, str]:  # noqa: ARG002
        """Transformers runs the code of the folder, and hence wants to be told to trust it."""
        read = "" if nudge.rule is not None else ", read=READ"
        return {
            "transformers": 'inputs = tokenizer(PROMPT, return_tensors="pt")\n'
            'out = model.generate(**inputs, custom_generate="FOLDER", trust_remote_code=True, '
            f"tokenizer=tokenizer{read})\nprint(tokenizer.decode(out[0]))"
        }


def _reader(nudge: Nudge, elicited: Elicited) -> Callable[[str], str | None] | None:
    """The task's own reader where none could travel."""
    return elicited.read if nudge.rule is None else None


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
    """Writes a file, and beside it every file of `answers` that it needs, as transformers copies them."""
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
    nudge: Nudge,
    folder: Path,
    problem: Problem,
    read: Callable[[str], str | None] | None,
) -> str:
    """Gives the answer that transformers gives with the folder's function."""
    prompt = render(whitebox, nudge.style, problem.question)
    ids = torch.tensor([whitebox.encode(prompt)], device=whitebox.device)
    with quiet(), torch.random.fork_rng():
        found = cast(Any, whitebox.module).generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            custom_generate=str(folder),
            trust_remote_code=True,
            tokenizer=whitebox.tokenizer,
            read=read,
        )
    text = whitebox.decode(found[0, ids.shape[1] :].tolist())
    stop = nudge.sheet.stop + nudge.style.stop
    places = [text.find(one) for one in stop if one in text]
    return text[: min(places)] if places else text


def _voted(
    loaded: Any,  # noqa: ANN401 - a function of another module
    solved: Solved,
    read: Callable[[str], str | None],
) -> int:
    """Gives the place of the answer that the file's own vote chooses."""
    names = loaded.__globals__
    found = [read(completion.text) for completion in solved.completions]
    place: int = names["choose"](found, [0.0] * len(found))
    return place


def _forget(loaded: Any) -> None:  # noqa: ANN401 - a function of another module
    """Removes the copy of the file that transformers keeps under the folder's passing name."""
    copy = Path(loaded.__globals__["__file__"]).parents[2]
    if copy.parent.name == "transformers_modules" and "partial" in copy.name:
        shutil.rmtree(copy, ignore_errors=True)


def _settings(nudge: Nudge) -> dict[str, object]:
    """Gives a rule's settings under the names that the file has for them."""
    given = nudge.trial.settings
    if nudge.trial.method == "self_consistency":
        return {"COUNT": int(str(given["n"])), "TEMPERATURE": float(str(given["temperature"]))}
    least = float(str(given["min_probability"]))
    return {"COUNT": int(str(given["k"])), "LEAST": least, "ADDS": given["aggregate"] == "sum"}
