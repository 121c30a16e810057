"""What it costs the server that receivers adapt: variants, layers and feedback of 100, against the same without them.

Three talk, one of them beside a camera, to light clients. *Plain*: one layer, one variant, and nothing comes back. Then
the camera has three layers, each chosen by a third, and a third of the receivers has sound with copies. Then they ping
each second, and that third reports as often, and asks again for what it would lose at ``LOSS``. Who gets no copies
reports nothing, as in a client.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import AUDIO_BODY, LATE, VIDEO_BODY
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.report import Bar, Cost, Table
from benchmarks.harness.server import Server
from benchmarks.harness.timed_load import Outcome, Part, carry_out, evenly, remark
from tcproto.datagram import ItemType
from tcproto.feedback import REPORT_INTERVAL, Reception, RetransmissionRequest, pack_receiver_report
from tcproto.messages import Source, StreamChoice, Subscribe
from tcproto.packet import AudioHeader, Series, VideoHeader
from tcproto.path import PingItem

LIMIT = 1.3
"""Times the cost of a forwarded datagram without all this."""
TALKERS, LAYERS = 3, 3
AUDIO_RATE, PICTURE_RATE, PICTURE_PACKETS = 50, 25, 3
"""Datagrams per second of a voice; pictures per second of the camera, and packets of each in each layer: 0.7 Mbit/s."""
LOSS = 0.1
"""Share of the datagrams that is missing on a bad line."""
TWICE = LOSS**2
"""Share of the sound that is missing although a copy follows each packet."""
ASKED_AFTER, ASKED_WITHIN = 0.02, 0.06
"""Seconds from a packet to the request for it: at least, and at most."""
SOURCES = (Source.MICROPHONE, Source.SCREEN)
STAGES = ("plain", "variants and layers", "variants, layers and feedback")


class Meeting:
    """A room on a server of its own, with light clients."""

    def __init__(self, server: Server, clients: Clients, receivers: int, layers: int) -> None:
        self.server = server
        self.layers = layers
        (stage,) = clients.arrive("hall", 1, 0.01, SOURCES, layers)
        talkers = clients.join("hall", TALKERS - 1, SOURCES[:1])
        self.talkers = [stage.seat, *talkers]
        guests = [clients.run(clients.guest("hall")) for _ in range(receivers)]
        self.receivers = [seat for _, seat in guests]
        self._numbers: Counter[Series] = Counter()
        self._rng = random.Random(1)
        (self._sealer,) = stage.seat.sealers
        for which, (line, _) in enumerate(guests):
            choice = StreamChoice(self._camera, max_spatial=self._layer(which), min_spatial=self._layer(which))
            copies = SOURCES[:1] if self._is_bad(which) else ()
            line.tell(Subscribe(1, SOURCES, (choice,), copies) if layers > 1 else Subscribe(1, SOURCES))
        clients.rest(0)
        for seat in (*talkers, *self.receivers):
            seat.prove(server.address)

    def ping(self) -> None:
        """Keep all paths."""
        for seat in (*self.talkers, *self.receivers):
            seat.ping(self.server.address)

    @property
    def _camera(self) -> int:
        return self.talkers[0].streams[1]

    def _layer(self, which: int) -> int:
        return which % self.layers

    def _is_bad(self, which: int) -> bool:
        """Return whether a receiver is on a bad line: a third, of all layers alike."""
        return self.layers > 1 and which // self.layers % 3 == 0

    def parts(self, seconds: float, feedback: bool) -> list[Part]:
        """Return what everybody sends in so many seconds."""
        parts = []
        sent: dict[Series, list[float]] = {}
        first = self._numbers.copy()
        for talker in self.talkers:
            series = Series(talker.streams[0])
            sent[series] = evenly(AUDIO_RATE, seconds, self._rng.random())
            packets = [self._sound(series) for _ in sent[series]]
            parts.append(Part(talker, packets, 1, sent[series]))
        pictures = evenly(PICTURE_RATE, seconds)
        for layer in range(self.layers):
            series = Series(self._camera, layer)
            packets = [self._picture(series) for _ in range(len(pictures) * PICTURE_PACKETS)]
            parts.append(Part(self.talkers[0], packets, PICTURE_PACKETS, pictures))
            sent[series] = [at for at in pictures for _ in range(PICTURE_PACKETS)]
        if feedback:
            for which, seat in enumerate(self.receivers):
                parts += self._feedback(which, seat, sent, first, seconds)
        return parts

    def _sound(self, series: Series) -> bytes:
        number = self._numbers[series]
        self._numbers[series] += 1
        time = number * 960 & 0xFFFFFFFF
        return AudioHeader(series.stream, 1, 0, number, time, 20, 30, True).pack() + bytes(AUDIO_BODY)

    def _picture(self, series: Series) -> bytes:
        number = self._numbers[series]
        self._numbers[series] += 1
        frame, index = divmod(number, PICTURE_PACKETS)
        first = frame == 0
        header = VideoHeader(
            series.stream, 1, 0, number, frame * 3600 & 0xFFFFFFFF, frame & 0xFFFF, index, PICTURE_PACKETS,
            keyframe=first, spatial=series.spatial, reference=int(not first),
        )  # fmt: skip
        return header.pack() + bytes(VIDEO_BODY)

    def _feedback(
        self, which: int, seat: MediaClient, sent: dict[Series, list[float]], first: Counter[Series], seconds: float
    ) -> list[Part]:
        """Return what a receiver of ``sent`` says to that: each series began with the number in ``first``."""
        wanted = {s: times for s, times in sent.items() if s.stream != self._camera or s.spatial == self._layer(which)}
        bad, looks = self._is_bad(which), evenly(1 / REPORT_INTERVAL, seconds, self._rng.random())
        pings = [PingItem(n, 0).pack() for n in range(len(looks))]
        reports = [self._report(wanted, first, at) for at in looks] if bad else []
        requests = sorted(self._requests(wanted, first)) if bad else []
        parts = [
            Part(seat, pings, 1, [at + self._rng.random() / 10 for at in looks], ItemType.PING),
            Part(seat, reports, 1, looks, ItemType.RECEIVER_REPORT),
            Part(seat, [v for _, v in requests], 1, [at for at, _ in requests], ItemType.RETRANSMISSION_REQUEST),
        ]
        return [part for part in parts if part.packets]

    def _report(self, wanted: dict[Series, list[float]], first: Counter[Series], at: float) -> bytes:
        """Return what somebody on a bad line reports of the sound."""
        receptions = []
        for series, times in wanted.items():
            if (own := self._own(series)).redundant:
                until = first[series] + sum(time <= at for time in times)
                lost = round(until * LOSS)
                receptions.append(Reception(self._sealer, own, until - lost, lost, until & 0xFFFF, 20, 80))
        return pack_receiver_report(receptions)

    def _requests(self, wanted: dict[Series, list[float]], first: Counter[Series]) -> Iterator[tuple[float, bytes]]:
        """Yield what somebody on a bad line asks for again, with the times."""
        for series, times in wanted.items():
            own, share = self._own(series), LOSS if series.stream == self._camera else TWICE
            for number, at in enumerate(times, first[series]):
                if self._rng.random() < share:
                    request = RetransmissionRequest(self._sealer, own, number & 0xFFFF, 0)
                    yield at + self._rng.uniform(ASKED_AFTER, ASKED_WITHIN), request.pack()

    def _own(self, series: Series) -> Series:
        """Return the variant that a receiver on a bad line gets."""
        return series._replace(redundant=series.stream != self._camera)


class Stage(NamedTuple):
    """What a stage costs."""

    name: str
    each: float
    """µs of processor for each datagram that arrived; the median."""
    costs: Sequence[float]
    outcome: Outcome
    """Of the last run."""

    @property
    def cost(self) -> Cost:
        """The same for an earlier run to judge."""
        return Cost(f"receivers who adapt, {self.name}", self.each, "us")


def measure(receivers: int, seconds: float, repeats: int, say: Callable[[str], None]) -> list[Stage]:
    """Measure the stages in turns; raises ``BenchmarkError``."""
    outcomes: dict[str, list[Outcome]] = {stage: [] for stage in STAGES}
    say(f"{receivers} receivers who adapt: logging in")
    settings: dict[str, object] = {"rooms.loudest": 0}
    with (
        Server(["hall"], settings) as simple, Clients(simple) as few,
        Server(["hall"], settings) as whole, Clients(whole) as many,
    ):  # fmt: skip
        plain, adapted = Meeting(simple, few, receivers, 1), Meeting(whole, many, receivers, LAYERS)
        for turn in range(repeats):
            for stage in STAGES:
                say(f"{stage}, {turn + 1} of {repeats}")
                plain.ping()
                adapted.ping()
                meeting = plain if stage is STAGES[0] else adapted
                parts = meeting.parts(seconds, feedback=stage is STAGES[-1])
                outcomes[stage].append(carry_out(meeting.server, parts, [*meeting.talkers, *meeting.receivers], []))
    return [_stage(name, found) for name, found in outcomes.items()]


def _stage(name: str, outcomes: Sequence[Outcome]) -> Stage:
    costs = [1e6 * outcome.cpu * outcome.seconds / outcome.arrived for outcome in outcomes]
    return Stage(name, statistics.median(costs), costs, outcomes[-1])


def table(stages: Sequence[Stage], receivers: int) -> Table:
    """Return what each stage costs."""
    rows = [
        (
            stage.name, stage.each, 100 * (max(stage.costs) - min(stage.costs)) / stage.each,
            stage.each / stages[0].each, stage.outcome.sent / stage.outcome.seconds,
            stage.outcome.arrived / stage.outcome.seconds, 100 * stage.outcome.cpu, remark(stage.outcome),
        )
        for stage in stages
    ]  # fmt: skip
    columns = ("load", "CPU us", "spread %", "times plain", "packets sent /s", "arrived /s", "core %", "remark")
    return Table(f"Server CPU for each datagram that arrived; {receivers} receivers who adapt", columns, rows)


def bar(stages: Sequence[Stage]) -> Bar:
    """Return whether the whole stays near the plain."""
    what = "variants, layers and feedback, against the same without"
    late = any(stage.outcome.late > LATE for stage in stages)
    return Bar(what, stages[-1].each / stages[0].each, "x", LIMIT).unless("the load came late" if late else "")
