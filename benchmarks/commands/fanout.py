"""What a forwarded datagram costs the server process, against what the kernel alone needs for the same datagrams.

The server is a real one. Its load is sealed datagrams of real seats, sent from C. Receivers are bound sockets that
nobody waits on. Another process empties and counts them a few times a second. The floor is a relay in the same run,
with the same load and the same receivers. It takes datagrams with ``recvmmsg`` and passes them on with ``sendmmsg``,
each on its own or as trains (UDP_GRO, UDP_SEGMENT). It opens and seals nothing, and sends also to the origin.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import NamedTuple

from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import (
    AUDIO_BODY,
    AUDIO_RATE,
    BURST,
    BUSY_PARTICIPANTS,
    BUSY_ROOMS,
    BUSY_TALKERS,
    SETTLE,
    SPREAD,
    VIDEO_BODY,
    VIDEO_RATE,
    Figure,
    Load,
    batches,
    busy_rooms,
    doubt,
    draining,
    one_talker,
    put_under,
    relay,
    remark,
)
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.network import Network, add_over, network
from benchmarks.harness.options import positive, positive_whole
from benchmarks.harness.processes import need_linux
from benchmarks.harness.report import Bar, BenchmarkError, Plot, Report, Table, progress
from benchmarks.harness.server import MAX_SEATS, Server, add_sender, sending_by
from benchmarks.parts import delivery_cliff, leaving
from benchmarks.parts.arrival import measure
from tcserver.media.opening import FAN_OUT

_say = progress("fanout")

RECEIVERS = (1, 10, 34, 100, 200, 500, MAX_SEATS - 1)
QUICK_RECEIVERS = (delivery_cliff.RECEIVERS,)
QUICK_ROOMS = 2
TARGETS = ("server", "sendmmsg", "gso")
PACES = (
    ("audio", "paced", AUDIO_RATE, 1),
    ("audio", "flood", None, 1),
    ("video", "paced", VIDEO_RATE, 1),
    ("video", "spread", VIDEO_RATE * SPREAD, SPREAD),
    ("video", "flood", None, 1),
)
"""Kind, name, messages per second, messages of a picture."""
Key = tuple[str, str, int]
"""Kind, pace, receivers."""
Figures = dict[Key, dict[str, Figure]]
"""By load and target."""
RATIO_BARS: tuple[tuple[Key, str, float], ...] = (
    (("audio", "busy", 34), "sendmmsg", 1.25),
    (("audio", "paced", 34), "sendmmsg", 1.8),
    (("audio", "paced", 100), "sendmmsg", 1.35),
    (("audio", "paced", 200), "sendmmsg", 1.2),
    (("video", "paced", 34), "gso", 1.6),
    (("video", "paced", 100), "gso", 1.35),
)
CLONING_BARS: tuple[tuple[Key, str, float], ...] = (
    (("audio", "busy", 34), "sendmmsg", 0.75),
    (("audio", "paced", 34), "sendmmsg", 1.3),
    (("audio", "paced", 100), "sendmmsg", 0.7),
    (("audio", "paced", 200), "sendmmsg", 0.6),
)
"""Of a server that has the kernel make the copies."""
SATURATION, CLONING_SATURATION = 600_000, 1_200_000
"""Datagrams per second of a core, in a flood of audio to 100 receivers."""
ARRIVAL_BARS = {"audio": 25.0, "video": 15.0}
"""µs of an arriving datagram in the media plane, as in a busy server."""


class Approach(NamedTuple):
    """The way to saturation, in datagrams per second that arrive at the server."""

    saturation: float
    steps: list[delivery_cliff.Step]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--receivers", metavar="N", type=positive_whole, nargs="*",
        help=f"numbers of receivers, or none for the busy rooms alone (default: {' '.join(map(str, RECEIVERS))}, with "
        f"--quick {' '.join(map(str, QUICK_RECEIVERS))}); {MAX_SEATS} are {MAX_SEATS - 1}, for the talker has one of "
        "the seats of a room",
    )  # fmt: skip
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each measurement")
    parser.add_argument(
        "--repeats", metavar="R", type=positive_whole, help="measurements of each figure, of which the median counts"
    )
    add_sender(parser)
    add_over(parser)


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    default = QUICK_RECEIVERS if options.quick else RECEIVERS
    receivers = default if options.receivers is None else options.receivers
    seconds = options.seconds or (0.3 if options.quick else 4.0)
    repeats = options.repeats or (1 if options.quick else 3)
    if not all(1 <= count <= MAX_SEATS for count in receivers):
        raise BenchmarkError(f"--receivers: between 1 and {MAX_SEATS}")
    settings = sending_by(options.sender)
    figures: Figures = {}
    approach = None
    rooms = QUICK_ROOMS if options.quick else BUSY_ROOMS
    with network(options.over) as between:
        for count in sorted({min(count, MAX_SEATS - 1) for count in receivers}):
            found, way = _one_talker(count, seconds, repeats, settings, between)
            figures |= found
            approach = approach or way
        figures |= _busy(rooms, seconds, repeats, settings, between)
    _say("the media plane alone")
    arrival = measure(rooms, BUSY_PARTICIPANTS, BUSY_TALKERS, AUDIO_BODY, VIDEO_BODY, BURST)
    report = _report(figures, approach, arrival, options.sender)
    if options.sender != FAN_OUT:
        return report
    _say("sending alone")
    return replace(report, tables=[*report.tables, leaving.table(receivers or QUICK_RECEIVERS)])


def _one_talker(
    receivers: int, seconds: float, repeats: int, settings: dict[str, object], between: Network
) -> tuple[Figures, Approach | None]:
    _say(f"{receivers} receivers: logging in")
    figures: Figures = {}
    # All streams of a flood are one seat's, and so would share one of the places for the loudest. The pictures are of a
    # screen, since a server that is overloaded, as in a flood, shows fewer cameras.
    settings = {"rooms.loudest": 0} | settings
    with Server(["hall"], settings, network=between) as server, Clients(server) as clients:
        room = one_talker(clients, receivers)
        clients.prove()
        for kind, pace, rate, bursts in PACES:
            _say(f"{receivers} receivers: {kind}, {pace}")
            load = Load(kind, [room], rate, bursts)
            figures[kind, pace, receivers] = _compare(server, clients, load, seconds, repeats)
        if receivers != delivery_cliff.RECEIVERS:
            return figures, None
        _say(f"{receivers} receivers: audio at shares of saturation")
        saturation = figures["audio", "flood", receivers]["server"].median().rate / receivers
        return figures, Approach(
            saturation, delivery_cliff.approach(server, clients, room, saturation, seconds, repeats)
        )


def _busy(rooms: int, seconds: float, repeats: int, settings: dict[str, object], between: Network) -> Figures:
    _say(f"{rooms} busy rooms: logging in")
    names = [f"room-{n}" for n in range(rooms)]
    with Server(names, settings, network=between) as server, Clients(server) as clients:
        halls = busy_rooms(clients, names)
        clients.prove()
        load = Load("audio", halls, AUDIO_RATE * BUSY_TALKERS * rooms)
        _say(f"{rooms} busy rooms")
        return {("audio", "busy", load.receivers): _compare(server, clients, load, seconds, repeats)}


def _compare(
    server: Server, clients: Clients, load: Load[MediaClient], seconds: float, repeats: int
) -> dict[str, Figure]:
    """Measure the server and the two floors under a load, in turns."""
    figures = {name: Figure() for name in TARGETS}
    with draining(load.seats) as counts:
        for _ in range(repeats):
            for name, figure in figures.items():
                clients.ping()
                clients.rest(SETTLE)
                if name == "server":
                    ready = batches(load, server.address, seconds)
                    figure.runs.append(put_under(load, ready, server.process.pid, counts, seconds))
                else:
                    with relay(load, name == "gso", server.network) as (address, pid):
                        ready = batches(load, address, seconds)
                        figure.runs.append(put_under(load, ready, pid, counts, seconds))
    return figures


def _report(figures: Figures, approach: Approach | None, arrival: dict[str, float], sender: str) -> Report:
    rows = []
    raw = []
    for (kind, pace, receivers), by_target in figures.items():
        server, plain, gso = (by_target[name].median() for name in TARGETS)
        rows.append(
            (
                f"{kind}, {pace}", receivers, server.cpu, plain.cpu, gso.cpu, server.cpu / plain.cpu,
                server.cpu / gso.cpu, server.machine, plain.machine, server.rate, 100 * server.delivered,
                100 * server.busy, 100 * by_target["server"].spread(), remark(pace == "flood", server),
            )
        )  # fmt: skip
        raw += [
            {"load": kind, "pace": pace, "receivers": receivers, "target": name, **run._asdict()}
            for name, figure in by_target.items()
            for run in figure.runs
        ]
    columns = (
        "load", "receivers", "server us", "sendmmsg us", "GSO us", "/sendmmsg", "/GSO", "machine us", "its sendmmsg us",
        "server /s", "delivered %",
        "core %", "spread %", "remark",
    )  # fmt: skip
    plots = [
        Plot(f"{kind}, {pace}", "receivers", "CPU µs per forwarded datagram", lines, log_x=True)
        for kind, pace, *_ in PACES
        if (lines := _lines(figures, kind, pace))
    ]
    title = "CPU of the process per datagram that arrived at a receiver; floors: the kernel alone (medians)"
    bars = bars_of(figures, sender)
    bars += [
        Bar(f"arriving {kind} datagram, system calls left out", arrival[kind], "us", limit)
        for kind, limit in ARRIVAL_BARS.items()
    ]
    tables = [Table(title, columns, rows)]
    steps = []
    if approach is not None:
        tables.append(delivery_cliff.table(approach.steps, approach.saturation))
        bars.append(delivery_cliff.bar(approach.steps))
        plots.append(delivery_cliff.plot(approach.steps))
        steps = [{"share": step.share, **run._asdict()} for step in approach.steps for run in step.runs]
    return Report(tables, bars, plots, {"runs": raw, "arrival_us": arrival, "approach": steps})


def _lines(figures: Figures, kind: str, pace: str) -> dict[str, list[tuple[float, float]]]:
    chosen = {key[2]: by_target for key, by_target in figures.items() if key[:2] == (kind, pace)}
    return {
        name: [(receivers, chosen[receivers][name].median().cpu) for receivers in sorted(chosen)]
        for name in TARGETS
        if chosen
    }


def bars_of(figures: Figures, sender: str = "auto") -> list[Bar]:
    """Return the bars that the figures are held against."""
    bars = []
    cloning = sender == FAN_OUT
    for key, floor, limit in CLONING_BARS if cloning else RATIO_BARS:
        if key in figures:
            kind, pace, receivers = key
            server, relayed = (figures[key][name].median() for name in ("server", floor))
            what = f"{kind}, {pace}, {receivers} receivers, against {floor}"
            bar = Bar(what, server.cpu / relayed.cpu, "x", limit)
            bars.append(bar.unless(doubt(("server", server), (floor, relayed))))
    flood = figures.get(("audio", "flood", 100))
    if flood is not None:
        server = flood["server"].median()
        note = "arrivals per second of processor"
        what = "saturation of a core, audio, 100 receivers"
        bar = Bar(
            what, server.rate / server.busy, "/s", CLONING_SATURATION if cloning else SATURATION, least=True, note=note
        )
        # What arrived is the figure itself, whatever else a flood loses.
        bars.append(bar.unless(doubt(("server", server._replace(delivered=1.0)))))
    return bars
