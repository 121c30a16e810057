"""The turns of control connections, with a clock that each frame moves."""

from __future__ import annotations

from collections.abc import Callable

from tcserver.conference.conference import RECOVERY
from tcserver.daemon.control_turns import MAX_REST, TURN_BUDGET, ControlTurns


class Loop:
    """Calls what was called soon, in the next turn."""

    def __init__(self) -> None:
        self.now = 0.0
        self.soon: list[Callable[[], None]] = []
        self.order: list[str] = []
        self.rests: list[float] = []
        self.turns = ControlTurns(self.call_later, lambda: self.now)

    def call_later(self, rest: float, function: Callable[[], None]) -> None:
        self.rests.append(rest)
        self.soon.append(function)

    def turn(self) -> float:
        """Run one turn; how long it took."""
        began, called = self.now, list(self.soon)
        self.soon.clear()
        for function in called:
            function()
        return self.now - began


class Taker:
    def __init__(self, loop: Loop, name: str, frames: int, cost: float, *, stranger: bool = False) -> None:
        self.loop, self.name, self.frames, self.cost = loop, name, frames, cost
        self.is_stranger = stranger

    def take_turn(self) -> bool:
        self.loop.now += self.cost
        self.loop.order.append(self.name)
        self.frames -= 1
        return self.frames > 0


def test_nothing_waits_longer_than_the_budget_and_one_frame() -> None:
    loop = Loop()
    for number in range(50):
        loop.turns.want(Taker(loop, str(number), 1000, 0.0003))
    for _ in range(100):
        assert 0 < loop.turn() < TURN_BUDGET + 0.0003
    assert len(loop.soon) == 1


def test_who_sends_much_has_no_more_turns_than_who_sends_little() -> None:
    loop = Loop()
    loop.turns.want(Taker(loop, "flood", 10_000, 0.001))
    loop.turn()
    for name in ("a", "b"):
        loop.turns.want(Taker(loop, name, 3, 0.001))
    while "b" not in loop.order or loop.order.count("b") < 3:
        loop.turn()
    first = loop.order.index("a") - 1
    assert loop.order[first : first + 8].count("flood") <= 4


def test_strangers_have_what_the_members_leave_and_one_frame_at_least() -> None:
    loop = Loop()
    for number in range(1024):
        loop.turns.want(Taker(loop, f"stranger {number}", 1, 0.0003, stranger=True))
    member = Taker(loop, "member", 3, 0.0003)
    loop.turns.want(member)
    loop.turn()
    assert loop.order[:3] == ["member"] * 3
    assert set(loop.order[3:]) <= {f"stranger {number}" for number in range(4)}
    for number in range(20):
        loop.turns.want(Taker(loop, f"busy {number}", 1000, 0.0003))
    loop.order.clear()
    assert loop.turn() < TURN_BUDGET + 2 * 0.0003
    assert [name.split()[0] for name in loop.order].count("stranger") == 1


def test_who_logs_in_is_no_stranger_any_more() -> None:
    loop = Loop()
    taker = Taker(loop, "a", 2, 0.0, stranger=True)
    loop.turns.want(taker)
    taker.is_stranger = False
    loop.turn()
    loop.turn()
    assert loop.order == ["a", "a"]
    taker.is_stranger, taker.frames = True, 1
    loop.turns.want(taker)
    taker.is_stranger = False
    loop.turns.forget(taker)
    loop.turn()
    assert loop.order == ["a", "a"]
    assert not loop.soon


def test_who_is_gone_has_no_turn() -> None:
    loop = Loop()
    taker = Taker(loop, "a", 5, 0.0)
    loop.turns.want(taker)
    loop.turns.forget(taker)
    loop.turn()
    assert not loop.order
    loop.turn()
    assert not loop.soon


def test_half_of_the_time_stays_for_others_however_long_one_frame_takes() -> None:
    loop = Loop()
    loop.turns.want(Taker(loop, "long", 100, 0.025))
    took = sum(loop.turn() for _ in range(20))
    assert sum(loop.rests) >= took - 0.025
    # A connection that comes in such a rest waits for its end, too.
    loop.turns.want(Taker(loop, "short", 1, 0.0001))
    assert len(loop.soon) == 1


def test_short_frames_take_no_rest() -> None:
    loop = Loop()
    loop.turns.want(Taker(loop, "a", 1000, 0.0005))
    for _ in range(20):
        loop.turn()
    assert not any(loop.rests)


def test_a_process_that_was_stopped_in_a_turn_soon_hears_its_clients() -> None:
    loop = Loop()
    loop.turns.want(Taker(loop, "stopped", 2, 13.0))
    loop.turn()
    assert loop.rests == [0.0, MAX_REST]
    assert MAX_REST < RECOVERY
