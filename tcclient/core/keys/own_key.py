"""Our own sender key: which members have it, when it ratchets, when it is replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tcclient.core.keys.member_keys import MemberKeys
from tcproto.errors import CryptoFailure
from tcproto.keyring import MAX_KEYS, MAX_LAYERS, PublicationId
from tcproto.messages import AddressedBox, KeyReceipts
from tcproto.packet import KEY_NUMBER_BITS
from tcproto.secretbox import KEY_SIZE, NONCE_SIZE
from tcproto.sender_key import (
    MAX_GENERATION,
    RATCHET_PERIOD,
    BoxContext,
    FirstSequence,
    OpenedBox,
    Party,
    SenderKey,
    seal_key_box,
)
from tcproto.serial import wrapped

LEAVE_SPACING = 2.0
"""Seconds between new keys after leaves. Otherwise the end of a meeting would cost one key for each member."""
KICK_SPACING = 1.0
"""Seconds between new keys after kicks. Receivers keep four keys, so three may come while the oldest is in use."""
ACTIVATION = 3.0
"""Seconds after which a new key is used even if receipts are missing."""
WORN_GENERATION = MAX_GENERATION - 10
"""From this generation on a new key is due, so that newcomers never get the last generation."""
MAX_ANNOUNCED = MAX_LAYERS // 2
"""Layers announced under one key before a new key is due."""
URGENT_AFTER = 0.2
"""Seconds after which boxes of a new key without a receipt go by datagrams as well, and again: TCP may stall."""
URGENT_BOXES, URGENT_INTERVAL = 2, 0.1
"""Boxes that do so at a time, and seconds to the next ones where more wait: 50 kbit/s, and 3 s for 60 members."""
NEVER = float("inf")


class SealingKey(NamedTuple):
    """The key that a packet is sealed with, and the header fields that name it."""

    number: int
    """Low 8 bits."""
    generation: int
    key: bytes | None


BARE = SealingKey(0, 0, None)
"""None in a room without end-to-end encryption."""


class _Pending:
    def __init__(self, key: SenderKey, boxes: dict[int, AddressedBox], now: float, deadline: float) -> None:
        self.key = key
        self.waiting = set(boxes)
        self.boxes = boxes
        """Of those who were there when it was made, by participant, the one that is sent again next the first."""
        self.deadline = deadline
        self.urgent_at = now + URGENT_AFTER
        self.used = False
        """Whether a text was sealed under its generation."""

    def take_urgent(self, now: float) -> list[AddressedBox]:
        """Return the boxes that go by datagrams now, the others' turn being next."""
        self.boxes = {participant: box for participant, box in self.boxes.items() if participant in self.waiting}
        taken = list(self.boxes.values())[:URGENT_BOXES]
        self.urgent_at = now + (URGENT_INTERVAL if len(self.boxes) > URGENT_BOXES else URGENT_AFTER)
        for box in taken:
            self.boxes[box.participant] = self.boxes.pop(box.participant)
        return taken


