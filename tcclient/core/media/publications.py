"""Our own publications: from frames to sealed packets, each in a datagram of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from tcclient.core.drops import Drop
from tcclient.core.keys.own_key import SealingKey
from tcclient.core.media.copies import OwnCopies
from tcclient.core.media.keyframes import KeyframeRequests
from tcclient.core.membership.roster import publication_id
from tcclient.core.path.egress import Egress
from tcclient.core.rate.allocation import Demand, PictureDemand
from tcproto.beacon import ClockMapping
from tcproto.datagram import KEY_OVERLAP
from tcproto.keyring import PublicationId
from tcproto.messages import Caps, Interest, KeyframeRequest, Kind, PublicationInfo, Publish, Source
from tcproto.packet import (
    AUDIO_CLOCK,
    AUDIO_HEADER_SIZE,
    AUDIO_PADDING_STEP,
    FRAME_ID_BITS,
    MAX_PACKET,
    MAX_VIDEO_PAYLOAD,
    VIDEO_CLOCK,
    AudioHeader,
    VideoHeader,
    cut_frame,
    seal_packet,
)
from tcproto.secretbox import TAG_SIZE
from tcproto.sender_key import MAX_FIRST_SEQUENCES, FirstSequence
from tcproto.serial import difference, wrapped

CLOCK_TOLERANCE = 20_000
"""Microseconds by which the mapping of a stream's clock may move before a beacon tells so: half of what lip-sync
allows."""
MAX_SEQUENCE = 2**32 - 1
"""The field's end; a publication stops there, since no header may come twice under a key."""
MAX_FRAME_PACKETS = 256
"""Packets of one frame: 280 kB, and what the padding count can make equal."""
MAX_FRAME = MAX_FRAME_PACKETS * MAX_VIDEO_PAYLOAD
MAX_AUDIO_PAYLOAD = (MAX_PACKET - AUDIO_HEADER_SIZE - TAG_SIZE) // AUDIO_PADDING_STEP * AUDIO_PADDING_STEP - 1
"""Bytes of one audio frame: 1,103; more than 140 kbit/s at 60 ms."""
MAX_REFERENCE = 255
"""Frames back to the one referred to: one byte."""
MAX_TEMPORAL = 7
NOT_WANTED = -1
"""In place of a temporal layer: nobody wants the spatial layer."""


class Publication:
    """One publication of ours; ``stream`` is None until the server has accepted it."""

    def __init__(self, info: Publish, demand: Demand | None) -> None:
        self.number = info.number
        self.demand = demand
        """What it sends where there is room; None: it does not adapt."""
        self.kind = info.kind
        self.codec = info.codec
        self.layers = info.layers
        self.muted = info.muted
        self.held = False
        """Whether another participant holds it muted."""
        self.has_low_rate = False
        """Whether its low rate is announced with it."""
        self.low_rate = 0
        """Number of the publication that is its low rate; 0: none."""
        self.low_rate_of = 0
        """Number of the publication whose low rate it is; 0: of none."""
        self.is_wanted = False
        """Whether anybody wants it, if it is a low rate."""
        self.stream: int | None = None
        self.was_ready = False
        """Whether ``take_ready`` has returned it."""
        self.id: PublicationId = publication_id(PublicationInfo(0, info.number, 0, info.kind, info.source, info.codec))
        self.sequences = [0] * info.layers
        """The next sequence number of each spatial layer; never goes back."""
        self.frames = [0] * info.layers
        """The next frame id of each spatial layer, u16."""
        self.bases = [-1] * info.layers
        """The id of the last frame of temporal layer 0 of each spatial layer, u16; -1: none."""
        self.interrupted: set[int] = set()
        """Spatial layers in which a frame was not sent. Later frames may refer to it, up to the next keyframe."""
        self.clock: tuple[int, int] | None = None
        """Media timestamp and time in µs of the newest frame, once there was one."""


