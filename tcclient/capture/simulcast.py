"""Encodes pictures in several spatial layers (simulcast), as far as somebody wants them."""

from __future__ import annotations

from fractions import Fraction

import av

from tcclient.sources import STILL_BITRATE, EncodedVideo, VideoSource
from tcclient.video.codec import VideoEncoder, VideoError
from tcclient.video.framing import frame_picture
from tcproto.packet import VIDEO_CLOCK
from tcproto.serial import difference

ALL_TEMPORAL = 7
"""The highest temporal layer that there can be: all are wanted."""
LEAST_BITRATE = 20_000
"""Bits per second that an encoder gets at least."""
STILL_TIME = 5 * VIDEO_CLOCK // 2
"""Ticks from one still picture to the next. A receiver that gets none for 3 s thinks that no more are sent."""
STILL_RATE = Fraction(VIDEO_CLOCK, STILL_TIME)
LEAST_TIME = VIDEO_CLOCK
"""Ticks from one encoder of a layer to the next, if that has a higher rate: each begins with a keyframe."""


class LayeredEncoder:
    """The encoders of one source, one for each spatial layer that is wanted.

    A layer that nobody wants has no encoder, and begins with a keyframe when it is wanted again. The lowest of several
    layers has two temporal layers, for receivers that cannot bear it whole; others choose a lower spatial layer. Below
    it there may be one of still pictures: a keyframe each ``STILL_TIME``, or when one is asked for.
    ``want`` and ``want_keyframe`` are called on the event loop, ``encode`` in a worker thread.
    """

    def __init__(self, source: VideoSource) -> None:
        self.layers = source.spatial_layers
        self._source = source
        self._stills = 0 if source.has_stills else None
        """The layer of still pictures."""
        self._still_at: int | None = None
        """Timestamp of the last one."""
        self._wanted = (ALL_TEMPORAL,) * len(self.layers)
        self._keyframes: set[int] = set()
        """Layers of which a keyframe is needed."""
        self._encoders: dict[int, VideoEncoder] = {}
        self._bitrates = tuple(layer.bitrate for layer in self.layers)
        self._opened_at: dict[int, int] = {}
        """Timestamp of the first picture of each encoder."""

    def want(self, layers: tuple[int, ...]) -> None:
        """Encode these layers from the next picture on: the highest temporal layer of each spatial one, -1 for none."""
        self._wanted = layers

    def set_bitrates(self, bitrates: tuple[int, ...]) -> None:
        """Encode the layers at so many bits per second from the next picture on; 0 where it is not wanted anyway."""
        self._bitrates = bitrates

    def want_keyframe(self, layer: int) -> None:
        """Make the next picture of a layer a keyframe."""
        self._keyframes.add(layer)

    def encode(self, picture: av.VideoFrame, timestamp: int) -> list[EncodedVideo]:
        """Return the picture in the wanted layers, the smallest first. ``timestamp`` is at 90 kHz.

        Raises ``VideoError``.
        """
        wanted, frames = self._wanted, []
        for layer in reversed(range(len(self.layers))):
            if wanted[layer] < 0:
                self._encoders.pop(layer, None)
                continue
            if layer == self._stills and not self._is_still_due(timestamp):
                continue
            # Each layer is scaled from the next larger one: that is less work than from the picture itself.
            picture = self._scaled(picture, layer)
            keyframe = layer in self._keyframes or layer == self._stills
            self._keyframes.discard(layer)
            encoder = self._encoder(layer, timestamp)
            data, is_key, _, temporal = encoder.encode(picture, timestamp=timestamp, keyframe=keyframe)
            if temporal <= wanted[layer]:
                frames.append(EncodedVideo(data, is_key, timestamp, temporal, layer, discardable=temporal > 0))
        return frames[::-1]

    def _is_still_due(self, timestamp: int) -> bool:
        last = self._still_at
        due = last is None or 0 in self._keyframes or not 0 <= difference(timestamp, last) < STILL_TIME
        if due:
            self._still_at = timestamp
        return due

    def _scaled(self, picture: av.VideoFrame, layer: int) -> av.VideoFrame:
        try:
            return frame_picture(picture, self.layers[layer].width, self.layers[layer].height)
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(f"cannot scale a picture: {error}") from error

    def _encoder(self, layer: int, timestamp: int) -> VideoEncoder:
        """Return the encoder of a layer: at its bitrate, or a new one, which begins with a keyframe."""
        encoder = self._encoders.get(layer)
        if layer == self._stills:
            if encoder is None:
                encoder = self._encoders[layer] = self._made(layer, STILL_RATE, STILL_BITRATE)
            return encoder
        bitrate = max(LEAST_BITRATE, self._bitrates[layer])
        if encoder is not None:
            is_new = difference(timestamp, self._opened_at[layer]) < LEAST_TIME
            if encoder.set_bitrate(bitrate) or (is_new and bitrate > encoder.bitrate):
                return encoder
        self._opened_at[layer] = timestamp
        encoder = self._encoders[layer] = self._made(layer, self._source.frame_rate, bitrate)
        return encoder

    def _made(self, layer: int, rate: Fraction, bitrate: int) -> VideoEncoder:
        source, (width, height, _) = self._source, self.layers[layer]
        pixels = sum(smaller.width * smaller.height for smaller in self.layers[:layer])
        lowest = 0 if self._stills is None else 1
        has_two = layer == lowest < len(self.layers) - 1 and source.codec == "vp8"
        return VideoEncoder(
            source.codec,
            width,
            height,
            rate,
            bitrate,
            temporal_layers=2 if has_two else 1,
            beside=pixels * Fraction(source.frame_rate),
        )
