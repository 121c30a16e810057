"""Rooms: the forwarding table between the seats of a room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from weakref import WeakValueDictionary

from tcproto.copies import parse_copies
from tcproto.datagram import Item, ItemType
from tcproto.packet import MAX_PACKET, AudioHeader, Header, VideoHeader, parse_header
from tcproto.packet import Series as SeriesName
from tcproto.path import Position
from tcserver.media.forwarding.bundle import MAX_ITEMS_SIZE, Bundle, items_size, pack_lone
from tcserver.media.forwarding.drops import Counters, Drop, Dropped
from tcserver.media.forwarding.keyframes import Replays
from tcserver.media.forwarding.receivers import Audience, ReceiverSet, Transmission
from tcserver.media.forwarding.room_share import RoomShare
from tcserver.media.forwarding.sealer import MediaSealer
from tcserver.media.forwarding.seat import MediaSeat
from tcserver.media.forwarding.stream import MediaStream, Variant
from tcserver.media.interface import Address, KeyframeAsked, Receiver, SpeakersChanged
from tcserver.media.speakers.local import LocalSelection
from tcserver.media.speakers.preroll import Held
from tcserver.media.speakers.selection import Ranked, SpeakerSelection

# Costs half as much as the constructor of the named tuple.
_tuple = tuple.__new__


class MediaRoom:
    """A room: its sealer, seats, streams and speakers, and who gets what."""

    __slots__ = (
        "_audiences",
        "_counters",
        "_ranking",
        "number",
        "paths_version",
        "sealer",
        "seats",
        "share",
        "speakers",
        "streams",
    )

    def __init__(self, number: int, sealer: MediaSealer, counters: Counters) -> None:
        self.number = number
        self.sealer = sealer
        self.seats: dict[int, MediaSeat] = {}
        self.streams: dict[int, MediaStream] = {}
        self.speakers: SpeakerSelection = LocalSelection()
        self.share: RoomShare | None = None
        """What is known of the other media workers that have seats of the room; None: there are none."""
        self.paths_version = 0
        """Goes up when a path is proven, moved or lost."""
        self._counters = counters
        self._ranking: tuple[Ranked, ...] = ()
        """As the streams know it."""
        # An audience lives as long as a series uses it.
        self._audiences: WeakValueDictionary[frozenset[int], Audience] = WeakValueDictionary()

    def close_seat(self, seat: MediaSeat) -> None:
        """Forget a seat and its streams, and send nothing to it any more."""
        seat.flush_counters(self._counters)
        for stream in list(seat.streams.values()):
            self.close_stream(stream)
        del self.seats[seat.media_id]
        self.remove_receiver(seat.media_id)
        self.path_changed(seat.media_id)

    def remove_receiver(self, media_id: int) -> None:
        """Take a seat, of this worker or another, out of the receivers of all streams."""
        for stream in self.streams.values():
            stream.remove_receiver(media_id)

    def change_sealer(self, sealer: MediaSealer) -> None:
        """Seal with another sealer from now on. What the one before has sealed is not sent again."""
        self.sealer = sealer
        for stream in self.streams.values():
            stream.forget_numbers()

    def sealed_before(self, media_id: int, series: SeriesName, numbers: Iterable[int]) -> list[bytes]:
        """Return the datagrams with these forward numbers, each once, as far as they are kept for this receiver."""
        stream = self.streams.get(series.stream)
        receiver = None if stream is None else stream.receivers.get(media_id)
        if stream is None or receiver is None:
            return []
        counters = dict.fromkeys(stream.counters(series, numbers, receiver))
        return [datagram for c in counters if (datagram := self.sealer.recent(c)) is not None]

    def need_copies(self, ident: int, media_id: int, copies: int) -> None:
        """Note how many copies a receiver of a stream's redundant variant needs."""
        stream = self.streams.get(ident)
        if stream is not None and stream.redundancy is not None:
            stream.redundancy.need(media_id, copies)

    def open_stream(self, seat: MediaSeat, stream: MediaStream, microphone: MediaStream | None = None) -> None:
        """Let a seat send a stream, which is behind all that are ranked until it is ranked itself.

        That which stands in for a ``microphone`` has its rank.
        """
        seat.streams[stream.ident] = self.streams[stream.ident] = stream
        stream.rank_behind(tuple(place.seat for place in self._ranking))
        if microphone is not None:
            stream.stand_in_for(microphone)
        seat.follow_streams()

    def close_stream(self, stream: MediaStream) -> None:
        """Forget a stream."""
        stream.flush_counters(self._counters)
        seat = self.seats[stream.publisher]
        del self.streams[stream.ident]
        del seat.streams[stream.ident]
        seat.follow_streams()
        self.silence(stream)
        stream.end()

    def flush_counters(self) -> None:
        """Add what seats and streams have counted to the totals."""
        for seat in self.seats.values():
            seat.flush_counters(self._counters)
        for stream in self.streams.values():
            stream.flush_counters(self._counters)

    def silence(self, stream: MediaStream) -> None:
        """Stop a stream that is muted or gone: it speaks no more, and nothing of it is kept to be sent."""
        self.speakers.forget(stream.ident)
        stream.preroll.clear()

    def decide(self, now: float) -> Iterator[SpeakersChanged]:
        """Decide who speaks and who is dominant; return what changed, if anything."""
        for stream in self.streams.values():
            stream.low_is_missed(now)
        changed = self.speakers.decide(self.number, now)
        self.follow_ranking()
        if changed is not None:
            yield changed

    def follow_ranking(self) -> None:
        """Tell the streams of sound where they are in the ranking, where that has changed."""
        ranking = self.speakers.ranking
        if ranking is self._ranking:
            return
        self._ranking = ranking
        seats = tuple(place.seat for place in ranking)
        ranks = {place.stream: rank for rank, place in enumerate(ranking)}
        for stream in self.streams.values():
            stream.rank_behind(seats[: ranks.get(stream.talker)])

    def begin(
        self, stream: MediaStream, receivers: Iterable[Receiver], replays: Replays, now: float
    ) -> Iterator[KeyframeAsked]:
        """Let receivers of a video stream, or of more layers of it, begin with a keyframe.

        Where a keyframe is replayed, they get the layer from now on. For the others one is asked for, and they get the
        layer from the first packet of that keyframe on.
        """
        for receiver in receivers:
            media_id = receiver.media_id
            had = stream.receivers.get(media_id)
            if media_id not in self.seats and self.share is None:
                continue
            for spatial in stream.layers:
                if not receiver.wants(spatial) or (had is not None and had.wants(spatial)):
                    continue
                if not self._replay(stream, receiver, spatial, replays, now):
                    stream.wait(media_id, spatial)
                    yield KeyframeAsked(media_id, stream.ident, spatial)

    def lacking(self) -> Iterator[KeyframeAsked]:
        """Ask again for the keyframes that receivers wait for: a request or a keyframe may have been lost."""
        for stream in self.streams.values():
            for media_id, spatial in stream.lacking():
                yield KeyframeAsked(media_id, stream.ident, spatial)

    def send_keyframe(
        self, stream: MediaStream, receiver: Receiver, spatial: int, replays: Replays, now: float
    ) -> Iterator[KeyframeAsked]:
        """Replay the last keyframe of a layer to a receiver that asks for one, or ask the publisher for a new one.

        A keyframe is replayed to a receiver only once: if that did not help, it does not help again.
        """
        log = stream.keyframes.get(spatial)
        replayed = log is not None and receiver.media_id in log.replayed
        if replayed or not self._replay(stream, receiver, spatial, replays, now):
            yield KeyframeAsked(receiver.media_id, stream.ident, spatial)

    def _replay(self, stream: MediaStream, receiver: Receiver, spatial: int, replays: Replays, now: float) -> bool:
        seat, log = self.seats.get(receiver.media_id), stream.keyframes.get(spatial)
        if seat is None or log is None:
            return False  # to replay it to the seat of another worker would cost more than a new keyframe
        datagrams = log.replay(self.sealer, receiver, seat.opened_at)
        if datagrams is None or not replays.add(receiver.media_id, datagrams, now):
            return False
        stream.begin_now(receiver.media_id, spatial, log.first_counter)
        return True

    def path_changed(self, media_id: int) -> None:
        """Note that the path of a seat was proven, moved or lost: sets of receivers with it have to be made again."""
        self.paths_version += 1
        for audience in self._audiences.values():
            if media_id in audience.members:
                audience.receivers = None

    def suppressed(self, since: float) -> Iterator[int]:
        """Return the media ids of seats that have sent only sound since then, and of which all sound was kept back."""
        if self.speakers.limit:
            for media_id in {stream.publisher for stream in self.streams.values() if stream.kept_back(since)}:
                streams = self.seats[media_id].streams.values()
                if all(stream.idle or stream.kept_back(since) for stream in streams):
                    yield media_id

    def positions(self) -> list[Position]:
        """Return the position of each sealer of the room that is known here."""
        own = Position(self.sealer.ident, self.sealer.counter)
        return [own] if self.share is None else [own, *self.share.positions.values()]

    def admit(
        self, seat: MediaSeat, packet: bytes, copies: list[Item], cost: int, now: float
    ) -> tuple[MediaStream, Header] | None:
        """Let a packet in, with the copies behind it; return its stream and header; None: it is kept back.

        ``cost`` is what all of it adds to the UDP payload, in bytes. Raises ``Dropped``.
        """
        if len(packet) > MAX_PACKET:
            raise Dropped(Drop.PACKET_LENGTH)
        try:
            header = parse_header(packet)
        except ValueError:
            raise Dropped(Drop.PACKET_HEADER) from None
        ident = header.stream
        stream = self.streams.get(ident)
        if stream is None:
            raise Dropped(Drop.UNKNOWN_STREAM)
        if stream.publisher != seat.media_id:
            raise Dropped(Drop.FOREIGN_STREAM)
        stream.received += 1
        stream.admit(header, cost, now)
        if stream.microphone is not None:
            if not (stream.receivers and self._is_forwarded(stream.microphone)):
                raise Dropped(Drop.NO_RECEIVER)
            stream.microphone.low_came(now)
        elif type(header) is AudioHeader:
            level, duration_ms, voice = header.level, header.duration_ms, header.voice
            hear = self.speakers.hear
            if not hear(ident, seat.media_id, seat.account, seat.participant, level, duration_ms, voice, now):
                stream.preroll.held.append(_tuple(Held, (header, packet, copies, now)))
                self._counters.held += 1
                return None
        return stream, header

    def _is_forwarded(self, talker: MediaStream) -> bool:
        """Return whether a talker has a place, or needs none."""
        speakers = self.speakers
        return not speakers.limit or talker.ident in speakers.holders or talker.publisher in speakers.always

    def seal_alone(self, stream: MediaStream, header: Header, packet: bytes, now: float) -> Transmission:
        """Return the datagram of an admitted packet that came alone, in the plain variant; raises ``Dropped``."""
        sealer = self.sealer
        if type(header) is VideoHeader:
            series, log = stream.series(header), stream.keyframe_log(header.spatial)
            receivers, skip = self._route(stream, series.plain)
            if receivers.is_empty_without(skip):
                log.gap()
                raise Dropped(Drop.NO_RECEIVER)
            log.note(header, sealer, sealer.counter, now)
        else:
            series = stream.lone
            receivers, skip = self._route(stream, series.plain)
            if receivers.is_empty_without(skip):
                raise Dropped(Drop.NO_RECEIVER)
        number, variant = series.next_number(), series.plain
        variant.note(number, sealer.counter)
        datagram = sealer.seal(pack_lone(int(now * 1e6), variant.item_type, number, packet), now)
        counters = self._counters
        counters.forwarded += 1
        counters.sealed += 1
        stream.forwarded += 1
        return _tuple(Transmission, (datagram, receivers, skip))

    def pass_on(
        self, stream: MediaStream, header: Header, packet: bytes, copies: list[Item], bundle: Bundle, now: float
    ) -> None:
        """Add an admitted packet to a bundle, behind what was kept back of its stream; raises ``Dropped``."""
        for held in stream.preroll.take(now):
            held_ms = round((now - held.arrived) * 1000)
            self._pass_on(stream, held.header, held.packet, held.copies, bundle, now, held_ms)
        if not self._pass_on(stream, header, packet, copies, bundle, now):
            raise Dropped(Drop.NO_RECEIVER)

    def _pass_on(
        self,
        stream: MediaStream,
        header: Header,
        packet: bytes,
        copies: list[Item],
        bundle: Bundle,
        now: float,
        held_ms: int = 0,
    ) -> bool:
        """Add a packet to the bundle; return whether anybody gets it."""
        if copies:
            self._recover(stream, header, copies, bundle, now, held_ms)
        plain, redundant = self._forward(stream, header, packet, bundle, held_ms)
        if type(header) is VideoHeader:
            log = stream.keyframe_log(header.spatial)
            if plain < 0:
                log.gap()
            else:
                log.note(header, self.sealer, self.sealer.counter + plain, now)
        return plain >= 0 or redundant >= 0

    def _forward(
        self, stream: MediaStream, header: Header, packet: bytes, bundle: Bundle, held_ms: int
    ) -> tuple[int, int]:
        """Add a packet to the bundle in the variants that are wanted, under one forward number.

        Return the indices in the bundle of the datagrams that bring it, plain and redundant; -1: nobody gets it.
        """
        series, counter = stream.series(header), self.sealer.counter
        number = series.number
        plain = self._add(stream, series.plain, number, packet, [], bundle, held_ms)
        redundant = -1
        if stream.redundancy_wanted:
            behind: list[Item] = []
            if stream.redundancy is not None and type(header) is AudioHeader:
                behind = stream.redundancy.behind(header)
                stream.redundancy.note(header, packet)
            redundant = self._add(stream, series.redundant, number, packet, behind, bundle, held_ms)
        if plain >= 0 or redundant >= 0:
            series.next_number()
            series.plain.note(number, counter + plain if plain >= 0 else -1)
            series.redundant.note(number, counter + redundant if redundant >= 0 else -1)
        return plain, redundant

    def _add(
        self,
        stream: MediaStream,
        variant: Variant,
        forward: int,
        packet: bytes,
        behind: list[Item],
        bundle: Bundle,
        held_ms: int,
    ) -> int:
        """Return the index in the bundle of the datagram that brings the packet in a variant; -1: nobody gets it."""
        receivers, skip = self._route(stream, variant)
        if receivers.is_empty_without(skip):
            return -1
        number = forward.to_bytes(2, "big")
        if held_ms:
            item = Item(variant.held_type, number + held_ms.to_bytes(2, "big") + packet)
        else:
            item = Item(variant.item_type, number + packet)
        items = [item, *behind]
        if behind and items_size(items) > MAX_ITEMS_SIZE:
            self._counters.drops[Drop.COPY] += 1
            del items[1:]
        self._counters.forwarded += 1
        stream.forwarded += 1
        return bundle.add(receivers, skip, items)

    def _route(self, stream: MediaStream, variant: Variant) -> tuple[ReceiverSet, int]:
        """Return the receivers of a variant, its publisher included, and the index of that; -1: it is not in it."""
        audience = variant.audience or self._find_audience(stream, variant)
        receivers = audience.receivers or self._find_receivers(audience)
        return receivers, receivers.indices.get(stream.publisher, -1)

    def _find_audience(self, stream: MediaStream, variant: Variant) -> Audience:
        # The publisher is in it: so where everybody gets everything, all streams of the room share one audience.
        waiting = stream.waiting.get(variant.spatial, ())
        wanting = (
            media_id
            for media_id, receiver in stream.receivers.items()
            if variant.wanted_by(receiver) and stream.is_for(receiver) and media_id not in waiting
        )
        members = frozenset((stream.publisher, *wanting))
        audience = self._audiences.get(members)
        if audience is None:
            audience = self._audiences[members] = Audience(members)
            if self.share is not None:
                audience.handover = self.share.hand_over(members)
        variant.audience = audience
        return audience

    def _find_receivers(self, audience: Audience) -> ReceiverSet:
        receivers = audience.receivers = ReceiverSet(self.proven(audience.members), audience.handover)
        return receivers

    def proven(self, members: Iterable[int]) -> list[tuple[int, Address]]:
        """Return those of the seats that this worker serves and that have a proven path, with its address."""
        addresses = []
        for media_id in members:
            seat = self.seats.get(media_id)
            if seat is not None and seat.path.address is not None:
                addresses.append((media_id, seat.path.address))
        return addresses

    def _recover(
        self, stream: MediaStream, carrier: Header, copies: list[Item], bundle: Bundle, now: float, held_ms: int
    ) -> None:
        """Forward the packets that had not arrived before these copies of them. Malformed copies are dropped."""
        for item in copies:
            try:
                packets = self._copied_packets(carrier, item)
            except ValueError:
                self._counters.drops[Drop.COPY] += 1
                continue
            for header, packet in packets:
                try:
                    stream.admit(header, 0, now)
                except Dropped:
                    continue
                self._forward(stream, header, packet, bundle, held_ms)

    def _copied_packets(self, carrier: Header, item: Item) -> list[tuple[Header, bytes]]:
        """Return the packets in an item of copies; raises ``ValueError`` where it is malformed."""
        if item.type == ItemType.FULL_COPY:
            header = parse_header(item.value)
            if header.stream != carrier.stream or len(item.value) > MAX_PACKET:
                raise ValueError("a copy of another stream, or too long")
            return [(header, item.value)]
        if not isinstance(carrier, AudioHeader):
            raise ValueError("only audio has copies with a short header")
        headers = [(copy.header(carrier), copy.body) for copy in parse_copies(item.value)]
        return [(header, header.pack() + body) for header, body in reversed(headers)]
