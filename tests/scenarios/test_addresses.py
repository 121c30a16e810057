"""Addresses change, and attackers forge addresses."""

from itertools import pairwise

import pytest

from tcclient.core import PathState, events
from tcclient.core.path.egress import MAX_RESENDS
from tcproto.datagram import ItemType
from tcproto.messages import Kind, Source
from tcproto.path import SPEECH_PATIENCE
from tcserver.media.forwarding.path import AMPLIFICATION
from tcserver.media.interface import Address, PathProven
from tests.support.simulation.network import LAN, Conditions

HOME = Conditions(delay=0.03)
ELSEWHERE = ("203.0.113.66", 4444)


def at(address):
    return Address(0, *address)


def test_a_call_goes_on_over_a_nat_rebind(world):
    """The way up has no gap. The way down waits for a challenge: a ping or frame, and a round trip and a half."""
    ada, ben = world.room("ada", "ben", conditions=HOME)
    world.run(0.2)
    ada.talk()
    ben.talk()
    world.run(2)
    moved = world.now
    ada.rebind()
    world.run(3)
    ada.hush()
    ben.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken, "nothing is lost on the way up"
    arrivals = [heard.at for heard in ada.heard]
    gap = max(later - earlier for earlier, later in pairwise(arrivals))
    assert 2 * HOME.delay < gap < 0.02 + 4 * HOME.delay + 0.04
    assert ada.heard_from(ben, since=moved + 0.2) == ben.spoken[-len(ada.heard_from(ben, since=moved + 0.2)) :]
    assert not ada.told(events.PathChanged)[1:], "the client need not notice"


def test_who_only_listens_is_found_again_within_half_a_second(world):
    """It hears nothing while somebody speaks, pings at once, and so shows its new address: the worst of twelve."""
    ada, ben = world.room("ada", "ben", conditions=HOME, muted=True)
    ada.mute(False)
    world.run(0.2)
    ada.talk()
    world.run(2)
    for _ in range(12):
        ben.rebind()
        world.run(4.13)
    arrivals = [heard.at for heard in ben.heard]
    gap = max(later - earlier for earlier, later in pairwise(arrivals))
    assert gap < SPEECH_PATIENCE + 4 * HOME.delay + 0.03


def test_a_speaker_who_begins_is_heard_soon_by_who_has_moved_meanwhile(world):
    """In the pause nothing is missed. The server says that somebody speaks, and nothing comes."""
    ada, ben = world.room("ada", "ben", conditions=HOME, muted=True)
    ada.mute(False)
    world.run(0.2)
    ada.talk()
    world.run(2)
    ada.hush()
    ada.say(end_of_talk=True)
    world.run(3)
    pings = ben.up.sent
    world.until(lambda: ben.up.sent > pings)
    world.run(0.2)
    ben.rebind()
    began = world.now
    ada.talk()
    world.run(2)
    first = next(heard.at for heard in ben.heard if heard.at > began)
    assert first - began < 0.7, "0.3 s earlier than by the ping of each second"


def test_speech_that_stops_without_a_word_costs_one_ping(world):
    """As that of a speaker who is not among the loudest any more."""
    ada, ben = world.room("ada", "ben", conditions=HOME, muted=True)
    ada.mute(False)
    world.run(0.2)
    calm = pings_in(world, ben, 5)
    ada.talk()
    world.run(2)
    ada.hush()
    assert pings_in(world, ben, 5) <= calm + 1


def pings_in(world, client, seconds):
    """Let time pass; return how many pings the client sent. Beacons and path responses are not counted."""
    before = world.server.plane.counters.uplink_pings
    world.run(seconds)
    return world.server.plane.counters.uplink_pings - before


def test_addresses_that_change_every_few_seconds_and_cross(world):
    clients = world.room("ada", "ben", "cleo", conditions=HOME)
    world.run(0.2)
    for client in clients:
        client.talk()
    for turn in range(12):
        clients[turn % 3].rebind()
        world.run(0.7)
    world.run(2)
    for client in clients:
        client.hush()
    world.run(1)
    for speaker in clients:
        for listener in clients:
            if listener is not speaker:
                heard = listener.heard_from(speaker)
                assert set(heard) <= set(speaker.spoken)
                assert heard[-50:] == speaker.spoken[-50:]


def test_a_new_address_gets_at_most_three_times_what_came_from_it(world):
    """An attacker never answers the challenge, while a busy room sends to the seat."""
    ada, ben, cleo = world.room("ada", "ben", "cleo", conditions=HOME)
    for client in (ben, cleo):
        client.talk()
    world.run(1)
    old = ada.address
    ada.rebind()
    ada.down.change(blocked=True)
    world.run(3)
    out, into = world.server.bytes_out[at(ada.address)], world.server.bytes_in[at(ada.address)]
    assert 0 < out <= AMPLIFICATION * into
    assert world.server.bytes_out[at(old)] > 10_000, "the proven address still gets the room"


