"""What an arriving datagram costs the media plane in Python and cryptography: everything but the system calls."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Sequence

from tcproto.datagram import Item, ItemType, Kind, open_datagram, pack_header, pack_items, parse_items, seal
from tcproto.messages import Caps
from tcproto.messages import Kind as StreamKind
from tcproto.packet import AudioHeader, VideoHeader
from tcproto.path import PingItem
from tcserver.media.interface import Address, ChangeForwarding, OpenSealer, OpenSeat, OpenStream, Receiver, SetSpeakers
from tcserver.media.lanes.train import couple
from tcserver.media.plane.plane import MediaPlane

_CAPS = Caps(bitrate=1_000_000_000, packets_per_second=1_000_000)
AUDIO_BATCH = 16
"""Datagrams that come together in a busy server."""
STEP = 0.0003
"""Seconds from batch to batch, for all that looks at the time."""
Batch = list[tuple[bytes, Address]]


class _Seat:
    """The sending side of a participant."""

    def __init__(self, plane: MediaPlane, room: int, number: int, now: float) -> None:
        self.media_id = room << 16 | number
        self.address = Address(0, f"10.0.{room}.{number}", 5000)
        self.packets = 0
        self.filmed = False
        """Whether it has sent a picture; the first is a keyframe."""
        self._key, down = os.urandom(32), os.urandom(32)
        self._counter = 0
        plane.apply(OpenSeat(self.media_id, room, self.media_id, 0, self._key, down), now)
        plane.receive([(self.up(Item(ItemType.PING, PingItem(1, 2).pack())), self.address)], now)
        for answer, _, _ in plane.take_transmissions():
            for item in parse_items(open_datagram(answer, down)):
                if item.type == ItemType.PATH_CHALLENGE:
                    response = self.up(Item(ItemType.PATH_RESPONSE, item.value))
                    plane.receive([(response, self.address)], now)

    def up(self, item: Item) -> bytes:
        """Return a datagram."""
        self._counter += 1
        return seal(pack_header(Kind.UP, 0, self.media_id, self._counter), pack_items([item]), self._key)

    def packet(self, packet: bytes) -> tuple[bytes, Address]:
        """Return a packet's datagram, and where it comes from."""
        self.packets += 1
        return self.up(Item(ItemType.PACKET, packet)), self.address


class Rooms:
    """A plane with several rooms. The first participants of each send an audio and a video stream to everybody."""

    def __init__(self, rooms: int, participants: int, talkers: int) -> None:
        self.now = 100.0
        self.plane = MediaPlane(os.urandom)
        self.talkers: list[_Seat] = []
        """In turns by room."""
        by_room = []
        for room in range(1, rooms + 1):
            self.plane.apply(OpenSealer(room, room, 0, os.urandom(32)), self.now)
            self.plane.apply(SetSpeakers(room, talkers), self.now)
            seats = [_Seat(self.plane, room, number, self.now) for number in range(1, participants + 1)]
            for stream, seat in enumerate(seats[:talkers]):
                others = tuple(Receiver(other.media_id) for other in seats if other is not seat)
                for ident, kind in ((stream, StreamKind.AUDIO), (stream + 100, StreamKind.VIDEO)):
                    self.plane.apply(OpenStream(ident, seat.media_id, kind, _CAPS), self.now)
                    self.plane.apply(ChangeForwarding(room, (ident,), others), self.now)
            by_room.append(seats[:talkers])
        self.talkers = [seat for turn in zip(*by_room, strict=True) for seat in turn]
        self._stream = {seat.media_id: stream for seats in by_room for stream, seat in enumerate(seats)}

    def audio(self, rounds: int, body: int) -> list[Batch]:
        """Return batches in which all talkers take turns."""
        datagrams = [self._audio(seat, body) for _ in range(rounds) for seat in self.talkers]
        return [datagrams[at : at + AUDIO_BATCH] for at in range(0, len(datagrams), AUDIO_BATCH)]

    def video(self, rounds: int, body: int, burst: int) -> list[Batch]:
        """Return one batch for each picture."""
        return [self._picture(seat, body, burst) for _ in range(rounds) for seat in self.talkers]

    def cost(self, batches: Sequence[Batch]) -> float:
        """Return the µs of processor for each datagram: the median over batches, and its share of decisions."""
        costs = []
        decisions = 0
        plane = self.plane
        gc.collect()
        for batch in batches:
            self.now += STEP
            start = time.thread_time_ns()
            plane.receive(batch, self.now)
            couple(plane.take_transmissions())
            received = time.thread_time_ns()
            deadline = plane.next_deadline()
            if deadline is not None and deadline <= self.now:
                plane.poll(self.now)
            decisions += time.thread_time_ns() - received
            costs.append((received - start) / len(batch) / 1000)
        return statistics.median(costs) + decisions / sum(map(len, batches)) / 1000

    def _audio(self, seat: _Seat, body: int) -> tuple[bytes, Address]:
        number, stream = seat.packets, self._stream[seat.media_id]
        return seat.packet(AudioHeader(stream, 1, 0, number, number * 960, 20, 30, True).pack() + bytes(body))

    def _picture(self, seat: _Seat, body: int, burst: int) -> Batch:
        frame, stream = seat.packets, self._stream[seat.media_id] + 100
        key, seat.filmed = not seat.filmed, True
        reference = int(not key)
        return [
            seat.packet(
                VideoHeader(
                    stream, 1, 0, frame + index, frame, frame & 0xFFFF, index, burst, key, reference=reference
                ).pack() + bytes(body)
            )
            for index in range(burst)
        ]  # fmt: skip


def measure(
    rooms: int, participants: int, talkers: int, audio_body: int, video_body: int, burst: int
) -> dict[str, float]:
    """Return the cost in µs of an audio datagram, and of one of a burst of video."""
    world = Rooms(rooms, participants, talkers)
    kinds: dict[str, Callable[[], list[Batch]]] = {
        "audio": lambda: world.audio(50, audio_body),
        "video": lambda: world.video(8, video_body, burst),
    }
    for make in kinds.values():
        world.cost(make())
    return {kind: statistics.median(world.cost(make()) for _ in range(3)) for kind, make in kinds.items()}
