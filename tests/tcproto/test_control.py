from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcproto.codec import encode_fields, pack
from tcproto.control import (
    MAX_ASKED,
    MAX_OPEN_REQUESTS,
    PROTOCOL_VERSION,
    ControlConnection,
    Event,
    HandshakeCompleted,
    Received,
    Replied,
)
from tcproto.errors import CODES, Action, ErrorCode, ProtocolError, Refusal
from tcproto.framing import encode_frame
from tcproto.messages import Close, Error, Leave, Login, LoginBegin, Ok, Ping, Pong, Resume, Resumed, Speakers, Welcome
from tcproto.messages.login import ClientHello, ServerHello
from tcproto.noise import Initiator, Responder
from tests.support.message_values import smallest
from tests.support.mutations import truncations
from tests.tcproto.control_pair import (
    CHALLENGE,
    LOGIN,
    PUBLIC,
    STATIC,
    WELCOME,
    Pair,
    connected,
    events,
    fails,
    logged_in,
    server_and_raw_client,
)

# The honest course


def test_a_whole_conversation() -> None:
    pair = Pair(features=("a", "b"), software="client 1")
    (hello,) = pair.to_server()
    assert isinstance(hello, HandshakeCompleted)
    assert hello.hello == ClientHello((PROTOCOL_VERSION,), ("a", "b"), "client 1")
    assert hello.remote_static == b""
    (answer,) = pair.to_client()
    assert isinstance(answer, HandshakeCompleted)
    assert answer.hello == ServerHello(PROTOCOL_VERSION, (PROTOCOL_VERSION,))
    assert answer.remote_static == PUBLIC
    assert answer.handshake_hash == hello.handshake_hash

    first = pair.client.request(LoginBegin("anna"))
    assert pair.to_server() == [Received(LoginBegin("anna"), first)]
    pair.server.reply(first, CHALLENGE)
    assert pair.to_client() == [Replied(LoginBegin("anna"), CHALLENGE, first)]
    second = pair.client.request(LOGIN)
    third = pair.client.request(Ping(3))
    assert not pair.client.authenticated
    assert pair.to_server() == [Received(LOGIN, second), Received(Ping(3), third)]
    # Replies in another order, and requests of the server whose ids are its own.
    pair.server.reply(third, Pong(3))
    pair.server.reply(second, WELCOME)
    assert pair.server.request(Ping(4)) == 1
    assert pair.to_client() == [
        Replied(Ping(3), Pong(3), third),
        Replied(LOGIN, WELCOME, second),
        Received(Ping(4), 1),
    ]
    assert pair.client.authenticated
    assert pair.server.authenticated
    pair.client.reply(1, Pong(4))
    pair.client.close(ErrorCode.SHUTDOWN)
    assert pair.to_server() == [
        Replied(Ping(4), Pong(4), 1),
        Received(Close(ErrorCode.SHUTDOWN, CODES[ErrorCode.SHUTDOWN].text, Action.RECONNECT), 0),
    ]
    assert pair.client.buffered == pair.server.buffered == 0


def conversation() -> tuple[bytes, list[Event], ControlConnection]:
    """Bytes of a client with fixed keys, the answer of a server, and a server that has received nothing yet."""

    def fresh() -> ControlConnection:
        return ControlConnection.server(STATIC, ephemeral_private=b"r" * 32)

    client, server = ControlConnection.client(ephemeral_private=b"i" * 32), fresh()
    said, heard = client.data_to_send(), []
    server.receive_data(said)
    heard += events(server)
    client.receive_data(server.data_to_send())
    events(client)
    for message in (LoginBegin("anna"), LOGIN, Ping(2), Ping(2**64 - 1)):
        client.request(message)
    client.close(ErrorCode.SHUTDOWN)
    rest = client.data_to_send()
    server.receive_data(rest)
    heard += events(server)
    return said + rest, heard, fresh()


def test_byte_by_byte() -> None:
    said, heard, server = conversation()
    got: list[Event] = []
    for i in range(len(said)):
        server.receive_data(said[i : i + 1])
        got += events(server)
    assert got == heard
    assert len(got) == 6


