"""The way up is followed, and our publications are told what they may send."""

from __future__ import annotations

import pytest

from tcclient.core import events
from tcclient.core.path.proof import Way
from tcclient.core.rate.allocation import (
    LEAST_PICTURE,
    SOUND_RATES,
    PictureDemand,
    PictureRate,
    SoundDemand,
    SoundRate,
)
from tcclient.core.rate.estimator import START
from tcclient.core.rate.uplink import WAIT
from tcproto.messages import Interest, Kind, LayerInterest, Source
from tests.support.scripted_server import Server

VOICE = SoundDemand(SoundRate(25_200, 20))
CAMERA = PictureDemand((100_000, 316_000), 25)


@pytest.fixture
def server() -> Server:
    return Server()


def film(client, demand=CAMERA):
    number = client.publish(Kind.VIDEO, Source.CAMERA, "vp8", layers=2, demand=demand)
    client.server.advance(4)
    return number


def rates(client, number):
    return [event.rate for event in client.told(events.RateChanged) if event.number == number]


def test_it_begins_with_little_and_stays_so_where_no_report_comes(server: Server) -> None:
    a, _ = server.seated(2)
    number = film(a)
    (first,) = rates(a, number)
    assert first.bitrates[0]
    assert not first.bitrates[1]
    assert a.seat.egress.pace == START
    a.seat.publications.send_video(number, bytes(3000), 0, server.now, keyframe=True)
    server.pump()
    server.advance(WAIT + 1)
    assert rates(a, number) == [first]
    assert a.seat.egress.pace == START


def test_how_another_one_would_begin(server: Server) -> None:
    a, _ = server.seated(2)
    assert a.seat.sharing.first(VOICE, server.now) == VOICE.rate
    camera = a.seat.sharing.first(CAMERA, server.now)
    assert isinstance(camera, PictureRate)
    assert CAMERA.cost(camera.bitrates[0]) <= START
    assert not camera.bitrates[1]


def test_who_encodes_by_himself_is_not_held_up(server: Server) -> None:
    a, _ = server.seated(2)
    number = film(a, demand=None)
    server.advance(1)
    assert a.seat.egress.pace is None
    assert rates(a, number) == []


def test_a_layer_that_nobody_wants_leaves_its_bits_to_others(server: Server) -> None:
    a, _ = server.seated(2)
    number = film(a)
    stream = a.seat.publications.live[number].stream
    a.notify(Interest((LayerInterest(stream, 0, 0, False), LayerInterest(stream, 1, 7, True))))
    server.pump()
    assert rates(a, number)[-1].bitrates[0] == 0
    assert a.told(events.LayersWanted)[-1].layers == (-1, 7)


def test_a_stream_has_no_bound(server: Server) -> None:
    a, _ = server.seated(2)
    a.session.ways = (Way.UDP, Way.STREAM)
    number = film(a)
    a.seat.path.way = Way.STREAM
    a.seat.settle(server.now)
    server.pump()
    assert rates(a, number)[-1] == PictureRate(CAMERA.bitrates)


def test_data_is_saved_also_where_there_is_no_bound(server: Server) -> None:
    a, _ = server.seated(2)
    a.session.ways = (Way.UDP, Way.STREAM)
    a.seat.path.way = Way.STREAM
    a.seat.settle(server.now)
    a.session.data.read(1_000_000)
    a.session.data.cap = round(a.session.data.total * 1.24)
    camera = film(a)
    voice = a.publish(Kind.AUDIO, Source.MICROPHONE, "opus", demand=VOICE)
    server.advance(1)
    assert rates(a, camera)[-1] == PictureRate((0, 0))
    assert rates(a, voice)[-1] == VOICE.rate
    a.session.data.cap = 1
    server.advance(30)
    assert rates(a, voice)[-1] == SOUND_RATES[-1]
    assert a.told(events.SendingLimited) == [], "why is told by the event of the cap"
    a.session.data.cap = 0
    server.advance(30)
    assert rates(a, camera)[-1].bitrates[0]
    assert rates(a, voice)[-1] == VOICE.rate


def test_still_pictures_are_announced(server: Server) -> None:
    a, b = server.seated(2)
    film(a, PictureDemand((8_000, 316_000), 25, stills=True))
    film(a, CAMERA)
    assert [info.stills for info in b.seat.room.publications.values()] == [True, False]


def test_pictures_leave_room_for_the_copies_that_sound_has(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _ = server.seated(2)
    a.publish(Kind.AUDIO, Source.MICROPHONE, "opus", demand=VOICE)
    camera = film(a)
    before = rates(a, camera)[-1].bitrates[0]
    monkeypatch.setattr(type(a.seat.publications), "copies", 1)
    a.seat.sharing.update(server.now)
    server.pump()
    assert CAMERA.cost(rates(a, camera)[-1].bitrates[0]) == pytest.approx(LEAST_PICTURE, rel=0.01)
    assert before > rates(a, camera)[-1].bitrates[0]
