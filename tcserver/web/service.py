"""What all connections of the web share: their number and limits, their turns, and what they count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tcserver.web.byte_stream import OpenStream
from tcserver.web.counters import WebCounters
from tcserver.web.crowd import Crowd

BUFFER_BYTES = 65_536
"""Bytes taken from the kernel at once."""


class Taker(Protocol):
    """A connection with bytes to handle."""

    @property
    def is_stranger(self) -> bool:
        """Whether nobody has logged in on it."""

    def take_turn(self) -> bool:
        """Handle a bounded part; tell whether more can be handled now."""


class Turns(Protocol):
    """Gives turns to connections, so that a flood of requests and handshakes leaves time for the media."""

    def want(self, taker: Taker) -> None:
        """Give a connection a turn, after those that wait already."""

    def forget(self, taker: Taker) -> None:
        """Give a connection no turn any more."""


class OpenConnection(Protocol):
    """A connection, as the limits see it."""

    def abort(self) -> None:
        """End the connection at once."""


class WebService:
    """The shared part of the connections. ``open_stream`` is None where there is no stream path.

    ``on_error`` gets what the making of an answer has raised; the client gets status 500. At most ``most`` connections
    are open at a time, ``most_of_network`` from one network, without those that have opened a stream.
    """

    def __init__(
        self,
        turns: Turns,
        on_error: Callable[[Exception], None],
        most: int,
        most_of_network: int,
        open_stream: OpenStream | None = None,
    ) -> None:
        self.turns = turns
        self.on_error = on_error
        self.open_stream = open_stream
        self.counters = WebCounters()
        self.buffer = bytearray(BUFFER_BYTES)
        """All connections read into this buffer: the event loop asks for it, fills it and hands it over in one step."""
        self._crowd: Crowd[OpenConnection] = Crowd(most, most_of_network)

    @property
    def connections(self) -> int:
        """Connections that are open, without those that have opened a stream."""
        return len(self._crowd)

    def limit(self, most: int, most_of_network: int) -> None:
        """Change the limits; they hold for the connections to come."""
        self._crowd.most, self._crowd.most_of_network = most, most_of_network

    def joined(self, connection: OpenConnection, network: str) -> None:
        """Count a connection; close another one where there are too many."""
        leaver = self._crowd.add(connection, network)
        if leaver is not None:
            self.counters.crowded += 1
            leaver.abort()

    def used(self, connection: OpenConnection) -> None:
        """Note that a connection has asked for something."""
        self._crowd.touch(connection)

    def left(self, connection: OpenConnection) -> None:
        """Count a connection no more. It may have been forgotten before."""
        self._crowd.remove(connection)

    def close(self) -> None:
        """End all connections that have not opened a stream."""
        for connection in self._crowd.all():
            connection.abort()
