"""Turns the packets of one speaker into a steady stream of sound."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import numpy as np

from tcclient.audio.delay import FRAME, START_TARGET
from tcclient.audio.frame import Frame, FrameKind
from tcclient.audio.jitter import JitterBuffer, PutResult
from tcclient.audio.jitter_statistics import JitterStatistics
from tcclient.audio.opus import OpusDecoder, OpusError, Pcm, packet_duration, packet_has_fec
from tcclient.audio.speech import PauseDetector
from tcclient.audio.stretch import lengthen, resize, shorten
from tcclient.core.media.packet import AudioPacket
from tcproto.serial import wrapped

_FADE: Final = 240
"""Samples, 5 ms: long enough not to click, short enough to keep the onset of a word."""
_INVENTED: Final = (FrameKind.CONCEAL, FrameKind.LATE)
_MUTE: Final = (FrameKind.LOST, FrameKind.SILENCE)


class Sound(NamedTuple):
    """A block of sound for the play-out."""

    pcm: Pcm
    """int16, of exactly the length asked for."""
    labels: tuple[tuple[FrameKind, int], ...]
    """Origin of the samples: kinds and lengths, in order. The lengths add up to the length of the block."""
    timestamp: int | None
    """Media time of the first sample (48 kHz, 32 bits), for lip-sync; None if it has none."""


class _Chunk(NamedTuple):
    kind: FrameKind
    pcm: Pcm
    timestamp: int | None


class _Gap:
    """Invented sound, and the state of the decoder before it."""

    def __init__(self, before: bytes) -> None:
        self.before = before
        self.missing: dict[tuple[int, int], bytes | None] = {}
        """By media time and duration: packets that were concealed, and what came of them too late."""

    def late(self, timestamp: int, duration: int, payload: bytes) -> None:
        """Take a packet that came too late to be played."""
        if (timestamp, duration) in self.missing:
            self.missing[timestamp, duration] = payload

    @property
    def is_known(self) -> bool:
        """Whether all of it that was not heard has come: then the decoder can go on as if it had been heard."""
        return all(payload is not None for payload in self.missing.values())


class SpeakerDecoder:
    """Jitter buffer and Opus decoder of one speaker. It does not raise, however broken a packet is.

    ``start`` and ``frame`` are those of ``JitterBuffer``. Raises ``OpusUnavailable`` when made without a library.
    """

    def __init__(self, start: float = START_TARGET, frame: float = FRAME) -> None:
        self.corrupt = 0
        """Packets that Opus could not decode; they are concealed."""
        self._buffer = JitterBuffer(start, frame)
        self._decoder = OpusDecoder()
        self._chunks: deque[_Chunk] = deque()
        """Samples that are decoded and not yet requested: less than one packet."""
        self._pauses = PauseDetector()
        self._previous = FrameKind.SILENCE
        self._gap: _Gap | None = None
        """What was invented since the last packet."""

    @property
    def statistics(self) -> JitterStatistics:
        """A copy of the statistics of the jitter buffer."""
        return self._buffer.statistics

    def put(self, packet: AudioPacket) -> PutResult | None:
        """Take a packet as ``JitterBuffer.put`` does.

        Return None if the payload cannot be Opus; the packet counts as lost.
        """
        try:
            duration = packet_duration(packet.payload)
        except OpusError:
            self.corrupt += 1
            return None
        result = self._buffer.put(packet, duration, fec=packet_has_fec(packet.payload))
        if result is PutResult.LATE and self._gap is not None:
            self._gap.late(packet.header.timestamp, duration, packet.payload)
        return result

    def pcm(self, now: float, samples: int) -> Sound:
        """Return the next ``samples``, as of ``now``. Call it once in each tick of the play-out."""
        pieces: list[Pcm] = []
        labels: list[tuple[FrameKind, int]] = []
        timestamp = None
        wanted = samples
        while wanted:
            if not self._chunks:
                self._chunks.append(self._render(self._buffer.get(now, samples - wanted), wanted))
            chunk = self._chunks.popleft()
            piece, rest = chunk.pcm[:wanted], chunk.pcm[wanted:]
            if not pieces:
                timestamp = chunk.timestamp
            if len(rest):
                later = None if chunk.timestamp is None else wrapped(chunk.timestamp + len(piece))
                self._chunks.appendleft(_Chunk(chunk.kind, rest, later))
            pieces.append(piece)
            if labels and labels[-1][0] is chunk.kind:
                labels[-1] = (chunk.kind, labels[-1][1] + len(piece))
            else:
                labels.append((chunk.kind, len(piece)))
            wanted -= len(piece)
        return Sound(np.concatenate(pieces) if pieces else np.zeros(0, np.int16), tuple(labels), timestamp)

    def _render(self, frame: Frame, wanted: int) -> _Chunk:
        kind, previous = frame.kind, self._previous
        self._previous = kind
        duration = min(frame.duration, wanted) if kind is FrameKind.SILENCE else frame.duration
        if kind in _MUTE:
            self._gap = None
        if kind not in _MUTE:
            pcm = self._sound(frame)
            if previous in _MUTE:
                pcm[:_FADE] = pcm[:_FADE] * np.linspace(0, 1, len(pcm[:_FADE]))
        elif previous in _INVENTED:
            pcm = (self._decoder.conceal(duration) * np.linspace(1, 0, duration)).astype(np.int16)
        else:
            pcm = np.zeros(duration, np.int16)
        return _Chunk(kind, pcm, frame.timestamp)

    def _sound(self, frame: Frame) -> Pcm:
        try:
            if frame.kind is FrameKind.FEC and frame.payload is not None:
                return self._decoder.decode_fec(frame.payload, frame.duration)
            if frame.payload is not None:
                pcm = self._decoded(frame.payload)
                if self._pauses.detect(pcm):
                    return resize(pcm, frame.adjust)
                if frame.audible:
                    return shorten(pcm, -frame.adjust) if frame.adjust <= 0 else lengthen(pcm, frame.adjust)
                return pcm
        except OpusError:
            self.corrupt += 1
        if self._gap is None:
            self._gap = _Gap(self._decoder.save())
        if frame.timestamp is not None:
            self._gap.missing[frame.timestamp, frame.duration] = None
        return self._decoder.conceal(frame.duration)

    def _decoded(self, payload: bytes) -> Pcm:
        """Decode a packet. Behind invented sound the decoder goes back, and learns what has come too late."""
        pcm = self._decoder.decode(payload)
        gap, self._gap = self._gap, None
        if gap is None or not gap.is_known:
            return pcm
        self._decoder.restore(gap.before)
        for late in gap.missing.values():
            assert late is not None
            self._decoder.decode(late)
        exact = self._decoder.decode(payload)
        length = min(_FADE, len(pcm))
        weight = np.linspace(0, 1, length)
        exact[:length] = pcm[:length] * (1 - weight) + exact[:length] * weight
        return exact
