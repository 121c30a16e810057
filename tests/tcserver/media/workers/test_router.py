"""The media workers that a command goes to."""

from tcserver.media.interface import (
    ChangeForwarding,
    CloseRoom,
    CloseSeat,
    OpenSealer,
    OpenSeat,
    RotateSealer,
    SendUrgent,
    SetSpeakers,
    ShareRoom,
    TellSealer,
)
from tcserver.media.workers.router import Router
from tests.support.media.world import ROOM_KEY


def test_a_command_goes_to_the_workers_of_its_room_or_seat() -> None:
    router = Router()
    assert router.workers(OpenSealer(1, 5, 0, ROOM_KEY, 3)) == (3,)
    assert router.workers(OpenSealer(1, 6, 0, ROOM_KEY, 0)) == (0,)
    assert router.workers(RotateSealer(1, 3, 1, ROOM_KEY, 0.0)) == (3,)
    assert router.workers(OpenSeat(0xABCD02, 1, 1, 0, ROOM_KEY, ROOM_KEY)) == (2,)
    for_all = (ShareRoom(1, 3, (0, 3)), TellSealer(1, 5), SetSpeakers(1, 3), CloseSeat(0xABCD03, 1))
    for command in (*for_all, ChangeForwarding(1, (5,)), CloseRoom(1)):
        assert router.workers(command) == {0, 3}
    assert router.workers(SendUrgent((0xABCD02, 0xABCE02, 0xABCD00), b"message")) == {0, 2}
    assert not router.workers(CloseRoom(1))
    assert not router.workers(SetSpeakers(1, 3))
