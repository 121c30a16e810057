"""A participant hears everybody else: each packet once, as it was sent. Nothing is lost but what the network lost."""

import pytest

from tcclient.audio.decoder import SpeakerDecoder
from tcclient.audio.jitter import RESYNC_JUMP
from tcclient.core import AUDIO_ONLY, events
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.media.copies import COPIES_FROM
from tcproto.messages import ChatScope
from tests.support.simulation.network import CELLULAR, LAN, RURAL, SATELLITE, WIFI, Conditions

ROSTER_BATCH = 0.15
"""Seconds in which all have heard of a newcomer."""
PRESETS = {"lan": LAN, "wifi": WIFI, "cellular": CELLULAR, "rural": RURAL, "satellite": SATELLITE}


def test_three_people_hear_each_other_each_packet_once(world):
    clients = world.room("ada", "ben", "cleo")
    for client in clients:
        client.talk()
    world.run(5)
    for client in clients:
        client.hush()
    world.run(1)
    for client in clients:
        assert len(client.spoken) >= 250
        assert not client.unsent
        for other in clients:
            if other is not client:
                assert other.heard_from(client) == client.spoken
    assert not world.client_drops()
    assert not world.server.drops()


def test_a_room_without_end_to_end_encryption_works_alike(world):
    ada, ben = world.room("ada", "ben", e2ee=False)
    ada.talk()
    world.run(2)
    ada.hush()
    world.run(1)
    assert len(ada.spoken) >= 100
    assert ben.heard_from(ada) == ada.spoken


def test_listeners_need_no_microphone_and_make_no_keys(world):
    (ada,) = world.room("ada")
    listeners = world.room("ben", "cleo", microphone=False)
    world.run(ROSTER_BATCH)
    ada.talk()
    world.run(3)
    ada.hush()
    world.run(1)
    for listener in listeners:
        assert listener.heard_from(ada) == ada.spoken
        assert listener.session.seat.keys.current is None
    assert len(ada.spoken) >= 150


def test_who_subscribes_to_pictures_only_gets_no_sound(world):
    (ada,) = world.room("ada")
    (ben,) = world.room("ben", microphone=False, sources=())
    ada.talk()
    world.run(1)
    assert not ben.heard
    ben.session.seat.downlink.wish(Wishes(AUDIO_ONLY))
    ben.pump()
    world.run(0.1)
    begun = len(ben.heard)
    assert begun
    world.run(1)
    assert len(ben.heard) == begun + 50


@pytest.mark.parametrize("name", PRESETS)
def test_loss_that_is_counted_is_what_the_network_lost(world, name):
    """Pongs count loss on the way up, and forward numbers on the way down, to the last packet."""
    conditions = PRESETS[name]
    clean = Conditions(delay=conditions.delay)
    ada, ben = world.room("ada", "ben", conditions=clean)
    ada.talk()
    world.run(1)
    before = len(ben.heard)
    assert before
    lost_before = ada.up.lost, set(ben.room_losses)
    for pipe in (ada.up, ada.down, ben.up, ben.down):
        pipe.conditions = conditions
    world.run(30)
    for pipe in (ada.up, ada.down, ben.up, ben.down):
        pipe.conditions = clean
    world.run(3)
    ada.hush()
    world.run(3)
    lost = len(set(ada.spoken)) - len(ben.heard)
    counted = sum(counts.lost + counts.repaired for counts in ben.session.seat.downlink.losses.statistics().values())
    statistics = ada.session.seat.path.statistics
    # A packet that came to the server as a copy shares a datagram with the one that brought it.
    shared = statistics.up_lost if conditions.loss >= COPIES_FROM else 0
    assert -shared <= len(ben.room_losses - lost_before[1]) - counted <= 0
    assert statistics.up_lost == ada.up.lost - lost_before[0]
    assert lost <= counted + statistics.up_lost
    assert lost == 0 or conditions.loss > 0
    assert statistics.least_rtt == pytest.approx(2 * conditions.delay, abs=0.005)
    reordered = sum(counts.reordered for counts in ben.session.seat.downlink.losses.statistics().values())
    # What the server got late as a copy, it forwards out of order: the number of a copy of that is a guess.
    assert reordered > 0 if conditions.reorder else reordered <= shared
    assert all(counts.received <= counts.expected for counts in ben.session.seat.downlink.losses.statistics().values())