@pytest.mark.parametrize("seed", range(30))
def test_chopped_anyhow(seed: int) -> None:
    rng = random.Random(seed)
    said, heard, server = conversation()
    got: list[Event] = []
    while said:
        size = rng.choice([0, 1, 2, 3, 17, 300])
        server.receive_data(said[:size])
        said = said[size:]
        if rng.random() < 0.7:
            got += events(server)
    assert got + events(server) == heard


def test_every_truncation_waits() -> None:
    said, heard, _ = conversation()
    for cut in truncations(said):
        server = ControlConnection.server(STATIC, ephemeral_private=b"r" * 32)
        server.receive_data(cut)
        got = events(server)
        assert got == heard[: len(got)]
        assert len(got) < len(heard)


def test_what_came_before_the_fault_is_delivered_and_nothing_after_it() -> None:
    server, peer = server_and_raw_client()
    server.receive_data(peer.message(Ping(1), 1) + peer.frame(b"\x07") + peer.message(Ping(2), 2))
    assert server.next_event() == Received(Ping(1), 1)
    fails(server, ErrorCode.BAD_FRAME)


def test_asking_again_after_the_fault_holds_on_to_nothing() -> None:
    server = ControlConnection.server(STATIC)
    server.receive_data(b"\0\0")
    error = fails(server, ErrorCode.BAD_FRAME)
    depths = []
    for _ in range(3):
        with pytest.raises(ProtocolError):
            server.next_event()
        depth, traceback = 0, error.__traceback__
        while traceback is not None:
            depth, traceback = depth + 1, traceback.tb_next
        depths.append(depth)
    assert depths[0] == depths[2]


# Versions


@pytest.mark.parametrize(
    ("client_versions", "server_versions", "chosen"),
    [((1,), (1,), 1), ((1, 2), (1,), 1), ((1,), (1, 2), 1), ((2, 1, 3), (3, 2), 3)],
)
def test_the_highest_common_version_is_spoken(
    client_versions: tuple[int, ...], server_versions: tuple[int, ...], chosen: int
) -> None:
    client = ControlConnection.client(versions=client_versions)
    server = ControlConnection.server(STATIC, versions=server_versions)
    server.receive_data(client.data_to_send())
    assert len(events(server)) == 1
    client.receive_data(server.data_to_send())
    (completed,) = events(client)
    assert isinstance(completed, HandshakeCompleted)
    assert completed.hello.version == chosen


@pytest.mark.parametrize(("client_versions", "server_versions"), [((2,), (1,)), ((1,), (2, 3)), ((), (1,))])
def test_both_learn_that_they_have_no_common_version(
    client_versions: tuple[int, ...], server_versions: tuple[int, ...]
) -> None:
    client = ControlConnection.client(versions=client_versions)
    server = ControlConnection.server(STATIC, versions=server_versions)
    server.receive_data(client.data_to_send())
    fails(server, ErrorCode.UNSUPPORTED_VERSION, "spoken here")
    client.receive_data(server.data_to_send())
    error = fails(client, ErrorCode.UNSUPPORTED_VERSION)
    for version in server_versions:
        assert str(version) in error.detail
    client.receive_data(server.data_to_send())


def test_a_server_may_not_choose_what_was_not_offered() -> None:
    client = ControlConnection.client()
    responder = Responder(STATIC)
    responder.read_message(client.data_to_send()[2:])
    client.receive_data(encode_frame(responder.write_message(pack(encode_fields(ServerHello(2, (1, 2)))))))
    fails(client, ErrorCode.UNSUPPORTED_VERSION)


def test_hellos_of_tomorrow_have_more_fields() -> None:
    server = ControlConnection.server(STATIC)
    hello = {"versions": [9, 1], "features": [], "software": "", "tomorrow": {"x": [1]}}
    server.receive_data(encode_frame(Initiator().write_message(pack(hello))))
    (completed,) = events(server)
    assert isinstance(completed, HandshakeCompleted)
    assert completed.hello.versions == (9, 1)


# Logging in


@pytest.mark.parametrize(("request_", "answer"), [(Login, Welcome), (Resume, Resumed)])
def test_a_login_or_a_resumption_lets_in(request_: type, answer: type) -> None:
    pair = connected()
    request_id = pair.client.request(smallest(request_))
    pair.to_server()
    pair.server.reply(request_id, smallest(answer))
    assert pair.server.authenticated
    pair.to_client()
    assert pair.client.authenticated


