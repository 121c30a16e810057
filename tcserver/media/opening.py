"""Opens the media of a server: one media plane in this process, or several in workers, as the operator wants it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from tcserver.config.sections import Configuration
from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.interface import Command, Event
from tcserver.media.lanes.faulty import FaultSettings
from tcserver.media.plane.plane import MediaPlane
from tcserver.media.plane.stats import MediaStats
from tcserver.media.streams.handoff import Handoff
from tcserver.media.streams.streams import Streams
from tcserver.media.udp.binding import bind
from tcserver.media.udp.cloning import Cloning
from tcserver.media.udp.cloning_lane import make_cloning_lanes
from tcserver.media.udp.reader import ReceiverName
from tcserver.media.udp.sendmmsg import SenderName
from tcserver.media.udp.sockets import BUFFER_BYTES, MediaSockets
from tcserver.media.workers.pool import WorkerPool
from tcserver.monitoring.process_stats import ProcessStats

FAN_OUT = "bpf"
"""The ``media.sender`` with which the kernel makes the copies. The other calls serve what it cannot."""


class Media(Protocol):
    """Takes commands and reports events, in this process or in others."""

    def apply(self, *commands: Command) -> None:
        """Carry commands out in their order, or have them carried out."""
        ...

    async def close(self) -> None:
        """Let go of everything; may be called again."""
        ...

    def configure_logs(self, level: str, style: str) -> None:
        """Change the logs of the other processes that carry commands out; as ``logs.configure``."""
        ...

    def stats(self) -> list[MediaStats]:
        """Return what each media plane tells about itself; from another process it may be a second old."""
        ...

    def process_stats(self) -> list[ProcessStats]:
        """Return what each other process tells about itself; it may be a second old."""
        ...


def open_fan_outs(configuration: Configuration) -> list[FanOut]:
    """Load a BPF program for each process that sends media, if the operator wants that; raises ``OSError``.

    It needs rights that nothing needs afterwards.
    """
    processes = (configuration.server.workers or 1) if configuration.media.sender == FAN_OUT else 0
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(contextlib.closing(FanOut.open())) for _ in range(processes)]
        stack.pop_all()
    return opened


async def try_fan_out() -> None:
    """Have the kernel make copies for addresses of this machine; raises ``OSError`` if that does not work."""
    with contextlib.ExitStack() as stack:
        fan_out = stack.enter_context(contextlib.closing(FanOut.open()))
        sockets = bind([("127.0.0.1", 0)], BUFFER_BYTES)
        stack.callback(sockets[0].close)
        cloning = stack.enter_context(contextlib.closing(Cloning(fan_out, asyncio.get_running_loop())))
        make_cloning_lanes(cloning, sockets, lambda lane: None)
        if not cloning.active:
            raise OSError(errno.EIO, cloning.failure)


async def open_media(
    configuration: Configuration,
    addresses: Sequence[tuple[str, int]],
    streams: Streams,
    on_events: Callable[[list[Event]], None],
    fan_outs: Sequence[FanOut] = (),
) -> Media:
    """Return media on these addresses, (numeric host, port); raises ``OSError``, with nothing left open.

    ``streams`` are the way for participants without UDP. ``on_events`` gets events in order, those of a seat after what
    it was sent. ``fan_outs`` are those of ``open_fan_outs``, which have to stay open until the media are closed.
    """
    media, log, wanted = configuration.media, configuration.log, configuration.faults
    sender = "auto" if media.sender == FAN_OUT else media.sender
    faults = FaultSettings(wanted.datagram_loss, wanted.datagram_delay_ms / 1000, wanted.receiver_kbit_s * 1000)
    if configuration.server.workers:
        pool = WorkerPool(
            configuration.server.workers,
            addresses,
            sender=sender,
            receiver=media.receiver,
            on_events=on_events,
            buffer_bytes=media.socket_buffer_bytes,
            ring_datagrams=media.ring_datagrams,
            dscp=media.dscp,
            faults=faults,
            log_level=log.level,
            log_format=log.format,
            handoff=Handoff(streams, configuration.server.workers),
            fan_outs=fan_outs,
        )
        await pool.open()
        return pool
    sockets = MediaSockets(
        MediaPlane(os.urandom, media.ring_datagrams),
        addresses,
        asyncio.get_running_loop(),
        sender=cast(SenderName, sender),
        receiver=cast(ReceiverName, media.receiver),
        on_events=on_events,
        buffer_bytes=media.socket_buffer_bytes,
        dscp=media.dscp,
        faults=faults,
    )
    sockets.open(streams=streams.lane, fan_out=fan_outs[0] if fan_outs else None)
    streams.connect(sockets.receive, gathers=True)
    return sockets
