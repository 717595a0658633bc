"""Ratios against named peers, measured in one run; every benchmark speaks one form."""

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field

__all__ = ["Figure", "Report"]


@dataclass(frozen=True)
class Figure:
    """One comparison: ours beside a peer, taken in turn."""

    name: str
    ours: float
    """Median of ours."""
    peer: float
    """Median of the peer's; 0 where there is none."""
    ratio: tuple[float, float, float]
    """Smallest, median and largest ratio of ours to the peer's, round by round."""
    goal: float | None
    """What the ratio should reach; a limit where the name says `difference` or `unequal`."""
    note: str = ""

    @classmethod
    def of_rounds(
        cls, name: str, ours: list[float], peer: list[float], *, goal: float | None, note: str = ""
    ) -> "Figure":
        """Build a figure from the rounds of a run."""
        ratios = sorted(a / b for a, b in zip(ours, peer, strict=True))
        middle = statistics.median(ratios)
        spread = (round(ratios[0], 3), round(middle, 3), round(ratios[-1], 3))
        medians = statistics.median(ours), statistics.median(peer)
        return cls(name, round(medians[0], 3), round(medians[1], 3), spread, goal, note)

    @classmethod
    def of_value(cls, name: str, value: float, *, goal: float | None, note: str = "") -> "Figure":
        """Build a figure that has no peer."""
        return cls(name, value, 0.0, (value, value, value), goal, note)


@dataclass
class Report:
    """The figures of one benchmark."""

    threads: int
    figures: list[Figure] = field(default_factory=list)

    def show(self, *, as_json: bool) -> None:
        """Print JSON, or a table."""
        machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        if as_json:
            figures = [asdict(figure) for figure in self.figures]
            print(json.dumps({"machine": machine, "threads": self.threads, "figures": figures}))
            return
        print(f"{machine}, {self.threads} threads")
        for f in self.figures:
            low, middle, high = f.ratio
            goal = "" if f.goal is None else f"goal {f.goal:g}"
            print(
                f"{f.name:<44} {f.ours:>12.6g} {f.peer:>12.6g} "
                f"{middle:>9.4g} [{low:.4g}, {high:.4g}] {goal:>10}  {f.note}"
            )
