"""A media plane with open microphones in one room, in virtual time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random

from benchmarks.harness.conversation import FRAME_SECONDS, Voice, Word
from tcproto.datagram import (
    RELAY_TIME_SIZE,
    Item,
    ItemType,
    Kind,
    open_datagram,
    pack_header,
    pack_items,
    parse_items,
    seal,
)
from tcproto.messages import Caps
from tcproto.messages import Kind as StreamKind
from tcproto.packet import AudioHeader
from tcproto.packet import parse_header as parse_packet_header
from tcserver.media import MediaPlane
from tcserver.media.interface import Address, ChangeForwarding, OpenSealer, OpenSeat, OpenStream, Receiver, SetSpeakers

STREAM = 100
"""Of the first microphone; the others follow."""
BODY = 80
"""Bytes of a sealed packet of 20 ms at 24 kbit/s, without header."""
_ROOM_KEY = bytes(range(32))
_CAPS = Caps(bitrate=160_000, packets_per_second=130)


class _Client:
    def __init__(self, number: int) -> None:
        self.media_id = 1000 + number
        self.address = Address(0, f"10.0.0.{number + 1}", 5000)
        self.key = self.media_id.to_bytes(4, "big") * 8
        self.counter = 0

    def up(self, *items: Item) -> bytes:
        header = pack_header(Kind.UP, 0, self.media_id, self.counter)
        self.counter += 1
        return seal(header, pack_items(list(items)), self.key)


class OpenMicrophones:
    """A room in which all receive every forwarded stream. The last participant only listens, and notes what comes."""

    def __init__(self, participants: int, limit: int) -> None:
        self.plane = MediaPlane(Random(1).randbytes)
        self.heard: dict[int, dict[int, tuple[float, int]]] = defaultdict(dict)
        """By microphone and frame: seconds from its arrival at the server to its leaving it, and the ms told for it."""
        self.numbers: dict[int, list[int]] = defaultdict(list)
        """Forward numbers by microphone, in the order of their arrival."""
        self.sent = 0
        """Datagrams that left the server for all receivers."""
        self.switches: list[tuple[float, int]] = []
        """When which microphone won a place."""
        self.interruptions: list[float] = []
        """When somebody lost a place while talking."""
        self._now = 100.0
        self._sent_at: dict[tuple[int, int], float] = {}
        self._clients = [_Client(number) for number in range(participants)]
        self._limit = limit
        self._open()

    def run(self, microphones: Mapping[int, Sequence[Voice]]) -> None:
        """Send what the microphones hear, as long as all of them last."""
        start = self._now
        for n in range(min(map(len, microphones.values()))):
            holders = self._holders()
            for place, (number, voices) in enumerate(microphones.items()):
                self._now = start + n * FRAME_SECONDS + place * FRAME_SECONDS / len(microphones)
                self._send(number, n, voices[n])
                now_holding = self._holders()
                self.switches += [(self._now - start, stream - STREAM) for stream in now_holding - holders]
                lost = (stream - STREAM for stream in holders - now_holding)
                self.interruptions += [self._now - start for other in lost if microphones[other][n].voice]
                holders = now_holding
            self._poll()

    def clipped_ms(self, number: int, word: Word) -> int:
        """Return the ms that are missing from the beginning of a word."""
        missing = 0
        while word.start + missing < word.stop and word.start + missing not in self.heard[number]:
            missing += 1
        return missing * 20

    def costs(self, frames: int, voice: Voice) -> list[float]:
        """Return the CPU seconds for a datagram that is not forwarded, a mean for each frame.

        The first talkers, as many as there are places, are loud; all others send ``voice``, in one batch. What the
        plane decides about speakers now and then is shared out among all.
        """
        costs = []
        decisions = 0
        for n in range(frames):
            self._now += FRAME_SECONDS
            for number in range(self._limit):
                self._send(number, n, Voice(20, True))
            others = range(self._limit, len(self._clients))
            batch = [(self._packet(number, n, voice), self._clients[number].address) for number in others]
            before = time.thread_time_ns()
            self.plane.receive(batch, self._now)
            received = time.thread_time_ns()
            self._poll()
            decisions += time.thread_time_ns() - received
            costs.append((received - before) / 1e9 / len(batch))
        share = decisions / 1e9 / (frames * len(self._clients))
        return [cost + share for cost in costs]

    def _poll(self) -> None:
        deadline = self.plane.next_deadline()
        if deadline is not None and deadline <= self._now:
            self.plane.poll(self._now)

    def _packet(self, number: int, frame: int, voice: Voice) -> bytes:
        header = AudioHeader(STREAM + number, 1, 0, frame, frame * 960, level=voice.level, voice=voice.voice)
        return self._clients[number].up(Item(ItemType.PACKET, header.pack() + bytes(BODY)))

    def _send(self, number: int, frame: int, voice: Voice) -> None:
        client = self._clients[number]
        datagram = self._packet(number, frame, voice)
        self._sent_at[number, frame] = self._now
        self.plane.receive([(datagram, client.address)], self._now)
        listener = self._clients[-1].address
        for sealed, receivers, skip in self.plane.take_transmissions():
            self.sent += len(receivers.addresses) - (skip >= 0)
            if listener in receivers.addresses:
                self._hear(sealed)

    def _hear(self, datagram: bytes) -> None:
        for item in parse_items(open_datagram(datagram, _ROOM_KEY), RELAY_TIME_SIZE):
            held = item.type == ItemType.HELD_PACKET
            header = parse_packet_header(item.value[4 if held else 2 :])
            number = header.stream - STREAM
            self.numbers[number].append(int.from_bytes(item.value[:2], "big"))
            delay = self._now - self._sent_at[number, header.sequence]
            self.heard[number][header.sequence] = delay, int.from_bytes(item.value[2:4], "big") if held else 0

    def _holders(self) -> set[int]:
        return set(self.plane.forwarded_talkers(1))

    def _open(self) -> None:
        plane, now = self.plane, self._now
        plane.apply(OpenSealer(1, 1, 0, _ROOM_KEY), now)
        for number, client in enumerate(self._clients):
            plane.apply(OpenSeat(client.media_id, 1, number + 1, 0, client.key, client.key), now)
            plane.receive([(client.up(), client.address)], now)
            (transmission,) = plane.take_transmissions()
            (challenge,) = parse_items(open_datagram(transmission.datagram, client.key))
            plane.receive([(client.up(Item(ItemType.PATH_RESPONSE, challenge.value)), client.address)], now)
        receivers = tuple(Receiver(client.media_id) for client in self._clients)
        for number, client in enumerate(self._clients):
            plane.apply(OpenStream(STREAM + number, client.media_id, StreamKind.AUDIO, _CAPS), now)
            plane.apply(ChangeForwarding(1, (STREAM + number,), receivers), now)
        plane.apply(SetSpeakers(1, self._limit), now)
        plane.poll(now)
