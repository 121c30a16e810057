import pytest

from tcclient.core import Phase, Settings, events
from tcclient.core.downlink.subscription import Wishes
from tcproto import messages as m
from tcproto.account import effective_salt
from tcproto.errors import Action, ErrorCode, Refusal
from tests.support.scripted_server import FINGERPRINT, KEEP, LIMITS, PUBLIC, Server


@pytest.fixture
def server():
    return Server()


def connected(server, settings=None):
    client = server.connect(settings)
    server.pump()
    return client


def test_an_expected_server_is_trusted(server):
    client = connected(server)
    assert client.events == [events.ServerKey(FINGERPRINT, PUBLIC, True)]
    assert client.session.server_fingerprint == FINGERPRINT
    assert client.session.phase is Phase.TRUSTED


def test_nothing_is_sent_to_an_unknown_server_until_somebody_trusts_it(server):
    client = connected(server, Settings())
    assert client.events == [events.ServerKey(FINGERPRINT, PUBLIC, False)]
    with pytest.raises(Refusal, match="untrusted"):
        client.session.begin_login("agency", "Anna")
    client.connection.request(m.Ping(1))
    server.pump()
    assert client.session.next_deadline() is None
    client.session.handle_timeout(server.now + 1000)
    assert client.session.control_to_send() == b""
    assert client.session.phase is Phase.UNTRUSTED
    server.now += 1000
    client.session.trust_server(server.now)
    server.advance(6)
    assert client.of(m.Ping)
    client.login()
    assert client.session.phase is Phase.ROOM


def test_trust_is_asked_once(server):
    client = connected(server)
    with pytest.raises(Refusal):
        client.session.trust_server(server.now)


def test_a_wrong_server_gets_nothing(server):
    client = connected(server, Settings(fingerprint=b"f" * 20))
    wrong, closed = client.events
    assert wrong == events.WrongServerKey(b"f" * 20, FINGERPRINT)
    assert (closed.action, client.session.closed) == (Action.STOP, True)
    assert client.received == []
    client.session.close()
    assert client.session.control_to_send() == b""


def test_login_derives_with_the_effective_salt_and_signs(server):
    client = connected(server)
    client.session.begin_login("  AGENCY ", " Anna  Lee ")
    server.pump()
    (asked,) = client.told(events.DeriveKey)
    assert asked == events.DeriveKey("agency", effective_salt(PUBLIC, "agency", b"s" * 16), 64 * 2**20, 3)
    (logged_in,) = client.told(events.LoggedIn)
    assert (logged_in.account, logged_in.name) == ("agency", "Anna Lee")
    assert client.session.phase is Phase.LOBBY


@pytest.mark.parametrize(
    "other", [("other", "Anna Lee"), ("agency", "Mallory"), ("AGENCY", "Anna Lee"), ("agency", "Anna  Lee")]
)
def test_who_is_welcomed_as_somebody_else_signs_nothing(server, other):
    server.answers[m.Login] = m.Welcome(1, other[0], "The Agency", other[1], b"t" * 32, LIMITS)
    client = connected(server)
    client.session.begin_login("Agency", "Anna  Lee")
    server.pump()
    assert not client.told(events.LoggedIn)
    (closed,) = client.told(events.Closed)
    assert (closed.action, "somebody else" in closed.text) == (Action.STOP, True)
    assert client.session.closed


@pytest.mark.parametrize(("memory", "passes"), [(65535, 3), (262145, 3), (65536, 1), (65536, 7), (2**32 - 1, 255)])
def test_a_server_that_asks_for_wrong_costs_gets_no_signature(server, memory, passes):
    server.answers[m.LoginBegin] = m.LoginChallenge(b"s" * 16, memory, passes, "agency")
    client = connected(server)
    client.session.begin_login("agency", "Anna")
    server.pump()
    (closed,) = client.told(events.Closed)
    assert (closed.action, closed.dishonest) == (Action.STOP, True)
    assert f"of {memory * 1024} bytes and {passes} passes" in closed.text
    assert not client.of(m.Login)


@pytest.mark.parametrize("request_class", [m.LoginBegin, m.Login])
def test_a_refused_login_can_be_tried_again(server, request_class):
    server.answers[request_class] = m.Error(ErrorCode.BAD_CREDENTIALS, "wrong", Action.STOP, 7)
    client = connected(server)
    client.session.begin_login("agency", "Anna")
    server.pump()
    failed = events.LoginFailed(ErrorCode.BAD_CREDENTIALS, "wrong", Action.STOP, 7)
    assert client.told(events.LoginFailed) == [failed]
    server.answers.clear()
    client.login()
    assert client.session.phase is Phase.ROOM


@pytest.mark.parametrize(("account", "name"), [("", "Anna"), ("a/b", "Anna"), ("agency", "\u202e"), ("agency", "")])
def test_names_that_cannot_be_such_are_not_sent(server, account, name):
    client = connected(server)
    with pytest.raises(ValueError, match="name"):
        client.session.begin_login(account, name)
    assert client.session.phase is Phase.TRUSTED


@pytest.mark.parametrize("account", ["agency2", "AGENCY", "agenc\u0443"])
def test_a_challenge_for_another_account_is_not_answered(server, account):
    """A server cannot choose the account that is signed for, such as a second account of the user, or an imitation."""
    client = connected(server)
    server.answers[m.LoginBegin] = m.LoginChallenge(b"s" * 16, 65536, 3, account)
    client.session.begin_login("Agency", "Siti")
    server.pump()
    (closed,) = client.told(events.Closed)
    assert closed.action is Action.STOP
    assert not client.told(events.DeriveKey)
    assert not client.of(m.Login)


