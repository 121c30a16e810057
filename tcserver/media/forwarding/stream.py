"""Streams: what a seat publishes, which of its packets are let in, and who gets them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from tcproto.datagram import FORWARD_BITS, ItemType
from tcproto.messages import Caps, Kind
from tcproto.packet import AUDIO_CLOCK, COMFORT_INTERVAL, AudioHeader, Header, PacketType, VideoHeader
from tcproto.packet import Series as SeriesName
from tcproto.replay import SEQUENCE_WINDOW, ReplayWindow, Verdict
from tcproto.serial import wrapped
from tcserver.media.forwarding.cap import RateCap
from tcserver.media.forwarding.drops import Counters, Drop, Dropped, PacketKind
from tcserver.media.forwarding.keyframes import KEYFRAME_EVENT_INTERVAL, KeyframeLog
from tcserver.media.forwarding.receivers import Audience
from tcserver.media.forwarding.redundancy import Redundancy
from tcserver.media.interface import Receiver
from tcserver.media.speakers.preroll import NOTHING_KEPT, Preroll

KEPT_BACK = 4
"""Packets that have to be kept back before a stream counts as kept back; so many of 60 ms come in 0.3 s."""
KEPT_NUMBERS = {None: 16, Kind.AUDIO: 128, Kind.VIDEO: 512}
"""By kind: packets of a series that can be found again by their forward numbers. Each is a power of two.

