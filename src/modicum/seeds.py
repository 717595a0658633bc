"""Named random streams by hash: no global seeding, no default, never `seed + i`."""

import hashlib

import numpy as np
import numpy.typing as npt

__all__ = ["ahead", "key", "stream", "uniforms"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key(*names: object) -> int:
    """Return a 64-bit number for a path of names.

    >>> key("task", "train", 7) == key("task", "train", 7)
    True
    >>> key("a", "bc") == key("ab", "c")
    False
    """
    digest = hashlib.blake2b(digest_size=8)
    for name in names:
        part = str(name).encode("utf-8", "surrogatepass")
        digest.update(len(part).to_bytes(4, "little") + part)
    return int.from_bytes(digest.digest(), "little")


def stream(*names: object) -> np.random.Generator:
    """Return the random stream of a path of names; equal paths, equal streams."""
    return np.random.Generator(np.random.Philox(key=key(*names)))


def ahead(number: int, steps: int) -> int:
    """Return the key whose step 0 is another key's step `steps`.

    >>> own, later = np.array([7], np.uint64), np.array([ahead(7, 3)], np.uint64)
    >>> bool(uniforms(own, np.array([4], np.uint64)) == uniforms(later, np.array([1], np.uint64)))
    True
    """
    return (number + steps * int(_GOLDEN)) % 2**64


def uniforms(keys: npt.NDArray[np.uint64], step: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Return one uniform in [0, 1) for each (completion key, step), by a counter hash.

    Args:
        keys: A 64-bit key for each completion, shape `[rows]`.
        step: The step each row is at, shape `[rows]`.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014), as a counter hash.
    """
    with np.errstate(over="ignore"):
        state = keys + (step + np.uint64(1)) * _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    found: npt.NDArray[np.float64] = (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return found
