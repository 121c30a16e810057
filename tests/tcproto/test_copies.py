from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.copies import MAX_COPY_DISTANCE, Copy, pack_copies, parse_copies
from tcproto.packet import AudioHeader
from tests.support.mutations import bit_flips, truncations

COPIES = [Copy(1, 0, True, b"a"), Copy(15, 127, False, bytes(255))]
BYTES = bytes.fromhex("01 80 01 61 0f 7f ff" + "00" * 255)


def test_copies_in_bytes() -> None:
    assert pack_copies(COPIES) == BYTES
    assert parse_copies(BYTES) == COPIES
    assert pack_copies([]) == b""
    assert parse_copies(b"") == []


def test_spoilt_copies_are_copies_that_pack_or_a_value_error() -> None:
    for spoilt in (*truncations(BYTES), *bit_flips(BYTES[:40])):
        try:
            found = parse_copies(spoilt)
        except ValueError:
            continue
        assert found != COPIES
        assert parse_copies(pack_copies(found)) == found


@given(data=st.binary(max_size=400))
def test_any_bytes_are_copies_or_a_value_error(data: bytes) -> None:
    try:
        parse_copies(data)
    except ValueError:
        return


def test_a_copy_has_the_exact_header_of_what_was_sent() -> None:
    for duration in (10, 20, 40, 60):
        sent = [
            AudioHeader(1, 2, 3, n & 0xFFFFFFFF, n * duration * 48 & 0xFFFFFFFF, duration, 40 - n, n % 2 == 0)
            for n in range(-MAX_COPY_DISTANCE, 1)
        ]
        carrier = sent[-1]._replace(end_of_talk=True, comfort=True)
        for distance in range(1, MAX_COPY_DISTANCE + 1):
            original = sent[-1 - distance]
            copy = Copy(distance, original.level, original.voice, b"body")
            assert copy.header(carrier) == original
            assert copy.header(carrier).pack() == original.pack()


@pytest.mark.parametrize(
    "copy",
    [
        Copy(0, 0, False, b"a"),
        Copy(MAX_COPY_DISTANCE + 1, 0, False, b"a"),
        Copy(1, 128, False, b"a"),
        Copy(1, -1, False, b"a"),
        Copy(1, 0, False, b""),
        Copy(1, 0, False, bytes(256)),
    ],
)
def test_a_copy_out_of_range_is_refused(copy: Copy) -> None:
    with pytest.raises(ValueError, match="full header"):
        pack_copies([copy])


@pytest.mark.parametrize("text", ["01", "01 00", "01 00 01", "00 00 01 61", "10 00 01 61", "01 00 00", "01 00 ff 61"])
def test_copies_out_of_range_are_not_parsed(text: str) -> None:
    with pytest.raises(ValueError, match="copy"):
        parse_copies(bytes.fromhex(text))


lists_of_copies = st.lists(
    st.builds(Copy, st.integers(1, 15), st.integers(0, 127), st.booleans(), st.binary(min_size=1, max_size=255)),
    max_size=4,
)


@given(lists_of_copies)
def test_copies_round_trip(values: list[Copy]) -> None:
    assert parse_copies(pack_copies(values)) == values
