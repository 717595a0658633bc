"""HTML made of elements, in which a plain string is always escaped."""

import html

from modicum.report.untrusted import cut, pieces

__all__ = ["Markup", "element", "escaped", "join"]


class Markup(str):
    """Text that is HTML already; only this module and drawn charts make it."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str | int | None) -> Markup:
    """Return an element; children that are not `Markup` are escaped, attributes always.

    Args:
        name: Name of the element.
        children: Contents in order.
        attributes: By name; a trailing underscore is dropped, others become hyphens, None leaves
            the attribute out.

    >>> element("p", "1 < 2", class_="note")
    '<p class="note">1 &lt; 2</p>'
    """
    inside = "".join(child if isinstance(child, Markup) else escaped(child) for child in children)
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_flat(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>{inside}</{name}>")


def escaped(text: str) -> Markup:
    """Return a text as HTML: cut, escaped, hidden characters spelled out and marked as such."""
    head, left_out, tail = cut(text)
    if not left_out:
        return _escaped(head)
    note = f'<span class="cut">… {left_out:,} characters left out …</span>'
    return Markup(f"{_escaped(head)}{note}{_escaped(tail)}")


def join(parts: "list[Markup] | list[str]", separator: str = "") -> Markup:
    """Join parts; those that are not `Markup` are escaped."""
    whole = [part if isinstance(part, Markup) else escaped(part) for part in parts]
    return Markup(escaped(separator).join(whole))


def _escaped(text: str) -> Markup:
    return Markup(
        "".join(
            f'<span class="hidden">{html.escape(piece)}</span>' if is_hidden else html.escape(piece)
            for piece, is_hidden in pieces(text)
        )
    )


def _flat(text: str) -> str:
    return "".join(piece for piece, _ in pieces(text))
