"""The receiving side of end-to-end keys: which key opens a packet, and whether the packet is new."""

from __future__ import annotations

import math
from typing import NamedTuple

from tcproto.errors import CryptoFailure
from tcproto.packet import KEY_NUMBER_BITS, Header, VideoHeader, open_packet
from tcproto.replay import SEQUENCE_WINDOW, CompactWindow, Verdict
from tcproto.sender_key import OpenedBox, Party, SenderKey
from tcproto.serial import wrapped
from tcproto.text import Note, TextHeader, open_room_text, text_key

MAX_SKIPPED_GENERATIONS = 64
"""The most generations that are tried ahead of the newest known one: the joins that may pass unheard. 64 take 50 µs."""
SENDER_KEY_OVERLAP = 10.0
"""Seconds for which a key is kept after the next one arrived, and a generation after the next one was first used. The
next key is used 3 s after it was sent, at the latest."""
MAX_KEYS = 4
"""The most sender keys that are kept for one member. Leaves bring at most one in 2 s, and each is kept for
``SENDER_KEY_OVERLAP``."""
MAX_LAYERS = 64
"""The most layers of publications under one sender key. Each takes a quarter of a kilobyte. A sender makes a new key
before it needs more."""


class PublicationId(NamedTuple):
    """What a publication key is derived from, together with the sender key and the life of the room."""

    number: int
    kind: int
    source: int


class _Held:
    """A sender key that was received: its newest generation, and an earlier one during the overlap.

    Only what opened under the key changes anything here. A forged packet costs time, and no memory.
    """

    def __init__(self, life: bytes, opened: OpenedBox) -> None:
        self.expires = math.inf
        self._life = life
        self._newest = opened.sender_key
        self._previous: SenderKey | None = None
        self._previous_until = 0.0
        self._firsts = {(first.publication, first.spatial): first.sequence for first in opened.first_sequences}
        self._windows: dict[tuple[int, int], CompactWindow] = {}
        self._derived: dict[tuple[int, PublicationId], bytes] = {}

    def open(self, header: Header, packet: bytes, publication: PublicationId, now: float) -> bytes:
        layer = publication.number, header.spatial if isinstance(header, VideoHeader) else 0
        window = self._window(layer)
        if window.check(header.sequence) is not Verdict.NEW:
            raise CryptoFailure("the sequence number is not new")
        key = self._publication_key(header.generation, publication, now)
        payload = open_packet(packet, key)
        window.commit(header.sequence)
        self._windows[layer] = window
        self._derived[header.generation, publication] = key
        self.advance(header.generation, now)
        return payload

    def is_new(self, header: Header, publication: PublicationId) -> bool:
        window = self._windows.get((publication.number, header.spatial if isinstance(header, VideoHeader) else 0))
        return window is None or window.check(header.sequence) is Verdict.NEW

    def advance(self, generation: int, now: float) -> None:
        if generation > self._newest.generation:
            # In a row of joins the oldest stays until a pause, since the others can be derived from it.
            self._previous = self._previous or self._newest
            self._previous_until = now + SENDER_KEY_OVERLAP
            self._newest = self._newest.ratcheted(generation)

    def at(self, generation: int, now: float) -> SenderKey:
        """Return the key at a generation. Raises ``CryptoFailure`` where it is out of reach."""
        self.forget(now)
        ahead = generation - self._newest.generation
        start = self._newest if ahead >= 0 else self._previous
        if start is None or ahead > MAX_SKIPPED_GENERATIONS:
            raise CryptoFailure("the generation is out of reach")
        try:
            return start.ratcheted(generation)
        except ValueError as error:
            raise CryptoFailure("no such generation") from error

    def commitment(self, generation: int, now: float) -> bytes | None:
        """Return the commitment to the key at a generation; None where the generation was forgotten."""
        self.forget(now)
        for start in (self._newest, self._previous):
            if start is not None and generation >= start.generation:
                return start.ratcheted(generation).commitment()
        return None

    def forget(self, now: float) -> None:
        """Forget the generations whose overlap is over."""
        if self._previous is not None and now >= self._previous_until:
            self._previous = None
            newest = self._newest.generation
            self._derived = {derived: key for derived, key in self._derived.items() if derived[0] == newest}

    def _window(self, layer: tuple[int, int]) -> CompactWindow:
        window = self._windows.get(layer)
        if window is None:
            if len(self._windows) >= MAX_LAYERS:
                raise CryptoFailure("too many publications under one key")
            window = CompactWindow(SEQUENCE_WINDOW, lowest=self._firsts.get(layer, 0))
        return window

    def _publication_key(self, generation: int, publication: PublicationId, now: float) -> bytes:
        self.forget(now)
        key = self._derived.get((generation, publication))
        if key is not None:
            return key
        return self.at(generation, now).publication_key(self._life, *publication)


