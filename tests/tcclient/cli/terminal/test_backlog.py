import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.cli.terminal.backlog import MAX_WAITING, Backlog


def test_the_oldest_go_and_are_counted() -> None:
    backlog = Backlog(10)
    for line in ("aaaa", "bbbb", "cccc", "dddd"):
        backlog.put(line)
    assert (len(backlog), backlog.lost) == (2, 2)
    assert [backlog.take(), backlog.take()] == [(2, "cccc"), (0, "dddd")]
    with pytest.raises(IndexError):
        backlog.take()


def test_a_line_that_is_longer_than_everything_that_may_wait() -> None:
    backlog = Backlog(10)
    backlog.put("a")
    backlog.put("b" * 100)
    assert backlog.take() == (1, "b" * 100)
    backlog.put("c")
    assert backlog.take() == (0, "c")


def test_what_waits_is_bounded() -> None:
    backlog = Backlog()
    for _ in range(3):
        backlog.put("x" * (MAX_WAITING // 2))
    assert (len(backlog), backlog.lost) == (2, 1)


@given(st.lists(st.one_of(st.none(), st.text(max_size=6))))
def test_every_line_is_taken_or_counted(steps: list[str | None]) -> None:
    backlog = Backlog(12)
    told = put = 0
    for step in steps:
        if step is not None:
            backlog.put(step)
            put += 1
        elif len(backlog):
            told += 1 + backlog.take()[0]
    assert told + len(backlog) + backlog.lost == put
