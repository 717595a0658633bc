"""Characters that say the same: digits, dashes, spaces and signs of any script, one for one."""

import unicodedata

__all__ = ["KEPT", "SETTING", "flat", "plain", "tail", "tidy"]

KEPT = 20_000
"""Characters of a text that are read, from its end; what stands before them is never an answer."""
SETTING = (
    "text|textbf|textit|textrm|textsf|texttt|textnormal|mathrm|mathbf|mathit|mathsf|mathtt|mathcal|"
    "mbox|hbox|boldsymbol|bm|emph|rm|bf|it|sf|tt|displaystyle|textstyle|large|Large|small|underline|"
    "textcolor|color|ensuremath|operatorname|num|SI|qty"
)
"""LaTeX macros that say how something is set and nothing else, as part of a pattern."""
_ZEROS = (
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
)  # fmt: skip
"""Where the ten digits of a script begin."""
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u208b\ufe58\ufe63\uff0d"
_BLANKS = (
    "\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
_UNSEEN = (
    "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067"
    "\u2068\u2069\ufeff\ufe0e\ufe0f"
)
"""Characters without width, and marks of direction."""
_ALIKE = {
    "'": "\u2018\u2019\u201b\u02bc\u2032\u00b4\u055a",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb",
    "%": "\u066a\ufe6a",
    ".": "\u066b\u3002",
    ",": "\u066c\u060c\u3001",
    "/": "\u2044\u2215",
    "·": "\u22c5\u2219\u0387",
    "×": "\u2715\u2716\u2a2f",
    "÷": "\u2797",
    "=": "\ufe66",
    "≈": "\u2245\u2243\u2248",
    "≤": "\u2a7d\u2264",
    "≥": "\u2a7e\u2265",
    "$": "\ufe69",
    "¥": "\uffe5",
    "£": "\uffe1",
    "¢": "\uffe0",
}
_FLAT = {
    **{zero + i: str(i) for zero in _ZEROS for i in range(10)},
    **{0xFF01 + i: chr(0x21 + i) for i in range(94)},
    **{ord(one): "-" for one in _DASHES},
    **{ord(one): "\u00a0" for one in _BLANKS + _UNSEEN},
    **{ord(one): sign for sign, others in _ALIKE.items() for one in others},
}
_TIDY = {
    **{ord(one): "-" for one in _DASHES},
    **{ord(one): " " for one in _BLANKS},
    **{ord(one): None for one in _UNSEEN.replace("\u200c", "").replace("\u200d", "")},
    **{ord(one): sign for sign in "'\"" for one in _ALIKE[sign]},
}
_ONLY_LOOKS = ("<wide>", "<narrow>", "<compat>", "<noBreak>")
"""Decompositions under which a text stays the same text; `x²` and `x2` do not."""
_DECORATION = " \t\n\r\f\v\u00a0*$`\"'\u201c\u201d\u2018\u2019\u00ab\u00bb" + _BLANKS + _UNSEEN


def tail(text: str) -> str:
    """Gives the part of a text that is read: its last `KEPT` characters, however long it is."""
    return text[-KEPT:]


def flat(text: str) -> str:
    r"""Gives a text of the same length in which digits, dashes and signs of all scripts are ASCII's.

    >>> flat("\u2212\uff15\u2009\u0663%"), len(flat("\u200b5"))
    ('-5\xa03%', 2)
    """
    return text.translate(_FLAT)


def plain(text: str) -> str:
    """Gives an answer without decoration: white space, asterisks, dollars, quotes, full stop.

    >>> plain("**Paris.** ")
    'Paris'
    """
    return text.lstrip(_DECORATION).rstrip(_DECORATION + ".\u3002")


def tidy(text: str) -> str:
    r"""Gives a text as a reader sees it: composed letters, straight quotes, hyphens, single spaces.

    Full-width letters and ligatures are plain ones; superscripts stay, for `x²` is not `x2`.

    >>> tidy("cafe\u0301  \u201cx\u2013y\u201d"), tidy("\uff21\ufb01 x\u00b2")
    ('café "x-y"', 'Afi x²')
    """
    found = unicodedata.normalize("NFC", text).translate(_TIDY)
    if not found.isascii():
        found = unicodedata.normalize("NFC", "".join(map(_looks, found)))
    return " ".join(found.split())


def _looks(letter: str) -> str:
    """One character as it looks: the plain form where a font or a width is all that differs."""
    parts = unicodedata.decomposition(letter)
    return unicodedata.normalize("NFKC", letter) if parts.startswith(_ONLY_LOOKS) else letter
