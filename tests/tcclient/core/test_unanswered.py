"""A server that leaves requests without a reply, and sends other messages: no timer raises, and nothing grows."""

import pytest

from tcclient.core import events
from tcclient.core.downlink.subscription import Wishes
from tcproto import messages as m
from tcproto.control import MAX_ASKED, MAX_OPEN_REQUESTS
from tcproto.errors import Refusal
from tests.support.scripted_server import KEEP, Server


def talking(server, client, seconds, step=1.0):
    """Let time pass, while the server goes on sending, so that the connection lives."""
    for _ in range(round(seconds / step)):
        server.advance(step)
        client.notify(m.KeyReceipts(()))
        server.pump()


def test_pings_without_a_pong_are_not_followed_by_more():
    server = Server()
    (client,) = server.seated(1)
    client.received.clear()
    server.answers[m.Ping] = KEEP
    talking(server, client, 5.0 * (MAX_OPEN_REQUESTS + 10), 5.0)
    assert len(client.of(m.Ping)) == MAX_ASKED
    assert not client.told(events.Closed)
    client.session.seat.request(m.CloseRoom())


def test_a_snapshot_that_does_not_come_is_asked_for_a_few_times():
    server = Server()
    (client,) = server.seated(1)
    server.answers[m.GetSnapshot] = KEEP
    client.notify(m.RoomChanges(server.number + 5, ()))
    talking(server, client, 2.0 * (MAX_OPEN_REQUESTS + 10), 2.0)
    assert len(client.of(m.GetSnapshot)) == MAX_ASKED
    assert not client.told(events.Closed)


@pytest.mark.parametrize(
    "verb",
    [
        lambda client: client.session.seat.request(m.CloseRoom()),
        lambda client: client.session.seat.send_chat("hello", 5, client.server.now),
        lambda client: client.session.seat.downlink.wish(Wishes()),
        lambda client: client.session.seat.publishing.publish(
            m.Kind.AUDIO, m.Source.MICROPHONE, "opus", client.server.now
        ),
    ],
    ids=["request", "chat", "subscribe", "publish"],
)
def test_verbs_are_refused_while_too_many_requests_wait(verb):
    server = Server()
    client, other = server.seated(2)
    client.session.seat.send_chat("before", 5, server.now)
    server.pump()
    server.answers[m.CloseRoom] = KEEP
    for _ in range(MAX_OPEN_REQUESTS):
        ids = client.session.seat.request(m.CloseRoom())
    texts, publications = dict(client.seat.texts._unanswered), dict(client.seat.publications.live)
    for _ in range(3):
        with pytest.raises(Refusal, match="too many requests"):
            verb(client)
    assert (client.seat.texts._unanswered, client.seat.publications.live) == (texts, publications)
    talking(server, client, 60)
    assert not client.told(events.Closed)
    client.connection.reply(ids, m.Ok())
    server.pump()
    client.session.seat.send_chat("after", 5, server.now)
    server.pump()
    assert [event.text for event in other.told(events.ChatReceived)] == ["before", "after"]
    assert not other.told(events.TextMissing), "what was refused here was never sent"


def test_a_seat_is_given_up_whether_or_not_that_can_be_told():
    server = Server()
    (client,) = server.seated(1)
    server.answers[m.CloseRoom] = KEEP
    for _ in range(MAX_OPEN_REQUESTS):
        client.session.seat.request(m.CloseRoom())
    client.session.leave()
    client.collect()
    assert client.told(events.Left)


def test_the_round_trip_is_measured_by_our_own_clock():
    server = Server()
    server.answers[m.Ping] = m.Pong(2**64 - 1)
    (client,) = server.seated(1)
    server.advance(6)
    assert client.session.control_rtt == pytest.approx(0.0, abs=1e-3)
