"""Names of accounts, persons and rooms: one spelling for comparison, one clean spelling for the eye.

Folding is the caseless compatibility form of the Unicode standard (NFKC and case folding, section 3.13 D146), so that
``Ａdmin`` and ``admin`` are one name. Look-alikes that folding keeps apart (a Cyrillic ``а`` in ``аdmin``) meet in the
*skeleton* (after Unicode Technical Standard 39), which is compared and never shown.
"""

from __future__ import annotations

import re
import unicodedata

MAX_RAW_CHARACTERS = 1024
"""Longer input is refused unread: normalization expands some characters eighteenfold."""
MAX_ACCOUNT_CHARACTERS = 32
"""An account is typed at every login and stands before each of its persons in the roster."""
MAX_DISPLAY_CHARACTERS = 64
"""A display name has to fit a roster line; in UTF-8 it has at most 256 bytes."""
MAX_ROOM_CHARACTERS = 64
"""A room name has to fit a line of a list and a join link; in UTF-8 it has at most 256 bytes."""
MAX_MARKS = 4
"""Combining marks on one letter; more of them paint over the neighbouring lines."""

RESERVED = frozenset({"admin", "administrator", "chair", "moderator", "operator", "root", "server", "system"})
"""Names that speak for the server or for an office; kept from everybody else, look-alikes included."""

