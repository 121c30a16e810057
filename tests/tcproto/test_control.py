from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base

from tcproto.codec import encode_fields, pack
from tcproto.control import (
    FRAME_DATAGRAM,
    FRAME_MESSAGE,
    MAX_OPEN_REQUESTS,
    PROTOCOL_VERSION,
    ControlConnection,
    Datagram,
    Event,
    HandshakeCompleted,
    Received,
    Replied,
)
from tcproto.errors import CODES, Action, ErrorCode, ProtocolError
from tcproto.framing import LIMIT_BEFORE_LOGIN, MAX_FRAME, encode_frame
from tcproto.messages import (
    ROWS,
    Close,
    Error,
    Login,
    LoginBegin,
    LoginChallenge,
    Ok,
    Ping,
    Pong,
    Resume,
    Resumed,
    Sender,
    Speakers,
    State,
    Unknown,
    Welcome,
    encode,
)
from tcproto.messages.login import ClientHello, ServerHello
from tcproto.messages.registry import Row
from tcproto.noise import CipherState, Initiator, Responder
from tests.message_values import smallest
from tests.mutations import bit_flips, truncations

STATIC = bytes(range(32))
PUBLIC = crypto_scalarmult_base(STATIC)
TAG = 16
LOGIN, WELCOME, CHALLENGE = smallest(Login), smallest(Welcome), smallest(LoginChallenge)


def events(connection: ControlConnection) -> list[Event]:
    return list(iter(connection.next_event, None))


class Pair:
    """A client and a server with an honest stream between them."""

    def __init__(self, **options: Any) -> None:
        self.client = ControlConnection.client(**options)
        self.server = ControlConnection.server(STATIC)

    def to_server(self) -> list[Event]:
        self.server.receive_data(self.client.data_to_send())
        return events(self.server)

    def to_client(self) -> list[Event]:
        self.client.receive_data(self.server.data_to_send())
        return events(self.client)


def connected() -> Pair:
    pair = Pair()
    assert [type(event) for event in (*pair.to_server(), *pair.to_client())] == [HandshakeCompleted] * 2
    return pair


def logged_in() -> Pair:
    pair = connected()
    request_id = pair.client.request(LOGIN)
    assert pair.to_server() == [Received(LOGIN, request_id)]
    pair.server.reply(request_id, WELCOME)
    assert pair.to_client() == [Replied(LOGIN, WELCOME, request_id)]
    return pair


class RawPeer:
    """A peer that speaks Noise and says whatever the test wants."""

    def __init__(self, send: CipherState) -> None:
        self._send = send

    def frame(self, body: bytes) -> bytes:
        return encode_frame(self._send.encrypt(body))

    def message(self, value: object, request_id: int = 0) -> bytes:
        return self.frame(bytes((FRAME_MESSAGE,)) + encode(value, request_id))


def server_and_raw_client() -> tuple[ControlConnection, RawPeer]:
    server = ControlConnection.server(STATIC)
    initiator = Initiator()
    server.receive_data(encode_frame(initiator.write_message(pack(encode_fields(ClientHello((1,)))))))
    assert len(events(server)) == 1
    initiator.read_message(server.data_to_send()[2:])
    return server, RawPeer(initiator.split()[0])


def client_and_raw_server() -> tuple[ControlConnection, RawPeer]:
    client = ControlConnection.client()
    responder = Responder(STATIC)
    responder.read_message(client.data_to_send()[2:])
    client.receive_data(encode_frame(responder.write_message(pack(encode_fields(ServerHello(1, (1,)))))))
    assert len(events(client)) == 1
    return client, RawPeer(responder.split()[0])


def let_in(connection: ControlConnection, peer: RawPeer) -> None:
    """Log in, whichever end the connection is."""
    if connection._role is Sender.SERVER:
        connection.receive_data(peer.message(LOGIN, 1))
        assert events(connection) == [Received(LOGIN, 1)]
        connection.reply(1, WELCOME)
    else:
        request_id = connection.request(LOGIN)
        connection.receive_data(peer.message(WELCOME, request_id))
        assert events(connection) == [Replied(LOGIN, WELCOME, request_id)]
    connection.data_to_send()
    assert connection.authenticated


