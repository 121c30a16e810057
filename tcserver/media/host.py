"""The media of a server: one media plane in this process, or several in workers, as the operator wants it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import cast

from tcserver.config.configuration import Configuration
from tcserver.media.forwarding.plane import MediaPlane
from tcserver.media.forwarding.stats import MediaStats
from tcserver.media.interface import Command, Event
from tcserver.media.udp.reader import ReceiverName
from tcserver.media.udp.sendmmsg import SenderName
from tcserver.media.udp.sockets import MediaSockets
from tcserver.media.workers.pool import WorkerPool
from tcserver.monitoring.process_reading import ProcessReading


class MediaHost:
    """Takes commands and reports events, whoever carries them out.

    ``addresses`` are (numeric host, port); ``on_events`` gets events in order, those of a seat after what it was sent.
    """

    def __init__(
        self,
        configuration: Configuration,
        addresses: Sequence[tuple[str, int]],
        on_events: Callable[[list[Event]], None],
    ) -> None:
        media, log = configuration.media, configuration.log
        self._media: MediaSockets | WorkerPool
        if configuration.server.workers:
            self._media = WorkerPool(
                configuration.server.workers,
                addresses,
                sender=media.sender,
                receiver=media.receiver,
                on_events=on_events,
                buffer_bytes=media.socket_buffer_bytes,
                ring_datagrams=media.ring_datagrams,
                log_level=log.level,
                log_format=log.format,
            )
        else:
            self._media = MediaSockets(
                MediaPlane(os.urandom, media.ring_datagrams),
                addresses,
                asyncio.get_running_loop(),
                sender=cast(SenderName, media.sender),
                receiver=cast(ReceiverName, media.receiver),
                on_events=on_events,
                buffer_bytes=media.socket_buffer_bytes,
            )
        self.apply: Callable[[Command], None] = self._media.apply
        """Carries a command out, or has it carried out."""

    async def open(self) -> None:
        """Bind the addresses; raises ``OSError``, with nothing left open."""
        if isinstance(self._media, WorkerPool):
            await self._media.open()
        else:
            self._media.open()

    async def close(self) -> None:
        """Let go of everything; may be called again."""
        if isinstance(self._media, WorkerPool):
            await self._media.close()
        else:
            self._media.close()

    def configure_logs(self, level: str, style: str) -> None:
        """Change the logs of other processes that carry commands out; as `logs.configure`."""
        if isinstance(self._media, WorkerPool):
            self._media.configure_logs(level, style)

    def readings(self) -> list[MediaStats]:
        """Return a reading of each media plane, of workers one that may be a second old."""
        return self._media.readings() if isinstance(self._media, WorkerPool) else [self._media.reading()]

    def process_readings(self) -> list[ProcessReading]:
        """Return a reading of each other process that carries commands out, which may be a second old."""
        return self._media.process_readings() if isinstance(self._media, WorkerPool) else []
