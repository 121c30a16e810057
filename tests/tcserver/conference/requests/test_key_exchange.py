"""Key boxes and receipts between participants."""

from tcproto import messages as m
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tests.support.conference.driver import Driver

ROOM = m.ChatScope.ROOM


def text_id(number):
    return number.to_bytes(16, "big")


def test_boxes_and_receipts_go_to_the_members_they_name_and_no_one_else():
    driver = Driver()
    sender, first, second, bystander = (driver.participant() for _ in range(4))
    outsider = driver.participant("other")
    sender.tell(
        m.KeyBoxes(
            (
                m.AddressedBox(first.participant, b"1"),
                m.AddressedBox(second.participant, b"2"),
                m.AddressedBox(first.participant, b"3"),
                m.AddressedBox(outsider.participant, b"4"),
                m.AddressedBox(sender.participant, b"5"),
                m.AddressedBox(12345, b"6"),
            )
        )
    )
    mine = sender.participant
    assert first.got(m.KeyBoxes) == [m.KeyBoxes((m.AddressedBox(mine, b"1"), m.AddressedBox(mine, b"3")))]
    assert second.got(m.KeyBoxes) == [m.KeyBoxes((m.AddressedBox(mine, b"2"),))]
    first.tell(m.KeyReceipts((m.KeyReceipt(mine, 9), m.KeyReceipt(outsider.participant, 9))))
    assert sender.got(m.KeyReceipts) == [m.KeyReceipts((m.KeyReceipt(first.participant, 9),))]
    for client in (bystander, outsider, sender):
        assert client.got(m.KeyBoxes) == client.got(m.KeyReceipts) == []
    assert driver.conference.counters["key_for_nobody"] == 4


def test_what_a_newcomer_sends_comes_right_behind_the_change_that_brings_it():
    driver = Driver()
    first, _, newcomer = clients = [driver.user() for _ in range(3)]
    for client in clients:
        client.enter()
    first.inbox.clear()
    for number in range(2):
        newcomer.tell(m.KeyBoxes((m.AddressedBox(first.participant, bytes([number])),)))
    newcomer.tell(m.KeyReceipts((m.KeyReceipt(first.participant, 1),)))
    assert isinstance(newcomer.ask(m.Chat(text_id(1), ROOM, sealed=b"halo")), m.ChatAccepted)
    driver.advance(BATCH_INTERVAL - 0.001)
    assert first.inbox == []
    # A known participant need not wait for the batch that brings others.
    first.tell(m.KeyBoxes((m.AddressedBox(newcomer.participant, b"for you"),)))
    assert len(newcomer.got(m.KeyBoxes)) == 1
    driver.advance(0.001)
    kinds = [type(message) for message in first.inbox]
    assert kinds == [m.RoomChanges, m.KeyBoxes, m.KeyBoxes, m.KeyReceipts, m.ChatMessage]
    assert [message.boxes[0].box for message in first.got(m.KeyBoxes)] == [b"\0", b"\1"], "in order"
    newcomer.tell(m.KeyBoxes((m.AddressedBox(first.participant, b"2"),)))
    assert len(first.got(m.KeyBoxes)) == 1
    driver.check()


def test_a_snapshot_meanwhile_puts_no_box_before_another():
    """A box that comes after one with a higher key number is dropped."""
    driver = Driver()
    first, _, newcomer = (driver.participant() for _ in range(3))
    newcomer.tell(m.KeyBoxes((m.AddressedBox(first.participant, b"1"),)))
    assert isinstance(first.ask(m.GetSnapshot()), m.Ok)
    newcomer.tell(m.KeyBoxes((m.AddressedBox(first.participant, b"2"),)))
    driver.advance(BATCH_INTERVAL)
    assert [message.boxes[0].box for message in first.got(m.KeyBoxes)] == [b"1", b"2"]


def test_what_waits_for_a_newcomer_to_be_known_is_dropped_for_who_leaves_and_lost_for_nobody_else():
    driver = Driver()
    first, second, newcomer, visitor = (driver.participant() for _ in range(4))
    for client in (newcomer, visitor):
        client.tell(m.KeyBoxes((m.AddressedBox(first.participant, b"1"), m.AddressedBox(second.participant, b"2"))))
    assert isinstance(visitor.ask(m.Chat(text_id(1), ROOM, sealed=b"wrong room, sorry")), m.ChatAccepted)
    second.ask(m.Leave())
    visitor.ask(m.Leave())
    driver.advance(BATCH_INTERVAL)
    assert first.got(m.KeyBoxes) == [m.KeyBoxes((m.AddressedBox(newcomer.participant, b"1"),))]
    assert len(first.got(m.ChatMessage)) == 1
    assert second.got(m.KeyBoxes) == []
    assert driver.conference.counters["key_for_nobody"] == 3
    driver.check()


def test_a_room_that_closes_first_sends_what_waits():
    driver = Driver()
    chair, other, newcomer = (driver.participant() for _ in range(3))
    other.inbox.clear()
    newcomer.tell(m.KeyBoxes((m.AddressedBox(other.participant, b"1"),)))
    chair.ask(m.CloseRoom())
    assert [type(message) for message in other.inbox] == [m.RoomChanges, m.KeyBoxes, m.Evicted]
    other.inbox.clear()
    driver.advance(1)
    assert other.inbox == []
    driver.check()
