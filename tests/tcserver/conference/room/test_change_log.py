"""What a batch of changes tells: the newest state of what was updated, and whoever has a snapshot misses nothing."""

import random

import pytest

from tcproto import messages as m
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tests.support.conference.driver import Driver


def flags(messages: list[m.RoomChanges]) -> list[bool]:
    changes = [change for message in messages for change in message.changes]
    return [change.publication.muted for change in changes if change.publication is not None]


def test_updates_of_the_same_publication_within_a_batch_are_told_once():
    driver = Driver()
    speaker, other = driver.participant(), driver.participant()
    speaker.publish()
    speaker.publish()
    driver.advance(1)
    other.inbox.clear()
    for _ in range(50):
        for muted in (True, False):
            assert isinstance(speaker.ask(m.Mute(1, muted)), m.Ok)
    assert isinstance(speaker.ask(m.Mute(2, True)), m.Ok)
    driver.advance(BATCH_INTERVAL)
    told = other.got(m.RoomChanges)
    assert flags(told) == [True, False, True], "the first at once, then one for each publication"
    driver.advance(1)
    assert other.got(m.RoomChanges) == []
    driver.check()


def test_a_hand_that_goes_up_and_down_is_told_with_each_batch_once():
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(1)
    other.inbox.clear()
    for number in range(20):
        assert isinstance(client.ask(m.LowerHand() if number % 2 else m.RaiseHand()), m.Ok)
    driver.advance(BATCH_INTERVAL)
    assert [len(message.changes) for message in other.got(m.RoomChanges)] == [1, 1]
    driver.check()


def test_who_gets_a_snapshot_between_two_updates_of_a_batch_gets_the_second():
    driver = Driver()
    speaker, other = driver.participant(), driver.participant()
    speaker.publish()
    driver.advance(1)
    speaker.ask(m.Mute(1, True))
    speaker.ask(m.Mute(1, False))
    assert isinstance(other.ask(m.GetSnapshot()), m.Ok)
    speaker.ask(m.Mute(1, True))
    driver.advance(BATCH_INTERVAL)
    assert [p.muted for p in other.view.publications.values()] == [True]
    driver.check()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_all_see_the_room_as_it_is(seed: int):
    chance = random.Random(seed)
    driver = Driver()
    clients = [driver.participant() for _ in range(4)]
    for client in clients:
        client.publish()
    for _ in range(200):
        client = chance.choice(clients)
        match chance.randrange(6):
            case 0 | 1:
                client.ask(m.Mute(1, chance.random() < 0.5))
            case 2:
                client.ask(m.RaiseHand() if chance.random() < 0.5 else m.LowerHand())
            case 3:
                client.ask(m.GetSnapshot())
            case 4:
                driver.advance(chance.random() * BATCH_INTERVAL)
            case 5 if len(clients) < 8:
                clients.append(driver.participant())
                clients[-1].publish()
    driver.advance(BATCH_INTERVAL)
    driver.check()
    views = {(frozenset(c.view.members.items()), frozenset(c.view.publications.items())) for c in clients}
    assert len(views) == 1
