"""A listening socket, and what its connections inherit."""

import asyncio
import socket
import sys

import pytest

from tcproto.datagram import DSCP_CONTROL
from tcserver.daemon.listening import Listener

linux = pytest.mark.skipif(sys.platform != "linux", reason="another kernel may give connections a mark of their own")


@linux
@pytest.mark.parametrize("marked", [True, False])
def test_connections_inherit_the_mark_of_their_listener(marked: bool) -> None:
    class Taken(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            tos.set_result(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_IP, socket.IP_TOS))
            transport.close()

    async def take() -> None:
        nonlocal tos
        tos = asyncio.get_running_loop().create_future()
        listener = Listener(Taken, pytest.fail)
        listener.open("127.0.0.1", 0, marked)
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"x")  # a connection without data may be taken later
        assert await asyncio.wait_for(tos, 5) == (DSCP_CONTROL << 2 if marked else 0)
        writer.close()
        await listener.close()

    tos: asyncio.Future[int]
    asyncio.run(take())
