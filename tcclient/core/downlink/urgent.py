"""The newest subscription, sent by datagrams as well: TCP waits for a retransmission just when it matters."""

from __future__ import annotations

from collections.abc import Callable

from tcclient.core.timers import NEVER
from tcproto.datagram import Item, ItemType
from tcproto.messages import Subscribe
from tcproto.urgent import pack_urgent

PATIENCE = 0.2
"""Seconds for the answer, after which the subscription is sent by a datagram again; each time twice as many."""
AT_ONCE = float("-inf")
MAX_TRIES = 6
"""Datagrams with one subscription. The last one leaves after 6.2 s; a connection that stalls for longer is replaced."""


class UrgentSubscription:
    """Sends the newest subscription by datagrams, until it is answered in the channel. ``send`` sends an item."""

    def __init__(self, send: Callable[[Item], None]) -> None:
        self.next_deadline = NEVER
        """When ``handle_timeout`` is due."""
        self._send = send
        self._request_id = 0
        self._value = b""
        self._tries = 0

    def ask(self, wanted: Subscribe, request_id: int) -> None:
        """Send another subscription, from now on. One that fits no datagram has the channel alone."""
        value = pack_urgent(wanted, request_id)
        self._request_id, self._value, self._tries = request_id, value or b"", 0
        self.next_deadline = NEVER if value is None else AT_ONCE

    def answered(self, request_id: int) -> None:
        """Take that the server has answered a request."""
        if request_id == self._request_id:
            self.next_deadline = NEVER

    def handle_timeout(self, now: float) -> None:
        """Send it if it is due."""
        if now < self.next_deadline:
            return
        self._send(Item(ItemType.URGENT, self._value))
        self.next_deadline = now + PATIENCE * 2**self._tries if self._tries + 1 < MAX_TRIES else NEVER
        self._tries += 1
