"""From datagrams to the packets of other participants."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from tcclient.core.downlink.arrivals import OVERHEAD, Arrivals, Layer
from tcclient.core.downlink.bandwidth import BandwidthProbes
from tcclient.core.drops import Drop
from tcclient.core.keys.member_keys import MemberKeys
from tcclient.core.keys.room_datagrams import Opened, RoomDatagramOpener
from tcclient.core.media.copies import COPY_ITEMS, copied_packets, farthest_copy
from tcclient.core.media.packet import MediaPacket, SealedPacket
from tcclient.core.media.path import MediaPath
from tcclient.core.media.proof import Way
from tcclient.core.media.repair import AUDIO_PATIENCE, VIDEO_PATIENCE, Repair, Slot, quick_requests
from tcclient.core.media.statistics import DirectionStatistics, LossMeter, LossRuns, StreamStatistics
from tcclient.core.membership.roster import RoomState
from tcproto.beacon import Beacon, BeaconContext, open_beacon
from tcproto.copies import copied_within
from tcproto.datagram import (
    MAX_DATAGRAM,
    MIN_DATAGRAM,
    RELAY_TIME_SIZE,
    VERSION,
    ItemType,
    Kind,
    parse_header,
    parse_items,
    parse_relay_time,
)
from tcproto.errors import CryptoFailure
from tcproto.keyring import PublicationId
from tcproto.messages import Subscribe
from tcproto.packet import AudioHeader, Header, PacketType, Series, VideoHeader, parse_series
from tcproto.packet import parse_header as parse_packet_header
from tcproto.path import parse_positions

MAX_QUEUED = 4096
"""Packets that wait for the application: some seconds of a full room; the oldest go first."""
STRAY_HOLD = 0.5
"""Seconds for which a packet waits for the roster to name its stream.

The server tells changes in batches, by TCP, which may be a retransmission behind.
"""
MAX_STRAYS = 128
"""Packets that wait so: a keyframe and some sound; the oldest go first."""
LEFT_OUT = 250_000
"""µs between two packets of a stream after which it may have been left out, where not all voices are wanted.

