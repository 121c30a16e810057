from tcproto.path import Position
from tcserver.media.forwarding.receivers import Handover, ReceiverSet
from tcserver.media.forwarding.room_share import RoomShare


def a_share(numbers=(0, 1, 2)):
    share = RoomShare(1, 0, 1, lambda room, members: Handover(5, room, members, ReceiverSet(()), b""))
    share.spread(numbers)
    return share


def test_members_of_others_are_handed_over_by_worker():
    handover = a_share().hand_over([0x100, 0x201, 0x302, 0x401, 0x503])
    assert handover.members == {1: (0x201, 0x401), 2: (0x302,)}, "not those here, nor of a worker that has no part"
    assert a_share().hand_over([0x100, 0x503]) is None


def test_a_sealer_never_goes_back_but_another_may_take_its_place():
    share = a_share()
    assert not share.is_home
    for sealer, counter in ((7, 5), (7, 3), (7, 6)):
        share.reach(1, sealer, counter)
    assert share.positions == {1: Position(7, 6)}
    share.reach(1, 8, 0)
    assert share.positions == {1: Position(8, 0)}
    share.reach(3, 9, 1)
    share.reach(0, 9, 1)
    assert share.positions.keys() == {1}
    share.spread((0, 2))
    assert not share.positions
