"""Runs the command line in this process."""

import contextlib
import io
import signal
from dataclasses import dataclass

from modicum.cli.main import main


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


def modicum(*arguments: object) -> Said:
    """Run `modicum ARGUMENTS` and gives its exit code and both outputs."""
    out, err = io.StringIO(), io.StringIO()
    code, heard = 0, signal.getsignal(signal.SIGINT)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            signal.signal(signal.SIGINT, heard)  # a command that was interrupted listens no more
    return Said(code, out.getvalue(), err.getvalue())


SMALL = (
    "--model", "scripted:latent", "--task", "sums", "--test", 64, "--selection", 8,
    "--samples", 16, "--methods", "self_consistency,cot_decoding", "--no-reuse", "--workers", 1,
)  # fmt: skip
"""Options of a study that ends within a second."""
