"""A jitter buffer for the packets of one speaker.

Packets go in as they arrive, with ``JitterBuffer.put``. ``JitterBuffer.get`` returns the next stretch of sound to play,
labelled with its origin. A late packet waits its turn and is played late, so the speaker lags behind. The lag is made
up in pauses: silent packets are dropped, and the decoder is asked to shorten the frames in them, and others a little
where the lag is long. So a stall of the network costs a pause and not a word.

The play-out asks in ticks, and a packet has to be there at the tick in which its play-out begins. So delays are chosen
that are whole ticks apart.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Final, NamedTuple

from tcclient.audio.delay import FRAME, START_TARGET, DelayEstimator
from tcclient.audio.frame import Frame, FrameKind
from tcclient.audio.jitter_statistics import JitterStatistics
from tcclient.audio.opus import MAX_PACKET_SAMPLES, SAMPLE_RATE
from tcclient.core.media.packet import AudioPacket
from tcproto.serial import unwrap, wrapped

MAX_BUFFERED_MS: Final = 1_000
"""Media in the buffer: more than ``MAX_DELAY``, so it only fills when nobody plays."""
MAX_PACKETS: Final = 128
"""Packets in the buffer. It bounds the memory, whatever durations packets claim."""
MAX_DELAY: Final = 0.600
"""Seconds of media that wait. Above it the oldest are skipped, since no conversation is possible with so much delay.

Skipping can save no more time than the waiting media have. So a packet that is later than this, with nothing newer
behind it, is played. Its path has become longer, and the next packet will not be earlier.
"""
MAX_CONCEAL_MS: Final = 100
"""Invented sound in one gap. Longer invented sound is a buzz without meaning."""
MAX_REORDER: Final = 1_024
"""Packets behind the newest that count as old. Farther behind, the sender has started again."""
RESYNC_JUMP: Final = 1.0
"""Seconds that the transit of a packet may differ from the least. Beyond it a clock has jumped, and no buffer helps."""
MAX_SPEED_CHANGE: Final = 0.05
"""Part of the speed of play-out: less than listeners notice."""

_TICK: Final = 960
"""20 ms, the tick of the play-out: the default length of a stretch."""
_TICK_SECONDS: Final = _TICK / SAMPLE_RATE
_MAX_ADJUST: Final = 480
"""10 ms: the longest pitch period, which the decoder cuts out or repeats."""
_WORTH_CHANGING: Final = 0.002
"""Seconds of delay, or as much in late packets, that a change of the delay in a pause has to save."""
_WORTH_WAITING: Final = 0.020
"""The same where play-out waits for a missing packet, for as long as that is worth it."""
_WORTH_HEARING: Final = 0.100
"""The same where the change may be heard: a pause comes in a few seconds, and nobody notices what is changed there."""


class PutResult(Enum):
    """What became of a packet."""

    QUEUED = "queued"
    """It waits to be played."""
    LATE = "late"
    """It was too late, and was discarded."""
    DUPLICATE = "duplicate"
    """It had come before, and was discarded."""
    RESYNC = "resync"
    """It was queued after everything else was forgotten: the sender's clock or numbering had jumped."""


class _Packet(NamedTuple):
    sequence: int
    """Unwrapped, as the timestamp is."""
    timestamp: int
    duration: int
    fec: bool
    packet: AudioPacket

    @property
    def silence(self) -> bool:
        return self.packet.header.comfort

    @property
    def ended(self) -> bool:
        """No packet need follow this one."""
        return self.packet.header.end_of_talk or self.silence


