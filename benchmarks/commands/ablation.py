"""What each part of the fan-out saves: the same loads on servers that lack one part each, in turns.

Each part matters under another load. A flood of audio and 30 pictures/s to 100 receivers is all sending. In busy rooms
each datagram is a wake-up. In floods to one receiver, arrival costs as much as sending. It also measures the same rooms
on one process and on one and two workers, open microphones with and without the choice of the loudest, and receivers
with and without variants, layers and feedback. The cost of sealing for each receiver is computed: the measured fan-out,
and the measured seal for each receiver.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import NamedTuple

from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import (
    AUDIO_RATE,
    BUSY_ROOMS,
    BUSY_TALKERS,
    SETTLE,
    VIDEO_RATE,
    Figure,
    Load,
    LoadedRoom,
    batches,
    busy_rooms,
    doubt,
    draining,
    one_talker,
    packet,
    put_under,
)
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.options import positive, positive_whole
from benchmarks.harness.processes import need_linux
from benchmarks.harness.report import Bar, BarChart, BenchmarkError, Cell, Cost, Report, Table, progress
from benchmarks.harness.server import Server, add_sender, sending_by
from benchmarks.harness.timed_load import Outcome, Part, carry_out, evenly, remark
from benchmarks.parts import adaptation, instrumentation, sealing, workers
from tcproto.messages import Source

_say = progress("ablation")

RECEIVERS, QUICK_RECEIVERS = 100, 34
QUICK_ROOMS = 2
OPEN_MICROPHONES, LOUDEST = 35, 3
LEAST_OF_MESH, QUICK_LEAST_OF_MESH = 3.0, 1.0
"""Seconds of open microphones at least. In the first half second it is not known which seats are suppressed."""
MESH_LIMIT = 8.0
"""Percent of a core for a room of open microphones."""
TCSERVER = ("-m", "tcserver")
ON_ASYNCIO = (
    "-c",
    "import asyncio, runpy, uvloop; uvloop.run = asyncio.run; runpy.run_module('tcserver', run_name='__main__')",
)
"""The server on the loop of the standard library."""
ALL_HEARD = (
    "-c",
    (
        "import runpy, tcserver.media.speakers.suppressed as u; u.FEW = 1 << 32; "
        "runpy.run_module('tcserver', run_name='__main__')"
    ),
)
"""The server without receive coalescing."""
Settings = Mapping[str, object]
Found = Mapping[str, Mapping[str, Figure]]
"""Figures by load and variant."""


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
QUICK_VARIANTS = (VARIANTS[0], *VARIANTS[-2:])
WHOLE = VARIANTS[0].name
MESHES = (
    Variant(f"loudest {LOUDEST}", {"rooms.loudest": LOUDEST}),
    Variant(f"loudest {LOUDEST}, each read as it comes", {"rooms.loudest": LOUDEST}, ALL_HEARD),
    Variant("all", {"rooms.loudest": 0}),
)
"""Servers for open microphones."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each measurement (default: 2)")
    parser.add_argument(
        "--repeats",
        metavar="R",
        type=positive_whole,
        help="measurements of each, of which the median counts (default: 5)",
    )
    parser.add_argument("--rooms", metavar="N", type=positive_whole, help=f"busy rooms (default: {BUSY_ROOMS})")
    add_sender(parser)


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    seconds = options.seconds or (0.2 if options.quick else 2.0)
    repeats = options.repeats or (1 if options.quick else 5)
    rooms = options.rooms or (QUICK_ROOMS if options.quick else BUSY_ROOMS)
    if rooms < 2 or rooms % 2:
        raise BenchmarkError(f"--rooms {rooms}: an even number")
    receivers = QUICK_RECEIVERS if options.quick else RECEIVERS
    variants: tuple[Variant, ...] = QUICK_VARIANTS if options.quick else VARIANTS
    if options.sender != "auto":
        variants += (Variant(f"with {options.sender}", sending_by(options.sender)),)
    found = _measure(variants, receivers, rooms, seconds, repeats)
    shares = workers.measure(rooms, seconds, repeats, _say)
    length = max(seconds, QUICK_LEAST_OF_MESH if options.quick else LEAST_OF_MESH)
    meshes = {variant.name: _open_microphones(variant, length, repeats) for variant in MESHES}
    adapting = adaptation.measure(receivers, length, repeats, _say)
    in_load = {"busy rooms": workers.RECEIVERS}
    costs = {load: (in_load.get(load, receivers), found[load][WHOLE].median().cpu) for load in sealing.SEALED}
    measuring = instrumentation.measure(seconds)
    busy = found["busy rooms"][WHOLE].median()
    share = measuring.share(busy, workers.RECEIVERS)
    sealed = sealing.sealed(costs)
    tables = [
        parts(found, receivers), sealing.table(sealed), sealing.bindings(), workers.table(shares), _loudest(meshes),
        adaptation.table(adapting, receivers), instrumentation.table(measuring, share),
    ]  # fmt: skip
    loudest = _middle(meshes[MESHES[0].name])
    what = f"{OPEN_MICROPHONES} open microphones, loudest {LOUDEST}"
    bars = [
        workers.bar(shares),
        # Of a full mesh little is to arrive, so that only a late load makes the figure doubtful.
        Bar(what, 100 * loudest.cpu, "% of a core", MESH_LIMIT, note=remark(loudest)).unless(
            doubt(("server", loudest._replace(delivered=1.0)))
        ),
        adaptation.bar(adapting),
        instrumentation.bar(share).unless(doubt(("server", busy))),
    ]
    runs = {
        load: {variant: [run._asdict() for run in figure.runs] for variant, figure in by_variant.items()}
        for load, by_variant in found.items()
    }
    plots = [*charts(found), workers.chart(shares), _mesh_chart(meshes)]
    raw = {"runs": runs, "workers": workers.figures(shares)}
    costs_found = [
        *medians(found), *(one.cost for one in sealed), *workers.costs(shares), *(stage.cost for stage in adapting),
    ]  # fmt: skip
    return Report(tables, bars, plots, raw, costs_found)


