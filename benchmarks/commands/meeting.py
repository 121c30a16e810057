"""One meeting as you describe it: talkers, cameras, listeners, joining, length. Reports what was delivered.

The load generator behind the other benchmarks with everything to choose. Receivers are light clients: they take what
comes and count it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from benchmarks.harness import scrape
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import AUDIO_RATE, KEYFRAMES, SETTLE, packet
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.options import positive, positive_whole, whole
from benchmarks.harness.processes import memory, need_linux
from benchmarks.harness.report import Bar, BenchmarkError, Cell, Report, Table, progress
from benchmarks.harness.server import MAX_SEATS, Server, setting
from benchmarks.harness.timed_load import Outcome, Part, carry_out, evenly, order, quantile, remark
from tcproto.messages import Source
from tcproto.packet import VideoHeader

_say = progress("meeting")

PICTURE_RATE = 25
"""Pictures per second of each camera."""
LAYERS = ((1, 500), (2, 750), (5, 1000))
"""Packets of a picture and bytes of each one's body, by spatial layer: 100, 300 and 1,000 kbit/s."""
TAKING_TURNS = 3
"""With ``--rotate``, so many times as many participants have a microphone as talk at a time."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--talkers", metavar="N", type=positive_whole, default=3, help="who talk at a time (default: 3)"
    )
    parser.add_argument("--cameras", metavar="N", type=whole, default=0, help="talkers who show pictures (default: 0)")
    parser.add_argument(
        "--layers", metavar="N", type=int, default=1, choices=range(1, len(LAYERS) + 1),
        help="spatial layers of each camera: 100 kbit/s, with 2 also 300, with 3 also 1,000 (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--listeners", metavar="N", type=positive_whole, default=32, help="who only listen (default: 32)"
    )
    parser.add_argument("--rotate", metavar="S", type=positive, help="let others talk after so many seconds")
    parser.add_argument(
        "--join-rate", metavar="R", type=positive, help="participants that dial per second (default: 35)"
    )
    parser.add_argument("--seconds", metavar="S", type=positive, help="length (default: 10, with --quick 2)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[],
        help="a setting of the server, such as server.workers=2; all voices are heard unless rooms.loudest says else",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Report:
    """Hold the meeting; raises ``BenchmarkError``."""
    need_linux()
    speakers = _check(options)
    settings: dict[str, object] = dict(setting(text) for text in options.set)
    seconds, rate = options.seconds or (2.0 if options.quick else 10.0), options.join_rate or 35.0
    port = scrape.free_port()
    with Server(["hall"], {"rooms.loudest": 0, "http.port": port} | settings) as server, Clients(server) as clients:
        _say(f"{speakers + options.listeners} participants join, {rate:g} per second")
        sources = [Source.MICROPHONE, Source.SCREEN] if options.cameras else [Source.MICROPHONE]
        entries = [
            *clients.arrive("hall", speakers, speakers / rate, sources, options.layers),
            *clients.arrive("hall", options.listeners, options.listeners / rate),
        ]
        everybody = [entry.seat for entry in entries]
        talkers = everybody[:speakers]
        if options.layers > 1:
            clients.want_all_layers([seat.streams[-1] for seat in talkers[: options.cameras]])
        clients.ping()
        clients.rest(SETTLE)
        talker, *others = everybody
        ordered = order(talker, packet("audio", talker, 1), others, server.address)
        voices = [
            _voice(seat, times) for seat, times in zip(talkers, turns(speakers, options, seconds), strict=True) if times
        ]
        pictures = [
            picture
            for n, seat in enumerate(talkers[: options.cameras])
            for picture in _pictures(seat, options.layers, seconds, n / options.cameras)
        ]
        _say(f"{seconds:g} s of {options.talkers} voices and {options.cameras} cameras")
        before = scrape.loop_lag(scrape.fetch(port))
        outcome = carry_out(server, [*voices, *pictures], everybody, [ordered[0], ordered[-1]])
        lag = scrape.at_most(scrape.change(before, scrape.loop_lag(scrape.fetch(port))), 0.99)
        size = memory(server.process.pid)
    seated = [(entry.seated - entry.dialled) / 1e6 for entry in entries]
    return _report(outcome, seated, lag, size)


def _check(options: argparse.Namespace) -> int:
    """Return how many have a microphone; raises ``BenchmarkError``."""
    if options.cameras > options.talkers:
        raise BenchmarkError(f"--cameras {options.cameras}: cameras are those of talkers, at most {options.talkers}")
    speakers: int = options.talkers * (TAKING_TURNS if options.rotate else 1)
    if speakers + options.listeners > MAX_SEATS:
        raise BenchmarkError(f"{speakers} with a microphone and {options.listeners} listeners: at most {MAX_SEATS}")
    return speakers


def turns(speakers: int, options: argparse.Namespace, seconds: float) -> list[list[float]]:
    """Return the times of each speaker's packets: so many talk at a time, and after each turn the next ones do."""
    found = []
    for speaker in range(speakers):
        times = evenly(AUDIO_RATE, seconds, speaker / speakers)
        if options.rotate:
            group = speaker // options.talkers
            times = [time for time in times if int(time / options.rotate) % TAKING_TURNS == group]
        found.append(times)
    return found


def _voice(seat: MediaClient, times: Sequence[float]) -> Part:
    return Part(seat, [packet("audio", seat, 1) for _ in times], 1, times)


def _pictures(seat: MediaClient, layers: int, seconds: float, offset: float) -> list[Part]:
    """Return what a camera sends, by spatial layer; each picture is one message."""
    times = evenly(PICTURE_RATE, seconds, offset)
    return [
        Part(
            seat,
            [
                VideoHeader(
                    seat.streams[-1], 1, 0, frame * count + index, frame * 3600 & 0xFFFFFFFF, frame & 0xFFFF,
                    index, count, frame < KEYFRAMES, spatial=spatial, reference=int(frame >= KEYFRAMES),
                ).pack() + bytes(body)
                for frame in range(len(times))
                for index in range(count)
            ],
            count,
            times,
        )
        for spatial, (count, body) in enumerate(LAYERS[:layers])
    ]  # fmt: skip


def _report(outcome: Outcome, seated: Sequence[float], lag: float | None, size: int) -> Report:
    expected = outcome.sent * (len(seated) - 1)
    rows: list[tuple[Cell, ...]] = [
        ("participants", len(seated)),
        ("from dialling to seated, median ms", statistics.median(seated)),
        ("from dialling to seated, slowest ms", max(seated)),
        ("datagrams sent", outcome.sent),
        ("expected at all receivers", expected),
        ("received", round(outcome.delivered * expected)),
        ("lost %", 100 * (1 - outcome.delivered)),
        *(
            (f"delay to the {name} receiver, p{100 * share:g} ms", 1000 * quantile(latencies, share))
            for name, latencies in zip(("first", "last"), outcome.latencies, strict=True)
            for share in (0.5, 0.99)
        ),
        ("server, % of a core", 100 * outcome.cpu),
        ("server, MiB resident", size / 2**20),
        ("lag of the loops that serve media, p99 at most, ms", None if lag is None else 1000 * lag),
        ("remark", remark(outcome)),
    ]
    bars = [Bar("delivered", 100 * outcome.delivered, "%", 100.0, True, remark(outcome))]
    figures = {"outcome": outcome._asdict(), "seated_ms": list(seated)}
    return Report([Table("The meeting", ("what", "measured"), rows)], bars, figures=figures)
