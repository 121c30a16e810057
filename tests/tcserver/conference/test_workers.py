import random
from collections import Counter

import pytest

from tcproto import messages as m
from tcserver.conference.room.placement import place
from tcserver.media.interface import (
    CloseRoom,
    OpenSealer,
    OpenSeat,
    SeatOpened,
    SetSpeakers,
    SpeakersChanged,
    WorkerLoad,
    WorkerReplaced,
)
from tests.support.conference.driver import Driver

MICROPHONE, CAMERA = m.Source.MICROPHONE, m.Source.CAMERA


def worker_of(driver, client):
    return client.media_id & 0xFF


def forwarding(driver):
    """Return the receivers of each stream, by stream id; media ids as participants."""
    seats = driver.plane.seats
    return {
        stream: {(seats[r.media_id].participant, *r[1:]) for r in receivers.values()}
        for (_, stream), receivers in driver.plane.forwarding.items()
    }


def streams(driver):
    seats = driver.plane.seats
    return {
        (seats[media_id].participant, number): (stream.kind, stream.caps, stream.muted, stream.layers)
        for (media_id, number), stream in driver.plane.streams.items()
    }


def test_one_media_plane_takes_no_chance():
    assert place([7], random.Random(1).randbytes) == 0
    state = random.Random(1)
    place([7], state.randbytes)
    assert state.getstate() == random.Random(1).getstate()


def test_the_lesser_of_two_random_loads_is_chosen():
    chance = random.Random(1).randbytes
    assert {place([3, 2], chance) for _ in range(50)} == {1}
    chosen = Counter(place([5, 1, 3], chance) for _ in range(600))
    assert chosen[0] == 0, "the most loaded one is never the lesser of two"
    assert chosen[1] > chosen[2] > 100
    assert set(Counter(place([0] * 4, chance) for _ in range(400))) == {0, 1, 2, 3}


def test_rooms_go_where_fewer_seats_are():
    driver = Driver(server__workers=2)
    crowd = [driver.participant("one") for _ in range(5)]
    first = worker_of(driver, crowd[0])
    others = [driver.participant(f"room {number}") for number in range(3)]
    assert {worker_of(driver, client) for client in crowd} == {first}
    assert {worker_of(driver, client) for client in others} == {1 - first}
    assert all(client.media_id & 0xFF == worker_of(driver, client) for client in crowd + others)


def test_rooms_go_where_less_is_sent():
    driver = Driver(server__workers=2)
    first = worker_of(driver, driver.participant("one"))
    driver.event(WorkerLoad(1 - first, 1000.0))
    crowd = [driver.participant(f"room {number}") for number in range(9)]
    assert {worker_of(driver, client) for client in crowd} == {first}
    late = [driver.participant(f"late room {number}") for number in range(3)]
    assert {worker_of(driver, client) for client in late} == {0, 1}, "what was placed counts before it is measured"
    driver.event(WorkerLoad(1 - first, 0.0))
    assert worker_of(driver, driver.participant("last")) == 1 - first


def test_tickets_go_to_all_workers():
    driver = Driver(server__workers=2)
    for _ in range(20):
        driver.client().ask(m.Probe())
    assert {ticket.media_id & 0xFF for ticket in driver.plane.tickets} == {0, 1}


def test_a_room_goes_on_after_its_worker_ended():
    driver = Driver()
    a, b = driver.participant(), driver.participant()
    voice, picture = a.publish(), b.publish(CAMERA, layers=2)
    a.ask(m.Mute(1, True))
    b.subscribe(MICROPHONE)
    a.subscribe(choices=(m.StreamChoice(picture.stream, True, max_spatial=0),))
    driver.advance(1)
    before = streams(driver), forwarding(driver)
    assert before[0][a.participant, voice.stream][2], "muted"
    ids, keys = {a.media_id, b.media_id}, {seat.up_key for seat in driver.plane.seats.values()}
    (sealer,) = driver.plane.sealers[1][0]
    for client in (a, b):
        client.inbox.clear()

    driver.replace_worker()

    assert (streams(driver), forwarding(driver)) == before
    assert not ids & {a.media_id, b.media_id}
    (new,) = driver.plane.sealers[1][0]
    assert new.sealer != sealer.sealer
    assert new.key != sealer.key
    for client in (a, b):
        seat = driver.plane.seats[client.media_id]
        assert not {seat.up_key, seat.down_key} & keys
        assert client.inbox == [
            m.NewRoomKey(m.RoomKey(new.sealer, new.epoch, new.key, 0)),
            m.SealerClosed(sealer.sealer),
            m.MediaMove(client.media_id, 1, seat.up_key, seat.down_key),
        ]
    assert driver.logged[-1].fields == {"worker": 0, "rooms": 1, "seats": 2}
    driver.check()


