"""A session that begins again on another connection."""

import pytest

from tcclient.core import Phase, control_connection, events
from tcproto import messages as m
from tcproto.control import ControlConnection
from tcproto.errors import ErrorCode, Refusal
from tests.support.scripted_client import STATIC
from tests.support.scripted_server import Server
from tests.support.texting import give, texts, write


def reconnect(server, client):
    """Give a session another connection to the same server, and log in again."""
    client.connection = ControlConnection.server(STATIC)
    client.session.reconnect(control_connection(client.random.randbytes), server.now)


def test_a_session_is_given_another_connection_after_the_first_was_lost():
    server = Server()
    client, other = server.seated(2)
    client.session.receive_eof()
    client.collect()
    assert client.told(events.Closed)[-1].code is None
    assert client.session.next_deadline() is None
    server.remove(client, None)
    client.media_id += 100
    reconnect(server, client)
    assert client.session.phase is Phase.CONNECTING
    client.login()
    assert client.session.phase is Phase.ROOM
    write(server, other, "again")
    assert texts(client) == ["again"]
    server.advance(6)
    assert client.of(m.Ping), "the other connection is watched as the first was"


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
