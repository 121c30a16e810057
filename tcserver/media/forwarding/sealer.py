"""The sealer of a room: seals each room datagram once, for everybody."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tcproto.datagram import (
    COUNTER_SIZE,
    HEADER_SIZE,
    KEY_LIFETIME,
    MAX_COUNTER,
    NONCE_PADDING,
    REKEY_COUNTER,
    Kind,
    pack_header,
)
from tcproto.secretbox import box
from tcserver.media.forwarding.drops import Drop, Dropped
from tcserver.media.interface import SealerState

RING_SIZE = 1024
"""Default number of room datagrams that are kept to be sent again: two seconds of three talkers and four cameras.

That is more than is ever replayed of a keyframe. More of them would cost memory and, worse, cache.
"""
MAX_WAITING_KEYS = 8
"""Keys that wait for their turn; a new one comes at most every 2 s, and waits for at most 3 s."""


_ROOM = Kind.ROOM


class _WaitingKey(NamedTuple):
    epoch: int
    key: bytes
    at: float


class MediaSealer:
    """A sealer: its key, its counter, which runs on over all keys, and the datagrams that it sealed last."""

    __slots__ = ("_born", "_first", "_head", "_recent", "_reported", "_waiting", "counter", "epoch", "ident", "key")

    def __init__(self, ident: int, epoch: int, key: bytes, now: float, ring_size: int = RING_SIZE) -> None:
        self.ident = ident
        self.epoch = epoch
        self.key = key
        self.counter = 0
        """Counter of the next datagram."""
        self._head = self._make_head()
        self._first = 0
        self._born = now
        self._reported = False
        self._waiting: deque[_WaitingKey] = deque(maxlen=MAX_WAITING_KEYS)
        self._recent: deque[bytes] = deque(maxlen=ring_size)

    def rotate(self, epoch: int, key: bytes, at: float) -> None:
        """Seal under ``key`` from ``at`` on."""
        self._waiting.append(_WaitingKey(epoch, key, at))

    def seal(self, plaintext: bytes, now: float) -> bytes:
        """Return a room datagram with this plaintext; raises ``Dropped`` where the counter would wrap."""
        if self._waiting:
            self._turn_key(now)
        counter = self.counter
        if counter > MAX_COUNTER:
            raise Dropped(Drop.COUNTER_SPENT)
        self.counter = counter + 1
        header = self._head + counter.to_bytes(COUNTER_SIZE, "big")
        datagram = header + box(plaintext, header + NONCE_PADDING, self.key)
        self._recent.append(datagram)
        return datagram

    def recent(self, counter: int) -> bytes | None:
        """Return the datagram with this counter; None: it is not kept."""
        index = counter - self.counter + len(self._recent)
        return self._recent[index] if 0 <= index < len(self._recent) else None

    def states(self, now: float) -> tuple[SealerState, ...]:
        """Return the states that a newcomer needs: that of the key in use, then those of the keys that wait."""
        self._turn_key(now)
        keys = [(self.epoch, self.key), *((waiting.epoch, waiting.key) for waiting in self._waiting)]
        return tuple(SealerState(self.ident, epoch, key, self.counter) for epoch, key in keys)

    def rekey_due(self, now: float) -> bool:
        """Return whether a new key is due; True only once for each key."""
        due = self.counter - self._first >= REKEY_COUNTER or now - self._born >= KEY_LIFETIME
        if not due or self._reported:
            return False
        self._reported = True
        return True

    def _turn_key(self, now: float) -> None:
        while self._waiting and self._waiting[0].at <= now:
            self.epoch, self.key, self._born = self._waiting.popleft()
            self._head = self._make_head()
            self._first = self.counter
            self._reported = False

    def _make_head(self) -> bytes:
        """Return the bytes of all headers under this key that stand before the counter."""
        return pack_header(_ROOM, self.epoch, self.ident, 0)[: HEADER_SIZE - COUNTER_SIZE]