def fails(connection: ControlConnection, code: ErrorCode, match: str | None = None) -> ProtocolError:
    """The connection fails with the code, for good, and can say so."""
    with pytest.raises(ProtocolError, match=match) as caught:
        events(connection)
    assert caught.value.code is code
    before = connection.buffered
    connection.receive_data(b"\0\x05more!")
    assert connection.buffered == before
    with pytest.raises(ProtocolError) as again:
        connection.next_event()
    assert again.value is caught.value
    connection.close(code, caught.value.detail)
    return caught.value


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
    pair.server.send_datagram(b"sealed")
    assert pair.to_client() == [
        Replied(Ping(3), Pong(3), third),
        Replied(LOGIN, WELCOME, second),
        Received(Ping(4), 1),
        Datagram(b"sealed"),
    ]
    assert pair.client.authenticated
    assert pair.server.authenticated
    pair.client.reply(1, Pong(4))
    pair.client.send_datagram(b"")
    pair.client.close(ErrorCode.SHUTDOWN)
    assert pair.to_server() == [
        Replied(Ping(4), Pong(4), 1),
        Datagram(b""),
        Received(Close(ErrorCode.SHUTDOWN, CODES[ErrorCode.SHUTDOWN].text, Action.RECONNECT), 0),
    ]
    assert pair.client.buffered == pair.server.buffered == 0


def conversation() -> tuple[bytes, list[Event], ControlConnection]:
    """What a client with fixed keys says, what a server makes of it, and a server that has heard nothing yet."""

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


# The handshake (V6, V31)


@pytest.mark.parametrize(
    "hello",
    [b"", b"\xc0", b"\x01", b"\x90", b"\x80", b"\xc1", pack({"versions": 1}), pack({"versions": [70000]}), b"\x80\x80"],
)
def test_bad_hellos(hello: bytes) -> None:
    server = ControlConnection.server(STATIC)
    server.receive_data(encode_frame(Initiator().write_message(hello)))
    fails(server, ErrorCode.BAD_HANDSHAKE)
    client = ControlConnection.client()
    responder = Responder(STATIC)
    responder.read_message(client.data_to_send()[2:])
    client.receive_data(encode_frame(responder.write_message(hello)))
    fails(client, ErrorCode.BAD_HANDSHAKE)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 95, 96, LIMIT_BEFORE_LOGIN])
@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\x09"])
def test_garbage_for_a_handshake(size: int, fill: bytes) -> None:
    for connection in (ControlConnection.server(STATIC), ControlConnection.client()):
        connection.receive_data(encode_frame(fill * size))
        fails(connection, ErrorCode.BAD_HANDSHAKE)


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_for_a_handshake(data: bytes) -> None:
    codes = set()
    for connection in (ControlConnection.server(STATIC), ControlConnection.client()):
        for said in (data, encode_frame(data) if data else b""):
            connection.receive_data(said)
            try:
                events(connection)
            except ProtocolError as error:
                codes.add(error.code)
                break
    assert codes <= {ErrorCode.BAD_FRAME, ErrorCode.BAD_HANDSHAKE}


def test_every_bit_flip_of_the_handshake() -> None:
    first = ControlConnection.client(ephemeral_private=b"i" * 32).data_to_send()
    for spoilt in bit_flips(first):
        server = ControlConnection.server(STATIC, ephemeral_private=b"r" * 32)
        server.receive_data(spoilt)
        try:
            completed = events(server)
        except ProtocolError:
            continue
        if completed:
            # The first message is not authenticated; the client's half of the handshake then fails.
            client = ControlConnection.client(ephemeral_private=b"i" * 32)
            client.receive_data(server.data_to_send())
            fails(client, ErrorCode.BAD_HANDSHAKE)


def test_every_bit_flip_of_the_reply() -> None:
    pair = Pair()
    server = ControlConnection.server(STATIC, ephemeral_private=b"r" * 32)
    server.receive_data(ControlConnection.client(ephemeral_private=b"i" * 32).data_to_send())
    events(server)
    reply = server.data_to_send()
    for spoilt in bit_flips(reply):
        client = ControlConnection.client(ephemeral_private=b"i" * 32)
        client.receive_data(spoilt)
        try:
            assert events(client) == []
        except ProtocolError:
            continue
        assert spoilt[:2] != reply[:2]
    # V6: none of it disturbs another connection.
    assert len(pair.to_server()) == len(pair.to_client()) == 1


