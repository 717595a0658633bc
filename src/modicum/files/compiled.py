"""Small C sources, compiled on first use where there is a compiler; nothing depends on them.

Compiling takes half a second, once a processor, source and settings; the result lies in the user's cache.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["built", "processor_flags"]

_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")
_SECONDS = 60


def built(source: Path, settings: Sequence[str] = ()) -> ctypes.CDLL | None:
    """Return the library compiled from a source; None without a compiler or with MODICUM_NATIVE=0.

    Args:
        source: The file; what it includes of ours is `NAME_*.h` beside it.
        settings: Further flags of the compiler.
    """
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None or os.environ.get("MODICUM_NATIVE") == "0":
        return None
    try:
        return ctypes.CDLL(str(_compiled(compiler, source, settings)))
    except (OSError, subprocess.SubprocessError):
        return None


def _compiled(compiler: str, source: Path, settings: Sequence[str]) -> Path:
    """Return the compiled library, from the cache where it was built before."""
    flags = list(_FLAGS)
    if platform.machine() in ("x86_64", "AMD64"):
        flags.append("-mprefer-vector-width=512")
    parts = [compiler, *flags, *settings, processor_flags()]
    included = sorted(source.parent.glob(f"{source.stem}_*.h"))
    parts += [path.read_text(encoding="utf-8") for path in (source, *included)]
    name = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
    root = Path(os.environ.get("MODICUM_CACHE") or Path.home() / ".cache" / "modicum").expanduser()
    target = root / "native" / f"{source.stem}-{name}.so"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / target.name
        command = [compiler, *flags, *settings, str(source), "-lm", "-o", str(fresh)]
        subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
        fresh.replace(target)  # whole or not at all, whoever else builds it
    return target


def processor_flags() -> str:
    """Name what the processor can do: a home folder may be shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.platform() + platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
