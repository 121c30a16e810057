"""What each part of the fan-out saves: the same server and load, with one part after the other left out."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from benchmarks.load import (
    AUDIO_BODY,
    AUDIO_RATE,
    SETTLE,
    VIDEO_BODY,
    VIDEO_RATE,
    Figure,
    Load,
    draining,
    one_talker,
    packet,
    put_under,
    volleys,
)
from benchmarks.report import Bar, BenchmarkError, Cell, Report, Table
from benchmarks.seats import Clients, Server
from benchmarks.trial import Outcome, Part, carry_out, evenly, remark
from tcproto.datagram import Kind, pack_header, seal
from tcproto.messages import Source

RECEIVERS = 100
OPEN_MICROPHONES, LOUDEST = 35, 3
MESH_LIMIT = 8.0
"""Percent of a core for a room of open microphones."""
TCSERVER = ("-m", "tcserver")
ON_ASYNCIO = (
    "-c",
    "import asyncio, runpy, uvloop; uvloop.run = asyncio.run; runpy.run_module('tcserver', run_name='__main__')",
)
"""The server on the loop of the standard library."""
LOADS = (("audio", "flood", None), ("audio", "paced", AUDIO_RATE * 20), ("video", "paced", VIDEO_RATE))
HEADER_AND_ITEM = 40
"""Bytes of a room datagram's plaintext in front of the packet's body, about."""
Settings = Mapping[str, object]


class Variant(NamedTuple):
    """A server with a part left out."""

    name: str
    settings: Settings = MappingProxyType({})
    program: Sequence[str] = TCSERVER


VARIANTS = (
    Variant("as it comes"),
    Variant("without GSO", {"media.sender": "sendmmsg"}),
    Variant("without sendmmsg", {"media.sender": "sendto"}),
    Variant("without GRO", {"media.receiver": "recvmmsg"}),
    Variant("without recvmmsg", {"media.receiver": "recvfrom"}),
    Variant("without all of them", {"media.sender": "sendto", "media.receiver": "recvfrom"}),
    Variant("asyncio's loop", {}, ON_ASYNCIO),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--seconds", metavar="S", type=float, help="length of each measurement")
    parser.add_argument("--repeats", metavar="R", type=int, help="measurements of each, of which the median counts")


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    if not Path("/proc/self/schedstat").exists() or not hasattr(os, "fork"):
        raise BenchmarkError("needs /proc with schedstat, which only Linux has")
    seconds = options.seconds or (0.5 if options.quick else 3.0)
    repeats = options.repeats or (1 if options.quick else 3)
    rows: list[tuple[Cell, ...]] = []
    figures = {}
    for variant in VARIANTS:
        found = _measure(variant, seconds, repeats)
        figures[variant.name] = [[run._asdict() for run in figure.runs] for figure in found]
        rows.append((variant.name, *(figure.median().cpu for figure in found), 100 * found[0].median().delivered))
    columns = ("server", *(f"{kind}, {pace}" for kind, pace, _ in LOADS), "of the flood, delivered %")
    title = f"CPU us for each datagram that arrived, {RECEIVERS} receivers (medians); paced audio: 20 talkers' worth"
    meshes = {limit: _open_microphones(limit, seconds) for limit in (LOUDEST, 0)}
    tables = [Table(title, columns, rows), _loudest(meshes), seals()]
    loudest = meshes[LOUDEST]
    what = f"{OPEN_MICROPHONES} open microphones, loudest {LOUDEST}"
    bar = Bar(what, 100 * loudest.cpu, "% of a core", MESH_LIMIT, note=remark(loudest))
    return Report(tables, [bar], figures={"runs": figures, "loads": LOADS})


def _measure(variant: Variant, seconds: float, repeats: int) -> list[Figure]:
    _say(variant.name)
    figures = [Figure() for _ in LOADS]
    settings = {"rooms.loudest": 0, **variant.settings}
    with Server(["hall"], settings, variant.program) as server, Clients(server) as clients:
        hall = one_talker(clients, RECEIVERS)
        clients.prove()
        with draining(hall.seats) as counts:
            for _ in range(repeats):
                for figure, (kind, _, rate) in zip(figures, LOADS, strict=True):
                    clients.ping()
                    clients.rest(SETTLE)
                    load = Load(kind, [hall], rate)
                    ready = volleys(load, server.address, seconds)
                    figure.runs.append(put_under(load, ready, server.process.pid, counts, seconds))
    return figures


def _loudest(meshes: Mapping[int, Outcome]) -> Table:
    """Return what open microphones cost, with and without choosing the loudest."""
    rows = [
        (
            f"loudest {limit}" if limit else "all", 100 * mesh.cpu, 1e6 * mesh.cpu * mesh.seconds / mesh.sent,
            100 * mesh.delivered, remark(mesh),
        )
        for limit, mesh in meshes.items()
    ]  # fmt: skip
    title = f"{OPEN_MICROPHONES} open microphones, {AUDIO_RATE} datagrams/s each, evenly spread"
    return Table(title, ("forwarded", "core %", "us for each that arrives", "of a full mesh %", "remark"), rows)


def _open_microphones(limit: int, seconds: float) -> Outcome:
    _say(f"{OPEN_MICROPHONES} open microphones, loudest {limit or 'all'}")
    with Server(["hall"], {"rooms.loudest": limit}) as server, Clients(server) as clients:
        seats = clients.join("hall", OPEN_MICROPHONES, [Source.MICROPHONE])
        clients.prove()
        parts = []
        for n, seat in enumerate(seats):
            times = evenly(AUDIO_RATE, seconds, n / len(seats))
            parts.append(Part(seat, [packet("audio", seat, 1) for _ in times], 1, times))
        return carry_out(server, parts, seats, [])


def seals() -> Table:
    """Return what sealing costs for each forwarded datagram, once for the room, and for each receiver."""
    rows = []
    for kind, body in (("audio", AUDIO_BODY), ("video", VIDEO_BODY)):
        key, plaintext = os.urandom(32), os.urandom(HEADER_AND_ITEM + body)
        cost = _cost(lambda n, p=plaintext, k=key: seal(pack_header(Kind.ROOM, 0, 1, n), p, k))  # type: ignore[misc]
        rows += [(kind, receivers, cost / receivers, cost, cost * receivers / 1000) for receivers in (34, 100)]
    columns = ("packet", "receivers", "per room us", "per receiver us", "ms for one packet to all, per receiver")
    return Table("Sealing, alone: us for each forwarded datagram", columns, rows)


def _cost(work: Callable[[int], object], times: int = 1000, repeats: int = 7) -> float:
    """Return the µs of processor that something takes; the median of many rounds."""
    rounds = []
    for _ in range(repeats):
        start = time.thread_time_ns()
        for n in range(times):
            work(n)
        rounds.append((time.thread_time_ns() - start) / times / 1000)
    return statistics.median(rounds)


def _say(text: str) -> None:
    print(f"ablation: {text}", file=sys.stderr, flush=True)
