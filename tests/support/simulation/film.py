"""A camera and who looks at it, in virtual time."""

from __future__ import annotations

from tcclient.core import events
from tcclient.participant import Participant
from tcclient.track import Track
from tcproto.messages import Kind, Source
from tcproto.packet import VideoHeader
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
        self, world: World, client: Client, size: int = 3000, every: float = 1e9, *, key_size: int = 0
    ) -> None:
        self.client = client
        self.number = client.publish(Kind.VIDEO, Source.CAMERA, "vp8", width=640, height=360)
        self.frames: dict[bytes, int] = {}
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
            self.frames[data] = self.filmed
            if keyframe:
                self.keyframes.append(self._world.now)
        self.filmed += 1
        self.client.clock.at(start + self.filmed * FRAME, lambda: self._film(start))


class Viewer:
    """The track of the client's shell, fed by hand; ``shown`` are (time, frame number)."""

    def __init__(self, world: World, client: Client, camera: Camera) -> None:
        self.shown: list[tuple[float, int]] = []
        self._world = world
        self._client = client
        self._fed = 0
        room = client.session.seat.room
        world.until(lambda: any(info.kind is Kind.VIDEO for info in room.publications.values()))
        (info,) = [info for info in room.publications.values() if info.kind is Kind.VIDEO]
        member = room.members[info.participant]
        self.track = Track(info, Participant(member, None), None, self._ask, None)  # type: ignore[arg-type]
        self.track.on_video.append(lambda frame: self.shown.append((world.now, camera.frames[bytes(frame.payload)])))
        self._tend()

    def _ask(self, stream: int) -> bool:
        asked = self._client.session.seat.request_keyframe(stream, 0, self._client.clock.now)
        self._client.pump()
        return asked

    def _tend(self) -> None:
        for heard in self._client.heard[self._fed :]:
            if isinstance(heard.packet.header, VideoHeader):
                self.track.receive(heard.packet, self._client.clock.now)
        self._fed = len(self._client.heard)
        self.track.tend(self._client.clock.now)
        self._world.clock.after(FRAME / 4, self._tend)
