"""Texts between participants, and notices."""

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcproto.messages import Role
from tcserver.conference import MessageClass, Rate
from tcserver.conference.requests.chat import MAX_TEXTS
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
    rates = {name: Rate(50_000, 10_000) for name in MessageClass}
    driver = Driver(rates=rates, limits__messages_per_s=50_000, limits__message_burst=10_000)
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