def test_verbs_out_of_their_phase_are_refused(server):
    client = connected(server)
    session = client.session
    verbs = [
        lambda: session.account_key_derived(None),
        lambda: session.join("room", 0),
        session.leave,
        lambda: session.seat.request(m.Kick(1)),
        lambda: session.seat.send_chat("hello", 0, 0.0),
        lambda: session.seat.downlink.wish(Wishes()),
        lambda: session.seat.downlink.request_keyframe(1, 0, 0.0),
        lambda: session.seat.publishing.publish(m.Kind.AUDIO, m.Source.MICROPHONE, "opus", 0.0),
        lambda: session.seat.publishing.unpublish(1),
        lambda: session.seat.publishing.set_muted(1, True),
        lambda: session.seat.room,
        lambda: session.seat.path.statistics,
        session.network_statistics,
        lambda: session.seat.publications.send_audio(1, b"x", 0, 0.0),
    ]
    for verb in verbs:
        with pytest.raises(Refusal):
            verb()
    assert not session.seated
    assert (session.media_received(), session.datagrams_to_send(0.0)) == ([], [])
    session.receive_datagram(b"x" * 100, 0.0)
    assert not session.drops


def test_garbage_closes_the_session_with_one_typed_event(server):
    client = connected(server)
    client.session.receive_control(b"\x00\x10" + b"x" * 16, server.now)
    server.pump()
    (closed,) = client.told(events.Closed)
    assert (closed.code, closed.action) == (ErrorCode.BAD_FRAME, Action.RECONNECT)
    assert client.of(m.Close)[0].code is ErrorCode.BAD_FRAME
    client.session.receive_control(b"\x00\x10" + b"x" * 16, server.now)
    client.session.receive_eof()
    client.session.handle_timeout(server.now + 100)
    assert client.session.next_event() is None
    assert client.session.next_deadline() is None


def test_what_came_before_garbage_is_delivered(server):
    client = connected(server)
    client.notify(m.Close(ErrorCode.SHUTDOWN, "bye", Action.RECONNECT, 500))
    client.session.receive_control(client.connection.data_to_send() + b"\x00\x01x", server.now)
    client.collect()
    assert client.told(events.Closed) == [events.Closed(ErrorCode.SHUTDOWN, "bye", Action.RECONNECT, 500)]


def test_a_message_out_of_order_closes_the_session(server):
    client = connected(server)
    client.connection._encrypt(b"\x00" + m.encode(m.Welcome(1, "a", "b", "c", bytes(32), m.Limits(1, 1, 1, 1, 1)), 9))
    server.pump()
    assert client.told(events.Closed)[0].code is ErrorCode.UNEXPECTED_MESSAGE


def test_unknown_messages_and_requests_are_ignored(server):
    (client,) = server.seated(1)
    before = list(client.events)
    client.connection._encrypt(b"\x00\x81\xa1t\xa3new")
    client.connection._encrypt(b"\x00\x82\xa1t\xa3new\xa2id\x07")
    client.notify(m.Interest(()))
    server.pump()
    assert client.events == before


def test_a_server_that_says_nothing_during_the_handshake_is_given_up(server):
    client = server.connect()
    assert client.session.control_to_send()
    seen = []
    while (deadline := client.session.next_deadline()) is not None:
        seen.append(deadline - 100.0)
        client.session.handle_timeout(deadline)
    client.collect()
    assert seen == [5.0, 10.0, 15.0]
    assert client.told(events.Closed)[0].code is ErrorCode.IDLE_TIMEOUT
    assert client.session.control_to_send() == b""


def test_control_is_pinged_at_once_and_each_five_seconds_and_dead_after_fifteen(server):
    client = connected(server)
    server.advance(60)
    assert len(client.of(m.Ping)) == 1 + 12
    assert client.session.control_rtt == 0.0
    assert not client.told(events.Closed)
    server.answers[m.Ping] = KEEP
    server.advance(9.9)
    assert not client.told(events.Closed)
    server.advance(10.1)
    assert client.told(events.Closed)[0].code is ErrorCode.IDLE_TIMEOUT


def test_pings_of_the_server_are_answered(server):
    client = connected(server)
    client.connection.request(m.Ping(12345))
    server.pump()
    assert client.replies == [m.Pong(12345)]


def test_a_lost_connection_is_the_end(server):
    client = connected(server)
    client.session.receive_eof()
    client.collect()
    assert client.told(events.Closed)[0].action is Action.RECONNECT


def test_closing_says_goodbye(server):
    (client,) = server.seated(1)
    client.session.close()
    server.pump()
    (farewell,) = client.of(m.Close)
    assert (farewell.code, farewell.action) == (ErrorCode.LEAVING, Action.NONE)
    (closed,) = client.told(events.Closed)
    assert (closed.code, closed.action) == (ErrorCode.LEAVING, Action.STOP)
    client.session.close()
    server.pump()
    assert len(client.told(events.Closed)) == len(client.of(m.Close)) == 1


def test_a_server_that_is_silent_for_too_long_may_be_found_out_while_datagrams_are_taken(server):
    client = connected(server).login()
    assert client.session.datagrams_to_send(server.now + 100.0), "the seat goes on"
    client.collect()
    assert client.told(events.Detached)[-1].code is ErrorCode.IDLE_TIMEOUT
