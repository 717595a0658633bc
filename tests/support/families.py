"""What is said of an architecture: columns, the closed list of reasons, and a line of the table."""

from dataclasses import dataclass, field

COLUMNS = (
    "greedy", "logprob", "sampling", "branching", "vector", "imitation", "reward", "export"
)  # fmt: skip
"""Greedy parity with `generate`, log-probabilities, sampling, branching, a vector, LoRA by
imitation, LoRA by reward, export and reload."""

REASONS = {
    "a": "reads or writes images, sounds or codes, or needs them beside the text",
    "b": "half of a pair: runs only inside another model",
    "c": "needs a package that is not installed here",
    "d": "its scores depend on later tokens: no causal model",
    "e": "transformers' own generate fails on it, or contradicts its own forward pass",
    "f": "its layers run several times, stand in several lists or carry several streams: no one place",
    "g": "transformers cannot write it and read it back as it was, or PEFT its adapter",
    "h": "transformers' own forward pass has no gradient through it",
    "i": "its scores differ from one pass to the next: random hashing",
}
"""The closed list: why a column is not applicable."""


@dataclass
class Family:
    """What was seen of one architecture."""

    kind: str
    columns: dict[str, str] = field(default_factory=dict)
    """`ok`, a letter of the reasons, or `FAULT`."""
    notes: list[str] = field(default_factory=list)

    @property
    def n_faults(self) -> int:
        return sum(value == "FAULT" for value in self.columns.values())

    @property
    def n_open(self) -> int:
        """Columns that are not applicable."""
        return sum(value in REASONS for value in self.columns.values())
