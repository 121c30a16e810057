from __future__ import annotations

import contextlib
import math
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcproto import codec, fields
from tcproto.codec import pack, unpack
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.fields import Value

VECTORS: list[tuple[Value, str]] = [
    (None, "c0"),
    (True, "c3"),
    (0, "00"),
    (127, "7f"),
    (128, "cc80"),
    ((1 << 64) - 1, "cfffffffffffffffff"),
    (-(1 << 63), "d38000000000000000"),
    (1.5, "cb3ff8000000000000"),
    ("é", "a2c3a9"),
    (b"\0", "c40100"),
    ([1, [2]], "92019102"),
    ({"a": {}}, "81a16180"),
]


def nested(depth: int) -> Value:
    value: Value = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(("value", "data"), VECTORS)
def test_vectors_both_ways(value: Value, data: str) -> None:
    assert pack(value).hex() == data
    assert unpack(bytes.fromhex(data)) == value
    assert type(unpack(bytes.fromhex(data))) is type(value)


@pytest.mark.parametrize(("value", "data"), VECTORS)
def test_truncated_or_trailing_is_refused(value: Value, data: str) -> None:
    whole = bytes.fromhex(data)
    for length in range(len(whole)):
        refused(whole[:length])
    refused(whole + b"\xc0")


def refused(data: bytes, detail: str = "") -> None:
    with pytest.raises(ProtocolError) as caught:
        unpack(data)
    assert caught.value.code is ErrorCode.BAD_MESSAGE
    assert detail in caught.value.detail


AT_THE_LIMIT: list[tuple[Value, Value]] = [
    ([None] * fields.MAX_ARRAY_LEN, [None] * (fields.MAX_ARRAY_LEN + 1)),
    ({str(i): i for i in range(codec.MAX_MAP_LEN)}, {str(i): i for i in range(codec.MAX_MAP_LEN + 1)}),
    ("x" * fields.MAX_STR_LEN, "x" * (fields.MAX_STR_LEN + 1)),
    ("é" * (fields.MAX_STR_LEN // 2), "é" * (fields.MAX_STR_LEN // 2) + "x"),
    (bytes(fields.MAX_BIN_LEN), bytes(fields.MAX_BIN_LEN + 1)),
    (nested(codec.MAX_DEPTH), nested(codec.MAX_DEPTH + 1)),
    ({"a": nested(codec.MAX_DEPTH - 1)}, {"a": nested(codec.MAX_DEPTH)}),
    ([[0] * 4095] * 4, [[0] * 4095] * 4 + [0]),
    ([[[]] * 4095] * 4, [[[]] * 4095] * 4 + [[]]),
    ([{"a": 1}] * 4096, [[{"a": 1}] * 4096, [{"a": 1}] * 1366]),
    ([bytes(32000), bytes(32000), bytes(1508)], [bytes(32000), bytes(32000), bytes(1509)]),
]


@pytest.mark.parametrize(("fits", "too_much"), AT_THE_LIMIT)
def test_limits(fits: Value, too_much: Value) -> None:
    assert unpack(pack(fits)) == fits
    with pytest.raises(ValueError, match=r"a .* of more than|nested too deeply|too many values|message of"):
        pack(too_much)
    refused(msgpack.packb(too_much))


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (msgpack.packb(msgpack.ExtType(5, b"x")), "ext"),
        (b"\xc7\x00\x05", "ExtType"),
        (b"\xc7\x00\xff", "timestamp"),
        (msgpack.packb(msgpack.Timestamp(1, 0)), "ext"),
        (b"\x91" + msgpack.packb(msgpack.Timestamp(1, 1)), "ext"),
        (b"\xca" + struct.pack(">f", math.inf), "finite"),
        (msgpack.packb(math.nan), "finite"),
        (msgpack.packb([-math.inf]), "finite"),
        (bytes.fromhex("82a16101a16102"), "twice"),
        (bytes.fromhex("81a16182a16201a16201"), "twice"),
        (msgpack.packb({1: 2}), "key"),
        (msgpack.packb({b"a": 2}), "key"),
        (bytes.fromhex("819001"), "key"),
        (bytes.fromhex("a1ff"), "utf-8"),
        (bytes.fromhex("a3eda080"), "utf-8"),
        (b"\xc1", ""),
        (b"", ""),
        (b"\x91" * 60000, ""),
        (b"\x81\xa1a" * 20000, ""),
        (b"\xdc\x10\x00" * 20000, ""),
        (b"\xdd\xff\xff\xff\xff", "array"),
        (b"\xdf\xff\xff\xff\xff", "map"),
        (b"\xdb\xff\xff\xff\xff", "incomplete"),
        (b"\xc6\xff\xff\xff\xff", "incomplete"),
        (b"\xc9\xff\xff\xff\xff\x01", "ext"),
        (bytes(codec.MAX_MESSAGE + 1), "message of"),
    ],
)
def test_hostile_bytes_are_refused(data: bytes, detail: str) -> None:
    refused(data, detail)


@pytest.mark.parametrize(
    "value",
    [
        1 << 64,
        -(1 << 63) - 1,
        math.nan,
        math.inf,
        "\ud800",
        {1: 2},
        {b"a": 2},
        {"\ud800": 1},
        (1, 2),
        {1, 2},
        bytearray(b"a"),
        [object()],
        {"a": [msgpack.Timestamp(1, 0)]},
    ],
)
def test_pack_refuses_what_unpack_would(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is Python's for surrogates
        pack(value)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_the_one_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        value = unpack(data)
        assert unpack(pack(value)) == value


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES, st.data())
def test_mutated_messages_give_a_value_or_the_one_error(value: Value, data: st.DataObject) -> None:
    try:
        packed = bytearray(pack(value))
    except ValueError:  # deeper than MAX_DEPTH
        refused(msgpack.packb(value), "nested")
        return
    assert unpack(bytes(packed)) == value
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ProtocolError):
        unpack(bytes(packed))
