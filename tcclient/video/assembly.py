"""Puts packets together to frames."""

from __future__ import annotations

from dataclasses import dataclass

from tcclient.core.media.packet import VideoPacket
from tcproto.packet import FRAME_ID_BITS, VideoHeader
from tcproto.serial import difference, unwrap, wrapped

MAX_FRAMES = 32
"""Most incomplete or waiting frames of a stream: ``PATIENCE`` at 60 frames/s."""

MAX_BYTES = 4 << 20
"""Most bytes that the packets of a stream may occupy while frames wait: a few keyframes of 4K."""

PACKET_OVERHEAD = 128
"""Bytes charged for each packet in addition to its payload, so that a flood of tiny packets reaches ``MAX_BYTES``, too.
"""

PATIENCE = 0.5
"""Seconds from the newest packet of a frame until the frame is given up. By then a retransmission has come, or the
conversation has moved on. The first packet does not count: on a slow link a keyframe may take longer than this, and is
not lost while its packets come."""


@dataclass(slots=True)
class AssemblyStatistics:
    """What became of packets and frames."""

    packets: int = 0
    """All packets that came."""
    duplicates: int = 0
    late: int = 0
    """Packets of a frame that was already emitted, given up or overtaken."""
    malformed: int = 0
    """Impossible packets: index beyond count, no payload, a frame that refers to itself, an old packet of a newer
    frame."""
    frames: int = 0
    """Frames emitted."""
    incomplete: int = 0
    """Frames given up because a packet was late, or because a later frame did not need them."""
    inconsistent: int = 0
    """Frames dropped because their packets contradict each other."""
    overflow: int = 0
    """Frames given up because ``MAX_FRAMES`` or ``MAX_BYTES`` was reached."""
    restarts: int = 0
    """Times that the frame ids of the sender went back while its sequence numbers went on."""


