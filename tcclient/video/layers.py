"""The spatial layers of a track: from the packets of several to the pictures of one."""

from __future__ import annotations

from collections.abc import Callable

from tcclient.core.media.packet import VideoPacket
from tcclient.video.assembly import FrameAssembler
from tcclient.video.gate import ReferenceTracker


class _Layer:
    """The frames of one layer, and which of them can be decoded."""

    def __init__(self) -> None:
        self.assembler = FrameAssembler()
        self.references = ReferenceTracker()


class PictureLayers:
    """Shows the pictures of one layer at a time, and changes to another one only at a keyframe of that.

    So nothing is shown that refers to a picture of another layer. ``is_welcome`` returns whether a layer is shown, or
    may be from its next keyframe on; ``shown`` is called with the layer of each picture, and the time. Pure: ``now`` in
    seconds of a monotonic clock.
    """

    def __init__(self, is_welcome: Callable[[int], bool], shown: Callable[[int, float], None]) -> None:
        self._incomplete = 0
        """Pictures given up in layers that are no more."""
        self._is_welcome = is_welcome
        self._shown = shown
        self._current = 0
        self._layers = {0: _Layer()}
        """By spatial layer: the one that is shown, and those that packets have come of."""

    @property
    def incomplete(self) -> int:
        """Pictures given up because packets were missing."""
        return self._incomplete + sum(layer.assembler.statistics.incomplete for layer in self._layers.values())

    @property
    def patience(self) -> float:
        """Seconds that a frame waits for its packets."""
        return self._layers[self._current].assembler.patience

    def broken(self) -> None:
        """Note that the decoder failed, or was started again: nothing is decodable before the next keyframe."""
        for layer in self._layers.values():
            layer.references.broken()

    def push(self, packet: VideoPacket, now: float) -> list[VideoPacket]:
        """Take a packet. Return the pictures, in order, that can be shown now."""
        spatial = packet.header.spatial
        if not self._is_welcome(spatial):
            return []
        layer = self._layers.get(spatial)
        if layer is None:
            layer = self._layers[spatial] = _Layer()
        return self._admitted(spatial, layer, layer.assembler.push(packet, now), now)

    def tend(self, now: float) -> list[VideoPacket]:
        """Give up pictures that wait too long. Return the pictures behind them that can be shown now."""
        pictures: list[VideoPacket] = []
        for spatial, layer in list(self._layers.items()):
            if spatial == self._current or self._is_welcome(spatial):
                pictures += self._admitted(spatial, layer, layer.assembler.expire(now), now)
            else:
                self._forget(spatial)
        return pictures

    def keyframes_due(self, now: float) -> list[int]:
        """Return the layers for which to ask the sender for a keyframe now. Each counts as a request."""
        return [
            spatial
            for spatial, layer in self._layers.items()
            if layer.assembler.statistics.packets
            and self._is_welcome(spatial)
            and not layer.assembler.keyframe_coming
            and layer.references.keyframe_due(now)
        ]

    def _admitted(self, spatial: int, layer: _Layer, frames: list[VideoPacket], now: float) -> list[VideoPacket]:
        pictures: list[VideoPacket] = []
        if not self._is_welcome(spatial):
            layer.references.broken()
            return pictures
        for frame in frames:
            if not layer.references.admit(frame.header):
                continue
            if spatial != self._current:
                if not frame.header.keyframe:
                    continue
                self._current = spatial
            pictures.append(frame)
            self._shown(spatial, now)
        return pictures

    def _forget(self, spatial: int) -> None:
        self._incomplete += self._layers.pop(spatial).assembler.statistics.incomplete