class _LoadedServer(NamedTuple):
    """A server, and the seats in its rooms."""

    server: Server
    clients: Clients
    hall: LoadedRoom[MediaClient]
    rooms: Sequence[LoadedRoom[MediaClient]]
    call: LoadedRoom[MediaClient]

    def loads(self) -> dict[str, Load[MediaClient]]:
        """Return what can be put on it."""
        return {
            "audio, flood": Load("audio", [self.hall], None),
            "video, 30/s": Load("video", [self.hall], VIDEO_RATE),
            "busy rooms": Load("audio", self.rooms, AUDIO_RATE * BUSY_TALKERS * len(self.rooms)),
            "audio, flood to one": Load("audio", [self.call], None),
            "video, flood to one": Load("video", [self.call], None),
        }


def _measure(variants: Sequence[Variant], receivers: int, rooms: int, seconds: float, repeats: int) -> Found:
    """Put all loads on all variants in turns: what else the machine does meets all of them alike."""
    found: dict[str, dict[str, Figure]] = {}
    with ExitStack() as stack:
        servers = {variant.name: _open(variant, receivers, rooms, stack) for variant in variants}
        for loaded in servers.values():  # not before, for a path lasts 15 s without a datagram
            loaded.clients.prove()
        for turn in range(repeats):
            for name, loaded in servers.items():
                _say(f"{name}, {turn + 1} of {repeats}")
                for kind, load in loaded.loads().items():
                    for other in servers.values():  # all paths are to stay
                        other.clients.ping()
                    figure = found.setdefault(kind, {}).setdefault(name, Figure())
                    with draining(load.seats) as counts:
                        loaded.clients.rest(SETTLE)
                        ready = batches(load, loaded.server.address, seconds)
                        figure.runs.append(put_under(load, ready, loaded.server.process.pid, counts, seconds))
    return found


def _open(variant: Variant, receivers: int, rooms: int, stack: ExitStack) -> _LoadedServer:
    _say(f"{variant.name}: logging in")
    busy = [f"room-{n}" for n in range(rooms)]
    settings = {"rooms.loudest": 0, **variant.settings}
    server = stack.enter_context(Server(["hall", "call", *busy], settings, variant.program))
    clients = stack.enter_context(Clients(server))
    hall, call = one_talker(clients, receivers), one_talker(clients, 1, "call")
    return _LoadedServer(server, clients, hall, busy_rooms(clients, busy), call)