_ACCOUNT_PUNCTUATION = "._-"
_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0e\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""What shows nothing and is not in the categories Cc and Cf: fillers, variation selectors, blank braille, tags."""

_LOOK_ALIKES = {
    ord(alike): letter
    for letter, alikes in {
        "a": "аαɑæ", "b": "вьβ", "c": "сϲ", "d": "ԁđð", "e": "еєεœ", "g": "ɡց", "h": "нһհħ", "j": "јϳ", "k": "кκ",
        "l": "iіιɩıӏʟł1|!", "m": "м", "n": "пηռո", "o": "оοσօø0", "p": "рρ", "q": "ԛզ", "r": "гʀ", "s": "ѕꜱ",
        "t": "тτŧ", "u": "υսʋ", "v": "ѵν", "w": "ԝωш", "x": "хχ", "y": "уүγ", "z": "ʐᴢ",
    }.items()
    for alike in alikes
}  # fmt: skip
"""Cyrillic, Greek, Armenian and extended Latin letters, case-folded, by the letter they look like in common fonts."""
_LIGATURES = (("rn", "m"), ("vv", "w"))
"""Pairs that look like one letter in common fonts."""


def _folded(text: str) -> str:
    """``text`` in NFKC and case-folded, until neither changes it (at most three rounds for any character)."""
    while (folded := unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())) != text:
        text = folded
    return text


def _collapsed(text: str) -> str:
    """``text`` without outer whitespace and with one space for each inner run."""
    return " ".join(text.split())


def _bounded(text: str, what: str) -> str:
    if len(text) > MAX_RAW_CHARACTERS:
        raise ValueError(f"the {what} is too long")
    return text


def _is_symbol(character: str) -> bool:
    """Whether a joiner may stand beside ``character``: symbols, skin tones, and what is newer than this table."""
    return unicodedata.category(character) in ("So", "Sk", "Cn")


def _check_visible(text: str, what: str) -> None:
    """Raise ``ValueError`` for characters that cannot be seen or that change how their neighbours are shown.

    The zero-width joiner and the emoji style are allowed inside emoji only.
    """
    marks = 0
    for position, character in enumerate(text):
        before = text[position - 1] if position else ""
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > MAX_MARKS:
            raise ValueError(f"the {what} has too many combining marks on one letter")
        if character == _JOINER:
            after = text[position + 1 : position + 2]
            if not (before and after and (_is_symbol(before) or before == _EMOJI_STYLE) and _is_symbol(after)):
                raise ValueError(f"the {what} has an invisible joiner")
        elif character == _EMOJI_STYLE:
            if not before or not (_is_symbol(before) or before in "0123456789#*"):
                raise ValueError(f"the {what} has an invisible character")
        elif category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or ord(character) & 0xFFFE == 0xFFFE:
            raise ValueError(f"the {what} has a control or formatting character (U+{ord(character):04X})")
        elif _INVISIBLE.match(character):
            raise ValueError(f"the {what} has an invisible character (U+{ord(character):04X})")


def fold_account(name: str) -> str:
    """The one spelling of an account name, by which accounts are compared, stored and bound into signatures.

    1 to 32 characters after folding: letters (of any script, with their marks), digits and ``._-``, first and last a
    letter or digit. Folding a folded name changes nothing. Raises ``ValueError`` with the reason.
    """
    folded = _folded(_bounded(name, "account name").strip())
    if not 1 <= len(folded) <= MAX_ACCOUNT_CHARACTERS:
        raise ValueError(f"an account name has 1 to {MAX_ACCOUNT_CHARACTERS} characters")
    for character in folded:
        if not _is_letter(character) and character not in _ACCOUNT_PUNCTUATION:
            raise ValueError("an account name has only letters, digits, dots, hyphens and underscores")
    _check_visible(folded, "account name")
    if (
        folded[0] in _ACCOUNT_PUNCTUATION
        or folded[-1] in _ACCOUNT_PUNCTUATION
        or unicodedata.category(folded[0])[0] == "M"
    ):
        raise ValueError("an account name begins and ends with a letter or a digit")
    return folded


def _is_letter(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd"


def clean_display(name: str) -> str:
    """The shown spelling of a person's or an account's name: NFKC, trimmed, one space for each run of whitespace.

    1 to 64 characters (so at most 256 bytes of UTF-8), without control, bidirectional and invisible characters.
    Cleaning a clean name changes nothing. Raises ``ValueError`` with the reason.
    """
    clean = _collapsed(unicodedata.normalize("NFKC", _bounded(name, "display name")))
    _check_visible(clean, "display name")
    if not 1 <= len(clean) <= MAX_DISPLAY_CHARACTERS:
        raise ValueError(f"a display name has 1 to {MAX_DISPLAY_CHARACTERS} characters")
    return clean


def fold_room(name: str) -> str:
    """The one spelling of a room name, by which rooms are found.

    1 to 64 characters (so at most 256 bytes of UTF-8) of any script, emoji included, no ``/``, control or invisible
    characters. Folding a folded name changes nothing. Raises ``ValueError`` with the reason.
    """
    folded = _collapsed(_folded(_bounded(name, "room name")))
    _check_visible(folded, "room name")
    if not 1 <= len(folded) <= MAX_ROOM_CHARACTERS:
        raise ValueError(f"a room name has 1 to {MAX_ROOM_CHARACTERS} characters")
    if "/" in folded:
        raise ValueError("a room name has no slash")
    return folded


def skeleton(name: str) -> str:
    """What ``name`` looks like: two names with one skeleton can be taken for each other.

    For comparison only; a skeleton is no valid name. Case, accents, the script of look-alike letters, the digits 0 and
    1, and the choice among ``._-`` and space do not count.
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", _folded(name)) if unicodedata.category(c)[0] not in "MC")
    looks = re.sub(r"[\s._-]+", "-", bare.translate(_LOOK_ALIKES))
    for pair, letter in _LIGATURES:
        looks = looks.replace(pair, letter)
    return looks


def looks(name: str) -> str:
    """What ``name`` looks like at a glance: its skeleton with the separators left out (``ad.min``), for comparison."""
    return skeleton(name).replace("-", "")


_RESERVED_LOOKS = frozenset(looks(name) for name in RESERVED)


def is_reserved(name: str) -> bool:
    """Whether ``name`` is a reserved name or looks like one."""
    return looks(name) in _RESERVED_LOOKS