class JitterBuffer:
    """Orders and times the packets of one speaker; see the text of the module. Give times as monotonic seconds.

    ``start`` is the delay at first, of packets of 20 ms, and ``frame`` how long packets are, in seconds.
    """

    def __init__(self, start: float = START_TARGET, frame: float = FRAME) -> None:
        self._delay = DelayEstimator(start, frame)
        self._statistics = JitterStatistics()
        self._packets: dict[int, _Packet] = {}
        """By unwrapped sequence number."""
        self._newest_sequence: int | None = None
        self._newest_timestamp = 0
        self._seen = 0
        """Bit k: the packet k before the newest has arrived."""
        self._playing = False
        self._position: int | None = None
        """Media time of the next sample to play."""
        self._last: _Packet | None = None
        """The packet that was played last."""
        self._stalled = 0
        """Samples invented while media time did not move."""
        self._concealed = 0
        """Samples invented since the last packet."""
        self._adjust_from = 0
        """Media time before which the speed stays as it is."""

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def buffered(self) -> int:
        """Samples between the oldest and the newest packet in the buffer, both included."""
        if not self._packets:
            return 0
        oldest, newest = self._packets[min(self._packets)], self._packets[max(self._packets)]
        return newest.timestamp + newest.duration - oldest.timestamp

    @property
    def _waiting(self) -> float:
        """Seconds of media in the buffer, without gaps between them."""
        return sum(packet.duration for packet in self._packets.values()) / SAMPLE_RATE

    @property
    def statistics(self) -> JitterStatistics:
        """A copy of the statistics as they are now."""
        return replace(self._statistics, target_ms=1e3 * self._delay.target)

    def put(self, packet: AudioPacket, duration: int, *, fec: bool = False) -> PutResult:
        """Take a packet.

        ``duration``: samples, 1 to 5,760. ``fec``: the packet has a copy of the frame before. Raises ``ValueError`` for
        a duration out of range.
        """
        if not 0 < duration <= MAX_PACKET_SAMPLES:
            raise ValueError(f"a packet cannot last {duration} samples")
        self._statistics.received += 1
        sequence, timestamp, now = packet.header.sequence, packet.header.timestamp, packet.received_at
        if self._newest_sequence is None:
            sequence, timestamp = wrapped(sequence), wrapped(timestamp)
        else:
            sequence = unwrap(sequence, self._newest_sequence)
            timestamp = unwrap(timestamp, self._newest_timestamp)
        transit = now - packet.held_ms / 1000 - timestamp / SAMPLE_RATE
        base = self._delay.base
        if packet.repaired and base is not None and transit - base > RESYNC_JUMP:  # no clock has jumped
            self._statistics.late += 1
            return PutResult.LATE
        result = PutResult.QUEUED
        if self._jumped(sequence, transit):
            self._statistics.resyncs += 1
            self._forget()
            result = PutResult.RESYNC
        newest = self._newest_sequence
        if not self._note(sequence, timestamp):
            self._statistics.duplicate += 1
            return PutResult.DUPLICATE
        base = self._delay.base
        if base is None or abs(transit - base) <= RESYNC_JUMP:
            in_order = not packet.repaired and (newest is None or sequence > newest)
            self._delay.update(transit, now, in_order=in_order, repaired=packet.repaired)
            if fec and newest is not None and sequence == newest + 2:
                # The frame between arrives now, with this packet, and its lateness counts like any other.
                self._delay.update(transit + duration / SAMPLE_RATE, now)
        if self._passed(sequence, timestamp):
            self._statistics.late += 1
            return PutResult.LATE
        if self._stalled and timestamp == self._position:
            self._statistics.late += 1
        self._packets[sequence] = _Packet(sequence, timestamp, duration, fec, packet)
        while len(self._packets) > MAX_PACKETS or self.buffered > MAX_BUFFERED_MS * _SAMPLES_PER_MS:
            self._skip()
        return result

    def get(self, now: float, ahead: int = 0) -> Frame:
        """Return the next frame, as of ``now``. Call it when the frames before, as adjusted, do not fill the tick.

        ``ahead``: the samples of the tick that they fill, so that this frame is played so much later than ``now``.
        ``now`` is best the time at which the tick was due: then a late tick does not change the delay.
        """
        frame = self._next(now, ahead)
        frame = frame._replace(delay=frame.delay + ahead / SAMPLE_RATE)
        statistics, milliseconds = self._statistics, frame.duration / _SAMPLES_PER_MS
        statistics.delay_ms = 1e3 * frame.delay
        match frame.kind:
            case FrameKind.PACKET:
                statistics.played += 1
            case FrameKind.FEC:
                statistics.fec_ms += milliseconds
            case FrameKind.CONCEAL | FrameKind.LATE:
                statistics.concealed_ms += milliseconds
            case FrameKind.LOST:
                statistics.lost_ms += milliseconds
            case FrameKind.SILENCE:
                statistics.silence_ms += milliseconds
        return frame

    def _next(self, now: float, ahead: int) -> Frame:
        head = self._head(now)
        if self._playing and head is not None:
            frame = self._bridge(head, now)
            if frame is not None:
                return frame
        if not self._playing:
            if head is None:
                return self._silence()
            if self._delay.choose(self._lag(now, head.timestamp), _TICK_SECONDS).steps > 0:
                return self._silence()
            self._playing = True
        if head is None:
            return self._starve(now)
        return self._play(head, now, ahead)

    def _bridge(self, head: _Packet, now: float) -> Frame | None:
        """Fill the gap before ``head``.

        Return None if there is nothing to fill; the buffer may not be playing any more then.
        """
        assert self._position is not None
        assert self._last is not None
        if self._may_come(head, now):
            return self._wait(now)
        # Sound that was invented while waiting has already filled the beginning of the gap.
        covered = min(self._stalled, head.timestamp - self._position)
        self._position += covered
        self._stalled -= covered
        gap = head.timestamp - self._position
        if gap == 0:
            return None
        missing = head.sequence - self._last.sequence - 1
        if self._last.ended or missing == 0 or gap > RESYNC_JUMP * SAMPLE_RATE:
            self._playing = False
            return None
        timestamp = wrapped(self._position)
        if head.fec and gap == head.duration:
            self._position += gap
            return Frame(FrameKind.FEC, head.packet.payload, timestamp, gap, self._lag(now))
        step = min(gap - head.duration if head.fec and gap > head.duration else gap, self._last.duration)
        kind = FrameKind.CONCEAL if self._concealed < _MAX_CONCEAL else FrameKind.LOST
        frame = Frame(kind, None, timestamp, step, self._lag(now))
        self._position += step
        self._concealed += step
        return frame

    def _starve(self, now: float) -> Frame:
        """Play nothing new: wait for a late packet, or become silent."""
        assert self._last is not None
        if self._last.ended or self._concealed >= _MAX_CONCEAL:
            self._playing = False
            return self._silence()
        return self._wait(now)

    def _may_come(self, head: _Packet, now: float) -> bool:
        """Return whether the packet before ``head`` is missing, and the delay should be longer.

        To wait makes up for that at once, and spares the packet if it comes.
        """
        assert self._last is not None
        missing = head.sequence - self._last.sequence - 1
        if missing <= 0 or self._last.ended or self._concealed >= _MAX_CONCEAL:
            return False
        steps, gain = self._delay.choose(self._lag(now), _TICK_SECONDS)
        return steps > 0 and gain >= _WORTH_WAITING

    def _wait(self, now: float) -> Frame:
        """Invent sound while media time does not move."""
        self._stalled += _TICK
        self._concealed += _TICK
        return Frame(FrameKind.LATE, None, None, _TICK, self._lag(now))

    def _silence(self) -> Frame:
        return Frame(FrameKind.SILENCE, None, None, _TICK, self._delay.target)

    def _play(self, head: _Packet, now: float, ahead: int) -> Frame:
        del self._packets[head.sequence]
        if self._last is not None and self._position is not None and not self._last.ended:
            gone = head.timestamp - self._last.timestamp - self._last.duration
            if gone <= RESYNC_JUMP * SAMPLE_RATE:
                self._statistics.lost += min(head.sequence - self._last.sequence - 1, -(-gone // head.duration))
        self._position = head.timestamp
        frame = Frame(
            FrameKind.PACKET,
            head.packet.payload,
            wrapped(head.timestamp),
            head.duration,
            self._lag(now),
            *self._adjustment(head, now, ahead),
        )
        self._position += head.duration
        self._last = head
        self._stalled = self._concealed = 0
        return frame

    def _adjustment(self, head: _Packet, now: float, ahead: int) -> tuple[int, bool]:
        """Return how much to change the length of this frame, and whether that may be heard.

        What may be heard changes the speed by 5 % at most, and has to save more. A frame is shortened for a shorter
        delay only if more media wait: otherwise the saved time would be spent on waiting for the next frame. Where the
        delay stays, frames in pauses are shortened until the next one begins with a tick.
        """
        steps, gain = self._delay.choose(self._lag(now), _TICK_SECONDS)
        most = min(_MAX_ADJUST, head.duration // 2)
        if gain < _WORTH_CHANGING or (steps < 0 and self._waiting < _TICK_SECONDS):
            return -min(ahead, head.duration // 2), False
        audible = gain >= _WORTH_HEARING and head.timestamp >= self._adjust_from
        if audible:
            self._adjust_from = head.timestamp + round(most / MAX_SPEED_CHANGE)
        return (most if steps > 0 else -most), audible

    def _head(self, now: float) -> _Packet | None:
        """Return the packet to play next, after dropping those that cannot or need not be played."""
        while self._packets:
            head = self._packets[min(self._packets)]
            if self._passed(head.sequence, head.timestamp):
                del self._packets[head.sequence]
                self._statistics.late += 1
                continue
            excess = self._lag(now, head.timestamp) - self._delay.target
            surplus = head.silence and len(self._packets) > 1 and excess * SAMPLE_RATE >= head.duration
            if not surplus and self._waiting <= MAX_DELAY:
                return head
            self._skip()
        return None

    def _skip(self) -> None:
        """Drop the oldest packet and move behind it. What was passed moves nothing: a sender may number as it likes."""
        head = self._packets.pop(min(self._packets))
        if self._passed(head.sequence, head.timestamp):
            self._statistics.late += 1
            return
        self._statistics.discarded += 1
        self._position = head.timestamp + head.duration
        self._last = head

    def _lag(self, now: float, timestamp: int | None = None) -> float:
        """Return how late media is at ``now``, in seconds: of ``timestamp``, or else of the position."""
        base = self._delay.base
        if timestamp is None:
            timestamp = self._position
        return 0.0 if base is None or timestamp is None else now - timestamp / SAMPLE_RATE - base

    def _passed(self, sequence: int, timestamp: int) -> bool:
        played = self._last is not None and sequence <= self._last.sequence
        return played or (self._position is not None and timestamp < self._position)

    def _jumped(self, sequence: int, transit: float) -> bool:
        base = self._delay.base
        if self._newest_sequence is None or base is None:
            return False
        ahead = sequence - self._newest_sequence
        return ahead < -MAX_REORDER or (ahead > 0 and abs(transit - base) > RESYNC_JUMP)

    def _note(self, sequence: int, timestamp: int) -> bool:
        """Remember the numbers of a packet. Return False if it is a duplicate."""
        ahead = MAX_REORDER + 1 if self._newest_sequence is None else sequence - self._newest_sequence
        if ahead > 0:
            self._seen = (self._seen << min(ahead, MAX_REORDER + 1) | 1) & ((2 << MAX_REORDER) - 1)
            self._newest_sequence, self._newest_timestamp = sequence, timestamp
            return True
        bit = 1 << -ahead
        if self._seen & bit:
            return False
        self._seen |= bit
        return True

    def _forget(self) -> None:
        """Begin again, and keep what is known of the jitter."""
        self._packets.clear()
        self._delay.forget_transit()
        self._newest_sequence = self._position = self._last = None
        self._playing = False
        self._seen = self._stalled = self._concealed = self._adjust_from = 0


_SAMPLES_PER_MS: Final = SAMPLE_RATE // 1_000
_MAX_CONCEAL: Final = MAX_CONCEAL_MS * _SAMPLES_PER_MS
