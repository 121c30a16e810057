"""Names as they are typed, and what they fold to; ``None`` where they are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tcproto.names import clean_display, fold_account, fold_room

_ACCOUNTS = [
    "dinas.kesehatan",
    "  Dinas.KESEHATAN ",
    "Ｋａｎｔｏｒ_1",
    "Straße",
    "STRASSE",
    "ẞ",
    "a\u0308ther",
    "İzmir",
    "ΣΊΣΥΦΟΣ",
    "Дума",
    "ﬁnance",
    "ǅ",
    "ᾈ",
    "कार्यालय",
    "x" * 32,
    "x" * 33,
    "",
    "two words",
    "a/b",
    "-a",
    "a.",
    "a\u202eb",
    "a\u200bb",
    "😀",
]
_ROOMS = [
    "rapat mingguan",
    " Rapat\u00a0\u2003 MINGGUAN\t",
    "Straße 9",
    "ＲＡＰＡＴ",
    "İzmir",
    "\u1e9b\u0323",
    "會議 😀",
    "rapat?&#%",
    "x" * 65,
    " ",
    "a/b",
    "a\u202eb",
    "a\x00b",
]
_DISPLAY_NAMES = [
    "Siti Aminah",
    "  Siti \t Aminah ",
    "Ｓｉｔｉ",
    "ﬁnance",
    "a\u0308ther",
    "O'Brien / 2",
    "x" * 65,
    "",
    "a\u202eb",
    "a\x07b",
]


def make() -> dict[str, Any]:
    """Accounts, rooms and display names."""
    return {
        "accounts": _folded(_ACCOUNTS, fold_account),
        "rooms": _folded(_ROOMS, fold_room),
        "display_names": _folded(_DISPLAY_NAMES, clean_display),
    }


def _folded(names: list[str], fold: Callable[[str], str]) -> list[dict[str, str | None]]:
    return [{"typed": name, "folded": _or_none(name, fold)} for name in names]


def _or_none(name: str, fold: Callable[[str], str]) -> str | None:
    try:
        return fold(name)
    except ValueError:
        return None
