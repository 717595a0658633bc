"""What is wrong between a question and its tokens: templates, system prompts, boundaries."""

import re

from modicum.doctor.exam import Exam, FindingLevel, of, only, share
from modicum.types import Finding

__all__ = [
    "bad_boundary",
    "doubled_start",
    "lost_question",
    "lost_style",
    "lost_system",
    "template_use",
    "unwritable",
]

MOSTLY = 0.5
_DOUBLE = re.compile(r"\A\s*(<[^<>\s]{1,40}>)\s*\1")
"""A special token that stands twice at the start of a prompt."""


def doubled_start(exam: Exam) -> tuple[Finding, ...]:
    """Find a beginning token that stands twice: the model never saw that in training."""
    twice = next((m[1] for a in exam.asked if (m := _DOUBLE.match(a.prompt))), "")
    token = exam.prompts.doubled or twice
    if not token:
        return ()
    found = f"prompts begin with {token!r} twice"
    action = (
        "remove the beginning token from the template, or configure the tokenizer not to add it"
    )
    return (Finding("double_start", "fault", found, action),)


def lost_system(exam: Exam) -> tuple[Finding, ...]:
    """Find a chat template that drops the system prompt without a word."""
    system = exam.prompts.style.system
    if not system or not exam.asked:
        return ()
    lost = sum(_flat(system) not in _flat(asked.prompt) for asked in exam.asked)
    if not lost:
        return ()
    found = f"the system prompt is missing from {of(lost, len(exam.asked), 'prompts')}"
    action = "the chat template ignores the system role: put the text into --template instead"
    return (Finding("lost_system", "fault", found, action),)


def lost_question(exam: Exam) -> tuple[Finding, ...]:
    """Find prompts that do not hold their question."""
    lost = sum(_flat(a.problem.question) not in _flat(a.prompt) for a in exam.asked)
    if not lost:
        return ()
    found = f"the question is missing or altered in {of(lost, len(exam.asked), 'prompts')}"
    action = "fix the chat template: it must repeat the user's text unchanged"
    return (Finding("lost_question", "fault", found, action),)


def lost_style(exam: Exam) -> tuple[Finding, ...]:
    """Find styles that the tokenizer cannot write; the user's own is a fault, others a fact."""
    skipped, own = exam.prompts.skipped, exam.prompts.own
    mine = None
    if own is not None and own.name in skipped:
        mine = Finding(
            "own_style",
            "fault",
            "the tokenizer cannot encode your own prompt, so the study would skip it",
            "remove the characters it does not know",
        )
    others = [name for name in skipped if own is None or name != own.name]
    rest = None
    if others:
        said = f"styles skipped because the tokenizer cannot encode them: {', '.join(others)}"
        rest = Finding("skipped_styles", "fact", said)
    return only(mine, rest)


def unwritable(exam: Exam) -> tuple[Finding, ...]:
    """Find questions with characters that the tokenizer does not know."""
    lost, n = exam.prompts.unencodable, len(exam.asked)
    if not lost:
        return ()
    level: FindingLevel = "fault" if len(lost) >= MOSTLY * n else "doubt"
    found = f"the tokenizer cannot encode {of(len(lost), n, 'questions')}, such as {lost[0][:60]!r}"
    action = (
        "the model sees something other than your question: remove those characters or problems"
    )
    return (Finding("unwritable", level, found, action),)


def template_use(exam: Exam) -> tuple[Finding, ...]:
    """Find a chat template that is there and not used, or wanted and not there."""
    style, notes = exam.prompts.style, " ".join(exam.model.notes)
    if exam.prompts.has_chat and exam.prompts.own is not None and not style.chat:
        found = "the model has a chat template, and your prompt bypasses it"
        action = "pass the system prompt with --system so that the template is used"
        return (Finding("template_ignored", "doubt", found, action),)
    named = f"{exam.model.name} {notes}".lower()
    is_chat_model = re.search(r"instruct|\bchat\b|[-_]it\b", named) is not None
    if is_chat_model and not exam.prompts.has_chat:
        found = "the model is instruction-tuned but has no chat template"
        action = "add a chat_template to its tokenizer's files; without one it may look less able than it is"
        return (Finding("template_absent", "doubt", found, action),)
    return ()


def bad_boundary(exam: Exam) -> tuple[Finding, ...]:
    """Find raw prompts that end in the middle of a token: behind a space, or within a word.

    Most tokenizers join a space to the word behind it, so that a prompt ending in one asks for a
    token that hardly ever followed. A prompt ends within a word where most greedy answers begin
    with a letter right behind its last one.
    """
    if exam.prompts.style.chat or not exam.asked:
        return ()
    spaced = [asked.prompt.endswith((" ", "\t")) for asked in exam.asked]
    if share(spaced) >= MOSTLY:
        found = f"{of(sum(spaced), len(spaced), 'prompts')} end in a space"
        action = "remove that space: tokens begin with their own"
        return (Finding("trailing_space", "doubt", found, action),)
    inside = [_joins(asked.prompt, asked.greedy.text) for asked in exam.asked]
    if share(inside) >= MOSTLY:
        found = (
            f"{of(sum(inside), len(inside), 'prompts')} end within a word that the answer completes"
        )
        action = "end the template after a whole word or with a line break"
        return (Finding("mid_word", "doubt", found, action),)
    return ()


def _joins(prompt: str, text: str) -> bool:
    """Say whether a letter follows a letter; digits and scripts without spaces are left out."""
    ends, begins = prompt[-1:], text[:1]
    return ends.isascii() and ends.isalpha() and begins.isascii() and begins.isalpha()


def _flat(text: str) -> str:
    """Return a text with single spaces: templates may trim and wrap."""
    return " ".join(text.split())
