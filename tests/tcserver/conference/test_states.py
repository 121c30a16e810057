"""Every message in every state, and what happens at the worst moment."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcserver.conference import Disconnect, Send
from tcserver.conference.dispatch import COMMANDS
from tcserver.conference.login.connections import MAX_UNANSWERED_PINGS
from tcserver.media.interface import CloseRoom, CloseSeat
from tests.support.conference.driver import Driver, error_code

LOGIN, LOBBY, ROOM = m.State.LOGIN, m.State.LOBBY, m.State.ROOM
SAMPLES = {
    "ping": m.Ping(1),
    "pong": m.Pong(1),
    "close": m.Close(ErrorCode.INTERNAL, "bye", Action.STOP),
    "probe": m.Probe(),
    "login_begin": m.LoginBegin("dinkes"),
    "login": m.Login("dinkes", "x", bytes(32), bytes(64), bytes(64)),
    "resume": m.Resume(bytes(32), bytes(32), bytes(64), 0),
    "open_room": m.OpenRoom("room"),
    "join": m.Join("room", bytes(16), bytes(32), 0, bytes(64)),
    "leave": m.Leave(),
    "get_snapshot": m.GetSnapshot(),
    "publish": m.Publish(1, m.Kind.AUDIO, m.Source.MICROPHONE, "opus"),
    "unpublish": m.Unpublish(1),
    "mute": m.Mute(1, True),
    "subscribe": m.Subscribe(0, ()),
    "keyframe_request": m.KeyframeRequest(1),
    "key_boxes": m.KeyBoxes((m.AddressedBox(1, b""),)),
    "key_receipts": m.KeyReceipts((m.KeyReceipt(1, 1),)),
    "own_quality": m.OwnQuality(m.Quality.GOOD),
    "chat": m.Chat(bytes(16), m.ChatScope.ROOM, sealed=b"x"),
    "set_role": m.SetRole(1, m.Role.CHAIR),
    "kick": m.Kick(1),
    "raise_hand": m.RaiseHand(),
    "lower_hand": m.LowerHand(),
    "mute_other": m.MuteOther(0, m.Source.MICROPHONE, True),
    "change_password": m.ChangePassword(bytes(16), 0, 0, bytes(32), bytes(64)),
    "update_room": m.UpdateRoom(),
    "lock_room": m.LockRoom(True),
    "set_audio_only": m.SetAudioOnly(True),
    "close_room": m.CloseRoom(),
}


def sample(name):
    # What only the server sends is refused unread.
    return SAMPLES[name] if name in SAMPLES else object.__new__(m.ROWS[name].message)


def in_state(driver, state):
    if state is LOGIN:
        return driver.client()
    return driver.user() if state is LOBBY else driver.participant()


def test_every_message_of_a_client_is_served():
    sent = {row.message for row in m.ROWS.values() if row.sender & m.Sender.CLIENT}
    assert sent == set(COMMANDS) == {type(message) for message in SAMPLES.values()}


@pytest.mark.parametrize("state", [LOGIN, LOBBY, ROOM])
@pytest.mark.parametrize("name", m.ROWS)
def test_every_message_in_every_state(name, state):
    driver = Driver()
    bystander = driver.participant()
    client = in_state(driver, state)
    row, message = m.ROWS[name], sample(name)
    is_login = row.states is LOGIN
    if not row.sender & m.Sender.CLIENT or (not row.states & state and (is_login or state is LOGIN)):
        driver.receive(client, message, 5)
        assert client.closed.code is ErrorCode.UNEXPECTED_MESSAGE
        assert client.is_gone
    elif row.answer is None:
        client.tell(message)
        assert client.is_gone == (name == "close")
        if not row.states & state:
            assert driver.conference.counters["notification_not_in_room"] == 1
    else:
        client.send(message)
        driver.advance(0.26)
        reply = client.replies[client.requests]
        if not row.states & state:
            wrong = ErrorCode.NOT_IN_ROOM if state is LOBBY else ErrorCode.ALREADY_IN_ROOM
            assert error_code(reply) is wrong
        assert not client.is_gone
    assert not bystander.is_gone
    assert client.open == {}
    driver.check()


@pytest.mark.parametrize("state", [LOGIN, LOBBY, ROOM])
def test_unknown_messages(state):
    driver = Driver()
    client = in_state(driver, state)
    client.open[99] = m.Leave()
    driver.receive(client, m.Unknown("fly"), 99)
    assert error_code(client.replies[99]) is ErrorCode.BAD_REQUEST
    driver.receive(client, m.Unknown("fly"), 0)
    assert driver.conference.counters["notification_bad_request"] == 1
    assert not client.is_gone


def test_message_before_the_handshake_is_over():
    driver = Driver()
    conference = driver.conference
    conference.connected(77, "10.0.0.1", driver.now)
    ended, logged = conference.received(77, m.Envelope(m.Ping(1), 1), driver.now)
    assert ended == Disconnect(77)
    assert (logged.name, logged.fields["reason"]) == ("connection_ended", ErrorCode.UNEXPECTED_MESSAGE)
    assert conference.handshake_done(77, bytes(64), driver.now) == []


def test_what_comes_after_the_end_is_ignored():
    driver = Driver()
    client = driver.participant()
    client.tell(m.Close(ErrorCode.INTERNAL, "", Action.NONE))
    conference, number = driver.conference, client.connection
    assert conference.received(number, m.Envelope(m.Ping(1), 1), driver.now) == []
    assert conference.disconnected(number, driver.now) == []
    assert conference.hang_up(number, ErrorCode.BAD_FRAME, driver.now) == []
    assert conference.account_found(number, None, driver.now) == []


def test_shell_can_close_a_connection_with_a_reason():
    driver = Driver()
    client = driver.participant()
    driver.apply(driver.conference.hang_up(client.connection, ErrorCode.SLOW_CONSUMER, driver.now, "1 MiB waits"))
    assert (client.closed.code, client.closed.text) == (ErrorCode.SLOW_CONSUMER, "1 MiB waits")
    assert driver.conference.counters["closed_slow_consumer"] == 1
    driver.check()


@pytest.mark.parametrize("name", [name for name in SAMPLES if m.ROWS[name].states & ROOM])
def test_disconnect_between_a_message_and_its_effects(name):
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    driver.hold_seats = driver.hold_writes = True
    conference = driver.conference
    request = 1_000 if m.ROWS[name].answer else 0
    effects = conference.received(client.connection, m.Envelope(SAMPLES[name], request), driver.now)
    after = conference.disconnected(client.connection, driver.now)
    assert not [e for e in after if isinstance(e, Send | Disconnect) and e.connection == client.connection]
    driver.apply([e for e in effects if not (isinstance(e, Send | Disconnect) and e.connection == client.connection)])
    client.is_gone = True
    driver.apply(after)
    driver.advance(1)
    if name != "close_room":
        assert other.view.members.keys() == {other.participant}
    driver.check()


def test_disconnect_of_all_at_once():
    driver = Driver()
    clients = [driver.participant() for _ in range(20)]
    for client in clients:
        client.publish()
        client.subscribe(m.Source.MICROPHONE)
    for client in clients:
        client.drop()
    driver.check()
    driver.advance(20)
    assert driver.conference.rooms == 0
    assert driver.plane.streams == {}
    driver.check()


def test_silent_client_is_pinged_then_given_up():
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(60)
    assert not client.is_gone, "it answers pings"
    driver.conference._connections.get(client.connection).last_heard = driver.now
    pings = []
    end = driver.now + 30
    while not client.is_gone and driver.now < end:
        driver.now = max(driver.now, driver.conference.next_deadline())
        for effect in driver.conference.timeout(driver.now):
            if isinstance(effect, Send) and effect.connection == client.connection:
                pings.append(effect.message)
                if isinstance(effect.message, m.Close):
                    client.is_gone = True
            elif not (isinstance(effect, Disconnect) and effect.connection == client.connection):
                driver.apply([effect])
    assert [type(message) for message in pings].count(m.Ping) == 2
    assert pings[-1].code is ErrorCode.IDLE_TIMEOUT
    assert pings[-1].action is Action.RESUME
    assert not other.is_gone
    driver.check()


def test_a_client_that_speaks_and_answers_no_ping_is_not_sent_ever_more():
    driver = Driver()
    client = driver.participant()
    conference, number = driver.conference, client.connection
    pings = 0
    for _ in range(2000):
        driver.now = max(driver.now, conference.next_deadline())
        for effect in conference.timeout(driver.now):
            if isinstance(effect, Send) and isinstance(effect.message, m.Ping):
                pings += 1
                owed = effect.request_id
            else:
                driver.apply([effect])
        conference.received(number, m.Envelope(m.KeyReceipts(()), 0), driver.now)
    assert pings == MAX_UNANSWERED_PINGS
    assert not client.is_gone
    conference.received(number, m.Envelope(m.Pong(0), owed), driver.now)
    assert conference._connections.get(number).unanswered == MAX_UNANSWERED_PINGS - 1


def test_who_is_stopped_for_twenty_seconds_gives_nobody_up():
    driver = Driver()
    clients = [driver.participant(), driver.user(), driver.client()]
    driver.advance(7)
    driver.now += 20
    driver.apply(driver.conference.timeout(driver.now))
    assert driver.logged[-1].name == "stood_still"
    assert driver.logged[-1].fields["ms"] > 17_000
    assert not any(client.is_gone for client in clients)
    driver.advance(0.9)
    assert not any(client.is_gone for client in clients), "what they have sent meanwhile is read first"
    driver.advance(10)
    assert [client.is_gone for client in clients] == [False, False, True], "the login goes on to be awaited"
    driver.check()


def test_the_end_of_each_seat_is_logged_with_its_reason():
    driver = Driver()
    clients = [driver.participant(account=f"a{i}") for i in range(5)]
    clients[0].ask(m.Leave())
    clients[1].drop()
    clients[2].tell(m.Close(ErrorCode.LEAVING, "bye", Action.NONE))
    chair = driver.participant(account="a6")
    room = driver.rooms.by_number(1)
    driver.rooms.close(room, driver.now)
    driver.apply(driver.conference.context.outbox.take())
    told = [(line.fields["account"], line.fields["reason"]) for line in driver.logged if line.name == "left"]
    assert told == [
        ("a0", "left"), ("a1", "connection_lost"), ("a2", "goodbye"),
        ("a3", "room_closed"), ("a4", "room_closed"), ("a6", "room_closed"),
    ]  # fmt: skip
    assert not chair.is_gone


def test_shutdown_tells_everybody_and_closes_everything():
    driver = Driver()
    clients = [driver.client(), driver.user(), driver.participant(), driver.participant()]
    driver.user().ask(m.OpenRoom("empty"))
    driver.apply(driver.conference.shutdown("new version", 5000, driver.now))
    for client in clients:
        assert (client.closed.code, client.closed.text) == (ErrorCode.SHUTDOWN, "new version")
        assert (client.closed.action, client.closed.retry_after_ms) == (Action.RECONNECT, 5000)
    assert not driver.conference.may_connect()
    assert driver.plane.rooms == driver.plane.seats == driver.plane.streams == {}
    closes = [type(c) for c in driver.plane.log if isinstance(c, CloseRoom | CloseSeat)]
    assert closes == [CloseSeat, CloseSeat, CloseRoom, CloseRoom]
    assert driver.conference.next_deadline() is None
    driver.check()
