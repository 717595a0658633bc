"""Asks a model as an export's own files say, with transformers alone."""

from pathlib import Path

import torch
from transformers import GenerationConfig

from modicum.errors import ConfigError
from modicum.exporting.weights import quiet
from modicum.files.manifest import read_prompt
from modicum.nudge.parts import method_of
from modicum.plain import JsonObject
from modicum.types import Style
from modicum.whitebox import WhiteBox

__all__ = ["answer", "save_settings"]


def save_settings(whitebox: WhiteBox, longest: int, stop: tuple[str, ...], folder: Path) -> None:
    """Write `generation_config.json`: greedy, with the length limit and the stop strings."""
    ends = _ends(whitebox)
    pad = whitebox.tokenizer.pad_token_id
    config = GenerationConfig(
        do_sample=False,
        max_new_tokens=longest,
        repetition_penalty=1.0,
        eos_token_id=ends or None,
        pad_token_id=pad if pad is not None else next(iter(ends), None),
        **({"stop_strings": list(stop)} if stop else {}),
    )
    config.save_pretrained(folder)


def answer(whitebox: WhiteBox, folder: Path, question: str, longest: int) -> str:
    """Return the answer that transformers draws with the folder's prompt and generation config.

    Args:
        whitebox: Its module and tokenizer are used, nothing else of it.
        folder: The export.
        question: What is asked.
        longest: Tokens at most, below the config's own limit.
    """
    style, stages = read_prompt(folder)
    config = GenerationConfig.from_pretrained(folder)
    config.max_new_tokens = min(longest, config.max_new_tokens)
    prompt = _prompt(whitebox, style, question)
    if not stages:
        return _continued(whitebox, prompt, config)
    trigger = f" {stages['trigger']}"
    said = _follow(prompt, trigger)
    reasoning = _continued(whitebox, said, config)
    said = f"{trigger}{reasoning.rstrip()}\n{stages['answer_trigger']}"
    return said + _continued(whitebox, _follow(prompt, said), _short(config, stages))


def _short(config: GenerationConfig, stages: JsonObject) -> GenerationConfig:
    """Return the settings of the second stage."""
    values = config.to_dict()
    ends = [*(values.get("stop_strings") or ()), *filter(None, [str(stages["answer_stop"])])]
    values["max_new_tokens"] = int(str(stages["answer_tokens"]))
    values["stop_strings"] = ends or None
    return GenerationConfig.from_dict(values)


def _follow(prompt: str, begun: str) -> str:
    return prompt + (begun.lstrip() if prompt[-1:].isspace() else begun)


def _prompt(whitebox: WhiteBox, style: Style, question: str) -> str:
    """Fill the template, and put it into the model's chat template where the prompt wants one.

    Raises:
        ConfigError: a chat prompt on a model without a template.
    """
    text = style.template.replace("{question}", question)
    if not style.chat:
        return text
    if not whitebox.tokenizer.chat_template:
        raise ConfigError("a chat prompt", "a model with a chat template", "export another form")
    system = [{"role": "system", "content": style.system}] if style.system else []
    filled = whitebox.tokenizer.apply_chat_template(
        [*system, {"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
    )
    return str(filled)


def _continued(whitebox: WhiteBox, prompt: str, config: GenerationConfig) -> str:
    """Return the greedy continuation, cut at a stop string."""
    ids = torch.tensor([whitebox.encode(prompt)], device=whitebox.device)
    stop: list[str] = list(config.stop_strings or [])
    with quiet(), torch.inference_mode():
        found = method_of(whitebox.module, "generate")(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=config,
            **({"tokenizer": whitebox.tokenizer} if stop else {}),
        )
    text = whitebox.decode(found[0, ids.shape[1] :].tolist())
    places = [text.find(one) for one in stop if one in text]
    return text[: min(places)] if places else text


def _ends(whitebox: WhiteBox) -> list[int]:
    """Return every token that ends a text."""
    settings = getattr(whitebox.module, "generation_config", None)
    named = [
        getattr(settings, "eos_token_id", None),
        whitebox.module.config.get_text_config().eos_token_id,
        whitebox.tokenizer.eos_token_id,
    ]
    lists = [x if isinstance(x, (list, tuple)) else [x] for x in named if x is not None]
    return sorted({int(token) for tokens in lists for token in tokens})