@pytest.mark.parametrize("request_", [Login, Resume])
def test_a_refused_login_lets_nobody_in(request_: type) -> None:
    pair = connected()
    error = Error(ErrorCode.BAD_CREDENTIALS, "", Action.STOP)
    request_id = pair.client.request(smallest(request_))
    pair.to_server()
    pair.server.reply(request_id, error)
    assert pair.to_client() == [Replied(smallest(request_), error, request_id)]
    assert not pair.client.authenticated
    assert not pair.server.authenticated
    pair.client.request(LOGIN)
    assert len(pair.to_server()) == 1


# Our own mistakes


def test_nothing_but_the_handshake_is_sent_before_the_channel_stands() -> None:
    for connection in (ControlConnection.client(), ControlConnection.server(STATIC)):
        connection.data_to_send()
        connection.close(ErrorCode.INTERNAL, "nobody hears this")
        for send in (
            lambda c=connection: c.send(Close(ErrorCode.SHUTDOWN, "", Action.STOP)),
            lambda c=connection: c.request(Ping(1)),
            lambda c=connection: c.reply(1, Pong(1)),
        ):
            with pytest.raises(ValueError, match="no channel"):
                send()
        assert connection.data_to_send() == b""


def test_what_is_not_ours_to_send() -> None:
    pair = logged_in()
    with pytest.raises(ValueError, match="not this side's"):
        pair.client.send(Speakers())
    with pytest.raises(ValueError, match="not this side's"):
        pair.server.request(LoginBegin("anna"))
    with pytest.raises(ValueError, match="not this side's"):
        pair.client.reply(1, Ok())
    with pytest.raises(ValueError, match="request id"):
        pair.client.request(Close(ErrorCode.SHUTDOWN, "", Action.STOP))
    with pytest.raises(ValueError, match="request id"):
        pair.client.send(Ping(1))
    with pytest.raises(ValueError, match="u64"):
        pair.client.request(Ping(-1))
    assert pair.client.data_to_send() == pair.server.data_to_send() == b""
    # None of that cost a nonce, or an id.
    assert pair.client.request(Ping(1)) == 2
    assert pair.to_server() == [Received(Ping(1), 2)]


def test_as_many_requests_as_may_be_open() -> None:
    pair = logged_in()
    ids = [pair.client.request(Ping(n)) for n in range(MAX_OPEN_REQUESTS)]
    with pytest.raises(Refusal, match="too many requests"):
        pair.client.request(Ping(0))
    pair.client.ask(Leave())
    assert len(pair.to_server()) == MAX_OPEN_REQUESTS
    pair.server.reply(ids[0], Pong(0))
    assert len(pair.to_client()) == 1
    assert pair.client.request(Ping(0)) == ids[-1] + 1


def test_what_is_asked_again_and_again_waits_for_its_reply() -> None:
    pair = logged_in()
    for n in range(MAX_ASKED + 3):
        pair.client.ask(Ping(n))
    pair.client.ask(Leave())
    first, *others = pair.to_server()
    assert [received.message for received in others] == [*map(Ping, range(1, MAX_ASKED)), Leave()]
    pair.server.reply(first.request_id, Pong(0))
    pair.to_client()
    for n in range(100, 103):
        pair.client.ask(Ping(n))
    assert [received.message for received in pair.to_server()] == [Ping(100)]


@given(st.sampled_from(ErrorCode), st.text(max_size=300), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_close_says_what_can_be_said_of_any_text(code: ErrorCode, text: str, retry: int) -> None:
    pair = connected()
    pair.server.close(code, text, retry)
    (event,) = pair.to_client()
    assert isinstance(event, Received)
    assert isinstance(event.message, Close)
    assert event.message.code is code
    assert event.message.action is CODES[code].action
    assert event.message.retry_after_ms == retry
    if not text:
        assert event.message.text == CODES[code].text
    elif text.isprintable():
        assert event.message.text == text[:256]


def test_data_is_given_out_once() -> None:
    client = ControlConnection.client()
    assert client.data_to_send()
    assert client.data_to_send() == b""
