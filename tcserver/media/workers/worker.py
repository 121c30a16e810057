"""A media worker: a process with a media plane of its own, on sockets that the server has opened.

Started by the pool as ``python -m tcserver.media.workers.worker OPTIONS``; it ends when the other end of its pipe is
closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from tcserver.media.bpf.fan_out import Descriptors, FanOut
from tcserver.media.interface import Address, Event
from tcserver.media.lanes.faulty import FaultSettings
from tcserver.media.plane.plane import MediaPlane
from tcserver.media.speakers.suppressed import SuppressedSeats
from tcserver.media.streams.handoff import HandoffLane, receive_up
from tcserver.media.udp.reader import ReceiverName
from tcserver.media.udp.sendmmsg import SenderName
from tcserver.media.udp.socket_group import SocketGroup
from tcserver.media.udp.sockets import READ_BUDGET, MediaSockets
from tcserver.media.workers.pipe import LENGTH_SIZE, Report, decode, encode
from tcserver.monitoring import garbage, logs
from tcserver.monitoring.process_meter import ProcessMeter

RELAY_HOST = "127.0.0.1"
"""Where workers reach each other. From a port that is bound there nobody else can send."""
LAST_LINES_LIMIT = 0.3
"""Seconds for the last lines of the log to leave. The pool gives a worker one second to end."""
HEARTBEAT = 1.0
"""Seconds between two reports of stats, which are the signs of life."""


@dataclass(frozen=True)
class Options:
    """What a worker is told when it starts.

    ``pipe``, ``receiving``, ``coalesced``, ``sending`` ``relay`` and ``streams`` are inherited file
    descriptors: ``SocketGroup``.
    """

    number: int
    """Its own: the low byte of the media ids that it serves."""
    pipe: int
    receiving: tuple[int, ...]
    coalesced: tuple[int, ...]
    sending: tuple[int, ...]
    relay: int
    """The socket by which it reaches the other workers."""
    fan_out: tuple[int, int, str] | None
    """The program that makes the copies of datagrams, see ``Descriptors``."""
    streams: int
    """The socket to the process that has the byte streams."""
    peers: tuple[int, ...]
    """UDP ports by which workers reach each other, by number of the worker."""
    sender: str
    receiver: str
    ring_datagrams: int
    dscp: bool
    faults: FaultSettings
    log_level: str
    log_format: str

    def argument(self) -> str:
        """Return the options as an argument of the command line."""
        return json.dumps(asdict(self))


class Worker:
    """Gives the media plane the commands that come through the pipe, and sends its events back."""

    def __init__(self, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        self._pipe = socket.socket(fileno=options.pipe)
        self._options = options
        self._loop = loop
        peers = [Address(len(options.receiving), RELAY_HOST, port) for port in options.peers]
        self._log = logs.EventLog("media.worker", logs.EventLimiter(time.monotonic))
        self._sockets = MediaSockets(
            MediaPlane(os.urandom, options.ring_datagrams, options.number, peers),
            (),
            loop,
            sender=cast(SenderName, options.sender),
            receiver=cast(ReceiverName, options.receiver),
            on_events=self._send,
            dscp=options.dscp,
            faults=FaultSettings(*options.faults),  # of JSON, a list
        )
        self._meter = ProcessMeter()
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Serve until the pipe is closed; raises ``OSError`` where the sockets cannot be used as they should."""
        options = self._options
        group = SocketGroup(
            *(
                [socket.socket(fileno=descriptor) for descriptor in descriptors]
                for descriptors in (options.receiving, options.coalesced, options.sending)
            )
        )
        relay, streams = socket.socket(fileno=options.relay), socket.socket(fileno=options.streams)
        fan_out = None if options.fan_out is None else FanOut(Descriptors(*options.fan_out))  # closed with the process
        self._sockets.open(group, relay, self._tell_suppressed, HandoffLane(streams), fan_out)
        self._loop.add_reader(streams, self._take_streamed, streams)
        reader, self._writer = await asyncio.open_unix_connection(sock=self._pipe)
        self._meter.start()
        heart = asyncio.create_task(self._beat())
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH_SIZE), "big")
                values = decode(await reader.readexactly(length))
                match values:
                    case [logs.LogSettings(level, style)]:
                        logs.configure(level, style)
                        self._log.debug("logs changed", level=level)
                    case _:
                        self._sockets.apply(*values)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            heart.cancel()
            self._meter.stop()
            await self._sockets.close()
            self._loop.remove_reader(streams)
            streams.close()
            self._writer.close()

    async def _beat(self) -> None:
        while True:
            self._send([*self._sockets.stats(), self._meter.stats()])
            self._log.report_suppressed()
            await asyncio.sleep(HEARTBEAT)

    def _take_streamed(self, streams: socket.socket) -> None:
        """Take datagrams of byte streams, for a bounded time. What is left is taken in the next turn."""
        end = time.monotonic() + READ_BUDGET
        while time.monotonic() < end and (handed := receive_up(streams)) is not None:
            self._sockets.receive([handed])

    def _tell_suppressed(self, media_ids: Collection[int]) -> None:
        self._send([SuppressedSeats(tuple(media_ids))])

    def _send(self, values: Sequence[Event | Report]) -> None:
        if self._writer is not None:
            self._writer.write(encode(values))


def main(argument: str) -> int:
    """Run a worker; return the exit status."""
    # A signal to the whole group is meant for the server. It closes the pipe when a worker has to end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    options = Options(**json.loads(argument))
    logs.configure(options.log_level, options.log_format)
    import uvloop

    try:
        uvloop.run(_serve(options))
    except OSError as error:
        logs.output.write(f"tcserver: media worker: {error}\n")
        return 1
    finally:
        logs.output.drain(LAST_LINES_LIMIT)
    return 0


async def _serve(options: Options) -> None:
    garbage.configure()
    await Worker(options, asyncio.get_running_loop()).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
