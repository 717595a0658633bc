"""A decoding rule as a generation config with `custom_generate/generate.py`, as transformers loads it."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, cast, final

import torch

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
_RULES = ("cot_decoding", "self_consistency")
"""Methods whose rule the file knows."""


@final
@dataclass(frozen=True)
class DecodingRule(Form):
    """For CoT-decoding and self-consistency: a function that `model.generate` is told to run.

    The answer is read by rules that stand in the file, since a task's own reader stays here; where
    they read another answer, loading back fails and `read=` takes a function of the user's.
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
        }
        text = resources.files("modicum.exports").joinpath(_SOURCE).read_text(encoding="utf-8")
        for name, value in values.items():
            line = re.compile(rf"^{name}(: [^=\n]+)? = .*$", re.MULTILINE)
            start, end = next(line.finditer(text)).span()
            text = f"{text[:start]}{name} = {value!r}{text[end:]}"
        path = folder / FILE
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
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
                apart = sum(_voted(loaded, given) != given.chosen for given in solved)
                _run(whitebox, nudge, folder, problems[0])
            else:
                apart = sum(
                    _run(whitebox, nudge, folder, problem).strip() != given.text.strip()
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
        return {
            "transformers": 'inputs = tokenizer(PROMPT, return_tensors="pt")\n'
            'out = model.generate(**inputs, custom_generate="FOLDER", trust_remote_code=True, '
            "tokenizer=tokenizer)\nprint(tokenizer.decode(out[0]))"
        }


def _run(whitebox: WhiteBox, nudge: Nudge, folder: Path, problem: Problem) -> str:
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
        )
    text = whitebox.decode(found[0, ids.shape[1] :].tolist())
    stop = nudge.sheet.stop + nudge.style.stop
    places = [text.find(one) for one in stop if one in text]
    return text[: min(places)] if places else text


def _voted(loaded: Any, solved: Solved) -> int:  # noqa: ANN401 - a function of another module
    """Gives the place of the answer that the file's own vote chooses."""
    names = loaded.__globals__
    read = [names["read_answer"](completion.text) for completion in solved.completions]
    place: int = names["choose"](read, [0.0] * len(read))
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
