"""Data and scripts that travel in the page: compressed, harmless to HTML, named by their hash."""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable
from functools import cache

from modicum.report.markup import Markup, element

__all__ = ["as_line", "block", "compressed", "csp_hash", "size_in_page", "vega_bundle"]

_GZIP = 31
"""Window bits of zlib that ask for a gzip header; its time stays 0, so equal data, equal bytes."""


def compressed(pieces: Iterable[str]) -> bytes:
    """Compress text as gzip, which a page reads by `DecompressionStream`."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return b"".join([*(packer.compress(piece.encode()) for piece in pieces), packer.flush()])


def size_in_page(data: bytes) -> int:
    """Return the characters that data takes in a page, where 3 bytes become 4 letters."""
    return -(-len(data) // 3) * 4


def block(name: str, data: bytes) -> Markup:
    """Return data as an element that no browser runs; its letters cannot close the element."""
    text = Markup(base64.b64encode(data).decode("ascii"))
    return element("script", text, id=f"data-{name}", type="text/plain")


def csp_hash(script: str) -> str:
    """Return the source by which a content security policy allows one script and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def vega_bundle() -> str:
    """Return Vega, Vega-Lite, Vega-Embed and the expression interpreter as one script.

    It comes from the package that draws the static charts, so both are of one version, and
    nothing is asked of a network. Cost: about 1 s, once a process.
    """
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def as_line(value: object) -> str:
    """Return plain values as one line of ASCII JSON; lone surrogates survive as escapes."""
    return json.dumps(value, separators=(",", ":")) + "\n"
