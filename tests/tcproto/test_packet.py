from __future__ import annotations

from struct import error as StructError  # noqa: N812

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_secretbox

from tcproto.errors import CryptoFailure
from tcproto.packet import (
    AUDIO_HEADER_SIZE,
    AUDIO_PADDING_STEP,
    COMMON_HEADER_SIZE,
    DURATIONS_MS,
    MAX_PACKET,
    MAX_VIDEO_PAYLOAD,
    NONCE_SIZE,
    TAG_SIZE,
    VIDEO_HEADER_SIZE,
    AudioHeader,
    Header,
    PacketType,
    PlainHeader,
    Series,
    VideoHeader,
    cut_frame,
    header_size,
    open_packet,
    padded,
    parse_header,
    parse_series,
    seal_packet,
    unpadded,
)
from tests.support.mutations import bit_flips, truncations

KEY = bytes(range(32))
CASES: list[tuple[Header, str]] = [
    (AudioHeader(0, 0, 0, 0, 0), "10 0000 00 00 00000000 00000000 7f"),
    (
        AudioHeader(0x1234, 0x56, 0x78, 0x9ABCDEF0, 0x01020304, 60, 12, voice=True, end_of_talk=True),
        "16 1234 56 78 9abcdef0 01020304 8c",
    ),
    (
        AudioHeader(65535, 255, 255, 2**32 - 1, 2**32 - 1, 10, 127, voice=True, end_of_talk=True, comfort=True),
        "1f ffff ff ff ffffffff ffffffff ff",
    ),
    (AudioHeader(1, 2, 3, 4, 5, 40, 0, comfort=True), "19 0001 02 03 00000004 00000005 00"),
    (VideoHeader(0, 0, 0, 0, 0, 0, 0, 1), "20 0000 00 00 00000000 00000000 00 0000 0000 0001 01"),
    (
        VideoHeader(1, 2, 3, 4, 5, 6, 7, 8, keyframe=True, spatial=3, temporal=7, reference=0),
        "21 0001 02 03 00000004 00000005 37 0006 0007 0008 00",
    ),
    (
        VideoHeader(1, 2, 3, 4, 5, 65535, 65534, 65535, discardable=True, reference=255),
        "22 0001 02 03 00000004 00000005 00 ffff fffe ffff ff",
    ),
    (PlainHeader(1, 2, 3, 4, 5), "30 0001 02 03 00000004 00000005"),
    (PlainHeader(1, 2, 3, 4, 5, 15), "f0 0001 02 03 00000004 00000005"),
]
SIZES = {AudioHeader: AUDIO_HEADER_SIZE, VideoHeader: VIDEO_HEADER_SIZE, PlainHeader: COMMON_HEADER_SIZE}

