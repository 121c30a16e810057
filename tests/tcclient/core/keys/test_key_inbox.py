"""Key boxes that come before their sender is known."""

import pytest

from tcclient.core import Drop
from tcclient.core.keys.key_inbox import EARLY_BOX_HOLD, MAX_EARLY_BOXES
from tcproto import messages as m
from tcproto.datagram import Item, ItemType, open_datagram, parse_header, parse_items
from tcproto.errors import ErrorCode
from tcproto.messages import decode, encode
from tests.support.scripted_media import payloads
from tests.support.scripted_server import Server


@pytest.fixture
def server():
    return Server()


def test_boxes_that_come_before_their_sender_is_known_wait(server):
    """The server sends changes in batches. A newcomer may know us, and make boxes, before we know the newcomer."""
    (a,) = server.seated(1)
    server.change, change = (lambda *args, **more: None), server.change
    b = server.connect().login()
    number = b.publish()
    a.notify(m.KeyBoxes((m.AddressedBox(99, b"from nobody"),)))
    server.pump()
    assert not b.session.seat.publications.can_send(number)
    assert a.drops(Drop.KEY_BOX) == 0
    server.change = change
    server.change(m.Change(m.ChangeKind.MEMBER_JOINED, member=server.members[b.participant]))
    server.pump()
    assert b.speak(number), "the receipt has come"
    assert payloads(a) == [], "the publication is not known yet"
    (info,) = server.publications.values()
    server.change(m.Change(m.ChangeKind.PUBLISHED, publication=info))
    server.pump()
    assert payloads(a) == [b"voice"]
    server.now += EARLY_BOX_HOLD
    server.change(m.Change(m.ChangeKind.UNKNOWN))
    server.pump()
    assert a.drops(Drop.KEY_BOX) == 1


def test_boxes_of_unknown_senders_are_bounded(server):
    (a,) = server.seated(1)
    for _ in range(5):
        a.notify(m.KeyBoxes((m.AddressedBox(99, b"x"),) * 64))
    server.pump()
    assert a.drops(Drop.KEY_BOX) == 5 * 64 - MAX_EARLY_BOXES


def urgent_boxes(client):
    """The receipts that a client sends by datagrams, once."""
    found = []
    for datagram in client.sent:
        header = parse_header(datagram)
        for item in parse_items(open_datagram(datagram, client.up_keys[header.epoch])):
            if item.type == ItemType.URGENT and isinstance(message := decode(item.value).message, m.KeyReceipts):
                found += message.receipts
    client.sent.clear()
    return found


def test_a_box_that_comes_by_a_datagram_is_confirmed_by_one_each_time(server):
    a, b = server.seated(2)
    server.advance(1)
    server.hold_boxes = []
    number = a.publish()
    server.pump()
    ((_, box),) = server.hold_boxes
    receipt = m.KeyReceipt(a.participant, 1)
    urgent_boxes(b)
    for _ in range(2):
        server.down(b, [Item(ItemType.URGENT, encode(m.KeyBoxes((box,))))])
        server.pump()
        assert urgent_boxes(b) == [receipt]
    assert a.session.seat.publications.can_send(number), "the receipt went through the channel as well"
    received, ring = len(b.received), b.session.seat.member_keys[a.participant].ring
    assert ring.text_number == -1, "texts under the key before may be on their way in the channel"
    server.pass_box(b.participant, box)
    server.pump()
    assert len(b.received) == received, "nothing is said of a box that comes again there"
    assert ring.text_number == 1
    assert b.drops(Drop.KEY_BOX) == 0
    stranger = m.AddressedBox(99, box.box)
    forged = m.AddressedBox(a.participant, bytes(300))
    server.down(b, [Item(ItemType.URGENT, encode(m.KeyBoxes((stranger, forged))))])
    server.pump()
    assert urgent_boxes(b) == []
    assert b.drops(Drop.KEY_BOX) == 1


def test_receipts_and_room_keys_come_by_datagrams_and_nothing_else(server):
    a, b = server.seated(2)
    server.advance(1)
    server.hold_boxes = []
    number = a.publish()
    server.pump()
    server.down(a, [Item(ItemType.URGENT, encode(m.KeyReceipts((m.KeyReceipt(b.participant, 1),))))])
    server.pump()
    assert a.session.seat.publications.can_send(number)
    next_key = m.RoomKey(server.sealer, server.epoch + 1, bytes(32), 0)
    server.down(a, [Item(ItemType.URGENT, encode(m.NewRoomKey(next_key)))])
    assert list(a.session.seat.downlink.opener.sealers[server.sealer].epochs) == [server.epoch, server.epoch + 1]
    for value in (encode(m.Evicted(ErrorCode.KICKED, "out")), b"", b"\xc1"):
        before = a.drops(Drop.MALFORMED)
        server.down(a, [Item(ItemType.URGENT, value)])
        server.pump()
        assert a.drops(Drop.MALFORMED) == before + 1
    assert a.session.seated
