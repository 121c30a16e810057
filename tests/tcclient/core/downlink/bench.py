"""A subscription with a roster and a line that is as told."""

from __future__ import annotations

from types import SimpleNamespace

from tcclient.core.downlink.arrivals import IP_UDP
from tcclient.core.downlink.ladder import LOOK_INTERVAL
from tcclient.core.downlink.subscription import SOUND, Subscription, Wishes
from tcclient.core.membership.low_rate import low_rate
from tcproto.datagram import Item, ItemType
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Kind, PublicationInfo, Source, Subscribe
from tcproto.path import ProbeItem, parse_probe_request

OWN = 1
ALL = (Source.MICROPHONE, Source.CAMERA, Source.SCREEN)


EVERYTHING = Wishes(ALL)


class Bench:
    """A subscription with a roster, a line that is as told, and what it asks for."""

    def __init__(self, wishes: Wishes = EVERYTHING) -> None:
        self.room = SimpleNamespace(own=OWN, publications={}, low_rate=low_rate(()))
        self.told: list[Subscribe] = []
        self.changed: list[Subscribe] = []
        self.dominant = 0
        self.congested: list[float] = []
        self.sent: list[Item] = []
        self.redundant = False
        self.loss = 0.0
        self.is_busy = False
        self.answers = 0
        """Bit/s of a line with which probes are answered; 0: they are not."""
        self.now = 100.0
        self.subscription = Subscription(
            self.room,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            lambda: self.dominant,
            lambda: self.redundant,
            lambda wanted: wanted,
            self.changed.append,
            lambda: self.congested.append(self.now),
            self.sent.append,
            lambda: self.loss,
        )
        self.subscription.wish(wishes)

    def request(self, message: Subscribe) -> int:
        if self.is_busy:
            raise Refusal(ErrorCode.RATE_LIMITED)
        self.told.append(message)
        return len(self.told)

    def publish(self, participant: int, stream: int, source: Source, **more: object) -> None:
        kind = Kind.AUDIO if source in (*SOUND, Source.MICROPHONE_LOW) else Kind.VIDEO
        info = PublicationInfo(participant, stream, stream, kind, source, "x", **more)  # type: ignore[arg-type]
        self.room.publications[participant, stream] = info
        self.room.low_rate = low_rate(self.room.publications.values())

    def come(self, seconds: float, queue: float, **bitrates: int) -> None:
        """Let streams come, ``s7=300_000`` is stream 7, and ``s7_1`` its layer 1, for a while: one after the other."""
        for _ in range(round(seconds / LOOK_INTERVAL)):
            for left, (name, bitrate) in zip(reversed(range(len(bitrates))), bitrates.items(), strict=True):
                stream, _, layer = name[1:].partition("_")
                size = round(bitrate * LOOK_INTERVAL / 8)
                at = self.now - LOOK_INTERVAL * left / len(bitrates)
                self.subscription.arrivals.datagram(size, queue, at)
                self.subscription.arrivals.packet((int(stream), int(layer or 0)), size)
            if self.now >= self.subscription.next_deadline:
                asked = len(self.sent)
                self.subscription.handle_timeout(self.now)
                for item in self.sent[asked:]:
                    self.answer(item)
            self.now += LOOK_INTERVAL

    def answer(self, item: Item) -> None:
        """Let a probe come over a line of so many bit/s."""
        assert item.type == ItemType.BANDWIDTH_PROBE
        number, count, size = parse_probe_request(item.value)
        for index in range(count if self.answers else 0):
            self.subscription.arrivals.other(size)
            at = self.now + index * (size + IP_UDP) * 8 / (self.answers or 1)
            self.subscription.probes.arrived(ProbeItem(number, index).pack(), self.subscription.arrivals.total, at)

    @property
    def asked(self) -> Subscribe:
        return self.told[-1]


def meeting(wishes: Wishes = EVERYTHING) -> Bench:
    """Two voices, two cameras and a screen of others, and a camera of ours."""
    bench = Bench(wishes)
    bench.publish(2, 20, Source.MICROPHONE)
    bench.publish(2, 21, Source.CAMERA)
    bench.publish(3, 30, Source.MICROPHONE)
    bench.publish(3, 31, Source.CAMERA)
    bench.publish(3, 32, Source.SCREEN)
    bench.publish(OWN, 11, Source.CAMERA)
    bench.dominant = 3
    return bench


VOICES = {"s20": 50_000, "s30": 50_000}
