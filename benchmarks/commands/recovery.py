"""How long nothing is heard after a fault of the line or of the server, and whether others see somebody leave.

A talker on a clean line and one behind an access line with a round trip of 80 ms, who talks too. Then the fault. Each
row has the longest silence of either direction from the fault on; after an outage or a restart, from its end on.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.access_line import AccessLine
from benchmarks.harness.processes import need_linux
from benchmarks.harness.report import Bar, BenchmarkError, Report, Table
from benchmarks.harness.server import ACCOUNT, Server
from tcclient import AccountSecret, Room, connect, events, tone
from tcproto.identity import SigningKey

DELAY = 0.04
"""Seconds of the access line in each direction."""
BEFORE, AFTER = 3.0, 8.0
"""Seconds of the meeting before the fault, and that are watched after it is over."""
QUICK_AFTER = 4.0
SEATED_LIMIT = 20.0
MOVED = "127.0.0.77"
DOWN = 1.0
"""Seconds between the end of a server that is killed and its start."""


class Fault(NamedTuple):
    """A row: ``strike`` returns the monotonic time from which silence counts."""

    name: str
    strike: Callable[[AccessLine, Server], Awaitable[float]]
    limit: float
    """Bar: seconds of silence."""
    others_see_nothing: bool = True
    lasts: float = 0.0
    """Seconds until it is over."""


@dataclass
class Found:
    """What became of a row."""

    silence: float = float("inf")
    left: int = 0
    """Participants that the talker saw leave."""
    reconnected: list[bool] = field(default_factory=list)
    """For each return of the other one, whether the seat was resumed."""


async def _reset(line: AccessLine, _: Server) -> float:
    line.reset()
    return time.monotonic()


async def _rebind(line: AccessLine, _: Server) -> float:
    line.rebind()
    return time.monotonic()


async def _move(line: AccessLine, _: Server) -> float:
    line.move(MOVED)
    return time.monotonic()


def _outage(seconds: float) -> Callable[[AccessLine, Server], Awaitable[float]]:
    async def strike(line: AccessLine, _: Server) -> float:
        line.freeze(True)
        await asyncio.sleep(seconds)
        line.freeze(False)
        return time.monotonic()

    return strike


async def _restart(_: AccessLine, server: Server) -> float:
    server.kill()
    await asyncio.sleep(DOWN)
    await asyncio.to_thread(server.start)
    return time.monotonic()


FAULTS = (
    Fault("TCP reset", _reset, 0.2),
    Fault("NAT rebind", _rebind, 0.5),
    Fault("address change", _move, 0.4),
    Fault("10 s outage", _outage(10), 1.0, lasts=10),
    Fault("45 s outage", _outage(45), 1.0, lasts=45),
    Fault("server killed and started", _restart, 3.0, others_see_nothing=False, lasts=DOWN),
)
LONG = 5.0
"""Faults that last longer are left out by ``--quick``."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    names = [fault.name for fault in FAULTS]
    parser.add_argument(
        "--faults", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}"
    )


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    faults = [f for f in FAULTS if f.name in options.faults and not (options.quick and f.lasts > LONG)]
    if not faults:
        raise BenchmarkError("--quick leaves out all of these faults")
    after = QUICK_AFTER if options.quick else AFTER
    found = asyncio.run(_all(faults, after))
    rows = [
        (
            fault.name,
            round(one.silence, 2),
            one.left,
            ", ".join("resumed" if r else "joined anew" for r in one.reconnected),
        )
        for fault, one in found
    ]
    bars = [Bar(f"silence, {fault.name}", round(one.silence, 3), "s", fault.limit) for fault, one in found]
    bars += [
        Bar(f"leaves that others see, {fault.name}", one.left, "", 0)
        for fault, one in found
        if fault.others_see_nothing
    ]
    return Report([Table("Faults", ("fault", "longest silence s", "leaves seen", "came back"), rows)], bars)


async def _all(faults: list[Fault], after: float) -> list[tuple[Fault, Found]]:
    """Run all rows at the same time, each with a server of its own: most of a row is waiting."""
    print(f"recovery: {len(faults)} faults at once", file=sys.stderr)
    return list(zip(faults, await asyncio.gather(*(_row(fault, after) for fault in faults)), strict=True))


async def _row(fault: Fault, after: float) -> Found:
    found = Found()
    async with AsyncExitStack() as stack:
        settings: dict[str, object] = {"server.port": _free_port()}
        server = stack.enter_context(await asyncio.to_thread(Server, ["hall"], settings, usual_limits=True))
        line = await stack.enter_async_context(AccessLine(server.address, DELAY))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcbench-")))
        link = replace(server.link, room="hall", e2ee=False)
        heard: list[list[float]] = [[], []]
        for number, where in enumerate((link, replace(link, port=line.port))):
            room = await stack.enter_async_context(
                connect(
                    where,
                    user=ACCOUNT,
                    password=_Known(server.account_key),
                    name=f"Person {number}",
                    data=place / str(number),
                    require_e2ee=False,
                )
            )
            task = asyncio.create_task(_follow(room, heard[number], found, is_behind_the_line=number == 1))
            stack.callback(task.cancel)
            await room.publish(tone())
        async with asyncio.timeout(SEATED_LIMIT):
            while not all(heard):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(BEFORE)
        since = await fault.strike(line, server)
        await asyncio.sleep(after)
        end = time.monotonic()
        found.silence = max(longest_silence(times, since, end) for times in heard)
        seen = found.left, list(found.reconnected)  # what follows is the end of the meeting
        return Found(found.silence, *seen)


async def _follow(room: Room, times: list[float], found: Found, *, is_behind_the_line: bool) -> None:
    """Note when sound comes, and what is told."""

    def listen(track: Any) -> None:
        if not track.participant.is_me:
            track.on_audio.append(lambda _: times.append(time.monotonic()))

    for track in room.tracks:
        listen(track)
    async for event in room.events():
        match event:
            case events.TrackPublished(track):
                listen(track)
            case events.ParticipantLeft() if not is_behind_the_line:
                found.left += 1
            case events.Reconnected(resumed) if is_behind_the_line:
                found.reconnected.append(resumed)


def longest_silence(times: list[float], since: float, end: float) -> float:
    """Return the longest time without a packet."""
    within = [since, *(t for t in times if since <= t <= end), end]
    return max(b - a for a, b in pairwise(within))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class _Known(AccountSecret):
    """The account key of the benchmark's accounts, which have no password."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    async def key(self, *_: object) -> SigningKey:
        """Return the key."""
        return self._key
