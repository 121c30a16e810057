"""Keys change with time, and no packet is lost. The keys live through whole days while the clock runs for minutes."""

import pytest

from tcclient.core import PathState, events
from tcserver.media.interface import SeatRekeyDue
from tests.support.simulation.network import LAN


def shorten(monkeypatch, lifetime):
    """Let the keys of seats and sealers live for so many seconds in place of a day."""
    monkeypatch.setattr("tcserver.media.forwarding.seat.KEY_LIFETIME", lifetime)
    monkeypatch.setattr("tcserver.media.forwarding.sealer.KEY_LIFETIME", lifetime)
    monkeypatch.setattr("tcserver.conference.room.sealer.KEY_LIFETIME", lifetime)


@pytest.mark.parametrize("tcp_delay", [0.001, 0.3])
def test_new_keys_of_seats_and_sealers_cost_no_packet(make_world, monkeypatch, tcp_delay):
    """Ten of the days after which both keys change, as 30 s each."""
    shorten(monkeypatch, 30.0)
    world = make_world()
    ada, ben = world.room("ada", "ben", conditions=LAN, tcp_delay=tcp_delay)
    world.run(1)
    ada.talk(every=0.1)
    ben.talk(every=0.1)
    world.run(300)
    ada.hush()
    ben.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert ada.heard_from(ben) == ben.spoken
    assert not ada.unsent
    assert not ben.unsent
    (room,) = world.server.plane.rooms.values()
    assert room.sealer.epoch >= 9
    assert ada.session.seat.egress.epoch >= 8


@pytest.mark.parametrize("seconds", [5, 13])
def test_new_keys_of_a_seat_in_a_tcp_outage_wait_for_it(make_world, monkeypatch, seconds):
    """The server cannot send the new keys, so it uses those that the client has, also for longer than the overlap."""
    monkeypatch.setattr("tcserver.media.forwarding.seat.KEY_LIFETIME", 12.0)
    world = make_world()
    ada, ben = world.room("ada", "ben")
    world.run(11)
    ada.talk()
    ben.talk()
    ada.outage(seconds)
    world.run(seconds - 0.5)
    assert [due.media_id for due in world.server.events if isinstance(due, SeatRekeyDue)]
    assert ada.session.seat.egress.epoch == 0
    world.run(5)
    ada.hush()
    ben.hush()
    world.run(1)
    assert ada.session.seat.egress.epoch >= 1
    assert ben.heard_from(ada) == ada.spoken
    assert ada.heard_from(ben) == ben.spoken
    assert not ada.unsent
    assert [changed.state for changed in ada.told(events.PathChanged)] == [PathState.OK]


def test_every_epoch_number_comes_round(make_world, monkeypatch):
    """The 8 bits of the epoch wrap: 300 keys of a sealer. Two keys of the same number are at least 256 s apart."""
    shorten(monkeypatch, 3.0)
    world = make_world()
    ada, ben = world.room("ada", "ben")
    world.run(1)
    ada.talk(every=0.5)
    world.run(900)
    ada.hush()
    world.run(1)
    (room,) = world.server.plane.rooms.values()
    assert room.sealer.epoch < 200, "it has come round"
    assert ben.heard_from(ada) == ada.spoken
    assert not ada.unsent


def test_a_silent_member_ratchets_and_is_heard_after_an_hour(world):
    """There is a ratchet each ten minutes, and beacons move receivers along."""
    ada, ben = world.room("ada", "ben")
    world.run(1)
    ada.say()
    world.run(3700)
    ada.say()
    ben.say()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert ada.heard_from(ben) == ben.spoken
    assert ada.session.seat.keys.current.generation == 6


def test_a_sender_key_that_has_ratcheted_to_its_end_is_replaced(make_world, monkeypatch):
    """Two days of ratchets each ten minutes, as two seconds each."""
    monkeypatch.setattr("tcclient.core.keys.own_key.RATCHET_PERIOD", 2.0)
    world = make_world()
    ada, ben = world.room("ada", "ben")
    world.run(1)
    ada.talk(every=0.5)
    world.run(620)
    ada.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert not ada.unsent
    assert ada.session.seat.keys.current.number == 2


def test_a_key_that_comes_in_a_tcp_outage_waits_for_nobody(world):
    """One member cannot get the new keys after a leave. The others go on, and it hears again when TCP works."""
    ada, ben, cleo, dora = world.room("ada", "ben", "cleo", "dora")
    world.run(1)
    ada.talk()
    world.run(1)
    ben.outage(10)
    dora.leave()
    world.run(15)
    ada.hush()
    world.run(1)
    assert cleo.heard_from(ada) == ada.spoken
    assert not ada.unsent
    assert ben.heard_from(ada)[-100:] == ada.spoken[-100:]
