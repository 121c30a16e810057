"""A control connection of a light client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from benchmarks.harness.report import BenchmarkError
from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.messages import Error, KeyframeRequest, NewRoomKey, RoomKey

MOST_WAITING = 1 << 18
"""Bytes that wait to be taken by the server before no more are thrown at it."""


class ControlClient(asyncio.Protocol):
    """A control connection."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.hello: asyncio.Future[HandshakeCompleted] = asyncio.get_running_loop().create_future()
        self.deaf_after: type[object] | None = None
        """From this reply on, everything is thrown away: rosters of a thousand cost more than all the rest."""
        self.keyframe_wanted: Callable[[], None] | None = None
        """Called for requests of a keyframe; with it, the line never becomes deaf."""
        self.new_room_key: Callable[[RoomKey], None] | None = None
        """The same for the next key of a room."""
        self._connection = ControlConnection.client(software="benchmark")
        self._reply: asyncio.Future[Any] | None = None
        self._deaf = False

    async def request(self, message: object) -> Any:
        """Return the reply, after waits that the server asks for; raises ``BenchmarkError`` for a refusal."""
        while True:
            self._reply = asyncio.get_running_loop().create_future()
            self._connection.request(message)
            self._flush()
            reply = await self._reply
            if not isinstance(reply, Error) or not reply.retry_after_ms:
                break
            await asyncio.sleep(reply.retry_after_ms / 1000)
        if isinstance(reply, Error):
            raise BenchmarkError(f"the server refuses {type(message).__name__}: {reply.code} {reply.text}")
        return reply

    def tell(self, message: object) -> None:
        """Send a request without waiting for the reply. From now on only what is asked for above is read."""
        self._connection.request(message)
        self._flush()
        self._deaf = self.keyframe_wanted is None and self.new_room_key is None

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return bool(self.transport.is_closing())

    async def throw(self, frame_type: int, body: bytes) -> None:
        """Send whatever this is in a frame, as fast as the server takes it, and listen no more."""
        self._deaf = True
        self._connection._encrypt(bytes((frame_type,)) + body)  # what no client would send has no other way
        self._flush()
        while self.transport.get_write_buffer_size() > MOST_WAITING and not self.is_closed:  # noqa: ASYNC110
            await asyncio.sleep(0.002)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self.transport = transport
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take the reply that is waited for, requests of a keyframe, and keys of the room."""
        if self._deaf:
            return
        self._connection.receive_data(data)
        while not self._deaf and (event := self._connection.next_event()) is not None:
            if isinstance(event, HandshakeCompleted):
                if not self.hello.done():  # an interrupted task does not wait for it
                    self.hello.set_result(event)
            elif isinstance(event, Replied) and self._reply is not None and not self._reply.done():
                self._deaf = self.deaf_after is type(event.reply)
                self._reply.set_result(event.reply)
            elif isinstance(event, Received):
                if isinstance(event.message, KeyframeRequest) and self.keyframe_wanted is not None:
                    self.keyframe_wanted()
                elif isinstance(event.message, NewRoomKey) and self.new_room_key is not None:
                    self.new_room_key(event.message.room_key)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(BenchmarkError("the server closed a connection"))

    def _flush(self) -> None:
        if data := self._connection.data_to_send():
            self.transport.write(data)
