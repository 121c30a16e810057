from tcproto.datagram import MAX_DATAGRAM
from tcserver.media.forwarding.drops import Counters
from tcserver.media.forwarding.room import MediaRoom
from tcserver.media.forwarding.sealer import MediaSealer
from tcserver.media.lanes.train import MAX_SEGMENTS, MAX_TRAIN
from tcserver.media.relay.audience import LIFETIME, MAX_AUDIENCES, RelayedAudiences
from tcserver.media.relay.wire import HEAD_SIZE
from tests.support.media.world import World

NOBODY: frozenset[int] = frozenset()


def a_room(number: int = 1) -> MediaRoom:
    return MediaRoom(number, MediaSealer(number, 0, bytes(32), 0.0), Counters())


def test_numbers_of_different_workers_are_different_audiences():
    audiences, one, two = RelayedAudiences(), a_room(1), a_room(2)
    audiences.tell(1, 7, one, NOBODY, 0.0)
    audiences.tell(2, 7, two, NOBODY, 0.0)
    assert audiences.find(1, 7, 0.0).room is one
    assert audiences.find(2, 7, 0.0).room is two
    assert audiences.find(3, 7, 0.0) is None
    audiences.forget_room(one)
    assert audiences.find(1, 7, 0.0) is None
    assert len(audiences) == 1


def test_an_audience_lives_as_long_as_it_is_told_of():
    audiences, room = RelayedAudiences(), a_room()
    audiences.tell(1, 7, room, NOBODY, 0.0)
    audiences.tell(1, 8, room, NOBODY, 0.0)
    known = audiences.find(1, 7, 0.0)
    audiences.tell(1, 7, room, NOBODY, LIFETIME / 2)
    assert audiences.find(1, 7, LIFETIME) is known, "told of again, nothing has to be made anew"
    assert audiences.find(1, 8, LIFETIME) is None
    audiences.forget_old(LIFETIME)
    assert len(audiences) == 1


def test_a_number_may_come_to_mean_others():
    world = World(2)
    a, b = world.clients
    room = world.plane.rooms[1]
    audiences = RelayedAudiences()
    for client in (a, b):
        audiences.tell(1, 7, room, frozenset({client.media_id}), 0.0)
        assert audiences.find(1, 7, 0.0).receivers.media_ids == (client.media_id,)


def test_receivers_are_found_again_only_when_a_path_has_changed():
    world = World(2)
    a, b = world.clients
    room = world.plane.rooms[1]
    audiences = RelayedAudiences()
    audiences.tell(1, 7, room, frozenset({a.media_id, b.media_id, 99}), 0.0)
    known = audiences.find(1, 7, 0.0)
    assert set(known.receivers.media_ids) == {a.media_id, b.media_id}
    assert known.receivers is known.receivers
    before = known.receivers
    world.prove(a, a.address._replace(port=6000))
    assert known.receivers is not before
    assert a.address in known.receivers.addresses


def test_there_is_room_for_so_many():
    audiences, room = RelayedAudiences(), a_room()
    for number in range(MAX_AUDIENCES + 1):
        audiences.tell(1, number, room, NOBODY, 0.0)
    assert len(audiences) == MAX_AUDIENCES
    assert audiences.find(1, 0, 0.0) is None, "the oldest gave way"


def test_a_train_of_handed_over_datagrams_is_as_long_as_any():
    assert MAX_SEGMENTS * (MAX_DATAGRAM + HEAD_SIZE) <= MAX_TRAIN
