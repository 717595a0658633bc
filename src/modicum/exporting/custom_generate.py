"""A decoding rule for `model.generate(custom_generate=FOLDER)`; needs torch and transformers alone.

This file travels with an export as it stands, its settings filled in; so do the files that it
imports from here, by which answers are read.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from modicum.answers.rule import Rule, span_of

__all__ = ["choose", "generate", "margin", "read_answer"]

RULE = "cot_decoding"
"""`cot_decoding`: the surest of several first tokens; `self_consistency`: the commonest answer."""
COUNT = 10
"""Branches, or samples."""
LEAST = 0.001
"""Least probability of a branch's first token; the likeliest always stands."""
ADDS = True
"""Whether the certainty of equal answers is added."""
TEMPERATURE = 1.0
"""Of samples."""
LONGEST = 256
"""Tokens of an answer, unless `max_new_tokens` says otherwise."""
STOP: tuple[str, ...] = ()
"""Strings that end an answer."""
READS: Rule | None = None
"""How the study reads answers; None where it does so by code that cannot leave."""
THINKING: tuple[str, str] | None = None
"""What opens and what closes the thinking before an answer."""
IS_OPENED = False
"""Whether the prompt itself opens the thinking."""


def generate(
    model: Any,  # noqa: ANN401 - any transformers model
    inputs: Any = None,  # noqa: ANN401
    generation_config: Any = None,  # noqa: ANN401
    tokenizer: Any = None,  # noqa: ANN401
    read: Callable[[str], str | None] | None = None,
    **given: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Answers each prompt by the rule; gives prompts with their answers, padded at the right.

    Args:
        model: A causal language model.
        inputs: Prompts as token ids, `[rows, width]`; `input_ids` does as well.
        generation_config: Read for `max_new_tokens` and the tokens that end a text.
        tokenizer: Its tokenizer; answers are compared as texts.
        read: Reads the answer from a text; `read_answer`, which reads as the study did, where None.
        given: `input_ids`, `attention_mask`, `max_new_tokens`; the rest is passed by.
    """
    ids = inputs if inputs is not None else given["input_ids"]
    if tokenizer is None:
        msg = "pass tokenizer=…: answers are compared as texts"
        raise ValueError(msg)
    mask = given.get("attention_mask")
    settings = generation_config or model.generation_config
    longest = given.get("max_new_tokens") or settings.max_new_tokens or LONGEST
    rows = []
    for place, row in enumerate(ids):
        prompt = row if mask is None else row[mask[place].bool()]
        answers, margins = _drawn(model, prompt[None], tokenizer, settings, int(longest))
        texts = [_text(tokenizer, answer) for answer in answers]
        answers_read = [(read or read_answer)(text) for text in texts]
        certain = [
            margin(tokenizer, answer, said, steps)
            for answer, said, steps in zip(answers, answers_read, margins, strict=True)
        ]
        rows.append(torch.cat([row, answers[choose(answers_read, certain)].to(row)]))
    ends = _ends(model, settings)
    filler = settings.pad_token_id if settings.pad_token_id is not None else (ends or [0])[0]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=int(filler))


def choose(answers: Sequence[str | None], certain: Sequence[float]) -> int:
    """Gives the place of the answer that stands; the first where none could be read.

    Source: Wang and Zhou 2024 (2402.10200), aggregated; Wang et al. 2022 (2203.11171), majority.
    """
    weights: dict[str, float] = defaultdict(float)
    for answer, sure in zip(answers, certain, strict=True):
        if answer is None:
            continue
        weight = 1.0 if RULE == "self_consistency" else sure
        joined = ADDS or RULE == "self_consistency"
        weights[answer] = weights[answer] + weight if joined else max(weights[answer], weight)
    if not weights:
        return 0
    winner = max(weights, key=lambda answer: weights[answer])
    places = [i for i, answer in enumerate(answers) if answer == winner]
    return places[0] if RULE == "self_consistency" else max(places, key=lambda i: certain[i])


def read_answer(text: str) -> str | None:
    """Reads an answer as the study did: behind the thinking, by the task's own reading.

    Raises:
        ValueError: that reading is code which could not leave with this file.
    """
    if READS is None:
        msg = "pass read=…: the task of the study reads answers by code of its own"
        raise ValueError(msg)
    if THINKING is not None:
        opening, closing = THINKING
        _, closed, text = text.rpartition(closing)
        if opening in text or (IS_OPENED and not closed):
            return None
    return READS.read(text)


def margin(
    tokenizer: Any,  # noqa: ANN401
    tokens: Any,  # noqa: ANN401
    answer: str | None,
    steps: Sequence[float],
) -> float:
    """Gives the mean first minus second probability over the tokens of the answer's last place."""
    if not answer or not steps:
        return 0.0
    ends = [len(_text(tokenizer, tokens[: i + 1], whole=True)) for i in range(len(tokens))]
    text = _text(tokenizer, tokens)
    span = span_of(text, answer)
    if span is None:
        return 0.0
    first, last = span
    inside = [
        step
        for begin, end, step in zip([0, *ends], ends, steps, strict=False)
        if end > first and begin < last
    ]
    return sum(inside) / len(inside) if inside else 0.0


def _drawn(
    model: Any,  # noqa: ANN401
    prompt: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    settings: Any,  # noqa: ANN401
    longest: int,
) -> tuple[list[Any], list[list[float]]]:
    """Draws the answers of one prompt, with the margin of each step where they are branches."""
    ends = _ends(model, settings)
    plain: dict[str, Any] = {
        "max_new_tokens": longest,
        "eos_token_id": ends or None,
        "pad_token_id": settings.pad_token_id if settings.pad_token_id is not None else ends[:1][0],
        "repetition_penalty": 1.0,
        **({"stop_strings": list(STOP)} if STOP else {}),
    }
    # a folder with weights and this file has `generate` replaced by it: the class's own is meant
    own = type(model).generate
    # without a mask transformers leaves out every token of a prompt that equals the pad token
    mask = torch.ones_like(prompt)
    if RULE == "self_consistency":
        drawn = {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0, "top_p": 1.0}
        config = GenerationConfig(**plain, **drawn, num_return_sequences=COUNT)
        found = own(
            model, prompt, attention_mask=mask, generation_config=config, tokenizer=tokenizer
        )
        answers = [_cut(row[prompt.shape[1] :], ends) for row in found]
        return answers, [[] for _ in answers]
    with torch.inference_mode():
        chances = model(prompt, attention_mask=mask).logits[:, -1]
        chances = chances.float().softmax(-1)[0]
    top = chances.topk(min(COUNT, chances.shape[0]))
    kept = max(1, int((top.values >= LEAST).sum()))
    first = float(top.values[0] - top.values[1])
    begun = torch.cat([prompt.expand(kept, -1), top.indices[:kept, None]], 1)
    plain["max_new_tokens"] = max(1, longest - 1)
    config = GenerationConfig(
        **plain, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    mask = torch.ones_like(begun)
    found = own(model, begun, attention_mask=mask, generation_config=config, tokenizer=tokenizer)
    seconds = torch.stack(found.logits, 1).float().softmax(-1).topk(2).values
    gaps = (seconds[..., 0] - seconds[..., 1]).tolist()
    answers = [_cut(row[prompt.shape[1] :], ends)[:longest] for row in found.sequences]
    margins = [[first, *gap][: len(one)] for gap, one in zip(gaps, answers, strict=True)]
    return answers, margins


def _ends(model: Any, settings: Any) -> list[int]:  # noqa: ANN401
    """Gives every token that ends a text."""
    named = [
        settings.eos_token_id, model.generation_config.eos_token_id, model.config.eos_token_id
    ]  # fmt: skip
    lists = [x if isinstance(x, (list, tuple)) else [x] for x in named if x is not None]
    return sorted({int(token) for tokens in lists for token in tokens})


def _cut(tokens: Any, ends: Sequence[int]) -> Any:  # noqa: ANN401
    """Gives an answer up to the token that ends it."""
    for place, token in enumerate(tokens.tolist()):
        if token in ends:
            return tokens[: place + 1]
    return tokens


def _text(tokenizer: Any, tokens: Any, *, whole: bool = False) -> str:  # noqa: ANN401
    """Gives an answer as text, cut at a stop string unless the whole is wanted."""
    text: str = tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    places = [] if whole else [text.find(stop) for stop in STOP if stop in text]
    return text[: min(places)] if places else text
