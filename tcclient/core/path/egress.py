"""What leaves: items become sealed datagrams, which wait here until they may be sent."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tcclient.core.drops import Drop
from tcclient.core.path.train import HEADERS
from tcclient.core.timers import NEVER
from tcproto.copies import MAX_COPIED_SIZE
from tcproto.datagram import (
    LAST_ITEM,
    MAX_COUNTER,
    MAX_DATAGRAM,
    MIN_DATAGRAM,
    Item,
    ItemType,
    Kind,
    pack_header,
    pack_items,
    seal,
)

MAX_QUEUED = 512
"""Datagrams that nobody has taken yet: a keyframe of half a megabyte; the oldest go first."""
UNKNOWN_PACE = 29e6
"""Bits per second of pictures where nobody knows what the way carries: the buffers on the way take so much."""
BURST_TIME = 0.004
"""Seconds of pictures that leave at once."""
LEAST_BURST = 3
"""Datagrams that leave at once at least."""
LEAST_WAIT = 0.001
"""Seconds between two bursts at least: a timer for each datagram would cost more than the datagram."""
MAX_DEBT = 0.2
"""Seconds for which pictures wait at most because other datagrams left."""
MAX_PACED = 1024
"""Datagrams of pictures that wait. A source that sends more loses the rest."""
MAX_HISTORY = 256
"""Datagrams with packets that are kept, to be sent again: over a second of sound and pictures, 0.3 MB at most."""
MAX_RESENDS = 3
"""Times that a packet is sent again. A path that lets no datagram of its size through never gets it across."""
FAREWELLS = 3
"""Times that it is said that we leave: at a loss of 20 % all three are lost once in 125 times."""
_PACKET_ITEM = bytes((ItemType.PACKET | LAST_ITEM,))


class _Kept(NamedTuple):
    """A packet, to be sent or to be sent again."""

    plaintext: bytes
    resends: int
    """How often it was sent again."""
    is_picture: bool


class Egress:
    """Seals datagrams under the up key, and queues them in the order in which they are to leave.

    Each packet of media has a datagram of its own, and passes ``send_packet`` or ``send_picture`` once. It is kept for
    a while, to be sent again. Pictures leave no faster than the way carries them, behind all else, so that sound does
    not wait in a queue of the network behind a large one. They get their counters then, since the server misses what is
    skipped.
    """

    def __init__(self, media_id: int, epoch: int, key: bytes, drops: Counter[Drop]) -> None:
        self.media_id = media_id
        self.epoch = epoch
        self.counter = 0
        """Counter of the next datagram."""
        self.next_deadline = NEVER
        """When ``take`` has more pictures."""
        self.pace: float | None = None
        """Bits per second that all may be, with the headers of IP and UDP; None: it is not known."""
        self._key = key
        self._drops = drops
        self._queue: list[bytes] = []
        self._paced: deque[_Kept] = deque()
        """Pictures that wait for their time."""
        self._waiting = 0
        """Bytes of them."""
        self._credit, self._credit_at = 0.0, float("-inf")
        """Bits that may leave at once, and when that was so; below 0 pictures wait."""
        self._probe = b""
        self._history: dict[int, _Kept] = {}
        """The last packets that left, by counter."""

    @property
    def backlog(self) -> float:
        """Seconds for which the last picture waits here."""
        return self._waiting * 8 / (self.pace or UNKNOWN_PACE)

    def rekey(self, media_id: int, epoch: int, key: bytes) -> None:
        """Seal under another key from now on."""
        self.media_id, self.epoch, self._key, self.counter = media_id, epoch, key, 0
        self._history.clear()

    def send(self, *items: Item) -> None:
        """Queue a datagram with these items."""
        self._send(pack_items(list(items)))

    def send_packet(self, packet: bytes, copies: Sequence[Item] = ()) -> None:
        """Queue a datagram with a packet of sound or a beacon, and the copies behind it, if they have room.

        It is kept without them.
        """
        self._put(self._kept(_Kept(_PACKET_ITEM + packet, 0, is_picture=False), copies))

    def send_picture(self, packet: bytes) -> None:
        """Queue a datagram with a packet of a picture."""
        if len(self._paced) < MAX_PACED:
            self._paced.append(_Kept(_PACKET_ITEM + packet, 0, is_picture=True))
            self._waiting += _size(self._paced[-1].plaintext)
        else:
            self._drops[Drop.QUEUE_FULL] += 1

    def resend(self, counters: Iterable[int]) -> None:
        """Queue the packets of datagrams again, in new ones; each once, and as far as they are kept.

        If one is lost again, the server misses that, until the packet was sent again ``MAX_RESENDS`` times. Pictures go
        in front of those that wait.
        """
        pictures: list[_Kept] = []
        for counter in counters:
            kept = self._history.pop(counter, None)
            if kept is None or kept.resends == MAX_RESENDS:
                continue
            kept = kept._replace(resends=kept.resends + 1)
            if not kept.is_picture:
                self._send_kept(kept)
            elif len(self._paced) + len(pictures) < MAX_PACED:
                pictures.append(kept)
                self._waiting += _size(kept.plaintext)
        self._paced.extendleft(reversed(pictures))

    def probe(self, *items: Item) -> None:
        """Make a datagram for the way that is not in use. One that nobody has taken before is forgotten."""
        self._probe = self._sealed(pack_items(list(items)))

    def farewell(self) -> list[bytes]:
        """Return the datagrams that say that we leave; what waits is forgotten."""
        plaintext = pack_items([Item(ItemType.LEAVING, b"")])
        return [self._sealed(plaintext) for _ in range(FAREWELLS)]

    def take_probe(self) -> list[bytes]:
        """Return the datagram of ``probe``, once."""
        probe, self._probe = self._probe, b""
        return [probe] if probe else []

    def take(self, now: float) -> list[bytes]:
        """Return the datagrams that may leave now, once."""
        ready, self._queue = self._queue, []
        pace = self.pace or UNKNOWN_PACE
        burst = max(LEAST_BURST * MAX_DATAGRAM * 8, BURST_TIME * pace)
        self._credit = min(burst, self._credit + (now - self._credit_at) * pace)
        self._credit_at = now
        self._credit = max(self._credit - sum(_bits(datagram) for datagram in ready), -MAX_DEBT * pace)
        while self._paced and self._credit >= 0:
            kept = self._paced.popleft()
            self._waiting -= _size(kept.plaintext)
            if datagram := self._kept(kept):
                self._credit -= _bits(datagram)
                ready.append(datagram)
        self.next_deadline = now + max(-self._credit / pace, LEAST_WAIT) if self._paced else NEVER
        return ready

    def _send(self, plaintext: bytes) -> None:
        self._put(self._sealed(plaintext))

    def _send_kept(self, kept: _Kept) -> None:
        self._put(self._kept(kept))

    def _put(self, datagram: bytes) -> None:
        if datagram:
            self._queue.append(datagram)
        if len(self._queue) > MAX_QUEUED:
            del self._queue[0]
            self._drops[Drop.QUEUE_FULL] += 1

    def _kept(self, kept: _Kept, copies: Sequence[Item] = ()) -> bytes:
        """Return the datagram, with copies behind the packet, and keep what is in it."""
        self._history[self.counter] = kept
        if len(self._history) > MAX_HISTORY:
            del self._history[next(iter(self._history))]
        if copies:
            plaintext = pack_items([Item(ItemType.PACKET, kept.plaintext[1:]), *copies])
            if len(plaintext) <= MAX_COPIED_SIZE:
                return self._sealed(plaintext)
        return self._sealed(kept.plaintext)

    def _sealed(self, plaintext: bytes) -> bytes:
        """Return the datagram; nothing once the counter is at its end: nothing more is sent under this key."""
        if self.counter > MAX_COUNTER:
            self._drops[Drop.COUNTER_SPENT] += 1
            return b""
        header = pack_header(Kind.UP, self.epoch, self.media_id, self.counter)
        self.counter += 1
        return seal(header, plaintext, self._key)


def _size(plaintext: bytes) -> int:
    """Return the bytes of a packet on the line, about."""
    return len(plaintext) + MIN_DATAGRAM + HEADERS


def _bits(datagram: bytes) -> int:
    """Return the bits of a datagram on the line."""
    return 8 * (len(datagram) + HEADERS)
