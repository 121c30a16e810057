from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcproto.codec import pack
from tcproto.control import FRAME_MESSAGE, ControlConnection, Received, Replied
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.framing import LIMIT_BEFORE_LOGIN, MAX_FRAME, encode_frame
from tcproto.messages import Ping, Pong, Speakers, Unknown, encode
from tcproto.noise import Initiator, Responder
from tests.support.mutations import bit_flips
from tests.tcproto.control_pair import (
    LOGIN,
    STATIC,
    TAG,
    WELCOME,
    Pair,
    client_and_raw_server,
    connected,
    events,
    fails,
    let_in,
    logged_in,
    server_and_raw_client,
)

# The handshake


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
    # None of it disturbs another connection.
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


# Frames


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
