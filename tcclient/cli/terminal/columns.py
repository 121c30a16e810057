"""Columns that a text takes in a terminal.

They are never counted too low, however the terminal shows joined characters.
"""

from __future__ import annotations

from wcwidth import wcwidth

CONTINUATION = "  | "
"""Begins each further line of one text, so that no text can look like a line of the program."""
LEAST_COLUMNS = 20
"""A narrower terminal is treated as this wide: it has no room for a mark and a text."""
_EMOJI_STYLE = "\ufe0f"
_TAB = 8


def cells(text: str) -> int:
    """Return the columns that a text takes at most.

    Joined emoji count one by one, and an emoji style counts as a column, as in terminals that know neither.
    """
    return sum(1 if character == _EMOJI_STYLE else max(0, wcwidth(character)) for character in text)


def fit(text: str, columns: int) -> str:
    """Return a text that takes at most so many columns. A longer one is cut, with an ellipsis at its end."""
    if cells(text) <= columns:
        return text
    return _head(text, columns - 1) + "…" if columns > 0 else ""


def fold(lines: list[str], columns: int | None) -> list[str]:
    """Return the lines of one text as they are shown. All but the first are marked.

    None for ``columns`` means a file, where no line is broken.
    """
    if columns is not None:
        width = max(columns, LEAST_COLUMNS) - len(CONTINUATION)
        lines = [piece for line in lines for piece in _broken(line.expandtabs(_TAB), width)]
    return [lines[0], *(CONTINUATION + line for line in lines[1:])]


def _broken(line: str, columns: int) -> list[str]:
    """Break a line, between words if possible."""
    pieces = []
    while cells(line) > columns:
        head = _head(line, columns)
        words = head.rfind(" ") + 1
        if words > len(head) // 2:
            head = head[:words]
        pieces.append(head)
        line = line[len(head) :]
    return [*pieces, line]


def _head(text: str, columns: int) -> str:
    for place, character in enumerate(text):
        columns -= cells(character)
        if columns < 0:
            return text[:place]
    return text
