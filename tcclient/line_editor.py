"""A line as it is typed: what a terminal does by itself, but known to the program, which draws around it."""

from __future__ import annotations

import codecs
from unicodedata import combining, east_asian_width

MAX_TYPED = 4096
"""Characters of a line, as of a terminal; more are not taken."""
_ENTER = "\r\n"
_BACKSPACE = "\x7f\b"
_KILL_LINE, _KILL_WORD, _ESCAPE = "\x15", "\x17", "\x1b"


class LineEditor:
    """Takes the bytes of keys: text in UTF-8, Backspace, Ctrl-W, Ctrl-U and Enter; all other keys do nothing."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._typed = ""
        self._sequence = ""
        """Of an escape sequence, what has come."""

    @property
    def text(self) -> str:
        """What stands in the line."""
        return self._typed

    def feed(self, keys: bytes) -> list[str]:
        """Take keys; return the lines that were ended."""
        lines = []
        for key in self._decoder.decode(keys):
            if self._sequence:
                self._continue_sequence(key)
            elif key in _ENTER:
                lines.append(self._typed)
                self._typed = ""
            elif key in _BACKSPACE:
                self._typed = self._typed[:-1]
            elif key == _KILL_LINE:
                self._typed = ""
            elif key == _KILL_WORD:
                kept, space, _ = self._typed.rstrip().rpartition(" ")
                self._typed = kept + space
            elif key == _ESCAPE:
                self._sequence = key
            elif key.isprintable() and len(self._typed) < MAX_TYPED:
                self._typed += key
        return lines

    def _continue_sequence(self, key: str) -> None:
        """Pass over ``ESC [ parameters letter``, ``ESC O letter`` and ``ESC key`` (ECMA-48, section 5.4)."""
        begins = self._sequence == _ESCAPE and key in "[O"
        ends = len(self._sequence) == 1 or "@" <= key <= "~"
        self._sequence = "" if ends and not begins else self._sequence + key


def cells(char: str) -> int:
    """Return the columns of a terminal that a printable character takes."""
    return 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1


def head(text: str, columns: int) -> str:
    """Return as much of the beginning of a text as fits."""
    for place, char in enumerate(text):
        columns -= cells(char)
        if columns < 0:
            return text[:place]
    return text


def tail(text: str, columns: int) -> str:
    """Return as much of the end of a text as fits."""
    first = len(text)
    for place in range(len(text) - 1, -1, -1):
        columns -= cells(text[place])
        if columns < 0:
            break
        if cells(text[place]):  # a mark belongs to the letter before it
            first = place
    return text[first:]
