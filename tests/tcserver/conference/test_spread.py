"""A room over several media workers, as the control plane sees it."""

import pytest

from tcproto import messages as m
from tcserver.conference.room.placement import place_seat
from tcserver.media.interface import (
    CloseSeat,
    OpenSealer,
    OpenSeat,
    RotateSealer,
    SealerTold,
    SeatOpened,
    SetSpeakers,
    ShareRoom,
    SpeakersChanged,
    TellSealer,
)
from tests.support.conference.driver import Driver
from tests.tcserver.conference.test_workers import forwarding, streams, worker_of

MICROPHONE = m.Source.MICROPHONE


def spread(clients, workers=2, room_spread=2, **settings):
    driver = Driver(server__workers=workers, server__room_spread=room_spread, **settings)
    return driver, [driver.participant() for _ in range(clients)]


def sealer(driver, worker):
    return driver.plane.sealers[1][worker][0].sealer


def commands(driver, kind):
    return [command for command in driver.plane.log if isinstance(command, kind)]


@pytest.mark.parametrize(
    ("home", "seats", "loads", "chosen"),
    [
        (0, {}, [9], 0),
        (0, {0: 500}, [500], 0),
        (1, {1: 9}, [0, 99], 1),
        (1, {1: 10}, [0, 99], 0),
        (0, {0: 10, 1: 7, 2: 7}, [9, 8, 7], 2),
        (0, {0: 10, 1: 10, 2: 11}, [10, 9, 11], 1),
        (0, {0: 9, 1: 100}, [9, 100], 0),
    ],
)
def test_where_a_seat_goes(home, seats, loads, chosen):
    assert place_seat(home, seats, loads, 10) == chosen


def test_a_room_stays_on_its_worker_until_it_is_large_and_then_fills_all():
    driver, clients = spread(9, workers=3)
    home = worker_of(driver, clients[0])
    assert [worker_of(driver, client) == home for client in clients[:3]] == [True, True, False]
    counts = sorted(sum(worker_of(driver, client) == worker for client in clients) for worker in range(3))
    assert counts == [3, 3, 3]
    for client in clients:
        if worker_of(driver, client) == home:
            client.drop()
            break
    for client in clients:
        if not client.is_gone and worker_of(driver, client) == home:
            client.drop()
            break
    assert worker_of(driver, driver.participant()) == home, "fewer than the setting are there"
    driver.check()


def test_all_know_the_keys_of_all_sealers():
    driver, clients = spread(2)
    home = worker_of(driver, clients[0])
    driver.plane.sealers[1][home] = [state._replace(next_counter=77) for state in driver.plane.sealers[1][home]]
    newcomer = driver.participant()
    other = 1 - home
    assert {(key.sealer, key.lowest) for key in newcomer.view.joined.room_keys} == {
        (sealer(driver, home), 77),
        (sealer(driver, other), 0),
    }
    for client in clients:
        (told,) = client.got(m.NewRoomKey)
        assert (told.room_key.sealer, told.room_key.lowest) == (sealer(driver, other), 0)
    assert commands(driver, ShareRoom) == [ShareRoom(1, home, (0, 1))]
    driver.plane.sealers[1][other] = [state._replace(next_counter=5) for state in driver.plane.sealers[1][other]]
    last = driver.participant()
    assert {(key.sealer, key.lowest) for key in last.view.joined.room_keys} == {
        (sealer(driver, home), 77),
        (sealer(driver, other), 5),
    }
    driver.check()


def test_a_room_on_one_worker_asks_nobody():
    driver, _ = spread(3, room_spread=3)
    assert not commands(driver, TellSealer)
    assert not commands(driver, ShareRoom)


def test_a_newcomer_waits_for_all_workers():
    driver, _ = spread(3)
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    opened = commands(driver, OpenSeat)[-1]
    states = {worker: tuple(driver.plane.sealers[1][worker]) for worker in (0, 1)}
    own = opened.media_id & 0xFF
    driver.event(SealerTold(opened.media_id, states[1 - own]))
    assert client.view is None
    driver.event(SealerTold(opened.media_id, states[1 - own]))
    assert client.view is None
    driver.event(SeatOpened(opened.media_id, states[own]))
    assert len(client.view.joined.room_keys) == 2
    driver.event(SealerTold(opened.media_id, states[own]))
    driver.check()


