"""The way back after a loss: when it is tried, when it ends, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tcclient.attendance import Attendance
from tcclient.core import Phase, events
from tcclient.errors import ConnectError, DishonestServer, JoinRefused, NoReply
from tcclient.events import Reconnected, Reconnecting
from tcproto.errors import Action, ErrorCode

LOST = events.Detached(None, "the connection was lost")
GOING = events.Closed(ErrorCode.SHUTDOWN, "", Action.RECONNECT, 60)
JOINED: Any = object()


class World:
    """A room that was lost; ``outcomes`` are those of the attempts to come back, the last for all that follow."""

    def __init__(self, *outcomes: Any, waits: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        self.outcomes = list(outcomes)
        self.told: list[Any] = []
        self.unanswered: list[Exception] = []
        self.phase_after = Phase.ROOM
        session = SimpleNamespace(phase=Phase.DETACHED)
        self.connection: Any = SimpleNamespace(session=session, seat_lost=self.unanswered.append)
        self.tasks: list[asyncio.Task[None]] = []
        self.it = Attendance(self.connection, self._spawn, self.told.append, self.told.append, self._go_on, waits)
        if outcomes:
            self.it.come_back = self._come_back

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(work))

    def _go_on(self) -> None:
        self.told.append("goes on")

    async def _come_back(self, connection: Any) -> Any:
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        connection.session.phase, self.phase_after = self.phase_after, Phase.ROOM
        return outcome

    async def over(self) -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*self.tasks)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def attempts(told: list[Any]) -> list[int]:
    return [event.attempt for event in told if isinstance(event, Reconnecting)]


def test_without_a_way_back_a_loss_is_the_end() -> None:
    async def test() -> None:
        world = World()
        world.it.lost(LOST)
        world.it.lost(GOING)
        assert [(e.code, e.text, e.action) for e in world.told] == [
            (None, "the connection was lost", Action.RECONNECT),
            (ErrorCode.SHUTDOWN, "the server is going down", Action.RECONNECT),
        ]

    run(test)


def test_a_loss_that_says_stop_is_the_end() -> None:
    async def test() -> None:
        world = World(None)
        closed = events.Closed(ErrorCode.REPLACED, "another one", Action.STOP)
        world.it.lost(closed)
        assert (world.told, world.tasks) == ([closed], [])

    run(test)


def test_attempts_are_told_and_repeated_until_the_seat_is_resumed() -> None:
    async def test() -> None:
        world = World(ConnectError("refused"), JoinRefused("again", ErrorCode.ROOM_CHANGED), None)
        world.it.lost(LOST)
        world.it.lost(LOST)  # that of an attempt
        await world.over()
        assert attempts(world.told) == [1, 2, 3]
        assert [event.text for event in world.told[:3]] == ["the connection was lost", "refused", "again"]
        assert world.told[3:] == [Reconnected(resumed=True)]
        assert world.unanswered == []

    run(test)


def test_in_another_seat_things_go_on_before_the_program_is_told() -> None:
    async def test() -> None:
        world = World(JOINED)
        world.it.lost(GOING)
        assert [type(error) for error in world.unanswered] == [NoReply]
        await world.over()
        assert world.told[0].wait >= 0.06
        assert world.told[1:] == ["goes on", Reconnected(resumed=False)]

    run(test)


def test_a_connection_that_is_lost_at_once_is_made_again() -> None:
    async def test() -> None:
        world = World(JOINED, None)
        world.phase_after = Phase.DETACHED
        world.it.lost(LOST)
        await world.over()
        assert attempts(world.told) == [1, 2]
        assert world.told[2:] == ["goes on", Reconnected(resumed=False)]
        world.connection.session.phase = Phase.DETACHED
        world.it.lost(LOST)
        await world.over()
        assert world.told[-1] == Reconnected(resumed=True)

    run(test)


@pytest.mark.parametrize(
    ("error", "dishonest"),
    [
        (JoinRefused("out", ErrorCode.KICKED), False),
        (DishonestServer("it lies", ErrorCode.UNEXPECTED_MESSAGE, Action.STOP), True),
    ],
)
def test_an_error_after_which_nothing_helps_is_the_end(error: Any, dishonest: bool) -> None:
    async def test() -> None:
        world = World(error)
        world.it.lost(LOST)
        await world.over()
        assert world.told[1:] == [events.Closed(error.code, str(error), Action.STOP, 0, dishonest)]

    run(test)


def test_a_network_that_is_back_shortens_a_wait_but_none_that_was_named() -> None:
    async def test() -> None:
        world = World(None, waits=(30.0,))
        world.it.lost(LOST)
        await asyncio.sleep(0)
        world.it.hurry()
        await world.over()
        assert world.told[-1] == Reconnected(resumed=True)
        told = World(None)
        told.it.lost(events.Detached(None, "later", 30_000))
        await asyncio.sleep(0)
        for _ in range(2):
            told.it.hurry()
            await asyncio.sleep(0.01)
        assert len(told.told) == 1
        told.tasks[0].cancel()

    run(test)


def test_a_fault_on_the_way_back_ends_the_room() -> None:
    async def test() -> None:
        world = World(ZeroDivisionError("a fault"))
        world.it.lost(LOST)
        with pytest.raises(ZeroDivisionError):
            await world.over()
        closed = world.told[-1]
        assert (closed.code, closed.action) == (None, Action.STOP)
        assert "a fault" in closed.text

    run(test)
