import pytest

from tcclient.core.keys.member_keys import MAX_WINDOWS, BareRing, MemberKeyTable
from tcproto.errors import CryptoFailure
from tcproto.keyring import KeyRing, PublicationId
from tcproto.packet import AUDIO_PADDING_STEP, AudioHeader, seal_packet
from tcproto.sender_key import Party

OWN, ADA, BEN, CLEO = (Party(bytes([n]) * 32, bytes([n + 10]) * 32) for n in range(4))


def test_members_in_the_table_are_those_who_are_verified():
    table = MemberKeyTable(b"l" * 16, "room", OWN, b"p" * 32, e2ee=True)
    gone, come = table.follow({1: ADA, 2: BEN})
    assert (gone, [(member.id, member.party) for member in come]) == ([], [(1, ADA), (2, BEN)])
    ada = table[1]
    gone, come = table.follow({1: ADA, 3: CLEO})
    assert (gone, [member.id for member in come]) == ([2], [3])
    assert table.keys() == {1, 3}
    assert table[1] is ada, "its keys stay"
    assert table.follow({1: ADA, 3: CLEO}) == ([], [])


def test_another_party_at_a_seat_is_another_member():
    table = MemberKeyTable(b"l" * 16, "room", OWN, b"p" * 32, e2ee=True)
    table.follow({1: ADA})
    before = table[1]
    gone, (after,) = table.follow({1: BEN})
    assert gone == [1]
    assert table[1] is after is not before
    assert after.party == BEN


@pytest.mark.parametrize(("e2ee", "ring"), [(True, KeyRing), (False, BareRing)])
def test_a_room_without_end_to_end_encryption_has_no_keys(e2ee, ring):
    table = MemberKeyTable(b"l" * 16, "room", OWN, b"p" * 32, e2ee=e2ee)
    table.follow({1: ADA})
    assert isinstance(table[1].ring, ring)


def test_without_keys_a_camera_may_be_turned_on_and_off_as_often_as_somebody_likes():
    ring = BareRing()
    for number in range(1, 3 * MAX_WINDOWS):
        for sequence in (900, 5):
            header = AudioHeader(number, 0, 0, sequence, 0)
            packet = seal_packet(header, b"x", None, AUDIO_PADDING_STEP)
            publication = PublicationId(number, 1, 1)
            assert ring.is_new(header, publication)
            assert ring.open(header, packet, publication, 0.0) == b"x"
            assert not ring.is_new(header, publication)
            with pytest.raises(CryptoFailure):
                ring.open(header, packet, publication, 0.0)
