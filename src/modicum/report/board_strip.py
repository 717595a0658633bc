"""Boards side by side as small pictures that follow the page's colours, and are read without colour too."""

from modicum.analysis.board_strip import BoardCell, BoardStrip, Still
from modicum.report.markup import Markup, element, escaped, join
from modicum.report.untrusted import visible
from modicum.stats.written import count

__all__ = ["drawn_strip"]

_CELL = 22
"""Side of a cell in pixels."""
_KEY = "Givens are bold; wrong cells are framed and struck through."
_INK, _RULE, _BAD = "var(--ink)", "var(--rule)", "var(--bad)"


def drawn_strip(strip: BoardStrip) -> Markup:
    """Give the figure of a strip: its caption, and each board with its title and count of wrong cells."""
    boards = [_board(strip, still) for still in strip.stills]
    return element(
        "figure",
        element("figcaption", strip.caption, " ", _KEY),
        element("div", *boards, class_="boards"),
        class_="board-strip",
    )


def _board(strip: BoardStrip, still: Still) -> Markup:
    wrong = f"{count(still.wrong)} wrong"
    high, wide = len(still.cells) // strip.across * _CELL, strip.across * _CELL
    rows = [still.cells[i : i + strip.across] for i in range(0, len(still.cells), strip.across)]
    said = "; ".join(" ".join(map(_said, row)) for row in rows)
    parts = [_cell(cell, i % strip.across, i // strip.across) for i, cell in enumerate(still.cells)]
    picture = Markup(
        f'<svg role="img" width="{wide + 2}" height="{high + 2}" viewBox="-1 -1 {wide + 2} {high + 2}">'
        f"<title>{escaped(f'{visible(still.title)}, {wrong}')}</title>"
        f"<desc>{escaped(said)}</desc>{_lines(strip, wide, high)}{join(parts)}</svg>"
    )
    name = element("span", f"{still.title}: {wrong}")
    return element("div", picture, name)


def _said(cell: BoardCell) -> str:
    """Say a cell in words: a given in brackets, a wrong one so called."""
    text = visible(cell.text)
    return f"{f'[{text}]' if cell.is_given else text}{' wrong' if cell.is_wrong else ''}"


def _lines(strip: BoardStrip, wide: int, high: int) -> Markup:
    """Give the lines between cells, and those between boxes and around the board thicker."""
    thin = list[str]()
    thick = [f"M0 0H{wide}V{high}H0Z"]
    for y in range(_CELL, high, _CELL):
        is_box = strip.box[0] and y // _CELL % strip.box[0] == 0
        (thick if is_box else thin).append(f"M0 {y}H{wide}")
    for x in range(_CELL, wide, _CELL):
        is_box = strip.box[1] and x // _CELL % strip.box[1] == 0
        (thick if is_box else thin).append(f"M{x} 0V{high}")
    return Markup(
        f'<path d="{"".join(thin)}" stroke="{_RULE}" fill="none"/>'
        f'<path d="{"".join(thick)}" stroke="{_INK}" stroke-width="1.6" fill="none"/>'
    )


def _cell(cell: BoardCell, column: int, row: int) -> Markup:
    left, top = column * _CELL, row * _CELL
    weight = ' font-weight="700"' if cell.is_given else ""
    text = (
        f'<text x="{left + _CELL / 2}" y="{top + _CELL / 2 + 5}" text-anchor="middle" font-size="14" '
        f'fill="{_INK}"{weight}>{escaped(visible(cell.text))}</text>'
    )
    if not cell.is_wrong:
        return Markup(text)
    side = _CELL - 5
    return Markup(
        f'<rect x="{left + 2.5}" y="{top + 2.5}" width="{side}" height="{side}" fill="none" '
        f'stroke="{_BAD}" stroke-width="1.8"/><path d="M{left + 2.5} {top + _CELL - 2.5}l{side} {-side}" '
        f'stroke="{_BAD}" stroke-width="1.2"/>{text}'
    )
