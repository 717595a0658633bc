"""Words that print no longer uses: names that have better ones, and turns of phrase that are no English."""

import re

__all__ = ["COMMANDS", "REPORT", "old_words"]

COMMANDS = (
    "anew", "by sight", "damage", "doctor", "for want of", "goes on", "half know", "is said",
    "lie or fail", "luck", "measuring labels", "near miss", "rungs?", "so many", "subjects?",
    "taken over", "worth votes",
)  # fmt: skip
"""Words that neither the commands nor the report print."""
REPORT = (
    *COMMANDS, "break-?even", "commonest gold", "control_organism", "doubts?", "elicitation", "faults?",
    "forced( form)?", "gap recovered", "half of the gap", "mean_difference", "n50", "n90", "nudged",
    "on the front", "quer(y|ies)", "random_feature", "scrambled", "serving", "shuffled", "that stands?",
    "twins?", "worth pass@k",
)  # fmt: skip
"""Words that the report does not print; the commands do where they are names of options and files."""
KEPT = re.compile(r"--rung\b|by_reward|fine_tune|half_known|scrambled:\S+")
"""Names of options, code and tasks, which stay."""


def old_words(text: str, words: tuple[str, ...] = COMMANDS) -> set[str]:
    """Return the old words that a text has, in small letters."""
    found = re.compile(rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])", re.IGNORECASE)
    return {match[0].lower() for match in found.finditer(KEPT.sub("", text))}
