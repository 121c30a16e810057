"""A meeting of two, one of them behind an access line, that a fault strikes; and what both notice of it."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise, repeat
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.access_line import AccessLine
from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.server import ACCOUNT, Server
from tcclient import AccountSecret, Room, connect, events
from tcclient.audio.opus import OpusEncoder
from tcclient.audio.tone import sine
from tcclient.capture import SPEECH
from tcclient.core import PathState, Way
from tcclient.playout.playout import Mix
from tcclient.sources import AnySource, EncodedAudio, EncodedAudioSource, audio_file
from tcclient.track import Track
from tcproto.link import Link
from tcproto.messages import Kind

DELAY = 0.04
"""Seconds of the access line in each direction."""
SEATED_LIMIT = 20.0
END_LIMIT = 10.0
PASSWORD = "a fault of the line"


class Plan(NamedTuple):
    """How a meeting is held."""

    before: float
    """Seconds of the meeting before the fault."""
    after: float
    """Seconds that are watched after it is over."""
    blocks_at_start: bool = False
    """Whether the line lets no datagram pass from the start."""
    is_silent: bool = False
    """Whether the one behind the line sends nothing."""
    speaks: bool = False
    """Whether speech is sent and played out, to measure its delay, in place of packets that nobody plays."""
    has_command_line: bool = False
    """Whether there is a ``tcclient join`` behind the line, too."""


@dataclass
class Meeting:
    """What a fault may strike, and what was noticed so far."""

    line: AccessLine
    server: Server
    rooms: list[Room] = field(default_factory=list)
    """That of the one on a clean line, and that of the one behind the line."""
    heard: tuple[list[float], list[float]] = ([], [])
    """When sound of the other came, for each of the rooms."""
    delays: list[float] = field(default_factory=list)
    """Seconds from the mouth to the ear, of each block that was played, in both directions."""
    began: float = 0.0
    """When the second one began to connect."""
    left: int = 0
    """Participants that the first one saw leave."""
    resumed: list[bool] = field(default_factory=list)
    """For each return of the second one, whether the seat was resumed."""
    udp_after: float | None = None
    """Seconds until UDP was used again, where the fault says so."""
    missing: int = 0
    """Participants that the first one does not see at the end."""
    status: int | None = None
    """Exit status of the command line."""
    silence: float = float("inf")
    """Seconds of the longest silence."""

    async def until_udp_is_used(self, limit: float) -> None:
        """Wait for UDP at the one behind the line, and note how long it took."""
        began, room = time.monotonic(), self.rooms[1]
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while (room.way, room.path) != (Way.UDP, PathState.OK):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        self.udp_after = time.monotonic() - began


Strike = Callable[[Meeting], Awaitable[float]]
"""Carries a fault out; returns the monotonic time from which silence counts."""


async def hold(plan: Plan, strike: Strike, server: Server, room: str, secret: AccountSecret, seed: int) -> Meeting:
    """Hold a meeting in a room of its own, and return what was noticed; raises ``BenchmarkError``, ``ClientError``."""
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(AccessLine(server.address, DELAY, seed))
        meeting = Meeting(line, server, heard=([], []))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcbench-")))
        link = replace(server.link, room=room)
        behind = replace(link, port=line.port)
        if plan.blocks_at_start:
            line.block(True, True)
        # It takes the longest to come, so it begins before the others.
        command_line = await _CommandLine.start(stack, behind, place) if plan.has_command_line else None
        for number, where in enumerate((link, behind)):
            meeting.began = time.monotonic()
            entered = await stack.enter_async_context(
                connect(where, user=ACCOUNT, password=secret, name=f"Person {number}", data=place / str(number))
            )
            meeting.rooms.append(entered)
            stack.callback(asyncio.create_task(_follow(meeting, number)).cancel)
            if plan.speaks:
                entered.listen().on_mix.append(lambda mix, at, room=entered: _played(meeting, room, mix, at))  # type: ignore[misc]
            if number == 0 or not plan.is_silent:
                await entered.publish(audio_file(SPEECH, loop=True) if plan.speaks else _voice())
        hearers = meeting.heard[1:] if plan.is_silent else meeting.heard
        people = 2 + plan.has_command_line
        await _until(lambda: all(hearers) and len(meeting.rooms[0].everybody) == people)
        await asyncio.sleep(plan.before)
        meeting.delays.clear()
        since = await strike(meeting)
        await asyncio.sleep(plan.after)
        end = time.monotonic()
        meeting.silence = max(longest_silence(times, since, end) for times in hearers)
        meeting.missing = people - len(meeting.rooms[0].everybody)
        result = replace(meeting, resumed=list(meeting.resumed), delays=list(meeting.delays))  # what follows is the end
        if command_line is not None:
            result.status = await command_line.end()
        return result


def _voice() -> AnySource:
    """Return sound without end that costs next to nothing: one packet again and again."""
    packet = OpusEncoder().encode(sine(440.0, 960))
    return EncodedAudioSource(repeat(EncodedAudio(packet, level=30)))


async def _until(condition: Callable[[], bool]) -> None:
    try:
        async with asyncio.timeout(SEATED_LIMIT):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise BenchmarkError(f"not everybody is heard within {SEATED_LIMIT:g} s of the start") from None


async def _follow(meeting: Meeting, number: int) -> None:
    """Note when sound comes, and what is told."""

    def listen(track: Track) -> None:
        if track.kind is Kind.AUDIO and not track.participant.is_me:
            track.on_audio.append(lambda _: meeting.heard[number].append(time.monotonic()))

    room = meeting.rooms[number]
    for track in room.tracks:
        listen(track)
    async for event in room.events():
        match event:
            case events.TrackPublished(track):
                listen(track)
            case events.ParticipantLeft() if number == 0:
                meeting.left += 1
            case events.Reconnected(resumed) if number == 1:
                meeting.resumed.append(resumed)


def _played(meeting: Meeting, room: Room, mix: Mix, at: float) -> None:
    for track, sound in mix.sounds.items():
        if isinstance(track, Track) and sound.timestamp is not None:
            captured = room.capture_time(track, sound.timestamp)
            if captured is not None:
                meeting.delays.append(at - captured)


class _CommandLine:
    """``tcclient join`` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, stack: AsyncExitStack, link: Link, place: Path) -> _CommandLine:
        """Start it; it ends with ``stack`` at the latest."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tcclient", "join", str(link), "--user", ACCOUNT, "--name", "Command line"),
            *("--listen", "--json", "--password-stdin", "--data", str(place / "command line")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        stack.push_async_callback(_stop, process)
        assert process.stdin is not None
        process.stdin.write(PASSWORD.encode() + b"\n")
        return cls(process)

    async def end(self) -> int:
        """Have it leave, unless it has ended; return its exit status."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(END_LIMIT):
            return await self._process.wait()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def longest_silence(times: list[float], since: float, end: float) -> float:
    """Return the longest time without a packet."""
    within = [since, *(t for t in times if since <= t <= end), end]
    return max(b - a for a, b in pairwise(within))
