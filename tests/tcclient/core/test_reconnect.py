"""A session that begins again on another connection."""

import pytest

from tcclient.core import Phase, Settings, control_connection, events
from tcclient.core.media.watchdog import SOUND_PATIENCE
from tcproto import messages as m
from tcproto.account import Challenge, verify_account_change, verify_device_login
from tcproto.control import ControlConnection
from tcproto.errors import CODES, Action, ErrorCode, Refusal
from tests.support.scripted_client import STATIC
from tests.support.scripted_server import Server
from tests.support.texting import give, texts, write


def reconnect(server, client):
    """Give a session another connection to the same server, and log in again."""
    client.connection = ControlConnection.server(STATIC)
    client.session.reconnect(control_connection(client.random.randbytes), server.now)


def lost(server):
    """Return a seated client whose connection was lost, and another one."""
    client, other = server.seated(2)
    lose(client)
    return client, other


def lose(client):
    client.had = client.connection.received
    client.session.receive_eof()
    client.collect()


def resumed(server, client, **values):
    """Let a client ask to resume, and answer with these values; return the answer."""
    fields = {
        "participant": client.participant,
        "media_id": client.media_id,
        "epoch": 2,
        "up_key": bytes(32),
        "down_key": bytes(32),
        "resume_token": b"n" * 32,
        "number": client.had,
    }
    reconnect(server, client)
    server.pump()
    answer = server.answers[m.Resume] = m.Resumed(**fields | values)
    client.session.resume()
    server.pump()
    return answer


def test_a_session_is_given_another_connection_after_the_first_was_lost():
    server = Server()
    client, other = lost(server)
    assert client.told(events.Detached)[-1].code is None
    client.session.receive_eof()
    client.collect()
    assert len(client.told(events.Detached)) == 1
    server.remove(client, None)
    client.media_id += 100
    reconnect(server, client)
    assert client.session.phase is Phase.CONNECTING
    assert client.session.seated
    client.login()
    assert client.session.phase is Phase.ROOM
    write(server, other, "again")
    assert texts(client) == ["again"]
    server.advance(6)
    assert client.of(m.Ping), "the other connection is watched as the first was"


def test_a_resume_is_signed_for_this_connection_and_says_what_came():
    server = Server()
    client, other = lost(server)
    resumed(server, client)
    (resume,) = client.of(m.Resume)
    assert (resume.token, resume.device_key) == (b"t" * 32, client.device.public)
    assert verify_device_login(client.device.public, resume.device_signature, client.handshake_hash, "agency")
    assert client.session.phase is Phase.ROOM
    assert client.told(events.Resumed)
    client.notify(m.MuteAsked(other.participant, m.Source.MICROPHONE, True))
    client.notify(m.Speakers())
    server.pump()
    lose(client)
    resumed(server, client)
    again = client.of(m.Resume)[-1]
    assert (again.token, again.last_event) == (b"n" * 32, resume.last_event + 1)


def test_the_password_can_be_changed_on_the_connection_that_resumed():
    server = Server()
    client, _ = lost(server)
    login = client.handshake_hash
    resumed(server, client)
    salt, present, new = client.session.login.password_keys()
    assert present.account == new.account == "agency"
    client.session.login.change_password(client.device, client.device, salt)
    server.pump()
    (change,) = client.of(m.ChangePassword)
    challenge = Challenge(salt, change.memory_kib * 1024, change.passes)
    proof = change.signature, login, "agency", client.device.public, challenge
    assert verify_account_change(client.device.public, *proof), "it is signed for the connection of the login"


def test_who_stopped_speaking_during_an_outage_is_not_waited_for():
    server = Server()
    client, other = server.seated(2)
    other.publish()
    client.notify(m.Speakers((other.participant,)))
    server.pump()
    lose(client)
    client.up_keys[2] = bytes(32)
    resumed(server, client)
    client.received.clear()
    server.advance(2 * SOUND_PATIENCE)
    assert not client.of(m.Subscribe), "there is nothing to repair"
    client.notify(m.Speakers((other.participant,)))
    server.advance(2 * SOUND_PATIENCE)
    assert client.of(m.Subscribe), "now there is"


def test_what_the_server_did_not_get_is_sent_again_before_anything_new():
    server = Server()
    client, _ = lost(server)
    asked = [client.session.seat.request(m.RaiseHand()), client.session.seat.request(m.LowerHand())]
    client.received.clear()
    resumed(server, client, number=client.had + 1)
    assert [type(message) for message in client.received] == [m.Ping, m.Resume, m.LowerHand]
    assert events.RequestDone(asked[1]) in client.events


