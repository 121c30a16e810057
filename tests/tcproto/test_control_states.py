from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tcproto.codec import pack
from tcproto.control import FRAME_MESSAGE, ControlConnection, Received, Replied
from tcproto.errors import ErrorCode
from tcproto.messages import ROWS, Error, Sender, State, Unknown
from tcproto.messages.registry import Row
from tests.support.message_values import smallest
from tests.tcproto.control_pair import RawPeer, client_and_raw_server, events, fails, let_in, server_and_raw_client


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
@pytest.mark.parametrize("authenticated", [False, True])
@pytest.mark.parametrize("body", [b"", b"\x01sealed", b"\x02"], ids=["no type", "type 1", "type 2"])
def test_no_frame_has_another_type(make: Any, authenticated: bool, body: bytes) -> None:
    connection, peer = make()
    if authenticated:
        let_in(connection, peer)
    connection.receive_data(peer.frame(body))
    fails(connection, ErrorCode.BAD_FRAME, "unknown type")
