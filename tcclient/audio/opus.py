"""The Opus codec (RFC 6716), 48 kHz mono, through one checked wrapper.

Every return code of the library is tested. Whatever a packet contains, ``OpusDecoder`` returns samples or raises
``OpusError``, and works with the next packet.
"""

from __future__ import annotations

import ctypes
import weakref
from enum import Enum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tcclient.audio import libopus, opus_packet
from tcclient.audio.libopus import LibOpus, OpusUnavailable
from tcproto.packet import AUDIO_CLOCK

__all__ = [
    "MAX_PACKET_BYTES",
    "MAX_PACKET_SAMPLES",
    "SAMPLE_RATE",
    "Application",
    "BitrateMode",
    "OpusDecoder",
    "OpusEncoder",
    "OpusError",
    "OpusUnavailable",
    "Pcm",
    "cbr_bitrate",
    "packet_duration",
    "packet_has_fec",
    "require_library",
]

Pcm = npt.NDArray[np.int16]
"""Samples: 48 kHz, mono, shape (n,)."""

SAMPLE_RATE: Final = AUDIO_CLOCK
"""Samples per second of all PCM in the client. One tick of a timestamp is one sample."""
MAX_PACKET_SAMPLES: Final = opus_packet.MAX_PACKET_DURATION
"""120 ms."""
MAX_PACKET_BYTES: Final = 1_275
"""The longest frame (RFC 6716 section 3.4, rule R2). It is more than one datagram holds."""
FRAME_MS: Final = (20, 40, 60)
"""Frame lengths that the encoder offers: shorter ones cost too much in headers."""

_GET_IN_DTX: Final = 4_049
"""OPUS_GET_IN_DTX of opus_defines.h, since libopus 1.3; opuslib does not name it."""
_QUANTUM: Final = 120
"""2.5 ms: the shortest frame; the library conceals in multiples of it."""


class OpusError(ValueError):
    """A packet that cannot be decoded, or a value that the library refused."""


class BitrateMode(Enum):
    """How the bitrate may vary from frame to frame."""

    VBR = "vbr"
    """As the signal needs it. The sizes tell an eavesdropper something about the speech."""
    CONSTRAINED_VBR = "constrained"
    """As the signal needs it, within the delay of one frame at the bitrate."""
    CBR = "cbr"
    """Each packet equally long: the sizes tell nothing, and no padding is wasted when the length is chosen to fit."""


class Application(Enum):
    """What the encoder is tuned for; the values are the library's."""

    VOIP = 2_048
    """Speech."""
    AUDIO = 2_049
    """Music and films."""


class OpusEncoder:
    """Encodes speech: frames of ``frame_ms`` (20, 40 or 60) at ``bitrate`` (bit/s, 6,000 to 510,000).

    ``complexity`` is 0 to 10. ``fec`` adds a low-rate copy of the frame before, which takes its bits from the same
    bitrate, when ``expected_loss_percent`` (0 to 100) makes it worth while. ``dtx`` lets the encoder shrink frames of
    silence to 1 or 2 bytes. Raises ``OpusError`` for a value out of range, ``OpusUnavailable`` without a library. Not
    for several threads at once.
    """

    def __init__(
        self,
        *,
        bitrate: int = 25_200,
        frame_ms: int = 20,
        complexity: int = 10,
        mode: BitrateMode = BitrateMode.CBR,
        fec: bool = False,
        dtx: bool = False,
        expected_loss_percent: int = 0,
        application: Application = Application.VOIP,
    ) -> None:
        self._opus = _library()
        self.set_frame(frame_ms)
        self._state = _create(self._opus, self._opus.encoder, application.value)
        weakref.finalize(self, self._opus.encoder.destroy, self._state)
        self._buffer = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        request = self._opus.package
        self._set(request.SET_COMPLEXITY_REQUEST, complexity)
        self._set(request.SET_VBR_REQUEST, mode is not BitrateMode.CBR)
        self._set(request.SET_VBR_CONSTRAINT_REQUEST, mode is BitrateMode.CONSTRAINED_VBR)
        self.set_bitrate(bitrate)
        self.set_expected_loss(expected_loss_percent)
        self.set_fec(fec)
        self.set_dtx(dtx)

    def encode(self, pcm: Pcm) -> bytes:
        """Encode exactly one frame, and return 1 to 1,275 bytes. Raises ``OpusError`` for another length or type."""
        if pcm.dtype != np.int16 or pcm.shape != (self.frame_samples,):
            raise OpusError(f"a frame is int16 ({self.frame_samples},), not {pcm.dtype} {pcm.shape}")
        samples = np.ascontiguousarray(pcm)
        size = self._opus.encoder.libopus_encode(
            self._state, _pointer(samples), self.frame_samples, self._buffer, MAX_PACKET_BYTES
        )
        return self._buffer.raw[: _checked(self._opus, size)]

    @property
    def in_dtx(self) -> bool:
        """Whether the last frame was silence: it was not coded, or it describes the background noise.

        Always False with a library older than 1.3, which does not provide this.
        """
        state = ctypes.c_int()
        known = self._opus.encoder.libopus_ctl(self._state, _GET_IN_DTX, ctypes.byref(state)) >= 0
        return known and bool(state.value)

    def set_frame(self, frame_ms: int) -> None:
        """Set the length of the frames, 20, 40 or 60 ms, from the next one on; the sound goes on without a gap."""
        if frame_ms not in FRAME_MS:
            raise OpusError(f"frame length {frame_ms} ms is not one of {FRAME_MS}")
        self.frame_samples = frame_ms * SAMPLE_RATE // 1_000
        """Samples in each frame."""

    def set_bitrate(self, bitrate: int) -> None:
        """Set the bitrate, in bit/s, from the next frame on."""
        self._set(self._opus.package.SET_BITRATE_REQUEST, bitrate)

    def set_expected_loss(self, percent: int) -> None:
        """Set the loss to expect, 0 to 100 per cent.

        With more loss, frames are more independent and FEC is stronger.
        """
        self._set(self._opus.package.SET_PACKET_LOSS_PERC_REQUEST, percent)

    def set_fec(self, enabled: bool) -> None:
        """Switch in-band forward error correction (LBRR) on or off."""
        self._set(self._opus.package.SET_INBAND_FEC_REQUEST, enabled)

    def set_dtx(self, enabled: bool) -> None:
        """Switch discontinuous transmission on or off."""
        self._set(self._opus.package.SET_DTX_REQUEST, enabled)

    def _set(self, request: int, value: int) -> None:
        _checked(self._opus, self._opus.encoder.libopus_ctl(self._state, request, ctypes.c_int(value)))


