"""Texts of others, made safe to show on a terminal or to write into a log.

Names, texts, refusals and tags come from people and programs that nobody here controls. A terminal obeys control
characters. It draws some characters in another order, and others not at all. Each of these becomes U+FFFD here. So a
text cannot look like a line of the program, and cannot change how the rest of its line reads. What a script needs is
kept: the joiners U+200C and U+200D, marks, emoji, and directional marks inside a text.
"""

from __future__ import annotations

import unicodedata

from tcproto.names import MAX_MARKS

HIDDEN = "\N{REPLACEMENT CHARACTER}"
"""The character in place of one that is not shown."""

_JOINERS = "\u200c\u200d"
_DIRECTIONAL_MARKS = "\u200e\u200f"
_SOFT_HYPHEN = "\u00ad"
_SPACE_OF_NO_WIDTH = "\u200b"
_SCRIPTS_WITHOUT_SPACES = ("BALINESE", "JAVANESE", "KHMER", "LAO", "MYANMAR", "NEW TAI LUE", "TAI", "THAI", "TIBETAN")
"""Scripts in which U+200B ends a word: the beginnings of the names of their letters in Unicode."""
_PREPENDED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""The format characters that are drawn (property Prepended_Concatenation_Mark)."""
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180e\u2065\u2800\u3164\uffa0")
"""Characters that show nothing, though their category does not say so."""
_STRONG = ("L", "R", "AL")
"""The bidirectional classes of letters (Unicode Standard Annex 9, table 4)."""


def visible(text: str) -> str:
    """Return a text as one line that is safe to show. Line breaks and tabs are hidden like all control characters.

    The result has as many characters as the text. A result that goes through this again does not change.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    strong = [place for place, character in enumerate(text) if unicodedata.bidirectional(character) in _STRONG]
    first, last = (strong[0], strong[-1]) if strong else (len(text), -1)
    for place, character in enumerate(text):
        before = shown[-1] if shown else ""
        if character in _DIRECTIONAL_MARKS:
            kept = first < place < last  # between two letters it has no effect beyond them
        elif unicodedata.category(character) in ("Mn", "Me"):
            kept = marks < MAX_MARKS and _may_follow(character, before)
            marks += kept
        else:
            kept = _is_shown(character, before, text[place + 1 : place + 2])
            marks = 0
        shown.append(character if kept else HIDDEN)
    return "".join(shown)


def visible_lines(text: str) -> list[str]:
    """Return the lines of a text, each safe to show. Tabs are kept."""
    lines = text.replace("\r\n", "\n").split("\n")
    return ["\t".join(map(visible, line.split("\t"))) for line in lines]


def _may_follow(mark: str, before: str) -> bool:
    """Tell whether a mark has a letter to stand on. Without one it would change what stands before the text."""
    return before not in ("", HIDDEN) and mark not in _FILLERS


def _is_shown(character: str, before: str, after: str) -> bool:
    if character in _FILLERS or ord(character) & 0xFFFE == 0xFFFE or 0xFFF0 <= ord(character) <= 0xFFF8:
        return False
    category = unicodedata.category(character)
    if category == "Cf":
        if character == _SPACE_OF_NO_WIDTH:
            return _ends_a_word(before) and _ends_a_word(after)
        return character in _JOINERS or character == _SOFT_HYPHEN or character in _PREPENDED
    return category not in ("Cc", "Co", "Cs", "Zl", "Zp")


def _ends_a_word(letter: str) -> bool:
    return bool(letter) and unicodedata.name(letter, "").startswith(_SCRIPTS_WITHOUT_SPACES)
