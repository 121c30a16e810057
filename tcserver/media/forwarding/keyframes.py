"""Keyframe replay: what a receiver needs to begin with a picture, from the ring of sealed datagrams.

A sealed datagram can be opened only with the room key and the sender key of its time. So datagrams are replayed to
participants who have been here for a while, and who begin to want a stream, or a layer of it. For all others a new
keyframe is asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tcproto.messages import Caps
from tcproto.packet import VideoHeader
from tcserver.media.forwarding.sealer import MediaSealer
from tcserver.media.interface import Receiver

MAX_REPLAY = 40
"""Packets since a keyframe up to which it is replayed. After more packets a new keyframe costs less."""
KEY_DELIVERY = 5.0
"""Seconds after which a participant has the sender keys; those of a change are in use after 3 s at the latest."""
KEYFRAME_EVENT_INTERVAL = 0.1
"""Seconds between two requests for keyframes of a stream that are passed on. The control plane limits them further."""
KEYFRAME_ASKS = Caps(bitrate=0, packets_per_second=25)
"""Requests of a seat per second for keyframes of streams that other workers have: a page of pictures."""
BURST = 10
"""Datagrams sent to one receiver at once, since nobody knows how much its downlink bears."""
BURST_INTERVAL = 0.005
"""Seconds between bursts."""
MAX_WAITING = 400
"""Datagrams that wait to be replayed to one receiver: a page of ten pictures."""


class KeyframeLog:
    """What was sealed of one spatial layer since its last keyframe, unless that is too much."""

    __slots__ = ("_began", "_epoch", "_first", "_last", "_sealed", "_sealer", "replayed")

    def __init__(self) -> None:
        self._sealer = self._epoch = 0
        self._began = 0.0
        self._first = -1
        """Sequence number with which the keyframe begins."""
        self._last = -1
        """Highest sequence number that came since."""
        self._sealed: list[tuple[int, int]] | None = None
        """Counter and temporal layer."""
        self.replayed: set[int] = set()
        """Media ids of seats that were sent the keyframe again."""

    def note(self, header: VideoHeader, sealer: MediaSealer, counter: int, now: float) -> None:
        """Note a packet, and the counter of the datagram that it is sealed in."""
        sequence = header.sequence
        if header.keyframe and (first := sequence - header.packet_index) > self._first:
            self._sealer, self._epoch, self._began = sealer.ident, sealer.epoch, now
            self._first = self._last = first
            self._sealed = []
            self.replayed.clear()
        if self._sealed is None or sequence < self._first:
            return
        self._last = max(self._last, sequence)
        self._sealed.append((counter, header.temporal))
        if len(self._sealed) > MAX_REPLAY:
            self._sealed = None

    def gap(self) -> None:
        """Note that a packet was sealed for nobody: nothing can be replayed before the next keyframe."""
        self._sealed = None

    @property
    def first_counter(self) -> int:
        """Counter of the first datagram with the last keyframe, which can be replayed."""
        assert self._sealed
        return self._sealed[0][0]

    def replay(self, sealer: MediaSealer, receiver: Receiver, opened_at: float) -> list[bytes] | None:
        """Return the datagrams from the keyframe on that a receiver wants and can open; None if it needs a new one.

        ``opened_at`` is when its seat was opened.
        """
        if self._sealed is None or (self._sealer, self._epoch) != (sealer.ident, sealer.epoch):
            return None
        if len(self._sealed) <= self._last - self._first:
            return None  # a packet was lost on its way here, and nothing after it could be decoded
        if receiver.redundant or self._began < opened_at + KEY_DELIVERY:
            return None
        datagrams = []
        for counter, temporal in self._sealed:
            datagram = sealer.recent(counter)
            if datagram is None:
                return None
            if temporal <= receiver.max_temporal:
                datagrams.append(datagram)
        self.replayed.add(receiver.media_id)
        return datagrams


class Replays:
    """Sends datagrams from the ring to single receivers, a few at a time."""

    __slots__ = ("_next", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[int, deque[bytes]] = {}
        self._next = 0.0

    def add(self, media_id: int, datagrams: list[bytes], now: float) -> bool:
        """Queue datagrams for a seat; return whether there was room for them."""
        waiting = self._waiting.get(media_id)
        if len(datagrams) + (len(waiting) if waiting else 0) > MAX_WAITING:
            return False
        if not self._waiting:
            self._next = now
        self._waiting.setdefault(media_id, deque()).extend(datagrams)
        return True

    def next_deadline(self) -> float | None:
        """Return when ``due`` has something; None: it has nothing."""
        return self._next if self._waiting else None

    def due(self, now: float) -> Iterator[tuple[int, list[bytes]]]:
        """Return the datagrams that are to be sent now, by media id, and forget them."""
        if not self._waiting or now < self._next:
            return
        self._next = now + BURST_INTERVAL
        for media_id, waiting in list(self._waiting.items()):
            yield media_id, [waiting.popleft() for _ in range(min(BURST, len(waiting)))]
            if not waiting:
                del self._waiting[media_id]