def test_sources_that_prove_nothing_get_no_answer_and_do_no_harm(world):
    """Noise, true headers with false boxes, and everything that was sent before, from another address."""
    ada, ben = world.room("ada", "ben")
    ada.talk()
    captured = []
    forward = world.server.receive
    world.server.receive = lambda data, source: (captured.append(data), forward(data, source))
    ada.rebind()  # its pipe goes through the wiretap
    world.run(2)
    world.server.receive = forward
    before = world.server.drops()
    for data in captured:
        forward(data, ELSEWHERE)
        forward(data[:12] + bytes(len(data) - 12), ELSEWHERE)
        forward(data[:-1] + bytes((data[-1] ^ 1,)), ELSEWHERE)
        forward(world.rng.randbytes(len(data)), ELSEWHERE)
    assert len(captured) > 100
    assert world.server.bytes_out[at(ELSEWHERE)] == 0
    after = world.server.drops()
    assert sum(after.values()) - sum(before.values()) == 4 * len(captured)
    world.run(2)
    ada.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    proven = [event.address for event in world.server.events if isinstance(event, PathProven)]
    assert at(ELSEWHERE) not in proven


def test_a_datagram_that_is_stolen_and_sent_first_moves_nothing_for_long(world):
    """An attacker on the way sends the newest datagrams from another address, earlier: the honest path goes on."""
    ada, ben = world.room("ada", "ben", conditions=HOME)
    world.run(0.2)
    ada.talk()
    ben.talk()
    world.run(1)
    server = world.server
    for _ in range(20):
        egress = ada.session.seat.egress
        egress.send()  # a datagram of ada's without items
        (stolen,) = egress.take(ada.clock.now)
        server.receive(stolen, ELSEWHERE)
        world.run(0.1)
    world.run(2)
    ada.hush()
    ben.hush()
    world.run(1)
    assert ada.heard_from(ben) == ben.spoken
    assert ben.heard_from(ada) == ada.spoken
    assert server.bytes_out[at(ELSEWHERE)] <= AMPLIFICATION * server.bytes_in[at(ELSEWHERE)]


def test_a_small_mtu_drops_pictures_but_never_sound(world):
    ada, ben = world.room("ada", "ben", conditions=Conditions(delay=0.02, mtu=500))
    world.run(0.2)
    camera = ada.publish(Kind.VIDEO, Source.CAMERA, "vp8")
    ada.talk()
    world.until(lambda: ada.session.seat.publications.can_send(camera))
    world.run(15)  # pings as large as that are not answered either
    lost = ada.up.lost
    ada.show(camera, bytes(5000), 0, keyframe=True)
    world.run(1)
    ada.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert ada.up.lost - lost == 5 * (1 + MAX_RESENDS), "the server asks for each again, and then no more"


@pytest.mark.parametrize("outage", [4.0, 20.0])
def test_both_sides_recover_after_all_of_udp_was_gone(world, outage):
    ada, ben = world.room("ada", "ben", conditions=LAN)
    ada.talk()
    ben.talk()
    world.run(1)
    ada.block()
    world.run(outage)
    assert ada.udp is PathState.LOST
    ada.unblock()
    world.run(1.5)
    assert ada.udp is PathState.OK
    since = world.now
    world.run(1)
    assert len(ada.heard_from(ben, since=since)) == 50
    assert len(ben.heard_from(ada, since=since)) == 50


def test_after_a_long_silence_the_window_follows_within_a_round_trip(world, monkeypatch):
    """More room datagrams have passed than the window holds: the client asks for the position of the sealer at once."""
    monkeypatch.setattr("tcclient.core.keys.room_datagrams.SEALER_WINDOW", 64)
    ada, ben = world.room("ada", "ben", conditions=HOME)
    world.run(0.2)
    ada.talk()
    world.run(2)
    ben.down.change(blocked=True)
    world.run(1.7)
    pings = ben.up.sent
    world.until(lambda: ben.up.sent > pings)
    world.run(4 * HOME.delay)
    ben.down.change(blocked=False)
    since, sent, egress, asked = world.now, ben.up.sent, ben.session.seat.egress, []
    send = egress.send
    monkeypatch.setattr(
        egress, "send", lambda *items: asked.extend(i for i in items if i.type == ItemType.PING) or send(*items)
    )
    assert ben.udp is PathState.OK
    world.run(0.5)
    first = next(heard.at for heard in ben.heard if heard.at > since)
    assert first < since + 2 * HOME.delay + 0.041
    assert len(asked) <= 1, "asked once, not for each datagram"
    assert ben.up.sent - sent <= 6, "the others are about what was lost"
    assert ben.session.drops["ahead"] <= 5


def test_a_newcomer_needs_no_ping_for_the_next_room_key(world, monkeypatch):
    """A key that is announced before the first pong has no lower ceiling than the key before it."""
    monkeypatch.setattr("tcclient.core.keys.room_datagrams.SEALER_WINDOW", 64)
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    ada.talk()
    world.run(5)
    cleo = world.client("cleo", microphone=False)
    cleo.up.change(blocked=True)
    world.until(lambda: cleo.in_room)
    ben.leave()
    world.run(0.1)
    ((_, sealer),) = cleo.session.seat.downlink.opener.sealers.items()
    assert len(sealer.epochs) == 2
    ceilings = {held.window.ceiling for held in sealer.epochs.values()}
    assert len(ceilings) == 1
    assert ceilings.pop() > 250