class SenderKeys:
    """Makes, boxes, ratchets and replaces our sender key.

    ``recipients`` are the members that get it. The owner keeps them up to date, and calls ``joined`` and ``left`` after
    a change. ``first_sequences`` returns the lowest valid sequence numbers of our live publications. ``take_boxes``
    returns the boxes that have collected. There is no key before ``start`` or the first text: a client that only
    listens makes no boxes. Until everybody has acknowledged the first key, or ``ACTIVATION`` has passed, no packet can
    be sealed. A client that only writes texts makes boxes when it sends one, not when somebody comes or goes.
    """

    def __init__(
        self,
        life: bytes,
        room: str,
        own: Party,
        recipients: Mapping[int, MemberKeys],
        first_sequences: Callable[[], tuple[FirstSequence, ...]],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._life = life
        self._room = room
        self._own = own
        self._recipients = recipients
        self._first_sequences = first_sequences
        self._random_bytes = random_bytes
        self._number = 0
        self._layers = 0
        self._current: SenderKey | None = None
        self._pending: _Pending | None = None
        self._used = False
        """Whether anything was sealed under the current generation."""
        self._publishing = False
        self._is_stale = False
        """Whether a new key is planned."""
        self._owed: set[int] = set()
        """Members that came while nothing was published. They get a box with the next text."""
        self._ratchet_at = NEVER
        self._replace_at = NEVER
        self._made_at = -NEVER
        self._boxes: list[AddressedBox] = []
        self._urgent: list[AddressedBox] = []
        self._derived: dict[PublicationId, SealingKey] = {}

    @property
    def current(self) -> SenderKey | None:
        """The key in use."""
        return self._current

    @property
    def next_deadline(self) -> float:
        """When ``handle_timeout`` is due."""
        pending = self._pending
        due = NEVER if pending is None else min(pending.deadline, pending.urgent_at)
        return min(self._ratchet_at, self._replace_at, due)

    def start(self, now: float) -> None:
        """Become a sender of packets, with a new key. Nothing happens if we are one."""
        if not self._publishing:
            self.stop()
            self._publishing = True
            self._make(now)

    def stop(self) -> None:
        """Forget the keys, since nothing will be sent for now."""
        self._publishing = self._is_stale = False
        self._current = self._pending = None
        self._ratchet_at = self._replace_at = NEVER
        self._derived.clear()
        self._boxes.clear()
        self._urgent.clear()
        self._owed.clear()

    def joined(self, participant: int, now: float) -> None:
        """Give the newcomer our key, but not the past. A client that only writes does so with its next text."""
        if self._publishing:
            self._admit(participant, now)
        elif self._current is not None or self._pending is not None:
            self._owed.add(participant)

    def left(self, participant: int, kicked: bool, now: float) -> None:
        """Plan a new key, which the member that left will not have."""
        self._owed.discard(participant)
        if self._current is None and self._pending is None:
            return
        if self._pending is not None:
            self._no_longer_waits(participant, now)
        self._replace(KICK_SPACING if kicked else LEAVE_SPACING, now)

    def for_text(self, now: float) -> SenderKey:
        """Return the key for a text: the newest one.

        Everybody here has it once our boxes have arrived, and nobody else has it. If a new key is planned, it is made
        now. The boxes must be sent before the text.
        """
        if self._is_stale or (self._current is None and self._pending is None):
            self._make(now)
        owed, self._owed = self._owed, set()
        for participant in sorted(owed):
            self._admit(participant, now)
        if self._pending is not None:
            self._pending.used = True
            return self._pending.key
        assert self._current is not None
        self._used = True
        return self._current

    def announced(self, layers: int, now: float) -> None:
        """Count the layers of a new publication: receivers track a limited number under one key."""
        self._layers += layers
        if self._layers > MAX_ANNOUNCED:
            self._replace(LEAVE_SPACING, now)

    def receive(self, message: KeyReceipts, now: float) -> None:
        """Take receipts of members."""
        for receipt in message.receipts:
            self.receipt(receipt.participant, receipt.key, now)

    def receipt(self, participant: int, number: int, now: float) -> None:
        """Note that a member has a key. The last receipt brings the new key into use."""
        if self._pending is not None and self._pending.key.number == number:
            self._no_longer_waits(participant, now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due: ratchet, make the planned new key, send its boxes again, use the pending one."""
        if self._pending is not None and now >= self._pending.deadline:
            self._activate(now)
        if now >= self._replace_at:
            self._make(now)
        if self._pending is not None and now >= self._pending.urgent_at:
            self._urgent = self._pending.take_urgent(now)
        if now >= self._ratchet_at:
            if self._publishing:
                self._ratchet(now)
            else:  # no text for long: the next one gets a new key
                self.stop()

    def sealing_key(self, publication: PublicationId) -> SealingKey | None:
        """Return what to seal the publication's next packet under; None while there is no key in use."""
        found = self._derived.get(publication)
        if found is None:
            current = self._current
            if current is None:
                return None
            key = current.publication_key(self._life, *publication)
            found = self._derived[publication] = SealingKey(
                wrapped(current.number, KEY_NUMBER_BITS), current.generation, key
            )
        self._used = True
        return found

    def take_boxes(self) -> list[AddressedBox]:
        """Return the boxes that wait to be sent, once."""
        boxes, self._boxes = self._boxes, []
        return boxes

    def take_urgent_boxes(self) -> list[AddressedBox]:
        """Return the boxes that were sent before, and go by datagrams now, once."""
        boxes, self._urgent = self._urgent, []
        return boxes

    def _make(self, now: float) -> None:
        """Make a new key and box it for all. It takes over the deadline of the pending key that it replaces, if any."""
        self._number += 1
        self._layers = 0
        self._made_at, self._replace_at, self._is_stale = now, NEVER, False
        self._owed.clear()
        deadline = now + ACTIVATION
        if self._pending is not None:
            deadline = min(deadline, self._pending.deadline)
        key = SenderKey(self._number, 0, self._random_bytes(KEY_SIZE))
        boxes = {participant: box for participant in self._recipients if (box := self._box(participant, key))}
        self._pending = _Pending(key, boxes, now, deadline)
        if not boxes or (self._current is not None and key.number - self._current.number >= MAX_KEYS):
            self._activate(now)  # receivers keep no more keys than that

    def _admit(self, participant: int, now: float) -> None:
        """Ratchet, so that a newcomer cannot read the past, and box the new generation.

        A generation under which nothing was sealed needs no ratchet. Without this exception, many joins during a
        silence would move the generation out of the receivers' reach.
        """
        if self._current is not None:
            if self._used:
                self._ratchet(now)
            if not self._used:
                self._box(participant, self._current)
        pending = self._pending
        if pending is not None:
            if pending.used and pending.key.generation < MAX_GENERATION:
                pending.key, pending.used = pending.key.ratcheted(), False
            if not pending.used and self._box(participant, pending.key):
                pending.waiting.add(participant)

    def _no_longer_waits(self, participant: int, now: float) -> None:
        assert self._pending is not None
        self._pending.waiting.discard(participant)
        if not self._pending.waiting:
            self._activate(now)

    def _activate(self, now: float) -> None:
        if self._pending is not None:
            used = self._pending.used
            self._current, self._pending = self._pending.key, None
            self._begin_generation(now)
            self._used = used

    def _ratchet(self, now: float) -> None:
        assert self._current is not None
        self._ratchet_at = now + RATCHET_PERIOD
        if self._current.generation < MAX_GENERATION:
            self._current = self._current.ratcheted()
            self._begin_generation(now)
        if self._current.generation >= WORN_GENERATION and self._pending is None:
            self._replace(LEAVE_SPACING, now)

    def _begin_generation(self, now: float) -> None:
        self._used = False
        self._ratchet_at = now + RATCHET_PERIOD
        self._derived.clear()

    def _replace(self, spacing: float, now: float) -> None:
        self._is_stale = True
        if self._publishing:
            self._replace_at = min(self._replace_at, max(now, self._made_at + spacing))

    def _box(self, participant: int, key: SenderKey) -> AddressedBox | None:
        """Queue a box, and return it; None where the member's box key cannot be used."""
        recipient = self._recipients[participant]
        context = BoxContext(self._life, self._room, True, self._own, recipient.party)
        opened = OpenedBox(key, self._first_sequences())
        try:
            box = seal_key_box(context, opened, recipient.shared(), self._random_bytes(NONCE_SIZE))
        except CryptoFailure:
            return None
        self._boxes.append(AddressedBox(participant, box))
        return self._boxes[-1]
