"""Attends a room for a user at a terminal, or for a script."""

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
from tcclient.capture.devices import Loudspeaker
from tcclient.cli.exits import FAILED, INTERRUPTED, UNTRUSTED, status_of_end
from tcclient.cli.keyboard import Keyboard
from tcclient.cli.output import Output
from tcclient.cli.sending import Makers, Sending
from tcclient.cli.terminal.console import console_of
from tcclient.connector import Trust, connect
from tcclient.errors import DeviceError, RecordingError, RequestRefused
from tcclient.playout.listener import Listener
from tcclient.room import Room
from tcclient.sources import AnySource, AudioSource
from tcclient.transport.connection import PathChoice
from tcclient.trust.account_secret import AccountSecret
from tcproto.errors import Action
from tcproto.link import Link
from tcproto.messages import Source

QUALITY_INTERVAL = 1.0
"""Seconds between reports about the network."""
ECHO = "others may hear their echo from your loudspeaker: wear a headset, or join with --gate push-to-talk"
"""What is told where ``may_echo`` holds: this program does not cancel echo."""


@dataclass(frozen=True)
class Wishes:
    """The options of the command line."""

    link: Link
    user: str
    password: AccountSecret
    name: str
    data: Path | None
    trust: Trust | None
    require_e2ee: bool
    sources: tuple[Source, ...]
    """Sources that are subscribed of everybody."""
    gate: GateMode
    record: Path | None
    speaker: bool
    seconds: float | None
    leave_at_end: bool
    json: bool
    once: bool
    """Whether to give up after one attempt to join."""
    path: PathChoice = "auto"
    voices: int = 0
    """The most voices at a time; 0: all."""
    max_height: int = 0
    """Lines of pictures in several sizes, at most; 0: any."""
    data_cap: int = 0
    """Bytes that the meeting may take; 0: any."""
    listen: bool = False
    """Whether lines report who speaks, if there is no status line."""


def may_echo(wishes: Wishes, sources: Sequence[AnySource]) -> bool:
    """Tell whether others may hear themselves: a microphone is open beside a loudspeaker, and nothing cancels that."""
    return (
        wishes.speaker
        and wishes.gate is not GateMode.PUSH_TO_TALK
        and any(isinstance(source, AudioSource) and source.live for source in sources)
    )


