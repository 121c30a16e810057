"""Bytes that the light clients of Mumble send and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mumble.ocb2 import Ocb2
from benchmarks.mumble.wire import (
    Direction,
    MessageType,
    Voice,
    pack_message,
    pack_ping,
    pack_varint,
    pack_voice,
    parse_fields,
    parse_varint,
    parse_voice,
)

SIXTEEN = bytes(range(16))
# draft-krovetz-ocb-00, appendix: key and nonce are 00 01 .. 0f, the plaintext begins so too; no associated data.
VECTORS = [
    (0, "", "BF3108130773AD5EC70EC69E7875A7B0"),
    (8, "C636B3A868F429BB", "A45F5FDEA5C088D1D7C8BE37CABC8C5C"),
    (16, "52E48F5D19FE2D9869F0C4A4B3D2BE57", "F7EE49AE7AA5B5E6645DB6B3966136F9"),
    (24, "F75D6BC8B4DC8D66B836A2B08B32A636CC579E145D323BEB", "A1A50F822819D6E0A216784AC24AC84C"),
    (32, "F75D6BC8B4DC8D66B836A2B08B32A636CEC3C555037571709DA25E1BB0421A27", "09CA6C73F0B5C6C5FD587122D75F2AA3"),
    (
        40,
        "F75D6BC8B4DC8D66B836A2B08B32A6369F1CD3C5228D79FD6C267F5F6AA7B231C7DFB9D59951AE9C",
        "9DB0CDF880F73E3E10D4EB3217766688",
    ),
]
VARINTS = [
    (0, "00"),
    (0x7F, "7f"),
    (0x80, "8080"),
    (0x3FFF, "bfff"),
    (0x4000, "c04000"),
    (0x1FFFFF, "dfffff"),
    (0x200000, "e0200000"),
    (0xFFFFFFF, "efffffff"),
    (0x10000000, "f010000000"),
    (0xFFFFFFFF, "f0ffffffff"),
    (0x100000000, "f40000000100000000"),
    ((1 << 64) - 1, "f4ffffffffffffffff"),
]


@pytest.mark.parametrize(("size", "ciphertext", "tag"), VECTORS)
def test_ocb2_has_the_published_vectors(size, ciphertext, tag):
    plaintext, cipher = bytes(range(size)), Ocb2(SIXTEEN)
    assert cipher.seal(plaintext, SIXTEEN) == (bytes.fromhex(ciphertext), bytes.fromhex(tag))
    assert cipher.open(bytes.fromhex(ciphertext), SIXTEEN) == (plaintext, bytes.fromhex(tag))


@given(st.binary(max_size=200), st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_ocb2_opens_what_it_has_sealed(plaintext, key, nonce):
    ciphertext, tag = Ocb2(key).seal(plaintext, nonce)
    assert Ocb2(key).open(ciphertext, nonce) == (plaintext, tag)
    assert len(ciphertext) == len(plaintext)


@pytest.mark.parametrize(("value", "data"), VARINTS)
def test_varints(value, data):
    assert pack_varint(value).hex() == data
    assert parse_varint(b"x" + bytes.fromhex(data) + b"y", 1) == (value, 1 + len(data) // 2)
    for size in range(len(data) // 2):
        with pytest.raises(ValueError, match="number"):
            parse_varint(bytes.fromhex(data)[:size], 0)


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_varints_have_a_range(value):
    with pytest.raises(OverflowError):
        pack_varint(value)


def test_control_messages():
    # As in the documentation of Protocol Buffers: field 1 with 150 is 08 96 01, field 2 with "testing" 12 07 and so on.
    assert pack_message(MessageType.PING, {1: 150, 2: "testing"}).hex() == "00030000000c089601120774657374696e67"
    assert parse_fields(bytes.fromhex("089601120774657374696e67")) == {1: 150, 2: b"testing"}


@given(st.dictionaries(st.integers(1, 5000), st.integers(0, (1 << 64) - 1) | st.binary(max_size=300)))
def test_fields_come_back(fields):
    assert parse_fields(pack_message(MessageType.USER_STATE, fields)[6:]) == fields


def test_fields_of_a_fixed_size_are_passed_over():
    assert parse_fields(bytes.fromhex("45000000003d" + "11223344" + "1001")) == {8: bytes(4), 7: b'\x11"3D', 2: 1}
    assert parse_fields(bytes.fromhex("090102030405060708")) == {1: bytes(range(1, 9))}


@given(st.binary(max_size=40))
def test_arbitrary_fields_are_read_or_refused(body):
    try:
        fields = parse_fields(body)
    except ValueError:
        return
    assert all(number >= 0 for number in fields)


@pytest.mark.parametrize("body", ["08", "0896", "1207746573", "0b", "08" + "ff" * 10 + "01"])
def test_broken_fields_are_refused(body):
    with pytest.raises(ValueError, match=r"cut off|unknown form|too many"):
        parse_fields(bytes.fromhex(body))


def test_voice():
    assert pack_voice(300, b"sound") == bytes.fromhex("80812c05") + b"sound"
    assert parse_voice(bytes.fromhex("8007812c05") + b"sound") == Voice(7, 300, b"sound")
    assert pack_ping(5) == bytes.fromhex("2005")
    for packet in (b"", pack_ping(1), bytes.fromhex("8007812c05") + b"soun", bytes.fromhex("80")):
        with pytest.raises(ValueError, match=r"no voice|cut off|no number"):
            parse_voice(packet)


def test_datagrams_open_in_order_and_over_gaps_but_not_twice():
    up, server = Direction(SIXTEEN, b"\xfe" + b"\xff" * 15), Direction(SIXTEEN, b"\xfe" + b"\xff" * 15)
    datagrams = [up.seal(bytes((n % 256,))) for n in range(300)]
    assert up.nonce == (298).to_bytes(16, "little")
    assert [server.open(datagram) for datagram in datagrams[:3]] == [b"\0", b"\1", b"\2"]
    assert server.open(datagrams[257]) == b"\1"
    for wrong in (datagrams[257], datagrams[2], datagrams[299][:-1] + b"?", b"", datagrams[299][:4]):
        with pytest.raises(ValueError, match="datagram"):
            server.open(wrong)
    assert server.open(datagrams[258]) == b"\2"
