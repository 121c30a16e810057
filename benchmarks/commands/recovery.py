"""How long nothing is heard after a fault of the line or of the server, and whether others see somebody leave.

A talker on a clean line and one behind an access line with a round trip of 80 ms, who talks too. Then the fault. Each
row has the longest silence of either direction from the fault on; after an outage or a restart, from its end on.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import uvloop

from benchmarks.harness.options import whole
from benchmarks.harness.processes import need_linux
from benchmarks.harness.report import Bar, BenchmarkError, Report, Table
from benchmarks.harness.server import Server
from benchmarks.parts.struck_meeting import PASSWORD, Meeting, Plan, Strike, hold
from tcclient import AccountSecret

BEFORE, AFTER = 3.0, 8.0
"""Seconds of the meeting before the fault, and that are watched after it is over."""
QUICK_BEFORE, QUICK_AFTER = 1.0, 3.5
"""The longest silence that a bar allows is 3 s."""
AT_A_TIME, QUICK_AT_A_TIME = 4, 8
"""Meetings that are held at the same time: most of each is waiting."""
MOVED = "127.0.0.77"
DOWN = 1.0
"""Seconds between the end of a server that is killed and its start."""
REBINDS, REBIND_EVERY = 12, 4.13
"""The worst of so many counts; a time that has nothing to do with that of pings."""
BLOCKED = 6.0
"""Seconds without UDP, before it comes back."""
UDP_LIMIT = 15.0
"""Bar: seconds until UDP that works again is used."""
TUNNEL, TUNNEL_LOSS, TUNNEL_SECONDS = 256_000.0, 0.05, 30.0
"""Bits per second, share of lost packets, and for how long it is measured."""
EAR_LIMIT = 600.0
"""Bar: milliseconds from mouth to ear, of 95 % of the sound."""


class Fault(NamedTuple):
    """A row."""

    name: str
    strike: Strike
    limit: float | None
    """Bar: seconds of silence."""
    plan: Plan = Plan(BEFORE, AFTER)
    lasts: float = 0.0
    """Seconds until it is over."""
    restarts: bool = False
    """Whether the server ends, so that nobody's seat is kept."""


async def _reset(meeting: Meeting) -> float:
    meeting.line.reset()
    return time.monotonic()


async def _rebind(meeting: Meeting) -> float:
    meeting.line.rebind()
    return time.monotonic()


async def _rebind_often(meeting: Meeting) -> float:
    since = time.monotonic()
    for _ in range(REBINDS):
        meeting.line.rebind()
        await asyncio.sleep(REBIND_EVERY)
    return since


async def _move(meeting: Meeting) -> float:
    meeting.line.move(MOVED)
    return time.monotonic()


async def _since_it_began(meeting: Meeting) -> float:
    return meeting.began


def _block(up: bool, down: bool) -> Strike:
    async def strike(meeting: Meeting) -> float:
        meeting.line.block(up, down)
        return time.monotonic()

    return strike


async def _block_for_a_while(meeting: Meeting) -> float:
    meeting.line.block(True, True)
    await asyncio.sleep(BLOCKED)
    meeting.line.block(False, False)
    since = time.monotonic()
    await meeting.until_udp_is_used(2 * UDP_LIMIT)
    return since


def _outage(seconds: float) -> Strike:
    async def strike(meeting: Meeting) -> float:
        meeting.line.freeze(True)
        await asyncio.sleep(seconds)
        meeting.line.freeze(False)
        return time.monotonic()

    return strike


async def _restart(meeting: Meeting) -> float:
    meeting.server.kill()
    await asyncio.sleep(DOWN)
    await asyncio.to_thread(meeting.server.start)
    return time.monotonic()


async def _tunnel(meeting: Meeting) -> float:
    meeting.line.narrow(TUNNEL, TUNNEL_LOSS)
    await asyncio.sleep(TUNNEL_SECONDS)
    return time.monotonic()


