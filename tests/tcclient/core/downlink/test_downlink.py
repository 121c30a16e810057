"""What a session tells of tracks that come less than they could, and of the data that it takes."""

from __future__ import annotations

import pytest

from tcclient.core import events
from tcclient.core.downlink.cause import Cause
from tcclient.core.downlink.data_meter import IP_TCP, IP_UDP, Saving
from tcclient.core.downlink.limits import PATIENCE
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.path.proof import Way
from tcproto.messages import Kind, Source, StreamLimit, StreamState, StreamStates
from tests.support.scripted_server import Server


@pytest.fixture
def server() -> Server:
    return Server()


def limits(client):
    return [(event.track.stream, event.cause) for event in client.told(events.TrackLimited)]


def test_a_camera_that_does_not_come_is_told_with_its_cause(server: Server) -> None:
    a, b = server.seated(2)
    number = b.publish(Kind.VIDEO, Source.CAMERA, "vp8")
    (stream,) = (info.stream for info in a.seat.room.publications.values() if info.number == number)
    server.advance(PATIENCE + 2)
    assert limits(a) == [(stream, Cause.PUBLISHER)]
    a.notify(StreamStates((StreamState(stream, StreamLimit.NOT_SELECTED),)))
    server.pump()
    server.advance(2)
    assert limits(a)[1:] == [(stream, Cause.NOT_SELECTED)]
    assert limits(b) == []
    b.seat.publishing.unpublish(number)
    server.pump()
    server.advance(2)
    assert a.seat.downlink.subscription.not_selected == {}


def test_the_cap_of_the_data_is_told_once_and_what_is_given_up_comes_back(server: Server) -> None:
    a, _ = server.seated(2)
    a.seat.downlink.wish(Wishes((Source.MICROPHONE, Source.CAMERA), voices=4))
    server.pump()
    a.session.data.read(1_000_000)
    a.session.data.cap = round(a.session.data.total * 1.24)
    server.advance(3)
    told = a.told(events.DataCapReached)
    assert [event.percent for event in told] == [80]
    asked = a.seat.downlink.subscription.asked
    assert (asked.defaults, asked.voices) == ((Source.MICROPHONE,), 4)
    assert a.seat.sharing.saving is Saving.PICTURES
    a.session.data.cap = 1
    server.advance(3)
    assert a.told(events.DataCapReached)[-1] == events.DataCapReached(100, 1)
    assert a.seat.downlink.subscription.asked.voices == 1
    a.session.data.cap = 0
    server.advance(3)
    assert a.told(events.DataCapReached)[-1] == events.DataCapReached(0, 0)
    asked = a.seat.downlink.subscription.asked
    assert (asked.defaults, asked.voices) == ((Source.MICROPHONE, Source.CAMERA), 4)


def test_all_that_goes_and_comes_counts(server: Server) -> None:
    (a,) = server.seated(1)
    data = a.session.data

    def used():
        use = data.use(server.now)
        return use.up, use.down

    up, down = used()
    assert up > 0
    assert down > 0
    a.session.receive_datagram(bytes(100), server.now)
    assert used() == (up, down + 100 + IP_UDP)
    a.session.receive_datagram(bytes(100), server.now, Way.STREAM)
    assert used() == (up, down + 200 + IP_UDP + IP_TCP)
    assert a.session.control_to_send() == b""
    assert used()[0] == up
    a.session.hint_network_changed(server.now)
    sent = sum(len(datagram) + IP_UDP for datagram in a.session.datagrams_to_send(server.now))
    sent += sum(len(data) + IP_TCP for data in [a.session.control_to_send()] if data)
    assert sent
    assert used()[0] == up + sent
