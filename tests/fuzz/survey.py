"""Collects every distinct breach of a format instead of stopping at the first:

`python -m tests.fuzz.survey FORMAT N`; `python -m tests.fuzz.survey all N`.
"""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.bench import Bench
from tests.fuzz.every import FORMATS
from tests.fuzz.walls import SEVERITY, Breach


def surveyed(name: str, n: int, bench: Bench) -> dict[str, tuple[Breach, Any, int]]:
    """Return each distinct breach with the smallest case seen and how often it came."""
    chosen, found = FORMATS[name], {}
    cpu, tried, start = bench.cpu_s, bench.tried, time.monotonic()

    @settings(
        max_examples=max(n, 1),
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(chosen.cases())
    def look(case: Any) -> None:
        note(case)

    def note(case: Any) -> None:
        for breach in bench.try_(chosen.input_of(case, bench.pantry)):
            name = _named(breach, case)
            known = found.get(name)
            if known is None:
                print(f"   {breach.signature[:150]} | {case}"[:400], file=sys.stderr, flush=True)
            if known is None or len(repr(case)) < len(repr(known[1])):
                found[name] = (breach, case, known[2] + 1 if known else 1)
            else:
                found[name] = (*known[:2], known[2] + 1)

    for case in chosen.listed():
        note(case)
    if n:
        look()
    took = f"{bench.cpu_s - cpu:.0f} CPU-s, {time.monotonic() - start:.0f} s"
    print(f"== {name}: {bench.tried - tried} inputs, {took}", flush=True)
    return {s: (b, _smaller(chosen, bench, case, s), n) for s, (b, case, n) in found.items()}


def _named(breach: Breach, case: Any) -> str:
    """Name a breach; what hangs, dies or takes memory has as many causes as inputs."""
    if breach.kind in ("hang", "died", "memory"):
        return f"{breach.kind} {[change for _, change in case.changes][:3]}"
    return breach.signature


def _smaller(chosen: Any, bench: Bench, case: Any, signature: str) -> Any:
    """Leaves out changes that the breach does not need."""
    for place in reversed(range(len(case.changes))):
        if len(case.changes) < 2:
            break
        fewer = dataclasses.replace(case, changes=case.changes[:place] + case.changes[place + 1 :])
        again = bench.try_(chosen.input_of(fewer, bench.pantry))
        if any(_named(breach, fewer) == signature for breach in again):
            case = fewer
    return case


def told(found: dict[str, tuple[Breach, Any, int]]) -> str:
    """Write distinct breaches down, the worst first."""
    order = sorted(found.values(), key=lambda f: -SEVERITY.get(f[0].kind, 0))
    return "\n".join(
        f"[{SEVERITY.get(b.kind, 0)}] {b.kind} x{n} {b.where}\n    {b.what[:300]}\n    {case}"
        for b, case, n in order
    )


def main(name: str, n: int) -> None:
    """Survey one format or all."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        start = time.process_time()
        bench = Bench.whole(Path(folder) / "bench")
        print(f"pantry: {time.process_time() - start:.0f} CPU-s", flush=True)
        try:
            for one in FORMATS if name == "all" else [name]:
                print(told(surveyed(one, n, bench)), flush=True)
        finally:
            bench.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
