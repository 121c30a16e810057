import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcserver.conference import MessageClass, Rate
from tcserver.conference.requests.chat import MAX_TEXTS
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tcserver.records import Role
from tests.support.conference.driver import Driver, error_code

ROOM, PARTICIPANT, EVERYONE = m.ChatScope.ROOM, m.ChatScope.PARTICIPANT, m.ChatScope.SERVER


def text_id(number):
    return number.to_bytes(16, "big")


def bare_members(driver):
    """Two in a room without end-to-end encryption."""
    clients = driver.user(name="Siti"), driver.user()
    for client in clients:
        assert isinstance(client.enter("open", e2ee=False), m.Joined)
    return clients


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
    # Who is known need not wait for what brings others.
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


def test_sealed_text_reaches_the_room_as_it_came():
    driver = Driver()
    sender, other, outsider = driver.participant(name="Siti"), driver.participant(), driver.participant("other")
    sealed = bytes(range(256))
    assert sender.ask(m.Chat(text_id(1), ROOM, sealed=sealed)) == m.ChatAccepted(driver.unix_ms)
    assert other.got(m.ChatMessage) == [
        m.ChatMessage(text_id(1), ROOM, sender.participant, "Dinkes / Siti", "", driver.unix_ms, sealed)
    ]
    assert outsider.got(m.ChatMessage) == sender.got(m.ChatMessage) == []


def test_text_reaches_a_room_without_encryption():
    driver = Driver()
    sender, other = bare_members(driver)
    text = "<b>halo</b>\n😀"
    assert sender.ask(m.Chat(text_id(1), ROOM, text)) == m.ChatAccepted(driver.unix_ms)
    assert other.got(m.ChatMessage) == [
        m.ChatMessage(text_id(1), ROOM, sender.participant, "Dinkes / Siti", text, driver.unix_ms)
    ]


@pytest.mark.parametrize("scope", [ROOM, PARTICIPANT])
@pytest.mark.parametrize(
    ("e2ee", "text", "sealed"),
    [(True, "plain", b""), (True, "", b""), (True, "plain", b"sealed"), (False, "", b"s"), (False, "plain", b"s")],
)
def test_text_of_the_wrong_form_is_refused_and_passed_to_nobody(scope, e2ee, text, sealed):
    driver = Driver()
    sender, other = (driver.participant(), driver.participant()) if e2ee else bare_members(driver)
    participant = other.participant if scope is PARTICIPANT else 0
    assert error_code(sender.ask(m.Chat(text_id(1), scope, text, participant, sealed))) is ErrorCode.BAD_REQUEST
    right = m.Chat(text_id(1), scope, *(("", participant, b"s") if e2ee else ("plain", participant)))
    assert other.got(m.ChatMessage) == []
    assert isinstance(sender.ask(right), m.ChatAccepted), "the message id is not spent"
    assert len(other.got(m.ChatMessage)) == 1


def test_private_text_reaches_one_and_not_oneself():
    driver = Driver()
    sender, other, third, outsider = (
        driver.participant(),
        driver.participant(),
        driver.participant(),
        driver.participant("other"),
    )
    sender.ask(m.Chat(text_id(1), PARTICIPANT, "", other.participant, b"psst"))
    assert len(other.got(m.ChatMessage)) == 1
    assert third.got(m.ChatMessage) == []
    for number, participant, code in (
        (2, sender.participant, ErrorCode.BAD_REQUEST),
        (3, outsider.participant, ErrorCode.NO_SUCH_PARTICIPANT),
        (4, 0, ErrorCode.NO_SUCH_PARTICIPANT),
    ):
        assert error_code(sender.ask(m.Chat(text_id(number), PARTICIPANT, "", participant, b"psst"))) is code
    assert outsider.got(m.ChatMessage) == []


def test_notice_reaches_everyone_who_is_logged_in():
    driver = Driver()
    driver.add_account("kominfo", role=Role.ADMIN)
    admin, member, lobby, guest = (
        driver.participant(account="kominfo"),
        driver.participant("other"),
        driver.user(),
        driver.client(),
    )
    assert isinstance(admin.ask(m.Chat(text_id(1), EVERYONE, "maintenance at nine")), m.ChatAccepted)
    assert len(member.got(m.ChatMessage)) == len(lobby.got(m.ChatMessage)) == 1
    assert guest.inbox == admin.got(m.ChatMessage) == []
    assert error_code(member.ask(m.Chat(text_id(2), EVERYONE, "hello"))) is ErrorCode.NOT_PERMITTED
    sealed = m.Chat(text_id(3), EVERYONE, sealed=b"x")
    assert error_code(admin.ask(sealed)) is ErrorCode.BAD_REQUEST, "nobody could open a notice to all rooms"


def test_text_sent_again_is_accepted_and_not_shown_again():
    driver = Driver()
    sender, other = driver.participant(), driver.participant()
    first = sender.ask(m.Chat(text_id(1), ROOM, sealed=b"halo"))
    driver.unix_ms += 5000
    assert sender.ask(m.Chat(text_id(1), ROOM, sealed=b"halo")) == first
    assert len(other.got(m.ChatMessage)) == 1


