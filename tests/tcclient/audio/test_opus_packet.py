import opuslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.audio.opus_packet import MAX_PACKET, MAX_PACKET_DURATION, lost_packets, packet_duration


@pytest.mark.parametrize(
    ("packet", "duration"),
    [
        (bytes([0 << 3]), 480),  # SILK 10 ms
        (bytes([3 << 3]), 2880),  # SILK 60 ms
        (bytes([13 << 3]), 960),  # hybrid 20 ms
        (bytes([16 << 3]), 120),  # CELT 2.5 ms
        (bytes([31 << 3 | 1]), 1920),  # two frames of 20 ms
        (bytes([31 << 3 | 2]), 1920),
        (bytes([31 << 3 | 3, 6]), 5760),
        (bytes([31 << 3 | 3, 7]), None),  # 140 ms
        (bytes([31 << 3 | 3, 0]), None),
        (bytes([31 << 3 | 3]), None),
        (b"", None),
        (bytes(MAX_PACKET + 1), None),
    ],
)
def test_the_duration_follows_from_the_first_bytes(packet: bytes, duration: int | None) -> None:
    assert packet_duration(packet) == duration


@given(st.binary(min_size=1, max_size=6))
def test_durations_are_those_of_libopus(packet: bytes) -> None:
    try:
        sound = opuslib.Decoder(48_000, 1).decode(packet, MAX_PACKET_DURATION)
    except opuslib.OpusError:
        return
    assert packet_duration(packet) == len(sound) // 2


@given(st.integers(0, 200_000), st.booleans())
def test_lost_packets_fill_the_time(duration: int, stereo: bool) -> None:
    packets = lost_packets(duration, stereo=stereo)
    filled = sum(packet_duration(packet) or 0 for packet in packets)
    assert duration - 120 < filled <= duration
    assert all(packet[0] >> 2 & 1 == stereo for packet in packets)


def test_a_lost_packet_decodes_to_its_length() -> None:
    decoder = opuslib.Decoder(48_000, 1)
    for packet in lost_packets(960 + 480 + 240 + 120):
        assert len(decoder.decode(packet, MAX_PACKET_DURATION)) == 2 * (packet_duration(packet) or 0)
