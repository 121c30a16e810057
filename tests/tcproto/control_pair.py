"""Both ends of a control connection, and ends that may say anything."""

from __future__ import annotations

from typing import Any

import pytest
from nacl.bindings import crypto_scalarmult_base

from tcproto.codec import encode_fields, pack
from tcproto.control import FRAME_MESSAGE, ControlConnection, Event, HandshakeCompleted, Received, Replied
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.framing import encode_frame
from tcproto.messages import Login, LoginChallenge, Sender, Welcome, encode
from tcproto.messages.login import ClientHello, ServerHello
from tcproto.noise import CipherState, Initiator, Responder
from tests.support.message_values import smallest

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
    """A peer that speaks Noise and sends whatever the test wants."""

    def __init__(self, send: CipherState, role: Sender) -> None:
        self.role = role
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
    return server, RawPeer(initiator.split()[0], Sender.CLIENT)


def client_and_raw_server() -> tuple[ControlConnection, RawPeer]:
    client = ControlConnection.client()
    responder = Responder(STATIC)
    responder.read_message(client.data_to_send()[2:])
    client.receive_data(encode_frame(responder.write_message(pack(encode_fields(ServerHello(1, (1,)))))))
    assert len(events(client)) == 1
    return client, RawPeer(responder.split()[0], Sender.SERVER)


def let_in(connection: ControlConnection, peer: RawPeer) -> None:
    """Log in, whichever end the connection is."""
    if peer.role is Sender.CLIENT:
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