def test_memory_of_texts_is_bounded():
    driver = Driver(rates={name: Rate(50_000, 10_000) for name in MessageClass}, total_rate=Rate(50_000, 10_000))
    sender, other = driver.participant(), driver.participant()
    for number in range(MAX_TEXTS + 1):
        sender.ask(m.Chat(text_id(number), ROOM, sealed=b"x"))
    assert len(driver.conference._connections.get(sender.connection).session.texts) == MAX_TEXTS
    other.got(m.ChatMessage)
    sender.ask(m.Chat(text_id(0), ROOM, sealed=b"x"))
    sender.ask(m.Chat(text_id(MAX_TEXTS), ROOM, sealed=b"x"))
    assert len(other.got(m.ChatMessage)) == 1


def test_no_address_is_ever_told():
    driver = Driver()
    driver.add_account("kominfo", role=Role.ADMIN)
    client = driver.participant(address="203.0.113.77")
    admin = driver.participant(account="kominfo", address="198.51.100.3")
    client.publish()
    client.ask(m.Chat(text_id(1), ROOM, sealed=b"halo"))
    admin.ask(m.SetRole(client.participant, m.Role.LISTENER))
    admin.ask(m.GetSnapshot())
    driver.advance(1)
    told = repr((client.inbox, client.replies, admin.inbox, admin.replies))
    assert "halo" in told
    assert "203.0.113.77" not in told
    assert "198.51.100.3" not in told


# Limits


@pytest.mark.parametrize(
    ("message", "rate"),
    [
        (m.GetSnapshot(), MessageClass.ROOM),
        (m.Subscribe(1, ()), MessageClass.MEDIA),
        (m.Chat(text_id(1), ROOM, sealed=b"x"), MessageClass.CHAT),
        (m.UpdateRoom(), MessageClass.OTHER),
    ],
)
def test_requests_beyond_the_rate_are_told_when_to_come_again(message, rate):
    rates = {name: Rate(2, 3) for name in MessageClass}
    driver = Driver(rates=rates)
    client = driver.participant()
    driver.advance(10)
    replies = [client.ask(message) for _ in range(4)]
    assert [error_code(reply) for reply in replies] == [None] * 3 + [ErrorCode.RATE_LIMITED], rate
    assert 500 <= replies[-1].retry_after_ms <= 501
    driver.unix_ms += 86_400_000
    assert error_code(client.ask(message)) is ErrorCode.RATE_LIMITED, "the wall clock limits nothing"
    driver.unix_ms -= 2 * 86_400_000
    driver.advance(replies[-1].retry_after_ms / 1000)
    assert error_code(client.ask(message)) is None


def test_notifications_beyond_the_rate_are_dropped_and_counted():
    driver = Driver(rates={name: Rate(2, 3) for name in MessageClass})
    client = driver.participant()
    for _ in range(5):
        client.tell(m.KeyframeRequest(1, 0))
    assert driver.conference.counters["keyframe_request_ignored"] == 3
    assert driver.conference.counters["notification_rate_limited"] == 2


def test_keys_are_never_dropped():
    """Nobody sends a box again: a hundred who come at once make hundreds of them, and as many receipts."""
    driver = Driver()
    sender, other = driver.participant(), driver.participant()
    for number in range(400):
        sender.tell(m.KeyBoxes((m.AddressedBox(other.participant, b""),)))
        other.tell(m.KeyReceipts((m.KeyReceipt(sender.participant, number),)))
    assert len(other.got(m.KeyBoxes)) == len(sender.got(m.KeyReceipts)) == 400


def test_mute_leave_and_the_like_are_never_limited():
    driver = Driver(rates={name: Rate(0.001, 2) for name in MessageClass})
    client = driver.participant()
    client.publish()
    while error_code(client.publish()) is None:
        pass
    for muted in [True, False] * 20:
        assert isinstance(client.ask(m.Mute(1, muted)), m.Ok)
    assert client.ask(m.Ping(5)) == m.Pong(5)
    assert isinstance(client.ask(m.Unpublish(1)), m.Ok)
    assert isinstance(client.ask(m.Leave()), m.Ok)


@pytest.mark.parametrize(
    "message", [m.Ping(1), m.Leave(), m.Chat(text_id(1), ROOM, sealed=b"x"), m.GetSnapshot(), m.LoginBegin("x")]
)
def test_flood_of_anything_ends_the_connection_that_sends_it_and_no_other(message):
    driver = Driver(total_rate=Rate(200, 300))
    other = driver.participant()
    client = driver.client() if isinstance(message, m.LoginBegin) else driver.participant()
    for _ in range(301):
        if not client.is_gone:
            client.send(message)
    assert client.closed.code is ErrorCode.RATE_LIMITED
    assert client.closed.action is Action.RECONNECT
    assert 0 < client.closed.retry_after_ms <= 6
    assert isinstance(other.ask(m.GetSnapshot()), m.Ok)
    driver.check()
