import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.beacon import (
    BEACON_INTERVAL,
    MAX_CLOCKS,
    ROOM_BEACONS,
    Beacon,
    BeaconContext,
    ClockMapping,
    beacon_interval,
    beacon_spacing,
    open_beacon,
    parse_beacon,
    sign_beacon,
)
from tcproto.errors import CryptoFailure
from tcproto.identity import SigningKey
from tcproto.packet import MAX_PACKET, PacketType, parse_header
from tcproto.sender_key import MAX_GENERATION
from tests.support.mutations import bit_flips, truncations

CLOCKS = st.lists(
    st.builds(ClockMapping, st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)),
    max_size=MAX_CLOCKS,
).map(tuple)
BEACONS = st.builds(
    Beacon,
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1),
    st.integers(0, MAX_GENERATION),
    st.binary(min_size=32, max_size=32),
    CLOCKS,
)
DEVICE = SigningKey(b"d" * 32)
SEAT = BeaconContext(b"f" * 20, b"l" * 16, b"b" * 32)


def test_a_payload_in_bytes():
    beacon = Beacon(bytes(range(16)), 0x01020304, 5, bytes(range(32)), (ClockMapping(0x0102, 0x03040506, 7),))
    data = b"\x02" + bytes(range(16)) + bytes.fromhex("0102030405") + bytes(range(32))
    data += bytes.fromhex("01 0102 03040506 0000000000000007")
    assert beacon.pack() == data
    assert parse_beacon(data) == beacon


def test_a_packet_in_bytes():
    beacon = Beacon(bytes(16), 0x0103, 5, bytes(32))
    header = bytes.fromhex("30 0203 03 05 00000009 00000008")
    signed = b"tc beacon v2\0" + b"f" * 20 + b"l" * 16 + b"b" * 32 + header + beacon.pack()
    packet = sign_beacon(beacon, 0x0203, 9, 8, SEAT, DEVICE)
    assert packet == header + beacon.pack() + DEVICE.sign(signed)
    assert open_beacon(packet, SEAT, DEVICE.public) == beacon
    assert parse_header(packet).type == PacketType.BEACON


@given(BEACONS, st.binary(max_size=20))
def test_round_trip_and_what_a_later_version_adds(beacon, more):
    assert parse_beacon(beacon.pack()) == beacon
    assert parse_beacon(beacon.pack() + more) == beacon
    packet = sign_beacon(beacon, 1, 2, 3, SEAT, DEVICE)
    assert len(packet) <= MAX_PACKET
    assert open_beacon(packet, SEAT, DEVICE.public) == beacon


@given(BEACONS)
def test_every_truncation_is_refused(beacon):
    data = beacon.pack()
    for end in range(len(data)):
        with pytest.raises(ValueError, match="beacon"):
            parse_beacon(data[:end])


@given(st.binary(max_size=800))
def test_any_bytes_parse_or_are_refused(data):
    try:
        beacon = parse_beacon(data)
    except ValueError:
        return
    assert data.startswith(beacon.pack())
    with pytest.raises(CryptoFailure):
        open_beacon(data, SEAT, DEVICE.public)


def test_a_beacon_holds_for_its_seat_and_every_bit_of_it_alone():
    packet = sign_beacon(Beacon(bytes(16), 3, 5), 1, 2, 3, SEAT, DEVICE)
    for spoilt in (*bit_flips(packet), *truncations(packet), packet + b"\0"):
        with pytest.raises(CryptoFailure):
            open_beacon(spoilt, SEAT, DEVICE.public)
    for field, value in (("fingerprint", bytes(20)), ("life", bytes(16)), ("box_key", bytes(32))):
        with pytest.raises(CryptoFailure):
            open_beacon(packet, SEAT._replace(**{field: value}), DEVICE.public)
    with pytest.raises(CryptoFailure):
        open_beacon(packet, SEAT, SigningKey(bytes(32)).public)


@pytest.mark.parametrize("header", ["30 0001 04 05 00000002 00000003", "30 0001 03 04 00000002 00000003"])
def test_a_header_with_another_key_than_the_beacon_is_refused(header):
    clear, payload = bytes.fromhex(header), Beacon(bytes(16), 0x0103, 5).pack()
    signature = DEVICE.sign(b"tc beacon v2\0" + b"".join(SEAT) + clear + payload)
    with pytest.raises(ValueError, match="another key"):
        open_beacon(clear + payload + signature, SEAT, DEVICE.public)


@pytest.mark.parametrize(
    "beacon",
    [
        Beacon(bytes(15)),
        Beacon(bytes(16), commitment=bytes(8)),
        Beacon(bytes(16), clocks=(ClockMapping(1, 2, 3),) * (MAX_CLOCKS + 1)),
    ],
)
def test_fields_out_of_range_are_not_packed(beacon):
    with pytest.raises(ValueError, match="out of range"):
        beacon.pack()


def test_other_versions_and_what_no_sender_makes_are_refused():
    data = Beacon(bytes(16)).pack()
    with pytest.raises(ValueError, match="version"):
        parse_beacon(b"\x01" + data[1:])
    with pytest.raises(ValueError, match="mappings"):
        parse_beacon(data[:54] + b"\xff" + bytes(255 * 14))
    with pytest.raises(ValueError, match="generation"):
        parse_beacon(data[:21] + bytes((MAX_GENERATION + 1,)) + data[22:])


@pytest.mark.parametrize("members", [1, 2, 49, 50, 51, 100, 500, 501, 1024])
def test_a_room_has_so_many_beacons_in_a_second_and_no_more(members):
    assert members / beacon_interval(members) <= ROOM_BEACONS
    assert members / beacon_spacing(members) <= ROOM_BEACONS
    assert beacon_interval(members) == (BEACON_INTERVAL if members <= 500 else members / 50)
    assert beacon_spacing(members) == (1.0 if members <= 50 else members / 50)
