import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.cli.terminal.columns import CONTINUATION, LEAST_COLUMNS, cells, fit, fold
from tcproto.foreign import visible

PARTY = "\N{PARTY POPPER}"
FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("halo", 4), (PARTY, 2), ("e\u0301", 1), ("", 0), ("東京", 4), ("mi\u200cx", 3), (FAMILY, 6), ("\u2764\ufe0f", 2)],
)
def test_columns_of_a_text(text: str, columns: int) -> None:
    assert cells(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("halo", 4, "halo"),
        ("halo", 3, "ha…"),
        ("halo", 1, "…"),
        ("halo", 0, ""),
        (f"a{PARTY}b", 4, f"a{PARTY}b"),
        (f"a{PARTY}b", 3, "a…"),
        ("e\u0301e\u0301e", 2, "e\u0301…"),
        ("", 0, ""),
    ],
)
def test_what_fits(text: str, columns: int, shown: str) -> None:
    assert fit(text, columns) == shown


def test_a_text_of_several_lines_is_marked() -> None:
    assert fold(["one", "", "three"], None) == ["one", f"{CONTINUATION}", f"{CONTINUATION}three"]
    assert fold(["x" * 500], None) == ["x" * 500]


def test_a_text_that_a_terminal_would_wrap_is_marked_where_it_goes_on() -> None:
    forged = "halo" + " " * 76 + "12:00:00 Ibu Ketua: setuju"
    first, *rest = fold([forged], 80)
    assert first.rstrip() == "halo"
    assert all(line.startswith(CONTINUATION) for line in rest)
    assert "".join([first, *(line.removeprefix(CONTINUATION) for line in rest)]) == forged
    assert fold(["aaaaaaaaaaaa bbbbbbbbbbbbbbb"], 24) == ["aaaaaaaaaaaa ", f"{CONTINUATION}bbbbbbbbbbbbbbb"]
    assert fold(["a\tb"], 80) == ["a       b"]


@given(st.text(), st.integers(0, 100))
def test_no_line_is_wider_than_the_terminal(text: str, columns: int) -> None:
    assert cells(fit(visible(text), columns)) <= columns
    assert all(cells(line) <= max(columns, LEAST_COLUMNS) for line in fold([visible(text)], columns))
