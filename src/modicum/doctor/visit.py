"""The doctor's visit: before a study spends anything, once a subject."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modicum.doctor.costs import memory
from modicum.doctor.diagnosis import diagnose, worst_first
from modicum.doctor.examine import examine, memory_needed
from modicum.errors import ConfigError, JudgeError, ModicumError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.secrecy import clean
from modicum.stock import Stock
from modicum.store.database import Store
from modicum.store.siblings import shelf
from modicum.study.checked import findings_key
from modicum.study.plan import Plan, Subject
from modicum.study.speed import Speed, keep_speed
from modicum.study.trial import open_model
from modicum.task import resolve_task
from modicum.types import Finding

__all__ = ["Checked", "Observer", "check_subject", "refuse_faults", "unchecked", "visit"]

Observer = Callable[[Ledger], None]


@dataclass(frozen=True)
class Checked:
    """What the doctor says of one subject, and what that cost."""

    subject: Subject
    findings: tuple[Finding, ...]
    """Faults first, then doubts, then facts."""
    ledger: Ledger
    """Labels are the problems whose golds were read."""
    speed: Speed | None = None
    """How fast the model answered; None where nothing was drawn."""

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What would make the results misleading or the run fail."""
        return tuple(finding for finding in self.findings if finding.level == "fault")

    @property
    def doubts(self) -> tuple[Finding, ...]:
        """What may."""
        return tuple(finding for finding in self.findings if finding.level == "doubt")


def check_subject(
    subject: Subject, observer: Observer | None = None, stock: Stock | None = None
) -> Checked:
    """Look at one model on one task: memory first, then some 64 answers, known ones from stock.

    Where the model cannot be loaded, asked or marked, that is the finding.
    """
    ledger, stock = Ledger(observer=observer), stock or Stock()
    room = memory(memory_needed(subject, resolve_backend(subject.model)))
    if any(finding.level == "fault" for finding in room):
        return Checked(subject, room, ledger)
    try:
        task = resolve_task(subject.task)
        seen = examine(subject, task, open_model(subject.model).stocked(stock), ledger)
    except JudgeError as error:
        action = "fix the marker, or choose another"
        return Checked(
            subject, (*room, Finding("marker_fails", "fault", str(error), action)), ledger
        )
    except ConfigError as error:
        return Checked(subject, (Finding("fails", "fault", error.found, error.action),), ledger)
    except ModicumError as error:
        failed = Finding("fails", "fault", f"{type(error).__name__}: {error}", "fix the cause")
        return Checked(subject, (failed, *room), ledger)
    except Exception as error:  # noqa: BLE001 - foreign models and tasks may raise anything
        text = clean(f"asking the model failed: {type(error).__name__}: {error}")
        return Checked(subject, (Finding("fails", "fault", text, "fix the cause"), *room), ledger)
    return Checked(subject, worst_first((*room, *diagnose(seen))), ledger, seen.speed)


def unchecked(plan: Plan, store: Store, *, force: bool = False) -> list[Subject]:
    """Return the subjects to look at: trials are missing, and nothing, or a fault, was said in these sizes.

    A fault stops a study before it spends anything, so what was mended since is looked at again;
    with `force` it is not.
    """
    done = store.done()
    found = []
    for subject in plan.subjects():
        known = store.findings(findings_key(subject), exact=True)
        is_faulty = known is not None and any(finding.level == "fault" for finding in known)
        if known is not None and (force or not is_faulty):
            continue
        if any(t.id not in done for t in (*subject.measures(), *subject.rungs(), *subject.twins())):
            found.append(subject)
    return found


def visit(
    subject: Subject,
    store: Store,
    observer: Observer | None = None,
    reuse: Sequence[Path] = (),
) -> Checked:
    """Look at one subject and keeps in the store what is found, what was drawn and what it cost.

    Args:
        subject: What to look at.
        store: Where to keep it.
        observer: Called as tokens are spent.
        reuse: Folders of other studies whose draws are taken over.
    """
    stock = Stock(shelf([store.folder]), shelf(reuse))
    try:
        checked = check_subject(subject, observer, stock)
    finally:  # where time is used up in its midst, what was drawn is drawn
        store.keep_draws(stock.added)
    store.keep_findings(findings_key(subject), checked.findings, checked.ledger.as_dict())
    keep_speed(store, subject.model, subject.task, checked.speed)
    return checked


def refuse_faults(checked: list[Checked]) -> None:
    """Stop before anything is spent where something would make the results misleading or the run fail.

    Raises:
        ConfigError: a fault.
    """
    faults = [(c.subject, finding) for c in checked for finding in c.faults]
    if not faults:
        return
    said = "; ".join(f"{s.task} on {s.model}: {f.found}" for s, f in faults)
    actions = "; ".join(dict.fromkeys(finding.action for _, finding in faults))
    raise ConfigError(
        said,
        "a setup that passes `modicum check`",
        f"{actions}; or run anyway with --force",
    )