u8, u16, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
common = (u16, u8, u8, u32, u32)
audio_headers = st.builds(
    AudioHeader,
    *common,
    st.sampled_from(DURATIONS_MS),
    st.integers(0, 127),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@st.composite
def video_headers(draw: st.DrawFn) -> VideoHeader:
    count = draw(st.integers(1, 65535))
    keyframe = draw(st.booleans())
    return VideoHeader(
        *(draw(field) for field in common),
        frame_id=draw(u16),
        packet_index=draw(st.integers(0, count - 1)),
        packet_count=count,
        keyframe=keyframe,
        discardable=draw(st.booleans()),
        spatial=draw(st.integers(0, 3)),
        temporal=draw(st.integers(0, 7)),
        reference=0 if keyframe else draw(st.integers(1, 255)),
    )


plain_headers = st.builds(PlainHeader, *common, st.sampled_from([0, *range(3, 16)]))
headers = audio_headers | video_headers() | plain_headers


@pytest.mark.parametrize(("header", "text"), CASES)
def test_headers_in_bytes(header: Header, text: str) -> None:
    data = bytes.fromhex(text)
    assert header.pack() == data
    for packet in (data, data + b"body"):
        assert parse_header(packet) == header
        assert type(parse_header(packet)) is type(header)
        assert header_size(packet) == len(data) == SIZES[type(header)] <= NONCE_SIZE


@given(headers)
def test_headers_round_trip(header: Header) -> None:
    assert parse_header(header.pack()) == header


@pytest.mark.parametrize("header", [header for header, _ in CASES])
def test_every_truncated_header_is_refused(header: Header) -> None:
    for cut in truncations(header.pack()):
        with pytest.raises(ValueError, match="shorter"):
            parse_header(cut)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_header_that_packs_or_a_value_error(data: bytes) -> None:
    try:
        header = parse_header(data)
    except ValueError:
        return
    # Only reserved flags may get lost.
    packed = header.pack()
    assert packed[1:] == data[1 : len(packed)]
    assert packed[0] & data[0] == packed[0]


@pytest.mark.parametrize(
    "header",
    [
        AudioHeader(0, 0, 0, 0, 0, 30),
        AudioHeader(0, 0, 0, 0, 0, level=128),
        AudioHeader(0, 0, 0, 0, 0, level=-1),
        AudioHeader(65536, 0, 0, 0, 0),
        AudioHeader(0, 256, 0, 0, 0),
        AudioHeader(0, 0, 256, 0, 0),
        AudioHeader(0, 0, 0, 2**32, 0),
        AudioHeader(0, 0, 0, 0, 2**32),
        AudioHeader(0, 0, 0, -1, 0),
        VideoHeader(0, 0, 0, 0, 0, 0, 0, 1, spatial=4),
        VideoHeader(0, 0, 0, 0, 0, 0, 0, 1, temporal=8),
        VideoHeader(0, 0, 0, 0, 0, 0, 0, 1, spatial=-1),
        VideoHeader(0, 0, 0, 0, 0, 0, 1, 1),
        VideoHeader(0, 0, 0, 0, 0, 0, 0, 0),
        VideoHeader(0, 0, 0, 0, 0, 0, 0, 1, keyframe=True),
        VideoHeader(0, 0, 0, 0, 0, 0, 0, 1, reference=0),
        VideoHeader(0, 0, 0, 0, 0, 0, 0, 1, reference=256),
        VideoHeader(0, 0, 0, 0, 0, 65536, 0, 1),
        PlainHeader(0, 0, 0, 2**32, 0),
        PlainHeader(0, 0, 0, 0, 0, 16),
    ],
)
def test_fields_out_of_range_are_not_packed(header: Header) -> None:
    with pytest.raises((ValueError, StructError)):
        header.pack()


@pytest.mark.parametrize(
    "text",
    [
        "20 0000 00 00 00000000 00000000 40 0000 0000 0001 01",  # spatial layer 4
        "20 0000 00 00 00000000 00000000 08 0000 0000 0001 01",  # temporal layer 8
        "20 0000 00 00 00000000 00000000 00 0000 0001 0001 01",  # packet 1 of 1
        "20 0000 00 00 00000000 00000000 00 0000 0000 0000 01",  # packet 0 of none
        "21 0000 00 00 00000000 00000000 00 0000 0000 0001 01",  # a keyframe that refers to a frame
        "20 0000 00 00 00000000 00000000 00 0000 0000 0001 00",  # no keyframe, refers to nothing
    ],
)
def test_fields_out_of_range_are_not_parsed(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|index|keyframe"):
        parse_header(bytes.fromhex(text))


@given(headers, headers)
def test_different_headers_make_different_nonces(one: Header, other: Header) -> None:
    nonces = [header.pack().ljust(NONCE_SIZE, b"\0") for header in (one, other)]
    assert (nonces[0] == nonces[1]) == (one == other and type(one) is type(other))


def test_a_sealed_packet_is_a_secretbox_whose_nonce_is_the_header() -> None:
    header = CASES[1][0]
    clear = header.pack()
    box = crypto_secretbox(b"\x0aopus!" + bytes(10), clear + bytes(10), KEY)
    assert seal_packet(header, b"opus!", KEY, AUDIO_PADDING_STEP) == clear + box
    assert open_packet(clear + box, KEY) == b"opus!"


def test_a_bare_packet_is_header_and_plaintext() -> None:
    header = CASES[1][0]
    packet = header.pack() + b"\x0aopus!" + bytes(10)
    assert seal_packet(header, b"opus!", None, AUDIO_PADDING_STEP) == packet
    assert open_packet(packet, None) == b"opus!"


# Nothing in the contents may change them.
@pytest.mark.parametrize("payload", [b"", b"\0", bytes(16), bytes(960), b"\xff" * 960, b"\x01\x00" * 480])
@pytest.mark.parametrize("key", [KEY, None, bytes(32)])
@pytest.mark.parametrize("step", [1, 16, 256])
def test_uniform_payloads_come_back_bit_for_bit(payload: bytes, key: bytes | None, step: int) -> None:
    for sequence in (0, 1, 2**31, 2**32 - 2, 2**32 - 1):
        packet = seal_packet(AudioHeader(1, 2, 3, sequence, 5), payload, key, step)
        assert open_packet(packet, key) == payload


@settings(max_examples=50)
@given(headers, st.binary(max_size=300), st.sampled_from([1, 2, 16, 64]), st.sampled_from([KEY, None]))
def test_packets_round_trip(header: Header, payload: bytes, step: int, key: bytes | None) -> None:
    packet = seal_packet(header, payload, key, step)
    assert parse_header(packet) == header
    assert open_packet(packet, key) == payload
    assert (len(packet) - header_size(packet) - (TAG_SIZE if key else 0)) % step == 0


def test_the_largest_video_payload_fills_a_packet() -> None:
    assert MAX_VIDEO_PAYLOAD == 1102
    header = VideoHeader(1, 2, 3, 4, 5, 6, 7, 8)
    for size in (MAX_VIDEO_PAYLOAD - 1, MAX_VIDEO_PAYLOAD, MAX_VIDEO_PAYLOAD + 1):
        payload = bytes(size)
        packet = seal_packet(header, payload, KEY)
        assert len(packet) - MAX_PACKET == size - MAX_VIDEO_PAYLOAD
        assert open_packet(packet, KEY) == payload


# All of the header is authenticated.
@pytest.mark.parametrize("header", [header for header, _ in CASES])
def test_a_flipped_bit_anywhere_keeps_the_box_shut(header: Header) -> None:
    for spoilt in bit_flips(seal_packet(header, b"payload", KEY)):
        try:
            parse_header(spoilt)
        except ValueError:
            continue
        with pytest.raises(CryptoFailure):
            open_packet(spoilt, KEY)


@pytest.mark.parametrize("header", [header for header, _ in CASES])
def test_a_truncated_packet_keeps_the_box_shut(header: Header) -> None:
    size = len(header.pack())
    for cut in truncations(seal_packet(header, b"payload", KEY)):
        if len(cut) >= size:
            with pytest.raises(CryptoFailure):
                open_packet(cut, KEY)


def test_the_wrong_key_keeps_the_box_shut() -> None:
    with pytest.raises(CryptoFailure):
        open_packet(seal_packet(CASES[0][0], b"payload", KEY), bytes(32))


@given(st.binary(max_size=80), st.sampled_from([KEY, None]))
def test_any_bytes_open_or_fail_as_said(data: bytes, key: bytes | None) -> None:
    try:
        parse_header(data)
        payload = open_packet(data, key)
    except (ValueError, CryptoFailure):
        return
    assert key is None
    assert len(payload) < len(data)


@pytest.mark.parametrize(
    ("payload", "step", "plaintext"),
    [
        (b"", 1, b"\x00"),
        (b"", 16, b"\x0f" + bytes(15)),
        (b"a", 1, b"\x00a"),
        (b"a", 16, b"\x0ea" + bytes(14)),
        (bytes(15), 16, bytes(16)),
        (bytes(16), 16, b"\x0f" + bytes(31)),
        (b"", 256, b"\xff" + bytes(255)),
    ],
)
def test_padding_in_bytes(payload: bytes, step: int, plaintext: bytes) -> None:
    assert padded(payload, step) == plaintext
    assert unpadded(plaintext) == payload


def test_more_padding_than_the_count_can_say_is_refused() -> None:
    with pytest.raises(ValueError, match="range"):
        padded(b"", 257)


@pytest.mark.parametrize("plaintext", [b"", b"\x01", b"\x02a", b"\xff" + bytes(254), b"\x01a", b"\x02a\x01\x00"])
def test_bad_padding_is_refused(plaintext: bytes) -> None:
    with pytest.raises(ValueError, match="padding"):
        unpadded(plaintext)
    with pytest.raises(ValueError, match="padding"):
        open_packet(CASES[0][0].pack() + plaintext, None)
    clear = CASES[0][0].pack()
    with pytest.raises(ValueError, match="padding"):
        open_packet(clear + crypto_secretbox(plaintext, clear.ljust(NONCE_SIZE, b"\0"), KEY), KEY)


@given(st.binary(max_size=300))
def test_any_plaintext_unpads_or_is_a_value_error(data: bytes) -> None:
    try:
        payload = unpadded(data)
    except ValueError:
        return
    assert data == bytes((data[0],)) + payload + bytes(data[0])


def test_an_unknown_type_has_the_common_header() -> None:
    known = {PacketType.AUDIO, PacketType.VIDEO}
    for type_ in set(range(16)) - known:
        packet = seal_packet(PlainHeader(1, 2, 3, 4, 5, type_), b"later", KEY)
        assert parse_header(packet) == PlainHeader(1, 2, 3, 4, 5, type_)
        assert open_packet(packet, KEY) == b"later"


@given(st.integers(0, 65535), st.integers(0, 3), st.integers(0, 7), st.booleans())
def test_series_round_trip(stream: int, spatial: int, temporal: int, redundant: bool) -> None:
    value = Series(stream, spatial, temporal, redundant)
    assert parse_series(stream, value.code()) == value


def test_every_series_code_is_a_series_or_reserved() -> None:
    for code in range(256):
        if code & 0x18:
            with pytest.raises(ValueError, match="reserved"):
                parse_series(1, code)
        else:
            assert parse_series(1, code).code() == code


@pytest.mark.parametrize(("spatial", "temporal"), [(4, 0), (-1, 0), (0, 8), (0, -1)])
def test_a_layer_out_of_range_has_no_code(spatial: int, temporal: int) -> None:
    with pytest.raises(ValueError, match="layer"):
        Series(1, spatial, temporal).code()


@given(st.binary(min_size=1, max_size=5000), st.integers(1, 1500))
def test_the_pieces_of_a_frame_join_and_are_equal_except_the_last(data: bytes, max_payload: int) -> None:
    pieces = cut_frame(data, max_payload)
    assert b"".join(pieces) == data
    assert len(pieces) == -(-len(data) // max_payload)
    assert len({len(piece) for piece in pieces[:-1]}) <= 1
    assert all(0 < len(piece) <= max_payload for piece in pieces)
    assert len(pieces[-1]) <= len(pieces[0])


@pytest.mark.parametrize(("data", "max_payload"), [(b"", 10), (b"x", 0), (bytes(0x10000), 1)])
def test_what_cannot_be_cut_is_refused(data: bytes, max_payload: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        cut_frame(data, max_payload)


def test_a_piece_fits_a_packet() -> None:
    assert cut_frame(bytes(MAX_VIDEO_PAYLOAD)) == [bytes(MAX_VIDEO_PAYLOAD)]
    assert [len(piece) for piece in cut_frame(bytes(MAX_VIDEO_PAYLOAD + 1))] == [552, 551]