class Attending:
    """One attendance, from joining to leaving."""

    def __init__(self, wishes: Wishes, sources: Sequence[AnySource], makers: Makers | None = None) -> None:
        self._wishes = wishes
        self._sources = sources
        self._makers = makers or {}
        console = console_of(as_json=wishes.json, gone=self._reader_gone)
        self._output = Output(console, as_json=wishes.json, listening=wishes.listen)
        self._sending: Sending | None = None
        self._failed = False
        """Whether a recording could not be written, or the loudspeaker could not be used."""
        self._listener: Listener | None = None
        self._restarting: dict[Source, asyncio.Task[None]] = {}
        self._leave = asyncio.Event()
        self._seated = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unread = False

    async def attend(self) -> int:
        """Join, do what was asked, and leave. Return the exit status. Raises what ``connect`` and files raise."""
        task = asyncio.current_task()
        assert task is not None
        self._loop = loop = asyncio.get_running_loop()
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
                path=wishes.path,
                retry=None if wishes.once else self._output.trying_again,
                reconnect=not wishes.once,
            ) as room:
                self._seated = True
                await self._in(room)
                return self._told_end(room.closed)
        except RecordingError as error:
            if not self._failed:  # otherwise it was reported when it happened
                self._output.problem(str(error))
            return FAILED
        except asyncio.CancelledError:
            if self._seated:
                raise
            sys.stderr.write("tcclient: interrupted\n")
            return INTERRUPTED
        finally:
            self._output.finish()

    def _told_end(self, closed: events.Closed | None) -> int:
        """Report why the meeting ended, unless we ended it. Return the exit status."""
        if closed is not None and closed.action is not Action.NONE:
            self._output.problem(f"{closed.text} ({closed.code})" if closed.code else closed.text, closed.code)
            return UNTRUSTED if closed.dishonest else status_of_end(closed.code)
        if self._unread:
            self._output.problem("nobody reads the output any more")
            return FAILED
        return FAILED if self._failed else self._sending.status if self._sending is not None else 0

    def _reader_gone(self) -> None:
        """Leave, since the reader of the output has ended. It is called from a thread."""

        def leave() -> None:
            self._unread = True
            self._leave.set()

        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(leave)

    async def _in(self, room: Room) -> None:
        """Stay in the room until something ends the attendance."""
        self._output.seated(room)
        self._listener = room.listen()
        wishes = self._wishes
        if may_echo(wishes, self._sources):
            self._output.say("echo", ECHO)
        if wishes.voices or wishes.max_height:
            await room.subscribe(wishes.sources, voices=wishes.voices, max_height=wishes.max_height)
        room.data_cap = wishes.data_cap
        self._sending = sending = Sending(room, self._output, self._wishes.gate, self._makers)
        if self._wishes.record is not None:
            room.record(self._wishes.record)
        jobs = [self._follow(room), self._report_quality(room), self._send(sending)]
        if self._wishes.speaker:
            jobs.append(self._play(room))
        if self._wishes.seconds is not None:
            jobs.append(self._leave_after(self._wishes.seconds))
        tasks = [asyncio.create_task(job) for job in jobs]
        keyboard = asyncio.create_task(
            Keyboard(room, lambda: sending.publications, self._output, self._leave.set, self._restart).obey()
        )
        leaving = asyncio.create_task(self._leave.wait())
        try:
            pending = {*tasks, leaving}
            while not self._leave.is_set():  # ``_follow`` sets it when the room is closed, after reporting it
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            ending = (*tasks, *self._restarting.values(), keyboard, leaving)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _follow(self, room: Room) -> None:
        async for event in room.events():
            self._output.tell(event)
            if isinstance(event, events.MuteAsked) and event.muted:
                self._mute(room, event.source)
            self._failed |= isinstance(event, events.RecordingFailed)
            if isinstance(event, events.Closed):
                self._leave.set()

    def _mute(self, room: Room, source: Source) -> None:
        """Mute what we send of a source, because a chair asks for it."""
        for publication in room.publications.values():
            if publication.source.source is source and not publication.muted:
                with contextlib.suppress(RequestRefused):  # it has just ended
                    publication.mute()
                self._output.say(str(source), f"your {source} is muted", muted=True)

    async def _send(self, sending: Sending) -> None:
        """Send the sources, and leave at their end if that is wanted."""
        if not self._sources:
            return
        await sending.send(self._sources)
        if self._wishes.leave_at_end:
            self._leave.set()

    def restart_microphone(self, device: str | None = None) -> None:
        """Send the sound of a microphone from now on, by default of the one at the beginning."""
        self._restart(Source.MICROPHONE, device)

    def restart_camera(self, device: str | None = None) -> None:
        """Send the pictures of a camera from now on, by default of the one at the beginning."""
        self._restart(Source.CAMERA, device)

    def _restart(self, source: Source, device: str | None) -> None:
        """Start a device again in a task of its own. Raises ``ValueError`` while this is already being done."""
        if source in self._restarting:
            raise ValueError(f"the {source} is being opened")
        if self._sending is not None:
            task = self._restarting[source] = asyncio.create_task(self._sending.restart(source, device))
            task.add_done_callback(lambda _: self._restarting.pop(source, None))

    async def _play(self, room: Room) -> None:
        """Play the mix. If the loudspeaker fails, report it, and go on without sound."""
        loop = asyncio.get_running_loop()
        try:
            with Loudspeaker() as speaker:
                async for block in room.listen().blocks():
                    await loop.run_in_executor(None, speaker.write, block)
        except DeviceError as error:
            self._failed = True
            self._output.problem(str(error))

    async def _leave_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._leave.set()

    async def _report_quality(self, room: Room) -> None:
        while True:
            self._output.quality(room, self._listener)
            await asyncio.sleep(QUALITY_INTERVAL)