128 packets are 2.5 s of sound in packets of 20 ms, and 512 are over 2 s of pictures at 2 Mbit/s. After 2 s nobody
waits for a packet any more.
"""
LOW_PATIENCE = 1.0
"""Seconds without a packet of the low rate of a microphone until all receivers get the microphone again: in silence
there is one in ``COMFORT_INTERVAL``."""
_COMFORT_TICKS = round(COMFORT_INTERVAL * AUDIO_CLOCK)
_AUDIO, _VIDEO = PacketType.AUDIO, PacketType.VIDEO
_TYPES = {None: PacketType.BEACON, Kind.AUDIO: PacketType.AUDIO, Kind.VIDEO: PacketType.VIDEO}
_KINDS = {None: PacketKind.BEACON, Kind.AUDIO: PacketKind.AUDIO, Kind.VIDEO: PacketKind.VIDEO}
_CLASSES: dict[Kind, type[Header]] = {Kind.AUDIO: AudioHeader, Kind.VIDEO: VideoHeader}
"""A header of this class is of the right type; any other has to be checked."""
_READ_TYPES = frozenset(_TYPES.values())
"""Types whose headers are read here. Packets of all others are forwarded unread."""
_NEW = Verdict.NEW
_SEQUENCE_DROPS = {
    Verdict.DUPLICATE: Drop.PACKET_DUPLICATE,
    Verdict.OLD: Drop.PACKET_OLD,
    Verdict.AHEAD: Drop.PACKET_OLD,
}


class Variant:
    """A series without or with copies of earlier packets: who gets it, and where its last packets are."""

    __slots__ = ("_counters", "_kept", "audience", "held_type", "item_type", "redundant", "spatial", "temporal")

    def __init__(self, spatial: int, temporal: int, redundant: bool, kept: int) -> None:
        self.spatial = spatial
        self.temporal = temporal
        self.redundant = redundant
        # Plain numbers: each use of an enum member would cost more.
        self.item_type = int(ItemType.REDUNDANT_PACKET if redundant else ItemType.PACKET)
        self.held_type = int(ItemType.HELD_REDUNDANT_PACKET if redundant else ItemType.HELD_PACKET)
        self.audience: Audience | None = None
        """None: to be found again."""
        self._kept = kept
        self._counters: array[int] | None = None
        """Counters of the datagrams that the last packets are sealed in, by forward number modulo ``_kept``; -1: none.
        None before the first packet: 4 KiB for a series of pictures are too much for one that nobody sends."""

    def wanted_by(self, receiver: Receiver) -> bool:
        """Return whether a receiver wants the series in this variant."""
        return (
            receiver.redundant == self.redundant
            and receiver.wants(self.spatial)
            and self.temporal <= receiver.max_temporal
        )

    def note(self, number: int, counter: int) -> None:
        """Note that the packet with a forward number is in the datagram with this counter; -1: in none."""
        if self._counters is None:
            if counter < 0:
                return
            self._counters = array("q", (-1,)) * self._kept
        self._counters[number & self._kept - 1] = counter

    def counter_of(self, number: int) -> int:
        """Return the counter of the datagram that brought one of the last forward numbers; -1: none."""
        return -1 if self._counters is None else self._counters[number & self._kept - 1]

    def forget_numbers(self) -> None:
        """Forget where the packets are."""
        self._counters = None


class Series:
    """A layer of a stream. Its packets are counted by one run of forward numbers, in both variants."""

    __slots__ = ("_kept", "number", "plain", "redundant")

    def __init__(self, spatial: int, temporal: int, kept: int) -> None:
        self.plain = Variant(spatial, temporal, False, kept)
        self.redundant = Variant(spatial, temporal, True, kept)
        self.number = 0
        """Forward number of the next packet."""
        self._kept = kept

    def next_number(self) -> int:
        """Return the forward number of a packet that is forwarded now."""
        number = self.number
        self.number = number + 1 & 0xFFFF  # for every packet: a mask costs less than a call of ``wrapped``
        return number

    def counters(self, numbers: Iterable[int], receiver: Receiver) -> Iterator[int]:
        """Yield the counters of the datagrams that brought these forward numbers, as far as they are known.

        They are of the variant that the receiver wants, or of the other one, from which it has changed.
        """
        own, other = (self.redundant, self.plain) if receiver.redundant else (self.plain, self.redundant)
        if not own.wanted_by(receiver):
            return
        for number in numbers:
            if 1 <= wrapped(self.number - number, FORWARD_BITS) <= self._kept:
                counter = own.counter_of(number)
                yield counter if counter >= 0 else other.counter_of(number)

    def forget_numbers(self) -> None:
        """Forget where the packets are: another sealer begins."""
        self.plain.forget_numbers()
        self.redundant.forget_numbers()


class MediaStream:
    """A stream of a seat."""

    __slots__ = (
        "_ahead",
        "_began",
        "_cap",
        "_class",
        "_comfort",
        "_kept",
        "_keyframe_asked",
        "_kind",
        "_layers",
        "_low",
        "_low_at",
        "_series",
        "_type",
        "_windows",
        "caps",
        "forwarded",
        "ident",
        "keyframes",
        "lone",
        "microphone",
        "muted",
        "preroll",
        "publisher",
        "received",
        "receivers",
        "redundancy",
        "redundancy_wanted",
        "waiting",
    )

    def __init__(
        self, ident: int, publisher: int, kind: Kind | None, caps: Caps, layers: int, muted: bool, now: float
    ) -> None:
        self.ident = ident
        self.publisher = publisher
        """Media id of the seat that publishes it."""
        self.muted = muted
        self.receivers: dict[int, Receiver] = {}
        """By media id."""
        self._began: dict[int, int] = {}
        """By media id: counter of the sealer when each receiver began. Nothing before it is sent to it again."""
        self.redundancy_wanted = 0
        """Receivers that want the redundant variant."""
        self.redundancy: Redundancy | None = None
        """For copies; None where nobody wants any, or the stream is not sound."""
        self.received = 0
        """Packets that arrived since ``flush_counters``, dropped ones included."""
        self.forwarded = 0
        """Packets that went to at least one receiver since then, counted once for each variant."""
        self.preroll = Preroll() if kind is Kind.AUDIO else NOTHING_KEPT
        self._ahead: tuple[int, ...] = ()
        """Media ids of those who are before it in the ranking of speakers. It is for receivers that want more."""
        self.microphone: MediaStream | None = None
        """The stream that this one stands in for at a low rate: both are one talker."""
        self._low: MediaStream | None = None
        """The stream that stands in for this one."""
        self._low_at: float | None = None
        """When a packet of it was forwarded last; None: none comes to anybody, so all get this one."""
        self.keyframes: dict[int, KeyframeLog] = {}
        """By spatial layer that was seen."""
        self.waiting: dict[int, set[int]] = {}
        """By spatial layer: media ids of the receivers that get nothing of the layer before its next keyframe."""
        self._kind = _KINDS[kind]
        self._type = _TYPES[kind]
        self._class = None if kind is None else _CLASSES[kind]
        self._layers = layers
        self.caps = caps
        self._cap = RateCap(caps, now)
        self._windows: dict[int, ReplayWindow] = {}
        self._comfort: int | None = None
        self._keyframe_asked = -KEYFRAME_EVENT_INTERVAL
        self._kept = KEPT_NUMBERS[kind]
        self.lone = Series(0, 0, self._kept)
        """The only series of a stream that has no layers."""
        self._series: dict[int, Series] = {0: self.lone}

    @property
    def idle(self) -> bool:
        """Whether nothing is expected of it, or only a beacon now and then."""
        return self.muted or self._kind is PacketKind.BEACON or self.microphone is not None

    @property
    def talker(self) -> int:
        """The stream by whose sound its talker is known."""
        return self.ident if self.microphone is None else self.microphone.ident

    def stand_in_for(self, microphone: MediaStream) -> None:
        """Be the low rate of a microphone: who wants this one gets it in place of the other as long as it comes."""
        self.microphone, microphone._low = microphone, self
        self._ahead = microphone._ahead

    def end(self) -> None:
        """Stand in for no other stream any more."""
        if self.microphone is not None:
            self.microphone._low = self.microphone._low_at = None
            self.microphone._forget_audiences()
            self.microphone = None

    def low_came(self, now: float) -> None:
        """Note that a packet of the low rate goes to those who want it: this stream is for the others from now on."""
        began, self._low_at = self._low_at is None, now
        if began:
            self._forget_audiences()

    def low_is_missed(self, now: float) -> None:
        """Go back to all receivers if nothing of the low rate comes any more."""
        if self._low_at is not None and now > self._low_at + LOW_PATIENCE:
            self._low_at = None
            self._forget_audiences()

    def kept_back(self, since: float) -> bool:
        """Return whether packets have come since then, and all of them were kept back."""
        held = self.preroll.held
        return len(held) >= KEPT_BACK and held[-KEPT_BACK].arrived >= since

    def admit(self, header: Header, cost: int, now: float) -> None:
        """Let a packet in, only once; it adds ``cost`` bytes of UDP payload. Raises ``Dropped``."""
        if type(header) is not self._class:
            self._check_type(header)
        if self.muted or (self.microphone is not None and self.microphone.muted):
            raise Dropped(Drop.MUTED)
        spatial = 0
        if type(header) is VideoHeader:
            spatial = header.spatial
            if spatial >= self._layers:
                raise Dropped(Drop.LAYER)
        window = self._windows.get(spatial)
        if window is None:
            window = self._windows[spatial] = ReplayWindow(SEQUENCE_WINDOW)
            if type(header) is VideoHeader:
                self.waiting[spatial] = {i for i, receiver in self.receivers.items() if receiver.wants(spatial)}
        sequence = header.sequence
        if not window.highest < sequence <= window.ceiling:
            verdict = window.check(sequence)
            if verdict is not _NEW:
                raise Dropped(_SEQUENCE_DROPS[verdict])
        if not self._cap.take(cost, now):
            raise Dropped(Drop.RATE)
        window.commit(sequence)
        if type(header) is AudioHeader and (header.comfort or self._comfort is not None):
            self._check_comfort(header)
        elif type(header) is VideoHeader and header.keyframe and spatial in self.waiting:
            self._begin(spatial)

    def lacks(self, sequence: int) -> bool:
        """Return whether a packet of sound has not come, and would be let in."""
        window = self._windows.get(0)
        return window is not None and window.check(sequence) is _NEW

    def series(self, header: Header) -> Series:
        """Return the series of a packet."""
        if type(header) is not VideoHeader:
            return self.lone
        key = header.spatial << 3 | header.temporal
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series(header.spatial, header.temporal, self._kept)
        return series

    def counters(self, series: SeriesName, numbers: Iterable[int], receiver: Receiver) -> list[int]:
        """Return the counters of the datagrams with these forward numbers, as far as the receiver may have them."""
        known = self._series.get(series.spatial << 3 | series.temporal)
        if known is None:
            return []
        began = self._began[receiver.media_id]
        return [counter for counter in known.counters(numbers, receiver) if counter >= began]

    def forget_numbers(self) -> None:
        """Forget where the packets are: another sealer begins."""
        self._began = dict.fromkeys(self._began, 0)
        for series in self._series.values():
            series.forget_numbers()

    @property
    def layers(self) -> tuple[int, ...]:
        """Spatial layers of which packets have come."""
        return tuple(self._windows) if self._kind is PacketKind.VIDEO else ()

    def wait(self, media_id: int, spatial: int) -> None:
        """Let a receiver wait for the next keyframe of a layer, and begin with that."""
        self.waiting.setdefault(spatial, set()).add(media_id)

    def begin_now(self, media_id: int, spatial: int, counter: int) -> None:
        """Let a receiver that is sent a keyframe get the layer from the next packet on, if it waits.

        ``counter`` is that of the first datagram with the keyframe.
        """
        self._began[media_id] = min(self._began.get(media_id, counter), counter)
        waiting = self.waiting.get(spatial)
        if waiting is not None and media_id in waiting:
            waiting.discard(media_id)
            self._forget_audiences()

    def lacking(self) -> Iterator[tuple[int, int]]:
        """Return each spatial layer that somebody waits for, with the media id of one receiver that does."""
        for spatial, waiting in self.waiting.items():
            if waiting:
                yield min(waiting), spatial

    def _begin(self, spatial: int) -> None:
        """Begin a keyframe: the receivers that waited for it get the layer from here on."""
        del self.waiting[spatial]
        self._forget_audiences()

    def flush_counters(self, counters: Counters) -> None:
        """Add the packets that were counted here to those of their kind."""
        counters.packets_received[self._kind] += self.received
        counters.packets_forwarded[self._kind] += self.forwarded
        self.received = self.forwarded = 0

    def keyframe_log(self, spatial: int) -> KeyframeLog:
        """Return the log of a spatial layer."""
        log = self.keyframes.get(spatial)
        if log is None:
            log = self.keyframes[spatial] = KeyframeLog()
        return log

    def change_receivers(self, receivers: Iterable[Receiver], gone: Iterable[int], counter: int) -> None:
        """Add or change receivers, and remove others, from the next packet on; ``counter`` is now the sealer's."""
        for media_id in gone:
            self.remove_receiver(media_id)
        for receiver in receivers:
            before = self.receivers.get(receiver.media_id)
            self._want_redundancy(receiver.redundant - (before is not None and before.redundant))
            self.receivers[receiver.media_id] = receiver
            self._began.setdefault(receiver.media_id, counter)
            self._follow_redundancy(receiver.media_id, receiver.redundant)
            for spatial, waiting in self.waiting.items():
                if not receiver.wants(spatial):
                    waiting.discard(receiver.media_id)
        self._forget_audiences()

    def remove_receiver(self, media_id: int) -> None:
        """Remove a receiver, if it is one."""
        receiver = self.receivers.pop(media_id, None)
        if receiver is not None:
            del self._began[media_id]
            self._want_redundancy(-receiver.redundant)
            self._follow_redundancy(media_id, False)
            for waiting in self.waiting.values():
                waiting.discard(media_id)
            self._forget_audiences()

    def _want_redundancy(self, more: int) -> None:
        if more > 0 and not self.redundancy_wanted:
            for series in self._series.values():
                series.redundant.forget_numbers()  # what was sealed plain alone has not taken their places
        self.redundancy_wanted += more

    def _follow_redundancy(self, media_id: int, wanted: bool) -> None:
        if wanted and self._kind is PacketKind.AUDIO:
            if self.redundancy is None:
                self.redundancy = Redundancy()
            self.redundancy.add(media_id)
        elif self.redundancy is not None:
            self.redundancy.remove(media_id)
            if not len(self.redundancy):
                self.redundancy = None

    def rank_behind(self, seats: tuple[int, ...]) -> None:
        """Take the place behind these seats (media ids, one for each stream) in the ranking of speakers."""
        if seats != self._ahead:
            self._ahead = seats
            if any(receiver.voices for receiver in self.receivers.values()):
                self._forget_audiences()

    def is_for(self, receiver: Receiver) -> bool:
        """Return whether a receiver gets a stream of this rank, if it wants it. Its own streams are not before it.

        While the low rate of a microphone comes, that itself is for those who have not asked for the low rate.
        """
        if self._low_at is not None and self._low is not None and receiver.media_id in self._low.receivers:
            return False
        return not receiver.voices or len(self._ahead) - self._ahead.count(receiver.media_id) < receiver.voices

    def ask_keyframe(self, media_id: int, now: float) -> bool:
        """Return whether the request of a receiver for a keyframe is to be passed on."""
        if media_id not in self.receivers or now - self._keyframe_asked < KEYFRAME_EVENT_INTERVAL:
            return False
        self._keyframe_asked = now
        return True

    def _forget_audiences(self) -> None:
        for series in self._series.values():
            series.plain.audience = series.redundant.audience = None
        if self.microphone is not None:
            if not self.receivers:
                self.microphone._low_at = None  # its publisher will stop, and whoever wants it next has to wait for it
            self.microphone._forget_audiences()

    def _check_type(self, header: Header) -> None:
        if isinstance(header, AudioHeader):
            type_: int = _AUDIO
        elif isinstance(header, VideoHeader):
            type_ = _VIDEO
        else:
            type_ = header.type
        if type_ != self._type and type_ in _READ_TYPES:
            raise Dropped(Drop.PACKET_TYPE)

    def _check_comfort(self, header: AudioHeader) -> None:
        if not header.comfort or header.end_of_talk:
            self._comfort = None
            return
        # By media time: arrival times jitter, and a publisher that lies about either is still under its cap.
        last = self._comfort
        if last is not None and wrapped(header.timestamp - last) < _COMFORT_TICKS:
            raise Dropped(Drop.SURPLUS_COMFORT)
        self._comfort = header.timestamp
