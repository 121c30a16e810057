"""Attends a room on behalf of a person at a terminal, or of a script."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tcclient import events
from tcclient.audio.gate import GateMode
from tcclient.bulletin import Bulletin
from tcclient.core.events import PathState
from tcclient.entry import Trust, connect
from tcclient.exits import INTERRUPTED, status_of_end
from tcclient.keyboard import Keyboard
from tcclient.listener import Listener
from tcclient.media.devices import Loudspeaker
from tcclient.publication import Publication
from tcclient.room import Room
from tcclient.sources import AnySource
from tcproto.errors import Action
from tcproto.link import Link
from tcproto.messages import Source

QUALITY_INTERVAL = 1.0
"""Seconds between lines, or updates of the line, about the network."""


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for."""

    link: Link
    user: str
    password: str
    name: str
    data: Path | None
    trust: Trust | None
    require_e2ee: bool
    sources: tuple[Source, ...]
    """What is wanted of everybody."""
    gate: GateMode
    record: Path | None
    speaker: bool
    seconds: float | None
    leave_at_end: bool
    json: bool
    once: bool
    """Try once to get in."""


class Attendance:
    """From joining to leaving."""

    def __init__(self, wishes: Wishes, sources: Sequence[AnySource]) -> None:
        self._wishes = wishes
        self._sources = sources
        self._bulletin = Bulletin(as_json=wishes.json)
        self._publications: list[Publication] = []
        self._listener: Listener | None = None
        self._leave = asyncio.Event()
        self._seated = False

    async def attend(self) -> int:
        """Join, do what was asked, leave; return the exit status. Raises what ``connect`` and files raise."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # the loops of Windows have no signal handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, lambda: self._leave.set() if self._seated else task.cancel())
        wishes = self._wishes
        try:
            async with connect(
                wishes.link,
                user=wishes.user,
                password=wishes.password,
                name=wishes.name,
                data=wishes.data,
                trust=wishes.trust,
                require_e2ee=wishes.require_e2ee,
                sources=wishes.sources,
                retry=None if wishes.once else self._bulletin.trying_again,
            ) as room:
                self._seated = True
                await self._in(room)
                closed = room.closed
        except asyncio.CancelledError:
            if self._seated:
                raise
            sys.stderr.write("tcclient: interrupted\n")
            return INTERRUPTED
        finally:
            self._bulletin.finish()
        if closed is not None and closed.action is not Action.NONE:
            self._bulletin.problem(f"{closed.text} ({closed.code})" if closed.code else closed.text)
            return status_of_end(closed.code)
        return 0

    async def _in(self, room: Room) -> None:
        """Be in the room until something ends it."""
        self._bulletin.seated(room)
        self._listener = room.listen()
        if self._wishes.record is not None:
            room.record(self._wishes.record)
        jobs = [self._follow(room), self._report_quality(room), self._send(room)]
        if self._wishes.speaker:
            jobs.append(self._play(room))
        if self._wishes.seconds is not None:
            jobs.append(self._leave_after(self._wishes.seconds))
        tasks = [asyncio.create_task(job) for job in jobs]
        keyboard = asyncio.create_task(
            Keyboard(room, lambda: self._publications, self._bulletin, self._leave.set).obey()
        )
        leaving = asyncio.create_task(self._leave.wait())
        try:
            pending = {*tasks, leaving}
            while not self._leave.is_set():  # `_follow` sets it when the room was closed, and has told so
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in (*tasks, keyboard, leaving):
                task.cancel()
            await asyncio.gather(*tasks, keyboard, leaving, return_exceptions=True)

    async def _follow(self, room: Room) -> None:
        async for event in room.events():
            self._bulletin.tell(event)
            if isinstance(event, events.Closed):
                self._leave.set()

    async def _send(self, room: Room) -> None:
        """Publish, once UDP works, and see it through."""
        if not self._sources:
            return
        await room.connection.wait_until(lambda: room.path is PathState.OK)
        self._publications = await room.publish(*self._sources, gate=self._wishes.gate)
        self._bulletin.say("sending", "sending " + " and ".join(str(p.kind) for p in self._publications))
        await asyncio.gather(*(publication.wait() for publication in self._publications))
        self._bulletin.say("sent", "what was to be sent has ended")
        if self._wishes.leave_at_end:
            self._leave.set()

    async def _play(self, room: Room) -> None:
        loop = asyncio.get_running_loop()
        with Loudspeaker() as speaker:
            async for block in room.listen().blocks():
                await loop.run_in_executor(None, speaker.write, block)

    async def _leave_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._leave.set()

    async def _report_quality(self, room: Room) -> None:
        while True:
            self._bulletin.quality(room, self._listener)
            await asyncio.sleep(QUALITY_INTERVAL)
