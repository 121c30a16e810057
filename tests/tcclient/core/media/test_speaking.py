"""Who speaks and who is muted, by the sound that came, whatever the server says."""

from dataclasses import replace

import pytest

from tcclient.core import Drop, events
from tcclient.core.media.speaking import HOLD, MUTE_GRACE, Speaking, Unmuted, is_speech
from tcproto import messages as m
from tcproto.packet import SPEECH_LEVEL, AudioHeader
from tests.support.scripted_media import packet_in, undelivered
from tests.support.scripted_server import Server


def header(level=20, voice=False, comfort=False):
    return AudioHeader(1, 0, 0, 0, 0, level=level, voice=voice, comfort=comfort)


@pytest.mark.parametrize(
    ("sound", "speech"),
    [
        (header(SPEECH_LEVEL), True),
        (header(SPEECH_LEVEL + 1), False),
        (header(127, voice=True), True),
        (header(127), False),
        (header(10, voice=True, comfort=True), False),
    ],
)
def test_what_counts_as_speech(sound, speech):
    assert is_speech(sound) is speech
    speaking = Speaking()
    assert speaking.heard(1, sound, 0.0) is speech
    assert speaking.now == ((1,) if speech else ())


def test_speech_is_held_over_the_pauses_between_words():
    speaking = Speaking()
    assert speaking.heard(1, header(), 0.0)
    assert not speaking.heard(1, header(), 0.3)
    assert speaking.handle_timeout(speaking.next_deadline) == ()
    assert speaking.next_deadline == pytest.approx(0.3 + HOLD)
    assert speaking.handle_timeout(0.3 + HOLD) == (1,)
    assert speaking.next_deadline == float("inf")
    assert speaking.dominant == 1, "until somebody else speaks"
    assert speaking.heard(1, header(), 5.0)


def test_who_has_spoken_longest_is_dominant():
    speaking = Speaking()
    for participant, at in ((1, 0.0), (2, 0.1), (3, 0.2)):
        speaking.heard(participant, header(), at)
    assert (speaking.now, speaking.dominant) == ((1, 2, 3), 1)
    for participant in (2, 3):
        speaking.heard(participant, header(), 0.3)
    assert speaking.handle_timeout(0.5) == (1,)
    assert speaking.dominant == 2
    assert speaking.left(2)
    assert speaking.dominant == 3
    assert speaking.left(3)
    assert speaking.dominant == 0
    assert not speaking.left(3)


def test_packets_that_go_on_coming_show_that_a_track_is_not_muted():
    track = (7, 1)
    unmuted = Unmuted()
    assert not unmuted.came(track, 0.0)
    unmuted.said(track, True, 10.0)
    assert not any(unmuted.came(track, 10 + at / 10) for at in range(10)), "they were on the way"
    start = 10 + MUTE_GRACE
    found = [at for at in range(40) if unmuted.came(track, start + at / 10)]
    assert found == [10]
    unmuted.said(track, True, 20.0)
    assert not unmuted.came(track, 30.0), "told once"
    unmuted.said(track, False, 30.0)
    unmuted.said(track, True, 40.0)
    for burst in (45.0, 50.0, 55.0):
        assert not any(unmuted.came(track, burst + at / 1000) for at in range(500)), "sent again by the server"
    unmuted.ended(track)
    assert not unmuted.came(track, 60.0)


# In a room


def test_the_servers_word_of_who_speaks_counts_for_nothing(server, pair):
    a, b = pair
    b.notify(m.Speakers((a.participant,), (), a.participant))
    server.pump()
    assert not b.told(events.Speakers)


def test_speakers_are_told_from_what_they_say(server, pair):
    a, b = pair
    number = a.publish()
    server.advance(5)

    def say(**fields):
        a.session.seat.publications.send_audio(number, b"x", 0, server.now, **fields)
        server.pump()

    say(level=60)
    assert not b.told(events.Speakers)
    say(level=20)
    say(level=20)
    started = events.Speakers((a.participant,), (), a.participant)
    assert b.told(events.Speakers) == a.told(events.Speakers) == [started], "ourselves as well"
    server.advance(HOLD)
    stopped = events.Speakers((), (a.participant,), a.participant)
    assert b.told(events.Speakers) == a.told(events.Speakers) == [started, stopped]
    say(voice=True)
    gone = a.participant
    a.session.leave()
    server.pump()
    assert b.told(events.Speakers)[-1] == events.Speakers((), (gone,), 0)


def test_what_does_not_open_is_nobodys_speech():
    server = Server()
    a, b = server.seated(2)
    a.publish()
    server.advance(5)
    (data,) = undelivered(server, a)
    b.session.receive_datagram(data, server.now)
    b.collect()
    before = len(b.told(events.Speakers))
    packet = packet_in(server, data)
    server.forward(a, packet)
    server.forward(a, packet[:-1] + bytes((packet[-1] ^ 1,)))
    server.pump()
    assert b.drops(Drop.PACKET_REFUSED) == 2
    assert len(b.told(events.Speakers)) == before


def test_a_track_that_the_server_calls_muted_is_shown_as_it_is(server, pair):
    a, b = pair
    number = a.publish()
    server.advance(1)
    info = server.publications[a.participant, number]
    muted = m.Change(m.ChangeKind.PUBLICATION_UPDATED, publication=replace(info, muted=True))
    b.notify(m.RoomChanges(server.number + 1, (muted,)))
    server.pump()
    assert [event.track.muted for event in b.told(events.TrackUpdated)] == [True]
    for _ in range(30):
        a.speak(number)
        server.advance(0.1)
    assert [event.track.muted for event in b.told(events.TrackUpdated)] == [True, False]
    assert b.told(events.TrackUpdated)[-1].track == info
