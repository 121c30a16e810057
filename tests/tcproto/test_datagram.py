from __future__ import annotations

import os
from struct import error as StructError  # noqa: N812

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_secretbox

from tcproto.datagram import (
    HEADER_SIZE,
    LAST_ITEM,
    MAX_COUNTER,
    MAX_DATAGRAM,
    MAX_PLAINTEXT,
    MIN_DATAGRAM,
    REKEY_COUNTER,
    VERSION,
    Header,
    Item,
    ItemType,
    Kind,
    open_datagram,
    pack_header,
    pack_items,
    pack_relay_time,
    parse_header,
    parse_items,
    parse_relay_time,
    seal,
)
from tcproto.errors import CryptoFailure
from tests.support.mutations import bit_flips, truncations

KEY = bytes(range(32))
# The counter where its halves meet, and at its end.
COUNTERS = [0, 1, 2**32 - 1, 2**32, 2**32 + 1, REKEY_COUNTER - 1, REKEY_COUNTER, MAX_COUNTER - 1, MAX_COUNTER]
HEADERS = [
    (Header(1, Kind.UP, 0, 0, 0), "11 00 00000000 000000000000"),
    (Header(1, Kind.DOWN, 0x12, 0x3456789A, 0xBCDEF0123456), "12 12 3456789a bcdef0123456"),
    (Header(1, Kind.ROOM, 255, 2**32 - 1, MAX_COUNTER), "13 ff ffffffff ffffffffffff"),
    (Header(1, Kind.RELAY, 1, 2, 2**32), "14 01 00000002 000100000000"),
]


@pytest.mark.parametrize(("header", "text"), HEADERS)
def test_headers_in_bytes(header: Header, text: str) -> None:
    version, kind, epoch, ident, counter = header
    assert version == VERSION
    assert pack_header(Kind(kind), epoch, ident, counter) == bytes.fromhex(text)
    assert parse_header(bytes.fromhex(text) + b"more") == header
    assert len(bytes.fromhex(text)) == HEADER_SIZE


def test_the_epoch_is_taken_modulo_256() -> None:
    assert parse_header(pack_header(Kind.UP, 259, 1, 1)).epoch == 3


@given(st.binary(min_size=HEADER_SIZE, max_size=40))
def test_any_bytes_are_a_header(data: bytes) -> None:
    version, kind, epoch, ident, counter = parse_header(data)
    assert bytes((version << 4 | kind, epoch)) + ident.to_bytes(4, "big") + counter.to_bytes(6, "big") == data[:12]


@pytest.mark.parametrize(("ident", "counter"), [(0, MAX_COUNTER + 1), (0, -1), (2**32, 0), (-1, 0)])
def test_numbers_out_of_range_never_wrap(ident: int, counter: int) -> None:
    with pytest.raises(StructError):
        pack_header(Kind.UP, 0, ident, counter)


def test_a_datagram_is_a_secretbox_whose_nonce_is_the_header() -> None:
    header = pack_header(Kind.ROOM, 1, 2, 3)
    datagram = header + crypto_secretbox(b"items", header + bytes(12), KEY)
    assert seal(header, b"items", KEY) == datagram
    assert open_datagram(datagram, KEY) == b"items"


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("plaintext", [b"", bytes(1172), b"\xff" * 1172])
def test_datagrams_round_trip(counter: int, plaintext: bytes) -> None:
    datagram = seal(pack_header(Kind.UP, 7, 8, counter), plaintext, KEY)
    assert parse_header(datagram) == (VERSION, Kind.UP, 7, 8, counter)
    assert open_datagram(datagram, KEY) == plaintext


def test_the_largest_plaintext_fills_a_datagram() -> None:
    for size in (MAX_PLAINTEXT - 1, MAX_PLAINTEXT, MAX_PLAINTEXT + 1):
        datagram = seal(pack_header(Kind.UP, 0, 0, 0), bytes(size), KEY)
        assert len(datagram) - MAX_DATAGRAM == size - MAX_PLAINTEXT