class KeyRing:
    """The keys of one other member, by which its packets are opened.

    Each sequence number is delivered at most once, and none below the window. A key or generation that was replaced is
    forgotten after ``SENDER_KEY_OVERLAP``, so a recording cannot be played into the room later.
    """

    def __init__(self, life: bytes) -> None:
        self._life = life
        self._keys: dict[int, _Held] = {}
        self._text_number = -1
        self._text: _Held | None = None
        """The key of texts."""

    def add(self, opened: OpenedBox, now: float, *, in_order: bool = True) -> bool:
        """Take the content of a key box, and tell whether the key is new. Only one box for a key number is accepted.

        The overlap of all keys before it begins, also of those not used yet: a member that left may have them. A box
        that is not ``in_order`` has overtaken texts; ``came_in_order`` is called when it comes again.
        """
        number = opened.sender_key.number
        if self._keys and number <= max(self._keys):
            return False
        for held in self._keys.values():
            held.expires = min(held.expires, now + SENDER_KEY_OVERLAP)
        self._keys[number] = _Held(self._life, opened)
        if len(self._keys) > MAX_KEYS:
            del self._keys[min(self._keys)]
        if in_order:
            self.came_in_order(opened)
        return True

    def came_in_order(self, opened: OpenedBox) -> None:
        """Note that a key has come in order with texts: those that follow are under it, and none before.

        It need not be here any more, if its box was overtaken by a row of others.
        """
        number = opened.sender_key.number
        if number > self._text_number:
            self._text_number, self._text = number, self._keys.get(number) or _Held(self._life, opened)

    def open(self, header: Header, packet: bytes, publication: PublicationId, now: float) -> bytes:
        """Return the payload of a packet, which then counts as delivered. ``header`` is the header of the packet.

        Raises ``CryptoFailure`` for an unknown or expired key, a generation out of reach, a replay, or a box that
        does not open; ``ValueError`` for bad padding.
        """
        return self._held(header.key_number, now).open(header, packet, publication, now)

    def is_new(self, header: Header, publication: PublicationId) -> bool:
        """Return whether a packet could count as not delivered yet, so that it is worth opening."""
        held = [held for number, held in self._keys.items() if wrapped(number, KEY_NUMBER_BITS) == header.key_number]
        return not held or held[-1].is_new(header, publication)

    @property
    def text_number(self) -> int:
        """Number of the newest key that came in order with texts; -1 before the first."""
        return self._text_number

    def open_text(self, header: TextHeader, sealed: bytes, sender: Party, now: float) -> Note:
        """Open a text to the room, for which only the newest key is good. ``header`` is the header of the text.

        Texts and key boxes come in order, so a text under an older key may be made by somebody who has left. A key that
        has overtaken texts counts when it comes in order. The caller counts texts across keys, and says whether this
        one is new. Raises ``CryptoFailure`` for another key, a generation out of reach, or a box that does not open.
        """
        held = self._text
        if header.number != self._text_number or held is None:
            raise CryptoFailure("the text is not under the newest key")
        note = open_room_text(sealed, text_key(held.at(header.generation, now), self._life, sender))
        held.advance(header.generation, now)
        return note

    def follow(self, number: int, generation: int, commitment: bytes, now: float) -> bool | None:
        """Compare a key with the commitment of its sender. If they agree, go to this generation.

        Returns whether they agree; None where there is no such key, or this generation was forgotten.
        """
        self.forget(now)
        held = self._keys.get(number)
        own = held.commitment(generation, now) if held is not None else None
        if held is None or own is None:
            return None
        if own == commitment:
            held.advance(generation, now)
        return own == commitment

    def knows(self, number: int) -> bool:
        """Tell whether the sender key of this number has arrived."""
        return number in self._keys

    def forget(self, now: float) -> None:
        """Forget the keys and generations whose overlap is over."""
        for number, held in list(self._keys.items()):
            if now >= held.expires:
                del self._keys[number]
            else:
                held.forget(now)

    def _held(self, low_bits: int, now: float) -> _Held:
        """Return the newest key whose number has these low bits, and forget expired ones on the way."""
        for number in sorted(self._keys, reverse=True):
            held = self._keys[number]
            if now >= held.expires:
                del self._keys[number]
            elif wrapped(number, KEY_NUMBER_BITS) == low_bits:
                return held
        raise CryptoFailure("no such sender key")
