"""What leaves: items become sealed datagrams, which wait here until they may be sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tcclient.core.drops import Drop
from tcclient.core.timers import NEVER
from tcproto.copies import MAX_COPIED_SIZE
from tcproto.datagram import LAST_ITEM, MAX_COUNTER, Item, ItemType, Kind, pack_header, pack_items, seal

MAX_QUEUED = 512
"""Datagrams that nobody has taken yet: a keyframe of half a megabyte; the oldest go first."""
PACED_BURST = 12
"""Datagrams of pictures sent at once: a frame of 13 kB; a larger one is spread."""
PACED_INTERVAL = 0.004
"""Seconds between such bursts: 12 datagrams in 4 ms are 29 Mbit/s, which the buffers on the way take."""
MAX_PACED = 1024
"""Datagrams that wait for their burst: a third of a second. A source that sends more loses the rest."""
MAX_HISTORY = 256
"""Datagrams with packets that are kept, to be sent again: over a second of sound and pictures, 0.3 MB at most."""
MAX_RESENDS = 3
"""Times that a packet is sent again. A path that lets no datagram of its size through never gets it across."""
_PACKET_ITEM = bytes((ItemType.PACKET | LAST_ITEM,))


class Egress:
    """Seals datagrams under the up key, and queues them in the order in which they are to leave.

    Each packet of media has a datagram of its own, and passes ``send_packet`` once. It is kept for a while, to be sent
    again. A large picture leaves in bursts, so that small buffers on the way do not overflow; a single datagram, such
    as one of sound, does not wait for the bursts.
    """

    def __init__(self, media_id: int, epoch: int, key: bytes, drops: Counter[Drop]) -> None:
        self.media_id = media_id
        self.epoch = epoch
        self.counter = 0
        """Counter of the next datagram."""
        self.next_deadline = NEVER
        """When ``take`` has the next burst."""
        self._key = key
        self._drops = drops
        self._queue: list[bytes] = []
        self._paced: list[bytes] = []
        """Waits for its burst."""
        self._probe = b""
        self._history: dict[int, tuple[bytes, int]] = {}
        """The plaintext of the last datagrams with packets, and how often it was sent again, by counter."""

    def rekey(self, media_id: int, epoch: int, key: bytes) -> None:
        """Seal under another key from now on."""
        self.media_id, self.epoch, self._key, self.counter = media_id, epoch, key, 0
        self._history.clear()

    def send(self, *items: Item) -> None:
        """Queue a datagram with these items."""
        self._send(pack_items(list(items)))

    def send_packet(self, packet: bytes, copies: Sequence[Item] = ()) -> None:
        """Queue a datagram with a packet of media or a beacon, and the copies behind it, as far as they have room.

        It is kept without them.
        """
        self._send_kept(_PACKET_ITEM + packet, copies=copies)

    def resend(self, counters: Iterable[int]) -> None:
        """Queue the packets of datagrams again, in new ones; each once, and as far as they are kept.

        If one is lost again, the server misses that, until the packet was sent again ``MAX_RESENDS`` times.
        """
        for counter in counters:
            plaintext, resends = self._history.pop(counter, (b"", 0))
            if plaintext and resends < MAX_RESENDS:
                self._send_kept(plaintext, resends + 1)

    def probe(self, *items: Item) -> None:
        """Make a datagram for the way that is not in use. One that nobody has taken before is forgotten."""
        self._probe = self._sealed(pack_items(list(items)))

    def take_probe(self) -> list[bytes]:
        """Return the datagram of ``probe``, once."""
        probe, self._probe = self._probe, b""
        return [probe] if probe else []

    def take(self, now: float) -> list[bytes]:
        """Return the datagrams that may leave now, once."""
        ready, self._queue = self._queue, []
        if len(ready) > PACED_BURST or (self._paced and len(ready) > 1):
            self._pace(ready, now)
            ready = []
        if now >= self.next_deadline:
            ready += self._paced[:PACED_BURST]
            del self._paced[:PACED_BURST]
            self.next_deadline = now + PACED_INTERVAL if self._paced else NEVER
        return ready

    def _send(self, plaintext: bytes) -> None:
        if datagram := self._sealed(plaintext):
            self._queue.append(datagram)
        if len(self._queue) > MAX_QUEUED:
            del self._queue[0]
            self._drops[Drop.QUEUE_FULL] += 1

    def _send_kept(self, plaintext: bytes, resends: int = 0, copies: Sequence[Item] = ()) -> None:
        self._history[self.counter] = plaintext, resends
        if len(self._history) > MAX_HISTORY:
            del self._history[next(iter(self._history))]
        if copies:
            with_copies = pack_items([Item(ItemType.PACKET, plaintext[1:]), *copies])
            plaintext = with_copies if len(with_copies) <= MAX_COPIED_SIZE else plaintext
        self._send(plaintext)

    def _sealed(self, plaintext: bytes) -> bytes:
        """Return the datagram; nothing once the counter is at its end: nothing more is sent under this key."""
        if self.counter > MAX_COUNTER:
            self._drops[Drop.COUNTER_SPENT] += 1
            return b""
        header = pack_header(Kind.UP, self.epoch, self.media_id, self.counter)
        self.counter += 1
        return seal(header, plaintext, self._key)

    def _pace(self, datagrams: list[bytes], now: float) -> None:
        if not self._paced:
            self.next_deadline = now
        room = MAX_PACED - len(self._paced)
        self._paced += datagrams[:room]
        if len(datagrams) > room:
            self._drops[Drop.QUEUE_FULL] += len(datagrams) - room
