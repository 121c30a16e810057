from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcproto.errors import ErrorCode, ProtocolError
from tcproto.framing import LIMIT_BEFORE_LOGIN, MAX_FRAME, FrameDecoder, encode_frame

BODIES = [b"a", b"bc", bytes(300), b"\xff" * LIMIT_BEFORE_LOGIN]


def drain(decoder: FrameDecoder) -> list[bytes]:
    return list(iter(decoder.next_frame, None))


def test_vectors() -> None:
    assert encode_frame(b"abc") == b"\x00\x03abc"
    assert encode_frame(bytes(258))[:3] == b"\x01\x02\x00"


def test_whole() -> None:
    decoder = FrameDecoder(LIMIT_BEFORE_LOGIN)
    decoder.receive_data(b"".join(map(encode_frame, BODIES)))
    assert decoder.buffered == sum(map(len, BODIES)) + 2 * len(BODIES)
    bodies = drain(decoder)
    assert bodies == BODIES
    assert {type(body) for body in bodies} == {bytes}
    assert decoder.buffered == 0


def test_byte_by_byte() -> None:
    decoder = FrameDecoder(LIMIT_BEFORE_LOGIN)
    frames = []
    for byte in b"".join(map(encode_frame, BODIES)):
        decoder.receive_data(bytes([byte]))
        frames += drain(decoder)
    assert frames == BODIES


def test_truncated_at_every_length_is_no_frame_yet() -> None:
    whole = encode_frame(b"hello")
    for length in range(len(whole)):
        decoder = FrameDecoder(LIMIT_BEFORE_LOGIN)
        decoder.receive_data(whole[:length])
        assert decoder.next_frame() is None
        assert decoder.buffered == length
        decoder.receive_data(whole[length:])
        assert decoder.next_frame() == b"hello"


@pytest.mark.parametrize("limit", [1, LIMIT_BEFORE_LOGIN, MAX_FRAME])
def test_up_to_the_limit(limit: int) -> None:
    decoder = FrameDecoder(limit)
    for size in {1, max(limit - 1, 1), limit}:
        decoder.receive_data(encode_frame(bytes(size)))
        assert decoder.next_frame() == bytes(size)


@pytest.mark.parametrize("announced", [0, LIMIT_BEFORE_LOGIN + 1, MAX_FRAME])
def test_two_bytes_are_enough_to_refuse(announced: int) -> None:
    decoder = FrameDecoder(LIMIT_BEFORE_LOGIN)
    decoder.receive_data(encode_frame(b"good") + announced.to_bytes(2, "big"))
    assert decoder.next_frame() == b"good"
    for _ in range(2):  # it stays broken and keeps nothing
        with pytest.raises(ProtocolError) as caught:
            decoder.next_frame()
        assert caught.value.code is ErrorCode.BAD_FRAME
        assert str(announced) in caught.value.detail
        decoder.receive_data(encode_frame(b"late"))
        assert decoder.buffered == 0


def test_the_limit_can_be_raised_between_frames() -> None:
    decoder = FrameDecoder(4)
    decoder.receive_data(encode_frame(b"auth") + encode_frame(bytes(MAX_FRAME)))
    assert decoder.next_frame() == b"auth"
    decoder.limit = MAX_FRAME
    assert decoder.next_frame() == bytes(MAX_FRAME)


def test_a_frame_that_is_wrong_has_the_size_of_its_length() -> None:
    """It is charged, and then refused each time that it is asked for."""
    decoder = FrameDecoder(4)
    decoder.receive_data(encode_frame(b"large"))
    for _ in range(2):
        assert decoder.next_size == 2
        with pytest.raises(ProtocolError):
            decoder.next_frame()


@pytest.mark.parametrize("size", [0, MAX_FRAME + 1])
def test_frames_that_cannot_be_are_not_encoded(size: int) -> None:
    with pytest.raises(ValueError, match="frame of"):
        encode_frame(bytes(size))


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.data())
def test_cut_anywhere(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(encode_frame, bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = FrameDecoder(50)
    frames = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.receive_data(stream[start:end])
        frames += drain(decoder)
        assert decoder.buffered < 52
    assert frames == bodies