def test_a_malformed_peer_does_not_affect_another() -> None:
    good, (bad, peer) = logged_in(), server_and_raw_client()
    for spoilt in (peer.frame(b"\0\xc1"), b"\xff" * 70):
        bad.receive_data(spoilt)
        with pytest.raises(ProtocolError):
            events(bad)
        request_id = good.client.request(Ping(1))
        assert good.to_server() == [Received(Ping(1), request_id)]
        good.server.reply(request_id, Pong(1))
        assert good.to_client() == [Replied(Ping(1), Pong(1), request_id)]


# Frames (V13, V21, V22)


@pytest.mark.parametrize("make", [lambda: ControlConnection.server(STATIC), ControlConnection.client])
def test_an_oversized_first_frame_is_refused_by_its_length(make: Any) -> None:
    for size in (0, LIMIT_BEFORE_LOGIN + 1, MAX_FRAME):
        connection = make()
        connection.receive_data(size.to_bytes(2, "big"))
        fails(connection, ErrorCode.BAD_FRAME)
        assert connection.buffered == 0


def unknown(size: int) -> bytes:
    """A message of an unknown type that makes a frame of ``size`` bytes, 4,095 or more."""

    def message(rest: int) -> bytes:
        return bytes((FRAME_MESSAGE,)) + pack(
            {"t": "x", "parts": [bytes(20000)] * (size // 20500), "rest": bytes(rest)}
        )

    return message(1000 + size - TAG - len(message(1000)))


@pytest.mark.parametrize("make", [server_and_raw_client, client_and_raw_server])
def test_frame_sizes_before_and_after_the_login(make: Any) -> None:
    limit = LIMIT_BEFORE_LOGIN
    for size in (limit - 1, limit, limit + 1):
        connection, peer = make()
        frame = peer.frame(unknown(size))
        assert len(frame) == size + 2
        connection.receive_data(frame)
        if size <= limit:
            assert events(connection) == [Received(Unknown("x"), 0)]
        else:
            fails(connection, ErrorCode.BAD_FRAME)
    connection, peer = make()
    let_in(connection, peer)
    for size in (limit + 1, MAX_FRAME - 1, MAX_FRAME):
        connection.receive_data(peer.frame(unknown(size)))
        assert events(connection) == [Received(Unknown("x"), 0)]


def test_a_large_frame_right_behind_the_welcome_is_read() -> None:
    pair = connected()
    request_id = pair.client.request(LOGIN)
    pair.to_server()
    pair.server.reply(request_id, WELCOME)
    speakers = Speakers(tuple(range(2**32 - 1024, 2**32)))
    pair.server.send(speakers)
    assert pair.to_client() == [Replied(LOGIN, WELCOME, request_id), Received(speakers, 0)]


@pytest.mark.parametrize("make", [server_and_raw_client, client_and_raw_server])
def test_spoilt_frames_behind_the_handshake(make: Any) -> None:
    connection, peer = make()
    frame = peer.message(Ping(1), 1)
    for spoilt in (frame[:-1] + bytes((frame[-1] ^ 1,)), b"\0\x0f" + bytes(15), b"\0\x10" + bytes(16)):
        connection, _ = make()
        connection.receive_data(spoilt)
        fails(connection, ErrorCode.BAD_FRAME)


def test_a_frame_repeated_is_refused() -> None:
    server, peer = server_and_raw_client()
    frame = peer.message(Ping(1), 1)
    server.receive_data(frame * 2)
    assert server.next_event() == Received(Ping(1), 1)
    fails(server, ErrorCode.BAD_FRAME)


@pytest.mark.parametrize("make", [server_and_raw_client, client_and_raw_server])
@pytest.mark.parametrize("authenticated", [False, True])
def test_unknown_frame_types(make: Any, authenticated: bool) -> None:
    for body in (b"", b"\x02", b"\xff" + encode(Ping(1), 1)):
        connection, peer = make()
        if authenticated:
            let_in(connection, peer)
        connection.receive_data(peer.frame(body))
        fails(connection, ErrorCode.BAD_FRAME, "unknown type")


@settings(max_examples=60)
@given(st.binary(max_size=100), st.booleans(), st.sampled_from([server_and_raw_client, client_and_raw_server]))
def test_any_bytes_in_a_frame(body: bytes, authenticated: bool, make: Any) -> None:
    connection, peer = make()
    if authenticated:
        let_in(connection, peer)
    connection.receive_data(peer.frame(body) + peer.frame(b"\0" + body))
    try:
        events(connection)
    except ProtocolError as error:
        connection.close(error.code, error.detail)
    assert connection.data_to_send()


# Every message in every state (V30)


def cases() -> Iterator[tuple[Row, Sender, bool]]:
    for row in ROWS.values():
        for receiver in (Sender.CLIENT, Sender.SERVER):
            for authenticated in (False, True):
                yield row, receiver, authenticated


def make_receiver(receiver: Sender, authenticated: bool) -> tuple[ControlConnection, RawPeer]:
    connection, peer = server_and_raw_client() if receiver is Sender.SERVER else client_and_raw_server()
    if authenticated:
        let_in(connection, peer)
    return connection, peer


@pytest.mark.parametrize(
    ("row", "receiver", "authenticated"),
    list(cases()),
    ids=lambda value: value.name if isinstance(value, Row | Sender) else str(value),
)
def test_every_message_in_every_state(row: Row, receiver: Sender, authenticated: bool) -> None:
    connection, peer = make_receiver(receiver, authenticated)
    message = smallest(row.message)
    request_id = 7 if row.numbered else 0
    connection.receive_data(peer.message(message, request_id))
    allowed = State.LOBBY | State.ROOM if authenticated else State.LOGIN
    if row.sender & ~receiver and not row.reply and row.states & allowed:
        assert events(connection) == [Received(message, request_id)]
    else:
        fails(connection, ErrorCode.UNEXPECTED_MESSAGE)


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.answer], ids=lambda row: row.name)
def test_every_reply_to_every_request(row: Row) -> None:
    for sender in (Sender.CLIENT, Sender.SERVER):
        if not row.sender & sender:
            continue
        for reply in (other for other in ROWS.values() if other.reply and other.sender & ~sender):
            connection, peer = make_receiver(sender, True)
            request, answer = smallest(row.message), smallest(reply.message)
            request_id = connection.request(request)
            said = peer.message(answer, request_id)
            connection.receive_data(said + peer.message(answer, request_id))
            if reply.message in (row.answer, Error):
                assert connection.next_event() == Replied(request, answer, request_id)
                fails(connection, ErrorCode.UNEXPECTED_MESSAGE, "reply to nothing")
            else:
                fails(connection, ErrorCode.UNEXPECTED_MESSAGE, "wrong type")