class Publications:
    """Makes packets.

    ``sealing_key`` returns the key of a publication, or None if there is none. ``egress`` takes the packets.
    ``clock_changed`` is called with ``now``: when a publication sends its first frame (True), and when its clock moves.
    ``spoke`` is called with the header of each packet of sound that is sent. ``up_loss`` is that of ``OwnCopies``.
    """

    def __init__(
        self,
        sealing_key: Callable[[PublicationId], SealingKey | None],
        egress: Egress,
        clock_changed: Callable[[float, bool], None],
        spoke: Callable[[AudioHeader, float], None],
        up_loss: Callable[[], tuple[float, int]],
        drops: Counter[Drop],
    ) -> None:
        self.live: dict[int, Publication] = {}
        """By number: announced, and not ended."""
        self._sealing_key = sealing_key
        self._egress = egress
        self._clock_changed = clock_changed
        self._spoke = spoke
        self._copies = OwnCopies(up_loss)
        self._drops = drops
        self._last_number = 0
        self._over: dict[int, float] = {}
        """When each publication ended, by its stream."""
        self.keyframes = KeyframeRequests()
        """What others need."""
        self.sent_at = float("-inf")
        """When a frame was sent last."""

    def announce(
        self, kind: Kind, source: Source, codec: str, muted: bool, layers: int, width: int, height: int, stills: bool
    ) -> Publish:
        """Return the request that announces a publication under the next number."""
        return Publish(self._last_number + 1, kind, source, codec, muted, layers, width, height, stills)

    def add(self, announced: Publish, demand: Demand | None = None) -> None:
        """Note that a publication was announced; its number is spent. With a demand it adapts to the way up."""
        self._last_number = announced.number
        self.live[announced.number] = Publication(announced, demand)

    def add_low_rate(self, announced: Publish, of: Publication) -> None:
        """Note that the low rate of a publication was announced."""
        self.add(announced)
        low = self.live[announced.number]
        low.low_rate_of, of.low_rate = of.number, low.number
        low.was_ready = True  # nobody waits for it

    @property
    def copies(self) -> int:
        """How many copies there are behind each packet of sound, of late."""
        return self._copies.copies

    def low_rate(self, number: int) -> Publication | None:
        """Return the low rate of a live publication, if that is live as well."""
        publication = self.live.get(number)
        return None if publication is None else self.live.get(publication.low_rate)

    def set_muted(self, publication: Publication, muted: bool) -> None:
        """Send nothing of a publication from now on, or send it again. Its low rate follows it."""
        publication.muted = muted
        if (low := self.low_rate(publication.number)) is not None:
            low.muted = muted

    def is_ours(self, info: PublicationInfo) -> bool:
        """Return whether we announced a publication that the roster shows as ours.

        A publication that has ended may stay in the roster for a moment.
        """
        publication = self.live.get(info.number)
        if publication is None:
            return 0 < info.number <= self._last_number
        return publication.id == publication_id(info) and publication.codec == info.codec

    def forget(self, number: int, now: float) -> None:
        """Note that a publication has ended."""
        self.keyframes.forget(number)
        self._copies.forget(number)
        publication = self.live.pop(number, None)
        if publication is not None and publication.stream is not None:
            self._over[publication.stream] = now

    def accepted(self, number: int, stream: int, caps: Caps, now: float) -> bool:
        """Note the stream of a publication, and what the server accepts of it.

        Return False if the stream is in use, or ended less than ``KEY_OVERLAP`` ago. No honest server assigns it again
        so soon.
        """
        self._over = {over: at for over, at in self._over.items() if now < at + KEY_OVERLAP}
        if stream in self._over or self.by_stream(stream) is not None:
            return False
        publication = self.live.get(number)
        if publication is not None:
            publication.stream = stream
            if publication.demand is not None:
                publication.demand = replace(publication.demand, caps=caps)
        return True

    def by_stream(self, stream: int) -> Publication | None:
        """Return the live publication that has a stream."""
        return next((p for p in self.live.values() if p.stream == stream), None)

    def keyframe_needed(self, request: KeyframeRequest, now: float) -> None:
        """Note that others need a keyframe of one of our layers; a layer that there is not is ignored."""
        publication = self.by_stream(request.stream)
        if publication is not None and request.spatial < publication.layers:
            self.keyframes.ask(publication.number, request.spatial, now)

    def layers_wanted(self, interest: Interest) -> list[tuple[int, tuple[int, ...]]]:
        """Note what is wanted of our publications, and return it as ``LayersWanted`` has it.

        What is said of others, and of sound that is not a low rate, is ignored.
        """
        wanted: dict[int, dict[int, int]] = {}
        for layer in interest.layers:
            temporal = layer.max_temporal if layer.wanted else NOT_WANTED
            wanted.setdefault(layer.stream, {})[layer.spatial] = temporal
        told: list[tuple[int, tuple[int, ...]]] = []
        for stream, layers in wanted.items():
            publication = self.by_stream(stream)
            if publication is None or (publication.kind is not Kind.VIDEO and not publication.low_rate_of):
                continue
            highest = tuple(layers.get(spatial, NOT_WANTED) for spatial in range(publication.layers))
            told.append((publication.low_rate_of or publication.number, highest))
            publication.is_wanted = highest[0] != NOT_WANTED
            if isinstance(publication.demand, PictureDemand):
                each = tuple(temporal != NOT_WANTED for temporal in highest)
                publication.demand = replace(publication.demand, wanted=each)
        return told

    def first_sequences(self) -> tuple[FirstSequence, ...]:
        """Return the lowest sequence numbers that a receiver of a key box has to accept; 0 where none was used."""
        firsts: list[FirstSequence] = []
        for publication in self.live.values():
            firsts += [FirstSequence(publication.number, i, n) for i, n in enumerate(publication.sequences) if n]
        return tuple(firsts[:MAX_FIRST_SEQUENCES])

    def clocks(self) -> tuple[ClockMapping, ...]:
        """Return the clock mapping of each stream that has one."""
        return tuple(
            ClockMapping(publication.stream, *publication.clock)
            for publication in self.live.values()
            if publication.stream is not None and publication.clock is not None
        )

    def send_audio(
        self,
        number: int,
        payload: bytes,
        timestamp: int,
        now: float,
        *,
        duration_ms: int = 20,
        level: int = 127,
        voice: bool = False,
        end_of_talk: bool = False,
        comfort: bool = False,
        captured_at: float | None = None,
    ) -> bool:
        """Send an audio frame; False where it was not sent: not published yet, ended, muted, or no key.

        ``timestamp`` is in samples at 48 kHz (taken modulo 2**32), ``level`` in -dBov (0..127), ``captured_at`` the
        moment of the first sample (default: ``now``), for lip-sync. Raises ``ValueError`` for a value out of range.
        """
        if len(payload) > MAX_AUDIO_PAYLOAD:
            raise ValueError(f"an audio frame has at most {MAX_AUDIO_PAYLOAD} bytes")
        ready = self._ready(number, Kind.AUDIO, 0, 1)
        if ready is None:
            return False
        publication, stream, key = ready
        timestamp = wrapped(timestamp)
        header = AudioHeader(
            stream,
            key.number,
            key.generation,
            publication.sequences[0],
            timestamp,
            duration_ms,
            level,
            voice,
            end_of_talk,
            comfort,
        )
        packet = seal_packet(header, payload, key.key, AUDIO_PADDING_STEP)
        publication.sequences[0] += 1
        if not publication.low_rate_of:
            self._spoke(header, now)
        self._tick(publication, timestamp, now if captured_at is None else captured_at, now)
        beside = any(p.kind is Kind.VIDEO and not p.muted for p in self.live.values())
        self._egress.send_packet(packet, self._copies.behind(number, header, packet, beside_pictures=beside))
        return True

    def send_video(
        self,
        number: int,
        frame: bytes,
        timestamp: int,
        now: float,
        *,
        keyframe: bool,
        discardable: bool = False,
        spatial: int = 0,
        temporal: int = 0,
        reference: int | None = None,
        captured_at: float | None = None,
    ) -> int:
        """Cut a frame into packets of equal size and send them; return how many, 0 where it was not sent.

        ``timestamp`` is at 90 kHz (taken modulo 2**32), ``reference`` the distance to the frame that this one refers to
        (not used for a keyframe; None: the last one of temporal layer 0), ``captured_at`` as for audio. Raises
        ``ValueError`` for a value out of range.
        """
        if not 0 < len(frame) <= MAX_FRAME:
            raise ValueError(f"a frame has 1 to {MAX_FRAME} bytes")
        if (reference is not None and not 1 <= reference <= MAX_REFERENCE) or not 0 <= temporal <= MAX_TEMPORAL:
            raise ValueError("the temporal layer or the reference is out of range")
        pieces = cut_frame(frame)
        count, step = len(pieces), len(pieces[0]) + 1  # the last piece is padded to the size of the others
        ready = self._ready(number, Kind.VIDEO, spatial, count)
        if ready is None:
            self._interrupted(number, spatial)
            return 0
        publication, stream, key = ready
        frame_id = publication.frames[spatial]
        distance = reference or wrapped(frame_id - publication.bases[spatial], FRAME_ID_BITS)
        if not keyframe and (spatial in publication.interrupted or distance > MAX_REFERENCE):
            self.keyframes.ask(number, spatial, now)
            return 0
        publication.interrupted.discard(spatial)
        timestamp = wrapped(timestamp)
        header = VideoHeader(
            stream,
            key.number,
            key.generation,
            publication.sequences[spatial],
            timestamp,
            frame_id,
            0,
            count,
            keyframe,
            discardable,
            spatial,
            temporal,
            0 if keyframe else distance,
        )
        for i, piece in enumerate(pieces):
            packet = seal_packet(header._replace(sequence=header.sequence + i, packet_index=i), piece, key.key, step)
            self._egress.send_picture(packet)
        publication.sequences[spatial] += count
        publication.frames[spatial] = wrapped(frame_id + 1, FRAME_ID_BITS)
        if temporal == 0:
            publication.bases[spatial] = frame_id
        self._tick(publication, timestamp, now if captured_at is None else captured_at, now)
        return count

    def _interrupted(self, number: int, spatial: int) -> None:
        publication = self.live.get(number)
        if publication is not None:
            publication.interrupted.add(spatial)

    def _tick(self, publication: Publication, timestamp: int, captured_at: float, now: float) -> None:
        self.sent_at = now
        before, captured = publication.clock, max(0, int(captured_at * 1e6))
        publication.clock = (timestamp, captured)
        if before is None or _moved(before, publication.clock, publication.kind):
            self._clock_changed(now, before is None)

    def can_send(self, number: int) -> bool:
        """Tell whether a frame of a publication would be sent now, were it not muted.

        That is: it is accepted, and all present members have acknowledged the sender key, or had three seconds to.
        The state of the path does not count: a path that is lost is still tried, as long as there is no other.
        """
        publication = self.live.get(number)
        return publication is not None and self._way(publication) is not None

    def take_ready(self) -> list[int]:
        """Return the numbers of the publications whose frames can be sent, each once."""
        ready = [p for p in self.live.values() if not p.was_ready and self._way(p) is not None]
        for publication in ready:
            publication.was_ready = True
        return [publication.number for publication in ready]

    def _ready(self, number: int, kind: Kind, spatial: int, count: int) -> tuple[Publication, int, SealingKey] | None:
        """Return what a frame of ``count`` packets needs, or None if the frame may not be sent now."""
        publication = self.live.get(number)
        if publication is None or publication.muted:
            return None
        if publication.kind is not kind or not 0 <= spatial < publication.layers:
            raise ValueError("the publication has no such kind or layer")
        way = self._way(publication)
        if way is None:
            return None
        if publication.sequences[spatial] + count > MAX_SEQUENCE + 1:
            self._drops[Drop.COUNTER_SPENT] += count
            return None
        return publication, *way

    def _way(self, publication: Publication) -> tuple[int, SealingKey] | None:
        """Return stream and key; None where it is not accepted, or there is no key."""
        if publication.stream is None:
            return None
        key = self._sealing_key(publication.id)
        return None if key is None else (publication.stream, key)


def _moved(before: tuple[int, int], after: tuple[int, int], kind: Kind) -> bool:
    """Tell whether the sender's clock and the media's went apart between two frames: receivers have to be told."""
    media = difference(after[0], before[0]) * 1_000_000 // (AUDIO_CLOCK if kind is Kind.AUDIO else VIDEO_CLOCK)
    return abs(after[1] - before[1] - media) > CLOCK_TOLERANCE
