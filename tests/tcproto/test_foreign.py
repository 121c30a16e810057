import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.foreign import HIDDEN, visible, visible_lines
from tcproto.names import MAX_MARKS

ANY_TEXT = st.text(st.characters(codec=None))
REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
UNSEEN = [
    *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)),
    "\u2028", "\u2029", "\ud800", "\udfff", "\ue000", "\U000f0000", "\ufffe", "\U0010ffff", "\ufff9", "\ufff0",
    *REORDERING, "\ufeff", "\u2060", "\u2061", "\u206a", "\u180e", "\U000e0041", "\U000e007f", "\U0001d173",
    "\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\u17b4",
]  # fmt: skip


@pytest.mark.parametrize("character", UNSEEN, ids=lambda character: f"{ord(character):04x}")
def test_what_a_terminal_obeys_or_does_not_show(character: str) -> None:
    assert visible(f"a{character}b") == f"a{HIDDEN}b"


@pytest.mark.parametrize(
    "text",
    [
        "Kepala Dinas",
        "mi\u200cxaham می\u200cرود",
        "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL} \u2764\ufe0f 1\ufe0f\u20e3",
        "क\u094d\u200dष",
        "co\u00adoperation",
        "שלום\u200f! abc\u200e (x) y",
        "\u0600\u0661",
        "ភាសា\u200bខ្មែរ",
        "ꦲꦏ\u200bꦱꦫ",
        "東京\u3000\U000e0100",
        "e\u0301\u0302",
        "\N{PARTY POPPER}",
        "\U0001fa89",  # of a version of Unicode that this Python may not know
        "",
    ],
)
def test_what_scripts_need_stays(text: str) -> None:
    assert visible(text) == text
    assert visible_lines(text) == [text]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("abc\u200f", f"abc{HIDDEN}"),
        ("\u200eabc", f"{HIDDEN}abc"),
        ("abc\u200f: 12", f"abc{HIDDEN}: 12"),
        ("abc \u200f def", "abc \u200f def"),
        ("\u0301abc", f"{HIDDEN}abc"),
        ("a\u202e\u0301", f"a{HIDDEN}{HIDDEN}"),
        ("a" + "\u0301" * (MAX_MARKS + 2), "a" + "\u0301" * MAX_MARKS + HIDDEN * 2),
        ("a\u200bb", f"a{HIDDEN}b"),
        ("one\ntwo\tthree", f"one{HIDDEN}two{HIDDEN}three"),
    ],
)
def test_what_would_reach_beyond_the_text(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a\nb\r\nc", ["a", "b", "c"]),
        ("a\n", ["a", ""]),
        ("a\rb\x0bc\x0cd\x1ce\x85f\u2028g", [HIDDEN.join("abcdefg")]),
        ("\ta\tb", ["\ta\tb"]),
        ("a\u202e\nb", [f"a{HIDDEN}", "b"]),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    assert visible_lines(text) == lines


@given(ANY_TEXT)
def test_any_text_is_harmless(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    assert visible(shown) == shown
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in REORDERING for c in shown)
    assert "\n" not in "".join(visible_lines(text))
