import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.cli.terminal.columns import cells
from tcclient.cli.terminal.status_line import Status, status_line

WORST = Status("muted", "muted", "UDP unknown", 100.0, 100.0, 1234.5, 500, ("Kementerian Dalam Negeri / Sekretaris",))


def test_the_usual_line() -> None:
    status = Status("on", "off", "UDP ok", 0.0, 1.25, 12.3, 3, ("Kantor Dua / Budi",))
    assert status_line(status, 79) == (
        "mic on, cam off | UDP ok | loss up 0.0% down 1.2% | speaking: Kantor Dua / Budi"
    )
    assert status_line(status, 120) == (
        "mic on, cam off | UDP ok | loss up 0.0% down 1.2% | 3 here | RTT 12 ms | speaking: Kantor Dua / Budi"
    )
    assert status_line(Status(), 100).endswith("| speaking: nobody")


def test_what_is_needed_is_there_at_80_columns_whatever_happens() -> None:
    line = status_line(WORST, 79)
    assert line.startswith("mic muted, cam muted | UDP unknown | loss up 100% down 100% | speaking: Kem")
    assert cells(line) <= 79


@pytest.mark.parametrize(
    ("speaking", "end"),
    [
        (("A / a", "B / b"), "speaking: A / a, B / b"),
        (tuple("東京都庁 / 知事" for _ in range(5)), "speaking: 東京都庁 / 知… +4"),
        (("x" * 100, "y"), "speaking: xxxxxxxxxxxxx… +1"),
        (("a\u202e\n\x1b[2J",), "speaking: a\ufffd\ufffd\ufffd[2J"),
    ],
)
def test_who_speaks(speaking: tuple[str, ...], end: str) -> None:
    line = status_line(Status("on", "off", "UDP ok", speaking=speaking), 79)
    assert line.endswith(end)
    assert cells(line) <= 79


@given(st.lists(st.text(), max_size=4), st.integers(0, 200))
def test_it_is_never_wider_than_the_terminal(speaking: list[str], columns: int) -> None:
    line = status_line(Status("on", "muted", "stream lost", 3.0, 50.0, 12.0, 7, tuple(speaking)), columns)
    assert cells(line) <= columns
    assert "\n" not in line
