"""The receiving side of end-to-end keys: which key opens a packet, and whether the packet is new."""

from __future__ import annotations

from typing import NamedTuple

from tcproto.errors import CryptoFailure
from tcproto.packet import Header, VideoHeader, open_packet
from tcproto.replay import ReplayWindow, Verdict
from tcproto.sender_key import OpenedBox, SenderKey

MAX_SKIPPED_GENERATIONS = 8
"""Generations tried ahead of the newest known one: joins that a receiver may have missed."""
OVERLAP = 10.0
"""Seconds for which a key, or a generation, is kept after its successor was first used."""
SEQUENCE_WINDOW = 1024
"""Sequence numbers of a stream's layer that may arrive late."""
MAX_KEYS = 4
"""Sender keys kept for one member: leaves bring at most one in 2 s, and each lives ``OVERLAP``."""
MAX_PUBLICATIONS = 64
"""Publications tracked under one sender key; more are refused."""


class PublicationId(NamedTuple):
    """What a publication key is derived from, beside the sender key and the room's life."""

    number: int
    kind: int
    source: int


class _Held:
    """A sender key that was received, at its newest generation seen, and the one before it for the overlap."""

    def __init__(self, opened: OpenedBox) -> None:
        self.newest = opened.sender_key
        self.previous: SenderKey | None = None
        self.previous_until = 0.0
        self.retired_at: float | None = None
        self.firsts = {(first.publication, first.spatial): first.sequence for first in opened.first_sequences}
        self.windows: dict[tuple[int, int], ReplayWindow] = {}
        self.derived: dict[tuple[int, PublicationId], bytes] = {}

    def advance(self, generation: int, now: float) -> None:
        """Commit to a generation, after a box opened under it."""
        if self.previous is None or now >= self.previous_until:
            self.previous = self.newest
        self.previous_until = now + OVERLAP
        self.newest = self.newest.ratcheted(generation)
        oldest = self.previous.generation
        self.derived = {slot: key for slot, key in self.derived.items() if slot[0] >= oldest}

    def window(self, publication: int, spatial: int) -> ReplayWindow:
        window = self.windows.get((publication, spatial))
        if window is None:
            if len(self.windows) >= MAX_PUBLICATIONS:
                raise CryptoFailure("too many publications under one key")
            lowest = self.firsts.get((publication, spatial), 0)
            window = self.windows[publication, spatial] = ReplayWindow(SEQUENCE_WINDOW, lowest=lowest)
        return window


class KeyRing:
    """The keys of one other member, by which its packets are opened.

    Each sequence number is delivered at most once, nothing below the window is, and a key or generation that was
    replaced is forgotten after ``OVERLAP``: what is recorded later cannot be played into the room.
    """

    def __init__(self, life: bytes) -> None:
        self._life = life
        self._keys: dict[int, _Held] = {}

    def add(self, opened: OpenedBox) -> bool:
        """Take the content of a key box; tell whether it was news. One box for a key number is accepted."""
        number = opened.sender_key.number
        if number in self._keys or (self._keys and number < max(self._keys)):
            return False
        self._keys[number] = _Held(opened)
        while len(self._keys) > MAX_KEYS:
            del self._keys[min(self._keys)]
        return True

    def open(self, header: Header, packet: bytes, publication: PublicationId, now: float) -> bytes:
        """Return the payload of a packet, which then counts as delivered.

        Raises ``CryptoFailure`` for an unknown or expired key, a generation out of reach, a replay, or a box that
        does not open; ``ValueError`` for bad padding.
        """
        held = self._held(header.key_number, now)
        spatial = header.spatial if isinstance(header, VideoHeader) else 0
        window = held.window(publication.number, spatial)
        if window.check(header.sequence) is not Verdict.NEW:
            raise CryptoFailure("the sequence number is not new")
        payload = open_packet(packet, self._publication_key(held, header.generation, publication, now))
        window.commit(header.sequence)
        if header.generation > held.newest.generation:
            held.advance(header.generation, now)
        self._retire_before(held.newest.number, now)
        return payload

    def knows(self, number: int) -> bool:
        """Tell whether the sender key of this number has arrived."""
        return number in self._keys

    def _held(self, low_bits: int, now: float) -> _Held:
        for number in sorted(self._keys, reverse=True):
            held = self._keys[number]
            if number & 0xFF == low_bits:
                if held.retired_at is not None and now >= held.retired_at + OVERLAP:
                    break
                return held
        raise CryptoFailure("no such sender key")

    def _publication_key(self, held: _Held, generation: int, publication: PublicationId, now: float) -> bytes:
        slot = (generation, publication)
        ahead = generation - held.newest.generation
        if ahead < 0 and (held.previous is None or now >= held.previous_until):
            raise CryptoFailure("the generation was replaced")
        key = held.derived.get(slot)
        if key is None:
            start = held.newest if ahead >= 0 else held.previous
            if start is None or ahead > MAX_SKIPPED_GENERATIONS:
                raise CryptoFailure("the generation is out of reach")
            try:
                key = start.ratcheted(generation).publication_key(self._life, *publication)
            except ValueError as error:
                raise CryptoFailure("no such generation") from error
            held.derived[slot] = key
        return key

    def _retire_before(self, number: int, now: float) -> None:
        """Start the overlap of all keys before ``number``, under which a packet has opened."""
        for other, held in self._keys.items():
            if other < number and held.retired_at is None:
                held.retired_at = now
