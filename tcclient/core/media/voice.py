"""One voice out of two streams: a microphone, and the low rate that stands in for it."""

from __future__ import annotations

from tcproto.packet import AUDIO_CLOCK, AudioHeader
from tcproto.serial import difference, wrapped

_TICKS_PER_MS = AUDIO_CLOCK // 1000


class Voice:
    """Joins the packets of both streams to one run of sequence numbers, each moment of it once.

    Both have the timestamps of one clock. So a change from one to the other is at the first packet that begins no
    sooner than what came before ends, and the packets of the other that overlap it are left out. Where this leaves a
    gap, one packet counts as lost, so that it is concealed like any other loss.
    """

    def __init__(self) -> None:
        self.streams: set[int] = set()
        """Those that were heard."""
        self._stream = 0
        """The one that is heard now; 0: none yet."""
        self._first: int | None = None
        """Its sequence number at the change to it; what is before that was heard from the other one. None: any."""
        self._offset = 0
        """What is added to its sequence numbers, modulo 2**32."""
        self._newest = 0
        """The highest sequence number of the voice, u32."""
        self._end = 0
        """Timestamp of the end of that packet."""

    def take(self, header: AudioHeader) -> AudioHeader | None:
        """Return the header of a packet as one of the voice; None: its time was heard from the other stream."""
        if not self._stream:
            self._stream, self._newest = header.stream, wrapped(header.sequence - 1)
        elif header.stream != self._stream:
            gap = difference(header.timestamp, self._end)
            if gap < 0:
                return None
            self._stream, self._first = header.stream, header.sequence
            self._offset = self._newest + 1 + (gap > 0) - header.sequence
        elif self._first is not None and difference(header.sequence, self._first) < 0:
            return None
        self.streams.add(header.stream)
        sequence = wrapped(header.sequence + self._offset)
        if difference(sequence, self._newest) > 0:
            self._newest, self._end = sequence, wrapped(header.timestamp + header.duration_ms * _TICKS_PER_MS)
        return header._replace(sequence=sequence)
