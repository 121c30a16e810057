from __future__ import annotations

from collections.abc import Callable
from struct import error as StructError  # noqa: N812
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.path import (
    PingItem,
    PongItem,
    Position,
    pack_positions,
    parse_ping,
    parse_pong,
    parse_positions,
)
from tests.support.mutations import bit_flips, truncations

CASES: list[tuple[Callable[[Any], bytes], Callable[[bytes], Any], Any, str]] = [
    (PingItem.pack, parse_ping, PingItem(0, 0), "0000 00000000"),
    (PingItem.pack, parse_ping, PingItem(0x0102, 0x03040506), "0102 03040506"),
    (PingItem.pack, parse_ping, PingItem(65535, 2**32 - 1), "ffff ffffffff"),
    (PongItem.pack, parse_pong, PongItem(1, 2, 3, 4, 5), "0001 00000002 00000003 000000000004 00000005"),
    (
        PongItem.pack,
        parse_pong,
        PongItem(65535, 2**32 - 1, 2**32 - 1, 2**48 - 1, 2**32 - 1),
        "ffff ffffffff ffffffff ffffffffffff ffffffff",
    ),
    (PongItem.pack, parse_pong, PongItem(0, 0, 0, 2**32, 0), "0000 00000000 00000000 000100000000 00000000"),
    (pack_positions, parse_positions, [], ""),
    (
        pack_positions,
        parse_positions,
        [Position(1, 2**32 - 1), Position(2**32 - 1, 2**48 - 1), Position(0, 2**32)],
        "00000001 0000ffffffff ffffffff ffffffffffff 00000000 000100000000",
    ),
]


@pytest.mark.parametrize(("pack", "parse", "value", "text"), CASES)
def test_values_in_bytes(pack: Callable[[Any], bytes], parse: Callable[[bytes], Any], value: object, text: str) -> None:
    data = bytes.fromhex(text)
    assert pack(value) == data
    assert parse(data) == value
    for spoilt in bit_flips(data):
        assert parse(spoilt) != value
        assert pack(parse(spoilt)) == spoilt
    for cut in (*truncations(data), data + b"\0"):
        if parse is not parse_positions or len(cut) % 10:
            with pytest.raises(ValueError, match="wrong length"):
                parse(cut)


@pytest.mark.parametrize("parse", [parse_ping, parse_pong, parse_positions])
@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_value_error(parse: Callable[[bytes], Any], data: bytes) -> None:
    try:
        parse(data)
    except ValueError:
        return


def test_counters_out_of_range_never_wrap() -> None:
    for counter in (2**48, -1):
        with pytest.raises(StructError):
            pack_positions([Position(0, counter)])
        with pytest.raises(StructError):
            PongItem(0, 0, 0, counter, 0).pack()
