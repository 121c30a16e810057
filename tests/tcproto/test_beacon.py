import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.beacon import MAX_CLOCKS, Beacon, ClockMapping, parse_beacon

CLOCKS = st.lists(
    st.builds(ClockMapping, st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)),
    max_size=MAX_CLOCKS,
).map(tuple)
BEACONS = st.builds(Beacon, st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), CLOCKS)


def test_vector():
    beacon = Beacon(bytes(range(16)), bytes(range(8)), (ClockMapping(0x0102, 0x03040506, 7),))
    data = bytes.fromhex("01000102030405060708090a0b0c0d0e0f00010203040506070101020304050600000000000000" + "07")
    assert beacon.pack() == data
    assert parse_beacon(data) == beacon


@given(BEACONS, st.binary(max_size=20))
def test_round_trip_and_what_a_later_version_adds(beacon, more):
    assert parse_beacon(beacon.pack()) == beacon
    assert parse_beacon(beacon.pack() + more) == beacon


@given(BEACONS)
def test_every_truncation_is_refused(beacon):
    data = beacon.pack()
    for end in range(len(data)):
        with pytest.raises(ValueError, match="beacon"):
            parse_beacon(data[:end])


@given(st.binary(max_size=600))
def test_arbitrary_bytes_parse_or_are_refused(data):
    try:
        beacon = parse_beacon(data)
    except ValueError:
        return
    assert data.startswith(beacon.pack())


@pytest.mark.parametrize(
    "beacon",
    [
        Beacon(bytes(15)),
        Beacon(bytes(16), bytes(9)),
        Beacon(bytes(16), clocks=(ClockMapping(1, 2, 3),) * (MAX_CLOCKS + 1)),
    ],
)
def test_fields_out_of_range_are_not_packed(beacon):
    with pytest.raises(ValueError, match="out of range"):
        beacon.pack()


def test_another_version_and_too_many_mappings_are_refused():
    data = Beacon(bytes(16)).pack()
    with pytest.raises(ValueError, match="version"):
        parse_beacon(b"\x02" + data[1:])
    with pytest.raises(ValueError, match="number"):
        parse_beacon(data[:25] + b"\xff" + bytes(255 * 14))
