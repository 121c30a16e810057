"""Names of accounts, participants and rooms: one spelling for comparison, one clean spelling to show.

Folding is the caseless compatibility form of the Unicode standard (NFKC and case folding, section 3.13 D146). With it
``Ａdmin`` and ``admin`` are one name. Folding keeps look-alikes apart, such as a Cyrillic ``а`` in ``аdmin``. They have
the same *skeleton* (after Unicode Technical Standard 39), which is compared and never shown.
"""

from __future__ import annotations

import re
import unicodedata

MAX_RAW_CHARACTERS = 1024
"""The most characters of input. Longer input is not read: normalization makes eighteen characters of some."""
MAX_ACCOUNT_CHARACTERS = 32
"""The most characters of an account. It is typed at every login, and stands before each name in the roster."""
MAX_DISPLAY_CHARACTERS = 64
"""The most characters of a display name, so that it fits a line of the roster. In UTF-8 it has at most 256 bytes."""
MAX_ROOM_CHARACTERS = 64
"""The most characters of a room name, so that it fits a line of a list. In UTF-8 it has at most 256 bytes."""
MAX_MARKS = 4
"""The most combining marks on one letter. More of them cover the lines above and below."""

RESERVED = frozenset({"admin", "administrator", "chair", "moderator", "operator", "root", "server", "system"})
"""Names that seem to speak for the server or for an office. Nobody else gets them, nor names that look like them."""

_ACCOUNT_PUNCTUATION = "._-"
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\ufffc\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""Characters that show nothing: default-ignorable ones of the Unicode standard, fillers, blanks, and the object
replacement that stands in place of a copied picture."""
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
"""The Latin letter that a case-folded Cyrillic, Greek, Armenian or extended Latin one looks like in common fonts."""
_LIGATURES = (("rn", "m"), ("vv", "w"))
"""Pairs of letters that look like one letter in common fonts."""


def _folded(text: str) -> str:
    """Return ``text`` in NFKC and case-folded, until neither changes it (at most three rounds for any character)."""
    while (folded := unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())) != text:
        text = folded
    return text


def _unstyled(text: str) -> str:
    """Return ``text`` without emoji and text styles behind characters that NFKC replaces, such as U+2122."""
    return re.sub(
        "(.)[\ufe0e\ufe0f]",
        lambda pair: pair[0] if unicodedata.normalize("NFKC", pair[1]) == pair[1] else pair[1],
        text,
        flags=re.DOTALL,
    )


def _collapsed(text: str) -> str:
    """Return ``text`` with one space for each run of white space, and without space and hidden characters at both ends.

    Keyboards and messengers put marks of direction and byte order around a text. Nobody sees them, so nobody removes
    them.
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
    """Tell whether the hidden character at ``position`` changes what is shown. Scripts and emoji need some of them."""
    for characters, rule in _RULES:
        if characters.match(text[position]):
            return position > 0 and rule(text, position)
    return False


def _is_styled(text: str, position: int) -> bool:
    """Tell whether an emoji or text style stands behind a symbol, or in a keycap."""
    before = text[position - 1]
    return _is_symbol(before) or before in "0123456789#*\u3030"


def _joins(text: str, position: int) -> bool:
    """Tell whether a joiner stands between symbols, in a conjunct of an Indic script, or between letters that join.

    The rules are those of RFC 5892, appendix A. Two uses are allowed besides: a joiner before a sign (Bengali
    ya-phalaa, Marathi candra a), and the zero-width joiner at the end of a word (Malayalam chillu).
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
    """Tell whether a zero-width space stands between words of a script that is written without spaces."""
    around = (text[position - 1], text[position + 1 : position + 2] or " ")
    return all(_script(character) in _UNSPACED for character in around)


def _varies_mongolian(text: str, position: int) -> bool:
    return _script(text[position - 1]) == "MONGOLIAN" and unicodedata.category(text[position - 1])[0] == "L"


def _varies_ideograph(text: str, position: int) -> bool:
    """Tell whether a variation selector stands behind an ideograph. Some people write their names with one."""
    return unicodedata.name(text[position - 1], "").startswith("CJK UNIFIED")


def _is_in_flag(text: str, position: int) -> bool:
    """Tell whether a tag belongs to the flag of a region: the black flag, tags, and their end."""
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
"""The hidden characters that may be needed, with a function of text and position that tells whether one is."""


def _script(character: str) -> str:
    """Return the script of a letter or mark: the first word of its name, or nothing where it has no name."""
    return unicodedata.name(character, "").partition(" ")[0]


def _is_cursive(character: str) -> bool:
    return _script(character) in _CURSIVE and unicodedata.category(character)[0] == "L"


def _is_symbol(character: str) -> bool:
    """Tell whether an emoji style may stand behind ``character``: a symbol, a skin tone, or an unknown one."""
    return character > "\x7f" and unicodedata.category(character) in ("So", "Sk", "Sm", "Cn")


def _check_visible(text: str, what: str) -> None:
    """Raise ``ValueError`` for characters that cannot be seen or that change how others are shown.

    Raise it also for a text in which nothing can be seen: marks need a letter to stand on.
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
    """Tell whether ``text`` has only characters that show something."""
    return not _HIDDEN.search(text) and not any(unicodedata.category(character) in _UNSHOWABLE for character in text)


def fold_account(name: str) -> str:
    """Return the one spelling of an account name, in which it is compared, stored and signed.

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
    """Return the spelling of a name that is shown: NFKC, trimmed, with one space for each run of white space.

    It has 1 to 64 characters, which are at most 256 bytes of UTF-8. Invisible characters at both ends are dropped.
    Control, bidirectional and invisible characters are refused, but for the joiners and selectors that a script or an
    emoji needs. The name has to show something. Cleaning a clean name changes nothing. Raises ``ValueError`` with the
    reason.
    """
    clean = _collapsed(unicodedata.normalize("NFKC", _unstyled(_bounded(name, "display name"))))
    _check_visible(clean, "display name")
    if not 1 <= len(clean) <= MAX_DISPLAY_CHARACTERS:
        raise ValueError(f"a display name has 1 to {MAX_DISPLAY_CHARACTERS} characters")
    return clean


def fold_room(name: str) -> str:
    """Return the one spelling of a room name, by which rooms are found.

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
    """Return what ``name`` looks like. Two names with the same skeleton can be taken for each other.

    A skeleton is for comparison only, and is not a valid name. Case, accents, the script of look-alike letters, the
    digits 0 and 1, and the choice among ``._-`` and space make no difference.
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", _folded(name)) if unicodedata.category(c)[0] not in "MC")
    looks = re.sub(r"[\s._-]+", "-", bare.translate(_LOOK_ALIKES))
    for pair, letter in _LIGATURES:
        looks = looks.replace(pair, letter)
    return looks


def looks(name: str) -> str:
    """Return the skeleton of ``name`` without separators: at a glance ``ad.min`` looks like ``admin``."""
    return skeleton(name).replace("-", "")


_RESERVED_LOOKS = frozenset(looks(name) for name in RESERVED)


def is_reserved(name: str) -> bool:
    """Tell whether ``name`` is a reserved name or looks like one."""
    return looks(name) in _RESERVED_LOOKS
