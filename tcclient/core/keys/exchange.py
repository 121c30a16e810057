"""What members tell each other about keys: boxes and receipts, on the control connection and by datagrams as well."""

from __future__ import annotations

from collections.abc import Callable

from tcclient.core.control import Line
from tcclient.core.keys.key_inbox import KeyInbox
from tcclient.core.keys.own_key import SenderKeys
from tcclient.core.keys.room_datagrams import RoomDatagramOpener
from tcproto.datagram import Item, ItemType
from tcproto.messages import KeyBoxes, KeyReceipts, NewRoomKey
from tcproto.messages.types import MAX_KEY_BOXES
from tcproto.urgent import URGENT_DOWN, pack_urgent, parse_urgent


class KeyExchange:
    """Sends our boxes and receipts, and takes those of others, and urgent keys of the room.

    ``send_by_udp`` sends an item if there is a path by UDP. ``came`` is called with ``now`` after boxes came.
    """

    def __init__(
        self,
        own: SenderKeys,
        inbox: KeyInbox,
        opener: RoomDatagramOpener,
        control: Line,
        send_by_udp: Callable[[Item], None],
        came: Callable[[float], None],
    ) -> None:
        self.has_news = False
        """Whether something came by a datagram since ``send``, which may have to be answered."""
        self._own = own
        self._inbox = inbox
        self._opener = opener
        self._control = control
        self._send_by_udp = send_by_udp
        self._came = came

    def receive_boxes(self, message: KeyBoxes, now: float) -> None:
        """Take boxes that came on the control connection."""
        self._inbox.receive(message.boxes, now)
        self._came(now)

    def receive_urgent(self, value: bytes, now: float) -> None:
        """Act on an urgent message; raises ``ValueError`` for what is none."""
        message = parse_urgent(value, URGENT_DOWN)
        self.has_news = True
        match message:
            case NewRoomKey():
                self._opener.add_urgent_key(message.room_key)
            case KeyBoxes():
                self._inbox.receive_urgent(message.boxes, now)
                self._came(now)
            case KeyReceipts():
                self._own.receive(message, now)

    def retry(self, now: float) -> None:
        """Look again at the boxes that wait, after the roster has changed."""
        self._inbox.retry(now)

    def send(self) -> None:
        """Send what has collected."""
        self.has_news = False
        boxes, receipts = self._own.take_boxes(), self._inbox.take_receipts()
        for start in range(0, len(boxes), MAX_KEY_BOXES):
            self._control.send(KeyBoxes(tuple(boxes[start : start + MAX_KEY_BOXES])))
        for start in range(0, len(receipts), MAX_KEY_BOXES):
            self._control.send(KeyReceipts(tuple(receipts[start : start + MAX_KEY_BOXES])))
        for box in self._own.take_urgent_boxes():
            self._send_urgently(KeyBoxes((box,)))
        for receipt in self._inbox.take_urgent_receipts():
            self._send_urgently(KeyReceipts((receipt,)))

    def _send_urgently(self, message: KeyBoxes | KeyReceipts) -> None:
        value = pack_urgent(message)
        assert value is not None, "one box or receipt fits"
        self._send_by_udp(Item(ItemType.URGENT, value))
