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
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\ufffc\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""What shows nothing: default-ignorable characters of the Unicode standard, fillers, blanks, and the object replacement
that stands where a picture was copied."""
_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

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


def _unstyled(text: str) -> str:
    """``text`` without the emoji or text style of characters that NFKC puts another in place of, as of U+2122."""
    return re.sub(
        "(.)[\ufe0e\ufe0f]",
        lambda pair: pair[0] if unicodedata.normalize("NFKC", pair[1]) == pair[1] else pair[1],
        text,
        flags=re.DOTALL,
    )


def _collapsed(text: str) -> str:
    """``text`` with one space for each inner run of white space, and no outer ones, nor invisible characters there.

    Keyboards and messengers put marks of direction and byte order around what is written; nobody sees them to remove.
    """
    start, end = 0, len(text)
    while start < end and (text[start].isspace() or _HIDDEN.match(text[start])):
        start += 1
    text = text[start:]
    end = len(text)
    while end and (text[end - 1].isspace() or (_HIDDEN.match(text[end - 1]) and not _is_needed(text[:end], end - 1))):
        end -= 1
    return " ".join(text[:end].split())


def _bounded(text: str, what: str) -> str:
    if len(text) > MAX_RAW_CHARACTERS:
        raise ValueError(f"the {what} is too long")
    return text


def _is_needed(text: str, position: int) -> bool:
    """Whether the hidden character there changes what is shown: scripts and emoji need some, each in its place."""
    for characters, rule in _RULES:
        if characters.match(text[position]):
            return position > 0 and rule(text, position)
    return False


def _is_styled(text: str, position: int) -> bool:
    """An emoji or text style stands behind a symbol, or in a keycap."""
    before = text[position - 1]
    return _is_symbol(before) or before in "0123456789#*\u3030"


def _joins(text: str, position: int) -> bool:
    """A joiner stands between symbols, in the conjuncts of Indic scripts, and between letters that are written joined.

    As in RFC 5892, appendix A, with what is written besides: a joiner before a sign (Bengali ya-phalaa, Marathi candra
    a), and the zero-width joiner at the end of a word (Malayalam chillu).
    """
    before, after = text[position - 1], text[position + 1 : position + 2]
    if text[position] == "\u200d" and after and _is_symbol(after) and (_is_symbol(before) or before in "\ufe0e\ufe0f"):
        return True
    virama = unicodedata.combining(before) == _VIRAMA
    if not after or not _is_letter(after):
        return virama and text[position] == "\u200d"
    if _script(before) == _script(after) and unicodedata.bidirectional(text[position + 1]) in ("L", "NSM"):
        return virama or unicodedata.category(after)[0] == "M"
    while position > 1 and unicodedata.category(text[position - 1]) == "Mn":
        position -= 1
    return _is_cursive(after) and (_is_cursive(text[position - 1]) or unicodedata.category(text[position - 1]) == "Nd")


def _separates_words(text: str, position: int) -> bool:
    """A zero-width space stands between words of scripts that are written without spaces."""
    around = (text[position - 1], text[position + 1 : position + 2] or " ")
    return all(_script(character) in _UNSPACED for character in around)


def _varies_mongolian(text: str, position: int) -> bool:
    return _script(text[position - 1]) == "MONGOLIAN" and unicodedata.category(text[position - 1])[0] == "L"


def _varies_ideograph(text: str, position: int) -> bool:
    """A variation selector behind an ideograph: people write their names so."""
    return unicodedata.name(text[position - 1], "").startswith("CJK UNIFIED")


def _is_in_flag(text: str, position: int) -> bool:
    """A tag in the flag of a region: the black flag, tags, and their end."""
    return any(flag.start() < position < flag.end() for flag in _FLAG.finditer(text))


_VIRAMA = 9
"""Canonical combining class of the sign that binds consonants."""
_UNSPACED = frozenset({"KHMER", "LAO", "MYANMAR", "THAI"})
_CURSIVE = frozenset({"ADLAM", "ARABIC", "MANDAIC", "MONGOLIAN", "NKO", "SYRIAC"})
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
_RULES = (
    (re.compile("[\ufe0e\ufe0f]"), _is_styled),
    (re.compile("[\u200c\u200d]"), _joins),
    (re.compile("\u200b"), _separates_words),
    (re.compile("[\u180b-\u180f]"), _varies_mongolian),
    (re.compile("[\ufe00-\ufe02\U000e0100-\U000e01ef]"), _varies_ideograph),
    (re.compile("[\U000e0020-\U000e007f]"), _is_in_flag),
)
"""Which hidden characters may be needed, and what tells whether one is, by the text and its position (1 or more)."""


def _script(character: str) -> str:
    """The script of a letter or mark, as the first word of its name; nothing for what has no name."""
    return unicodedata.name(character, "").partition(" ")[0]


def _is_cursive(character: str) -> bool:
    return _script(character) in _CURSIVE and unicodedata.category(character)[0] == "L"


def _is_symbol(character: str) -> bool:
    """Whether an emoji style may stand behind ``character``: symbols, skin tones, and what is newer than this table."""
    return character > "\x7f" and unicodedata.category(character) in ("So", "Sk", "Sm", "Cn")


def _check_visible(text: str, what: str) -> None:
    """Raise ``ValueError`` for characters that cannot be seen or that change how their neighbours are shown.

    Also for a text in which nothing can be seen: marks need something to stand on.
    """
    marks = 0
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        hidden = _HIDDEN.match(character)
        if hidden and _is_needed(text, position):
            continue
        if hidden or category in _UNSHOWABLE or ord(character) & 0xFFFE == 0xFFFE:
            place = f" behind {text[max(0, position - 8) : position]!r}" if position else ""
            raise ValueError(f"the {what} has a control or invisible character (U+{ord(character):04X}){place}")
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > MAX_MARKS:
            raise ValueError(f"the {what} has too many combining marks on one letter")
    if text and all(unicodedata.category(character)[0] in "MZ" or _HIDDEN.match(character) for character in text):
        raise ValueError(f"the {what} shows nothing")


def shows(text: str) -> bool:
    """Whether ``text`` has only characters that show something."""
    return not _HIDDEN.search(text) and not any(unicodedata.category(character) in _UNSHOWABLE for character in text)


def fold_account(name: str) -> str:
    """The one spelling of an account name, by which accounts are compared, stored and bound into signatures.

    1 to 32 characters after folding: letters (of any script, with their marks), digits and ``._-``, first and last a
    letter or digit. Folding a folded name changes nothing. Raises ``ValueError`` with the reason.
    """
    folded = _collapsed(_folded(_unstyled(_bounded(name, "account name"))))
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

    1 to 64 characters (so at most 256 bytes of UTF-8), without control, bidirectional and invisible characters, but for
    the joiners and selectors that a script or an emoji needs; outer ones are dropped. Something has to be seen.
    Cleaning a clean name changes nothing. Raises ``ValueError`` with the reason.
    """
    clean = _collapsed(unicodedata.normalize("NFKC", _unstyled(_bounded(name, "display name"))))
    _check_visible(clean, "display name")
    if not 1 <= len(clean) <= MAX_DISPLAY_CHARACTERS:
        raise ValueError(f"a display name has 1 to {MAX_DISPLAY_CHARACTERS} characters")
    return clean


def fold_room(name: str) -> str:
    """The one spelling of a room name, by which rooms are found.

    1 to 64 characters (so at most 256 bytes of UTF-8) of any script, emoji included, no ``/``, control or invisible
    characters. Folding a folded name changes nothing. Raises ``ValueError`` with the reason.
    """
    folded = _collapsed(_folded(_unstyled(_bounded(name, "room name"))))
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
