"""A camera and who looks at it, in virtual time."""

from __future__ import annotations

from tcclient.core import events
from tcclient.participant import Participant
from tcclient.track import Track
from tcproto.messages import Kind, Source
from tests.support.simulation.client import Client
from tests.support.simulation.world import World

FRAME = 0.04
"""Seconds of a picture."""
TEND = 0.05


class Camera:
    """Films.

    A frame is a keyframe if one was requested, or if the last is ``every`` s old. Others refer to the frame before.
    Each frame contains its name. A frame has about ``size`` bytes, and a keyframe ``key_size`` (default: the same).
    """

    def __init__(
        self, world: World, client: Client, size: int = 3000, every: float = 1e9, *, key_size: int = 0, layers: int = 1
    ) -> None:
        self.client = client
        self.number = client.publish(Kind.VIDEO, Source.CAMERA, "vp8", width=640, height=360, layers=layers)
        self.frames: dict[bytes, tuple[int, int]] = {}
        """By what they contain: layer and number."""
        self.keyframes: list[float] = []
        self._world = world
        self._size = size
        self._key_size = key_size or size
        self._every = every
        self.filmed = 0
        self._answered = 0
        world.until(lambda: client.session.seat.publications.can_send(self.number))
        self._film(client.clock.now)

    def _film(self, start: float) -> None:
        asked = len(self.client.told(events.KeyframeRequested))
        late = bool(self.keyframes) and self._world.now - self.keyframes[-1] >= self._every
        keyframe = self.filmed == 0 or asked > self._answered or late
        self._answered = asked
        data = f"frame {self.filmed} ".encode() * ((self._key_size if keyframe else self._size) // 8)
        if self.client.show(self.number, data, self.filmed * 3600, keyframe=keyframe):
            self.frames[data] = 0, self.filmed
            if keyframe:
                self.keyframes.append(self._world.now)
        self.filmed += 1
        self.client.clock.at(start + self.filmed * FRAME, lambda: self._film(start))


class Simulcast(Camera):
    """Films in two spatial layers, as far as they are wanted; a layer that is wanted again begins with a keyframe."""

    def __init__(self, world: World, client: Client, size: int = 3000) -> None:
        self.sent = {0: 0, 1: 0}
        self._lacking = {0, 1}
        self._heeded = 0
        super().__init__(world, client, size, layers=2)

    def _film(self, start: float) -> None:
        wanted = [(0, 0), *(event.layers for event in self.client.told(events.LayersWanted))][-1]
        asked = self.client.told(events.KeyframeRequested)
        self._lacking |= {event.spatial for event in asked[self._heeded :]}
        self._heeded = len(asked)
        for spatial in (0, 1):
            if wanted[spatial] < 0:
                self._lacking.add(spatial)
                continue
            keyframe = spatial in self._lacking
            data = f"layer {spatial} frame {self.filmed} ".encode() * (self._size >> (4 - 2 * spatial))
            if self.client.show(self.number, data, self.filmed * 3600, keyframe=keyframe, spatial=spatial):
                self._lacking.discard(spatial)
                self.frames[data] = spatial, self.filmed
                self.sent[spatial] += 1
        self.filmed += 1
        self.client.clock.at(start + self.filmed * FRAME, lambda: self._film(start))


class Viewer:
    """The track of the client's shell, fed by hand.

    ``shown`` are (time, number of the picture), ``layers`` the layers of these pictures.
    """

    def __init__(self, world: World, client: Client, camera: Camera) -> None:
        self.shown: list[tuple[float, int]] = []
        self.layers: list[int] = []
        self._world = world
        self._camera = camera
        self._client = client
        self._fed = 0
        room = client.session.seat.room
        self._place = camera.client.participant, camera.number
        world.until(lambda: self._place in room.publications)
        info = room.publications[self._place]
        member = room.members[info.participant]
        layers = client.session.seat.downlink.layers
        self.track = Track(info, Participant(member, None), None, self._ask, None, layers)  # type: ignore[arg-type]
        self.track.on_video.append(lambda frame: self._show(bytes(frame.payload)))
        self._tend()

    def _show(self, data: bytes) -> None:
        layer, number = self._camera.frames[data]
        self.shown.append((self._world.now, number))
        self.layers.append(layer)

    def _ask(self, stream: int, layer: int) -> bool:
        asked = self._client.session.seat.downlink.request_keyframe(stream, layer, self._client.clock.now)
        self._client.pump()
        return asked

    def _tend(self) -> None:
        for heard in self._client.heard[self._fed :]:
            if (heard.packet.participant, heard.packet.publication) == self._place:
                self.track.receive(heard.packet, self._client.clock.now)
        self._fed = len(self._client.heard)
        self.track.tend(self._client.clock.now)
        self._world.clock.after(FRAME / 4, self._tend)
