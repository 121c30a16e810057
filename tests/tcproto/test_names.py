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
        ("\u200ekantor-1\ufeff", "kantor-1"),
        ("\u2066kantor-1\u2069 ", "kantor-1"),
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
        ("\u3164", "1 to 32"),
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
        ("a\u202eb", "U\\+202E.* behind 'a'"),
        ("a\u2066b", "control"),
        ("a\u200bb", "control"),
        ("a\ud800", "control"),
        ("a\uffff", "control"),
        ("a\u200db", "invisible"),
        ("a\ufe0fb", "invisible"),
        ("a\ufe0eb", "invisible"),
        ("a\u2800b", "invisible"),
        ("a\ufffcb", "invisible"),
        ("a\U000e0067b", "invisible"),
        ("a\U000e01efb", "invisible"),
        ("a\u180bb", "invisible"),
        ("a\u200cb", "invisible"),
        ("ab\u200c\u0628", "invisible"),
        ("\u0628\u200cb", "invisible"),
        ("\u0628\u200c\u200c\u0628", "invisible"),
        ("\u0915\u200c\u0937", "invisible"),
        ("\u0915\u094d\u200d\u200d\u0937", "invisible"),
        ("\u0915" + "\u200d\u0945" * 5, "marks"),
        ("🏴\U000e0067b", "invisible"),
        ("a\u0600", "control"),
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


NEEDED = [
    "علی\u200cرضا محمدی",
    "می\u200cخواهم",
    "مُ\u200cحم",
    "۲۰\u200cساله",
    "ශ්\u200dරී ලංකා",
    "പ്രവീണ്\u200d",
    "പ്രവീണ്\u200d നായർ",
    "क्\u200cष",
    "क्\u200dष",
    "अ\u200dॅड. प्रकाश",
    "র\u200d্য",
    "ত্\u200d",
    "ರ\u200d್ಯ",
    "ស៊\u200cី",
    "សុខ\u200bសាន្ត",
    "ᠮᠣᠩᠭᠣᠯ\u180b",
    "葛\U000e0100城",
    "辻\U000e0101",
    "☎\ufe0e",
    "↔\ufe0f x",
    "〰\ufe0f",
    "🙂\u200d↔\ufe0f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
]


@pytest.mark.parametrize("name", NEEDED)
def test_what_a_script_or_an_emoji_needs_is_kept(name: str) -> None:
    assert clean_display(name) == name
    assert fold_room(name) == name
    assert clean_display(f"\u200e{name}\u200f ") == name


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("Ann ™\ufe0f", "Ann TM"),
        ("ℹ\ufe0f Front desk", "i Front desk"),
        ("Ⓜ\ufe0fetro", "Metro"),
        ("㊗\ufe0f", "祝"),
        ("Hey‼\ufe0f", "Hey!!"),
        ("🈂\ufe0f", "サ"),
    ],
)
def test_a_style_goes_with_the_character_that_had_it(name: str, clean: str) -> None:
    assert clean_display(name) == clean


MARKS = "\u00ad\u200b\u200c\u200d\u200e\u200f\u061c\u202a\u2060\u2068\ufeff\ufe0f\u3164\u2800\u115f\ufffc\U000e0067"


@pytest.mark.parametrize("mark", MARKS)
def test_an_invisible_mark_at_the_ends_is_outer_space(mark: str) -> None:
    for name in (f"{mark}Siti", f"Siti{mark}", f"{mark} {mark}Siti {mark}{mark}"):
        assert clean_display(name) == "Siti"
        assert fold_room(name) == fold_account(name) == "siti"


NOTHING = [
    *("\u3164", "\u2800", "\u115f\u1160", "\uffa0", "\u200b", "\ufe0f", "\u180e", "\u00ad", "\ufffc", "\U0001d159"),
    *("\u0301", "\u0301 \u0308", "\u0488", "\u200d \u0301", "\u17b4", "\U00016fe4", "\u093e", "\u00a8"),
]


@pytest.mark.parametrize("clean", CLEANERS)
@pytest.mark.parametrize("name", NOTHING)
def test_a_name_that_shows_nothing_is_refused(clean: Cleaner, name: str) -> None:
    with pytest.raises(ValueError, match=r"1 to|shows nothing|begins and ends|only letters") as caught:
        clean(name)
    assert str(caught.value).isprintable()


HIDDEN = st.sampled_from(
    "\u200b\u200c\u200d\ufe0e\ufe0f\u180b\U000e0100\U000e0067\U000e007f\u200e\u3164\u0301™↔क्षअॅبر۵ក។ᠮ葛🏴☎ a"
)


@pytest.mark.parametrize("clean", CLEANERS)
@given(name=st.text(HIDDEN, max_size=12))
def test_hidden_characters_are_refused_or_stable(clean: Cleaner, name: str) -> None:
    try:
        result = clean(name)
    except ValueError:
        return
    assert clean(result) == result
    assert any(unicodedata.category(character)[0] in "LNPS" for character in result)


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
        *sorted(RESERVED),
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
