from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.copies import (
    COPY_MARGIN,
    DISTANCES,
    KEPT_PACKETS,
    MAX_COPIES,
    MAX_COPY_BODY,
    MAX_COPY_DISTANCE,
    Copy,
    RecentPackets,
    copied_distances,
    copied_within,
    pack_copies,
    parse_copies,
)
from tcproto.datagram import Item, ItemType
from tcproto.packet import DURATIONS_MS, AudioHeader
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


def header(sequence: int, duration_ms: int = 20, **fields: Any) -> AudioHeader:
    timestamp = sequence * 48 * duration_ms & 0xFFFFFFFF
    return AudioHeader(7, 1, 0, sequence & 0xFFFFFFFF, timestamp, duration_ms, **fields)


def recent(*headers: AudioHeader, body: bytes = b"body") -> RecentPackets:
    packets = RecentPackets()
    for each in headers:
        packets.note(each, each.pack() + body)
    return packets


@pytest.mark.parametrize("duration", DURATIONS_MS)
@pytest.mark.parametrize("copies", range(MAX_COPIES + 1))
def test_so_many_copies_stand_behind_a_packet(duration: int, copies: int) -> None:
    before = [header(n, duration, level=n + 9) for n in range(-4, 6)]
    carrier = header(6, duration)
    items = recent(*before).behind(carrier, copies)
    found = [copy for item in items for copy in parse_copies(item.value)]
    distances = DISTANCES[duration][copies]
    assert [copy.distance for copy in found] == list(distances) == copied_distances(items)
    assert [copy.header(carrier) for copy in found] == [before[10 - distance] for distance in distances]
    assert len(distances) == copies
    assert max(distances, default=0) <= min(KEPT_PACKETS - 1, MAX_COPY_DISTANCE)


def test_what_the_short_form_cannot_tell_is_copied_whole_and_silence_is_not() -> None:
    end = header(0, end_of_talk=True)
    items = recent(end, header(2, comfort=True), header(4)).behind(header(6), MAX_COPIES)
    assert [item.type for item in items] == [ItemType.COPIES, ItemType.FULL_COPY]
    assert items[1].value == end.pack() + b"body"
    assert copied_distances(items) == [2], "those in short form"
    sizes = {0: ItemType.FULL_COPY, 1: ItemType.COPIES, MAX_COPY_BODY: ItemType.COPIES}
    for size, kind in (*sizes.items(), (MAX_COPY_BODY + 1, ItemType.FULL_COPY)):
        assert [item.type for item in recent(header(8), body=bytes(size)).behind(header(11), 1)] == [kind]
    assert [item.type for item in recent(header(8)._replace(key_number=9)).behind(header(11), 1)] == [
        ItemType.FULL_COPY
    ]
    assert recent(header(8)).behind(header(100), MAX_COPIES) == []


def test_only_the_last_packets_are_kept() -> None:
    assert len(recent(*map(header, range(100)))) == KEPT_PACKETS


def test_malformed_copies_reach_nowhere() -> None:
    assert copied_distances([Item(ItemType.COPIES, b"\0"), Item(ItemType.COPIES, BYTES)]) == [1, 15]


@pytest.mark.parametrize(("back", "seconds"), [(1, 0.06 + COPY_MARGIN), (3, 0.02 + COPY_MARGIN), (4, 0.0), (9, 0.0)])
def test_a_copy_is_waited_for_as_long_as_one_can_come(back: int, seconds: float) -> None:
    assert copied_within(4, 0.02, back) == pytest.approx(seconds)