@pytest.mark.parametrize("make", [server_and_raw_client, client_and_raw_server])
def test_unknown_messages_are_passed_on_in_every_state(make: Any) -> None:
    connection, peer = make()
    frame = bytes((FRAME_MESSAGE,)) + pack({"t": "of_tomorrow", "id": 5})
    connection.receive_data(peer.frame(frame))
    assert events(connection) == [Received(Unknown("of_tomorrow"), 5)]
    let_in(connection, peer)
    connection.receive_data(peer.frame(frame))
    assert events(connection) == [Received(Unknown("of_tomorrow"), 5)]


@pytest.mark.parametrize("make", [server_and_raw_client, client_and_raw_server])
def test_a_datagram_before_and_after_the_login(make: Any) -> None:
    connection, peer = make()
    datagram = bytes((FRAME_DATAGRAM,)) + b"sealed"
    connection.receive_data(peer.frame(datagram))
    fails(connection, ErrorCode.UNEXPECTED_MESSAGE, "datagram before")
    connection, peer = make()
    let_in(connection, peer)
    connection.receive_data(peer.frame(datagram))
    assert events(connection) == [Datagram(b"sealed")]


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
            lambda c=connection: c.send_datagram(b"x"),
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
    with pytest.raises(ValueError, match="plain text"):
        pair.client.send_datagram(bytes(MAX_FRAME - TAG))
    assert pair.client.data_to_send() == pair.server.data_to_send() == b""
    # None of that cost a nonce, or an id.
    assert pair.client.request(Ping(1)) == 2
    pair.client.send_datagram(bytes(MAX_FRAME - TAG - 1))
    assert pair.to_server() == [Received(Ping(1), 2), Datagram(bytes(MAX_FRAME - TAG - 1))]


def test_as_many_requests_as_may_be_open() -> None:
    pair = logged_in()
    ids = [pair.client.request(Ping(n)) for n in range(MAX_OPEN_REQUESTS)]
    with pytest.raises(ValueError, match="too many requests"):
        pair.client.request(Ping(0))
    assert len(pair.to_server()) == MAX_OPEN_REQUESTS
    pair.server.reply(ids[0], Pong(0))
    assert len(pair.to_client()) == 1
    assert pair.client.request(Ping(0)) == ids[-1] + 1


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
