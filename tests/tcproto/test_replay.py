from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tcproto.datagram import MAX_COUNTER
from tcproto.replay import SEALER_WINDOW, SESSION_WINDOW, CompactWindow, ReplayWindow, Verdict

SIZES = [1, 2, 64, SESSION_WINDOW, SEALER_WINDOW]


def accept(window: ReplayWindow, *counters: int) -> None:
    for counter in counters:
        assert window.check(counter) is Verdict.NEW
        window.commit(counter)


@pytest.mark.parametrize("size", SIZES)
def test_in_order(size: int) -> None:
    window = ReplayWindow(size)
    for counter in range(3 * size):
        accept(window, counter)
        assert window.check(counter) is Verdict.DUPLICATE


@pytest.mark.parametrize("size", SIZES)
def test_edges_of_the_window(size: int) -> None:
    window = ReplayWindow(size)
    top = 5 * size
    accept(window, top)
    assert window.check(top - size) is Verdict.OLD
    for counter in range(top - size + 1, top):
        accept(window, counter)
        assert window.check(counter) is Verdict.DUPLICATE
    accept(window, top + 1)
    assert window.check(top - size + 1) is Verdict.OLD


@pytest.mark.parametrize("jump", [63, 64, 65, 128, 6400, 1 << 32, MAX_COUNTER])
def test_a_jump_forgets_what_it_passes(jump: int) -> None:
    window = ReplayWindow(64)
    accept(window, *range(64))
    accept(window, 63 + jump if jump < MAX_COUNTER else MAX_COUNTER)
    assert window.highest == min(63 + jump, MAX_COUNTER)
    for counter in range(window.highest - 63, window.highest):
        assert window.check(counter) is (Verdict.DUPLICATE if counter < 64 else Verdict.NEW)
    assert window.check(window.highest - 64) is Verdict.OLD


def test_checking_changes_nothing() -> None:
    window = ReplayWindow(64)
    accept(window, 10)
    assert window.check(1000) is Verdict.NEW
    assert window.highest == 10
    accept(window, 9)


def test_the_largest_counter() -> None:
    window = ReplayWindow(64)
    accept(window, MAX_COUNTER, MAX_COUNTER - 1)
    assert window.check(MAX_COUNTER) is Verdict.DUPLICATE
    assert window.check(MAX_COUNTER + 1) is Verdict.AHEAD


def test_below_the_lowest_is_refused_for_ever() -> None:
    window = ReplayWindow(64, lowest=1000)
    assert window.highest == 999
    assert window.check(999) is Verdict.OLD
    accept(window, 1001, 1000)
    assert window.check(999) is Verdict.OLD
    assert window.check(0) is Verdict.OLD


@pytest.mark.parametrize("counter", [5, 20, -1])
def test_committing_what_is_not_new_is_refused(counter: int) -> None:
    window = ReplayWindow(8)
    accept(window, 20)
    with pytest.raises(ValueError, match="not new"):
        window.commit(counter)
    assert window.check(20) is Verdict.DUPLICATE


def test_a_forged_far_counter_cannot_push_honest_ones_out() -> None:
    size = SEALER_WINDOW
    window = ReplayWindow(size, lowest=100, confirmed=100)
    assert window.check(100 + size) is Verdict.AHEAD
    accept(window, 100 + size - 1)  # the worst that a member can forge
    accept(window, *range(100, 200))
    window.confirm(200)
    accept(window, 200 + size - 1)
    accept(window, *range(200, 300))
    assert window.check(200 + size) is Verdict.AHEAD


def test_a_confirmation_never_lowers_the_ceiling() -> None:
    window = ReplayWindow(64, confirmed=1000)
    window.confirm(10)
    assert window.ceiling == 1063
    window.confirm(MAX_COUNTER)
    assert window.ceiling == MAX_COUNTER
    unbounded = ReplayWindow(64)
    unbounded.confirm(10)
    accept(unbounded, MAX_COUNTER)


class Window(RuleBasedStateMachine):
    """Against a model that remembers every counter."""

    SIZE = 16

    def __init__(self) -> None:
        super().__init__()
        self.lowest = 40
        self.confirmed = 40
        self.seen: set[int] = set()
        self.window = ReplayWindow(self.SIZE, self.lowest, self.confirmed)

    def expected(self, counter: int) -> Verdict:
        if counter >= self.confirmed + self.SIZE:
            return Verdict.AHEAD
        if counter < self.lowest or counter <= max(self.seen, default=0) - self.SIZE:
            return Verdict.OLD
        return Verdict.DUPLICATE if counter in self.seen else Verdict.NEW

    @rule(offset=st.integers(-2 * SIZE, 2 * SIZE), from_top=st.booleans())
    def receive(self, offset: int, from_top: bool) -> None:
        counter = max((self.window.highest if from_top else self.confirmed) + offset, 0)
        verdict = self.window.check(counter)
        assert verdict is self.expected(counter)
        if verdict is Verdict.NEW:
            self.window.commit(counter)
            self.seen.add(counter)

    @rule()
    def receive_next(self) -> None:
        self.receive(1, True)

    @rule(step=st.integers(0, SIZE) | st.integers(0, 1 << 40))
    def confirm(self, step: int) -> None:
        self.window.confirm(self.confirmed + step)
        self.confirmed = max(self.confirmed, min(self.confirmed + step, MAX_COUNTER - 3 * self.SIZE))

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        counter = data.draw(st.sampled_from(sorted(self.seen)))
        assert self.window.check(counter) is not Verdict.NEW

    @invariant()
    def honest_counters_are_never_old(self) -> None:
        for counter in range(self.confirmed, self.confirmed + self.SIZE):
            assert self.window.check(counter) in (Verdict.NEW, Verdict.DUPLICATE)


Window.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWindow = Window.TestCase


@given(
    st.integers(1, 80),
    st.integers(0, 50),
    st.lists(st.one_of(st.integers(0, 300), st.integers(0, MAX_COUNTER)), max_size=200),
)
def test_the_compact_window_is_the_same_window(size: int, lowest: int, counters: list[int]) -> None:
    window, compact = ReplayWindow(size, lowest), CompactWindow(size, lowest)
    for counter in counters:
        verdict = window.check(counter)
        assert compact.check(counter) is verdict
        if verdict is Verdict.NEW:
            window.commit(counter)
            compact.commit(counter)
        else:
            with pytest.raises(ValueError, match="not new"):
                compact.commit(counter)
        assert compact.highest == window.highest


@pytest.mark.no_cover  # the tracer takes memory of its own
def test_the_compact_window_is_small() -> None:
    tracemalloc.start()
    windows = [CompactWindow(1024) for _ in range(100)]
    for window in windows:
        accept(window, 5000, 4500)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(windows) < 400
