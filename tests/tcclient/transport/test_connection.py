import asyncio
import random

import pytest

from tcclient.core import Settings
from tcclient.core.control import control_connection
from tcclient.core.session import Session
from tcclient.errors import RoomClosed
from tcclient.transport.connection import Connection
from tcproto.account import MEMORY_FLOOR, PASSES_FLOOR, SALT_SIZE
from tcproto.identity import SigningKey


def test_a_session_that_ends_while_the_key_is_derived_is_a_typed_error() -> None:
    async def derive() -> None:
        chance = random.Random(1).randbytes
        session = Session(Settings(), SigningKey(bytes(32)), control_connection(chance), chance, 0.0)
        connection = Connection(session, lambda event: None, lambda packets: None, 0.0)
        deriving = asyncio.create_task(connection.derive_key("password", bytes(SALT_SIZE), MEMORY_FLOOR, PASSES_FLOOR))
        await asyncio.sleep(0)
        connection.connection_lost(None)
        await deriving
        connection.check_open()

    with pytest.raises(RoomClosed):
        asyncio.run(derive())