def test_a_newcomer_who_waits_hears_of_a_new_worker_and_of_new_keys():
    driver, clients = spread(2)
    driver.hold_seats = True
    first, second = driver.user(), driver.user()
    first.enter()
    second.enter()
    clients[0].drop()
    driver.answer_held()
    for client in (first, second):
        keys = {(key.sealer, key.epoch) for key in client.view.joined.room_keys}
        assert keys == {(sealer(driver, worker), epoch) for worker in (0, 1) for epoch in (0, 1)}
    driver.check()


@pytest.mark.parametrize("whose", ["home", "other"])
def test_a_newcomer_does_not_wait_for_a_worker_that_is_gone(whose):
    driver, clients = spread(3)
    home = worker_of(driver, clients[0])
    gone = home if whose == "home" else 1 - home
    driver.hold_seats = True
    waiting = [driver.user() for _ in range(4)]
    for client in waiting:
        client.enter()
    assert {command.media_id & 0xFF for command in commands(driver, OpenSeat)[-4:]} == {0, 1}
    # The answers of the worker that ended are lost; those of the other come.
    held, driver.held = driver.held, type(driver.held)()
    driver.replace_worker(gone)
    driver.held.extend(held)
    driver.answer_held()
    for client in waiting:
        assert {key.sealer for key in client.view.joined.room_keys} == {sealer(driver, worker) for worker in (0, 1)}
    driver.check()


def test_whoever_leaves_takes_no_key_along():
    driver, clients = spread(4, workers=3)
    before = len(commands(driver, RotateSealer))
    clients[0].drop()
    rotated = commands(driver, RotateSealer)[before:]
    assert {command.worker for command in rotated} == {0, 1, 2}
    assert len({command.key for command in rotated}) == 3
    driver.check()


def test_only_the_seats_of_a_worker_that_ended_move():
    driver, clients = spread(6)
    home = worker_of(driver, clients[0])
    for client in clients:
        client.publish()
        client.subscribe(MICROPHONE)
    driver.advance(1)
    before = streams(driver), forwarding(driver)
    ids = [client.media_id for client in clients]
    old = sealer(driver, 1 - home)
    for client in clients:
        client.inbox.clear()
    told = len(driver.plane.log)

    driver.replace_worker(1 - home)

    assert (streams(driver), forwarding(driver)) == before
    moved = {client for client, media_id in zip(clients, ids, strict=True) if client.media_id != media_id}
    assert moved == {client for client in clients if worker_of(driver, client) != home}
    assert len(moved) == 3
    for client in clients:
        assert [type(message) for message in client.inbox[:2]] == [m.NewRoomKey, m.SealerClosed]
        assert client.got(m.SealerClosed) == [m.SealerClosed(old)]
        assert len(client.got(m.MediaMove)) == (client in moved)
    new = driver.plane.log[told:]
    assert {c.media_id for c in new if isinstance(c, CloseSeat)} == set(ids) - {p.media_id for p in clients}
    assert [c.worker for c in new if isinstance(c, OpenSealer)] == [1 - home]
    assert len([c for c in new if isinstance(c, ShareRoom)]) == 1
    assert driver.logged[-1].fields == {"worker": 1 - home, "rooms": 1, "seats": 3}
    driver.check()


@pytest.mark.parametrize("whose", ["home", "other"])
def test_only_without_the_home_nobody_knows_who_speaks(whose):
    driver, clients = spread(3)
    home = worker_of(driver, clients[0])
    driver.event(SpeakersChanged(1, (clients[2].participant,), (), clients[2].participant))
    clients[0].inbox.clear()
    driver.replace_worker(home if whose == "home" else 1 - home)
    stopped = [m.Speakers((), (clients[2].participant,), clients[2].participant)]
    assert clients[0].got(m.Speakers) == (stopped if whose == "home" else [])
    driver.check()


def test_a_worker_that_is_new_in_a_room_learns_how_many_talkers_are_forwarded():
    driver, _ = spread(10, room_spread=10)
    before = len(commands(driver, SetSpeakers))
    driver.participant()
    assert [command.limit for command in commands(driver, SetSpeakers)[before:]] == [3]
    assert driver.plane.limits[1] == [3]


def test_a_change_for_many_is_told_in_few_words():
    driver, clients = spread(12, workers=3)
    for client in clients:
        client.publish()
        client.subscribe(MICROPHONE)
    told = len(driver.plane.log)
    driver.participant()
    assert sum("Forwarding" in type(command).__name__ for command in driver.plane.log[told:]) == 2