def parts(found: Found, receivers: int) -> Table:
    """Return what each variant costs under each load, and whether it can be told from the whole server."""
    rows: list[tuple[Cell, ...]] = []
    for load, by_variant in found.items():
        whole = by_variant[WHOLE]
        for variant, figure in by_variant.items():
            median = figure.median()
            ratio = median.cpu / whole.median().cpu
            rows.append(
                (
                    load,
                    variant,
                    median.cpu,
                    100 * figure.spread(),
                    ratio,
                    verdict(figure, whole),
                    100 * median.delivered,
                )
            )
    columns = ("load", "server", "CPU us", "spread %", "times as it comes", "difference", "delivered %")
    title = f"CPU for each datagram that arrived; {receivers} receivers, {workers.RECEIVERS} in busy rooms"
    return Table(title, columns, rows)


def medians(found: Found) -> list[Cost]:
    """Return what each variant costs under each load, for an earlier run to judge."""
    return [
        Cost(f"{load}, {variant}", figure.median().cpu, "us")
        for load, by_variant in found.items()
        for variant, figure in by_variant.items()
    ]


def charts(found: Found) -> list[BarChart]:
    """Return a picture of each load."""
    return [
        BarChart(load, workers.CHART_AXIS, {variant: figure.costs for variant, figure in by_variant.items()})
        for load, by_variant in found.items()
    ]


def verdict(figure: Figure, whole: Figure) -> str:
    """Return whether all runs of one are above or below all of the other."""
    if figure is whole:
        return ""
    if len(figure.runs) < 2:
        return "one run"
    if min(figure.costs) > max(whole.costs):
        return "dearer"
    return "cheaper" if max(figure.costs) < min(whole.costs) else "within the spread"


def _loudest(meshes: Mapping[str, Sequence[Outcome]]) -> Table:
    """Return what open microphones cost, with and without choosing the loudest, and reading the others together."""
    rows = []
    for name, outcomes in meshes.items():
        mesh, costs = _middle(outcomes), [outcome.cpu for outcome in outcomes]
        rows.append(
            (
                name, 100 * mesh.cpu, 100 * (max(costs) - min(costs)) / mesh.cpu,
                1e6 * mesh.cpu * mesh.seconds / mesh.sent, 100 * mesh.delivered, remark(mesh),
            )
        )  # fmt: skip
    title = f"{OPEN_MICROPHONES} open microphones, {AUDIO_RATE} datagrams/s each, at times of their own"
    columns = ("forwarded", "core %", "spread %", "us for each that arrives", "of a full mesh %", "remark")
    return Table(title, columns, rows)


def _mesh_chart(meshes: Mapping[str, Sequence[Outcome]]) -> BarChart:
    runs = {name: [100 * outcome.cpu for outcome in outcomes] for name, outcomes in meshes.items()}
    return BarChart(f"{OPEN_MICROPHONES} open microphones, forwarded", "% of a core", runs)


def _open_microphones(variant: Variant, seconds: float, repeats: int) -> list[Outcome]:
    _say(f"{OPEN_MICROPHONES} open microphones, {variant.name}")
    outcomes = []
    with Server(["hall"], dict(variant.settings), variant.program) as server, Clients(server) as clients:
        seats = clients.join("hall", OPEN_MICROPHONES, [Source.MICROPHONE])
        clients.prove()
        for _ in range(repeats):
            clients.ping()
            parts, rng = [], random.Random(1)
            for seat in seats:
                times = evenly(AUDIO_RATE, seconds, rng.random())
                parts.append(Part(seat, [packet("audio", seat, 1) for _ in times], 1, times))
            outcomes.append(carry_out(server, parts, seats, []))
    return outcomes


def _middle(outcomes: Sequence[Outcome]) -> Outcome:
    return sorted(outcomes, key=lambda outcome: outcome.cpu)[len(outcomes) // 2]
