import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.names import (
    MAX_RAW_CHARACTERS,
    RESERVED,
    clean_display,
    fold_account,
    fold_room,
    is_reserved,
    skeleton,
)

CLEANERS = [fold_account, clean_display, fold_room]
Cleaner = Callable[[str], str]


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Kantor-A", "kantor-a"),
        ("  kantor_b.1 ", "kantor_b.1"),
        ("Ｋａｎｔｏｒ", "kantor"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Äther", "äther"),
        ("a\u0308ther", "äther"),
        ("ﬁnance", "finance"),
        ("Дума", "дума"),
        ("कार्यालय", "कार्यालय"),
        ("x" * 32, "x" * 32),
    ],
)
def test_account_names_fold_to_one_spelling(name: str, folded: str) -> None:
    assert fold_account(name) == folded


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "1 to 32"),
        ("   ", "1 to 32"),
        ("x" * 33, "1 to 32"),
        ("\ufdfa" * 3, "1 to 32"),
        ("two words", "only letters"),
        ("a/b", "only letters"),
        ("a\x00b", "only letters"),
        ("a\u202eb", "only letters"),
        ("a\u200bb", "only letters"),
        ("😀", "only letters"),
        ("a\u3164b", "invisible"),
        ("-a", "begins and ends"),
        ("a.", "begins and ends"),
        ("...", "begins and ends"),
        ("\u0301a", "begins and ends"),
        ("a\ud800", "only letters"),
        ("x" * (MAX_RAW_CHARACTERS + 1), "too long"),
    ],
)
def test_bad_account_names_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fold_account(name)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("  Siti   Rahma ", "Siti Rahma"),
        ("Siti\u00a0\t\nRahma", "Siti Rahma"),
        ("Ｓｉｔｉ", "Siti"),
        ("O'Brien / 2", "O'Brien / 2"),
        ("日本語 太郎", "日本語 太郎"),
        ("محمد", "محمد"),
        ("👩\u200d💻 Ada", "👩\u200d💻 Ada"),
        ("☎\ufe0f desk", "☎\ufe0f desk"),
    ],
)
def test_display_names_are_cleaned(name: str, clean: str) -> None:
    assert clean_display(name) == clean


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "1 to 64"),
        (" \t\n", "1 to 64"),
        ("x" * 65, "1 to 64"),
        ("😀" * 65, "1 to 64"),
        ("\U0001f600" * 64 + "x", "1 to 64"),
        ("a\x07b", "control"),
        ("a\u202eb", "control"),
        ("a\u2066b", "control"),
        ("a\u200bb", "control"),
        ("\ufeffa", "control"),
        ("a\ud800", "control"),
        ("a\uffff", "control"),
        ("a\u200db", "joiner"),
        ("👩\u200d", "joiner"),
        ("\u200d👩", "joiner"),
        ("a\ufe0f", "invisible"),
        ("\ufe0f", "invisible"),
        ("a\u2800", "invisible"),
        ("a\U000e0067", "control"),
        ("a\U000e01ef", "invisible"),
        ("a" + "\u0488" * 5, "marks"),
    ],
)
def test_bad_display_names_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        clean_display(name)


def test_the_longest_names_have_256_bytes() -> None:
    full = "\U0001f600" * 64
    assert len(full.encode()) == 256
    assert clean_display(full) == full
    assert fold_room(full) == full


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Rapat  Pagi", "rapat pagi"),
        ("🎉", "🎉"),
        ("🏴\u200d☠\ufe0f pirates", "🏴\u200d☠\ufe0f pirates"),
        ("5\ufe0f\u20e3", "5\ufe0f\u20e3"),
        ("👨🏽\u200d🚀", "👨🏽\u200d🚀"),
        ("\U0001fae8", "\U0001fae8"),
        ("❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"),
        ("会議室", "会議室"),
    ],
)
def test_room_names_fold_and_may_be_emoji(name: str, folded: str) -> None:
    assert fold_room(name) == folded


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "1 to 64"),
        ("x" * 65, "1 to 64"),
        ("a/b", "slash"),
        ("a\uff0fb", "slash"),
        ("a\x00b", "control"),
        ("a\u202eb", "control"),
        ("r" * (MAX_RAW_CHARACTERS + 1), "too long"),
    ],
)
def test_bad_room_names_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fold_room(name)


TRANSFORMED = [
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.normalize("NFKC", character) != character or character.casefold() != character
]


@pytest.mark.parametrize("clean", CLEANERS)
def test_every_transformed_character_is_refused_or_stable(clean: Cleaner) -> None:
    assert len(TRANSFORMED) > 5000
    for character in TRANSFORMED:
        name = f"a{character}b"
        try:
            result = clean(name)
        except ValueError:
            continue
        assert clean(result) == result, hex(ord(character))


@pytest.mark.parametrize("clean", CLEANERS)
@given(name=st.text(st.characters(), max_size=80))
def test_any_text_is_refused_or_stable(clean: Cleaner, name: str) -> None:
    try:
        result = clean(name)
    except ValueError:
        return
    assert clean(result) == result
    assert unicodedata.normalize("NFKC", result) == result
    assert 1 <= len(result) <= 64
    result.encode()
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in result)


@given(name=st.text(max_size=60))
def test_a_skeleton_ignores_case_and_width(name: str) -> None:
    assert skeleton(name) == skeleton(unicodedata.normalize("NFKC", name).casefold())


@pytest.mark.parametrize(
    "name",
    [
        *RESERVED,
        "ADMIN",
        "аdmin",
        "admіn",
        "Αdmin",
        "ѕуѕtеm",
        "adm1n",
        "r00t",
        "ad.min",
        "s-e_r v.e r",
        "ädmin",
        "adrnin",
        "Ａｄｍｉｎ",
    ],
)
def test_reserved_names_and_their_look_alikes_are_reserved(name: str) -> None:
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["kantor", "badminton", "chairman-1", "rooted", "администратор"])
def test_other_names_are_free(name: str) -> None:
    assert not is_reserved(name)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("kantor-1", "kantor-l", True),
        ("kantor-1", "kantor_1", True),
        ("kantor-0", "kantor-o", True),
        ("вата", "bata", True),
        ("kantor-1", "kantor-2", False),
        ("team-1-12", "team-11-2", False),
    ],
)
def test_skeletons_tell_what_can_be_taken_for_each_other(one: str, other: str, alike: bool) -> None:
    assert (skeleton(one) == skeleton(other)) is alike
