import struct

import pytest

from tcclient.recording.ogg import (
    FIRST,
    LAST,
    OggStream,
    opus_head,
    opus_tags,
)


def test_a_page_has_the_bytes_that_the_rfc_says() -> None:
    stream = OggStream(0x01020304)
    assert stream.page([b"abc", bytes(255)], 960, FIRST) == (
        b"OggS\0\x02"
        + struct.pack("<q", 960)
        + b"\x04\x03\x02\x01"
        + bytes(4)
        + bytes.fromhex("29072a9e")
        + b"\x03\x03\xff\x00"
        + b"abc"
        + bytes(255)
    )
    second = stream.page([], 960, LAST)
    assert second[5] == LAST
    assert second[18:22] == b"\1\0\0\0"
    assert second[26:] == b"\0"


def test_a_page_takes_what_fits_and_no_more() -> None:
    stream = OggStream(1)
    assert len(stream.page([b"x"] * 255, 0)) == 27 + 255 + 255
    with pytest.raises(ValueError, match="256"):
        stream.page([b"x"] * 256, 0)


def test_the_headers_are_those_of_the_rfc() -> None:
    assert opus_head(1, 312) == b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0"
    assert opus_tags("ab", {"TITLE": "ü"}) == b"OpusTags\2\0\0\0ab\1\0\0\0\x08\0\0\0TITLE=\xc3\xbc"