class FrameAssembler:
    """Puts the packets of one stream and layer together to frames. Packets come in any order, frames leave in order.

    A complete frame waits only for the frame that it refers to, so layers that were not forwarded delay nothing. Each
    frame, complete or not, waits at most ``patience`` seconds from its newest packet. A frame may then refer to a frame
    that was given up; ``gate.ReferenceTracker`` refuses it. Pure: ``now`` in seconds of a monotonic clock.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self.statistics = AssemblyStatistics()
        self._pending: dict[int, _Frame] = {}  # by extended frame id
        self._bytes = 0
        self._passed: int | None = None  # extended id up to which all is emitted or given up
        self._sequence: int | None = None  # of the newest packet
        self._newest: int | None = None  # extended id of the frame that the newest packet belongs to

    @property
    def occupied(self) -> int:
        """Bytes charged for the packets that wait; at most ``MAX_BYTES``."""
        return self._bytes

    @property
    def keyframe_coming(self) -> bool:
        """Whether a part of a keyframe has arrived, and the rest may follow."""
        return any(frame.first.header.keyframe and not frame.dead for frame in self._pending.values())

    def push(self, packet: VideoPacket, now: float) -> list[VideoPacket]:
        """Take a packet. Return the frames, in order, that can leave now."""
        return self.expire(now) + self._take(packet, now)

    def _take(self, packet: VideoPacket, now: float) -> list[VideoPacket]:
        self.statistics.packets += 1
        emitted: list[VideoPacket] = []
        if not _well_formed(packet):
            self.statistics.malformed += 1
            return []
        number = self._place(packet.header)
        if number is None:
            return []
        frame = self._pending.get(number)
        if frame is None:
            if len(self._pending) >= MAX_FRAMES:
                if number < min(self._pending):
                    self.statistics.late += 1
                    return []
                emitted += self._advance(min(self._pending), overflow=True) + self._free()
            frame = self._pending[number] = _Frame(packet)
        elif frame.dead:
            return []
        elif not frame.agrees(packet.header):
            self.statistics.inconsistent += 1
            self._kill(frame)
            return []
        elif packet.header.packet_index in frame.payloads:
            self.statistics.duplicates += 1
            return []
        frame.payloads[packet.header.packet_index] = packet.payload
        frame.deadline = now + self.patience
        frame.charge += len(packet.payload) + PACKET_OVERHEAD
        self._bytes += len(packet.payload) + PACKET_OVERHEAD
        while self._bytes > MAX_BYTES:
            emitted += self._advance(min(self._pending), overflow=True) + self._free()
        if frame.complete:
            emitted += self._free()
        return emitted

    def expire(self, now: float) -> list[VideoPacket]:
        """Give up frames that have waited too long. Return the complete frames behind them, in order."""
        overdue = [number for number, frame in self._pending.items() if frame.deadline <= now]
        return self._advance(max(overdue)) + self._free() if overdue else []

    def deadline(self) -> float | None:
        """Return when ``expire`` is due next, or None."""
        return min((frame.deadline for frame in self._pending.values()), default=None)

    def _place(self, header: VideoHeader) -> int | None:
        """Return the extended frame id, or None for a useless packet. Frame ids follow sequence numbers."""
        near = header.frame_id if self._newest is None else self._newest
        number = unwrap(header.frame_id, near, FRAME_ID_BITS)
        if self._sequence is None or difference(header.sequence, self._sequence) > 0:
            self._sequence = header.sequence
            if number < near:
                self._restart()
            self._newest = number
        elif number > near:
            self.statistics.malformed += 1
            return None
        if self._passed is not None and number <= self._passed:
            self.statistics.late += 1
            return None
        return number

    def _restart(self) -> None:
        self.statistics.restarts += 1
        self.statistics.incomplete += len(self._pending)
        self._pending.clear()
        self._bytes = 0
        self._passed = None

    def _free(self) -> list[VideoPacket]:
        """Emit the frames that need not wait any longer."""
        emitted: list[VideoPacket] = []
        for number in sorted(self._pending):
            frame = self._pending.get(number)
            if frame is None or not frame.complete:
                continue
            # At the beginning, a frame older than all that came counts as passed.
            passed = min(self._pending) - 1 if self._passed is None else self._passed
            if frame.first.header.keyframe or number - frame.first.header.reference <= passed:
                emitted += self._advance(number)
        return emitted

    def _advance(self, to: int, *, overflow: bool = False) -> list[VideoPacket]:
        """Pass all frames up to ``to``: emit the complete ones in order, and give up the others."""
        emitted: list[VideoPacket] = []
        for number in sorted(number for number in self._pending if number <= to):
            frame = self._pending.pop(number)
            self._bytes -= frame.charge
            if frame.complete:
                emitted.append(frame.assemble())
            elif overflow:
                self.statistics.overflow += 1
            elif not frame.dead:
                self.statistics.incomplete += 1
        self._passed = to if self._passed is None else max(to, self._passed)
        self.statistics.frames += len(emitted)
        return emitted

    def _kill(self, frame: _Frame) -> None:
        """Forget the packets of a frame, but keep its number: later packets of it must not begin it again."""
        frame.dead = True
        frame.payloads.clear()
        self._bytes -= frame.charge
        frame.charge = 0


class _Frame:
    """A frame that is being put together."""

    __slots__ = ("charge", "dead", "deadline", "first", "payloads")

    def __init__(self, first: VideoPacket) -> None:
        self.first = first._replace(payload=b"")
        self.deadline = 0.0
        self.payloads: dict[int, bytes] = {}
        self.charge = 0
        self.dead = False

    @property
    def complete(self) -> bool:
        return len(self.payloads) == self.first.header.packet_count

    def agrees(self, header: VideoHeader) -> bool:
        first = self.first.header
        return (
            header.packet_count == first.packet_count
            and header.timestamp == first.timestamp
            and header.keyframe == first.keyframe
            and header.temporal == first.temporal
            and header.reference == first.reference
        )

    def assemble(self) -> VideoPacket:
        """Return the frame, under the header of its first packet."""
        header = self.first.header
        sequence = wrapped(header.sequence - header.packet_index)
        payload = b"".join(self.payloads[index] for index in range(header.packet_count))
        return self.first._replace(header=header._replace(sequence=sequence, packet_index=0), payload=payload)


def _well_formed(packet: VideoPacket) -> bool:
    header = packet.header
    return (
        0 <= header.packet_index < header.packet_count
        and len(packet.payload) > 0
        and (header.keyframe or 0 < header.reference <= 0xFF)
    )