class OpusDecoder:
    """Decodes the packets of one speaker, of any duration and bandwidth, to 48 kHz mono.

    Raises ``OpusUnavailable`` without a library. Not for several threads at once.
    """

    def __init__(self) -> None:
        self._opus = _library()
        self._state = _create(self._opus, self._opus.decoder)
        self._size = self._opus.library.opus_decoder_get_size(ctypes.c_int(1))
        weakref.finalize(self, self._opus.decoder.destroy, self._state)
        self._pcm = np.zeros(MAX_PACKET_SAMPLES, np.int16)
        self._pcm_pointer = _pointer(self._pcm)

    def decode(self, packet: bytes) -> Pcm:
        """Decode a packet to 1 to 5,760 samples. Raises ``OpusError`` if it is corrupt; the decoder stays usable."""
        packet_duration(packet)
        return self._decode(packet, MAX_PACKET_SAMPLES, fec=False)

    def conceal(self, samples: int) -> Pcm:
        """Make up ``samples`` (1 to 5,760) in place of a lost packet. They fade when this is repeated."""
        return self._decode(None, _rounded(samples), fec=False)[:samples]

    def decode_fec(self, packet_next: bytes, samples: int) -> Pcm:
        """Recover the ``samples`` (1 to 5,760) before ``packet_next`` from its FEC data.

        Conceal them if it has none. Raises ``OpusError`` as ``decode``.
        """
        packet_duration(packet_next)
        return self._decode(packet_next, _rounded(samples), fec=True)[:samples]

    def save(self) -> bytes:
        """Return the state, to which ``restore`` goes back: 20 KB that lie together, as the manual of Opus promises."""
        return ctypes.string_at(self._state, self._size)

    def restore(self, state: bytes) -> None:
        """Go back to a state of this decoder, as if nothing had been decoded since."""
        ctypes.memmove(self._state, state, self._size)

    def _decode(self, packet: bytes | None, samples: int, *, fec: bool) -> Pcm:
        decoded = self._opus.decoder.libopus_decode(
            self._state, packet, 0 if packet is None else len(packet), self._pcm_pointer, samples, fec
        )
        return self._pcm[: _checked(self._opus, decoded)].copy()


def require_library() -> None:
    """Raise ``OpusUnavailable`` now, and not at the first use, if nothing can be encoded or decoded."""
    _library()


def packet_duration(packet: bytes) -> int:
    """Return the samples at 48 kHz that a packet of one frame claims to hold.

    Raises ``OpusError`` for no Opus packet.
    """
    samples = opus_packet.packet_duration(packet) if len(packet) <= MAX_PACKET_BYTES else None
    if samples is None:
        raise OpusError(f"{len(packet)} bytes cannot be a packet")
    return samples


def packet_has_fec(packet: bytes) -> bool:
    """Return whether a packet holds a copy of the frame before it.

    False with a library older than 1.4, which does not provide this.
    """
    opus = _library()
    has_lbrr = getattr(opus.library, "opus_packet_has_lbrr", None)
    return bool(packet) and has_lbrr is not None and has_lbrr(ctypes.c_char_p(packet), len(packet)) > 0


def cbr_bitrate(payload_bytes: int, frame_ms: int) -> int:
    """Return the bitrate at which every CBR packet has ``payload_bytes`` bytes."""
    return payload_bytes * 8_000 // frame_ms


def _rounded(samples: int) -> int:
    if not 0 < samples <= MAX_PACKET_SAMPLES:
        raise OpusError(f"cannot conceal {samples} samples")
    return -(-samples // _QUANTUM) * _QUANTUM


def _create(opus: LibOpus, api: Any, *application: int) -> Any:
    result = ctypes.c_int()
    state = api.libopus_create(SAMPLE_RATE, 1, *application, ctypes.byref(result))
    _checked(opus, result.value)
    return state


def _pointer(samples: Pcm) -> Any:
    return samples.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))


def _checked(opus: LibOpus, result: int) -> int:
    if result < 0:
        strerror = opus.library.opus_strerror
        strerror.restype = ctypes.c_char_p
        raise OpusError(strerror(ctypes.c_int(result)).decode())
    return result


def _library() -> LibOpus:
    if isinstance(_LOADED, OpusUnavailable):
        raise OpusUnavailable(str(_LOADED))
    return _LOADED


def _load() -> LibOpus | OpusUnavailable:
    try:
        return libopus.load()
    except OpusUnavailable as error:
        return error


_LOADED: Final = _load()
"""Loaded at import, under the import lock. A failure is raised at the first use only, so that the rest of the client
works."""