def test_only_the_rooms_of_the_worker_are_touched():
    driver = Driver(server__workers=2)
    a, b = driver.participant("one"), driver.participant("two")
    assert worker_of(driver, a) != worker_of(driver, b)
    seats = dict(driver.plane.seats)
    driver.replace_worker(worker_of(driver, a))
    assert driver.plane.seats[b.media_id] is seats[b.media_id]
    assert not b.got(m.MediaMove)
    assert len(a.got(m.MediaMove)) == 1


def test_a_seat_that_was_being_opened_is_opened_again():
    driver = Driver()
    other = driver.participant()
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    lost = driver.plane.log[-1]
    driver.replace_worker()
    opened = [c for c in driver.plane.log if isinstance(c, OpenSeat) and c.participant == lost.participant]
    assert len(opened) == 2
    driver.answer_held()
    assert client.media_id == opened[1].media_id != lost.media_id
    (state,) = driver.plane.sealers[1][0]
    assert [key.sealer for key in client.view.joined.room_keys] == [state.sealer]
    assert not client.got(m.MediaMove)
    assert len(other.got(m.MediaMove)) == 1
    driver.check()


def test_an_answer_of_the_worker_that_ended_is_ignored():
    driver = Driver()
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    lost = driver.plane.log[-1]
    driver.replace_worker()
    driver.event(SeatOpened(lost.media_id, tuple(driver.plane.sealers[1][0])))
    assert client.view is None
    driver.answer_held()
    assert client.view is not None


def test_a_seat_that_no_worker_opens_is_given_up():
    driver = Driver()
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    driver.replace_worker()
    driver.advance(6)
    assert [reply for reply in client.replies.values() if isinstance(reply, m.Error)]
    driver.held.clear()
    driver.check()


def test_a_new_sealer_needs_no_key_for_those_who_left_before():
    driver = Driver()
    driver.participant()
    for _ in range(2):
        driver.participant().ask(m.Leave())
    driver.replace_worker()
    rotations = len(driver.plane.rotations)
    driver.advance(10)
    assert len(driver.plane.rotations) == rotations
    driver.participant().ask(m.Leave())
    assert len(driver.plane.rotations) == rotations + 1


def test_a_new_worker_learns_how_many_talkers_are_forwarded():
    driver = Driver()
    for _ in range(9):
        driver.participant()
    limit = driver.plane.limits[1]
    driver.replace_worker()
    assert driver.plane.limits[1] == limit
    assert sum(isinstance(command, SetSpeakers) for command in driver.plane.log) == 2


@pytest.mark.parametrize("worker", [0, 200])
def test_a_worker_without_rooms(worker):
    driver = Driver()
    driver.event(WorkerReplaced(worker))
    assert not driver.plane.log


def test_a_room_that_closes_later_closes_the_new_sealer():
    driver = Driver(rooms__empty_close_s=1.0)
    client = driver.participant()
    driver.replace_worker()
    client.ask(m.Leave())
    driver.advance(2)
    assert isinstance(driver.plane.log[-1], CloseRoom)
    assert sum(isinstance(command, OpenSealer) for command in driver.plane.log) == 2
    driver.check()


def test_those_who_spoke_are_silent_until_the_new_worker_hears_them():
    driver = Driver()
    a, b = driver.participant(), driver.participant()
    driver.event(SpeakersChanged(1, (a.participant,), (), a.participant))
    b.inbox.clear()
    driver.replace_worker()
    assert b.got(m.Speakers) == [m.Speakers((), (a.participant,), a.participant)]
    driver.replace_worker()
    assert not b.got(m.Speakers)
