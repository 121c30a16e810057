"""What a forwarded datagram of voice costs here, and on Mumble's server, under the same load in the same run.

Both servers are real ones in processes of their own, with everybody logged in. They get the load in turns, and so does
the kernel alone: the floor of the fan-out benchmark, which has the same loads. The sound has the same size, inside the
framing of each server's own protocol.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import (
    AUDIO_BODY,
    AUDIO_RATE,
    BUSY_PARTICIPANTS,
    BUSY_ROOMS,
    BUSY_TALKERS,
    IN_FLIGHT,
    SETTLE,
    Figure,
    Load,
    LoadedRoom,
    Measurement,
    batches,
    busy_rooms,
    doubt,
    draining,
    one_talker,
    packet,
    put_under,
    relay,
    remark,
)
from benchmarks.harness.media_client import PROOF_LIMIT, MediaClient
from benchmarks.harness.mmsg import DatagramBatch, Sink
from benchmarks.harness.options import positive, positive_whole
from benchmarks.harness.processes import need_linux
from benchmarks.harness.procfs import resident
from benchmarks.harness.report import Bar, BenchmarkError, Plot, Report, Table, progress
from benchmarks.harness.server import MAX_SEATS, Server, add_sender, sending_by
from benchmarks.mumble.clients import Guest, Guests
from benchmarks.mumble.ocb2 import KEY_SIZE, Ocb2
from benchmarks.mumble.server import MumbleServer, version
from tcproto.datagram import Item, ItemType
from tcproto.secretbox import TAG_SIZE
from tcserver.media.opening import FAN_OUT

_say = progress("peers")

RECEIVERS = (34, 100)
QUICK_RECEIVERS = RECEIVERS[:1]
QUICK_ROOMS = 6
OPUS = AUDIO_BODY - TAG_SIZE - 1
"""Bytes of sound in a packet: the bytes of ours, without its box and its count of padding."""
SERVER, MUMBLE, FLOOR = "server", "mumble", "sendmmsg"
PACES = (("paced", AUDIO_RATE), ("flood", None))
LIMIT = 0.8
"""Of the least that Mumble's server needs under any load, what a datagram may cost ours in busy rooms."""
CLONING_LIMIT = 0.6
"""The same if the kernel makes the copies."""
Key = tuple[str, int]
"""Pace, receivers."""


