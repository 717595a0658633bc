"""A prompt: its text, the same as JSON with stop strings, and a greedy generation config."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from modicum.errors import ConfigError
from modicum.export import ExportForm, LoadedBack, Parcel
from modicum.exporting.asking import answer, save_settings
from modicum.files.manifest import read_prompt
from modicum.ledger import Ledger
from modicum.model import render
from modicum.nudge import Solver
from modicum.types import Problem
from modicum.whitebox import WhiteBox

__all__ = ["Prompt"]

_LONGEST = 48
"""Tokens of an answer that are compared at most."""


@final
@dataclass(frozen=True)
class Prompt(ExportForm):
    """For nudges that are words alone: styles, demonstrations, triggers."""

    def check(self, parcel: Parcel) -> None:
        """Refuse nudges that are more than words.

        Raises:
            ConfigError: a decoding rule, a vector or tuned weights.
        """
        if parcel.nudge.changes or parcel.nudge.answering.stages() is None:
            raise ConfigError(
                f"{parcel.trial.method}, whose nudge is no prompt",
                "a nudge of words alone",
                "use the form that fits: generation, vector, peft or merged",
            )

    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Write the text; `prompt.json` stands beside every form."""
        (folder / "prompt.txt").write_text(parcel.style.template, encoding="utf-8")
        if isinstance(solver.model, WhiteBox):
            stop = parcel.sheet.stop + parcel.style.stop
            save_settings(solver.model, parcel.sheet.max_new_tokens, stop, folder)

    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Ask with the folder's files and transformers alone; a server gets the same prompts."""
        model = solver.model
        if not isinstance(model, WhiteBox):
            style, _ = read_prompt(folder)
            apart = sum(
                render(model, style, question) != render(model, parcel.style, question)
                for question in parcel.questions
            )
            return _compared("prompt.json", "prompts that differ", apart, parcel)
        brief = dataclasses.replace(
            parcel.sheet, max_new_tokens=min(_LONGEST, parcel.sheet.max_new_tokens)
        )
        short = dataclasses.replace(solver, judge=dataclasses.replace(solver.judge, sheet=brief))
        problems = [Problem(f"export/{i}", q) for i, q in enumerate(parcel.questions)]
        solved = short.solve(problems, stream="export", ledger=Ledger())
        apart = sum(
            answer(model, folder, problem.question, brief.max_new_tokens).strip()
            != given.text.strip()
            for problem, given in zip(problems, solved, strict=True)
        )
        return _compared("transformers", "answers that differ", apart, parcel)

    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """Transformers, and any server that takes text."""
        del solver
        put = (
            'tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, '
            "add_generation_prompt=True)"
            if parcel.style.chat
            else "text"
        )
        return {
            "transformers": "from transformers import GenerationConfig\n"
            'text = open("FOLDER/prompt.txt").read().replace("{question}", QUESTION)\n'
            f'inputs = tokenizer({put}, return_tensors="pt"'
            f"{', add_special_tokens=False' if parcel.style.chat else ''})\n"
            'model.generate(**inputs, generation_config=GenerationConfig.from_pretrained("FOLDER"), '
            "tokenizer=tokenizer)",
            "any server": "send prompt.txt with {question} filled, and the stop strings of "
            "prompt.json",
        }


def _compared(target: str, measure: str, apart: int, parcel: Parcel) -> LoadedBack:
    return LoadedBack(target, f"{measure}, of {len(parcel.questions)}", float(apart), 0.0)
