"""What is lost on the way down: counted in each series of packets, and asked for again."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import partial

from tcclient.core.media.copies import farthest_copy
from tcclient.core.media.packet import SealedPacket, Slot
from tcclient.core.media.repair import (
    AUDIO_PATIENCE,
    MORE_WITH_ROOM,
    PICTURES_AGAIN,
    VIDEO_PATIENCE,
    Repair,
    quick_requests,
)
from tcclient.core.media.statistics import LossRuns, StreamStatistics
from tcclient.core.path.media_path import MediaPath
from tcclient.core.path.proof import Way
from tcclient.core.path.statistics import DirectionStatistics, LossMeter
from tcproto.copies import copied_within
from tcproto.packet import AudioHeader, Series, VideoHeader, parse_series

LEFT_OUT = 250_000
"""µs between two packets of a stream after which it may have been left out, where not all voices are wanted.

The server leaves it out for 0.3 s at least.
"""
NEAR, FAR = 0.1, 0.12
"""Seconds of a round trip up to which what is asked for comes in time, and from which it does not. In between nothing
changes."""
SECOND_ANSWER = 0.06
"""Seconds, besides a round trip, by which sound of 20 ms is late that is lost, and whose first answer is lost too: it
is missed with the next packet, asked for again ``MIN_SPACING`` later, and played with the next tick."""
THIRD_ANSWER = 0.06
"""Seconds more with the third answer, and 30 ms of a wait for what is sent again before."""
PICTURES = 1.0
"""Seconds after a piece of a picture in which pictures count as coming. They take most of the line, and a third request
for sound adds little to that. Its answer may have to wait behind pictures, which the longer play-out delay allows."""
COPIED = 0.08
"""Seconds by which a copy is late, which is at most 60 ms behind, and played with the next tick."""
CLEAN, ENOUGH_CLEAN = 0.005, 200
"""Share of lost packets below which a line counts as clean, and packets that tell."""
MAX_SERIES = 4096
"""Series that are counted; more are received without."""


class Losses:
    """Counts the packets of each series, by their forward numbers, and asks by ``path`` for those that are missing.

    ``missed`` is called with ``now`` where sound was lost. ``queue`` returns the seconds that datagrams wait on
    the line, ``has_room`` whether a voice is left out there, in whose place what is lost may come more often.
    """

    def __init__(
        self,
        path: MediaPath,
        missed: Callable[[float], None],
        queue: Callable[[], float],
        has_room: Callable[[], bool],
    ) -> None:
        self.sound_at = float("-inf")
        """When a packet of sound came last, whether or not it opened."""
        self._pictures_at = float("-inf")
        """When a packet of pictures came last."""
        self.sound_patience = AUDIO_PATIENCE
        """Seconds after which lost sound is not asked for any more."""
        self.limits_voices = False
        """Whether the server leaves voices out, so that not all that is missing was lost."""
        self.repair = Repair(lambda items: path.send(*items), self._answer)
        self._path = path
        self._queue = queue
        self._has_room = has_room
        self._missed = missed
        self._series: dict[Slot, StreamStatistics] = {}
        self._lost: dict[int, int] = {}
        """Packets lost on the way down, by stream."""
        self._expected = self._received = self._reordered = self._late = 0
        """Packets of all series there were."""
        self._repaired = 0
        self._loss, self._random_loss = LossMeter(), LossMeter()
        self._runs = LossRuns()

    def statistics(self) -> dict[tuple[int, Series], StreamStatistics]:
        """Return the counts of each sealer's series."""
        return {(sealer, parse_series(stream, code)): counts for (sealer, stream, code), counts in self._series.items()}

    def direction(self) -> DirectionStatistics:
        """Return the counts of the way down."""
        lost = max(0, self._expected - self._received)
        jitter = max((counts.jitter_ms for counts in self._series.values()), default=0.0)
        recent = self._loss.recent(self._expected, lost + self._repaired)
        return DirectionStatistics(self._expected, lost, recent, jitter, self._reordered, self._late, self._repaired)

    def share(self) -> tuple[float, int]:
        """Return the share that was lost of late on UDP, before anything was repaired, and of how many packets.

        Losses that were forgiven do not count.
        """
        if self._path.way is not Way.UDP:
            return 0.0, 0
        return self._random_loss.recent(self._expected, self._ever_lost), self._random_loss.sent(self._expected)

    def of_stream(self, stream: int) -> int:
        """Return the packets of a stream that were lost; the number falls when one comes late."""
        return self._lost.get(stream, 0)

    def repairs_by_requests(self, before: bool) -> bool:
        """Return whether what is lost is better asked for than sent as copies: near the server, and not in bursts.

        ``before`` is what was found last.
        """
        rtt, _ = self._path.round_trip
        if rtt is None or rtt > (FAR if before else NEAR):
            return False
        return not self._runs.are_bursts(not before)

    def start_delay(self) -> float:
        """Return the seconds of delay with which the play-out of a voice is to begin so that it can be repaired.

        It is 0 where little is lost. Far from the server copies bring what was lost. Beside pictures it is longer only
        where much is known to be lost: on a good line so long a delay would be heard when it is cut out again.
        """
        rtt, _ = self._path.round_trip
        share, packets = self.share()
        if rtt is None or self._path.way is not Way.UDP or (packets >= ENOUGH_CLEAN and share < CLEAN):
            return 0.0
        if rtt > NEAR:
            return COPIED
        asks_more = self._has_room() or (self._bears_more and share >= MORE_WITH_ROOM)
        return rtt + SECOND_ANSWER + (THIRD_ANSWER if asks_more else 0.0)

    @property
    def _bears_more(self) -> bool:
        """Whether the line bears sound that is asked for once more."""
        return self._has_room() or self.sound_at < self._pictures_at + PICTURES

    def forgive(self) -> None:
        """Count what was lost until now no more for ``share``: a full queue lost it, and copies would be worse."""
        self._random_loss = LossMeter(self._expected, self._ever_lost)

    def wants_changed(self, streams: Container[int]) -> None:
        """Other things are wanted of these streams: what was forwarded of them meanwhile was not for us."""
        self.repair.stop(streams)
        for (_, stream, _), counts in self._series.items():
            if stream in streams:
                counts.restart()

    def streams_changed(self, before: Mapping[int, object], streams: Mapping[int, object]) -> None:
        """Drop the counts of streams that have ended or changed; ``before`` and ``streams`` have them by their ids.

        Ids are used again, and the forward numbers of a new stream begin again.
        """
        self._lost = {stream: lost for stream, lost in self._lost.items() if stream in streams}
        self._series = {
            slot: counts for slot, counts in self._series.items() if before.get(slot[1]) == streams.get(slot[1])
        }
        self.repair.keep(stream for stream in streams if before.get(stream) == streams[stream])

    def count(self, sealed: SealedPacket) -> bool:
        """Count a packet, and look for lost ones before it; return whether it was lost itself, on either way."""
        header, slot = sealed.header, sealed.slot
        if isinstance(header, AudioHeader):
            self.sound_at = sealed.received_at
        elif isinstance(header, VideoHeader):
            self._pictures_at = sealed.received_at
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
        for meter in (self._loss, self._random_loss):
            meter.mark(sealed.received_at, self._expected, self._ever_lost)
        self._expected += more
        self._received += 1
        self._reordered += counts.reordered - reordered
        self._late += counts.late - late
        if more != 1:
            self._lost[header.stream] = self._lost.get(header.stream, 0) + more - 1
        return repaired

    def copies_came(self, carrier: SealedPacket, copies: list[SealedPacket]) -> None:
        """Note how far back the copies behind a packet reach."""
        counts = self._series.get(carrier.slot)
        if counts is not None and copies:
            counts.farthest_copy = farthest_copy(carrier, copies)

    def recovered(self, carrier: SealedPacket, copy: SealedPacket) -> None:
        """Count a copy as the packet that was lost, if it was missed."""
        slot = carrier.slot
        counts = self._series.get(slot)
        if counts is not None and self.repair.recovered(slot, copy.forward):
            self._count_copy(copy.header.stream, counts, 1)

    def _answer(self) -> tuple[float | None, float]:
        """Return the seconds until an answer comes, None until measured, and their mean deviation.

        It waits in the queue as all else does. Who asks again sooner makes the queue longer, and all wait for that.
        """
        rtt, deviation = self._path.round_trip
        least = self._path.statistics.least_rtt
        return rtt if rtt is None or least is None else max(rtt, least + self._queue()), deviation

    @property
    def _ever_lost(self) -> int:
        """Packets that were lost, also those that were repaired."""
        return max(0, self._expected - self._received) + self._repaired

    def _count_copy(self, stream: int, counts: StreamStatistics, step: int) -> None:
        """Count a copy as the packet that was lost; with a ``step`` of -1 no longer, since that has come itself."""
        counts.received += step
        counts.repaired += step
        self._received += step
        self._repaired += step
        self._lost[stream] = self._lost.get(stream, 0) - step

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
            quick = quick_requests(self.share()[0], self._bears_more)
            self.repair.lost(slot, sealed.forward, count, self.sound_patience, now, copied, quick=quick)
        elif isinstance(header, VideoHeader):
            self.repair.lost(slot, sealed.forward, count, VIDEO_PATIENCE, now, again=PICTURES_AGAIN)
