"""Key boxes that come before their sender is known."""

import pytest

from tcclient.core import Drop
from tcclient.core.keys.key_inbox import EARLY_BOX_HOLD, MAX_EARLY_BOXES
from tcproto import messages as m
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
