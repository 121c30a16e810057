"""The key boxes that arrive. They are opened, or held until the roster names their senders."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tcclient.core.drops import Drop
from tcclient.core.keys.member_keys import MemberKeys
from tcclient.core.membership.roster import RoomState
from tcproto.errors import CryptoFailure
from tcproto.messages import AddressedBox, KeyReceipt

MAX_EARLY_BOXES = 256
"""Key boxes that wait until the roster names their senders. The oldest are dropped first."""
EARLY_BOX_HOLD = 5.0
"""Seconds for which they wait: the server sends changes in batches, and a snapshot may have to be requested."""


class _Box(NamedTuple):
    came_at: float
    addressed: AddressedBox
    in_order: bool
    """Whether it came on the control connection, as texts do."""


class KeyInbox:
    """Opens key boxes. ``opened`` is called with the sender and ``now`` for each box that holds a new key."""

    def __init__(
        self,
        room: RoomState,
        senders: Mapping[int, MemberKeys],
        opened: Callable[[MemberKeys, float], None],
        drops: Counter[Drop],
    ) -> None:
        self._room = room
        self._senders = senders
        self._opened = opened
        self._drops = drops
        self._early: deque[_Box] = deque()
        self._receipts: list[KeyReceipt] = []
        self._urgent: list[KeyReceipt] = []

    def receive(self, boxes: tuple[AddressedBox, ...], now: float) -> None:
        """Take boxes that have just arrived."""
        for addressed in boxes:
            self._take(_Box(now, addressed, in_order=True), now)

    def receive_urgent(self, boxes: tuple[AddressedBox, ...], now: float) -> None:
        """Take boxes that came by a datagram. Each is confirmed in the same way, also if it came before."""
        for addressed in boxes:
            self._take(_Box(now, addressed, in_order=False), now)
            sender = self._senders.get(addressed.participant)
            number = None if sender is None else sender.opened_before(addressed.box)
            if number is not None:
                self._urgent.append(KeyReceipt(addressed.participant, number))

    def retry(self, now: float) -> None:
        """Look again at the boxes that wait, after the roster has changed."""
        early, self._early = self._early, deque()
        for box in early:
            self._take(box, now)

    def take_receipts(self) -> list[KeyReceipt]:
        """Return the receipts that wait to be sent, once."""
        receipts, self._receipts = self._receipts, []
        return receipts

    def take_urgent_receipts(self) -> list[KeyReceipt]:
        """Return those that go by a datagram, once."""
        receipts, self._urgent = self._urgent, []
        return receipts

    def _take(self, arrived: _Box, now: float) -> None:
        """Open a key box, or let it wait: the sender may learn of us before we learn of the sender."""
        participant, box = arrived.addressed.participant, arrived.addressed.box
        sender = self._senders.get(participant)
        if sender is None and participant not in self._room.members and now < arrived.came_at + EARLY_BOX_HOLD:
            self._early.append(arrived)
            if len(self._early) > MAX_EARLY_BOXES:
                self._early.popleft()
                self._drops[Drop.KEY_BOX] += 1
            return
        try:
            if sender is None:
                raise CryptoFailure("the sender is not a verified member")
            if sender.opened_before(box) is not None:
                if arrived.in_order:
                    sender.came_in_order(box)  # after it came by a datagram
                return
            number = sender.open_box(box, now, in_order=arrived.in_order)
        except CryptoFailure:
            self._drops[Drop.KEY_BOX] += 1
            return
        self._receipts.append(KeyReceipt(sender.id, number))
        self._opened(sender, now)
