"""Large blocks go back to the system when they are freed, so that memory follows what is alive."""

import ctypes
import functools
import sys

__all__ = ["return_large_blocks"]

_M_MMAP_THRESHOLD = -3  # malloc.h of the GNU C library
_LARGE = 4 * 2**20


@functools.cache
def return_large_blocks() -> bool:
    """Sets once, for this process, that blocks from 4 MiB are the system's again when freed.

    The GNU C library raises that limit to 32 MiB by itself; each thread then keeps the scores of its
    last steps, a tenth of a small model's weights. Gives whether it could be set: elsewhere nothing
    is changed.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE))
    except (AttributeError, OSError):
        return False
