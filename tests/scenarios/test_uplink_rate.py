"""The way up in virtual time: the server reports arrivals, and the client estimates what the way carries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcclient.core import events
from tcclient.core.path.proof import Way
from tcclient.core.rate.allocation import PictureDemand, SendingLimit
from tcclient.core.rate.estimator import LEAST
from tcclient.core.rate.sharing import LIMIT_TOLD
from tcclient.publication import MAX_BACKLOG
from tcproto.messages import Kind, Source
from tcserver.media.interface import WORKER_MASK
from tests.support.simulation.client import Client
from tests.support.simulation.network import Conditions
from tests.support.simulation.world import World

WAN = Conditions(delay=0.04)
VOICE = 40e3
"""Bits per second of a voice of the simulation, roughly, with all headers."""


def talking(world: World, up: Conditions = WAN) -> Client:
    ada = world.client("Ada", up)
    ben = world.client("Ben", WAN, microphone=False)
    world.until(lambda: world.ready(ada, ben))
    ada.talk()
    return ada


def test_who_sends_learns_what_the_way_carries_and_who_does_not_asks_nothing() -> None:
    world = World(1)
    ada = talking(world)
    ben = world.clients[1]
    world.run(5)
    rate = ada.session.seat.uplink_rate
    assert rate.bitrate is not None
    assert rate.bitrate > VOICE
    assert rate.estimator.received == pytest.approx(VOICE, rel=0.5)
    assert ben.session.seat.uplink_rate.bitrate is None


@pytest.mark.parametrize("lost", [False, True])
def test_the_worker_of_a_seat_reports_its_arrivals(lost: bool) -> None:
    """A worker that is replaced knows of no request, and counters begin anew: the client asks again."""
    world = World(11, server__workers=2, server__room_spread=1)
    ada = world.client("Ada", WAN)
    ben = world.client("Ben", WAN)
    world.until(lambda: world.ready(ada, ben))
    assert len({client.session.seat.path.media_id & WORKER_MASK for client in (ada, ben)}) == 2
    ada.talk()
    ben.talk()
    world.run(3)
    if lost:
        for worker in (0, 1):
            world.server.replace_worker(worker)
        world.run(3)
    for client in (ada, ben):
        client.up.conditions = Conditions(delay=0.04, rate=VOICE / 2, queue=1.0)
    world.run(2)
    for client in (ada, ben):
        rate = client.session.seat.uplink_rate
        assert rate.bitrate == LEAST
        assert rate.estimator.is_congested


def test_a_way_that_becomes_narrow_is_noticed_within_two_seconds() -> None:
    world = World(2)
    ada = talking(world)
    world.run(3)
    ada.up.conditions = Conditions(delay=0.04, rate=VOICE / 2, queue=1.0)
    world.run(2)
    rate = ada.session.seat.uplink_rate
    assert rate.estimator.is_congested
    assert rate.bitrate is not None
    assert rate.bitrate == LEAST


def test_loss_of_the_way_down_is_none_of_the_way_up() -> None:
    world = World(3)
    ada = talking(world)
    ada.down.conditions = Conditions(delay=0.04, loss=0.2)
    world.run(20)
    assert ada.session.seat.uplink_rate.estimator.loss < 0.01


def test_a_stream_is_not_measured() -> None:
    world = World(4)
    ada = world.client("Ada", WAN, ways=(Way.UDP, Way.STREAM))
    world.until(lambda: world.ready(ada))
    ada.talk()
    world.run(3)
    assert ada.session.seat.uplink_rate.bitrate is not None
    ada.up.conditions = Conditions(blocked=True)
    world.until(lambda: ada.way is Way.STREAM)
    world.run(1)
    assert ada.session.seat.uplink_rate.bitrate is None


class Film:
    """A camera whose encoder does what it is told: at each rate a picture in 40 ms, and a keyframe at first."""

    def __init__(self, world: World, client: Client, bitrate: int = 600_000) -> None:
        demand = PictureDemand((bitrate,), 25)
        self.number = client.publish(Kind.VIDEO, Source.CAMERA, "vp8", width=640, height=360, demand=demand)
        self.sent = self.held_back = 0
        self._client = client
        world.until(lambda: client.session.seat.publications.can_send(self.number))
        self._film(world.now, 0)

    @property
    def bitrate(self) -> int:
        """Bits per second that it was told last."""
        told = [event.rate for event in self._client.told(events.RateChanged) if event.number == self.number]
        return told[-1].bitrates[0]

    def _film(self, start: float, n: int) -> None:
        if self._client.session.seat.egress.backlog > MAX_BACKLOG:
            self.held_back += 1
        elif self.bitrate:
            size = self.bitrate // 25 // 8 * (1 if self.sent else 15)
            self._client.show(self.number, bytes(size), n * 3600, keyframe=not self.sent)
            self.sent += 1
        self._client.clock.at(start + (n + 1) * 0.04, lambda: self._film(start, n + 1))


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_voice_and_camera_fill_a_thin_way_and_no_more(loss: float) -> None:
    world = World(5)
    thin = Conditions(delay=0.04, rate=256e3, queue=1.0)
    ada = talking(world, thin)
    film = Film(world, ada)
    ada.up.conditions = replace(thin, loss=loss)
    world.run(8)
    sent, queues = ada.up.bytes, []
    for _ in range(1000):
        world.run(0.01)
        queues.append(ada.up.wait)
    assert 8 * (ada.up.bytes - sent) / 10 > 0.85 * 256e3
    assert sorted(queues)[950] < (0.2 if loss else 0.1)
    assert ada.unsent == 0
    assert film.sent > (280 if loss else 400)


def test_pictures_fill_no_thin_way_of_which_no_report_comes() -> None:
    world = World(15)
    ada = talking(world, Conditions(delay=0.04, rate=256e3, queue=1.0))
    ada.session.seat.path.take_report = lambda value, now: None
    film = Film(world, ada)
    for _ in range(1000):
        world.run(0.01)
        assert ada.up.wait < 0.2
    assert film.sent > 200
    assert ada.session.seat.uplink_rate.bitrate is None


def test_a_good_way_carries_all_soon() -> None:
    world = World(6)
    film = Film(world, talking(world, Conditions(delay=0.02)))
    world.until(lambda: film.bitrate == 600_000, 2.0)


def test_who_sends_less_than_he_would_for_a_while_is_told_why() -> None:
    world = World(12)
    ada = talking(world, Conditions(delay=0.02, rate=5e6, queue=1.0))
    Film(world, ada)
    world.run(2 * LIMIT_TOLD)
    assert not ada.told(events.SendingLimited), "the few bits of the beginning are no limit"
    ada.up.change(rate=256e3)
    world.run(2 * LIMIT_TOLD)
    ada.up.change(rate=5e6)
    world.run(4 * LIMIT_TOLD)
    assert [told.limit for told in ada.told(events.SendingLimited)] == [SendingLimit.UPLINK, None]


def test_the_cap_of_the_server_is_told_until_nothing_is_sent_any_more() -> None:
    world = World(13, media__video_kbit_s=300)
    ada = talking(world, Conditions(delay=0.02))
    film = Film(world, ada)
    world.run(2 * LIMIT_TOLD)
    assert film.bitrate < 300_000
    ada.session.seat.publishing.unpublish(film.number)
    ada.pump()
    world.run(2 * LIMIT_TOLD)
    assert [told.limit for told in ada.told(events.SendingLimited)] == [SendingLimit.SERVER, None]


def test_a_way_that_falls_is_followed_within_four_seconds() -> None:
    world = World(7)
    ada = talking(world, Conditions(delay=0.04, rate=2.5e6, queue=1.0))
    film = Film(world, ada, 2_000_000)
    world.run(10)
    assert film.bitrate > 1_800_000
    ada.up.change(rate=600e3)
    world.run(4)
    assert ada.up.wait < 0.1
    assert film.bitrate < 600e3


def test_loss_of_the_way_up_is_none_of_those_who_receive() -> None:
    """Forward numbers are those of the server: what never came there is not missing on the way down."""
    world = World(8)
    ada = talking(world)
    film = Film(world, ada)
    ben = world.clients[1]
    ada.up.conditions = replace(WAN, loss=0.2)
    world.run(10)
    assert ada.session.seat.uplink_rate.estimator.loss > 0.1
    assert ben.session.seat.downlink.losses.share()[0] == 0.0
    assert film.sent


class Drawing:
    """A camera that sees little change: its smaller layer is far below its rate, so that nothing shows what fits."""

    def __init__(self, world: World, client: Client) -> None:
        demand = PictureDemand((100_000, 600_000), 25)
        self.number = client.publish(Kind.VIDEO, Source.CAMERA, "vp8", layers=2, width=640, height=360, demand=demand)
        self.begun: list[float] = []
        """When the larger layer was begun."""
        self._world, self._client = world, client
        world.until(lambda: client.session.seat.publications.can_send(self.number))
        self._draw(world.now, 0, False)

    @property
    def is_large(self) -> bool:
        """Whether the larger layer is sent."""
        told = [event.rate for event in self._client.told(events.RateChanged) if event.number == self.number]
        return told[-1].bitrates[1] > 0

    def _draw(self, start: float, n: int, was_large: bool) -> None:
        is_large = self.is_large
        if is_large and not was_large:
            self.begun.append(self._world.now - start)
        self._client.show(self.number, bytes(150), n * 3600, keyframe=not n)
        if is_large:
            self._client.show(self.number, bytes(2_500), n * 3600, keyframe=not was_large, spatial=1)
        self._client.clock.at(start + (n + 1) * 0.04, lambda: self._draw(start, n + 1, is_large))


def test_a_way_of_which_little_is_used_is_tried_for_more() -> None:
    world = World(9)
    drawing = Drawing(world, talking(world, Conditions(delay=0.02)))
    world.until(lambda: drawing.is_large, 8.0)
    world.run(20)
    assert drawing.is_large
    assert len(drawing.begun) == 1


@pytest.mark.no_cover  # it is long
def test_a_way_that_does_not_carry_more_is_tried_less_and_less() -> None:
    world = World(10)
    ada = talking(world, Conditions(delay=0.02, rate=300e3, queue=1.0))
    drawing, queues = Drawing(world, ada), []
    for _ in range(9_000):
        world.run(0.01)
        queues.append(ada.up.wait)
    assert not drawing.is_large
    assert 1 <= len(drawing.begun) <= 5, drawing.begun
    assert sorted(queues)[8_100] < 0.1