_USUAL = Plan(BEFORE, AFTER)
FAULTS = (
    Fault("45 s outage", _outage(45), 1.0, lasts=45),
    Fault(
        "NAT rebind of a listener", _rebind_often, 0.5, _USUAL._replace(is_silent=True), lasts=REBINDS * REBIND_EVERY
    ),
    Fault("tunnel", _tunnel, None, _USUAL._replace(blocks_at_start=True, speaks=True), lasts=TUNNEL_SECONDS),
    Fault("UDP back", _block_for_a_while, 0.2, lasts=BLOCKED + UDP_LIMIT),
    Fault("10 s outage", _outage(10), 1.0, lasts=10),
    Fault(
        "server killed and started", _restart, 3.0, _USUAL._replace(has_command_line=True), lasts=DOWN, restarts=True
    ),
    Fault("TCP reset", _reset, 0.2, _USUAL._replace(has_command_line=True)),
    Fault("NAT rebind", _rebind, 0.5),
    Fault("address change", _move, 0.4),
    Fault("UDP blocked at the start", _since_it_began, 2.0, _USUAL._replace(blocks_at_start=True)),
    Fault("UDP blocked in mid-call", _block(True, True), 3.0),
    Fault("UDP blocked on the way up", _block(True, False), 3.0),
    Fault("UDP blocked on the way down", _block(False, True), 3.0),
)
LONG = 5.0
"""Faults that last longer are left out by ``--quick``."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    names = [fault.name for fault in FAULTS]
    parser.add_argument(
        "--faults", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}"
    )
    parser.add_argument("--seed", metavar="N", type=whole, default=1, help="of what the lines lose (default: 1)")


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    faults = [f for f in FAULTS if f.name in options.faults and not (options.quick and f.lasts > LONG)]
    if not faults:
        raise BenchmarkError("--quick leaves out all of these faults")
    if options.quick:
        faults = [f._replace(plan=f.plan._replace(before=QUICK_BEFORE, after=QUICK_AFTER)) for f in faults]
    turns = QUICK_AT_A_TIME if options.quick else AT_A_TIME
    with ExitStack() as stack:
        rooms = [f"hall-{number}" for number in range(len(faults))]
        # A server ends with the thread that has started it, so the pool stays until the end.
        pool = stack.enter_context(ThreadPoolExecutor(1))
        other = pool.submit(_server, rooms, _free_port()) if any(f.restarts for f in faults) else None
        server = stack.enter_context(_server(rooms, 0))
        killed = server if other is None else stack.enter_context(other.result())
        print(f"recovery: {len(faults)} faults, {turns} at a time", file=sys.stderr)
        meetings = uvloop.run(_all(faults, server, killed, options.seed, turns))
    found = list(zip(faults, meetings, strict=True))
    columns = ("fault", "longest silence s", "leaves seen", "came back", "mouth to ear ms, p50", "p95")
    bars = [bar for fault, meeting in found for bar in _bars(fault, meeting)]
    return Report([Table("Faults", columns, [_row(fault, meeting) for fault, meeting in found])], bars)


def _row(fault: Fault, meeting: Meeting) -> tuple[str | int | float | None, ...]:
    came_back = ", ".join("resumed" if resumed else "joined anew" for resumed in meeting.resumed)
    delays = np.array(meeting.delays)
    p50, p95 = (round(1000 * float(np.percentile(delays, q))) if len(delays) else None for q in (50, 95))
    return fault.name, round(meeting.silence, 2), meeting.left, came_back, p50, p95


def _bars(fault: Fault, meeting: Meeting) -> list[Bar]:
    bars = []
    if fault.limit is not None:
        bars.append(Bar(f"silence, {fault.name}", round(meeting.silence, 3), "s", fault.limit))
    if meeting.udp_after is not None:
        bars.append(Bar(f"UDP is used again, {fault.name}", round(meeting.udp_after, 2), "s", UDP_LIMIT))
    if fault.plan.speaks:
        p95 = 1000 * float(np.percentile(meeting.delays, 95)) if meeting.delays else None
        bars.append(Bar(f"mouth to ear, p95, {fault.name}", p95, "ms", EAR_LIMIT, note="" if p95 else "nothing played"))
    if not fault.restarts:
        bars.append(Bar(f"leaves that others see, {fault.name}", meeting.left, "", 0))
    bars.append(Bar(f"missing in the room at the end, {fault.name}", meeting.missing, "", 0))
    if fault.plan.has_command_line:
        bars.append(Bar(f"exit status of tcclient join, {fault.name}", meeting.status, "", 0))
    return bars


async def _all(faults: list[Fault], server: Server, killed: Server, seed: int, at_a_time: int) -> list[Meeting]:
    turns = asyncio.Semaphore(at_a_time)
    secrets = {each: AccountSecret(PASSWORD) for each in (server, killed)}  # each server has a salt of its own

    async def row(number: int, fault: Fault) -> Meeting:
        async with turns:
            where = killed if fault.restarts else server
            return await hold(fault.plan, fault.strike, where, f"hall-{number}", secrets[where], seed)

    return await asyncio.gather(*(row(number, fault) for number, fault in enumerate(faults)))


def _server(rooms: list[str], port: int) -> Server:
    return Server(rooms, {"server.port": port}, usual_limits=True, password=PASSWORD)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
