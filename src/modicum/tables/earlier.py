"""Golds as earlier versions wrote them: what ids of problems in older studies were made from."""

from modicum.marker import text_hash

__all__ = ["earlier_forms", "earlier_ids"]

_DECORATION = ' \t\n\r\f\v\u00a0\u2009\u202f\u3000*$`"'
_SIGNS = " \t$€£¥%"
_MINUS = "\N{MINUS SIGN}"


def earlier_ids(question: str, golds: tuple[str, ...]) -> frozenset[str]:
    """Return the ids that a question had with any of its golds, as any version wrote it.

    Args:
        question: As it is asked.
        golds: As the file has them, and in today's canonical form.
    """
    return frozenset(text_hash(question, form) for gold in golds for form in earlier_forms(gold))


def earlier_forms(gold: str) -> tuple[str, ...]:
    r"""Return a gold in the canonical forms that markers gave it up to their first version.

    >>> earlier_forms("$1,234.50")
    ('$1,234.50', '1,234.50', '1234.5')
    >>> earlier_forms("(b)")
    ('(b)', 'B')
    """
    bare = _bare(gold)
    forms = [gold, bare, _number(bare.strip(_SIGNS))]
    for start, end in ((r"\(", r"\)"), (r"\[", r"\]")):
        if bare.startswith(start) and bare.endswith(end):
            forms.append(_bare(bare[2:-2]))
    letter = bare.strip("()[]. ")
    if len(letter) == 1 and letter.isalpha():
        forms.append(letter.upper())
    return tuple(dict.fromkeys(filter(None, forms)))


def _bare(text: str) -> str:
    return text.lstrip(_DECORATION).rstrip(_DECORATION + ".")


def _number(text: str) -> str:
    """Write a number as the first version of the marker `number` did; any other text is as it was."""
    plain = text.replace(",", "").replace(_MINUS, "-")
    sign, digits = ("-", plain[1:]) if plain.startswith("-") else ("", plain)
    digits = digits.lstrip(_SIGNS)
    if not digits.replace(".", "", 1).isdecimal():
        return text
    whole, point, part = digits.partition(".")
    part = part.rstrip("0")
    digits = (whole.lstrip("0") or "0") + (point + part if part else "")
    return digits if digits == "0" else sign + digits