The server leaves it out for 0.3 s at least.
"""
NEAR, FAR = 0.1, 0.12
"""Seconds of a round trip up to which what is asked for comes in time, and from which it does not. In between nothing
changes."""
MAX_SERIES = 4096
"""Series that are counted; more are received without."""
_PACKET_ITEMS = {
    int(ItemType.PACKET): (2, False),
    int(ItemType.HELD_PACKET): (4, False),
    int(ItemType.REDUNDANT_PACKET): (2, True),
    int(ItemType.HELD_REDUNDANT_PACKET): (4, True),
}
"""Bytes in front of the packet, and whether it belongs to the redundant variant."""


class MediaReceiver:
    """Opens datagrams and the packets in them. What is bad is dropped and counted under its reason.

    ``heard`` is called with each packet that opened, and ``now``, ``missed`` where sound was lost, with ``now``.
    ``arrivals`` and ``probes`` are told what comes.
    """

    def __init__(
        self,
        path: MediaPath,
        opener: RoomDatagramOpener,
        room: RoomState,
        senders: Mapping[int, MemberKeys],
        heard: Callable[[MediaPacket[Header], float], None],
        drops: Counter[Drop],
        missed: Callable[[float], None],
        arrivals: Arrivals,
        probes: BandwidthProbes,
    ) -> None:
        self.beacons: list[tuple[MemberKeys, Beacon, bool]] = []
        """Beacons that came, and whether each is its sender's first; the owner takes them after each datagram."""
        self.sound_at = float("-inf")
        """When a packet of sound came last, whether or not it opened."""
        self.sound_patience = AUDIO_PATIENCE
        """Seconds after which lost sound is not asked for any more."""
        self.limits_voices = False
        """Whether the server leaves voices out, so that not all that is missing was lost."""
        self.repair = Repair(lambda items: path.send(*items), lambda: path.round_trip)
        self._path = path
        self._opener = opener
        self._room = room
        self._senders = senders
        self._heard = heard
        self._drops = drops
        self._missed = missed
        self._arrivals = arrivals
        self._probes = probes
        self._queue: list[MediaPacket[Header]] = []
        self._streams = room.streams
        self._series: dict[tuple[int, int, int], StreamStatistics] = {}
        self._lost: dict[int, int] = {}
        """Packets lost on the way down, by stream."""
        self._expected = self._received = self._reordered = self._late = 0
        """Packets of all series there were."""
        self._repaired = 0
        self._loss, self._random_loss = LossMeter(), LossMeter()
        self._runs = LossRuns()
        self._strays: deque[SealedPacket] = deque()

    def take(self) -> list[MediaPacket[Header]]:
        """Return the packets that came, in order, once."""
        queue, self._queue = self._queue, []
        return queue

    def statistics(self) -> dict[tuple[int, Series], StreamStatistics]:
        """Return the counts of each sealer's series."""
        return {(sealer, parse_series(stream, code)): counts for (sealer, stream, code), counts in self._series.items()}

    def direction(self) -> DirectionStatistics:
        """Return the counts of the way down."""
        lost = max(0, self._expected - self._received)
        jitter = max((counts.jitter_ms for counts in self._series.values()), default=0.0)
        recent = self._loss.recent(self._expected, lost + self._repaired)
        return DirectionStatistics(self._expected, lost, recent, jitter, self._reordered, self._late, self._repaired)

    def loss(self) -> tuple[float, int]:
        """Return the share that was lost of late on UDP, before anything was repaired, and of how many packets.

        Losses that were forgiven do not count.
        """
        if self._path.way is not Way.UDP:
            return 0.0, 0
        lost = max(0, self._expected - self._received) + self._repaired
        return self._random_loss.recent(self._expected, lost), self._random_loss.sent(self._expected)

    def repairs_by_requests(self, before: bool) -> bool:
        """Return whether what is lost is better asked for than sent as copies: near the server, and not in bursts.

        ``before`` is what was found last.
        """
        rtt, _ = self._path.round_trip
        if rtt is None or rtt > (FAR if before else NEAR):
            return False
        return not self._runs.are_bursts(not before)

    def forgive_losses(self) -> None:
        """Count what was lost until now no more for ``loss``: a full queue lost it, and copies would be worse."""
        self._random_loss = LossMeter(self._expected, max(0, self._expected - self._received) + self._repaired)

    def wants_changed(self, before: Subscribe, after: Subscribe) -> None:
        """Other things are wanted than before: what was forwarded of their series meanwhile was not for us.

        Another variant changes nothing, since both have the same forward numbers.
        """
        streams = _changed_streams(before, after, self._room.streams)
        self.repair.stop(streams)
        for (_, stream, _), counts in self._series.items():
            if stream in streams:
                counts.restart()

    def streams_changed(self, now: float) -> None:
        """Drop the counts of streams that have ended or changed, and deliver the packets that waited for new ones.

        Ids are used again, and the forward numbers of a new stream begin again.
        """
        self._lost = {stream: lost for stream, lost in self._lost.items() if stream in self._room.streams}
        before, self._streams = self._streams, self._room.streams
        self._series = {
            slot: counts for slot, counts in self._series.items() if before.get(slot[1]) == self._streams.get(slot[1])
        }
        self.repair.keep(stream for stream in self._streams if before.get(stream) == self._streams[stream])
        strays, self._strays = self._strays, deque()
        for stray in strays:
            self._packet(stray, now)

    def receive(self, data: bytes, way: Way, now: float) -> None:
        """Take a datagram, and the way by which it came."""
        if not MIN_DATAGRAM <= len(data) <= MAX_DATAGRAM:
            self._drops[Drop.SIZE] += 1
            return
        header = parse_header(data)
        if header.version != VERSION:
            self._drops[Drop.VERSION] += 1
        elif header.kind == Kind.ROOM:
            opened = self._opener.open(header, data, now)
            if opened is not None:
                self._path.hear(opened.reordered, way, now)
                self._room_datagram(opened, header.id, len(data), now)
        elif header.kind != Kind.DOWN:
            self._drops[Drop.KIND] += 1
        elif header.id != self._path.media_id:
            self._drops[Drop.UNKNOWN_ID] += 1
        else:
            plaintext = self._path.open(header, data, way, now)
            if plaintext is not None:
                self._arrivals.other(len(data))
                self._down_datagram(plaintext, way, now)

    def release(self, sender: MemberKeys, now: float) -> None:
        """Deliver what waited for a key of the sender that has come."""
        ready, expired = sender.released(now)
        if expired:
            self._drops[Drop.NO_KEY] += expired
        for sealed, publication in ready:
            self._open(sender, sealed, publication, now)

    def _down_datagram(self, plaintext: bytes, way: Way, now: float) -> None:
        try:
            for type_, value in parse_items(plaintext):
                if type_ == ItemType.POSITIONS:
                    for sealer, counter in parse_positions(value):
                        self._opener.confirm(sealer, counter)
                elif type_ == ItemType.BANDWIDTH_PROBE:
                    self._probes.arrived(value, self._arrivals.total, now)
                else:
                    self._path.handle_item(type_, value, way, now)
        except ValueError:
            self._drops[Drop.MALFORMED] += 1

    def _room_datagram(self, opened: Opened, sealer: int, size: int, now: float) -> None:
        plaintext = opened.plaintext
        try:
            relay_time = parse_relay_time(plaintext)
            items = parse_items(plaintext, RELAY_TIME_SIZE)
        except ValueError:
            self._drops[Drop.MALFORMED] += 1
            return
        transit, delay = None, 0.0
        if not opened.reordered:
            transit, delay = opened.sealer.clock.transit(relay_time, now)
        self._arrivals.datagram(size, None if transit is None else delay, now)
        carrier: SealedPacket | None = None
        for type_, value in items:
            kind = _PACKET_ITEMS.get(type_)
            if kind is None:
                if carrier is not None and type_ in COPY_ITEMS:
                    self._arrivals.packet(_layer(carrier.header), len(value))
                    self._copies(carrier, type_, value, now)
                continue
            overhead = OVERHEAD if carrier is None else 0
            carrier = None
            start, redundant = kind
            packet = value[start:]
            try:
                packet_header = parse_packet_header(packet)
            except ValueError:
                self._drops[Drop.PACKET_MALFORMED] += 1
                continue
            sealed = SealedPacket(
                packet_header,
                packet,
                sealer,
                int.from_bytes(value[:2], "big"),
                redundant,
                relay_time,
                int.from_bytes(value[2:start], "big"),
                transit if start == 2 else None,
                delay,
                now,
            )
            self._arrivals.packet(_layer(packet_header), len(value) + overhead)
            self._packet(sealed, now)
            carrier = sealed

    def _copies(self, carrier: SealedPacket, type_: int, value: bytes, now: float) -> None:
        """Deliver the copies behind a packet whose originals have not come."""
        stream = self._room.streams.get(carrier.header.stream)
        sender = None if stream is None else self._senders.get(stream.participant)
        if stream is None or sender is None or sender.lacks_key(carrier.header.key_number):
            return
        try:
            copies = copied_packets(carrier, type_, value)
        except ValueError:
            self._drops[Drop.PACKET_MALFORMED] += 1
            return
        slot = _slot(carrier)
        counts = self._series.get(slot)
        if counts is not None and copies:
            counts.farthest_copy = farthest_copy(carrier, copies)
        for copy in copies:
            if sender.ring.is_new(copy.header, stream.publication):
                if counts is not None and self.repair.recovered(slot, copy.forward):
                    self._count_copy(copy.header.stream, counts, 1)
                self._open(sender, copy, stream.publication, now)

    def _count_copy(self, stream: int, counts: StreamStatistics, step: int) -> None:
        """Count a copy as the packet that was lost; with a ``step`` of -1 no longer, since that has come itself."""
        counts.received += step
        counts.repaired += step
        self._received += step
        self._repaired += step
        self._lost[stream] = self._lost.get(stream, 0) - step

    def _packet(self, sealed: SealedPacket, now: float) -> None:
        stream = self._room.streams.get(sealed.header.stream)
        if stream is None:
            self._stray(sealed, now)
            return
        if self._count(sealed):
            sealed = sealed._replace(repaired=True)
        sender = self._senders.get(stream.participant)
        if sender is None:
            self._drops[Drop.OWN if stream.participant == self._room.own else Drop.UNVERIFIED] += 1
        elif stream.packet_type != sealed.packet[0] >> 4:
            self._drops[Drop.PACKET_MALFORMED] += 1
        elif stream.packet_type == PacketType.BEACON:
            self._beacon(sender, sealed)
        else:
            self._open(sender, sealed, stream.publication, now)

    def _stray(self, sealed: SealedPacket, now: float) -> None:
        strays = self._strays
        strays.append(sealed)
        while len(strays) > MAX_STRAYS or (strays and now >= strays[0].received_at + STRAY_HOLD):
            strays.popleft()
            self._drops[Drop.UNKNOWN_STREAM] += 1

    def _count(self, sealed: SealedPacket) -> bool:
        """Count a packet, and look for lost ones before it; return whether it was lost itself, on either way."""
        header, slot = sealed.header, _slot(sealed)
        if isinstance(header, AudioHeader):
            self.sound_at = sealed.received_at
        counts = self._series.get(slot)
        if counts is None:
            if len(self._series) >= MAX_SERIES:
                return False
            counts = self._series[slot] = StreamStatistics()
        if self.limits_voices and isinstance(header, AudioHeader) and counts.pause(sealed.relay_time) > LEFT_OUT:
            counts.restart()
        reordered, late, repaired = counts.reordered, counts.late, False
        more = counts.count(sealed.forward, sealed.transit, sealed.delay)
        if counts.reordered != reordered:
            repaired = self._came_late(slot, sealed, counts)
        else:
            repaired = header.sequence < counts.sequence  # forwarded late: it was lost on its way to the server
            counts.sequence = max(header.sequence, counts.sequence)
            counts.relay_time = sealed.relay_time
            counts.redundant = sealed.redundant
            if not sealed.redundant:
                counts.farthest_copy = 0
            if more > 1:
                self._runs.lost(more - 1, sealed.received_at)
                self._miss(slot, sealed, more - 1, counts.farthest_copy)
        lost = max(0, self._expected - self._received) + self._repaired
        for meter in (self._loss, self._random_loss):
            meter.mark(sealed.received_at, self._expected, lost)
        self._expected += more
        self._received += 1
        self._reordered += counts.reordered - reordered
        self._late += counts.late - late
        if more != 1:
            self._lost[header.stream] = self._lost.get(header.stream, 0) + more - 1
        return repaired

    def _came_late(self, slot: Slot, sealed: SealedPacket, counts: StreamStatistics) -> bool:
        if self.repair.is_recovered(slot, sealed.forward):
            self._count_copy(sealed.header.stream, counts, -1)
        repaired = self.repair.came(slot, sealed.forward, sealed.received_at)
        if repaired:
            counts.reordered -= 1
            counts.repaired += 1
            self._repaired += 1
        return repaired

    def _miss(self, slot: Slot, sealed: SealedPacket, count: int, farthest: int) -> None:
        """Have the ``count`` packets before this one repaired, if they do not come as copies.

        Copies reach ``farthest`` packets back. A stream loses only what is too much for it.
        """
        header, now = sealed.header, sealed.received_at
        if self._path.way is not Way.UDP:
            return
        if isinstance(header, AudioHeader):
            self._missed(now)
            frame = header.duration_ms / 1000
            count = min(count, int(self.sound_patience / frame))
            copied = partial(copied_within, farthest, frame)
            quick = quick_requests(self.loss()[0])
            self.repair.lost(slot, sealed.forward, count, self.sound_patience, now, copied, quick=quick)
        elif isinstance(header, VideoHeader):
            self.repair.lost(slot, sealed.forward, count, VIDEO_PATIENCE, now)

    def _open(self, sender: MemberKeys, sealed: SealedPacket, publication: PublicationId, now: float) -> None:
        header = sealed.header
        try:
            payload = sender.ring.open(header, sealed.packet, publication, now)
        except CryptoFailure:
            if not sender.lacks_key(header.key_number):
                self._drops[Drop.PACKET_REFUSED] += 1
            elif sender.hold(sealed, publication):
                self._drops[Drop.NO_KEY] += 1
            return
        except ValueError:
            self._drops[Drop.PACKET_MALFORMED] += 1
            return
        lost = self._lost.get(header.stream, 0)
        media = MediaPacket(
            sender.id,
            publication.number,
            header,
            payload,
            sealed.received_at,
            sealed.relay_time,
            sealed.held_ms,
            lost,
            sealed.repaired,
        )
        self._heard(media, now)
        self._queue.append(media)
        if len(self._queue) > MAX_QUEUED:
            del self._queue[0]
            self._drops[Drop.QUEUE_FULL] += 1

    def _beacon(self, sender: MemberKeys, sealed: SealedPacket) -> None:
        sequence = sealed.header.sequence
        if sequence <= sender.claims.sequence:
            self._drops[Drop.PACKET_REFUSED] += 1
            return
        context = BeaconContext(self._room.fingerprint, self._room.room.life, sender.party.box_key)
        try:
            beacon = open_beacon(sealed.packet, context, sender.party.device_key)
        except CryptoFailure:
            self._drops[Drop.PACKET_REFUSED] += 1
        except ValueError:
            self._drops[Drop.PACKET_MALFORMED] += 1
        else:
            first = sender.claims.sequence < 0
            sender.claims.sequence = sequence
            self.beacons.append((sender, beacon, first))


def _changed_streams(before: Subscribe, after: Subscribe, streams: Iterable[int]) -> set[int]:
    """Return which of the streams are wanted otherwise than before: all, where not only choices differ."""
    rests = [replace(each, generation=0, choices=(), redundant_sources=()) for each in (before, after)]
    if rests[0] != rests[1]:
        return set(streams)
    old, new = ({replace(choice, redundant=False) for choice in each.choices} for each in (before, after))
    return {choice.stream for choice in old ^ new}


def _layer(header: Header) -> Layer:
    return header.stream, header.spatial if isinstance(header, VideoHeader) else 0


def _slot(sealed: SealedPacket) -> Slot:
    header = sealed.header
    layer = header.spatial << 5 | header.temporal if isinstance(header, VideoHeader) else 0
    return sealed.sealer, header.stream, layer
