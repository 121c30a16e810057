"""Room datagrams, and the sealers whose keys this client has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from tcclient.core.drops import Drop
from tcproto.datagram import EPOCH_BITS, KEY_OVERLAP, Header, open_datagram
from tcproto.errors import CryptoFailure
from tcproto.messages import RoomKey
from tcproto.replay import SEALER_WINDOW, ReplayWindow, Verdict
from tcproto.serial import difference
from tcproto.transit import TransitClock

MAX_SEALERS = 64
"""Sealers of a room: one for each worker or relay, and those of a restart. The oldest is forgotten first."""
MAX_EPOCHS = 8
"""Keys of one sealer: the one in use, those to come, and those in their overlap. Leaves may follow each other fast."""


class _RoomKey:
    def __init__(self, room_key: RoomKey, position: int) -> None:
        self.key = room_key.key
        self.window = ReplayWindow(SEALER_WINDOW, lowest=room_key.lowest, confirmed=position)
        self.until = float("inf")


class Sealer:
    """A sealer: its keys by epoch, and its clock."""

    def __init__(self) -> None:
        self.clock = TransitClock()
        self.epochs: dict[int, _RoomKey] = {}
        self.newest_used = -1
        self.highest = -1
        """The highest counter that has arrived."""
        self.position = 0
        """The highest counter that the sealer is known to have reached. It runs on from key to key."""

    def forget(self, now: float) -> None:
        """Forget the keys whose overlap is over."""
        if any(now >= held.until for held in self.epochs.values()):
            self.epochs = {epoch: held for epoch, held in self.epochs.items() if now < held.until}


class Opened(NamedTuple):
    """A room datagram that opened."""

    sealer: Sealer
    plaintext: bytes
    reordered: bool
    """Whether it came after a later one: it was delayed, or the server sent it again. Its relay time says nothing about
    the path."""


class RoomDatagramOpener:
    """Opens room datagrams.

    A member that can forge a datagram of a sealer can neither replay one nor move the replay window ahead.
    ``ask_position`` is called with ``now`` when a datagram was ahead of the known position of its sealer.
    """

    def __init__(self, drops: Counter[Drop], ask_position: Callable[[float], None]) -> None:
        self._drops = drops
        self._ask_position = ask_position
        self.sealers: dict[int, Sealer] = {}
        """By id, the oldest first."""

    def add_key(self, room_key: RoomKey) -> None:
        """Take a key. A key for a known epoch changes nothing, since its replay window would be lost."""
        sealer = self.sealers.setdefault(room_key.sealer, Sealer())
        if room_key.epoch in sealer.epochs:
            return
        sealer.position = max(sealer.position, room_key.lowest)
        sealer.epochs[room_key.epoch] = _RoomKey(room_key, sealer.position)
        if len(sealer.epochs) > MAX_EPOCHS:
            del sealer.epochs[next(iter(sealer.epochs))]
        if len(self.sealers) > MAX_SEALERS:
            del self.sealers[next(iter(self.sealers))]

    def add_urgent_key(self, room_key: RoomKey) -> None:
        """Take a key that came by a datagram: the next one of a sealer that is known.

        Who holds the datagram back until the key is forgotten here gets it in no more.
        """
        sealer = self.sealers.get(room_key.sealer)
        newest = None if sealer is None else next(reversed(sealer.epochs), None)
        if newest is not None and difference(room_key.epoch, newest, EPOCH_BITS) > 0:
            self.add_key(room_key)

    def close(self, sealer: int) -> None:
        """Forget a sealer."""
        self.sealers.pop(sealer, None)

    def forget(self, now: float) -> None:
        """Forget the room keys whose overlap is over."""
        for sealer in self.sealers.values():
            sealer.forget(now)

    def confirm(self, sealer: int, counter: int) -> None:
        """Take the position of a sealer, which came under our own down key."""
        known = self.sealers.get(sealer)
        if known is not None:
            known.position = max(known.position, counter)
            for held in known.epochs.values():
                held.window.confirm(counter)

    def open(self, header: Header, data: bytes, now: float) -> Opened | None:
        """Return the content of a room datagram, or None if it was dropped."""
        sealer = self.sealers.get(header.id)
        if sealer is None:
            self._drops[Drop.UNKNOWN_ID] += 1
            return None
        held = sealer.epochs.get(header.epoch)
        if held is None or now >= held.until:
            self._drops[Drop.UNKNOWN_EPOCH] += 1
            return None
        window = held.window
        verdict = window.check(header.counter)
        if verdict not in (Verdict.NEW, Verdict.AHEAD):
            self._drops[Drop.REPLAY] += 1
            return None
        try:
            plaintext = open_datagram(data, held.key)
        except CryptoFailure:
            self._drops[Drop.NOT_OPENED] += 1
            return None
        if verdict is Verdict.AHEAD:  # asked for only now: a sender without a room key cannot make us send anything
            self._drops[Drop.AHEAD] += 1
            self._ask_position(now)
            return None
        reordered = header.counter < sealer.highest
        sealer.highest = max(sealer.highest, header.counter)
        window.commit(header.counter)
        if header.epoch != sealer.newest_used and held.until == float("inf"):
            self._replaced(sealer, header.epoch, now)
        return Opened(sealer, plaintext, reordered)

    def _replaced(self, sealer: Sealer, epoch: int, now: float) -> None:
        """Start the overlap of all keys older than the key that is now used for the first time."""
        sealer.newest_used = epoch
        sealer.forget(now)
        for known, held in sealer.epochs.items():
            if known == epoch:
                break
            held.until = min(held.until, now + KEY_OVERLAP)
