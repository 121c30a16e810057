import asyncio
import random
import socket

import pytest
import uvloop

from tcclient.core import Settings
from tcclient.core.control import control_connection
from tcclient.core.events import Detached, PathChanged
from tcclient.core.path.proof import PathState, Way
from tcclient.core.session import Session
from tcclient.errors import RoomClosed
from tcclient.transport.connection import Connection
from tcproto.account import MEMORY_FLOOR, PASSES_FLOOR, SALT_SIZE
from tcproto.errors import Action, ErrorCode
from tcproto.identity import SigningKey


def made() -> Connection:
    chance = random.Random(1).randbytes
    session = Session(Settings(), SigningKey(bytes(32)), control_connection(chance), chance, 0.0)
    return Connection(session, lambda event: None, lambda packets: None, 0.0)


@pytest.mark.parametrize(
    ("told", "moves"),
    [
        (PathChanged(PathState.LOST), True),
        (PathChanged(PathState.UNKNOWN, Way.STREAM), True),
        (PathChanged(PathState.OK), False),
    ],
)
def test_a_lost_path_is_tried_from_the_address_that_the_machine_has_now(told: PathChanged, moves: bool) -> None:
    async def lose() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(5)
            connection = made()
            connection._udp.open(socket.AF_INET, server.getsockname())
            connection._udp.send([b"before"])
            _, before = server.recvfrom(9)
            connection._deliver(told)
            connection._udp.send([b"after"])
            _, after = server.recvfrom(9)
            assert (before != after) is moves
            await connection.close()

    asyncio.run(lose())


def test_a_session_that_ends_while_the_key_is_derived_is_a_typed_error() -> None:
    async def derive() -> None:
        connection = made()
        deriving = asyncio.create_task(connection.derive_key("password", bytes(SALT_SIZE), MEMORY_FLOOR, PASSES_FLOOR))
        await asyncio.sleep(0)
        connection.connection_lost(None)
        await deriving
        connection.check_open()

    with pytest.raises(RoomClosed):
        asyncio.run(derive())


def test_a_connection_that_is_lost_while_the_seat_goes_on_is_a_typed_error_until_the_next_one() -> None:
    async def lose() -> None:
        connection = made()
        connection._deliver(Detached(ErrorCode.RATE_LIMITED, "later", 1500))
        with pytest.raises(RoomClosed, match="later") as lost:
            connection.check_open()
        assert (lost.value.action, lost.value.retry_after_ms) == (Action.RECONNECT, 1500)
        connection.begin_again()
        connection.check_open()
        await connection.close()

    asyncio.run(lose())


def test_nothing_is_due_again_and_again_before_its_time() -> None:
    """The clock of uvloop counts whole milliseconds, and cuts off what is less."""
    due: list[bool] = []

    class Impatient(Session):
        deadline = 0.0

        def next_deadline(self) -> float:
            return self.deadline

        def handle_timeout(self, now: float) -> None:
            due.append(self.deadline <= now)
            if due[-1]:
                self.deadline = now + 0.0104

    async def run() -> None:
        chance = random.Random(1).randbytes
        session = Impatient(Settings(), SigningKey(bytes(32)), control_connection(chance), chance, 0.0)
        connection = Connection(session, lambda event: None, lambda packets: None, 0.0)
        connection.pump()
        await asyncio.sleep(0.3)
        await connection.close()

    uvloop.run(run())
    assert due.count(True) > 3
    assert due.count(False) < due.count(True)
