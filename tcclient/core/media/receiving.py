"""From datagrams to the packets of other participants."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from tcclient.core.downlink.arrivals import OVERHEAD, Arrivals, Layer
from tcclient.core.downlink.bandwidth import BandwidthProbes
from tcclient.core.drops import Drop
from tcclient.core.keys.member_keys import MemberKeys
from tcclient.core.keys.room_datagrams import Opened, RoomDatagramOpener
from tcclient.core.media.copies import COPY_ITEMS, copied_packets
from tcclient.core.media.losses import Losses
from tcclient.core.media.packet import MediaPacket, SealedPacket
from tcclient.core.media.voice import Voice
from tcclient.core.membership.roster import RoomState
from tcclient.core.path.media_path import MediaPath
from tcclient.core.path.proof import Way
from tcproto.beacon import Beacon, BeaconContext, open_beacon
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
from tcproto.messages import Source, Subscribe
from tcproto.packet import AudioHeader, Header, PacketType, VideoHeader
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
_PACKET_ITEMS = {
    int(ItemType.PACKET): (2, False),
    int(ItemType.HELD_PACKET): (4, False),
    int(ItemType.REDUNDANT_PACKET): (2, True),
    int(ItemType.HELD_REDUNDANT_PACKET): (4, True),
}
"""Bytes in front of the packet, and whether it belongs to the redundant variant."""


class MediaReceiver:
    """Opens datagrams and the packets in them. What is bad is dropped and counted under its reason.

    ``heard`` is called with each packet that opened, and ``now``. ``losses``, ``arrivals`` and ``probes`` are told what
    comes.
    """

    def __init__(
        self,
        path: MediaPath,
        opener: RoomDatagramOpener,
        room: RoomState,
        senders: Mapping[int, MemberKeys],
        heard: Callable[[MediaPacket[Header], float], None],
        drops: Counter[Drop],
        losses: Losses,
        arrivals: Arrivals,
        probes: BandwidthProbes,
    ) -> None:
        self.beacons: list[tuple[MemberKeys, Beacon, bool]] = []
        """Beacons that came, and whether each is its sender's first; the owner takes them after each datagram."""
        self._path = path
        self._opener = opener
        self._room = room
        self._senders = senders
        self._heard = heard
        self._drops = drops
        self._losses = losses
        self._arrivals = arrivals
        self._probes = probes
        self._queue: list[MediaPacket[Header]] = []
        self._streams = room.streams
        self._strays: deque[SealedPacket] = deque()
        self._voices: dict[tuple[int, int], Voice] = {}
        """By participant and number of a microphone: those that have a low rate, or had one."""

    def take(self) -> list[MediaPacket[Header]]:
        """Return the packets that came, in order, once."""
        queue, self._queue = self._queue, []
        return queue

    def wants_changed(self, before: Subscribe, after: Subscribe) -> None:
        """Other things are wanted than before: what was forwarded of their series meanwhile was not for us.

        Another variant changes nothing, since both have the same forward numbers.
        """
        self._losses.wants_changed(_changed_streams(before, after, self._room.streams))
        self._losses.limits_voices = after.voices > 0 or Source.MICROPHONE_LOW in after.defaults

    def streams_changed(self, now: float) -> None:
        """Follow the streams of the roster, and deliver the packets that waited for new ones."""
        before, self._streams = self._streams, self._room.streams
        self._losses.streams_changed(before, self._streams)
        pairs = {(who, number): Voice() for (who, _), number in self._room.low_rate.microphones.items()}
        voices = pairs | self._voices
        self._voices = {key: voice for key, voice in voices.items() if key in self._room.publications}
        strays, self._strays = self._strays, deque()
        for stray in strays:
            self._packet(stray, now)

    def receive(self, data: bytes, way: Way, now: float, waited: float | None) -> None:
        """Take a datagram, and the way by which it came.

        It has ``waited`` on this machine for so many seconds: that is no delay of the network, though what was late
        cannot be played sooner. None: for long, and nobody knows how long. Then it tells nothing of the line.
        """
        if not MIN_DATAGRAM <= len(data) <= MAX_DATAGRAM:
            self._drops[Drop.SIZE] += 1
            return
        header = parse_header(data)
        if header.version != VERSION:
            self._drops[Drop.VERSION] += 1
        elif header.kind == Kind.ROOM:
            opened = self._opener.open(header, data, now)
            if opened is None:
                self._arrivals.other(len(data))
            else:
                self._path.hear(opened.reordered, way, now)
                self._room_datagram(opened, header.id, len(data), now, waited)
        elif header.kind != Kind.DOWN:
            self._drops[Drop.KIND] += 1
        elif header.id != self._path.media_id:
            self._drops[Drop.UNKNOWN_ID] += 1
        else:
            plaintext = self._path.open(header, data, way, now)
            if plaintext is not None:
                self._arrivals.other(len(data))
                self._down_datagram(plaintext, way, now, waited)

    def release(self, sender: MemberKeys, now: float) -> None:
        """Deliver what waited for a key of the sender that has come."""
        ready, expired = sender.released(now)
        if expired:
            self._drops[Drop.NO_KEY] += expired
        for sealed, publication in ready:
            self._open(sender, sealed, publication, now)

    def _down_datagram(self, plaintext: bytes, way: Way, now: float, waited: float | None) -> None:
        try:
            for type_, value in parse_items(plaintext):
                if type_ == ItemType.POSITIONS:
                    for sealer, counter in parse_positions(value):
                        self._opener.confirm(sealer, counter)
                elif type_ == ItemType.BANDWIDTH_PROBE:
                    self._probes.arrived(value, self._arrivals.total, now - (waited or 0.0))
                else:
                    self._path.handle_item(type_, value, way, now, waited)
        except ValueError:
            self._drops[Drop.MALFORMED] += 1

    def _room_datagram(self, opened: Opened, sealer: int, size: int, now: float, waited: float | None) -> None:
        plaintext = opened.plaintext
        try:
            relay_time = parse_relay_time(plaintext)
            items = parse_items(plaintext, RELAY_TIME_SIZE)
        except ValueError:
            self._drops[Drop.MALFORMED] += 1
            return
        transit, delay = None, 0.0
        if not opened.reordered and waited is not None:
            transit, delay = opened.sealer.clock.transit(relay_time, now - waited)
        self._arrivals.datagram(size, None if transit is None else delay, now - (waited or 0.0))
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
        self._losses.copies_came(carrier, copies)
        for copy in copies:
            if sender.ring.is_new(copy.header, stream.publication):
                self._losses.recovered(carrier, copy)
                self._open(sender, copy, stream.publication, now)

    def _packet(self, sealed: SealedPacket, now: float) -> None:
        stream = self._room.streams.get(sealed.header.stream)
        if stream is None:
            self._stray(sealed, now)
            return
        lost = self._losses.of_stream(sealed.header.stream)
        if self._losses.count(sealed):
            sealed = sealed._replace(repaired=True)
        if (more := self._losses.of_stream(sealed.header.stream) - lost) != 0:
            self._arrivals.lost(_layer(sealed.header), more * (len(sealed.packet) + OVERHEAD))
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
        number, lost = publication.number, self._losses.of_stream(header.stream)
        number = self._room.low_rate.microphones.get((sender.id, number), number)
        voice = self._voices.get((sender.id, number))
        if voice is not None and isinstance(header, AudioHeader):
            taken = voice.take(header)
            if taken is None:
                self._drops[Drop.OTHER_RATE] += 1
                return
            header, lost = taken, sum(map(self._losses.of_stream, voice.streams))
        media = MediaPacket(
            sender.id,
            number,
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