@pytest.mark.parametrize(
    ("values", "text"),
    [({"participant": 4711}, "another seat"), ({"number": 10_000}, "more messages of ours than we sent")],
)
def test_a_server_that_resumes_something_else_is_not_believed(values, text):
    server = Server()
    client, _ = lost(server)
    resumed(server, client, **values)
    (closed,) = client.told(events.Closed)
    assert closed.dishonest
    assert text in closed.text
    assert not client.session.seated


def test_a_server_that_shows_the_room_as_it_was_before_is_not_believed():
    server = Server()
    client, other = server.seated(2)
    old = server.number
    other.publish()
    lose(client)
    resumed(server, client)
    page = m.Snapshot(old, server.info, tuple(server.members.values()), (), True)
    client.notify(page)
    server.pump()
    assert "as it was before" in client.told(events.Closed)[-1].text


def test_a_client_that_has_forgotten_what_the_server_lacks_begins_anew():
    server = Server()
    client, _ = lost(server)
    resumed(server, client, number=0)  # replies have shown that it had more
    (closed,) = client.told(events.Closed)
    assert (closed.action, closed.dishonest) == (Action.RECONNECT, False)
    assert not client.session.seated


@pytest.mark.parametrize("code", [ErrorCode.CANNOT_RESUME, ErrorCode.INTERNAL, ErrorCode.KICKED])
def test_a_refused_resume_ends_the_seat(code):
    server = Server()
    client, _ = lost(server)
    server.remove(client, None)
    reconnect(server, client)
    server.pump()
    server.answers[m.Resume] = m.Error(code, "no", CODES[code].action)
    client.session.resume()
    server.pump()
    assert not client.session.seated
    if code is ErrorCode.KICKED:
        assert client.told(events.Evicted) == [events.Evicted(code, "no")]
    else:
        assert client.told(events.ResumeFailed) == [events.ResumeFailed(code, "no")]
        client.media_id += 100
        client.login()
        assert client.session.phase is Phase.ROOM


def test_who_resumes_too_often_keeps_the_seat_and_tries_later():
    server = Server()
    client, _ = lost(server)
    reconnect(server, client)
    server.pump()
    server.answers[m.Resume] = m.Error(ErrorCode.RATE_LIMITED, "no", Action.NONE, 1500)
    client.session.resume()
    server.pump()
    assert client.told(events.Detached)[-1] == events.Detached(ErrorCode.RATE_LIMITED, "no", 1500)
    assert client.session.seated
    resumed(server, client)
    assert client.session.phase is Phase.ROOM


def test_without_a_lost_seat_nothing_is_resumed():
    server = Server()
    client = server.connect()
    server.pump()
    with pytest.raises(Refusal) as caught:
        client.session.resume()
    assert caught.value.code is ErrorCode.CANNOT_RESUME


def test_a_goodbye_while_the_connection_is_lost_is_the_end():
    server = Server()
    client, _ = lost(server)
    client.session.close()
    client.collect()
    assert client.told(events.Closed)[-1].code is ErrorCode.LEAVING
    assert client.session.next_deadline() is None


def test_another_server_in_the_same_place_is_noticed_though_none_was_expected_at_first():
    server = Server(settings=Settings())
    client = server.connect()
    server.pump()
    client.session.trust_server(server.now)
    client.login()
    lose(client)
    client.connection = ControlConnection.server(bytes(reversed(STATIC)))
    client.session.reconnect(control_connection(client.random.randbytes), server.now)
    server.pump()
    assert client.told(events.WrongServerKey)
    assert client.told(events.Closed)[-1].action is Action.STOP


def test_a_session_that_has_not_ended_keeps_its_connection():
    server = Server()
    (client,) = server.seated(1)
    with pytest.raises(Refusal) as caught:
        client.session.reconnect(control_connection(client.random.randbytes), server.now)
    assert caught.value.code is ErrorCode.BAD_REQUEST
    assert client.session.phase is Phase.ROOM


def test_a_text_that_was_shown_on_one_connection_is_not_shown_on_the_next():
    server = Server(e2ee=False)
    client, other = server.seated(2)
    write(server, other, "once")
    message = server.chat_log[0][1]
    client.session.receive_eof()
    client.collect()
    server.remove(client, None)
    client.media_id += 100
    reconnect(server, client)
    client.login()
    give(server, client, message)
    assert texts(client) == ["once"]
