import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.line_editor import MAX_TYPED, LineEditor, cells, head, tail

PARTY = "\N{PARTY POPPER}"


@pytest.mark.parametrize(
    ("keys", "lines", "text"),
    [
        ("halo", [], "halo"),
        ("halo\nsemua\rx", ["halo", "semua"], "x"),
        ("\n", [""], ""),
        (f"{PARTY}a\x7f\x7fb", [], "b"),
        ("\x7f\b", [], ""),
        ("satu dua  tiga \x17empat", [], "satu dua  empat"),
        ("satu\x17", [], ""),
        ("satu dua\x15tiga", [], "tiga"),
        ("a\x1b[Ab\x1b[1;5Cc\x1bOPd\x1bxe\x1b[200~f", [], "abcdef"),
        ("a\x00\x01\x04\tb\x9bc", [], "abc"),
        ("x" * (MAX_TYPED + 5) + "\x7fy", [], "x" * (MAX_TYPED - 1) + "y"),
    ],
)
def test_keys(keys, lines, text):
    editor = LineEditor()
    assert (editor.feed(keys.encode()), editor.text) == (lines, text)
    one_by_one = LineEditor()
    found = [line for byte in keys.encode() for line in one_by_one.feed(bytes((byte,)))]
    assert (found, one_by_one.text) == (lines, text)


@given(st.lists(st.binary(max_size=20)))
def test_any_bytes_are_printable_text_or_nothing(chunks):
    editor = LineEditor()
    lines = [line for chunk in chunks for line in editor.feed(chunk)]
    assert all(line.isprintable() for line in [*lines, editor.text])
    whole = LineEditor()
    assert (whole.feed(b"".join(chunks)), whole.text) == (lines, editor.text)


@pytest.mark.parametrize(
    ("text", "columns", "first", "last"),
    [
        ("halo", 4, "halo", "halo"),
        ("halo", 3, "hal", "alo"),
        ("halo", 0, "", ""),
        (f"a{PARTY}b", 3, f"a{PARTY}", f"{PARTY}b"),
        (f"a{PARTY}b", 2, "a", "b"),
        ("e\u0301e", 1, "e\u0301", "e"),
        ("", 5, "", ""),
    ],
)
def test_what_fits_into_so_many_columns(text, columns, first, last):
    assert (head(text, columns), tail(text, columns)) == (first, last)
    assert sum(map(cells, first)) <= columns