@pytest.mark.parametrize("name", PRESETS)
def test_sound_is_played_steadily_over_each_network(world, name):
    """Real Opus from microphone to loudspeaker. The invented and lost sound is explained by the network."""
    decoder = SpeakerDecoder()
    ada, ben = world.room("ada", "ben", conditions=PRESETS[name])
    payloads = opus_packets(250)
    world.run(2)  # the server may know that a lossy path is proved one ping later than the client
    begin = world.now

    def speak(index):
        if index < 1000:
            ada.say(payloads[index % len(payloads)])
            world.clock.at(begin + (index + 1) * 0.02, lambda: speak(index + 1))

    samples, last = 0, begin

    def play(tick):
        nonlocal samples, last
        for heard in ben.heard:
            decoder.put(heard.packet._replace(received_at=heard.at))
            last = heard.at
        ben.heard.clear()
        sound = decoder.pcm(world.now, 960)
        assert len(sound.pcm) == 960
        samples += 960
        if tick < 1100:
            world.clock.at(begin + (tick + 1) * 0.02, lambda: play(tick + 1))

    speak(0)
    play(0)
    world.run(23)
    statistics = decoder.statistics
    assert decoder.corrupt == 0
    ends_late = last > begin + 1000 * 0.02 + RESYNC_JUMP
    assert statistics.resyncs == ends_late, "no packet follows the last one that would tell that it was lost on its way"
    received = statistics.received - statistics.duplicate
    assert received >= len(ada.spoken) - ada.up.lost - len(ben.room_losses)
    repaired = ben.session.network_statistics().down.repaired  # some of it too late to be played
    assert statistics.played >= received * 0.97 - 20 - repaired
    assert statistics.lost <= 1000 - received + statistics.late
    assert statistics.concealed_ms <= 20 * (1000 - received + repaired) + 600
    assert samples == 1101 * 960


def opus_packets(count):
    """Packets of a tone."""
    import numpy as np

    from tcclient.audio.opus import OpusEncoder

    encoder = OpusEncoder()
    time = np.arange(960 * count) / 48_000
    pcm = (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    return [encoder.encode(pcm[i * 960 : (i + 1) * 960]) for i in range(count)]


def test_texts_arrive_beside_the_media(world):
    ada, ben, cleo = world.room("ada", "ben", "cleo")
    ada.session.seat.send_chat("to all", ada.clock.unix_ms(), ada.clock.now)
    ada.session.seat.send_chat("to one", ada.clock.unix_ms(), ada.clock.now, ChatScope.PARTICIPANT, ben.participant)
    ada.pump()
    world.run(0.1)
    assert [text.text for text in ben.told(events.ChatReceived)] == ["to all", "to one"]
    assert [text.text for text in cleo.told(events.ChatReceived)] == ["to all"]
    assert len(ada.told(events.ChatSent)) == 2


def test_clocks_that_drift_and_start_anywhere_change_nothing(world):
    ada = world.client("ada", offset=5_000_000.0, drift=200e-6)
    ben = world.client("ben", offset=-900.0, drift=-200e-6)
    world.until(lambda: world.ready(ada, ben))
    ada.talk()
    ben.talk()
    world.run(30)
    ada.hush()
    ben.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert ada.heard_from(ben) == ben.spoken
    assert len(ada.spoken) == pytest.approx(1500, abs=3)


def test_a_monotonic_clock_that_jumps_is_lived_through(world):
    """After a short suspension nothing is lost, and the jitter buffer recovers."""
    ada, ben = world.room("ada", "ben")
    world.run(ROSTER_BATCH)
    ben.talk()
    world.run(2)
    ada.clock.skip(8)
    world.run(20)
    ben.hush()
    world.run(1)
    ada.say()
    world.run(1)
    assert ada.heard_from(ben) == ben.spoken
    assert ben.heard_from(ada) == ada.spoken
    assert not ada.told(events.Closed)


def test_rooms_of_one_server_hear_nothing_of_each_other(world):
    ada, ben = world.room("ada", "ben", room="north")
    cleo, dora = world.room("cleo", "dora", room="south", e2ee=False)
    world.run(ROSTER_BATCH)
    for client in (ada, ben, cleo, dora):
        client.talk()
    world.run(2)
    for client in (ada, ben, cleo, dora):
        client.hush()
    world.run(1)
    for one, other in ((ada, ben), (cleo, dora)):
        assert [heard.packet.payload for heard in one.heard] == other.spoken
        assert [heard.packet.payload for heard in other.heard] == one.spoken
    assert not world.client_drops()


def test_a_roster_of_many_pages_is_whole_for_who_comes_amid_changes(world, monkeypatch):
    monkeypatch.setattr("tcserver.conference.room.change_log.MEMBERS_PER_PAGE", 3)
    monkeypatch.setattr("tcserver.conference.room.change_log.PUBLICATIONS_PER_PAGE", 2)
    clients = []
    for i in range(10):
        clients.append(world.client(f"participant {i}", tcp_delay=0.01 * (i % 4)))
        world.run(0.03)
        if i >= 7:
            clients[i - 7].leave()
    world.run(2)
    inside = [client for client in clients if client.in_room]
    assert len(inside) == 7
    for client in inside:
        assert client.session.seat.room.members.keys() == {other.participant for other in inside}
        assert len(client.session.seat.room.publications) == 7


def test_the_same_seed_gives_the_same_conference(make_world):
    def trace(seed):
        world = make_world(seed)
        clients = world.room("ada", "ben", "cleo", conditions=CELLULAR)
        for client in clients:
            client.talk()
        world.run(2)
        clients[0].rebind()
        clients[1].leave()
        world.run(2)
        return world.trace(), len(clients[2].heard)

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)