@dataclass
class Comparison:
    """What was seen under one load."""

    figures: dict[str, Figure] = field(default_factory=lambda: {name: Figure() for name in (SERVER, MUMBLE, FLOOR)})
    memory: dict[str, int] = field(default_factory=dict)
    """Resident bytes of the servers, after the load."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--receivers", metavar="N", type=positive_whole, nargs="+", help="numbers of receivers of one talker"
    )
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each measurement")
    parser.add_argument(
        "--repeats", metavar="R", type=positive_whole, help="measurements of each figure, of which the median counts"
    )
    add_sender(parser)


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    told = version()
    Ocb2(bytes(KEY_SIZE))  # where there is no AES, it says so now and not after a thousand logins
    receivers = options.receivers or (QUICK_RECEIVERS if options.quick else RECEIVERS)
    seconds = options.seconds or (0.5 if options.quick else 4.0)
    repeats = options.repeats or (1 if options.quick else 3)
    if not all(1 <= count < MAX_SEATS for count in receivers):
        raise BenchmarkError(f"--receivers: between 1 and {MAX_SEATS - 1}")
    settings = sending_by(options.sender)
    seen: dict[Key, Comparison] = {}
    for count in receivers:
        seen |= compare_one_talker(count, seconds, repeats, settings)
    seen |= compare_busy(min(BUSY_ROOMS, QUICK_ROOMS) if options.quick else BUSY_ROOMS, seconds, repeats, settings)
    return _report(seen, told, CLONING_LIMIT if options.sender == FAN_OUT else LIMIT)


def compare_one_talker(
    receivers: int, seconds: float, repeats: int, settings: dict[str, object]
) -> dict[Key, Comparison]:
    """Compare with one room in which one talks, at the rate of speech and as fast as it comes out."""
    _say(f"{receivers} receivers: logging in")
    with (
        Server(["hall"], {"rooms.loudest": 0} | settings) as server,
        Clients(server) as clients,
        MumbleServer() as mumble,
        Guests(mumble) as guests,
    ):
        hall = one_talker(clients, receivers)
        channel = LoadedRoom(guests.join(guests.open_channels(["hall"])[0], 1 + receivers), 1)
        clients.prove()
        guests.prove()
        seen = {}
        for pace, rate in PACES:
            _say(f"{receivers} receivers: {pace}")
            ours = partial(_measure_ours, server, clients, Load("audio", [hall], rate), seconds)
            floor = partial(_measure_floor, clients, Load("audio", [hall], rate), seconds)
            theirs = partial(_measure_mumble, mumble, guests, Load("audio", [channel], rate), seconds)
            seen[pace, receivers] = _in_turns({SERVER: ours, MUMBLE: theirs, FLOOR: floor}, server, mumble, repeats)
    return seen


def compare_busy(rooms: int, seconds: float, repeats: int, settings: dict[str, object]) -> dict[Key, Comparison]:
    """Compare with rooms of 35 participants; three of them talk."""
    _say(f"{rooms} busy rooms: logging in")
    names = [f"room-{n}" for n in range(rooms)]
    rate = AUDIO_RATE * BUSY_TALKERS * rooms
    with (
        Server(names, settings) as server,
        Clients(server) as clients,
        MumbleServer() as mumble,
        Guests(mumble) as guests,
    ):
        load = Load("audio", busy_rooms(clients, names), rate)
        channels = [
            LoadedRoom(guests.join(channel, BUSY_PARTICIPANTS), BUSY_TALKERS) for channel in guests.open_channels(names)
        ]
        clients.prove()
        guests.prove()
        _say(f"{rooms} busy rooms")
        ours = partial(_measure_ours, server, clients, load, seconds)
        floor = partial(_measure_floor, clients, load, seconds)
        theirs = partial(_measure_mumble, mumble, guests, Load("audio", channels, rate), seconds)
        seen = _in_turns({SERVER: ours, MUMBLE: theirs, FLOOR: floor}, server, mumble, repeats)
    return {("busy", load.receivers): seen}


def _in_turns(
    measures: Mapping[str, Callable[[], Measurement]], server: Server, mumble: MumbleServer, repeats: int
) -> Comparison:
    seen = Comparison()
    for _ in range(repeats):
        for name, measure in measures.items():
            seen.figures[name].runs.append(measure())
    seen.memory = {SERVER: resident(server.process.pid), MUMBLE: resident(mumble.process.pid)}
    return seen


def _measure_ours(server: Server, clients: Clients, load: Load[MediaClient], seconds: float) -> Measurement:
    with draining(load.seats) as counts:
        clients.ping()
        clients.rest(SETTLE)
        ready = batches(load, server.address, seconds)
        seen = put_under(load, ready, server.process.pid, counts, seconds)
    talker, listener = load.talkers[0], load.rooms[0].seats[-1]
    Sink().drain(listener.socket.fileno())
    spoken = packet("audio", talker, 1)
    talker.socket.sendto(talker.up(Item(ItemType.PACKET, spoken)), server.address)
    listener.socket.settimeout(PROOF_LIMIT)
    try:
        while listener.forwarded(listener.socket.recv(2048)) != spoken:
            pass
    except TimeoutError:
        raise BenchmarkError("the server forwards no voice") from None
    finally:
        listener.socket.setblocking(False)
    return seen


def _measure_floor(clients: Clients, load: Load[MediaClient], seconds: float) -> Measurement:
    with draining(load.seats) as counts, relay(load, trains=False) as (address, pid):
        clients.ping()
        clients.rest(SETTLE)
        return put_under(load, batches(load, address, seconds), pid, counts, seconds)


def _measure_mumble(server: MumbleServer, guests: Guests, load: Load[Guest], seconds: float) -> Measurement:
    with draining(load.seats) as counts:
        guests.agree(load.talkers)
        guests.rest(SETTLE)
        count = load.datagrams(seconds)
        ready = [
            DatagramBatch(talker.socket, server.address, [talker.say(os.urandom(OPUS)) for _ in range(count)])
            for talker in load.talkers
        ]
        seen = put_under(load, ready, server.process.pid, counts, seconds)
    talker, listener = load.talkers[0], load.rooms[0].seats[-1]
    guests.agree([talker, listener])
    Sink().drain(listener.socket.fileno())
    confirm(server, talker, listener)
    return seen


def confirm(server: MumbleServer, talker: Guest, listener: Guest) -> None:
    """See that a voice arrives as it was said; raises ``BenchmarkError``."""
    spoken = os.urandom(OPUS)
    talker.socket.sendto(talker.say(spoken), server.address)
    for _ in range(1 + IN_FLIGHT):  # a server that is slow still has some of the load to forward
        heard = listener.hear()
        if (heard.session, heard.opus) == (talker.session, spoken):
            return
    raise BenchmarkError("Mumble's server forwards another voice")


def _report(seen: dict[Key, Comparison], told: str, limit: float) -> Report:
    rows, ratios, raw = [], [], []
    for (pace, receivers), comparison in seen.items():
        medians = {name: figure.median() for name, figure in comparison.figures.items()}
        for name, median in medians.items():
            resting = comparison.memory.get(name)
            rows.append(
                (
                    f"audio, {pace}", receivers, name, median.cpu, median.rate, 100 * median.delivered,
                    100 * median.busy, 100 * median.waited, resting and resting / 2**20,
                    100 * comparison.figures[name].spread(), remark(pace == "flood", median),
                )
            )  # fmt: skip
        ours, theirs, floor = (medians[name].cpu for name in (SERVER, MUMBLE, FLOOR))
        ratios.append(
            (f"audio, {pace}", receivers, ours, theirs, floor, ours / theirs, ours / floor, theirs / floor)
        )  # fmt: skip
        raw += [
            {"pace": pace, "receivers": receivers, "target": name, **run._asdict()}
            for name, figure in comparison.figures.items()
            for run in figure.runs
        ]
    tables = [
        Table(
            f"CPU of the process per datagram that arrived at a receiver (medians), Mumble's server {told}",
            ("load", "receivers", "of", "us", "/s", "delivered %", "core %", "waited %", "MiB", "spread %", "remark"),
            rows,
        ),
        Table(
            "Side by side",
            ("load", "receivers", "server us", "mumble us", "sendmmsg us", "/mumble", "/sendmmsg", "mumble/sendmmsg"),
            ratios,
        ),
    ]
    plots = [
        Plot(f"audio, {pace}", "receivers", "CPU µs per forwarded datagram", _lines(seen, pace)) for pace, _ in PACES
    ]
    memory = [{"pace": pace, "receivers": count, **one.memory} for (pace, count), one in seen.items()]
    return Report(
        tables, [bar(seen, limit)], plots, {"runs": raw, "memory": memory, "mumble": told, "opus_bytes": OPUS}
    )


def bar(seen: Mapping[Key, Comparison], limit: float = LIMIT) -> Bar:
    """Return what ours costs in busy rooms, against the best of Mumble's server under whatever load."""
    best, (pace, receivers) = min((one.figures[MUMBLE].median(), key) for key, one in seen.items())
    busy = next(one.figures[SERVER].median() for key, one in seen.items() if key[0] == "busy")
    note = f"which is {best.cpu:.2f} us, {pace}, {receivers} receivers"
    bar = Bar("audio, busy, against the best of Mumble's server", busy.cpu / best.cpu, "x", limit, note=note)
    if pace == "flood":
        best = best._replace(delivered=1.0)  # some of a flood is always lost; its cost is that of what arrived
    return bar.unless(doubt((SERVER, busy), (f"{MUMBLE}, {pace}, {receivers} receivers", best)))


def _lines(seen: Mapping[Key, Comparison], pace: str) -> dict[str, list[tuple[float, float]]]:
    chosen = sorted((count, one) for (key, count), one in seen.items() if key == pace)
    return {
        name: [(count, one.figures[name].median().cpu) for count, one in chosen] for name in (SERVER, MUMBLE, FLOOR)
    }
