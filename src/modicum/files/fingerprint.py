"""A hash of a model's files that takes milliseconds: sizes, and bytes from all over them."""

import hashlib
from pathlib import Path

__all__ = ["fingerprint"]

_BLOCK, _BLOCKS = 4096, 256
"""Bytes of a block that is read, and how many of each file; one as short as they are is read whole."""
_KINDS = frozenset({".safetensors", ".gguf"})


def fingerprint(source: Path) -> str:
    """Return a hash of the weights in a folder, or of one file: 16 hexadecimal digits; empty without any.

    A training moves numbers everywhere and is seen; a single number that was changed may not be.
    Names, times and places of files count for nothing but their order.

    Args:
        source: A folder with safetensors or GGUF files, or one of them.
    """
    try:
        found = sorted(source.iterdir()) if source.is_dir() else [source]
        files = [path for path in found if path.suffix in _KINDS and path.is_file()]
        digest = hashlib.blake2b(digest_size=8)
        for path in files:
            _take(path, digest)
    except OSError:  # not to be read, or gone meanwhile
        return ""
    return digest.hexdigest() if files else ""


def _take(path: Path, digest: "hashlib.blake2b") -> None:
    """Add a file: its size, its beginning, where names and shapes stand, and blocks up to its end."""
    size = path.stat().st_size
    digest.update(size.to_bytes(8, "little"))
    last = max(0, size - _BLOCK)
    starts = range(0, size, _BLOCK) if size <= _BLOCK * _BLOCKS else _spread(last)
    with path.open("rb") as file:
        for start in starts:
            file.seek(start)
            digest.update(file.read(_BLOCK))


def _spread(last: int) -> list[int]:
    """Return where blocks begin, evenly from the first byte to the last block.

    >>> starts = _spread(2_550_000)
    >>> len(starts), starts[:2], starts[-1]
    (256, [0, 10000], 2550000)
    """
    return [last * i // (_BLOCKS - 1) for i in range(_BLOCKS)]
