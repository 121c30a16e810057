"""Trains: what may leave together, and in which order."""

from hypothesis import given
from hypothesis import strategies as st

from tcserver.media.forwarding.receivers import ReceiverSet, Transmission
from tcserver.media.interface import Address
from tcserver.media.lanes.train import MAX_SEGMENTS, MAX_TRAIN, couple


def members(*media_ids: int) -> ReceiverSet:
    return ReceiverSet((media_id, Address(0, "10.0.0.1", media_id)) for media_id in media_ids)


ALL, FEW = members(1, 2, 3, 4), members(1, 2, 3)


def sizes(transmissions) -> list[list[int]]:
    return [[len(datagram) for datagram in train.datagrams] for train in couple(transmissions)]


def sent(*datagrams: int, to: ReceiverSet = ALL, by: int = 0) -> list[Transmission]:
    return [Transmission(bytes(size), to, by) for size in datagrams]


def test_a_train_ends_at_the_first_shorter_datagram():
    assert sizes(sent(100, 100, 60, 60, 100, 100)) == [[100, 100, 60], [60], [100, 100]]
    assert sizes(sent(60, 100, 100)) == [[60], [100, 100]]


def test_a_train_ends_at_its_limits():
    assert sizes(sent(*[100] * 100)) == [[100] * MAX_SEGMENTS, [100] * MAX_SEGMENTS, [100] * 4]
    assert sizes(sent(*[2000] * 40)) == [[2000] * 32, [2000] * 8]
    assert 32 * 2000 <= MAX_TRAIN < 33 * 2000
    assert sizes(sent(40_000, 40_000)) == [[40_000], [40_000]]


def test_several_publishers_share_a_train_with_what_they_skip():
    (train,) = couple([*sent(100, by=0), *sent(100, 100, by=3), *sent(50, by=-1)])
    assert (train.skips, train.size, train.receivers) == ([0, 3, 3, -1], 100, ALL)


def test_a_datagram_overtakes_others_but_none_of_its_publisher():
    """Publisher 1 sends a layer to all, one to few, and one to all again; publisher 2 only to all."""
    first, second, third = sent(100), sent(100, to=FEW), sent(100)
    assert [train.receivers for train in couple(first + second + third)] == [ALL, FEW, ALL]
    trains = couple(first + second + sent(100, by=1) + third)
    assert [(train.receivers, train.skips) for train in trains] == [(ALL, [0, 1]), (FEW, [0]), (ALL, [0])]


@given(st.lists(st.tuples(st.sampled_from([ALL, FEW]), st.integers(-1, 2), st.integers(1, 3)), max_size=150))
def test_nothing_is_lost_and_publishers_stay_in_order(batch):
    transmissions = [
        Transmission(number.to_bytes(2, "big") * size, receivers, by)
        for number, (receivers, by, size) in enumerate(batch)
    ]
    trains = couple(transmissions)
    flat = [(d, t.receivers, by) for t in trains for d, by in zip(t.datagrams, t.skips, strict=True)]
    assert sorted(flat, key=lambda row: row[0]) == sorted(transmissions, key=lambda row: row[0])
    for by in range(-1, 3):
        assert [d for d, _, skip in flat if skip == by] == [d for d, _, skip in transmissions if skip == by]
    for train in trains:
        assert {len(datagram) for datagram in train.datagrams[:-1]} <= {train.size}
        assert len(train.datagrams[-1]) <= train.size
