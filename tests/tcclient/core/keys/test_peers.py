import pytest

from tcclient.core.keys.peers import BareRing, Peers
from tcproto.keyring import KeyRing
from tcproto.sender_key import Party

OWN, ADA, BEN, CLEO = (Party(bytes([n]) * 32, bytes([n + 10]) * 32) for n in range(4))


def test_peers_are_those_who_are_verified():
    peers = Peers(b"l" * 16, "room", OWN, b"p" * 32, e2ee=True)
    gone, come = peers.follow({1: ADA, 2: BEN})
    assert (gone, [(peer.id, peer.party) for peer in come]) == ([], [(1, ADA), (2, BEN)])
    ada = peers[1]
    gone, come = peers.follow({1: ADA, 3: CLEO})
    assert (gone, [peer.id for peer in come]) == ([2], [3])
    assert peers.keys() == {1, 3}
    assert peers[1] is ada, "its keys stay"
    assert peers.follow({1: ADA, 3: CLEO}) == ([], [])


def test_another_party_at_a_seat_is_another_peer():
    peers = Peers(b"l" * 16, "room", OWN, b"p" * 32, e2ee=True)
    peers.follow({1: ADA})
    before = peers[1]
    gone, (after,) = peers.follow({1: BEN})
    assert gone == [1]
    assert peers[1] is after is not before
    assert after.party == BEN


@pytest.mark.parametrize(("e2ee", "ring"), [(True, KeyRing), (False, BareRing)])
def test_a_room_without_end_to_end_encryption_has_no_keys(e2ee, ring):
    peers = Peers(b"l" * 16, "room", OWN, b"p" * 32, e2ee=e2ee)
    peers.follow({1: ADA})
    assert isinstance(peers[1].ring, ring)