@pytest.mark.parametrize("plaintext", [b"", b"\x10items"])
def test_a_spoilt_datagram_does_not_open(plaintext: bytes) -> None:
    datagram = seal(pack_header(Kind.UP, 1, 2, 3), plaintext, KEY)
    for spoilt in (*truncations(datagram), *bit_flips(datagram), datagram + b"\0", datagram * 2):
        with pytest.raises(CryptoFailure):
            open_datagram(spoilt, KEY)
    with pytest.raises(CryptoFailure):
        open_datagram(datagram, bytes(32))


# Too short, too long.
@pytest.mark.parametrize("size", [*range(MIN_DATAGRAM + 2), 1199, 1200, 1201, 4096, 65506, 65507])
def test_garbage_of_any_size_does_not_open(size: int) -> None:
    with pytest.raises(CryptoFailure):
        open_datagram(os.urandom(size), KEY)


ITEMS: list[tuple[list[Item], bool, str]] = [
    ([], True, ""),
    ([], False, ""),
    ([Item(ItemType.PACKET, b"abc")], True, "81 616263"),
    ([Item(ItemType.PACKET, b"abc")], False, "01 0003 616263"),
    ([Item(ItemType.PACKET, b"")], True, "81"),
    ([Item(ItemType.PING, b"ab"), Item(ItemType.COPIES, b"c")], True, "10 0002 6162 85 63"),
    ([Item(ItemType.PADDING, b""), Item(127, b"z")], False, "00 0000 7f 0001 7a"),
]


@pytest.mark.parametrize(("items", "open_end", "text"), ITEMS)
def test_items_in_bytes(items: list[Item], open_end: bool, text: str) -> None:
    data = bytes.fromhex(text)
    assert pack_items(items, open_end=open_end) == data
    assert parse_items(data) == items
    assert parse_items(b"time" + data, 4) == items


items = st.lists(st.builds(Item, st.integers(0, LAST_ITEM - 1), st.binary(max_size=60)), max_size=8)


@given(items, st.booleans())
def test_items_round_trip(given_items: list[Item], open_end: bool) -> None:
    data = pack_items(given_items, open_end=open_end)
    assert parse_items(data) == given_items


@settings(max_examples=30)
@given(items.filter(bool))
def test_every_truncation_of_closed_items_is_refused_or_ends_between_two(given_items: list[Item]) -> None:
    data = pack_items(given_items, open_end=False)
    for cut in truncations(data):
        try:
            found = parse_items(cut)
        except ValueError:
            continue
        assert found == given_items[: len(found)]
        assert pack_items(found, open_end=False) == cut


@given(st.binary(max_size=200), st.integers(0, 210))
def test_any_bytes_are_items_or_a_value_error(data: bytes, start: int) -> None:
    try:
        found = parse_items(data, start)
    except ValueError:
        return
    assert sum(len(item.value) + 1 for item in found) <= max(0, len(data) - start)
    assert all(item.type < LAST_ITEM for item in found)


def test_a_bit_flip_in_items_is_found_or_changes_a_value() -> None:
    data = pack_items([Item(ItemType.PING, bytes(6)), Item(ItemType.PACKET, b"packet")])
    for spoilt in bit_flips(data):
        try:
            assert parse_items(spoilt) != parse_items(data)
        except ValueError:
            continue


@pytest.mark.parametrize("text", ["01", "01 00", "01 0001", "01 ffff 00", "10 0000 01 00"])
def test_items_cut_off_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="item"):
        parse_items(bytes.fromhex(text))


def test_an_item_too_long_for_its_length_is_refused() -> None:
    assert len(pack_items([Item(1, bytes(65535))], open_end=False)) == 65538
    with pytest.raises(StructError):
        pack_items([Item(1, bytes(65536))], open_end=False)


@pytest.mark.parametrize(("time", "text"), [(0, "00000000"), (2**32 - 1, "ffffffff"), (2**32 + 5, "00000005")])
def test_relay_times_in_bytes(time: int, text: str) -> None:
    assert pack_relay_time(time) == bytes.fromhex(text)
    assert parse_relay_time(bytes.fromhex(text) + b"items") == time % 2**32


def test_a_datagram_without_relay_time_is_refused() -> None:
    for cut in truncations(bytes(4)):
        with pytest.raises(ValueError, match="relay time"):
            parse_relay_time(cut)
